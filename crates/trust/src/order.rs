//! What a person is to sign for a decision, wherever they sign it: on the command line or in a browser.

use synod_domain::Error;
use synod_domain::approval::Decision;
use synod_domain::manifest::Manifest;
use synod_domain::time::Timestamp;

use crate::approval::Statement;
use crate::key::Key;
use crate::root::Root;

/// The sorts of decisions people sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Before the start.
    Ordinary,
    /// A start without waiting for others.
    BreakGlass,
    /// An approval after the fact.
    Ratification,
}

/// What is shown to the person as the run to decide on.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The run's id.
    pub run: &'a str,
    /// The digest it is said to have.
    pub digest: &'a str,
    /// What it would do.
    pub manifest: &'a Manifest,
}

/// Why there is nothing to sign.
#[derive(Debug, thiserror::Error)]
pub enum NotToSign {
    /// What is shown contradicts itself: whoever shows it is not to be trusted.
    #[error("{0}")]
    Contradiction(String),
    /// The sort does not fit the run.
    #[error("{0}")]
    WrongSort(String),
    /// The manifest cannot be sealed.
    #[error("{0}")]
    Unsealable(Error),
}

/// The statement a person signs about exactly the manifest that is shown, whatever else is said of it.
pub fn order(shown: Shown<'_>, sort: Sort, decision: Decision, person: &str, comment: &str, now: Timestamp) -> Result<Statement, NotToSign> {
    let (_, digest) = shown.manifest.seal().map_err(NotToSign::Unsealable)?;
    if digest != shown.digest {
        return Err(NotToSign::Contradiction(format!("a manifest with the digest {digest} and calls it {}", shown.digest)));
    }
    if shown.manifest.run != shown.run {
        return Err(NotToSign::Contradiction(format!("the manifest of run {} as that of {}", shown.manifest.run, shown.run)));
    }
    if (sort == Sort::Ordinary) == shown.manifest.break_glass.is_some() {
        let how = if shown.manifest.break_glass.is_some() {
            "was started by break-glass: `synod ratify` approves it after the fact"
        } else {
            "was not started by break-glass"
        };
        return Err(NotToSign::WrongSort(format!("run {} {how}", shown.run)));
    }
    let mut statement = Statement::new(shown.run, &digest, decision, person, comment, now);
    statement.break_glass = sort == Sort::BreakGlass;
    statement.ratifies = sort == Sort::Ratification;
    Ok(statement)
}

/// The keys a person may sign with, in the order the root lists them; `None` when it does not name them.
pub fn keys_of(root: &Root, person: &str) -> Option<Vec<Key>> {
    let principal = root.principal(person)?;
    Some(principal.keys.iter().filter_map(|spec| Key::read(spec).ok()).filter(|key| root.revoked(key.id()).is_none()).collect())
}
