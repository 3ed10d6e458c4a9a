//! Signed decisions, and whether they suffice. Signatures decide; nothing a server claims about people does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use synod_domain::approval::{self, Decision, Standing, Verdict, Vote};
use synod_domain::canonical;
use synod_domain::manifest::{self, Manifest};
use synod_domain::template::ApprovalPolicy;
use synod_domain::time::Timestamp;
use synod_domain::verify::MAX_SKEW_MS;

use crate::envelope::{Envelope, EnvelopeError, MAX_SIGNATURES};
use crate::key::{KeyId, Purpose};
use crate::root::{Principal, Root};
use crate::{names, strict};

/// The payload type of decisions in envelopes.
pub const PAYLOAD_TYPE: &str = "application/vnd.synod.approval+json";
/// The version of the statement's form.
pub const API_VERSION: &str = "synod/v1";
/// The kind of the statement.
pub const KIND: &str = "Approval";
/// The longest comment, in bytes.
pub const MAX_COMMENT: usize = 4096;
/// How far ahead of the clock here a decision may have been signed, in milliseconds. Where it was signed the clock may have run
/// ahead of that of the server that took it in, and that of the server ahead of a node's, each by as much as clocks may differ.
/// This widens how early something may be only: no end of a time moves.
pub const MAX_AHEAD_MS: i64 = 2 * MAX_SKEW_MS;

/// What a person signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// Always `synod/v1`.
    pub api_version: String,
    /// Always `Approval`.
    pub kind: String,
    /// The run.
    pub run: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Go, or do not.
    pub decision: Decision,
    /// Who says so.
    pub person: String,
    /// Their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// When, by the clock where it was signed.
    pub at: Timestamp,
    /// A start without waiting for others, by a break-glass rule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
    /// Approval after the fact of a break-glass start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ratifies: bool,
}

impl Statement {
    /// An ordinary decision.
    pub fn new(run: &str, digest: &str, decision: Decision, person: &str, comment: &str, at: Timestamp) -> Self {
        let (api_version, kind) = (API_VERSION.to_owned(), KIND.to_owned());
        let (run, digest, person, comment) = (run.to_owned(), digest.to_owned(), person.to_owned(), comment.to_owned());
        Self { api_version, kind, run, digest, decision, person, comment, at, break_glass: false, ratifies: false }
    }

    /// The envelope to sign.
    pub fn envelope(&self) -> Envelope {
        let payload = canonical::canonical(self).expect("texts and times always have a canonical form");
        Envelope::new(PAYLOAD_TYPE, &payload)
    }
}

/// A decision whose signature is that of the person it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The principal whose key verified.
    pub person: String,
    /// What they decided.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
    /// With which key.
    pub key: KeyId,
    /// The whole statement.
    pub statement: Statement,
}

/// A set of rules that was met, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// `the template's own rules`, or `rule NAME of the trust root`.
    pub rules: String,
    /// Index of the rule inside the set, and the person who fills it.
    pub by: Vec<(usize, String)>,
}

/// That enough people agree, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Every decision that was handed in, verified.
    pub decisions: Vec<Verified>,
    /// Every set of rules, met.
    pub met: Vec<Met>,
    /// The version of the root it was judged by.
    pub root_version: u64,
}

