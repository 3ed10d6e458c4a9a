//! The canonical form of documents and their digests.
//!
//! JSON is put into RFC 8785 form, so that everybody who holds the document computes the same
//! SHA-256. Numbers are limited to what every reader agrees on.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result, code};
use crate::problem::{Problem, segment};

/// The largest integer that every JSON reader represents exactly (2^53 − 1).
pub const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// `sha256:` and the lower-case hexadecimal SHA-256 of `bytes`.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The RFC 8785 bytes of a value.
pub fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let document = serde_json::to_value(value).map_err(Error::internal)?;
    let mut bytes = Vec::with_capacity(512);
    if plain(&document, &mut bytes)? {
        return Ok(bytes);
    }
    serde_json_canonicalizer::to_vec(value).map_err(Error::internal)
}

/// Writes what has no other numbers than safe integers, which is nearly all there is, some ten times as fast as the library,
/// which keeps every key and value in buffers of their own to sort them. `false` when it met another number.
fn plain(value: &Value, out: &mut Vec<u8>) -> Result<bool> {
    match value {
        Value::Number(n) if !n.as_i64().is_some_and(|n| (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&n)) => return Ok(false),
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                if !plain(item, out)? {
                    return Ok(false);
                }
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by(|(a, _), (b, _)| by_code_units(a, b));
            out.push(b'{');
            for (n, (name, field)) in fields.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name).map_err(Error::internal)?;
                out.push(b':');
                if !plain(field, out)? {
                    return Ok(false);
                }
            }
            out.push(b'}');
        }
        // Strings are escaped as ECMAScript does: RFC 8785, section 3.2.2.2.
        simple => serde_json::to_writer(out, simple).map_err(Error::internal)?,
    }
    Ok(true)
}

/// The order of names in RFC 8785, section 3.2.3: by UTF-16 code units.
fn by_code_units(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// Reads canonical JSON strictly: anything that is not byte for byte the canonical form of what it says is refused.
pub fn read<T: serde::de::DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T> {
    let refuse = |why: String| Error::new(code::MALFORMED, why);
    let value: T = serde_json::from_slice(bytes).map_err(|e| refuse(format!("not the expected document: {e}")))?;
    if canonical(&value)? != bytes {
        return Err(refuse("the document is not in canonical form (RFC 8785)".to_owned()));
    }
    Ok(value)
}

/// Finds numbers that readers would disagree on: integers beyond 2^53 − 1 in size.
pub fn check_numbers(value: &Value, pointer: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Number(n) => {
            let unsafe_integer = n.as_i64().is_some_and(|i| i.abs() > MAX_SAFE_INTEGER) || n.as_u64().is_some_and(|u| u > MAX_SAFE_INTEGER as u64);
            if unsafe_integer {
                problems.push(
                    Problem::at(pointer, format!("the number {n} is beyond what every reader represents exactly"))
                        .hint("write it as a string, or keep it within ±9007199254740991"),
                );
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                check_numbers(item, &format!("{pointer}/{n}"), problems);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                check_numbers(field, &format!("{pointer}{}", segment(name)), problems);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn order_and_spacing_do_not_matter() {
        let one: Value = serde_json::from_str(r#"{"b": 1, "a": [true, null, "é"]}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":[true,null,"\u00e9"],"b":1}"#).unwrap();
        assert_eq!(canonical(&one).unwrap(), canonical(&two).unwrap());
        assert_eq!(String::from_utf8(canonical(&one).unwrap()).unwrap(), r#"{"a":[true,null,"é"],"b":1}"#);
    }

    #[test]
    fn strict_reading_refuses_other_spellings() {
        assert!(read::<Value>(br#"{"a":1,"b":2}"#).is_ok());
        for text in [r#"{"b":2,"a":1}"#, r#"{"a": 1}"#, r#"{"a":1,"a":1}"#, r#"{"a":1.0}"#, r#"{"a":"\u0041"}"#] {
            assert!(read::<Value>(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn unsafe_numbers_are_named() {
        let mut problems = Vec::new();
        check_numbers(&json!({"a": [1, 9_007_199_254_740_993_i64]}), "", &mut problems);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, "/a/1");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = proptest::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter);
        let number = prop_oneof![any::<i64>().prop_map(Value::from), any::<u64>().prop_map(Value::from), (-1e9..1e9).prop_map(Value::from)];
        let integer = (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).prop_map(Value::from);
        let leaf = prop_oneof![
            1 => Just(Value::Null),
            1 => any::<bool>().prop_map(Value::from),
            4 => integer,
            1 => number,
            4 => text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            let fields = proptest::collection::vec((text.clone(), inner.clone()), 0..6);
            prop_oneof![proptest::collection::vec(inner, 0..6).prop_map(Value::from), fields.prop_map(|fields| fields.into_iter().collect())]
        })
    }

    #[test]
    fn names_are_sorted_by_utf16_and_odd_characters_escaped() {
        let names = json!({"\u{1F600}": 1, "\u{FB33}": 2, "\u{20ac}": 3, "\r": 4, "1": 5, "\u{80}": 6, "\u{f6}": 7});
        let order = "{\"\\r\":4,\"1\":5,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":3,\"\u{1F600}\":1,\"\u{FB33}\":2}";
        assert_eq!(String::from_utf8(canonical(&names).unwrap()).unwrap(), order);
        let odd = json!("\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{7f}\u{2028}");
        assert_eq!(canonical(&odd).unwrap(), serde_json_canonicalizer::to_vec(&odd).unwrap());
    }

    proptest! {
        #[test]
        fn it_is_what_the_library_writes(value in any_value()) {
            prop_assert_eq!(canonical(&value).unwrap(), serde_json_canonicalizer::to_vec(&value).unwrap());
        }

        #[test]
        fn canonical_is_a_fixed_point(keys in proptest::collection::btree_map("[a-zA-Zé€\u{1F600}]{0,4}", -1000i64..1000, 0..6)) {
            let bytes = canonical(&keys).unwrap();
            let back: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(canonical(&back).unwrap(), bytes);
        }
    }
}
