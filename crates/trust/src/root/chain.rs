//! From a pinned root to the newest, one version at a time: each next root is signed by enough holders of the one before
//! and by enough of its own.

use std::collections::BTreeSet;

use synod_domain::problem::Problem;
use synod_domain::time::Timestamp;
use synod_domain::verify::MAX_SKEW_MS;

use super::{PAYLOAD_TYPE, Revoked, Root};
use crate::envelope::{Envelope, EnvelopeError};
use crate::key::{KeyId, Purpose};

/// Why a root is not believed, each with a stable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The envelope cannot be read.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The payload is not a root in canonical form.
    #[error("the root cannot be read: {0}")]
    Malformed(String),
    /// The document has defects.
    #[error("the root is wrong in {} place(s): {}", .0.len(), list(.0))]
    Invalid(Vec<Problem>),
    /// It is not the root that was pinned.
    #[error("the root is {found}, but {pinned} is pinned here; ask a holder of the root which is right")]
    NotPinned {
        /// Its digest.
        found: String,
        /// The digest that was pinned.
        pinned: String,
    },
    /// An older root than the one in force.
    #[error("version {found} is older than version {current} in force; the root never goes back")]
    Rollback {
        /// Its version.
        found: u64,
        /// The version in force.
        current: u64,
    },
    /// Another root of a version that is known already.
    #[error("version {version} is known as {known}, this is {found}: the root was forked; ask its holders which one they signed")]
    Fork {
        /// The version.
        version: u64,
        /// What is known.
        known: String,
        /// What was offered.
        found: String,
    },
    /// Versions are missing in between.
    #[error("version {found} cannot follow version {current}; pass the roots in between first")]
    Gap {
        /// Its version.
        found: u64,
        /// The version in force.
        current: u64,
    },
    /// It does not follow the root in force.
    #[error("the root says it follows {named}, but {current} is in force: it belongs to another line of roots")]
    Previous {
        /// What it names.
        named: String,
        /// What is in force.
        current: String,
    },
    /// It was made before the one it follows.
    #[error("the root was created at {found}, before the one it follows ({current}); set `createdAt` to the time of making")]
    Time {
        /// Its creation.
        found: Timestamp,
        /// The creation of the one in force.
        current: Timestamp,
    },
    /// A key that was revoked is so no more, or only since later.
    #[error("{key} was revoked at {since} by the root it follows, and this one takes that back; keep the entry as it is")]
    Unrevoked {
        /// The key.
        key: KeyId,
        /// Since when it is revoked.
        since: Timestamp,
    },
    /// A signature by a key neither root knows.
    #[error("a signature by {0}, a key of nobody in this root or the one before; leave it out")]
    UnknownKey(KeyId),
    /// A signature by a person who does not hold roots.
    #[error("a signature by {0}, who may not sign roots; leave it out, or have `root: true` agreed on first")]
    NotAHolder(String),
    /// A signature that does not verify.
    #[error("the signature of {person} does not count: {why}")]
    BadSignature {
        /// Whose key it names.
        person: String,
        /// Why.
        why: String,
    },
    /// One person signed more than once.
    #[error("{0} signed more than once; one person counts once, whatever the key: leave one signature out")]
    Duplicate(String),
    /// Not enough holders of the root in force signed.
    #[error("{found} of {needed} holders of the root in force (version {version}) signed")]
    TooFewOld {
        /// Who signed.
        found: usize,
        /// How many must.
        needed: u32,
        /// The version in force.
        version: u64,
    },
    /// Not enough holders by the new root signed.
    #[error("{found} of {needed} holders by the root itself (version {version}) signed")]
    TooFewNew {
        /// Who signed.
        found: usize,
        /// How many must.
        needed: u32,
        /// Its version.
        version: u64,
    },
    /// The newest root is past its time.
    #[error("the root expired at {0}; its holders must sign a new version")]
    Expired(Timestamp),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl RootError {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Envelope(_) | Self::Malformed(_) => "malformed",
            Self::Invalid(_) => "invalid",
            Self::NotPinned { .. } => "not-pinned",
            Self::Rollback { .. } => "rollback",
            Self::Fork { .. } => "fork",
            Self::Gap { .. } => "gap",
            Self::Previous { .. } => "previous",
            Self::Time { .. } => "time",
            Self::Unrevoked { .. } => "unrevoked",
            Self::UnknownKey(_) => "unknown-key",
            Self::NotAHolder(_) => "not-a-holder",
            Self::BadSignature { .. } => "bad-signature",
            Self::Duplicate(_) => "duplicate-person",
            Self::TooFewOld { .. } => "too-few-old",
            Self::TooFewNew { .. } => "too-few-new",
            Self::Expired(_) => "root-expired",
        }
    }
}

