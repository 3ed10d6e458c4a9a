//! `synod audit`: the audit log, verified, proved and exported.

pub(super) mod tree;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use synod_domain::error::code;
use synod_domain::merkle::Hash;
use synod_protocol::http::audit::AuditProof;
use synod_protocol::http::client::{Client, ClientError};
use synod_trust::audit::{VerifierKey, check_inclusion, event_leaf};
use synod_trust::strict::from_base64;

use self::tree::{Source, all_tiles, broken, open, write};
use super::API;
use crate::documents::read_file;
use crate::exit::{Exit, Fault, Result};
use crate::output::{clean, clean_lines, count, note};
use crate::pins::{Book, PinArgs};
use crate::session::App;

/// `audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Read the whole log and recompute its root, or prove that it only grew since an earlier checkpoint
    Verify(VerifyArgs),
    /// Prove that an event is in the log
    Prove(ProveArgs),
    /// Copy the log to a folder, as tiles (c2sp.org/tlog-tiles) that other tools read too
    Export(ExportArgs),
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Only prove that the log grew from this earlier checkpoint; reads hashes, no events
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Keep the checkpoint that was verified, for --from
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// The log in this folder, without any server
    #[arg(long, value_name = "FOLDER")]
    offline: Option<PathBuf>,
    /// Put up with these events being gone, such as `7,12-15`; any other that is gone fails
    #[arg(long, value_name = "POSITIONS", value_delimiter = ',', value_parser = positions, conflicts_with = "from")]
    allow_missing: Vec<RangeInclusive<u64>>,
    #[command(flatten)]
    pins: PinArgs,
}

/// Arguments of `audit prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// The event, by its position
    #[arg(value_name = "EVENT", value_parser = clap::value_parser!(u64).range(1..))]
    position: u64,
    #[command(flatten)]
    pins: PinArgs,
}

/// Arguments of `audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Where to; what is there already of the same log is not read again
    folder: PathBuf,
    #[command(flatten)]
    pins: PinArgs,
}

/// The audit log.
pub async fn audit(command: AuditCommand, app: &App<'_>) -> Result {
    match command {
        AuditCommand::Verify(args) => verify(args, app).await,
        AuditCommand::Prove(args) => prove(args, app).await,
        AuditCommand::Export(args) => export(args, app).await,
    }
}

async fn verify(args: VerifyArgs, app: &App<'_>) -> Result {
    let mut book = Book::open(&args.pins, app)?;
    match &args.offline {
        Some(folder) => {
            let key = book.log_key()?.ok_or_else(|| {
                let shown = std::fs::read_to_string(folder.join("key"))
                    .map(|key| format!("; the folder names {}, ask whether that is right", key.trim()))
                    .unwrap_or_default();
                Fault::usage("without a server it must be told which log to believe: pass --log-key KEY")
                    .help(format!("`synod audit verify` shows the key{shown}"))
            })?;
            judge(&Source::Folder(folder.clone()), &key, &args, app).await
        }
        None => {
            let client = app.connect().await?;
            let key = book.see_log_key(&client).await?;
            judge(&Source::Server(&client), &key, &args, app).await
        }
    }
}

async fn judge(source: &Source<'_>, key: &VerifierKey, args: &VerifyArgs, app: &App<'_>) -> Result {
    let note_text = source.text("checkpoint").await?;
    let head = open(&note_text, key)?;
    let (mut how, from, gone) = match &args.from {
        Some(file) => {
            let old = open(&read_file(file)?, key)?;
            source.grew(&old, &head).await?;
            (format!("it grew from {} to {}, and nothing before was altered", count_events(old.size), count_events(head.size)), Some(old.size), None)
        }
        None => {
            let bar = progress(head.size);
            let gone = source.recompute(&head, |n| bar.set_position(n)).await;
            bar.finish_and_clear();
            let gone = gone?;
            (format!("the root of {} was recomputed and is the one that was signed", count_events(head.size)), None, Some(gone))
        }
    };
    let (known, lost): (Vec<u64>, Vec<u64>) =
        gone.iter().flatten().copied().partition(|position| args.allow_missing.iter().any(|range| range.contains(position)));
    if !known.is_empty() {
        how.push_str(&format!("\nof {}", only_hashes(&known)));
    }
    if let Some(file) = args.save.as_ref().filter(|_| lost.is_empty()) {
        std::fs::write(file, &note_text).map_err(|e| Fault::file("write", file, &e))?;
    }
    let shown = json!({"log": key.name(), "key": key.to_string(), "size": head.size, "root": hex::encode(head.root), "from": from, "ok": lost.is_empty(), "bodiesDropped": gone.as_ref().map(Vec::len), "bodiesDroppedAt": gone});
    let verdict = if lost.is_empty() { "holds:" } else { "is not whole, though" };
    app.out.either(&shown, || clean_lines(&format!("the audit log {} {verdict} {how}\nkey {key}", key.name())))?;
    if !lost.is_empty() {
        return Err(Fault::new(Exit::Differs, format!("of {}", only_hashes(&lost))).help(
            "Synod itself takes none out, so somebody deleted rows of its database. Put them back from a backup (docs/audit.md shows how), and keep \
             this as evidence; what is known to be gone for good is named with --allow-missing",
        ));
    }
    if let Source::Server(client) = source {
        goes_on(client, head.size).await?;
    }
    Ok(Exit::Ok)
}

