//! Results as nodes sign them: what came of one task, vouched for by the node's own key.

use serde::{Deserialize, Serialize};
use synod_domain::canonical;
use synod_domain::manifest::{Manifest, NodeEntry};
use synod_domain::task::Phase;
use synod_domain::time::Timestamp;

use crate::crypto::PublicKey;
use crate::envelope::{Envelope, EnvelopeError};
use crate::strict;

/// The payload type of results in envelopes.
pub const PAYLOAD_TYPE: &str = "application/vnd.synod.result+json";
/// The version of the statement's form.
pub const API_VERSION: &str = "synod/v1";
/// The kind of the statement.
pub const KIND: &str = "Result";

/// What a node says about a task that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResultStatement {
    /// Always `synod/v1`.
    pub api_version: String,
    /// Always `Result`.
    pub kind: String,
    /// The run.
    pub run: String,
    /// The digest of the manifest the node carried out.
    pub digest: String,
    /// The task's place among the run's nodes, from 0.
    pub task: u32,
    /// The node's id and name.
    pub node: NodeEntry,
    /// How it ended.
    pub phase: Phase,
    /// The exit code of the deciding step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// SHA-256 over the kept output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_digest: Option<String>,
    /// When the first step began, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended, by the node's clock.
    pub finished_at: Timestamp,
}

/// Why a result does not count, each with a stable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// The envelope or statement cannot be read.
    #[error("the result cannot be read: {0}")]
    Malformed(String),
    /// The node's key is none of ours.
    #[error("the node's key cannot be used: {0}")]
    Key(String),
    /// The envelope names another key.
    #[error("the result names the key {found}; the node's is {wanted}")]
    UnknownKey {
        /// What it names.
        found: String,
        /// The node's.
        wanted: String,
    },
    /// The signature does not verify.
    #[error("the signature does not fit the result: it was altered, or signed by another key than {0}")]
    BadSignature(String),
    /// It is about another run, manifest or node.
    #[error("the result is about {what} `{found}`; `{wanted}` is asked about")]
    Other {
        /// Which part differs.
        what: &'static str,
        /// What it says.
        found: String,
        /// What belongs there.
        wanted: String,
    },
}

impl ResultError {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Key(_) => "key",
            Self::UnknownKey { .. } => "unknown-key",
            Self::BadSignature(_) => "bad-signature",
            Self::Other { .. } => "other",
        }
    }
}

