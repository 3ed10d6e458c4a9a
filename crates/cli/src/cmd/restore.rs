//! `synod restore`: puts a backup into an empty database.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use synod_db::{Db, event};
use synod_domain::event::{NewEvent, types};

use crate::exit::{Exit, Fault, Result};
use crate::session::App;
use crate::when::now;

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// Where to: sqlite:PATH or postgres://USER@HOST:PORT/DATABASE; must be empty
    #[arg(long, value_name = "URL", required_unless_present = "check")]
    database: Option<String>,
    /// Only check that the file is whole
    #[arg(long)]
    check: bool,
}

/// The record goes on in the restored database with the fact that it was restored.
async fn record(db: &Db, rows: u64) -> synod_domain::Result<()> {
    let restored =
        NewEvent { kind: types::BACKUP_RESTORED, subject: "server".into(), namespace: None, run: None, actor: "system".into(), data: json!({"rows": rows}) };
    let mut tx = db.begin().await?;
    event::append(&mut tx, &[restored], now()).await?;
    tx.commit().await
}

/// Restores or checks a backup.
pub async fn restore(args: RestoreArgs, app: &App<'_>) -> Result {
    let bytes = std::fs::read(&args.file).map_err(|e| Fault::file("read", &args.file, &e))?;
    let checked = match &args.database {
        Some(url) if !args.check => {
            synod_db::backup::check(&bytes).map_err(Fault::from)?;
            let db = Db::open(url).await.map_err(Fault::from)?;
            let checked = synod_db::backup::restore(&db, &bytes).await.map_err(Fault::from)?;
            record(&db, checked.rows).await.map_err(Fault::from)?;
            db.close().await;
            checked
        }
        _ => synod_db::backup::check(&bytes).map_err(Fault::from)?,
    };
    let word = if args.check { "is whole" } else { "is restored" };
    let shown = json!({"file": args.file, "rows": checked.rows, "version": checked.version, "restored": !args.check});
    app.out.either(&shown, || {
        let next = if args.check { "" } else { "\nStart the server with the master key of the old one: nothing secret opens without it." };
        format!("{} {word}: {} rows, written by version {}{next}", args.file.display(), checked.rows, checked.version)
    })?;
    Ok(Exit::Ok)
}
