//! `synod history`: the revisions of a declared thing.

use clap::Args;
use synod_protocol::http::object::DocumentList;

use super::kinds::{Thing, object_path, split};
use super::listing::Found;
use crate::exit::{Exit, Fault, Result};
use crate::output::Format;
use crate::session::App;
use crate::table::{Show, Table};
use crate::when;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// template, namespace, group, rolebinding or policy
    #[arg(value_name = "KIND")]
    thing: Thing,
    /// Its name
    name: String,
}

/// Lists the revisions.
pub async fn history(args: HistoryArgs, app: &App<'_>) -> Result {
    let Thing::Declared(kind) = args.thing else {
        return Err(Fault::usage(format!("{} have no revisions", args.thing.plural())).help("what happened to them: `synod events --subject …`"));
    };
    let (namespace, name) = split(kind, &args.name, app.namespace())?;
    let list: DocumentList = app.connect().await?.get(&object_path(kind, namespace, name, "/revisions")).await?;
    if app.out.format() == Format::Yaml {
        return app.out.text(&super::get::as_yaml(&list.items)?).map(|()| Exit::Ok);
    }
    let found = Found { items: list.items, next: None };
    found.print(
        app,
        |d| d.metadata.revision.unwrap_or_default().to_string(),
        || {
            let mut table = Table::new(&[("REVISION", Show::Always), ("AUTHOR", Show::Always), ("AGE", Show::Short), ("UPDATED", Show::Always)]);
            for document in &found.items {
                let meta = &document.metadata;
                table.row(vec![
                    meta.revision.unwrap_or_default().into(),
                    meta.author.as_deref().unwrap_or_default().into(),
                    meta.updated_at.map(when::age).unwrap_or_default().into(),
                    meta.updated_at.map(|at| at.to_string()).unwrap_or_default().into(),
                ]);
            }
            table
        },
        "no revisions",
    )?;
    Ok(Exit::Ok)
}
