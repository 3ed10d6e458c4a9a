//! `synod delete`: declared things, nodes, join tokens.

use std::path::PathBuf;

use clap::Args;
use synod_domain::object::{Kind, title};
use synod_protocol::http::client::escape;

use super::API;
use super::kinds::{Thing, object_path, split};
use crate::documents;
use crate::exit::{Exit, Fault, Result};
use crate::session::App;

/// Arguments of `delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// What: template, namespace, group, rolebinding, policy, node, token
    #[arg(value_name = "KIND", required_unless_present = "files", conflicts_with = "files")]
    thing: Option<Thing>,
    /// Their names
    #[arg(value_name = "NAME", conflicts_with = "files")]
    names: Vec<String>,
    /// Delete what these files declare
    #[arg(short = 'f', long = "filename", num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not fail when there is no such thing
    #[arg(long)]
    ignore_not_found: bool,
}

/// Deletes things.
pub async fn delete(args: DeleteArgs, app: &App<'_>) -> Result {
    let mut doomed: Vec<(String, String)> = Vec::new();
    let of_kind = |kind: Kind, namespace: Option<&str>, name: &str| (object_path(kind, namespace, name, ""), title(kind, namespace, name));
    if let Some(thing) = args.thing {
        if args.names.is_empty() {
            return Err(Fault::usage(format!("say which of the {} to delete", thing.plural())));
        }
        for name in &args.names {
            doomed.push(match thing {
                Thing::Declared(kind) => {
                    let (namespace, name) = split(kind, name, app.namespace())?;
                    of_kind(kind, namespace, name)
                }
                Thing::Node => (format!("{API}/nodes/{}", escape(name)), format!("node {name}")),
                Thing::Token => (format!("{API}/join-tokens/{}", escape(name)), format!("join token {name}")),
                Thing::User => {
                    return Err(Fault::usage("users are never deleted, so that the record keeps its names").help("disable one: `synod user disable NAME`"));
                }
                Thing::Run => return Err(Fault::usage("runs are never deleted").help("cancel one: `synod cancel RUN`")),
                Thing::Task | Thing::Event | Thing::All => return Err(Fault::usage(format!("{} cannot be deleted", thing.plural()))),
            });
        }
    } else {
        let mut documents = documents::load(&args.files)?;
        if let Some(namespace) = app.namespace() {
            documents.default_namespace(namespace);
        }
        let mut names = documents.names()?;
        // What others stand on goes last.
        names.sort_by_key(|(kind, ..)| std::cmp::Reverse(*kind));
        doomed.extend(names.iter().map(|(kind, namespace, name)| of_kind(*kind, namespace.as_deref(), name)));
    }
    let client = app.connect().await?;
    for (path, title) in doomed {
        match client.delete(&path).await {
            Err(e) if args.ignore_not_found && e.code() == Some("SYN-3000") => app.out.line(&format!("{title} is not there"))?,
            other => {
                other?;
                app.out.line(&format!("{title} deleted"))?;
            }
        }
    }
    Ok(Exit::Ok)
}