/// What came of a root that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is known already, byte for byte.
    Known,
    /// It follows, rightly signed.
    New(Box<Root>),
}

/// Takes the first root by the digest that was pinned. It must be signed by enough of its own holders, so that a slip
/// while pinning shows. The pin may be of any version.
pub fn first(envelope: &Envelope, pinned: &str) -> Result<Root, RootError> {
    let opened = envelope.open(PAYLOAD_TYPE)?;
    let found = synod_domain::canonical::digest(&opened.payload);
    if found != pinned {
        return Err(RootError::NotPinned { found, pinned: pinned.chars().take(80).collect() });
    }
    let root = Root::read(&opened.payload)?;
    let (own, _) = signers(&root, None, &opened.pae, &opened.signatures)?;
    enough_new(&root, own)?;
    Ok(root)
}

/// Takes the root that follows `current`: version exactly one more, naming its digest, signed by enough holders of both.
pub fn accept_next(current: &Root, envelope: &Envelope) -> Result<Next, RootError> {
    let opened = envelope.open(PAYLOAD_TYPE)?;
    if opened.payload == current.payload() {
        return Ok(Next::Known);
    }
    let root = Root::read(&opened.payload)?;
    let (found, now) = (root.version(), current.version());
    if found == now {
        return Err(RootError::Fork { version: now, known: current.digest().into(), found: root.digest().into() });
    }
    if found < now {
        return Err(RootError::Rollback { found, current: now });
    }
    if found > now + 1 {
        return Err(RootError::Gap { found, current: now });
    }
    let named = root.doc().previous.clone().unwrap_or_default();
    if named != current.digest() {
        return Err(RootError::Previous { named, current: current.digest().into() });
    }
    if root.doc().created_at < current.doc().created_at {
        return Err(RootError::Time { found: root.doc().created_at, current: current.doc().created_at });
    }
    // Evidence is judged by the newest root: a revocation that was taken back would make forged decisions good again.
    if let Some(was) = unrevoked(current, &root).next() {
        return Err(RootError::Unrevoked { key: was.key.clone(), since: was.at });
    }
    let (new, old) = signers(&root, Some(current), &opened.pae, &opened.signatures)?;
    let needed = current.doc().threshold;
    if old < needed as usize {
        return Err(RootError::TooFewOld { found: old, needed, version: now });
    }
    enough_new(&root, new)?;
    Ok(Next::New(Box::new(root)))
}

/// The revocations that a next root takes back, wholly or for some time.
pub(super) fn unrevoked<'a>(current: &'a Root, next: &'a Root) -> impl Iterator<Item = &'a Revoked> {
    current.doc().revoked.iter().filter(|was| next.revoked(&was.key).is_none_or(|is| is.at > was.at))
}

fn enough_new(root: &Root, found: usize) -> Result<(), RootError> {
    let needed = root.doc().threshold;
    if found < needed as usize { Err(RootError::TooFewNew { found, needed, version: root.version() }) } else { Ok(()) }
}