/// Why it does not suffice, each with a stable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An envelope or statement cannot be read.
    #[error("a decision cannot be read: {0}")]
    Malformed(String),
    /// The manifest itself cannot be judged.
    #[error("the manifest cannot be judged: {0}")]
    Manifest(String),
    /// More decisions than anybody needs.
    #[error("{0} decisions were handed in; at most {MAX_SIGNATURES} are looked at")]
    TooMany(usize),
    /// The root's time is over.
    #[error("the trust root expired at {0}; its holders must sign a new version")]
    RootExpired(Timestamp),
    /// The manifest's time is over.
    #[error("the manifest expired at {0}; request the run again")]
    Expired(Timestamp),
    /// The digest is not the manifest's.
    #[error("{who} is about the digest {found}; this manifest has {wanted}")]
    WrongDigest {
        /// Whose decision, or what.
        who: String,
        /// The digest it names.
        found: String,
        /// The manifest's.
        wanted: String,
    },
    /// The decision is about another run.
    #[error("{person} decided on run `{found}`; this is run `{wanted}`")]
    WrongRun {
        /// Who.
        person: String,
        /// The run it names.
        found: String,
        /// The manifest's.
        wanted: String,
    },
    /// An ordinary decision where another sort belongs, or the reverse.
    #[error("the statement of {person} is {found}; {wanted} is needed")]
    WrongSort {
        /// Who.
        person: String,
        /// What it is.
        found: &'static str,
        /// What belongs here.
        wanted: &'static str,
    },
    /// No rule of the root is about this template on this node.
    #[error("no rule of the trust root is about {template} on {node}; its holders must add one")]
    NoRule {
        /// `NAMESPACE/TEMPLATE`.
        template: String,
        /// The node's name.
        node: String,
    },
    /// The key is nobody's.
    #[error("a decision signed by {key}, a key of nobody in the trust root (it says it is by {claimed})")]
    UnknownKey {
        /// The key.
        key: String,
        /// Who the statement says signed it.
        claimed: String,
    },
    /// The key was revoked.
    #[error("a decision signed by {key}, which was revoked at {at}; sign with a key the root lists")]
    Revoked {
        /// The key.
        key: KeyId,
        /// Since when.
        at: Timestamp,
    },
    /// The signature does not verify.
    #[error("the signature of {person} does not count: {why}")]
    BadSignature {
        /// Whose key it names.
        person: String,
        /// Why.
        why: String,
    },
    /// Signed by one person in the name of another.
    #[error("{signer} signed in the name of {claimed}; everybody signs for themselves")]
    WrongPerson {
        /// Whose key it was.
        signer: String,
        /// Who the statement names.
        claimed: String,
    },
    /// The requester approved, and may not.
    #[error("{0} asked for this run, so their approval may not be used; somebody else must approve")]
    Requester(String),
    /// The author approved, and may not.
    #[error("{0} wrote this revision of the template, so their approval may not be used; somebody else must approve")]
    Author(String),
    /// Enough people said no.
    #[error("rejected by {}", .0.join(", "))]
    Rejected(Vec<String>),
    /// A decision before there was anything to decide on, or in the future.
    #[error("{person} decided at {at}, {why}")]
    TooEarly {
        /// Who.
        person: String,
        /// When.
        at: Timestamp,
        /// Before what.
        why: String,
    },
    /// A decision after the time for it.
    #[error("{person} decided at {at}, after the time for it was over ({by})")]
    TooLate {
        /// Who.
        person: String,
        /// When.
        at: Timestamp,
        /// The end of the time.
        by: Timestamp,
    },
    /// Rules are not met.
    #[error("not enough people agree: {}", .0.join("; "))]
    Unmet(Vec<String>),
    /// A break-glass rule does not let this person do this.
    #[error("break-glass is not open: {0}")]
    BreakGlass(String),
}

impl Refused {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Manifest(_) => "manifest",
            Self::TooMany(_) => "too-many",
            Self::RootExpired(_) => "root-expired",
            Self::Expired(_) => "expired",
            Self::WrongDigest { .. } => "wrong-digest",
            Self::WrongRun { .. } => "wrong-run",
            Self::WrongSort { .. } => "wrong-sort",
            Self::NoRule { .. } => "no-rule",
            Self::UnknownKey { .. } => "unknown-key",
            Self::Revoked { .. } => "revoked",
            Self::BadSignature { .. } => "bad-signature",
            Self::WrongPerson { .. } => "wrong-person",
            Self::Requester(_) => "requester",
            Self::Author(_) => "author",
            Self::Rejected(_) => "rejected",
            Self::TooEarly { .. } => "too-early",
            Self::TooLate { .. } => "too-late",
            Self::Unmet(_) => "unmet",
            Self::BreakGlass(_) => "break-glass",
        }
    }
}

