//! What an executor checks before it does anything: the same for agents, workers and offline readers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::approval::{self, Decision, Verdict, Vote};
use crate::manifest::{Manifest, NodeEntry};
use crate::merkle::Inclusion;
use crate::time::Timestamp;
use crate::{canonical, manifest};

/// How far a node's clock may run ahead of or behind the server's, in milliseconds.
pub const MAX_SKEW_MS: i64 = 30_000;

/// One approval as it travels with a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliveredApproval {
    /// Who.
    pub person: String,
    /// Approved or rejected.
    pub decision: Decision,
    /// The digest the person decided on.
    pub digest: String,
    /// When.
    pub at: Timestamp,
    /// Their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Indexes of the manifest's rules the person could fill when the run started.
    pub rules: BTreeSet<usize>,
    /// The signed decision: JSON of a DSSE envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Everything an executor is handed.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    /// The manifest's bytes as they arrived.
    pub manifest: &'a [u8],
    /// The digest that was claimed for them.
    pub digest: &'a str,
    /// The approvals.
    pub approvals: &'a [DeliveredApproval],
    /// Where this node stands in the manifest's list.
    pub inclusion: &'a Inclusion,
}

/// Why an executor refuses, each with a stable name for events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The manifest is not readable as one.
    Malformed(String),
    /// The bytes do not have the claimed digest.
    Digest,
    /// The manifest does not name this node.
    NotThisNode,
    /// Its time has not come.
    TooEarly(Timestamp),
    /// Its time is over.
    Expired(Timestamp),
    /// It arrived after its start deadline.
    TooLate(Timestamp),
    /// Not enough people agree to this digest.
    Approvals(String),
    /// The task was seen before.
    Replay,
    /// A secret input does not open or is not the one committed to.
    Secret(String),
    /// The node's own configuration forbids it.
    Policy(String),
    /// Judged by signatures under the trust root, it does not suffice.
    Trust {
        /// The stable name of the reason, such as `unmet`.
        name: &'static str,
        /// In words.
        why: String,
    },
}

impl Refusal {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Digest => "digest",
            Self::NotThisNode => "not-this-node",
            Self::TooEarly(_) => "too-early",
            Self::Expired(_) => "expired",
            Self::TooLate(_) => "too-late",
            Self::Approvals(_) => "approvals",
            Self::Replay => "replay",
            Self::Secret(_) => "secret",
            Self::Policy(_) => "policy",
            Self::Trust { .. } => "trust",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the manifest cannot be read: {why}"),
            Self::Digest => f.write_str("the manifest does not have the digest that was approved"),
            Self::NotThisNode => f.write_str("the manifest does not name this node"),
            Self::TooEarly(at) => write!(f, "not before {at} by this node's clock"),
            Self::Expired(at) => write!(f, "the manifest expired at {at} by this node's clock"),
            Self::TooLate(at) => write!(f, "it was to begin by {at} and arrived later"),
            Self::Approvals(why) => write!(f, "the approvals do not suffice: {why}"),
            Self::Replay => f.write_str("this task was seen before"),
            Self::Secret(why) => write!(f, "a secret input is unusable: {why}"),
            Self::Policy(why) => write!(f, "this node's configuration forbids it: {why}"),
            Self::Trust { name, why } => write!(f, "{name}: {why}"),
        }
    }
}

/// Checks a package for one node at one time and returns the manifest to execute. Whether the task
/// was seen before is the journal's to say.
pub fn verify(package: &Package<'_>, node: &NodeEntry, now: Timestamp) -> Result<Manifest, Refusal> {
    if canonical::digest(package.manifest) != package.digest {
        return Err(Refusal::Digest);
    }
    let manifest: Manifest = canonical::read(package.manifest).map_err(|e| Refusal::Malformed(e.message().to_owned()))?;
    if manifest.api_version != manifest::API_VERSION || manifest.kind != manifest::KIND {
        return Err(Refusal::Malformed(format!("{} {} is not a manifest of ours", manifest.api_version, manifest.kind)));
    }
    verify_node(&manifest, package.inclusion, node)?;
    if let Some(not_before) = manifest.not_before
        && now.0 + MAX_SKEW_MS < not_before.0
    {
        return Err(Refusal::TooEarly(not_before));
    }
    if now.0 > manifest.expires_at.0 + MAX_SKEW_MS {
        return Err(Refusal::Expired(manifest.expires_at));
    }
    verify_approvals(&manifest, package)?;
    Ok(manifest)
}

fn verify_node(manifest: &Manifest, inclusion: &Inclusion, node: &NodeEntry) -> Result<(), Refusal> {
    let mut root = [0u8; 32];
    hex::decode_to_slice(&manifest.nodes.root, &mut root).map_err(|_| Refusal::Malformed("the root of its nodes is no hash".into()))?;
    let leaf = node.leaf().map_err(|_| Refusal::NotThisNode)?;
    let named = inclusion.size == u64::from(manifest.nodes.count) && inclusion.proves(&leaf, &root);
    if named { Ok(()) } else { Err(Refusal::NotThisNode) }
}

