//! `synod verify`: a run's whole story by its evidence, believing no server.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::json;
use synod_domain::error::code;
use synod_protocol::http::client::{Client, ClientError, accept, collect, escape};
use synod_trust::Chain;
use synod_trust::audit::VerifierKey;
use synod_trust::bundle::{Bundle, Check, MAX_BUNDLE, Report, WholeLog, compare, verify_bundle};

use super::API;
use super::audit::tree::{Source, open};
use crate::exit::{Exit, Fault, Result};
use crate::output::{Colour, Format, clean, count, note};
use crate::pins::{Book, PinArgs, from_pinned};
use crate::session::App;
use crate::when;

/// So many seconds the log may take to have what has just happened.
const LOG_PATIENCE: usize = 5;

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
    /// Compare with the whole log in this folder, as `synod audit export` wrote it: whether the evidence leaves anything out
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
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
    let known = book.newest_known(&bundle.roots);
    bundle.roots = from_pinned(&bundle.roots, &pinned).to_vec();
    not_older(&bundle, &pinned, known)?;
    let mut report = verify_bundle(&bundle, &pinned, &key, when::now());
    if let Some(folder) = &args.log {
        with_log(&mut report, &bundle, &pinned, folder, &key).await?;
    }
    show(&bundle, &report, app)
}

/// Refuses evidence that ends with an older trust root than one that was seen before: a later one may have revoked keys. Roots that
/// do not follow one another are for the report to tell.
fn not_older(bundle: &Bundle, pinned: &str, known: Option<u64>) -> Result<()> {
    let Ok(chain) = Chain::walk(&bundle.roots, pinned) else { return Ok(()) };
    let found = chain.newest().version();
    match known {
        Some(known) if found < known => Err(Fault::new(
            Exit::Denied,
            format!("rollback: the evidence ends with version {found} of the trust root, and version {known} has been seen before"),
        )
        .help("have it saved anew from a server that shows the newest root, or ask a holder of the root for the versions that are missing")),
        _ => Ok(()),
    }
}

/// Recomputes a copy of the whole log, and compares.
async fn with_log(report: &mut Report, bundle: &Bundle, pinned: &str, folder: &std::path::Path, key: &VerifierKey) -> Result<()> {
    let source = Source::Folder(folder.to_owned());
    let whole = open(&source.text("checkpoint").await?, key)?;
    let head = open(&bundle.checkpoint, key)?;
    if whole.size < head.size {
        let what = format!("{} ends after {} events, and the evidence is about {}", folder.display(), whole.size, head.size);
        return Err(Fault::usage(what).help(format!("copy what came since: synod audit export {}", folder.display())));
    }
    source.grew(&head, &whole).await?;
    let mut log = WholeLog::default();
    source.read(&whole, |event| log.take(&bundle.run, event), |_| {}).await?;
    let newest = Chain::walk(&bundle.roots, pinned).map_or(0, |chain| chain.newest().version());
    compare(bundle, head.size, newest, &log, report);
    Ok(())
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
    for _ in 0..LOG_PATIENCE {
        match accept(client.raw(http::Method::GET, &path, &[], Bytes::new()).await?).await {
            // What has just happened is in the log within moments.
            Err(ClientError::Problem(problem)) if problem.code == code::LOG_BEHIND.id => tokio::time::sleep(Duration::from_secs(1)).await,
            answer => return Ok(collect(answer?).await?),
        }
    }
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
        let shown = json!({"run": bundle.run, "digest": bundle.digest, "ok": report.ok(), "checks": report.checks, "unproven": report.unproven});
        return app.out.value(&shown).map(|()| exit);
    }
    for (ok, line) in lines(&report.checks, app.out.format() == Format::Wide) {
        let mark = if ok { app.out.paint(Colour::Green, "✓") } else { app.out.paint(Colour::Red, "✗") };
        app.out.line(&format!("{mark} {}", clean(&line)))?;
    }
    if !report.unproven.is_empty() {
        app.out.line("What this does not show:")?;
    }
    for words in &report.unproven {
        app.out.line(&clean(&format!("  · {words}")))?;
    }
    let failed = report.checks.iter().filter(|check| !check.ok).count();
    let words =
        if report.ok() { "everything that can be shown holds".to_owned() } else { format!("{failed} of {} failed", count(report.checks.len(), "check")) };
    app.out.line(&clean(&format!("run {}: {words}", bundle.run)))?;
    Ok(exit)
}

