//! The master key and what it seals: the authority's key, the session key, second factors.
//!
//! The master key is a file (one for all servers of a cluster). Everything secret in the database is a
//! Fernet token under it, so that neither the database nor a backup can be read without the file.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::hmac;
use fernet::Fernet;
use synod_db::{Db, meta};
use synod_domain::error::code;
use synod_domain::{Error, Result};

/// Seals and opens what must not be readable in the database.
pub struct Keys {
    master: Fernet,
    sessions: Fernet,
    marks: hmac::Key,
}

impl Keys {
    /// Reads the master key, or makes one when neither the file nor a sealed database exists.
    pub async fn open(path: &Path, db: &Db) -> Result<Self> {
        let known = meta::get(&mut db.reader().await?, "session_key").await?.is_some();
        if known && !path.exists() {
            return Err(broken(path, "there is no such file, and the database was set up with a master key; give this server that file (`--master-key-file`)"));
        }
        let master = read_or_make(path)?;
        let fernet = Fernet::new(&master).ok_or_else(|| broken(path, "it is not a Fernet key (32 bytes in URL-safe base64)"))?;
        let mut tx = db.begin().await?;
        let sealed = meta::set_once(&mut tx, "session_key", &fernet.encrypt(Fernet::generate_key().as_bytes())).await?;
        tx.commit().await?;
        let wrong = || broken(path, "the database was set up with another master key; give this server the file of the first one (`--master-key-file`)");
        let session_key = fernet.decrypt(&sealed).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
        let sessions = Fernet::new(&session_key).ok_or_else(wrong)?;
        // Derived, so that what one of them is used for says nothing about the other.
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, session_key.as_bytes()), b"synod marks");
        Ok(Self { master: fernet, sessions, marks: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()) })
    }

    /// Seals a secret for the database.
    pub fn seal(&self, secret: &[u8]) -> String {
        self.master.encrypt(secret)
    }

    /// Opens a sealed secret.
    pub fn unseal(&self, sealed: &str) -> Result<Vec<u8>> {
        self.master.decrypt(sealed).map_err(|_| Error::internal("a sealed value does not open with this master key"))
    }

    /// By what something is known when it comes again that may hold a secret: without the key nobody can try which one fits.
    pub fn mark(&self, what: &[u8]) -> String {
        hex::encode(hmac::sign(&self.marks, what))
    }

    /// Makes the token of a session.
    pub fn session_token(&self, id: &str) -> String {
        self.sessions.encrypt(id.as_bytes())
    }

    /// Reads a session's token.
    pub fn session_id(&self, token: &str) -> Option<String> {
        String::from_utf8(self.sessions.decrypt(token).ok()?).ok()
    }
}

fn broken(path: &Path, why: &str) -> Error {
    Error::new(code::CONFIGURATION, format!("{}: {why}", path.display()))
}

fn read_or_make(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mode = std::fs::metadata(path).map(|m| m.permissions().mode()).unwrap_or_default();
            if mode & 0o077 != 0 {
                return Err(broken(path, "others may read the master key; run `chmod 600` on it"));
            }
            Ok(text.trim().to_owned())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = Fernet::generate_key();
            write_private(path, key.as_bytes()).map_err(|e| broken(path, &e.to_string()))?;
            tracing::info!(path = %path.display(), "made a new master key; keep a copy of it apart from the backups");
            Ok(key)
        }
        Err(error) => Err(broken(path, &error.to_string())),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("tmp");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
