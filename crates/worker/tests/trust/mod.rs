//! A node that judges agreements itself, against a server that lies, withholds, forges and forgets.

mod following;
mod judging;

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::canonical;
use synod_domain::manifest::{Manifest, NodeEntry, NodeSet, node_tree, secret_commitment};
use synod_domain::task::{Outcome, Phase};
use synod_domain::time::Timestamp;
use synod_protocol::agent::{Alarm, Assignment};
use synod_trust::Envelope;
use synod_trust::testing::{self, Signer, doc, hour, signed_root, signer, yes};
use synod_worker::{Clock, Error, Executor, Identity, Journal, OutcomeFuture, Session, SessionOptions, TrustMode, TrustOptions, Work};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::hub::{Hub, Stream};

/// Writes down what it is told to run.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Executor for Recorder {
    fn execute(&self, work: Work) -> OutcomeFuture<'_> {
        self.0.lock().unwrap().push(work.task);
        let mut outcome = Outcome::without_steps(Phase::Succeeded, "", work.clock.now());
        outcome.reason = None;
        Box::pin(async { outcome })
    }
}

/// What stops an agent, and how it ended.
type Life = (oneshot::Sender<()>, JoinHandle<Result<(), Error>>);

/// An agent with a folder of its own, whose clock stands three hours into the samples' time.
struct Node {
    identity: Identity,
    dir: TempDir,
    clock: Arc<AtomicI64>,
    trust: TrustOptions,
    ran: Recorder,
    life: Option<Life>,
}

impl Node {
    fn new(hub: &Hub, mode: TrustMode, pinned: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let trust = TrustOptions { mode, root: Some(digest(pinned)), dir: Some(dir.path().join("trust")) };
        let clock = Arc::new(AtomicI64::new(hour(3).0));
        Self { identity: hub.identity(), dir, clock, trust, ran: Recorder::default(), life: None }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("trust").join(name)
    }

    fn clock(&self) -> Clock {
        let clock = self.clock.clone();
        Clock::from_fn(move || Timestamp(clock.load(Ordering::Relaxed)))
    }

    fn journal(&self) -> Journal {
        Journal::open(&self.dir.path().join("journal"), self.clock()).unwrap()
    }

    fn session(&self) -> Session<Recorder> {
        let options = SessionOptions { clock: self.clock(), trust: self.trust.clone(), ..SessionOptions::default() };
        Session::new(self.identity.clone(), self.journal(), self.ran.clone(), options)
    }

    async fn start(&mut self, hub: &mut Hub) -> Stream {
        let (stop, stopped) = oneshot::channel::<()>();
        let session = self.session();
        self.life = Some((stop, tokio::spawn(session.run(async move { drop(stopped.await) }))));
        hub.accept().await
    }

    async fn stop(&mut self) {
        let (stop, run) = self.life.take().unwrap();
        drop(stop);
        timeout(Duration::from_secs(10), run).await.unwrap().unwrap().unwrap();
    }

    async fn restart(&mut self, hub: &mut Hub) -> Stream {
        self.stop().await;
        self.start(hub).await
    }

    /// Why it does not start.
    async fn broken(&self) -> String {
        timeout(Duration::from_secs(10), self.session().run(std::future::pending())).await.unwrap().unwrap_err().to_string()
    }

    fn ran(&self) -> Vec<String> {
        self.ran.0.lock().unwrap().clone()
    }

    fn ran_last(&self) -> String {
        self.ran().pop().unwrap_or_default()
    }
}

fn digest(root: &Value) -> String {
    doc(root).seal().1
}

/// A second key of ann.
fn second_key() -> Signer {
    Signer::sk_p256("ann's second")
}

/// The sample root, in which ann has two keys.
fn root() -> Value {
    let mut json = testing::root_json();
    json["principals"][0]["keys"].as_array_mut().unwrap().push(json!(second_key().spec()));
    json
}

/// The root that follows another, changed.
fn next(previous: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut json = previous.clone();
    json["version"] = json!(previous["version"].as_u64().unwrap() + 1);
    json["previous"] = json!(digest(previous));
    change(&mut json);
    json
}

/// A root as it travels, signed by ann and bob.
fn published(root: &Value) -> Vec<u8> {
    signed_by(root, &[&signer("ann"), &signer("bob")])
}

fn signed_by(root: &Value, by: &[&Signer]) -> Vec<u8> {
    signed_root(root, by).to_bytes()
}

/// A server that shows these roots at first.
async fn hub_with(roots: &[&Value]) -> Hub {
    let hub = Hub::start().await;
    hub.welcome.lock().unwrap().roots = roots.iter().map(|root| published(root)).collect();
    hub
}

fn this_node() -> NodeEntry {
    NodeEntry { id: "id-0".into(), name: "web-1".into() }
}

