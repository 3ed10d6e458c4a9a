//! Nodes: machines with an agent, their given labels and their found facts.

use crate::problem::{Problem, segment};
use crate::selector::{Labels, Selector, check_key, check_value};
use crate::template::Targets;

/// The label every node has by itself: its name.
pub const NAME_LABEL: &str = "name";
/// The prefix of labels made from facts: `fact/os`.
pub const FACT_PREFIX: &str = "fact/";

/// What is known of a node when targets are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// All labels, the automatic ones among them.
    pub labels: Labels,
}

/// All labels of a node: those given, its name, and its plain facts as `fact/…`.
pub fn all_labels(name: &str, given: &Labels, facts: &serde_json::Value) -> Labels {
    let mut labels = given.clone();
    for (key, value) in facts.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(n) => n.to_string(),
            serde_json::Value::Bool(b) => b.to_string(),
            _ => continue,
        };
        let key = format!("{FACT_PREFIX}{key}");
        if check_key(&key).is_ok() && check_value(&text).is_ok() {
            labels.insert(key, text);
        }
    }
    labels.insert(NAME_LABEL.to_owned(), name.to_owned());
    labels
}

/// Checks labels a person or a token gives: sound, and none of the automatic ones. Tells of each label what is wrong with it.
pub fn check_given(labels: &Labels) -> Vec<Problem> {
    let wrong = |key: &str, value: &str| {
        check_key(key)?;
        check_value(value)?;
        let automatic = key == NAME_LABEL || key.starts_with(FACT_PREFIX);
        if automatic { Err(format!("the label `{key}` is given by the machine itself")) } else { Ok(()) }
    };
    labels
        .iter()
        .filter_map(|(key, value)| wrong(key, value).err().map(|message| Problem::at(format!("/labels{}", segment(key)), message)))
        .collect()
}

/// Checks a node's name: a host name of at most 63 characters.
pub fn check_name(name: &str) -> Result<(), String> {
    let fine = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    fine.then_some(()).ok_or_else(|| format!("`{name}` is not a node name; use lower-case letters, digits, `-` and `.`, at most 63"))
}

/// What became of a request's targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chosen {
    /// The nodes, by name.
    pub nodes: Vec<Candidate>,
    /// Names of nodes the request asked for that the template or the namespace keeps out.
    pub kept_out: Vec<String>,
}

/// Chooses the nodes of a request: those that the request, the template and the namespace all allow.
pub fn choose(all: Vec<Candidate>, request: &Selector, template: &Targets, namespace: &Selector) -> Chosen {
    let mut chosen = Chosen::default();
    for node in all.into_iter().filter(|node| request.matches(&node.labels)) {
        let allowed = template.selector.matches(&node.labels)
            && !template.exclude.as_ref().is_some_and(|exclude| exclude.matches(&node.labels))
            && namespace.matches(&node.labels);
        if allowed {
            chosen.nodes.push(node);
        } else {
            chosen.kept_out.push(node.name);
        }
    }
    chosen.nodes.sort_by_key(|node| natural(&node.name));
    chosen.kept_out.sort();
    chosen
}

/// Orders `web-2` before `web-10`.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(letters);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        parts.push((0, word.to_owned()));
        parts.push((number.parse().unwrap_or(u64::MAX), number.to_owned()));
        rest = tail;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, labels: &[(&str, &str)]) -> Candidate {
        let given = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Candidate { id: name.into(), name: name.into(), labels: all_labels(name, &given, &serde_json::json!({"os": "debian", "load": [1]})) }
    }

    #[test]
    fn request_template_and_namespace_must_all_agree() {
        let all = vec![
            candidate("web-10", &[("role", "web")]),
            candidate("web-2", &[("role", "web")]),
            candidate("lab-1", &[("role", "web"), ("env", "lab")]),
            candidate("db-1", &[("role", "db")]),
        ];
        let targets = Targets { selector: "role=web".parse().unwrap(), exclude: Some("env=lab".parse().unwrap()), ..Targets::default() };
        let chosen = choose(all, &"fact/os=debian".parse().unwrap(), &targets, &Selector::default());
        assert_eq!(chosen.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["web-2", "web-10"]);
        assert_eq!(chosen.kept_out, ["db-1", "lab-1"]);
    }

    #[test]
    fn automatic_labels_cannot_be_given() {
        let labels: Labels = ["name", "fact/os", "role", "a/b", "bad/é"].map(|key| (key.to_owned(), "x".to_owned())).into();
        let wrong: Vec<String> = check_given(&labels).into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(wrong, ["/labels/bad~1é", "/labels/fact~1os", "/labels/name"]);
        for bad in ["", "Web", "-a", "a_b", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
