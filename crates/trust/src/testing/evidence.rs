//! A log and runs with all their evidence: one that was agreed to, and what may become of one that somebody started alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::canonical::canonical;
use synod_domain::event::types;
use synod_domain::manifest::{Manifest, NodeEntry, node_tree};
use synod_domain::merkle::{Hash, leaf_hash};
use synod_domain::time::Timestamp;

use super::{Signer, decision, doc, hour, manifest, nodes, result as went_well, root_json, signed_root, signer, yes};
use crate::audit::{Edge, Grown, HashReader, NoteSigner, Tile, VerifierKey, prove_inclusion};
use crate::bundle::{self, Bundle, LoggedEvent, NodeResult};
use crate::envelope::Envelope;
use crate::{result, strict};

/// Tiles in memory.
#[derive(Debug, Clone, Default)]
pub struct Tiles(pub BTreeMap<(u8, u64), Vec<Hash>>);

impl HashReader for Tiles {
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String> {
        self.0.get(&(tile.level, tile.index)).cloned().ok_or_else(|| "not stored".into())
    }
}

impl Tiles {
    /// Stores what growing a tree made.
    pub fn put(&mut self, grown: &Grown) {
        self.0.extend(grown.tiles.iter().map(|(tile, hashes)| ((tile.level, tile.index), hashes.clone())));
    }
}

/// The key of the sample log.
pub fn log_key() -> NoteSigner {
    NoteSigner::from_seed("log.example.com", &[3; 32]).expect("a sound name")
}

fn texts(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| strict::to_base64(hash)).collect()
}

fn event(kind: &str, run: Option<&str>, data: Value, position: u64, at: i64) -> Value {
    let mut event = json!({
        "specversion": "1.0", "id": format!("{position}"), "source": "synod", "type": kind, "subject": "x", "time": hour(at),
        "datacontenttype": "application/json", "actor": "system", "position": position, "data": data
    });
    if let Some(run) = run {
        event["run"] = json!(run);
        event["subject"] = json!(format!("run/{run}"));
    }
    event
}

/// The events of a log in the making.
struct Told<'a> {
    manifest: &'a Manifest,
    all: Vec<Value>,
}

impl<'a> Told<'a> {
    /// The nodes join, the root is published, and the run is requested.
    fn begun(manifest: &'a Manifest, keys: &[String]) -> Self {
        let mut told = Self { manifest, all: Vec::new() };
        for (node, key) in nodes().iter().zip(keys) {
            told.add(types::NODE_JOINED, json!({"id": node.id, "key": key}), 0);
        }
        told.add(types::TRUST_ROOT_PUBLISHED, json!({"version": 1, "digest": doc(&root_json()).seal().1}), 0);
        told.add(types::RUN_REQUESTED, told.digest(), 1);
        told
    }

    fn digest(&self) -> Value {
        json!({"digest": self.manifest.seal().expect("a manifest").1})
    }

    /// Adds an event, which is about the run if its type is.
    fn add(&mut self, kind: &str, data: Value, at: i64) -> &mut Value {
        let about = ["synod.run.", "synod.approval.", "synod.task."].iter().any(|theme| kind.starts_with(theme));
        let event = event(kind, about.then_some(&self.manifest.run), data, self.all.len() as u64 + 1, at);
        self.all.push(event);
        self.all.last_mut().expect("just added")
    }

    fn decided(&mut self, kind: &str, name: &str, at: i64) {
        let mut data = self.digest();
        data["comment"] = json!("");
        data["key"] = json!(signer(name).key().id());
        if kind == types::APPROVAL_GIVEN {
            data["decision"] = json!("approve");
        }
        self.add(kind, data, at)["actor"] = json!(format!("user:{name}"));
    }

    /// From the approval to the end.
    fn ran(&mut self) {
        self.add(types::RUN_APPROVED, self.digest(), 2);
        self.add(types::RUN_STARTED, json!({"nodes": 3}), 3);
        for n in 0..3 {
            let task = json!(format!("task/{}.{n}", self.manifest.run));
            self.add(types::TASK_ENDED, json!({"phase": "succeeded"}), 3)["subject"] = task;
        }
        self.add(types::RUN_SUCCEEDED, json!({"succeeded": 3}), 3);
    }

    /// Other things that happened after, and all of it.
    fn ended(mut self) -> Vec<Value> {
        for _ in 0..6 {
            self.add(types::USER_CREATED, json!({}), 4);
        }
        self.all
    }
}

/// What the log tells of the sample run, from the joining of its nodes to its end, and of other things after.
fn events(manifest: &Manifest, keys: &[String]) -> Vec<Value> {
    let mut told = Told::begun(manifest, keys);
    ["ann", "bob", "carol"].into_iter().for_each(|name| told.decided(types::APPROVAL_GIVEN, name, 2));
    told.ran();
    told.ended()
}

/// How many events of the sample log are about the run, its nodes and its root.
pub const ABOUT: usize = 14;

/// A bundle of the sample run on its three nodes, the digest of its root, the log's key, and a time to judge it at.
pub fn bundle() -> (Bundle, String, VerifierKey, Timestamp) {
    bundle_of(|_| {})
}

/// The events of the sample log.
pub fn logged_events() -> Vec<Value> {
    events(&manifest(), &node_keys())
}

fn node_keys() -> Vec<String> {
    node_signers().iter().map(|signer| result::key_id(&signer.public().to_spki())).collect()
}

fn node_signers() -> Vec<Signer> {
    (0..3).map(|n| Signer::p256(&format!("node {n}"))).collect()
}

/// A log of these events.
fn grown(all: &[Value]) -> (Tiles, Hash, u64) {
    let leaves: Vec<Hash> = all.iter().map(|e| leaf_hash(&canonical(e).expect("JSON"))).collect();
    let grown = Edge::empty().grow(&leaves).expect("a small log");
    let mut tiles = Tiles::default();
    tiles.put(&grown);
    (tiles, grown.root, leaves.len() as u64)
}

