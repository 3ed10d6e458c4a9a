//! The canonical form of documents and their digests.
//!
//! JSON is put into RFC 8785 form, so that everybody who holds the document computes the same
//! SHA-256. Numbers are limited to what every reader agrees on.

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
    serde_json_canonicalizer::to_vec(value).map_err(Error::internal)
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

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point(keys in proptest::collection::btree_map("[a-zA-Zé€\u{1F600}]{0,4}", -1000i64..1000, 0..6)) {
            let bytes = canonical(&keys).unwrap();
            let back: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(canonical(&back).unwrap(), bytes);
        }
    }
}
