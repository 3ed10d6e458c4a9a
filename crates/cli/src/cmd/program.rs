//! What concerns the program itself: completion, man pages, version.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;
use synod_protocol::http::system::ServerInfo;

use super::API;
use crate::args::Cli;
use crate::exit::{Exit, Fault, Result};
use crate::output::{count, note};
use crate::session::App;

/// Arguments of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Writes a completion script.
pub fn completion(args: CompletionArgs, app: &App<'_>) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "synod", &mut script);
    app.out.bytes(&script)?;
    Ok(Exit::Ok)
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, made when it is not there
    dir: PathBuf,
}

/// Writes the man pages.
pub fn man(args: ManArgs, app: &App<'_>) -> Result {
    let failed = |e: std::io::Error| Fault::file("write", &args.dir, &e);
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(failed)?;
    app.out.line(&format!("man pages are in {}", args.dir.display()))?;
    Ok(Exit::Ok)
}

/// Arguments of `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Only the program's own
    #[arg(long)]
    client: bool,
}

/// Tells the versions.
pub async fn version(args: VersionArgs, app: &App<'_>) -> Result {
    let own = env!("CARGO_PKG_VERSION");
    let server = if args.client { None } else { Some(server(app).await) };
    let (info, fault) = match server {
        None => (None, None),
        Some(Ok(info)) => (Some(info), None),
        Some(Err(fault)) => (None, Some(fault)),
    };
    let shown = json!({"client": own, "server": info.as_ref().map(|info| &info.version), "database": info.as_ref().map(|info| &info.database)});
    app.out.either(&shown, || match &info {
        Some(info) => format!("synod {own}\nserver {} on {}, {}", info.version, info.database, count(info.members.len(), "member")),
        None => format!("synod {own}"),
    })?;
    if let Some(fault) = fault {
        note(&format!("the server's version is not known: {}", crate::diagnose::text(&fault, false).trim_start_matches("error: ")));
    }
    Ok(Exit::Ok)
}

async fn server(app: &App<'_>) -> Result<ServerInfo> {
    Ok(app.connect().await?.get(&format!("{API}/server")).await?)
}
