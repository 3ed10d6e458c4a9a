//! A run with all its evidence in one file, judged without any server: the pinned root, the manifest, who agreed, what the
//! nodes signed, and where the log has it.
//!
//! What a proof of inclusion cannot say is said as well: that an event was left out, and when something really happened.

mod story;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_domain::canonical;
use synod_domain::event::types;
use synod_domain::manifest::{Manifest, NodeEntry};
use synod_domain::merkle::{Hash, leaf_hash};
use synod_domain::run::Phase;
use synod_domain::time::Timestamp;
use synod_domain::verify::MAX_SKEW_MS;

use crate::approval::{self, Refused};
use crate::audit::{Checkpoint, VerifierKey, check_inclusion};
use crate::envelope::Envelope;
use crate::root::{Chain, Root};
use crate::{result, strict};

use story::{At, NodeKeys, Places, Story, named_key, time};
pub use story::{WholeLog, compare};

/// The version of the file's form.
pub const VERSION: u32 = 1;
/// What proofs of inclusion cannot say.
const INCOMPLETE: &str =
    "that nothing else was recorded about the run: proofs say that what is shown is in the log, not that it is all; a copy of the whole log can tell";
/// What the log cannot say.
const TIMES: &str = "when it happened: times are the words of the server, and of the machines where was signed; proven is the order, by places in the log";
/// What the log says of nodes' keys is the server's word.
const KEYS: &str = "that each node's key is the node's own: the server logs it when the node joins; whoever held the server before this run was approved could have logged a key of their own and signed results with it; the node itself can tell its key";
/// The largest file, in bytes.
pub const MAX_BUNDLE: usize = 64 << 20;

/// A run with all its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// Always 1.
    pub version: u32,
    /// The run.
    pub run: String,
    /// The manifest's canonical bytes in base64.
    pub manifest: String,
    /// Their digest.
    pub digest: String,
    /// Where the run stands, by the word of whoever made the bundle; its events must tell the same.
    pub phase: Phase,
    /// Signed decisions.
    pub approvals: Vec<Envelope>,
    /// Signed approvals after the fact, of a run that was started by break-glass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ratifications: Vec<Envelope>,
    /// Trust roots from the pinned one on, without gaps.
    pub roots: Vec<Envelope>,
    /// The nodes, each with its path to the manifest's root of nodes.
    pub nodes: Vec<Node>,
    /// What the nodes signed.
    pub results: Vec<NodeResult>,
    /// Events about the run, about the keys of its nodes and about trust roots, each with its path to the checkpoint's root.
    pub events: Vec<LoggedEvent>,
    /// The log's signed head.
    pub checkpoint: String,
}

/// A node of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BundledNode)]
pub struct Node {
    /// Its place, from 0.
    pub index: u32,
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Hashes from its leaf up, in base64.
    pub path: Vec<String>,
}

/// A result and the key it was signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeResult {
    /// The signed result.
    pub envelope: Envelope,
    /// The DER of the node's SubjectPublicKeyInfo in base64.
    pub spki: String,
}

/// An event and its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoggedEvent {
    /// The event as it was logged.
    #[schema(value_type = Object)]
    pub event: Value,
    /// Its leaf, from 0.
    pub index: u64,
    /// Hashes from its leaf up, in base64.
    pub proof: Vec<String>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: String,
    /// Whether it holds.
    pub ok: bool,
    /// By what it holds, or why it does not.
    pub why: String,
}

/// All that was looked at, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
    /// What the evidence does not show, however good it is.
    pub unproven: Vec<String>,
}

impl Report {
    /// Whether everything holds. A report without checks holds nothing.
    pub fn ok(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.ok)
    }

    fn say(&mut self, what: impl Into<String>, outcome: Result<String, String>) -> bool {
        let ok = outcome.is_ok();
        let why = outcome.unwrap_or_else(|why| why);
        self.checks.push(Check { what: what.into(), ok, why });
        ok
    }
}

impl Bundle {
    /// Reads a bundle. Spacing and order do not matter, since nothing in it is signed as a whole; duplicate keys and
    /// unknown fields are refused.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_BUNDLE {
            return Err(format!("the file has {} bytes; a bundle has at most {MAX_BUNDLE}", bytes.len()));
        }
        let value = strict::without_duplicates(bytes).map_err(|e| format!("not a bundle: {e}"))?;
        let bundle: Self = serde_json::from_value(value).map_err(|e| format!("not a bundle: {e}"))?;
        if bundle.version != VERSION {
            return Err(format!("a bundle of version {}; this program reads version {VERSION}", bundle.version));
        }
        Ok(bundle)
    }
}