/// Fails where the server says that its log cannot go on after so many events: what came since is in no log.
async fn goes_on(client: &Client, size: u64) -> Result<()> {
    match client.get::<AuditProof>(&format!("{API}/audit/proofs/{}", size + 1)).await {
        Err(ClientError::Problem(problem)) if problem.code == code::LOG_GAP.id => Err(ClientError::Problem(problem).into()),
        _ => Ok(()),
    }
}

/// One position, or the first and the last of several.
fn positions(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|n| *n > 0);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err("write positions of events: 7, or 12-15 for all from 12 to 15".into()),
    }
}

/// So many positions are named.
const NAMED: usize = 10;

/// The events of which only the hashes are left, in words.
fn only_hashes(gone: &[u64]) -> String {
    let named: Vec<String> = gone.iter().take(NAMED).map(u64::to_string).collect();
    let more = if gone.len() > NAMED { format!(" and {} more", gone.len() - NAMED) } else { String::new() };
    format!("{} only the hashes are kept, at position {}{more}", count(gone.len(), "event"), named.join(", "))
}

fn count_events(n: u64) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), "event")
}

fn progress(size: u64) -> ProgressBar {
    // Hidden by itself when the standard error is no terminal.
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len} events") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

async fn prove(args: ProveArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let key = Book::open(&args.pins, app)?.see_log_key(&client).await?;
    let proof: AuditProof = client.get(&format!("{API}/audit/proofs/{}", args.position)).await?;
    let size = check(&proof, args.position, &key)?;
    app.out.either(&proof, || {
        clean(&format!(
            "event {} ({} of {}) is leaf {} of the {size} in the log {}",
            args.position,
            proof.event.kind,
            proof.event.subject,
            proof.index,
            key.name()
        ))
    })?;
    Ok(Exit::Ok)
}

/// Checks a proof; returns the size of the log it is about.
fn check(proof: &AuditProof, position: u64, key: &VerifierKey) -> Result<u64> {
    let head = open(&proof.checkpoint, key)?;
    if proof.event.position != position || proof.index + 1 != position {
        return Err(broken(format!("event {position} was asked for, and the proof is about event {} at leaf {}", proof.event.position, proof.index)));
    }
    let hash = |text: &String| -> Option<Hash> { from_base64(text).ok()?.try_into().ok() };
    let path: Option<Vec<Hash>> = proof.proof.iter().map(hash).collect();
    let path = path.ok_or_else(|| broken("a hash of the proof does not have 32 bytes".into()))?;
    let leaf = event_leaf(&proof.event).map_err(|e| broken(e.message().to_owned()))?;
    check_inclusion(&leaf, proof.index, head.size, &path, &head.root).map_err(|e| broken(format!("event {position}: {e}")))?;
    Ok(head.size)
}

