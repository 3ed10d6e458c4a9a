//! The demo's folder: held by one demo at a time, and what an earlier one left in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::exit::{Fault, Result};

/// Holds the folder for as long as the file stays open.
pub fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("demo.lock");
    let failed = |e: std::io::Error| Fault::file("lock", &path, &e);
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Fault::usage(format!("another demo runs in {}", dir.display())).help("stop it, or choose another folder")),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

/// Whether an earlier demo can be gone on with; refused when it was never set up completely, has another database, or is walked.
pub fn left_behind(dir: &Path, database: Option<&str>, walk: bool) -> Result<bool> {
    let Ok(config) = std::fs::read_to_string(dir.join("server.toml")) else { return Ok(false) };
    let refused = |why: &str| {
        Err(Fault::usage(format!("{} holds a demo {why}", dir.display()))
            .help("choose another folder with --dir, or remove this one if nothing in it is needed"))
    };
    if walk {
        return refused("already, and --walk needs a new folder");
    }
    // Written last: then everything is there.
    if !dir.join("ca.pem").is_file() {
        return refused("that was never set up completely");
    }
    let before = config.lines().find(|line| line.starts_with("database = ")).unwrap_or_default();
    if before != database_line(database).trim_end() {
        return refused("with another database");
    }
    Ok(true)
}

/// The line of the server's configuration that names its database; none for the embedded one.
pub fn database_line(database: Option<&str>) -> String {
    database.map(|url| format!("database = {url:?}\n")).unwrap_or_default()
}

/// Forgets the services of an earlier demo: their process numbers may be those of others by now.
pub fn forget_services(dir: &Path) -> Result<()> {
    let services = dir.join("services");
    match std::fs::remove_dir_all(&services) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Fault::file("remove", &services, &e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn only_a_whole_demo_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert!(!left_behind(dir, None, true).unwrap());
        std::fs::write(dir.join("server.toml"), database_line(Some("postgres://a/b"))).unwrap();
        assert_eq!(left_behind(dir, Some("postgres://a/b"), false).unwrap_err().exit(), Exit::Usage);
        std::fs::write(dir.join("ca.pem"), "x").unwrap();
        assert!(left_behind(dir, Some("postgres://a/b"), false).unwrap());
        assert!(left_behind(dir, None, false).is_err() && left_behind(dir, Some("postgres://a/b"), true).is_err());
        let held = lock(dir).unwrap();
        assert!(lock(dir).is_err());
        drop(held);
        lock(dir).unwrap();
    }
}
