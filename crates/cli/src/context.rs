//! Saved logins: which server, whom to trust, who is signed in.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;
use synod_protocol::http::client::Address;
use synod_protocol::tls::Trust;

use crate::exit::{Exit, Fault, Result};

/// All saved logins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contexts {
    /// The one used unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// All, by name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// A saved login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Context {
    /// `https://host:port`
    pub server: String,
    /// Who signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The pinned authority, by fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
    /// The trusted authority, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// The session's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When the token was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Timestamp>,
    /// When the token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What is believed of the server's trust root and audit log.
    #[serde(default, skip_serializing_if = "Pins::is_empty")]
    pub pins: Pins,
}

/// What was seen first of a server's trust root and audit log; a change of it is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pins {
    /// Digest of the trust root that all later ones must follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_root: Option<String>,
    /// The newest version that was seen; the server may not go back behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_version: Option<u64>,
    /// The verifier key of the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_key: Option<String>,
}

impl Pins {
    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Context {
    /// Whom this login trusts.
    pub fn trust(&self) -> Option<Trust> {
        self.ca_pem.clone().map(Trust::Ca).or_else(|| self.ca_fingerprint.clone().map(Trust::Fingerprint))
    }

    /// Whether less than half of the token's life is left.
    pub fn wants_renewal(&self, now: Timestamp) -> bool {
        match (&self.token, self.issued_at, self.expires_at) {
            (Some(_), Some(from), Some(to)) => now < to && to.since(now) * 2 < to.since(from),
            _ => false,
        }
    }

    /// Whether it is a login at this server.
    pub fn is_at(&self, address: &Address) -> bool {
        self.server.parse::<Address>().as_ref() == Ok(address)
    }
}

/// The file with the saved logins.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// In `$SYNOD_CONFIG_HOME`, `$XDG_CONFIG_HOME/synod` or `~/.config/synod`.
    pub fn of_user() -> Result<Self> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = var("SYNOD_CONFIG_HOME")
            .or_else(|| var("XDG_CONFIG_HOME").map(|home| home.join("synod")))
            .or_else(|| var("HOME").map(|home| home.join(".config/synod")));
        folder.map(Self::at).ok_or_else(|| Fault::usage("there is no place for saved logins").help("set HOME or SYNOD_CONFIG_HOME"))
    }

    /// In this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("contexts.json")
    }

    /// Reads the saved logins; none when there is no file.
    pub fn load(&self) -> Result<Contexts> {
        let file = self.file();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Contexts::default()),
            Err(e) => return Err(Fault::file("read", &file, &e)),
        };
        serde_json::from_str(&text).map_err(|e| Fault::usage(format!("{}: {e}", file.display())).help("correct it, or delete it and sign in again"))
    }

    /// Changes the saved logins as a whole; two programs at once do not lose each other's change.
    pub fn update<T>(&self, change: impl FnOnce(&mut Contexts) -> Result<T>) -> Result<T> {
        let file = self.file();
        let failed = |e: std::io::Error| Fault::file("write", &file, &e);
        create_private(&self.folder).map_err(failed)?;
        let lock = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(".lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut contexts = self.load()?;
        let result = change(&mut contexts)?;
        let text = serde_json::to_string_pretty(&contexts).map_err(|e| Fault::new(Exit::Internal, e.to_string()))?;
        // Temporary files are made for their owner only.
        let mut new = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        new.write_all(text.as_bytes()).and_then(|()| new.as_file().sync_all()).map_err(failed)?;
        new.persist(&file).map_err(|e| failed(e.error))?;
        Ok(result)
    }
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            server: "https://127.0.0.1:8443".into(),
            user: Some("dave".into()),
            ca_fingerprint: Some(format!("sha256:{}", "a".repeat(64))),
            token: Some("secret".into()),
            issued_at: Some(Timestamp(0)),
            expires_at: Some(Timestamp(100)),
            ..Context::default()
        }
    }

    #[test]
    fn logins_survive_and_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("deep/synod"));
        assert_eq!(store.load().unwrap(), Contexts::default());
        store
            .update(|all| {
                all.current = Some("a".into());
                all.contexts.insert("a".into(), context());
                Ok(())
            })
            .unwrap();
        store.update(|all| Ok(all.contexts.insert("b".into(), context()))).unwrap();
        let all = store.load().unwrap();
        assert_eq!((all.contexts.len(), all.current.as_deref()), (2, Some("a")));
        assert_eq!(all.contexts["a"], context());
        assert_eq!(std::fs::metadata(store.file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(folder.path().join("deep/synod")).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(store.file(), "{\"curent\": 1}").unwrap();
        assert!(matches!(store.load(), Err(Fault::Plain { message, .. }) if message.contains("curent")));
        assert!(store.update(|_| Ok(())).is_err(), "a file that cannot be read is never overwritten");
    }

    #[test]
    fn tokens_are_renewed_in_their_second_half() {
        assert!(!context().wants_renewal(Timestamp(50)));
        assert!(context().wants_renewal(Timestamp(51)));
        assert!(!context().wants_renewal(Timestamp(100)), "too late");
        assert!(context().is_at(&"https://127.0.0.1:8443/".parse().unwrap()));
    }
}