impl From<EnvelopeError> for ResultError {
    fn from(error: EnvelopeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The key id of a node's key in envelopes: `sha256:` of the DER of its SubjectPublicKeyInfo.
pub fn key_id(spki: &[u8]) -> String {
    canonical::digest(spki)
}

impl ResultStatement {
    /// The envelope to sign.
    pub fn envelope(&self) -> Envelope {
        let payload = canonical::canonical(self).expect("texts, numbers and times always have a canonical form");
        Envelope::new(PAYLOAD_TYPE, &payload)
    }

    /// What the node's key signs: ECDSA P-256 with SHA-256 in DER, or Ed25519.
    pub fn to_be_signed(&self) -> Vec<u8> {
        let payload = canonical::canonical(self).expect("texts, numbers and times always have a canonical form");
        crate::envelope::pae(PAYLOAD_TYPE, &payload)
    }

    /// The signed envelope, from the signature over [`Self::to_be_signed`].
    pub fn signed(&self, spki: &[u8], signature: &[u8]) -> Envelope {
        self.envelope().with(&key_id(spki), signature)
    }
}

/// Checks a result by a node's public key (DER of its SubjectPublicKeyInfo).
pub fn verify(envelope: &Envelope, spki: &[u8]) -> Result<ResultStatement, ResultError> {
    let opened = envelope.open(PAYLOAD_TYPE)?;
    let key = PublicKey::spki(spki).map_err(ResultError::Key)?;
    let wanted = key_id(spki);
    let [(keyid, signature)] = &opened.signatures[..] else {
        return Err(ResultError::Malformed(format!("{} signatures; a result has exactly one", opened.signatures.len())));
    };
    if *keyid != wanted {
        return Err(ResultError::UnknownKey { found: keyid.escape_debug().to_string(), wanted });
    }
    if !key.verifies(&opened.pae, signature) {
        return Err(ResultError::BadSignature(wanted));
    }
    let statement: ResultStatement = strict::read(&opened.payload).map_err(ResultError::Malformed)?;
    if statement.api_version != API_VERSION || statement.kind != KIND {
        let (version, kind) = (statement.api_version.escape_debug(), statement.kind.escape_debug());
        return Err(ResultError::Malformed(format!("`{version} {kind}` is not `{API_VERSION} {KIND}`")));
    }
    if !statement.phase.ended() {
        return Err(ResultError::Malformed(format!("`{}` is no end of a task", statement.phase)));
    }
    Ok(statement)
}

/// Checks that a result is about this manifest and this node at this place.
pub fn about(statement: &ResultStatement, manifest: &Manifest, digest: &str, index: u32, node: &NodeEntry) -> Result<(), ResultError> {
    let pairs = [
        ("run", statement.run.clone(), manifest.run.clone()),
        ("manifest", statement.digest.clone(), digest.to_owned()),
        ("task", statement.task.to_string(), index.to_string()),
        ("node", statement.node.id.clone(), node.id.clone()),
        ("node", statement.node.name.clone(), node.name.clone()),
    ];
    for (what, found, wanted) in pairs {
        if found != wanted {
            return Err(ResultError::Other { what, found: found.escape_debug().to_string(), wanted });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Signer, hour};

    fn sample() -> ResultStatement {
        testing::result(&testing::manifest(), 1)
    }

    #[test]
    fn both_schemes_verify_and_nothing_bent_does() {
        for signer in [Signer::p256("node"), Signer::ed25519("node")] {
            let spki = signer.public().to_spki();
            let statement = sample();
            let envelope = statement.signed(&spki, &signer.bare(&statement.to_be_signed()));
            assert_eq!(verify(&envelope, &spki), Ok(statement.clone()));
            let (manifest, node) = (testing::manifest(), &testing::nodes()[1]);
            let digest = manifest.seal().unwrap().1;
            assert_eq!(about(&statement, &manifest, &digest, 1, node), Ok(()));
            assert_eq!(about(&statement, &manifest, &digest, 2, node).unwrap_err().name(), "other");
            assert_eq!(about(&statement, &manifest, "sha256:00", 1, node).unwrap_err().name(), "other");
            assert_eq!(about(&statement, &manifest, &digest, 1, &testing::nodes()[0]).unwrap_err().name(), "other");

            let other = Signer::p256("other").public().to_spki();
            assert_eq!(verify(&envelope, &other).unwrap_err().name(), "unknown-key");
            assert_eq!(verify(&envelope, b"spki").unwrap_err().name(), "key");
            assert_eq!(verify(&statement.envelope(), &spki).unwrap_err().name(), "malformed");
            let bytes = envelope.to_bytes();
            for bit in 0..bytes.len() * 8 {
                let mut bent = bytes.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                let kept = Envelope::read(&bent).is_ok_and(|e| verify(&e, &spki).is_ok());
                assert!(!kept, "bit {bit}");
            }
        }
    }

    #[test]
    fn signed_nonsense_is_refused() {
        let signer = Signer::p256("node");
        let spki = signer.public().to_spki();
        let judge = |change: &dyn Fn(&mut ResultStatement)| {
            let mut statement = sample();
            change(&mut statement);
            verify(&statement.signed(&spki, &signer.bare(&statement.to_be_signed())), &spki).map_err(|e| e.name())
        };
        assert!(judge(&|s| s.exit_code = None).is_ok());
        assert_eq!(judge(&|s| s.kind = "Approval".into()), Err("malformed"));
        assert_eq!(judge(&|s| s.phase = Phase::Started), Err("malformed"));
        assert!(judge(&|s| s.finished_at = hour(3)).is_ok());
    }
}