/// How many distinct holders of the new root, and of the old one, signed. A signature that is of no use is an error and
/// not skipped: whoever put the envelope together should know.
fn signers(new: &Root, old: Option<&Root>, pae: &[u8], signatures: &[(String, Vec<u8>)]) -> Result<(usize, usize), RootError> {
    let mut by_new = BTreeSet::new();
    let mut by_old = BTreeSet::new();
    for (keyid, signature) in signatures {
        let keyid = KeyId(keyid.clone());
        let mut known: Option<&str> = None;
        let mut counts = false;
        for (root, people) in [(Some(new), &mut by_new), (old, &mut by_old)] {
            let Some(root) = root else { continue };
            let Some((principal, key)) = root.holder(&keyid) else { continue };
            known = Some(&principal.name);
            if !principal.root {
                continue;
            }
            key.verify(Purpose::Root, root.doc().passkeys.as_ref(), pae, signature)
                .map_err(|why| RootError::BadSignature { person: principal.name.clone(), why })?;
            counts = true;
            if !people.insert(principal.name.clone()) {
                return Err(RootError::Duplicate(principal.name.clone()));
            }
        }
        match known {
            None => return Err(RootError::UnknownKey(keyid)),
            Some(name) if !counts => return Err(RootError::NotAHolder(name.to_owned())),
            Some(_) => {}
        }
    }
    Ok((by_new.len(), by_old.len()))
}

/// A line of roots, oldest first, from the pinned one to the newest known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    roots: Vec<Root>,
}

impl Chain {
    /// Begins with the pinned root.
    pub fn first(envelope: &Envelope, pinned: &str) -> Result<Self, RootError> {
        Ok(Self { roots: vec![first(envelope, pinned)?] })
    }

    /// Walks from the pinned root through all that follow.
    pub fn walk(envelopes: &[Envelope], pinned: &str) -> Result<Self, RootError> {
        let (one, rest) = envelopes.split_first().ok_or_else(|| RootError::Malformed("no root at all; begin with the pinned one".into()))?;
        let mut chain = Self::first(one, pinned)?;
        for envelope in rest {
            chain.accept_next(envelope)?;
        }
        Ok(chain)
    }

    /// Takes the next root; returns whether it was new. A known one is fine, another of a known version is a fork.
    pub fn accept_next(&mut self, envelope: &Envelope) -> Result<bool, RootError> {
        let opened = envelope.open(PAYLOAD_TYPE)?;
        if self.roots.iter().any(|root| root.payload() == opened.payload) {
            return Ok(false);
        }
        match accept_next(self.newest(), envelope) {
            Ok(Next::Known) => Ok(false),
            Ok(Next::New(root)) => {
                self.roots.push(*root);
                Ok(true)
            }
            Err(RootError::Rollback { found, current }) => Err(match self.roots.iter().find(|root| root.version() == found) {
                Some(known) => RootError::Fork { version: found, known: known.digest().into(), found: synod_domain::canonical::digest(&opened.payload) },
                None => RootError::Rollback { found, current },
            }),
            Err(other) => Err(other),
        }
    }

    /// Every root, oldest first.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The newest root, expired or not.
    pub fn newest(&self) -> &Root {
        self.roots.last().expect("a chain begins with a root")
    }

    /// The newest root, when its time is not over. Those before may have expired.
    pub fn current_at(&self, now: Timestamp) -> Result<&Root, RootError> {
        let root = self.newest();
        root.live(now)?;
        Ok(root)
    }

    /// The root that was in force at a time past: the newest that was made by then.
    pub fn in_force(&self, at: Timestamp) -> Option<&Root> {
        self.roots.iter().rev().find(|root| root.doc().created_at <= at)
    }
}

