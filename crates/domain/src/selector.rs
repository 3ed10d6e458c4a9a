//! Label queries in Kubernetes syntax: `role=web,env!=dev,zone in (a,b),!draining`.
//!
//! Grammar: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Labels of one node, with the automatic ones (`name`, `fact/…`) among them.
pub type Labels = BTreeMap<String, String>;

/// A conjunction of requirements. The empty selector matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// Whether every requirement holds. As in Kubernetes, `!=` and `notin` also hold when the key is absent.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|Requirement { key, test }| {
            let value = labels.get(key);
            match test {
                Test::In(values) => value.is_some_and(|v| values.contains(v)),
                Test::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Requirement { key, test }) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0])?,
                Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", values[0])?,
                Test::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

/// Why a selector cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError {
    /// Column in the selector, from 1.
    pub column: u32,
    /// What is wrong there and what would be right.
    pub message: String,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for SelectorError {}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, SelectorError> {
        let column = u32::try_from(self.text[..self.at].chars().count() + 1).unwrap_or(u32::MAX);
        Err(SelectorError { column, message: message.into() })
    }

    fn word(&mut self, what: &str) -> Result<&'a str, SelectorError> {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c))).unwrap_or(rest.len());
        if end == 0 {
            let found = rest.chars().next().map_or("the end".to_owned(), |c| format!("`{c}`"));
            return self.fail(format!("expected {what}, found {found}"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        if !self.eat("(") {
            return self.fail("expected `(` and a list of values, as in `zone in (a,b)`");
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            if self.eat(")") {
                return Ok(values);
            }
            if !self.eat(",") {
                return self.fail("expected `,` or `)` in the list of values");
            }
        }
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        let start = self.at;
        let value = self.word("a value")?;
        check_value(value).or_else(|message| {
            self.at = start;
            self.fail(message)
        })?;
        Ok(value.to_owned())
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.eat("!");
        self.skip_space();
        let start = self.at;
        let key = self.word("a label name")?.to_owned();
        if let Err(message) = check_key(&key) {
            self.at = start;
            return self.fail(message);
        }
        if absent {
            return Ok(Requirement { key, test: Test::Absent });
        }
        let test = if self.eat("!=") {
            Test::NotIn(vec![self.value()?])
        } else if self.eat("==") || self.eat("=") {
            Test::In(vec![self.value()?])
        } else if self.keyword("notin") {
            Test::NotIn(self.values()?)
        } else if self.keyword("in") {
            Test::In(self.values()?)
        } else {
            Test::Exists
        };
        Ok(Requirement { key, test })
    }

    /// An operator word: only when a space or a bracket follows it.
    fn keyword(&mut self, word: &str) -> bool {
        self.skip_space();
        let follows = self.rest().strip_prefix(word).and_then(|rest| rest.chars().next());
        let found = matches!(follows, Some('(' | ' ' | '\t'));
        if found {
            self.at += word.len();
        }
        found
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, at: 0 };
        let mut all = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        loop {
            all.push(parser.requirement()?);
            parser.skip_space();
            if parser.rest().is_empty() {
                return Ok(Self(all));
            }
            if !parser.eat(",") {
                return parser.fail(format!("expected `,`, `=`, `!=`, `in (…)` or `notin (…)`, found `{}`", parser.rest().chars().next().unwrap_or(' ')));
            }
        }
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Selector {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("A label query in Kubernetes syntax"))
            .examples(["role=web,env!=dev,zone in (a,b)"])
            .into()
    }
}

impl utoipa::ToSchema for Selector {}

/// Checks a label name: `[prefix/]name`, at most 63 characters a part, beginning and ending with a letter or digit.
pub fn check_key(key: &str) -> Result<(), String> {
    let parts: Vec<&str> = key.split('/').collect();
    let fine = parts.len() <= 2 && parts.iter().all(|part| is_word(part, 63) && !part.is_empty());
    fine.then_some(())
        .ok_or_else(|| format!("`{key}` is not a label name; use letters, digits, `-`, `_` and `.`, at most 63, such as `role` or `team/role`"))
}

/// Checks a label value: empty, or at most 63 characters, beginning and ending with a letter or digit.
pub fn check_value(value: &str) -> Result<(), String> {
    is_word(value, 63)
        .then_some(())
        .ok_or_else(|| format!("`{value}` is not a label value; use letters, digits, `-`, `_` and `.`, at most 63"))
}

fn is_word(text: &str, max: usize) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= max && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && edge(text.chars().next()) && edge(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn selects_as_kubernetes_does() {
        let web = labels(&[("role", "web"), ("zone", "a"), ("inner", "x")]);
        for (query, wanted) in [
            ("", true),
            ("role=web", true),
            ("role==web", true),
            ("role = web , zone = a", true),
            ("role!=web", false),
            ("env!=dev", true),
            ("zone in (a,b)", true),
            ("zone in (b, c)", false),
            ("zone notin (b)", true),
            ("env notin (dev)", true),
            ("role", true),
            ("!role", false),
            ("!env", true),
            ("inner", true),
            ("inner=x", true),
        ] {
            assert_eq!(query.parse::<Selector>().unwrap().matches(&web), wanted, "{query}");
        }
    }

    #[test]
    fn a_refusal_names_the_column() {
        for (query, column) in [("role=web,", 10), ("=web", 1), ("role=", 6), ("zone in a", 9), ("zone in (a", 11), ("a b", 3), ("role=-x", 6), ("a,,b", 3)] {
            let error = query.parse::<Selector>().unwrap_err();
            assert_eq!(error.column, column, "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = text.parse::<Selector>();
        }

        #[test]
        fn survives_a_round_trip(text in "[a-z]{1,4}(=|!=)[a-z]{1,4}(,[a-z]{1,3} (in|notin) \\([a-z],[a-z]\\))?(,!?[a-z]{1,5})?") {
            let selector: Selector = text.parse().unwrap();
            prop_assert_eq!(selector.to_string().parse::<Selector>().unwrap(), selector);
        }
    }
}