impl From<EnvelopeError> for Refused {
    fn from(error: EnvelopeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Checks one envelope with exactly one signature: the key must be a principal's, the signature right, and the person in
/// the statement that principal. What was decided, and on what, is for the caller to compare.
pub fn verify_one(root: &Root, envelope: &Envelope) -> Result<Verified, Refused> {
    let opened = envelope.open(PAYLOAD_TYPE)?;
    let [(keyid, signature)] = &opened.signatures[..] else {
        return Err(Refused::Malformed(format!("{} signatures; a decision has exactly one", opened.signatures.len())));
    };
    let key = KeyId(keyid.clone());
    if let Some(revoked) = root.revoked(&key) {
        return Err(Refused::Revoked { key, at: revoked.at });
    }
    let Some((principal, public)) = root.holder(&key) else {
        let claimed = strict::read::<Statement>(&opened.payload).map_or("nobody readable".into(), |s| s.person.escape_debug().to_string());
        return Err(Refused::UnknownKey { key: keyid.escape_debug().to_string(), claimed });
    };
    public
        .verify(Purpose::Approval, root.doc().passkeys.as_ref(), &opened.pae, signature)
        .map_err(|why| Refused::BadSignature { person: principal.name.clone(), why })?;
    let statement: Statement = strict::read(&opened.payload).map_err(|why| Refused::Malformed(format!("signed by {}: {why}", principal.name)))?;
    if statement.api_version != API_VERSION || statement.kind != KIND {
        let (version, kind) = (statement.api_version.escape_debug(), statement.kind.escape_debug());
        return Err(Refused::Malformed(format!("signed by {}: `{version} {kind}` is not `{API_VERSION} {KIND}`", principal.name)));
    }
    if statement.comment.len() > MAX_COMMENT {
        return Err(Refused::Malformed(format!("signed by {}: a comment of {} bytes; at most {MAX_COMMENT}", principal.name, statement.comment.len())));
    }
    if statement.person != principal.name {
        return Err(Refused::WrongPerson { signer: principal.name.clone(), claimed: statement.person.escape_debug().to_string() });
    }
    Ok(Verified { person: principal.name.clone(), decision: statement.decision, at: statement.at, key, statement })
}

/// Which sort of statement counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Ordinary,
    Ratification,
    BreakGlass,
}

impl Sort {
    fn of(statement: &Statement) -> Option<Self> {
        match (statement.break_glass, statement.ratifies) {
            (false, false) => Some(Self::Ordinary),
            (false, true) => Some(Self::Ratification),
            (true, false) => Some(Self::BreakGlass),
            (true, true) => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Ordinary => "a decision before the start",
            Self::Ratification => "an approval after the fact (`ratifies`)",
            Self::BreakGlass => "a break-glass start (`breakGlass`)",
        }
    }
}

/// Judges whether these decisions let `manifest` run on the node named `node`.
///
/// Every rule of the root about this template on this node must be met, at least one there must be, and the manifest's own
/// rules must be met besides: the stricter applies. A decision that does not verify refuses everything instead of being
/// skipped: an honest server hands over only decisions that count, and a hostile one can withhold a start anyway.
pub fn judge(root: &Root, manifest: &Manifest, digest: &str, envelopes: &[Envelope], node: &str, now: Timestamp) -> Result<Agreement, Refused> {
    check_manifest(root, manifest, digest, now)?;
    if now.0 > manifest.expires_at.0.saturating_add(MAX_SKEW_MS) {
        return Err(Refused::Expired(manifest.expires_at));
    }
    agree(root, manifest, digest, envelopes, node, now, Sort::Ordinary)
}

/// Judges approvals after the fact of a run that was started by a break-glass rule. They may come after `approveBy`.
pub fn judge_ratification(root: &Root, manifest: &Manifest, digest: &str, envelopes: &[Envelope], node: &str, now: Timestamp) -> Result<Agreement, Refused> {
    check_manifest(root, manifest, digest, now)?;
    agree(root, manifest, digest, envelopes, node, now, Sort::Ratification)
}

/// Judges a start by one person under the root's break-glass rule `rule`. `used_today` is how many such starts the caller
/// has counted for this rule on this day.
#[expect(clippy::too_many_arguments, reason = "each is a fact of its own, and a struct would only rename them")]
pub fn judge_break_glass(
    root: &Root,
    manifest: &Manifest,
    digest: &str,
    rule: &str,
    envelope: &Envelope,
    node: &str,
    used_today: u32,
    now: Timestamp,
) -> Result<Verified, Refused> {
    check_manifest(root, manifest, digest, now)?;
    if now.0 > manifest.expires_at.0.saturating_add(MAX_SKEW_MS) {
        return Err(Refused::Expired(manifest.expires_at));
    }
    let shut = |why: String| Err(Refused::BreakGlass(why));
    let Some(rule) = root.doc().break_glass.iter().find(|r| r.name == rule) else {
        return shut(format!("the trust root has no break-glass rule `{}`", rule.escape_debug()));
    };
    let verified = verify_one(root, envelope)?;
    check_statement(manifest, digest, &verified, now, Sort::BreakGlass)?;
    let Manifest { namespace, template, nodes, .. } = manifest;
    if verified.decision != Decision::Approve {
        return shut(format!("{} said no", verified.person));
    }
    if !rule.who.contains(&verified.person) {
        return shut(format!("rule {} is for {}, not for {}", rule.name, rule.who.join(", "), verified.person));
    }
    if verified.person == template.author && !rule.author_may_start {
        return shut(format!("{} wrote this revision of the template, and rule {} does not say `authorMayStart: true`", verified.person, rule.name));
    }
    if !rule.templates.iter().any(|glob| names::matches_template(glob, namespace, &template.name)) {
        return shut(format!("rule {} is for {}, not for {namespace}/{}", rule.name, rule.templates.join(", "), template.name));
    }
    if !rule.nodes.iter().any(|glob| names::matches(glob, node)) {
        return shut(format!("rule {} is for nodes {}, not for {}", rule.name, rule.nodes.join(", "), node.escape_debug()));
    }
    if nodes.count > rule.max_nodes {
        return shut(format!("rule {} is for at most {} nodes, this run has {}", rule.name, rule.max_nodes, nodes.count));
    }
    if used_today >= rule.per_day {
        return shut(format!("rule {} was used {used_today} times today; {} is the most", rule.name, rule.per_day));
    }
    Ok(verified)
}

pub(crate) fn check_manifest(root: &Root, manifest: &Manifest, digest: &str, now: Timestamp) -> Result<(), Refused> {
    let wrong = |why: String| Err(Refused::Manifest(why));
    let (_, wanted) = manifest.seal().map_err(|e| Refused::Manifest(e.message().to_owned()))?;
    if digest != wanted {
        return Err(Refused::WrongDigest { who: "what was handed in".into(), found: digest.escape_debug().to_string(), wanted });
    }
    if manifest.api_version != manifest::API_VERSION || manifest.kind != manifest::KIND {
        return wrong(format!("`{} {}` is not `{} {}`", manifest.api_version, manifest.kind, manifest::API_VERSION, manifest::KIND));
    }
    let Manifest { run, namespace, template, requester, .. } = manifest;
    for (what, name) in [("run", run), ("namespace", namespace), ("template", &template.name), ("author", &template.author), ("requester", requester)] {
        if let Err(why) = names::check_name(name) {
            return wrong(format!("its {what}: {why}"));
        }
    }
    root.live(now).map_err(|_| Refused::RootExpired(root.doc().expires_at))
}

pub(crate) fn check_statement(manifest: &Manifest, digest: &str, verified: &Verified, now: Timestamp, sort: Sort) -> Result<(), Refused> {
    let (person, statement, at) = (verified.person.clone(), &verified.statement, verified.at);
    if statement.run != manifest.run {
        return Err(Refused::WrongRun { person, found: statement.run.escape_debug().to_string(), wanted: manifest.run.clone() });
    }
    if statement.digest != digest {
        return Err(Refused::WrongDigest { who: person, found: statement.digest.escape_debug().to_string(), wanted: digest.to_owned() });
    }
    let found = Sort::of(statement);
    if found != Some(sort) {
        return Err(Refused::WrongSort { person, found: found.map_or("both `breakGlass` and `ratifies`", Sort::words), wanted: sort.words() });
    }
    if at.0 < manifest.created_at.0.saturating_sub(MAX_SKEW_MS) {
        return Err(Refused::TooEarly { person, at, why: format!("before the run was requested ({})", manifest.created_at) });
    }
    check_ahead(verified, now, MAX_AHEAD_MS)?;
    if sort != Sort::Ratification && at > manifest.approve_by {
        return Err(Refused::TooLate { person, at, by: manifest.approve_by });
    }
    Ok(())
}

/// Refuses a decision whose time lies further ahead than whoever takes it in puts up with. It is less than what those put up
/// with who judge it afterwards, whose clocks may be behind.
pub fn check_taken_in(verified: &Verified, now: Timestamp) -> Result<(), Refused> {
    check_ahead(verified, now, MAX_SKEW_MS)
}

fn check_ahead(verified: &Verified, now: Timestamp, most: i64) -> Result<(), Refused> {
    let (person, at) = (verified.person.clone(), verified.at);
    if at.0 > now.0.saturating_add(most) {
        return Err(Refused::TooEarly { person, at, why: format!("which is in the future ({now} here); set the clock where it was signed") });
    }
    Ok(())
}

fn agree(root: &Root, manifest: &Manifest, digest: &str, envelopes: &[Envelope], node: &str, now: Timestamp, sort: Sort) -> Result<Agreement, Refused> {
    if envelopes.len() > MAX_SIGNATURES {
        return Err(Refused::TooMany(envelopes.len()));
    }
    let Manifest { namespace, template, .. } = manifest;
    let mut policies: Vec<(String, ApprovalPolicy)> = root
        .covering(namespace, &template.name, node)
        .map(|rule| (format!("rule {} of the trust root", rule.name), rule.approval.policy()))
        .collect();
    if policies.is_empty() {
        return Err(Refused::NoRule { template: format!("{namespace}/{}", template.name), node: node.escape_debug().to_string() });
    }
    policies.push(("the template's own rules".into(), manifest.approval.clone()));
    let mut decisions = Vec::new();
    for envelope in envelopes {
        let verified = verify_one(root, envelope)?;
        check_statement(manifest, digest, &verified, now, sort)?;
        check_excluded(policies.iter().map(|(_, policy)| policy), manifest, &verified, sort)?;
        decisions.push(verified);
    }
    let people = standings(root, &decisions);
    let mut met = Vec::new();
    let mut unmet = Vec::new();
    for (rules, policy) in policies {
        let votes: Vec<Vote> = decisions.iter().map(|d| vote(&policy, d, &people)).collect();
        match approval::decide(&policy, &votes, Timestamp(i64::MIN), Timestamp(i64::MAX)) {
            Verdict::Granted(by) => met.push(Met { rules, by }),
            Verdict::Rejected(by) => return Err(Refused::Rejected(by)),
            Verdict::Pending(missing) => {
                let lacking = policy.rules.iter().zip(missing).filter(|(_, n)| *n > 0);
                unmet.extend(lacking.map(|(rule, n)| format!("{n} missing for {rules} ({rule})")));
            }
            Verdict::Expired => unmet.push(rules),
        }
    }
    if unmet.is_empty() { Ok(Agreement { decisions, met, root_version: root.version() }) } else { Err(Refused::Unmet(unmet)) }
}

/// Refuses the approval of somebody whom one of the rules keeps out, and after the fact that of whoever went ahead alone: they
/// answer to others, whatever the rules say about requests.
pub(crate) fn check_excluded<'a>(
    mut policies: impl Iterator<Item = &'a ApprovalPolicy>,
    manifest: &Manifest,
    verified: &Verified,
    sort: Sort,
) -> Result<(), Refused> {
    if verified.decision != Decision::Approve {
        return Ok(());
    }
    if sort == Sort::Ratification && verified.person == manifest.requester {
        return Err(Refused::Requester(verified.person.clone()));
    }
    policies.try_for_each(|policy| match approval::excluded(policy, &manifest.requester, &manifest.template.author, &verified.person) {
        Some(approval::Excluded::Requester) => Err(Refused::Requester(verified.person.clone())),
        Some(approval::Excluded::Author) => Err(Refused::Author(verified.person.clone())),
        Some(approval::Excluded::NoRule) | None => Ok(()),
    })
}

/// What each person who decided may fill, by the root alone.
pub(crate) fn standings<'a>(root: &Root, decisions: impl IntoIterator<Item = &'a Verified>) -> BTreeMap<String, Standing> {
    decisions.into_iter().filter_map(|d| root.principal(&d.person)).map(|p: &Principal| (p.name.clone(), root.standing(p))).collect()
}

/// A decision as the domain counts it. Approvals of the excluded were refused before; a rejection counts whoever it is
/// by, as long as a rule asks for such a person.
pub(crate) fn vote(policy: &ApprovalPolicy, decided: &Verified, people: &BTreeMap<String, Standing>) -> Vote {
    let open = ApprovalPolicy { requester_may_approve: true, author_may_approve: true, ..policy.clone() };
    let rules: BTreeSet<usize> = people.get(decided.person.as_str()).and_then(|standing| approval::rules_for(&open, "", "", standing).ok()).unwrap_or_default();
    Vote { person: decided.person.clone(), decision: decided.decision, rules }
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