impl Root {
    /// Whether the root's time is not over, with some leeway for clocks.
    pub fn live(&self, now: Timestamp) -> Result<(), RootError> {
        let expires = self.doc().expires_at;
        if now.0 > expires.0.saturating_add(MAX_SKEW_MS) { Err(RootError::Expired(expires)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Signer, doc, hour, root_json, signed_root, signer};
    use serde_json::{Value, json};

    fn next_json() -> Value {
        let mut next = root_json();
        next["version"] = json!(2);
        next["previous"] = json!(doc(&root_json()).seal().1);
        next["createdAt"] = json!(hour(24));
        next["expiresAt"] = json!(hour(24 * 400));
        next
    }

    fn chain() -> Chain {
        let json = root_json();
        Chain::first(&signed_root(&json, &[&signer("ann"), &signer("bob")]), &doc(&json).seal().1).unwrap()
    }

    fn judge(json: &Value, by: &[&Signer]) -> Result<bool, &'static str> {
        chain().accept_next(&signed_root(json, by)).map_err(|e| {
            assert!(!e.to_string().is_empty());
            e.name()
        })
    }

    #[test]
    fn the_first_root_is_the_pinned_one() {
        let json = root_json();
        let digest = doc(&json).seal().1;
        let envelope = |by: &[&Signer]| signed_root(&json, by);
        let (ann, bob, carol) = (signer("ann"), signer("bob"), signer("carol"));
        assert!(first(&envelope(&[&ann, &carol]), &digest).is_ok());
        assert_eq!(first(&envelope(&[&ann, &bob]), "sha256:00").unwrap_err().name(), "not-pinned");
        assert_eq!(first(&envelope(&[&ann]), &digest).unwrap_err().name(), "too-few-new");
        assert_eq!(first(&envelope(&[]), &digest).unwrap_err().name(), "too-few-new");
        assert_eq!(first(&envelope(&[&ann, &ann]), &digest).unwrap_err().name(), "duplicate-person");
        assert_eq!(first(&envelope(&[&ann, &bob, &signer("dan")]), &digest).unwrap_err().name(), "not-a-holder");
        assert_eq!(first(&envelope(&[&ann, &bob, &Signer::ed25519("mallory")]), &digest).unwrap_err().name(), "unknown-key");
        let mut bent = envelope(&[&ann, &bob]);
        bent.signatures[0].sig = bent.signatures[1].sig.clone();
        assert_eq!(first(&bent, &digest).unwrap_err().name(), "bad-signature");
        let mut other = envelope(&[&ann, &bob]);
        other.payload_type = "application/vnd.synod.approval+json".into();
        assert_eq!(first(&other, &digest).unwrap_err().name(), "malformed");
    }

    #[test]
    fn the_next_root_needs_both_thresholds() {
        let (ann, bob, carol) = (signer("ann"), signer("bob"), signer("carol"));
        assert_eq!(judge(&next_json(), &[&ann, &bob]), Ok(true));
        assert_eq!(judge(&root_json(), &[]), Ok(false), "known already");
        assert_eq!(judge(&next_json(), &[&ann]), Err("too-few-old"));
        assert_eq!(judge(&next_json(), &[&ann, &ann]), Err("duplicate-person"));
        assert_eq!(judge(&next_json(), &[&ann, &signer("eve")]), Err("not-a-holder"));
        let change = |f: &dyn Fn(&mut Value)| {
            let mut json = next_json();
            f(&mut json);
            json
        };
        let mut fork = root_json();
        fork["threshold"] = json!(1);
        assert_eq!(judge(&fork, &[&ann, &bob]), Err("fork"));
        assert_eq!(judge(&change(&|j| j["version"] = json!(3)), &[&ann, &bob]), Err("gap"));
        assert_eq!(judge(&change(&|j| j["previous"] = json!(format!("sha256:{}", "0".repeat(64)))), &[&ann, &bob]), Err("previous"));
        assert_eq!(judge(&change(&|j| j["createdAt"] = json!(hour(-1))), &[&ann, &bob]), Err("time"));
        assert_eq!(judge(&change(&|j| j["rules"] = json!([])), &[&ann, &bob]), Err("invalid"));
        // The new root asks for more than the old one did.
        assert_eq!(judge(&change(&|j| j["threshold"] = json!(3)), &[&ann, &bob]), Err("too-few-new"));
        assert_eq!(judge(&change(&|j| j["threshold"] = json!(3)), &[&ann, &bob, &carol]), Ok(true));
        // New holders alone, whoever they say they are, do not suffice.
        let mallory = [Signer::ed25519("m1"), Signer::ed25519("m2")];
        let taken = change(&|j| {
            for n in 0..2 {
                j["principals"][n]["keys"] = json!([mallory[n].spec()]);
            }
        });
        assert_eq!(judge(&taken, &[&mallory[0], &mallory[1]]), Err("too-few-old"));
        assert_eq!(judge(&taken, &[&mallory[0], &mallory[1], &ann]), Err("too-few-old"));
    }

    #[test]
    fn a_key_is_changed_by_signing_with_both() {
        let (ann, bob, fresh) = (signer("ann"), signer("bob"), Signer::sk_p256("ann's new"));
        let mut json = next_json();
        json["principals"][0]["keys"] = json!([fresh.spec()]);
        json["revoked"] = json!([{"key": ann.key().id(), "at": hour(20), "reason": "lost"}]);
        assert_eq!(judge(&json, &[&ann, &bob, &fresh]), Ok(true));
        assert_eq!(judge(&json, &[&bob, &fresh]), Err("too-few-old"));
        assert_eq!(judge(&json, &[&ann, &bob]), Err("too-few-new"));
    }

    #[test]
    fn a_revocation_is_never_taken_back() {
        let (ann, bob, fresh) = (signer("ann"), signer("bob"), Signer::sk_p256("ann's new"));
        let mut json = next_json();
        json["principals"][0]["keys"] = json!([fresh.spec()]);
        json["revoked"] = json!([{"key": ann.key().id(), "at": hour(20), "reason": "lost"}]);
        let mut chain = chain();
        assert_eq!(chain.accept_next(&signed_root(&json, &[&ann, &bob, &fresh])), Ok(true));
        let offer = |revoked: Value| {
            let mut third = json.clone();
            third["version"] = json!(3);
            third["previous"] = json!(doc(&json).seal().1);
            third["revoked"] = revoked;
            chain.clone().accept_next(&signed_root(&third, &[&bob, &fresh])).map_err(|e| {
                assert!(e.to_string().contains(&ann.key().id().0), "{e}");
                e.name()
            })
        };
        let entry = |at: i64| json!({"key": ann.key().id(), "at": hour(at), "reason": "lost"});
        assert_eq!(offer(json!([])), Err("unrevoked"));
        assert_eq!(offer(json!([entry(21)])), Err("unrevoked"), "what it signed in between would count again");
        assert_eq!(offer(json!([entry(19)])), Ok(true));
        assert_eq!(offer(json!([entry(20)])), Ok(true));
    }

    #[test]
    fn roll_backs_forks_and_expiry() {
        let (ann, bob) = (signer("ann"), signer("bob"));
        let mut chain = chain();
        assert_eq!(chain.accept_next(&signed_root(&next_json(), &[&ann, &bob])), Ok(true));
        assert_eq!(chain.newest().version(), 2);
        assert_eq!(chain.accept_next(&signed_root(&root_json(), &[&ann, &bob])), Ok(false), "an older one that is known");
        let mut fork = root_json();
        fork["threshold"] = json!(1);
        assert_eq!(chain.accept_next(&signed_root(&fork, &[&ann, &bob])).unwrap_err().name(), "fork");
        let only_newest = Chain::first(&signed_root(&next_json(), &[&ann, &bob]), chain.newest().digest()).unwrap();
        assert_eq!(only_newest.clone().accept_next(&signed_root(&root_json(), &[&ann, &bob])).unwrap_err().name(), "rollback");
        // The first has expired by now, which does not matter: the newest has not.
        assert!(chain.current_at(hour(24 * 380)).is_ok());
        assert_eq!(chain.current_at(hour(24 * 401)).unwrap_err().name(), "root-expired");
        assert_eq!(chain.in_force(hour(23)).unwrap().version(), 1);
        assert_eq!(chain.in_force(hour(24)).unwrap().version(), 2);
        assert!(chain.in_force(hour(-1)).is_none());
    }

    #[test]
    fn nothing_but_the_canonical_document_is_a_root() {
        let (payload, _) = doc(&root_json()).seal();
        let text = String::from_utf8(payload).unwrap();
        for wrong in [
            text.replacen("\"kind\"", "\"kimd\"", 1),
            text.replacen("\"threshold\":2", "\"threshold\":2,\"threshold\":1", 1),
            text.replacen("\"threshold\":2", "\"threshold\":2.0", 1),
            text.replacen("\"threshold\":2", "\"threshold\":2,\"zzz\":1", 1),
            text.replacen("\"version\":1", "\"version\":9007199254740993", 1),
            text.replacen(':', ": ", 1),
        ] {
            assert_ne!(wrong, text);
            assert_eq!(Root::read(wrong.as_bytes()).unwrap_err().name(), "malformed", "{wrong}");
        }
    }
}