/// Judges a bundle by the digest of a trust root and the log's public key, both known beforehand.
///
/// Decisions are judged by the root that was in force where the log tells that the run began: the newest that was published at a
/// leaf before. Keys found compromised by the time a decision was signed or recorded are refused by whatever later root says so.
/// The times of events are the server's word; what is proven is their order.
pub fn verify_bundle(bundle: &Bundle, pinned: &str, log: &VerifierKey, now: Timestamp) -> Report {
    let mut report = Report::default();
    let chain = Chain::walk(&bundle.roots, pinned);
    let words = |chain: &Chain| {
        let (newest, count) = (chain.newest(), chain.roots().len());
        let stale = if newest.live(now).is_ok() { "" } else { ", which has expired since: ask for later ones, which may have revoked keys" };
        format!("{count} version(s) from the pinned {pinned} on, up to version {}{stale}", newest.version())
    };
    report.say("trust root", chain.as_ref().map(words).map_err(ToString::to_string));
    let manifest = manifest(bundle);
    report.say("manifest", manifest.as_ref().map(|_| format!("its bytes have the digest {}", bundle.digest)).map_err(Clone::clone));
    let head = Checkpoint::open(&bundle.checkpoint, log);
    report.say("log", head.as_ref().map(|head| format!("{} events, signed by {}", head.size, log.name())).map_err(ToString::to_string));
    let (keys, story) = head.as_ref().map(|head| events(bundle, head, &mut report)).unwrap_or_default();
    let (Ok(manifest), Ok(chain)) = (manifest, chain) else { return report };
    nodes(bundle, &manifest, &mut report);
    report.say("story", story.check(bundle.phase, !bundle.results.is_empty()));
    let recorded = story.decisions(bundle, &manifest, &chain, &mut report);
    results(bundle, &manifest, &keys, &story, now, &mut report);
    let case = Case { bundle, manifest: &manifest, chain: &chain, story: &story, recorded: &recorded, now };
    match &manifest.break_glass {
        // What never began needed no agreement.
        _ if story.never_began() && bundle.results.is_empty() => {}
        None => case.approvals(&mut report),
        Some(rule) => case.break_glass(rule, &mut report),
    }
    report.unproven.splice(0..0, [INCOMPLETE.to_owned(), TIMES.to_owned()]);
    if !bundle.results.is_empty() {
        report.unproven.push(KEYS.to_owned());
    }
    report
        .unproven
        .push(format!("that version {} of the trust root is the newest: a later one may have revoked keys", chain.newest().version()));
    if bundle.nodes.len() < manifest.nodes.count as usize {
        report
            .unproven
            .push(format!("what {} nodes did: they are not shown", (manifest.nodes.count as usize).saturating_sub(bundle.nodes.len())));
    }
    report
}

/// What decisions are judged by.
struct Case<'a> {
    bundle: &'a Bundle,
    manifest: &'a Manifest,
    chain: &'a Chain,
    story: &'a Story<'a>,
    recorded: &'a Places,
    now: Timestamp,
}

fn manifest(bundle: &Bundle) -> Result<Manifest, String> {
    let bytes = strict::from_base64(&bundle.manifest)?;
    let digest = canonical::digest(&bytes);
    if digest != bundle.digest {
        return Err(format!("its bytes have the digest {digest}, not {}", bundle.digest.escape_debug()));
    }
    let manifest: Manifest = strict::read(&bytes)?;
    if manifest.run != bundle.run {
        return Err(format!("it is of run {}, not {}", manifest.run.escape_debug(), bundle.run.escape_debug()));
    }
    Ok(manifest)
}

fn hashes(texts: &[String]) -> Result<Vec<Hash>, String> {
    let one = |text: &String| strict::from_base64(text)?.try_into().map_err(|_| "a hash has 32 bytes".to_owned());
    texts.iter().map(one).collect()
}