/// The checks as lines. Of those there is one of for every event and node, that all is well is said once, unless all are
/// asked for; what fails is always told.
fn lines(checks: &[Check], all: bool) -> Vec<(bool, String)> {
    let many = [
        ("event ", "events", "each is in the log, unchanged"),
        ("decision of ", "decisions", "each was recorded before the run was approved"),
        ("result of ", "results", "each is signed by its node's key"),
    ];
    let mut lines: Vec<(bool, String)> = Vec::new();
    let mut told = [false; 3];
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
        assert!(texts(false).contains(&format!("events: {}, each is in the log, unchanged", testing::ABOUT)), "{:?}", texts(false));
        assert!(texts(false).contains(&"decisions: 3, each was recorded before the run was approved".to_owned()), "{:?}", texts(false));
        assert_eq!((texts(true).len(), texts(false).len()), (report.checks.len(), report.checks.len() - (testing::ABOUT - 1) - 2 - 2));
        // Roots before the pinned one do no harm.
        let other = testing::signed_root(&testing::root_json(), &[]);
        bundle.roots.insert(0, synod_trust::Envelope { payload: synod_trust::strict::to_base64(b"{}"), ..other });
        assert!(!verify_bundle(&bundle, &pinned, &key, now).ok());
        bundle.roots = from_pinned(&bundle.roots, &pinned).to_vec();
        assert!(verify_bundle(&bundle, &pinned, &key, now).ok());
        // It ends with version 1: that is refused where version 2 was seen.
        assert!(not_older(&bundle, &pinned, None).is_ok() && not_older(&bundle, &pinned, Some(1)).is_ok());
        let fault = not_older(&bundle, &pinned, Some(2)).unwrap_err();
        assert!(fault.exit() == Exit::Denied && format!("{fault:?}").contains("rollback: the evidence ends with version 1"), "{fault:?}");
    }

    #[tokio::test]
    async fn a_copy_of_the_log_tells_what_is_left_out() {
        let (mut bundle, pinned, key, now) = testing::bundle();
        let folder = tempfile::tempdir().unwrap();
        crate::cmd::audit::tree::tests::write_log(folder.path(), &testing::logged_events());
        let judged = async |bundle: &Bundle, folder: &std::path::Path| {
            let mut report = verify_bundle(bundle, &pinned, &key, now);
            with_log(&mut report, bundle, &pinned, folder, &key).await.map(|()| report)
        };
        let report = judged(&bundle, folder.path()).await.unwrap();
        assert!(report.ok() && !report.unproven.iter().any(|words| words.contains("nothing else was recorded")), "{report:?}");
        let gone = bundle.events.iter().position(|logged| logged.event["type"] == "synod.task.ended").unwrap();
        bundle.events.remove(gone);
        let report = judged(&bundle, folder.path()).await.unwrap();
        let found = report.checks.iter().find(|check| check.what == "completeness").unwrap();
        assert!(!found.ok && found.why.contains("synod.task.ended at leaf 10"), "{found:?}");
        // A copy that ends before, and one of another log.
        let (short, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        crate::cmd::audit::tree::tests::write_log(short.path(), &testing::logged_events()[..9]);
        assert_eq!(judged(&bundle, short.path()).await.unwrap_err().exit(), Exit::Usage);
        let mut bent = testing::logged_events();
        bent[6]["actor"] = json!("user:dan");
        crate::cmd::audit::tree::tests::write_log(other.path(), &bent);
        assert_eq!(judged(&bundle, other.path()).await.unwrap_err().exit(), Exit::Differs);
    }
}