/// The event at a place of the sample log, with its proof.
pub fn logged(place: usize, change: impl FnOnce(&mut Vec<Value>)) -> LoggedEvent {
    let mut all = logged_events();
    change(&mut all);
    logged_among(&all, place)
}

/// The same of any events.
pub fn logged_among(all: &[Value], place: usize) -> LoggedEvent {
    let (tiles, _, size) = grown(all);
    LoggedEvent { event: all[place].clone(), index: place as u64, proof: texts(&prove_inclusion(place as u64, size, &tiles).expect("a leaf")) }
}

/// The same of a log in which something else stands, signed and proven.
pub fn bundle_of(change: impl FnOnce(&mut Vec<Value>)) -> (Bundle, String, VerifierKey, Timestamp) {
    let manifest = manifest();
    let approvals = ["ann", "bob", "carol"].map(|name| yes(name, &manifest)).to_vec();
    let mut all = logged_events();
    change(&mut all);
    assemble(&manifest, approvals, Vec::new(), &all, ABOUT)
}

/// What became of a run that was started by break-glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// One has ratified it so far.
    Unratified,
    /// Enough people have.
    Ratified,
    /// One had, when an incident was recorded.
    Incident,
}

/// Everything that may become of such a run.
pub const AFTER: [After; 3] = [After::Unratified, After::Ratified, After::Incident];

/// The sample manifest, started by ann alone.
pub fn break_glass_manifest() -> Manifest {
    Manifest { break_glass: Some("night".into()), requester: "ann".into(), ..manifest() }
}

/// A person's signed approval after the fact, four hours in.
pub fn ratification(name: &str, manifest: &Manifest) -> Envelope {
    decision(name, &signer(name), manifest, Decision::Approve, |said| (said.ratifies, said.at) = (true, hour(4)))
}

/// The like of [`bundle`] of a run that ann started alone.
pub fn break_glass_bundle(after: After) -> (Bundle, String, VerifierKey, Timestamp) {
    break_glass_bundle_of(after, |_| {})
}

/// Who ratified it.
fn ratified_by(after: After) -> &'static [&'static str] {
    if after == After::Ratified { &["bob", "carol", "eve"] } else { &["bob"] }
}

/// What the log tells of such a run, and of other things after.
pub fn break_glass_events(after: After) -> Vec<Value> {
    let manifest = break_glass_manifest();
    let mut told = Told::begun(&manifest, &node_keys());
    told.decided(types::APPROVAL_GIVEN, "ann", 2);
    told.add(types::RUN_BREAK_GLASS, told.digest(), 2);
    told.ran();
    ratified_by(after).iter().for_each(|name| told.decided(types::RATIFICATION_GIVEN, name, 4));
    let closed = match after {
        After::Unratified => None,
        After::Ratified => Some(types::RUN_RATIFIED),
        After::Incident => Some(types::RUN_INCIDENT),
    };
    if let Some(kind) = closed {
        told.add(kind, told.digest(), 4);
    }
    told.ended()
}

/// The same of a log in which something else stands, signed and proven.
pub fn break_glass_bundle_of(after: After, change: impl FnOnce(&mut Vec<Value>)) -> (Bundle, String, VerifierKey, Timestamp) {
    let manifest = break_glass_manifest();
    let mut all = break_glass_events(after);
    let about = all.iter().filter(|event| event["type"] != types::USER_CREATED).count();
    change(&mut all);
    let alone = decision("ann", &signer("ann"), &manifest, Decision::Approve, |said| said.break_glass = true);
    let ratifications = ratified_by(after).iter().map(|name| ratification(name, &manifest)).collect();
    assemble(&manifest, vec![alone], ratifications, &all, about)
}

/// All that is needed to judge a run whose log begins with so many events about it.
fn assemble(
    manifest: &Manifest,
    approvals: Vec<Envelope>,
    ratifications: Vec<Envelope>,
    all: &[Value],
    about: usize,
) -> (Bundle, String, VerifierKey, Timestamp) {
    let (bytes, digest) = manifest.seal().expect("a manifest");
    let signers = node_signers();
    let (tiles, root, size) = grown(all);
    let tree = node_tree(&nodes()).expect("nodes");
    let node = |(n, e): (usize, NodeEntry)| bundle::Node { index: n as u32, id: e.id, name: e.name, path: texts(&tree.path(n).expect("a leaf")) };
    let outcome = |(n, signer): (usize, &Signer)| {
        let (statement, spki) = (went_well(manifest, n as u32), signer.public().to_spki());
        NodeResult { envelope: statement.signed(&spki, &signer.bare(&statement.to_be_signed())), spki: strict::to_base64(&spki) }
    };
    let logged =
        |(n, e): (usize, &Value)| LoggedEvent { event: e.clone(), index: n as u64, proof: texts(&prove_inclusion(n as u64, size, &tiles).expect("a leaf")) };
    let bundle = Bundle {
        version: bundle::VERSION,
        run: manifest.run.clone(),
        manifest: strict::to_base64(&bytes),
        digest,
        phase: synod_domain::run::Phase::Succeeded,
        approvals,
        ratifications,
        roots: vec![signed_root(&root_json(), &[&signer("ann"), &signer("bob")])],
        nodes: nodes().into_iter().enumerate().map(node).collect(),
        results: signers.iter().enumerate().map(outcome).collect(),
        events: all[..about].iter().enumerate().map(logged).collect(),
        checkpoint: log_key().sign(size, &root),
    };
    (bundle, doc(&root_json()).seal().1, log_key().verifier().clone(), hour(100))
}