fn events<'a>(bundle: &'a Bundle, head: &Checkpoint, report: &mut Report) -> (NodeKeys, Story<'a>) {
    let mut keys = NodeKeys::new();
    let mut seen = BTreeSet::new();
    let mut proven = Vec::new();
    for logged in &bundle.events {
        let LoggedEvent { event, index, proof } = logged;
        let kind = event["type"].as_str().unwrap_or("an event without a type");
        let outcome = (|| {
            let bytes = canonical::canonical(event).map_err(|e| e.message().to_owned())?;
            check_inclusion(&leaf_hash(&bytes), *index, head.size, &hashes(proof)?, &head.root).map_err(|e| e.to_string())?;
            if !seen.insert(*index) {
                return Err("it stands in the bundle twice".to_owned());
            }
            time(event).ok_or("it tells no time that can be read")?;
            let run = event["run"].as_str();
            if run.is_some_and(|run| run != bundle.run) {
                return Err(format!("it is about another run than {}", bundle.run));
            }
            let digest = event.pointer("/data/digest").and_then(Value::as_str);
            if run.is_some() && kind.starts_with("synod.run.") && digest.is_some_and(|digest| digest != bundle.digest) {
                return Err(format!("it tells of another digest than {}", bundle.digest));
            }
            Ok(format!("leaf {index} of {}", head.size))
        })();
        let ok = report.say(format!("event {}", kind.escape_debug()), outcome);
        if ok {
            proven.push(logged);
        }
        if let (true, Some((id, key))) = (ok, named_key(kind, &event["data"])) {
            // The first time counts: renewals of a certificate keep the key.
            let first = keys.entry(id.to_owned()).or_default().entry(key.to_owned()).or_insert(*index);
            *first = (*first).min(*index);
        }
    }
    (keys, Story::of(bundle, proven.into_iter()))
}

fn nodes(bundle: &Bundle, manifest: &Manifest, report: &mut Report) {
    let count = manifest.nodes.count;
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for node in &bundle.nodes {
        let outcome = (|| {
            let root: Hash = hex::decode(&manifest.nodes.root).ok().and_then(|r| r.try_into().ok()).ok_or("the manifest's root of nodes is no hash")?;
            let leaf = entry(node).leaf().map_err(|e| e.message().to_owned())?;
            check_inclusion(&leaf_hash(&leaf), node.index.into(), count.into(), &hashes(&node.path)?, &root).map_err(|e| e.to_string())?;
            if seen.insert(node.index) { Ok(()) } else { Err("it stands in the bundle twice".to_owned()) }
        })();
        if let Err(why) = outcome {
            wrong.push(format!("{} at {}: {why}", node.name.escape_debug(), node.index));
        }
    }
    let outcome = match (wrong.is_empty(), bundle.nodes.is_empty()) {
        (false, _) => Err(wrong.join("; ")),
        (true, true) => Err(format!("none is shown of {count}")),
        (true, false) => Ok(format!("{} of {count} are shown, each is one the manifest names", bundle.nodes.len())),
    };
    report.say("nodes", outcome);
}

fn entry(node: &Node) -> NodeEntry {
    NodeEntry { id: node.id.clone(), name: node.name.clone() }
}

/// Why one of two keys of a node is not its own.
const TWO_KEYS: &str = "a node keeps its key, so whoever held the server logged one of them; ask the node which is its own";

/// Another key of a node than this one, logged before the run was approved. Later ones are of no use for what was approved before.
fn second<'k>(known: &'k BTreeMap<String, u64>, key: &str, approved: Option<u64>) -> Option<(&'k str, u64)> {
    let other = known.iter().find(|(other, leaf)| *other != key && approved.is_none_or(|approved| **leaf < approved));
    other.map(|(other, leaf)| (other.as_str(), *leaf))
}

