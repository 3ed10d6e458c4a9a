//! `synod verify`: a run's whole story by its evidence, believing no server.

use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::json;
use synod_protocol::http::client::{Client, accept, collect, escape};
use synod_trust::audit::VerifierKey;
use synod_trust::bundle::{Bundle, Check, MAX_BUNDLE, Report, verify_bundle};

use super::API;
use crate::exit::{Exit, Fault, Result};
use crate::output::{Colour, Format, clean, count, note};
use crate::pins::{Book, PinArgs, from_pinned};
use crate::session::App;
use crate::when;

/// `verify …`
#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Check a run: what was asked, who agreed by signatures, what nodes did, and where the audit log has it
    Run(VerifyRunArgs),
}

/// Arguments of `verify run`.
#[derive(Debug, Args)]
pub struct VerifyRunArgs {
    /// The run, by id or a unique beginning of it
    run: String,
    /// By the evidence in this file, without any server
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    offline: Option<PathBuf>,
    /// Save the evidence, for verifying it later
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    pins: PinArgs,
}

/// Verifies.
pub async fn verify(command: VerifyCommand, app: &App<'_>) -> Result {
    let VerifyCommand::Run(args) = command;
    let mut book = Book::open(&args.pins, app)?;
    let (bytes, pinned, key) = match &args.offline {
        Some(file) => {
            let (pinned, key) = told(&book)?;
            let size = std::fs::metadata(file).map_err(|e| Fault::file("read", file, &e))?.len();
            if size > MAX_BUNDLE as u64 {
                return Err(Fault::usage(format!("{} has {size} bytes; a bundle has at most {MAX_BUNDLE}", file.display())));
            }
            (Bytes::from(std::fs::read(file).map_err(|e| Fault::file("read", file, &e))?), pinned, key)
        }
        None => online(&args, &mut book, app).await?,
    };
    let wrong = |why: String| Fault::new(if args.offline.is_some() { Exit::Usage } else { Exit::Internal }, why);
    let mut bundle = Bundle::read(&bytes).map_err(wrong)?;
    if !bundle.run.starts_with(&args.run) {
        return Err(wrong(format!("the evidence is about run {}, not {}", bundle.run, args.run)));
    }
    bundle.roots = from_pinned(&bundle.roots, &pinned).to_vec();
    let report = verify_bundle(&bundle, &pinned, &key, when::now());
    show(&bundle, &report, app)
}

async fn online(args: &VerifyRunArgs, book: &mut Book, app: &App<'_>) -> Result<(Bytes, String, VerifierKey)> {
    let client = app.connect().await?;
    book.see_roots(&client).await?;
    let key = book.see_log_key(&client).await?;
    let pinned = book.root().ok_or_else(|| {
        Fault::new(Exit::NotFound, "no trust root is published, so there are no signatures to go by")
            .help("`synod audit verify` checks the log alone; `synod trust init` begins a trust root")
    })?;
    let bytes = fetch(&client, &args.run).await?;
    if let Some(file) = &args.save {
        std::fs::write(file, &bytes).map_err(|e| Fault::file("write", file, &e))?;
        note(&format!("saved to {}; later: synod verify run {} --offline {}", file.display(), args.run, file.display()));
        note(&format!("  --trust-root {pinned} --log-key {key}"));
    }
    Ok((bytes, pinned, key))
}

async fn fetch(client: &Client, run: &str) -> Result<Bytes> {
    let path = format!("{API}/runs/{}/bundle", escape(run));
    Ok(collect(accept(client.raw(http::Method::GET, &path, &[], Bytes::new()).await?).await?).await?)
}

/// What is believed without asking anybody.
fn told(book: &Book) -> Result<(String, VerifierKey)> {
    match (book.root(), book.log_key()?) {
        (Some(root), Some(key)) => Ok((root, key)),
        (root, _) => {
            let (what, option) = if root.is_none() { ("trust root", "--trust-root sha256:…") } else { ("key of the audit log", "--log-key KEY") };
            Err(Fault::usage(format!("without a server it must be told which {what} to believe: pass {option}"))
                .help("people who were there know both; `synod trust show` and `synod audit verify` show them, and agents pin the first"))
        }
    }
}

fn show(bundle: &Bundle, report: &Report, app: &App<'_>) -> Result {
    let exit = if report.ok() { Exit::Ok } else { Exit::Differs };
    if app.out.structured() {
        return app.out.value(&json!({"run": bundle.run, "digest": bundle.digest, "ok": report.ok(), "checks": report.checks})).map(|()| exit);
    }
    for (ok, line) in lines(&report.checks, app.out.format() == Format::Wide) {
        let mark = if ok { app.out.paint(Colour::Green, "✓") } else { app.out.paint(Colour::Red, "✗") };
        app.out.line(&format!("{mark} {}", clean(&line)))?;
    }
    let failed = report.checks.iter().filter(|check| !check.ok).count();
    let words = if report.ok() { "everything holds".to_owned() } else { format!("{failed} of {} failed", count(report.checks.len(), "check")) };
    app.out.line(&clean(&format!("run {}: {words}", bundle.run)))?;
    Ok(exit)
}

/// The checks as lines. Of those there is one of for every event and node, that all is well is said once, unless all are
/// asked for; what fails is always told.
fn lines(checks: &[Check], all: bool) -> Vec<(bool, String)> {
    let many = [("event ", "events", "each is in the log, unchanged"), ("result of ", "results", "each is signed by its node's key")];
    let mut lines: Vec<(bool, String)> = Vec::new();
    let mut told = [false; 2];
    for check in checks {
        let group = many.iter().position(|(prefix, ..)| check.ok && !all && check.what.starts_with(prefix));
        let Some(n) = group else {
            lines.push((check.ok, format!("{}: {}", check.what, check.why)));
            continue;
        };
        let (prefix, what, words) = many[n];
        if !std::mem::replace(&mut told[n], true) {
            let count = checks.iter().filter(|other| other.ok && other.what.starts_with(prefix)).count();
            lines.push((true, format!("{what}: {count}, {words}")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_trust::testing;

    #[test]
    fn a_bundle_is_judged_from_the_pinned_root() {
        let (mut bundle, pinned, key, now) = testing::bundle();
        let report = verify_bundle(&bundle, &pinned, &key, now);
        assert!(report.ok());
        let texts = |all| lines(&report.checks, all).into_iter().map(|(_, line)| line).collect::<Vec<_>>();
        assert!(texts(false).contains(&"events: 5, each is in the log, unchanged".to_owned()), "{:?}", texts(false));
        assert_eq!((texts(true).len(), texts(false).len()), (report.checks.len(), report.checks.len() - 6));
        // Roots before the pinned one do no harm.
        let other = testing::signed_root(&testing::root_json(), &[]);
        bundle.roots.insert(0, synod_trust::Envelope { payload: synod_trust::strict::to_base64(b"{}"), ..other });
        assert!(!verify_bundle(&bundle, &pinned, &key, now).ok());
        bundle.roots = from_pinned(&bundle.roots, &pinned).to_vec();
        assert!(verify_bundle(&bundle, &pinned, &key, now).ok());
    }
}