async fn export(args: ExportArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let key = Book::open(&args.pins, app)?.see_log_key(&client).await?;
    let source = Source::Server(&client);
    let note_text = source.text("checkpoint").await?;
    let head = open(&note_text, &key)?;
    same_log(&args.folder, &key, &source, &head).await?;
    let bar = progress(head.size);
    for tile in all_tiles(head.size) {
        let full = usize::from(tile.width) == synod_trust::audit::tile::WIDTH;
        // A full tile never changes. Bodies of events may be dropped one day, so what is there of them is kept.
        if !(full && args.folder.join(tile.to_string()).is_file()) {
            write(&args.folder, &tile.to_string(), &source.tile(tile).await?.concat())?;
        }
        if tile.level == 0 {
            if !(full && args.folder.join(tile.entries_path()).is_file())
                && let Some(entries) = source.entries(tile).await?
            {
                write(&args.folder, &tile.entries_path(), &join(&entries))?;
            }
            bar.set_position(tile.index * 256 + u64::from(tile.width));
        }
    }
    bar.finish_and_clear();
    write(&args.folder, "key", format!("{key}\n").as_bytes())?;
    // Last, so that a checkpoint never stands over tiles that are not there.
    write(&args.folder, "checkpoint", note_text.as_bytes())?;
    let shown = json!({"folder": args.folder, "log": key.name(), "key": key.to_string(), "size": head.size, "root": hex::encode(head.root)});
    app.out.either(&shown, || clean(&format!("{}: {} of the log {}", args.folder.display(), count_events(head.size), key.name())))?;
    if !app.out.structured() {
        note(&format!("verify it anywhere: synod audit verify --offline {} --log-key {key}", args.folder.display()));
    }
    Ok(Exit::Ok)
}

/// Refuses to mix two logs in one folder, and a log that did not grow from the one that is there.
async fn same_log(folder: &Path, key: &VerifierKey, source: &Source<'_>, head: &synod_trust::audit::Checkpoint) -> Result<()> {
    let there = folder.join("checkpoint");
    if !there.is_file() {
        return Ok(());
    }
    let old = open(&read_file(&there)?, key)?;
    source.grew(&old, head).await
}

fn join(entries: &[Vec<u8>]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes()[..], entry].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_trust::strict::to_base64;
    use synod_trust::testing;

    #[test]
    fn a_proof_holds_for_its_event_only() {
        let (bundle, _, key, _) = testing::bundle();
        let logged = &bundle.events[0];
        let event: synod_domain::event::Event = serde_json::from_value(logged.event.clone()).unwrap();
        let proof = AuditProof { event, index: logged.index, proof: logged.proof.clone(), checkpoint: bundle.checkpoint.clone() };
        let position = logged.index + 1;
        if proof.event.position == position {
            assert!(check(&proof, position, &key).unwrap() > 0);
        }
        assert_eq!(check(&proof, position + 1, &key).unwrap_err().exit(), Exit::Differs);
        let mut bent = proof.clone();
        bent.event.subject.push('x');
        assert!(check(&bent, position, &key).is_err());
        let mut bent = proof.clone();
        bent.proof.push(to_base64(&[0; 32]));
        assert!(check(&bent, position, &key).is_err());
        let mut bent = proof;
        bent.proof.push("x".into());
        assert!(check(&bent, position, &key).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(only_hashes(&[7]), "1 event only the hashes are kept, at position 7");
        let many: Vec<u64> = (1..=12).collect();
        assert_eq!(only_hashes(&many), "12 events only the hashes are kept, at position 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    }

    #[test]
    fn positions_are_read() {
        assert_eq!((positions("7"), positions("12-15")), (Ok(7..=7), Ok(12..=15)));
        for odd in ["", "0", "-", "7-", "-7", "15-12", "x", "1-2-3", "-1"] {
            assert!(positions(odd).unwrap_err().contains("12-15"), "{odd}");
        }
    }

    #[tokio::test]
    async fn an_export_verifies_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let head = tree::tests::log(folder.path(), 300, |_| "x");
        let source = Source::Folder(folder.path().to_owned());
        let key = testing::log_key().verifier().clone();
        assert!(same_log(folder.path(), &key, &source, &head).await.is_ok());
        assert!(same_log(Path::new("/nowhere"), &key, &source, &head).await.is_ok());
        let grown = tree::tests::log(folder.path(), 301, |_| "x");
        assert!(same_log(folder.path(), &key, &source, &head).await.is_err(), "a log that is shorter than what is there");
        assert_eq!(source.recompute(&grown, |_| {}).await.unwrap(), [0u64; 0]);
        assert_eq!(join(&[b"A".to_vec(), vec![]]), [0, 1, 65, 0, 0]);
    }
}
