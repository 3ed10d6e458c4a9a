//! `synod label`: labels of a node.

use std::collections::BTreeMap;

use clap::Args;
use synod_domain::selector::{check_key, check_value};
use synod_protocol::http::client::escape;
use synod_protocol::http::node::{Node, NodeChange};

use super::API;
use super::token::label_words;
use crate::exit::{Exit, Fault, Result};
use crate::session::App;

/// Arguments of `label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// `node` may be written before the name, as in `synod label node web-1 role=web`
    #[arg(value_name = "[node] NAME")]
    node: String,
    /// `name=value` sets a label, `name-` removes it
    #[arg(required = true, value_name = "K=V | K-")]
    changes: Vec<String>,
}

/// Sets and removes labels.
pub async fn label(args: LabelArgs, app: &App<'_>) -> Result {
    let (node, changes) = match args.changes.split_first() {
        Some((name, rest)) if matches!(args.node.as_str(), "node" | "nodes") && !rest.is_empty() => (name.as_str(), rest),
        _ => (args.node.as_str(), args.changes.as_slice()),
    };
    let labels = changes.iter().map(|text| read(text)).collect::<Result<BTreeMap<_, _>>>()?;
    let changed: Node = app.connect().await?.patch(&format!("{API}/nodes/{}", escape(node)), &NodeChange { labels }).await?;
    app.out.either(&changed, || format!("node {}: {}", changed.name, label_words(&changed.labels)))?;
    Ok(Exit::Ok)
}

fn read(text: &str) -> Result<(String, Option<String>)> {
    let (key, value) = match (text.split_once('='), text.strip_suffix('-')) {
        (Some((key, value)), _) => (key, Some(value)),
        (None, Some(key)) => (key, None),
        (None, None) => return Err(Fault::usage(format!("`{text}` is no change of a label; write name=value, or name- to remove it"))),
    };
    check_key(key).and_then(|()| value.map_or(Ok(()), check_value)).map_err(Fault::usage)?;
    Ok((key.to_owned(), value.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_as_in_kubectl() {
        assert_eq!(read("role=web").unwrap(), ("role".into(), Some("web".into())));
        assert_eq!(read("role-").unwrap(), ("role".into(), None));
        assert_eq!(read("a=b-c").unwrap(), ("a".into(), Some("b-c".into())));
        assert!(read("role").is_err() && read("=x").is_err());
    }
}
