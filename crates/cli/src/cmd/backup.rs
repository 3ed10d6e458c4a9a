//! `synod backup`: a consistent copy of everything the server knows, whole or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use synod_protocol::http::client::{ClientError, accept};

use super::API;
use crate::exit::{Exit, Fault, Result};
use crate::session::App;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to; an older file of this name is replaced once the new one is whole
    file: PathBuf,
}

/// Saves a backup.
pub async fn backup(args: BackupArgs, app: &App<'_>) -> Result {
    let mut name = args.file.clone().into_os_string();
    name.push(".part");
    let part = PathBuf::from(name);
    let client = app.connect().await?;
    let headers = [("accept", "application/octet-stream, application/problem+json")];
    let answer = accept(client.raw(http::Method::GET, &format!("{API}/backup"), &headers, Bytes::new()).await?).await?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let announced = header("x-synod-backup-digest");
    let length: Option<u64> = header("content-length").and_then(|text| text.parse().ok());
    let received = receive(answer.into_body(), &part).await;
    let whole = received.and_then(|(bytes, digest)| {
        if announced.as_ref().is_some_and(|wanted| *wanted != digest) || length.is_some_and(|wanted| wanted != bytes) {
            return Err(Fault::new(Exit::Unavailable, "the backup arrived damaged").help("try again"));
        }
        std::fs::rename(&part, &args.file).and_then(|()| sync_folder(&args.file)).map_err(|e| Fault::file("write", &args.file, &e))?;
        Ok((bytes, digest))
    });
    let (bytes, digest) = whole.inspect_err(|_| {
        let _ = std::fs::remove_file(&part);
    })?;
    let shown = json!({"file": args.file, "bytes": bytes, "digest": digest});
    app.out.either(&shown, || format!("{}: {bytes} bytes, {digest}", args.file.display()))?;
    Ok(Exit::Ok)
}

async fn receive(mut body: Incoming, part: &Path) -> Result<(u64, String)> {
    let failed = |e: std::io::Error| Fault::file("write", part, &e);
    let mut file = create(part).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut bytes: u64 = 0;
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes} ({bytes_per_sec})") {
        bar.set_style(style);
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Fault::Client(ClientError::Transport(format!("the backup broke off: {e}"))))?;
        if let Ok(data) = frame.into_data() {
            hash.update(&data);
            bytes += data.len() as u64;
            file.write_all(&data).map_err(failed)?;
            bar.set_position(bytes);
        }
    }
    bar.finish_and_clear();
    file.sync_all().map_err(failed)?;
    Ok((bytes, format!("sha256:{}", hex::encode(hash.finalize()))))
}

/// A new file for its owner's eyes only.
fn create(path: &Path) -> std::io::Result<std::fs::File> {
    // What another attempt left may belong to somebody else, or be a link.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_private_and_never_follows_a_link() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (target, part) = (folder.path().join("target"), folder.path().join("b.part"));
        std::fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &part).unwrap();
        create(&part).unwrap().write_all(b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
        assert_eq!(std::fs::metadata(&part).unwrap().permissions().mode() & 0o777, 0o600);
        sync_folder(&part).unwrap();
    }
}
