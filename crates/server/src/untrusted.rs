//! What machines say of themselves, made fit to be stored and shown.

use synod_domain::{Error, Result};

/// As JSON, with another character in place of NUL, which PostgreSQL's text cannot hold.
pub fn without_nul(value: &impl serde::Serialize) -> Result<String> {
    fn clean(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = text.replace('\0', "\u{fffd}"),
            serde_json::Value::Array(items) => items.iter_mut().for_each(clean),
            serde_json::Value::Object(fields) => {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, mut value)| {
                        (name.replace('\0', "\u{fffd}"), {
                            clean(&mut value);
                            value
                        })
                    })
                    .collect();
            }
            _ => {}
        }
    }
    let text = serde_json::to_string(value).map_err(Error::internal)?;
    // The escape itself, or a text that looks like one.
    if !text.contains("\\u0000") {
        return Ok(text);
    }
    let mut value = serde_json::to_value(value).map_err(Error::internal)?;
    clean(&mut value);
    Ok(value.to_string())
}

/// A text without NUL and of so many characters at most.
pub fn bounded(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// A text without NUL and of so many bytes at most once it is written as JSON.
pub fn bounded_json(text: &str, most: usize) -> String {
    let mut left = most;
    let fits = |c: &char| {
        let bytes = match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            c if *c < ' ' => 6,
            c => c.len_utf8(),
        };
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    };
    text.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c }).take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_goes_and_what_looks_like_it_stays() {
        let value = serde_json::json!({"a\u{0}": ["b\u{0}c", r"d\u0000e", 7]});
        let clean: serde_json::Value = serde_json::from_str(&without_nul(&value).unwrap()).unwrap();
        assert_eq!(clean, serde_json::json!({"a\u{fffd}": ["b\u{fffd}c", r"d\u0000e", 7]}));
        assert_eq!(bounded("ab\u{0}cd", 4), "ab\u{fffd}c");
        assert_eq!(bounded_json("a\n\u{1}b\u{0}c", 13), "a\n\u{1}b\u{fffd}");
        assert_eq!(serde_json::to_string(&bounded_json("\"\u{1}é\\".repeat(99).as_str(), 98)).unwrap().len(), 100);
    }
}
