//! `synod apply` and `synod diff`.

use std::path::PathBuf;

use clap::Args;
use synod_protocol::http::object::{Action, Applied, ApplyRequest, ApplyResponse};

use super::API;
use crate::documents;
use crate::exit::{Exit, Result};
use crate::output::{Colour, Format, clean, note};
use crate::session::App;

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A file, a folder (its .yaml, .yml and .json files, with those below) or - for the standard input; may be repeated. With `-n`, documents that name no namespace get that one
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only tell what would change
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A file, a folder or - for the standard input; may be repeated
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
}

async fn send(files: &[PathBuf], dry_run: bool, app: &App<'_>) -> Result<ApplyResponse> {
    let mut documents = documents::load(files)?;
    if let Some(namespace) = app.namespace() {
        documents.default_namespace(namespace);
    }
    let request = ApplyRequest { documents: documents.values(), dry_run };
    let client = app.connect().await?;
    client.post(&format!("{API}/apply"), &request).await.map_err(|e| documents.locate(e))
}

fn title(applied: &Applied) -> String {
    synod_domain::object::title(applied.kind, applied.namespace.as_deref(), &applied.name)
}

/// Applies files, all or nothing.
pub async fn apply(args: ApplyArgs, app: &App<'_>) -> Result {
    let response = send(&args.files, args.dry_run, app).await?;
    match app.out.format() {
        Format::Json | Format::Yaml => app.out.value(&response)?,
        Format::Name => {
            let names: String = response.results.iter().map(|one| title(one) + "\n").collect();
            app.out.text(&names)?;
        }
        _ => {
            for one in &response.results {
                let (words, colour) = match one.action {
                    Action::Created => ("created", Colour::Green),
                    Action::Updated => ("updated", Colour::Yellow),
                    Action::Unchanged => ("unchanged", Colour::Dim),
                };
                let dry = if args.dry_run { " (dry run)" } else { "" };
                app.out.line(&format!("{} {}, revision {}{dry}", clean(&title(one)), app.out.paint(colour, words), one.revision))?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// Shows what applying would change.
pub async fn diff(args: DiffArgs, app: &App<'_>) -> Result {
    let response = send(&args.files, true, app).await?;
    let differs = response.results.iter().any(|one| one.action != Action::Unchanged);
    if app.out.structured() {
        app.out.value(&response)?;
    } else {
        for one in response.results.iter().filter(|one| one.action != Action::Unchanged) {
            let what = if one.action == Action::Created { "new" } else { "changed" };
            app.out.line(&app.out.paint(Colour::Bold, &format!("{} ({what})", clean(&title(one)))))?;
            for line in one.diff.lines() {
                app.out.line(&coloured(app, line))?;
            }
        }
        if !differs {
            note("nothing differs");
        }
    }
    Ok(if differs { Exit::Differs } else { Exit::Ok })
}

/// A line of a unified diff in its colour.
pub fn coloured(app: &App<'_>, line: &str) -> String {
    let colour = match line.chars().next() {
        Some('+') => Colour::Green,
        Some('-') => Colour::Red,
        Some('@') => Colour::Blue,
        _ => return clean(line),
    };
    app.out.paint(colour, &clean(line))
}