/// A run as a server hands it over. All that is not signed, it makes up.
struct Case {
    manifest: Manifest,
    nodes: Vec<NodeEntry>,
    /// The signed decisions.
    signed: Vec<String>,
    /// The manifest's bytes, when they are others.
    bytes: Option<Vec<u8>>,
    /// This node's place.
    index: usize,
    /// Secret inputs, sealed.
    sealed: Vec<u8>,
}

impl Case {
    /// An honest run, to which ann, bob and carol agreed.
    fn new(run: &str) -> Self {
        let nodes = vec![this_node(), NodeEntry { id: "id-1".into(), name: "web-2".into() }];
        let mut manifest = testing::manifest();
        manifest.run = run.to_owned();
        manifest.nodes = NodeSet::of(&nodes).unwrap();
        let mut case = Self { manifest, nodes, signed: Vec::new(), bytes: None, index: 0, sealed: Vec::new() };
        case.sign(&["ann", "bob", "carol"]);
        case
    }

    /// Everybody signs what the manifest is now.
    fn sign(&mut self, names: &[&str]) {
        self.signed = names.iter().map(|name| text(&yes(name, &self.manifest))).collect();
    }

    /// One decision is another one.
    fn put(&mut self, n: usize, envelope: &Envelope) {
        self.signed[n] = text(envelope);
    }

    /// A start by break-glass by one person.
    fn break_glass(run: &str, person: &str, requester: &str) -> Self {
        Self::new(run).by_break_glass(person, requester)
    }

    fn by_break_glass(self, person: &str, requester: &str) -> Self {
        let mut case = self;
        case.manifest.break_glass = Some("night".into());
        case.manifest.requester = requester.into();
        case.signed = vec![text(&testing::decision(person, &signer(person), &case.manifest, Decision::Approve, |s| s.break_glass = true))];
        case
    }

    /// Another run, whose id was used before, with this node at another place: the task has a name and a digest of its own.
    fn again(run: &str) -> Self {
        let mut case = Self::new(run);
        case.nodes.reverse();
        case.index = 1;
        case.manifest.nodes = NodeSet::of(&case.nodes).unwrap();
        case.manifest.nonce = "another".into();
        case.sign(&["ann", "bob", "carol"]);
        case
    }

    /// With a secret input, rightly committed to, that is sealed to somebody or nobody.
    fn secret(&mut self, to: Option<age::x25519::Recipient>) {
        self.manifest.secrets.insert("password".into(), secret_commitment(b"salt", "hush"));
        let value = json!({"password": {"salt": hex::encode(b"salt"), "value": "hush"}}).to_string();
        self.sealed = to.map_or_else(Vec::new, |to| age::encrypt(&to, value.as_bytes()).unwrap());
        self.sign(&["ann", "bob", "carol"]);
    }

    fn task(&self) -> String {
        format!("{}.{}", self.manifest.run, self.index)
    }

    fn assignment(&self) -> Assignment {
        let bytes = self.bytes.clone().unwrap_or_else(|| self.manifest.seal().unwrap().0);
        let digest = canonical::digest(&bytes);
        let claim = |person: &str, signature: Option<&String>| {
            let mut claim = json!({"person": person, "decision": "approve", "digest": digest, "at": hour(2), "rules": [0]});
            if let Some(signature) = signature {
                claim["signature"] = json!(signature);
            }
            claim
        };
        // The server's own word is always that enough people agreed.
        let claims: Vec<Value> = if self.manifest.break_glass.is_some() {
            self.signed.iter().map(|signature| claim(&self.manifest.requester, Some(signature))).collect()
        } else {
            (0..self.signed.len().max(4)).map(|n| claim(&format!("person-{n}"), self.signed.get(n))).collect()
        };
        Assignment {
            task: self.task(),
            manifest: bytes.into(),
            digest,
            approvals_json: Value::from(claims).to_string(),
            index: self.index as u64,
            size: self.nodes.len() as u64,
            path: node_tree(&self.nodes).unwrap().path(self.index).unwrap().iter().map(|hash| hash.to_vec()).collect(),
            start_by_ms: 0,
            sealed_secrets: self.sealed.clone(),
        }
    }
}

fn text(envelope: &Envelope) -> String {
    String::from_utf8(envelope.to_bytes()).unwrap()
}

/// Hands over a run and waits for its end; the reason, or nothing when it went well.
async fn play(stream: &mut Stream, case: &Case) -> String {
    stream.assign(vec![case.assignment()]).await;
    let (outcome, _) = stream.finished(&case.task()).await;
    let fits = matches!((outcome.phase, &outcome.reason), (Phase::Succeeded, None) | (Phase::Refused, Some(_)));
    assert!(fits, "{outcome:?}");
    outcome.reason.unwrap_or_default()
}

fn about(alarm: &Alarm) -> (&str, &str, &str) {
    (&alarm.about, &alarm.name, &alarm.task)
}
