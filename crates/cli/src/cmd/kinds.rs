//! The words for things: singular, plural, short.

use synod_domain::object::{Kind, KindScope};
use synod_domain::problem::nearest;
use synod_protocol::http::client::escape;

use super::API;
use crate::exit::{Fault, Result};

/// A sort of thing that can be named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// One that people declare.
    Declared(Kind),
    /// A run.
    Run,
    /// A run's part for one node.
    Task,
    /// A machine.
    Node,
    /// A user.
    User,
    /// A join token.
    Token,
    /// An event.
    Event,
    /// Everything declared.
    All,
}

const WORDS: [(&[&str], Thing); 12] = [
    (&["namespaces", "namespace", "ns"], Thing::Declared(Kind::Namespace)),
    (&["groups", "group"], Thing::Declared(Kind::Group)),
    (&["rolebindings", "rolebinding", "rb"], Thing::Declared(Kind::RoleBinding)),
    (&["policies", "policy"], Thing::Declared(Kind::Policy)),
    (&["templates", "template", "tpl"], Thing::Declared(Kind::Template)),
    (&["runs", "run"], Thing::Run),
    (&["tasks", "task"], Thing::Task),
    (&["nodes", "node"], Thing::Node),
    (&["users", "user"], Thing::User),
    (&["tokens", "token", "jointokens", "join-tokens"], Thing::Token),
    (&["events", "event"], Thing::Event),
    (&["all"], Thing::All),
];

impl std::str::FromStr for Thing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        WORDS.iter().find(|(words, _)| words.contains(&lower.as_str())).map(|(_, thing)| *thing).ok_or_else(|| {
            let plurals = WORDS.iter().map(|(words, _)| words[0]);
            let near = nearest(&lower, WORDS.iter().flat_map(|(words, _)| words.iter().copied()));
            let near = near.map_or_else(|| format!("known are {}", plurals.collect::<Vec<_>>().join(", ")), |near| format!("did you mean `{near}`?"));
            format!("there is nothing called `{text}`; {near}")
        })
    }
}

impl Thing {
    /// The word for many.
    pub fn plural(self) -> &'static str {
        WORDS.iter().find(|(_, thing)| *thing == self).map_or("things", |(words, _)| words[0])
    }
}

/// `NAME`, `NAMESPACE/NAME` or `KIND/NAME` as a namespace and a name, completed by `-n`.
pub fn split<'a>(kind: Kind, name: &'a str, namespace: Option<&'a str>) -> Result<(Option<&'a str>, &'a str)> {
    let name = name.split_once('/').filter(|(first, _)| first.parse::<Thing>() == Ok(Thing::Declared(kind))).map_or(name, |(_, rest)| rest);
    match (name.split_once('/'), kind.scope()) {
        (Some(_), KindScope::Global) => Err(Fault::usage(format!("a {kind} lives in no namespace; write its name alone"))),
        (Some((own, rest)), _) if namespace.is_none_or(|n| n == own) => Ok((Some(own), rest)),
        (Some((own, _)), _) => Err(Fault::usage(format!("`{name}` names the namespace {own}, and --namespace another"))),
        (None, KindScope::Global) => Ok((None, name)),
        (None, KindScope::Namespaced) if namespace.is_none() => Err(Fault::usage(format!("say in which namespace: `-n NAMESPACE`, or NAMESPACE/{name}"))),
        (None, _) => Ok((namespace, name)),
    }
}

/// The path of a declared thing.
pub fn object_path(kind: Kind, namespace: Option<&str>, name: &str, below: &str) -> String {
    let query = namespace.map(|namespace| format!("?namespace={}", escape(namespace))).unwrap_or_default();
    format!("{API}/objects/{}/{}{below}{query}", kind.plural(), escape(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_their_namespace_along() {
        assert_eq!("Template".parse(), Ok(Thing::Declared(Kind::Template)));
        assert!("templets".parse::<Thing>().unwrap_err().contains("did you mean `templates`"));
        assert_eq!(split(Kind::Template, "shop/x", None).unwrap(), (Some("shop"), "x"));
        assert_eq!(split(Kind::Template, "template/x", Some("shop")).unwrap(), (Some("shop"), "x"));
        assert_eq!(split(Kind::Template, "template/shop/x", None).unwrap(), (Some("shop"), "x"));
        assert_eq!(split(Kind::RoleBinding, "x", None).unwrap(), (None, "x"));
        assert_eq!(split(Kind::Group, "x", Some("shop")).unwrap(), (None, "x"));
        assert!(split(Kind::Template, "x", None).is_err());
        assert!(split(Kind::Template, "a/x", Some("b")).is_err());
        assert_eq!(object_path(Kind::Policy, None, "x", "/revisions"), "/api/v1/objects/policies/x/revisions");
        assert_eq!(object_path(Kind::Template, Some("shop"), "x", ""), "/api/v1/objects/templates/x?namespace=shop");
    }
}