/// Checks the results.
fn results(bundle: &Bundle, manifest: &Manifest, keys: &NodeKeys, story: &Story<'_>, now: Timestamp, report: &mut Report) {
    let mut signed: BTreeMap<u32, String> = BTreeMap::new();
    let approved = story.first(types::RUN_APPROVED).map(|at| at.leaf);
    for NodeResult { envelope, spki } in &bundle.results {
        let mut what = "result".to_owned();
        let outcome = (|| {
            let spki = strict::from_base64(spki)?;
            let statement = result::verify(envelope, &spki).map_err(|e| e.to_string())?;
            what = format!("result of {}", statement.node.name.escape_debug());
            let node = bundle.nodes.iter().find(|n| n.index == statement.task).ok_or_else(|| format!("the bundle shows no node at {}", statement.task))?;
            result::about(&statement, manifest, &bundle.digest, node.index, &entry(node)).map_err(|e| e.to_string())?;
            if signed.insert(statement.task, statement.phase.to_string()).is_some() {
                return Err("another result of the same node is in the bundle".to_owned());
            }
            let key = result::key_id(&spki);
            let known = keys.get(&statement.node.id);
            let place = known.and_then(|known| known.get(&key)).ok_or_else(|| {
                format!("signed by {key}, but no logged event in the bundle says that this is the node's key; add its `synod.node.joined` event")
            })?;
            // Whoever holds the server can log a key of its own as the node's; but not before it knew what there is to sign.
            if let Some(approved) = approved.filter(|approved| place > approved) {
                return Err(format!("its key was logged at leaf {place}, after the run was approved at leaf {approved}"));
            }
            if let Some((other, leaf)) = known.and_then(|known| second(known, &key, approved)) {
                return Err(format!("signed by {key}, and at leaf {leaf} the log names another key of this node, {other}: {TWO_KEYS}"));
            }
            if let Some(at) = statement.started_at {
                let early = manifest.not_before.unwrap_or(manifest.created_at);
                if at.0 + MAX_SKEW_MS < early.0 || at.0 > manifest.expires_at.0.saturating_add(MAX_SKEW_MS) || at.0 > now.0.saturating_add(MAX_SKEW_MS) {
                    return Err(format!("it began at {at}, which is not between {early} and {}", manifest.expires_at));
                }
            }
            let exit = statement.exit_code.map_or(String::new(), |code| format!(", exit code {code}"));
            Ok(format!("{}{exit}; signed by the key that was logged for it at leaf {place}", statement.phase))
        })();
        report.say(what, outcome);
    }
    report.say("results", told(bundle, &signed));
}

