//! What the proven events of a bundle tell. Their order is proven, by their places in the log; their times are the server's
//! word.

use std::collections::BTreeMap;

use serde_json::Value;
use synod_domain::approval::Decision;
use synod_domain::event::types;
use synod_domain::manifest::Manifest;
use synod_domain::run::Phase;
use synod_domain::time::Timestamp;
use synod_domain::verify::MAX_SKEW_MS;

use super::{Bundle, LoggedEvent, Report};
use crate::approval::{self, Statement};
use crate::envelope::Envelope;
use crate::root::{Chain, Root};
use crate::strict;

/// How a run ends, and what the log calls it.
const ENDS: [(&str, Phase); 5] = [
    (types::RUN_SUCCEEDED, Phase::Succeeded),
    (types::RUN_FAILED, Phase::Failed),
    (types::RUN_CANCELLED, Phase::Cancelled),
    (types::RUN_REJECTED, Phase::Rejected),
    (types::RUN_EXPIRED, Phase::Expired),
];

/// A place in the log, and the time that the server wrote there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) leaf: u64,
    pub(super) time: Timestamp,
}

/// The events that are proven, in the order of the log.
#[derive(Default)]
pub(super) struct Story<'a> {
    run: &'a str,
    digest: &'a str,
    events: Vec<(At, &'a Value)>,
}

/// A decision as it was recorded.
struct Recorded<'a> {
    at: At,
    person: &'a str,
    data: &'a Value,
}

/// The time an event tells of itself.
pub(super) fn time(event: &Value) -> Option<Timestamp> {
    event["time"].as_str()?.parse().ok()
}

impl<'a> Story<'a> {
    pub(super) fn of(bundle: &'a Bundle, proven: impl Iterator<Item = &'a LoggedEvent>) -> Self {
        let mut events: Vec<(At, &Value)> = proven.filter_map(|logged| Some((At { leaf: logged.index, time: time(&logged.event)? }, &logged.event))).collect();
        events.sort_by_key(|(at, _)| at.leaf);
        Self { run: &bundle.run, digest: &bundle.digest, events }
    }

