//! The trust root: who the people are, which keys are theirs, and how many of whom it takes. What a server says about
//! people counts for nothing; what the root says counts because its holders signed it and its digest was pinned.

mod chain;
mod check;
mod doctor;
pub mod outlook;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use synod_domain::access::{self, Role};
use synod_domain::approval::Standing;
use synod_domain::problem::Problem;
use synod_domain::template::{ApprovalPolicy, ApprovalRule};
use synod_domain::time::Timestamp;
use synod_domain::{Span, canonical};

use crate::key::{Key, KeyId, KeySpec};
use crate::webauthn::Passkeys;
use crate::{names, strict};

pub use chain::{Chain, Next, RootError, accept_next, first};
pub use doctor::{Finding, Severity, diff, doctor, doctor_next};

/// The payload type of roots in envelopes.
pub const PAYLOAD_TYPE: &str = "application/vnd.synod.root+json";
/// The version of the document's form.
pub const API_VERSION: &str = "synod/v1";
/// The kind of the document.
pub const KIND: &str = "TrustRoot";

/// The trust root as it is written and signed, in canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootDoc {
    /// Always `synod/v1`.
    pub api_version: String,
    /// Always `TrustRoot`.
    pub kind: String,
    /// From 1, each one more than the one before.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Nothing is judged by it after.
    pub expires_at: Timestamp,
    /// Digest of the root before; absent in version 1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// So many distinct holders must sign this root and the next.
    pub threshold: u32,
    /// The people.
    pub principals: Vec<Principal>,
    /// How many of whom it takes, for which templates on which nodes.
    pub rules: Vec<Rule>,
    /// Who may go ahead alone, and how often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<BreakGlass>,
    /// For which site passkeys count; needed when somebody has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkeys: Option<Passkeys>,
    /// Keys that count no more and never will again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<Revoked>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Principal {
    /// Their name, the same as on the server.
    pub name: String,
    /// Whether they may sign roots.
    #[serde(default)]
    pub root: bool,
    /// Their roles, in every namespace.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Their groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Their keys.
    pub keys: Vec<KeySpec>,
}

/// What it takes for some templates on some nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Patterns of `NAMESPACE/TEMPLATE`.
    pub templates: Vec<String>,
    /// Patterns of node names.
    pub nodes: Vec<String>,
    /// Who must agree.
    pub approval: RuleApproval,
}

/// Who must agree, as the root says it: what of a template's policy is not about time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleApproval {
    /// All must be met, by distinct persons.
    pub rules: Vec<ApprovalRule>,
    /// Whether the requester's own approval counts.
    #[serde(default)]
    pub requester_may_approve: bool,
    /// Whether the approval of whoever wrote the template's revision counts.
    #[serde(default = "synod_domain::defaults::yes")]
    pub author_may_approve: bool,
    /// So many rejections end the run.
    #[serde(default = "synod_domain::defaults::one")]
    pub rejections: u32,
}

impl RuleApproval {
    /// As the domain judges it.
    pub fn policy(&self) -> ApprovalPolicy {
        ApprovalPolicy {
            rules: self.rules.clone(),
            requester_may_approve: self.requester_may_approve,
            author_may_approve: self.author_may_approve,
            rejections: self.rejections,
            expires_after: Span::secs(86_400),
            runs_within: Span::secs(86_400),
        }
    }
}

/// Who may start something alone when nobody can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakGlass {
    /// Its name.
    pub name: String,
    /// The persons.
    pub who: Vec<String>,
    /// Patterns of `NAMESPACE/TEMPLATE`.
    pub templates: Vec<String>,
    /// Patterns of node names.
    pub nodes: Vec<String>,
    /// So many runs a day.
    pub per_day: u32,
    /// On so many nodes at most.
    pub max_nodes: u32,
    /// Whether somebody may start so what they wrote themselves; absent means no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub author_may_start: bool,
}

/// A key that counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoked {
    /// The key.
    pub key: KeyId,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl RootDoc {
    /// The canonical bytes people sign, and their digest.
    pub fn seal(&self) -> (Vec<u8>, String) {
        let bytes = canonical::canonical(self).expect("texts, numbers and lists always have a canonical form");
        let digest = canonical::digest(&bytes);
        (bytes, digest)
    }
}

/// A root whose document is sound. Whether its holders signed it is [`Chain`]'s to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    doc: RootDoc,
    payload: Vec<u8>,
    digest: String,
    keys: BTreeMap<KeyId, (usize, Key)>,
}

impl Root {
    /// Checks a document; every defect is told with its place.
    pub fn draft(doc: RootDoc) -> Result<Self, RootError> {
        let (problems, keys) = check::check(&doc);
        if !problems.is_empty() {
            return Err(RootError::Invalid(problems));
        }
        let (payload, digest) = doc.seal();
        Ok(Self { doc, payload, digest, keys })
    }

    /// Reads a root from its canonical bytes.
    pub fn read(payload: &[u8]) -> Result<Self, RootError> {
        Self::draft(strict::read(payload).map_err(RootError::Malformed)?)
    }

    /// The document.
    pub fn doc(&self) -> &RootDoc {
        &self.doc
    }

    /// The bytes people signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// `sha256:` and the SHA-256 of the payload.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.doc.version
    }

    /// A person by name.
    pub fn principal(&self, name: &str) -> Option<&Principal> {
        self.doc.principals.iter().find(|p| p.name == name)
    }

    /// Whose key this is.
    pub fn holder(&self, key: &KeyId) -> Option<(&Principal, &Key)> {
        self.keys.get(key).map(|(n, key)| (&self.doc.principals[*n], key))
    }

    /// When and why a key was revoked.
    pub fn revoked(&self, key: &KeyId) -> Option<&Revoked> {
        self.doc.revoked.iter().find(|r| r.key == *key)
    }

    /// What a person may fill, by this root alone.
    pub fn standing(&self, principal: &Principal) -> Standing {
        Standing {
            name: principal.name.clone(),
            may_approve: true,
            roles: access::closure(principal.roles.iter().copied()),
            groups: principal.groups.iter().cloned().collect(),
        }
    }

    /// The rules about a template on a node.
    pub fn covering<'a>(&'a self, namespace: &'a str, template: &'a str, node: &'a str) -> impl Iterator<Item = &'a Rule> {
        let fits = move |rule: &&Rule| {
            rule.templates.iter().any(|glob| names::matches_template(glob, namespace, template)) && rule.nodes.iter().any(|glob| names::matches(glob, node))
        };
        self.doc.rules.iter().filter(fits)
    }

    /// Names of those who may sign roots.
    pub fn holders(&self) -> BTreeSet<&str> {
        self.doc.principals.iter().filter(|p| p.root).map(|p| p.name.as_str()).collect()
    }

    /// Every defect of a document, with its place.
    pub fn problems(doc: &RootDoc) -> Vec<Problem> {
        check::check(doc).0
    }
}