/// Compares what the nodes signed with what the log tells of their tasks' ends.
fn told(bundle: &Bundle, signed: &BTreeMap<u32, String>) -> Result<String, String> {
    let mut logged: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for LoggedEvent { event, .. } in &bundle.events {
        let kind = event["type"].as_str().unwrap_or_default();
        let task = event["subject"].as_str().and_then(|subject| subject.strip_prefix("task/")).and_then(|task| task.rsplit_once('.'));
        let about = task.filter(|(run, _)| *run == bundle.run).and_then(|(_, index)| index.parse().ok());
        if let (Some(index), Some(phase)) = (about, event.pointer("/data/phase").and_then(Value::as_str).filter(|_| kind.starts_with("synod.task."))) {
            logged.entry(index).or_default().insert(phase);
        }
    }
    let name = |index: &u32| {
        bundle
            .nodes
            .iter()
            .find(|node| node.index == *index)
            .map_or("a node that is not shown".into(), |node| node.name.escape_debug().to_string())
    };
    let (mut wrong, mut unsigned) = (Vec::new(), Vec::new());
    // While it runs a result may be there a moment before the log has its event.
    let unlogged: Vec<String> = signed.keys().filter(|index| !logged.contains_key(index)).map(name).collect();
    if !unlogged.is_empty() && bundle.phase.ended() {
        wrong.push(format!("the bundle lacks the events by which these ended: {}", unlogged.join(", ")));
    }
    for (index, phases) in &logged {
        let said = phases.iter().map(|phase| phase.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
        match signed.get(index) {
            None => unsigned.push(format!("{} ({said})", name(index))),
            Some(phase) if !phases.contains(phase.as_str()) => wrong.push(format!("{} signed `{phase}`, and the log tells of `{said}`", name(index))),
            Some(_) => {}
        }
    }
    match (wrong.is_empty(), unsigned.is_empty()) {
        (false, _) => Err(wrong.join("; ")),
        (true, true) => Ok(format!("{} are signed by their nodes, and the events shown tell of no others", signed.len())),
        (true, false) => Ok(format!("{} are signed by their nodes; for what the events tell of these no node vouches: {}", signed.len(), unsigned.join(", "))),
    }
}

impl Case<'_> {
    /// The root in force, and the time, where the log tells that the run began; while it has not, at the log's end and now.
    fn judged_by(&self) -> Result<(&Root, Timestamp), String> {
        let at = self.story.judged().unwrap_or(At { leaf: u64::MAX, time: self.now });
        self.story.root(self.chain, at.leaf).map(|root| (root, at.time))
    }

    fn approvals(&self, report: &mut Report) {
        let (bundle, manifest) = (self.bundle, self.manifest);
        let (root, at) = match self.judged_by() {
            Ok(judged) => judged,
            Err(why) => {
                report.say("agreement", Err(why));
                return;
            }
        };
        let mut judged: BTreeMap<Vec<&str>, Result<String, String>> = BTreeMap::new();
        for node in &bundle.nodes {
            let rules: Vec<&str> = root.covering(&manifest.namespace, &manifest.template.name, &node.name).map(|rule| rule.name.as_str()).collect();
            judged.entry(rules).or_insert_with(|| self.judge(root, &node.name, at).map_err(|e| e.to_string()));
        }
        if judged.is_empty() {
            report.say("agreement", Err("no node is shown, so no rule can be looked up".into()));
        }
        for (rules, outcome) in judged {
            let what = if rules.is_empty() { "agreement".to_owned() } else { format!("agreement by {}", rules.join(", ")) };
            report.say(what, outcome);
        }
    }

    /// Judges a start by one person, and what became of it after the fact.
    fn break_glass(&self, rule: &str, report: &mut Report) {
        let (bundle, manifest) = (self.bundle, self.manifest);
        let outcome = (|| {
            let (root, at) = self.judged_by()?;
            let [envelope] = &bundle.approvals[..] else { return Err(format!("{} decisions; such a start has exactly one", bundle.approvals.len())) };
            if self.story.first(types::RUN_BREAK_GLASS).is_none() {
                return Err("the bundle lacks the event by which everybody was told of it".to_owned());
            }
            let mut by = Err("no node is shown, so no rule can be looked up".to_owned());
            for node in &bundle.nodes {
                // How often the rule was used that day is for the nodes to count; here it is seen that it was open at all.
                let verified = approval::judge_break_glass(root, manifest, &bundle.digest, rule, envelope, &node.name, 0, at).map_err(|e| e.to_string())?;
                self.check_kept(&verified).map_err(|e| e.to_string())?;
                if verified.person != manifest.requester {
                    return Err(format!("{} started what {} is said to have asked for", verified.person, manifest.requester.escape_debug()));
                }
                by = Ok(format!("{} alone, by break-glass rule {rule} of version {} of the root", verified.person, root.version()));
            }
            by
        })();
        report.say("agreement", outcome);
        report.unproven.push(format!("how often rule {rule} was used that day: the server counts for all nodes and each node what it starts itself; a copy of the whole log tells of the others"));
        let closed = self.story.first(types::RUN_INCIDENT).is_some();
        let outcome = match self.story.first(types::RUN_RATIFIED) {
            Some(at) => self.ratified(at),
            None if closed => Ok("an incident was recorded instead of a ratification".into()),
            None => Err("not ratified, and no incident was recorded".into()),
        };
        report.say("after the fact", outcome);
    }

    fn ratified(&self, at: At) -> Result<String, String> {
        let root = self.story.root(self.chain, at.leaf)?;
        let (bundle, manifest) = (self.bundle, self.manifest);
        let mut by = Err("no node is shown, so no rule can be looked up".to_owned());
        for node in &bundle.nodes {
            let agreed = approval::judge_ratification(root, manifest, &bundle.digest, &bundle.ratifications, &node.name, at.time)
                .and_then(|agreed| agreed.decisions.iter().try_for_each(|decided| self.check_kept(decided)).map(|()| agreed))
                .map_err(|why| format!("not ratified: {why}"))?;
            by = Ok(format!("ratified by {}", agreed.decisions.iter().map(|d| d.person.as_str()).collect::<Vec<_>>().join(", ")));
        }
        by
    }

    fn judge(&self, root: &Root, node: &str, at: Timestamp) -> Result<String, Refused> {
        let agreement = approval::judge(root, self.manifest, &self.bundle.digest, &self.bundle.approvals, node, at)?;
        agreement.decisions.iter().try_for_each(|decided| self.check_kept(decided))?;
        let met = agreement.met.iter().map(|met| {
            let people: Vec<&str> = met.by.iter().map(|(_, person)| person.as_str()).collect();
            format!("{}: {}", met.rules, if people.is_empty() { "nobody is asked for".into() } else { people.join(", ") })
        });
        Ok(format!("by version {} of the root; {}", agreement.root_version, met.collect::<Vec<_>>().join("; ")))
    }

    /// Refuses a decision by a key that was lost before it was recorded, whatever time the decision tells of itself.
    fn check_kept(&self, decided: &approval::Verified) -> Result<(), Refused> {
        let given = if decided.statement.ratifies { types::RATIFICATION_GIVEN } else { types::APPROVAL_GIVEN };
        let by = self.recorded.get(&(given, decided.person.clone())).map_or(decided.at, |at| at.time.max(decided.at));
        match self.chain.newest().revoked(&decided.key).filter(|revoked| revoked.at <= by) {
            Some(revoked) => Err(Refused::Revoked { key: decided.key.clone(), at: revoked.at }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