fn verify_approvals(manifest: &Manifest, package: &Package<'_>) -> Result<(), Refusal> {
    if manifest.break_glass.is_some() {
        return verify_break_glass(manifest, package);
    }
    let mut votes = Vec::new();
    for approval in package.approvals {
        if approval.digest != package.digest {
            return Err(Refusal::Approvals(format!("{} decided on another digest", approval.person)));
        }
        if approval.at > manifest.approve_by {
            return Err(Refusal::Approvals(format!("{} decided after the time for it", approval.person)));
        }
        let excluded = approval::excluded(&manifest.approval, &manifest.requester, &manifest.template.author, &approval.person);
        if excluded.is_some() && approval.decision == Decision::Approve {
            return Err(Refusal::Approvals(format!("{} may not approve this", approval.person)));
        }
        votes.push(Vote { person: approval.person.clone(), decision: approval.decision, rules: approval.rules.clone() });
    }
    // The time of deciding is over or not; what counts here is whether the votes suffice.
    match approval::decide(&manifest.approval, &votes, Timestamp(i64::MIN), manifest.approve_by) {
        Verdict::Granted(_) => Ok(()),
        Verdict::Rejected(by) => Err(Refusal::Approvals(format!("rejected by {}", by.join(", ")))),
        Verdict::Pending(missing) => {
            let rules = manifest.approval.rules.iter().zip(missing).filter(|(_, n)| *n > 0);
            let words: Vec<String> = rules.map(|(rule, n)| format!("{n} missing of {rule}")).collect();
            Err(Refusal::Approvals(words.join("; ")))
        }
        Verdict::Expired => Err(Refusal::Approvals("nobody decided in time".into())),
    }
}

/// One person went ahead alone. Whether they might is the trust root's to say; here it is only seen that they signed for it.
fn verify_break_glass(manifest: &Manifest, package: &Package<'_>) -> Result<(), Refusal> {
    match package.approvals {
        [one] if one.person == manifest.requester && one.decision == Decision::Approve && one.digest == package.digest && one.signature.is_some() => Ok(()),
        _ => Err(Refusal::Approvals(format!("a start by break-glass takes the signed decision of {} alone", manifest.requester))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{nodes, sample};

    struct Case {
        bytes: Vec<u8>,
        digest: String,
        approvals: Vec<DeliveredApproval>,
        inclusion: Inclusion,
        node: NodeEntry,
        now: Timestamp,
    }

    fn good() -> Case {
        let all = nodes(5);
        let manifest = sample(&all);
        let (bytes, digest) = manifest.seal().unwrap();
        let approvals = ["bob", "carol"].map(|person| DeliveredApproval {
            person: person.into(),
            decision: Decision::Approve,
            digest: digest.clone(),
            at: manifest.created_at,
            comment: String::new(),
            rules: [0].into(),
            signature: None,
        });
        let path = manifest::node_tree(&all).unwrap().path(2).unwrap();
        Case { bytes, digest, approvals: approvals.into(), inclusion: Inclusion { index: 2, size: 5, path }, node: all[2].clone(), now: manifest.created_at }
    }

    fn judge(change: impl FnOnce(&mut Case)) -> Option<&'static str> {
        let mut case = good();
        change(&mut case);
        let package = Package { manifest: &case.bytes, digest: &case.digest, approvals: &case.approvals, inclusion: &case.inclusion };
        verify(&package, &case.node, case.now).err().map(|refusal| refusal.name())
    }

    #[test]
    fn its_time_has_come_within_what_clocks_may_differ() {
        let at = Timestamp(good().now.0 + 3_600_000);
        let outcome = |now: i64| {
            let mut case = good();
            let mut manifest = sample(&nodes(5));
            manifest.not_before = Some(at);
            (case.bytes, case.digest) = manifest.seal().unwrap();
            case.approvals.iter_mut().for_each(|approval| approval.digest.clone_from(&case.digest));
            let package = Package { manifest: &case.bytes, digest: &case.digest, approvals: &case.approvals, inclusion: &case.inclusion };
            verify(&package, &case.node, Timestamp(now)).map(drop)
        };
        assert_eq!(outcome(at.0 - MAX_SKEW_MS - 1), Err(Refusal::TooEarly(at)));
        assert_eq!(outcome(at.0 - MAX_SKEW_MS), Ok(()));
        let end = sample(&nodes(5)).expires_at;
        assert_eq!(outcome(end.0 + MAX_SKEW_MS), Ok(()));
        assert_eq!(outcome(end.0 + MAX_SKEW_MS + 1), Err(Refusal::Expired(end)));
    }

    #[test]
    fn accepts_what_was_agreed_and_nothing_else() {
        assert_eq!(judge(|_| {}), None);
        assert_eq!(judge(|c| c.bytes = String::from_utf8(c.bytes.clone()).unwrap().replace("true", "false").into_bytes()), Some("digest"));
        assert_eq!(
            judge(|c| {
                c.bytes.push(b' ');
                c.digest = canonical::digest(&c.bytes);
            }),
            Some("malformed")
        );
        assert_eq!(judge(|c| c.node.id = "id-3".into()), Some("not-this-node"));
        assert_eq!(judge(|c| c.node.name = "db-1".into()), Some("not-this-node"));
        assert_eq!(judge(|c| c.inclusion.size = 6), Some("not-this-node"));
        assert_eq!(judge(|c| c.now = Timestamp(c.now.0 + 3 * 86_400_000)), Some("expired"));
        assert_eq!(
            judge(|c| {
                c.approvals.pop();
            }),
            Some("approvals")
        );
        assert_eq!(judge(|c| c.approvals[1] = c.approvals[0].clone()), Some("approvals"));
        assert_eq!(judge(|c| c.approvals[1].person = "dave".into()), Some("approvals"));
        assert_eq!(judge(|c| c.approvals[1].digest = "sha256:11".into()), Some("approvals"));
        assert_eq!(judge(|c| c.approvals[1].decision = Decision::Reject), Some("approvals"));
        assert_eq!(judge(|c| c.approvals[1].rules.clear()), Some("approvals"));
    }
}