    /// Where the log tells so of the run.
    fn all<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = (At, &'a Value)> + 'b {
        self.events.iter().copied().filter(move |(_, event)| event["type"] == kind && event["run"] == self.run)
    }

    /// Where the log tells so of the run for the first time.
    pub(super) fn first(&self, kind: &str) -> Option<At> {
        self.all(kind).next().map(|(at, _)| at)
    }

    /// Where the run began, or was approved to.
    pub(super) fn judged(&self) -> Option<At> {
        self.first(types::RUN_STARTED).or_else(|| self.first(types::RUN_APPROVED))
    }

    /// Whether the run ended without ever having begun.
    pub(super) fn never_began(&self) -> bool {
        self.first(types::RUN_STARTED).is_none() && ENDS.iter().any(|(kind, _)| self.first(kind).is_some())
    }

    /// Whether the events fit together, and fit the phase that the bundle claims.
    pub(super) fn check(&self, claimed: Phase, results: bool) -> Result<String, String> {
        let steps = [(types::RUN_REQUESTED, "requested"), (types::RUN_APPROVED, "approved"), (types::RUN_STARTED, "started")];
        let ends = ENDS.map(|(kind, phase)| (kind, phase.name()));
        let mut told: Vec<(At, &str)> = Vec::new();
        for (kind, what) in steps.into_iter().chain(ends) {
            let places: Vec<At> = self.all(kind).map(|(at, _)| at).collect();
            if let [first, second, ..] = places[..] {
                return Err(format!("the log tells twice that the run was {what}, at leaves {} and {}", first.leaf, second.leaf));
            }
            told.extend(places.first().map(|at| (*at, what)));
        }
        let lacks = |what: &str| !told.iter().any(|(_, word)| *word == what);
        let missing = |what: &str| format!("the bundle lacks the event by which the run was {what}");
        if lacks("requested") {
            return Err(missing("requested"));
        }
        let ended: Vec<Phase> = ENDS.iter().filter(|(kind, _)| self.first(kind).is_some()).map(|(_, phase)| *phase).collect();
        let phase = match ended[..] {
            [one] => one,
            [one, other, ..] => return Err(format!("the log tells of two ends: {one} and {other}")),
            [] if !lacks("started") => Phase::Running,
            [] if !lacks("approved") => Phase::Approved,
            [] => Phase::Pending,
        };
        let began = results || !lacks("started") || [Phase::Running, Phase::Succeeded, Phase::Failed].contains(&claimed);
        if let Some(what) = ["approved", "started"].into_iter().find(|what| began && lacks(what)) {
            return Err(missing(what));
        }
        if phase != claimed {
            return Err(format!("the bundle says that the run is {claimed}, and by the events in it the run is {phase}"));
        }
        if let Some(pair) = told.windows(2).find(|pair| pair[0].0.leaf >= pair[1].0.leaf) {
            return Err(format!("{} at leaf {}, and {} before that, at leaf {}", pair[0].1, pair[0].0.leaf, pair[1].1, pair[1].0.leaf));
        }
        let words: Vec<String> = told.iter().map(|(at, what)| format!("{what} at leaf {}", at.leaf)).collect();
        Ok(format!("{}, in this order", words.join(", ")))
    }

    fn recorded(&self, kind: &'static str) -> impl Iterator<Item = Recorded<'a>> + '_ {
        self.all(kind)
            .filter_map(|(at, event)| Some(Recorded { at, person: event["actor"].as_str()?.strip_prefix("user:")?, data: &event["data"] }))
    }

    /// Checks that each decision is signed and has its event in the log, before the event it led to; returns where.
    pub(super) fn decisions(&self, bundle: &Bundle, manifest: &Manifest, chain: &Chain, report: &mut Report) -> Places {
        let mut places = BTreeMap::new();
        let sorts = [
            (types::APPROVAL_GIVEN, types::RUN_APPROVED, &bundle.approvals, "decision"),
            (types::RATIFICATION_GIVEN, types::RUN_RATIFIED, &bundle.ratifications, "ratification"),
        ];
        for (given, led_to, envelopes, what) in sorts {
            let mut shown = Vec::new();
            for envelope in envelopes {
                let who = statement(envelope).map_or(what.to_owned(), |said| format!("{what} of {}", said.person.escape_debug()));
                // Whether it counts is judged elsewhere, and not at all where it led to nothing; whose it is must be known always.
                let outcome = signed(chain, envelope).and_then(|said| {
                    let at = self.on_record(given, led_to, envelope, &said, manifest)?;
                    shown.push(at.leaf);
                    let words = format!("signed at {}, recorded at leaf {} at {}", said.at, at.leaf, at.time);
                    places.insert((given, said.person), at);
                    Ok(words)
                });
                report.say(who, outcome);
            }
            for recorded in self.recorded(given).filter(|recorded| !shown.contains(&recorded.at.leaf)) {
                let (who, leaf) = (recorded.person.escape_debug(), recorded.at.leaf);
                let said = recorded.data["decision"].as_str().map_or(String::new(), |word| format!(" (`{}`)", word.escape_debug()));
                report.unproven.push(format!("what {who} said: leaf {leaf} tells of a {what}{said} that is not shown, or was not signed"));
            }
        }
        places
    }

    fn on_record(&self, given: &'static str, led_to: &str, envelope: &Envelope, said: &Statement, manifest: &Manifest) -> Result<At, String> {
        let key = envelope.signatures.first().map(|signature| signature.keyid.as_str());
        let word = if said.decision == Decision::Approve { "approve" } else { "reject" };
        let same = |recorded: &Recorded<'_>| {
            let data = recorded.data;
            recorded.person == said.person
                && data["digest"] == self.digest
                && data["key"].as_str() == key
                && (given == types::RATIFICATION_GIVEN || data["decision"] == word)
        };
        let recorded = self.recorded(given).find(same).ok_or("not on record: no event in the bundle tells that this decision was taken in")?;
        let At { leaf, time } = recorded.at;
        if let Some(after) = self.first(led_to).filter(|after| after.leaf < leaf) {
            return Err(format!("recorded at leaf {leaf}, after what it should have led to, at leaf {}", after.leaf));
        }
        if said.at.0 > time.0.saturating_add(MAX_SKEW_MS) {
            return Err(format!("signed at {}, and recorded before that, at {time}", said.at));
        }
        if given == types::APPROVAL_GIVEN && time > manifest.approve_by {
            return Err(format!("recorded at {time}, after the time for it was over ({})", manifest.approve_by));
        }
        Ok(recorded.at)
    }

    /// The root that was in force at a place in the log: the newest that was published before.
    pub(super) fn root<'c>(&self, chain: &'c Chain, leaf: u64) -> Result<&'c Root, String> {
        let mut found = None;
        for root in chain.roots() {
            let tells = |event: &Value| {
                let data = &event["data"];
                event["type"] == types::TRUST_ROOT_PUBLISHED && data["version"] == root.version() && data["digest"] == root.digest()
            };
            let published = self.events.iter().find(|(_, event)| tells(event)).ok_or_else(|| {
                format!("the bundle lacks the event by which version {} of the trust root was published, so nobody can say since when it holds", root.version())
            })?;
            if published.0.leaf < leaf {
                found = Some(root);
            }
        }
        found.ok_or_else(|| format!("no root of the bundle was published before leaf {leaf}, where it was to be judged"))
    }
}

