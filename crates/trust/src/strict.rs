//! Strict reading of JSON: one spelling for one meaning, so that no two readers disagree.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use synod_domain::canonical;

/// Reads a document that must be its own canonical form (RFC 8785). Duplicate keys, unknown fields, other
/// spellings of numbers or texts, and integers beyond 2^53 − 1 are refused.
pub fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, String> {
    let value: Value = without_duplicates(bytes)?;
    let mut problems = Vec::new();
    canonical::check_numbers(&value, "", &mut problems);
    if let Some(problem) = problems.first() {
        return Err(problem.to_string());
    }
    canonical::read(bytes).map_err(|e| e.message().to_owned())
}

/// Reads any JSON, but refuses an object that has a key twice: readers differ in which of the two they take.
pub fn without_duplicates(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice::<Unique>(bytes).map(|unique| unique.0).map_err(|e| e.to_string())
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let Unique(field) = map.next_value()?;
            if fields.contains_key(&name) {
                return Err(serde::de::Error::custom(format!("the key `{name}` stands twice in one object; write it once")));
            }
            fields.insert(name, field);
        }
        Ok(Value::Object(fields))
    }
}

/// Bytes as standard base64 with padding (RFC 4648 section 4).
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard base64 with padding; the one right spelling only.
pub fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|e| format!("not standard base64 with padding: {e}"))
}

/// Bytes as base64url without padding (RFC 4648 section 5).
pub fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding; the one right spelling only.
pub fn from_base64url(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text).map_err(|e| format!("not base64url without padding: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_refused_at_any_depth() {
        assert!(without_duplicates(br#"{"a":{"b":[1,{"c":null,"d":"x"}]}}"#).is_ok());
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"a":1,"a":2}]}"#, r#"{"x":{"y":{"a":1,"b":2,"a":1}}}"#] {
            let error = without_duplicates(text.as_bytes()).unwrap_err();
            assert!(error.contains("stands twice"), "{text}: {error}");
        }
    }

    #[test]
    fn only_canonical_documents_are_read() {
        assert!(read::<Value>(br#"{"a":1,"b":[true,null,"x",1.5,-3]}"#).is_ok());
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":1,"a":1}"#,
            r#"{"a":1} "#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":-0}"#,
            r#"{"a":01}"#,
            r#"{"a":+1}"#,
            r#"{"a":NaN}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\ud800"}"#,
            "\u{feff}{}",
            r#"{"a":1}{"a":1}"#,
        ] {
            assert!(read::<Value>(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(from_base64("YQ==").unwrap(), b"a");
        for text in ["YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "YQ==="] {
            assert!(from_base64(text).is_err(), "{text}");
        }
        assert_eq!(from_base64url("YQ").unwrap(), b"a");
        for text in ["YQ==", "YR", "+/+/", "Y Q"] {
            assert!(from_base64url(text).is_err(), "{text}");
        }
    }
}