/// Where decisions were recorded, by the type of the event and the person.
pub(super) type Places = BTreeMap<(&'static str, String), At>;

/// What was signed with a key that one of the roots knows, whatever a later one says of it.
fn signed(chain: &Chain, envelope: &Envelope) -> Result<Statement, String> {
    let mut refused = Err("the bundle shows no root".to_owned());
    for root in chain.roots() {
        match approval::verify_one(root, envelope) {
            Ok(verified) => return Ok(verified.statement),
            Err(why) => refused = Err(why.to_string()),
        }
    }
    refused
}

/// What a decision says of itself, whoever signed it.
fn statement(envelope: &Envelope) -> Option<Statement> {
    strict::read(&envelope.open(approval::PAYLOAD_TYPE).ok()?.payload).ok()
}

/// Which keys the log says are which nodes', and where first, by node id.
pub(super) type NodeKeys = BTreeMap<String, BTreeMap<String, u64>>;

/// The node and the key that an event names: when a node joins and when its certificate is renewed, which keeps the key.
pub(super) fn named_key<'e>(kind: &str, data: &'e Value) -> Option<(&'e str, &'e str)> {
    let names = [types::NODE_JOINED, types::NODE_RENEWED].contains(&kind);
    names.then_some((data["id"].as_str()?, data["key"].as_str()?))
}

/// What a copy of the whole log has that matters for one run. The copy must have been recomputed before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WholeLog {
    /// So many events it has.
    pub size: u64,
    /// Of so many only the hash is kept.
    pub dropped: u64,
    /// Where it tells of the run, and what.
    pub about: BTreeMap<u64, String>,
    /// Where versions of the trust root were published.
    pub roots: BTreeMap<u64, u64>,
    /// Which keys it names for which nodes, and where first, by node id.
    pub keys: NodeKeys,
}

impl WholeLog {
    /// Takes in the event at the next leaf; `None` when only its hash is kept.
    pub fn take(&mut self, run: &str, event: Option<&synod_domain::event::Event>) {
        let leaf = self.size;
        self.size += 1;
        let Some(event) = event else {
            self.dropped += 1;
            return;
        };
        if event.run.as_deref() == Some(run) {
            self.about.insert(leaf, event.kind.clone());
        }
        if let Some((id, key)) = named_key(&event.kind, &event.data) {
            self.keys.entry(id.to_owned()).or_default().entry(key.to_owned()).or_insert(leaf);
        }
        if event.kind == types::TRUST_ROOT_PUBLISHED {
            self.roots.extend(event.data["version"].as_u64().map(|version| (leaf, version)));
        }
    }
}

/// Whether the log names one key of each node, up to where the run was approved.
fn node_keys(bundle: &Bundle, log: &WholeLog) -> Result<String, String> {
    let approved = bundle.events.iter().find(|logged| logged.event["type"] == types::RUN_APPROVED && logged.event["run"] == bundle.run.as_str());
    let approved = approved.map(|logged| logged.index);
    let mut wrong = Vec::new();
    for node in &bundle.nodes {
        let Some(known) = log.keys.get(&node.id) else { continue };
        if let Some((key, leaf)) = known.iter().min_by_key(|(_, leaf)| **leaf)
            && let Some((other, later)) = super::second(known, key, approved)
        {
            wrong.push(format!("{}: {key} at leaf {leaf} and {other} at leaf {later}", node.name.escape_debug()));
        }
    }
    if wrong.is_empty() {
        Ok("up to the run's approval the log names no two keys of one node".into())
    } else {
        Err(format!("the log names two keys of one node: {}: {}", wrong.join("; "), super::TWO_KEYS))
    }
}

/// Compares a bundle with the whole log, whose head of that size is known to be the bundle's: whether all that the log tells of
/// the run is in it, and whether the log tells of a newer root.
pub fn compare(bundle: &Bundle, size: u64, newest_root: u64, log: &WholeLog, report: &mut Report) {
    let shown: Vec<u64> = bundle.events.iter().map(|logged| logged.index).collect();
    let (mut left_out, mut since) = (Vec::new(), Vec::new());
    for (leaf, kind) in &log.about {
        let words = format!("{} at leaf {leaf}", kind.escape_debug());
        if *leaf >= size {
            since.push(words);
        } else if !shown.contains(leaf) {
            left_out.push(words);
        }
    }
    let whole = log.dropped == 0;
    report.say(
        "completeness",
        match (left_out.is_empty(), whole) {
            (false, _) => Err(format!("the log tells of the run what the bundle leaves out: {}", left_out.join(", "))),
            (true, true) => Ok(format!("of the {size} events up to the bundle's head the log has no others about the run")),
            (true, false) => Ok(format!("the copy of the log has no others about the run; of {} events it keeps only the hashes", log.dropped)),
        },
    );
    let later = log.roots.iter().find(|(_, version)| **version > newest_root);
    report.say(
        "newest root",
        match later {
            Some((leaf, version)) => {
                Err(format!("version {version} of the trust root was published at leaf {leaf}, and the bundle ends with version {newest_root}"))
            }
            None => Ok(format!("the log tells of no version after {newest_root}")),
        },
    );
    report.say("node keys", node_keys(bundle, log));
    if whole {
        report.unproven.retain(|words| words != super::INCOMPLETE);
    }
    if !since.is_empty() {
        report.unproven.push(format!("what came after the bundle was made: the log has {} since", since.join(", ")));
    }
}
