//! Following the trust root from version to version, and watching the audit log.

use synod_domain::merkle::{Hash, leaf_hash};
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::agent::{Checkpoint, Roots};
use synod_trust::audit::{Edge, NoteSigner, prove_consistency};
use synod_trust::testing::Tiles;
use tokio::task::JoinSet;

use super::*;

async fn offer(stream: &Stream, roots: &[Vec<u8>]) {
    stream.send(Down::Roots(Roots { roots: roots.to_vec() })).await;
}

#[tokio::test]
async fn roots_are_followed_after_being_away_and_never_back() {
    let one = root();
    let two = next(&one, |j| {
        j["principals"][1]["keys"] = json!([Signer::ed25519("bob's new").spec()]);
        j["revoked"] = json!([{"key": signer("bob").key().id(), "at": hour(2), "reason": "lost"}]);
    });
    let three = next(&two, |j| j["threshold"] = json!(1));
    let published_two = signed_by(&two, &[&signer("ann"), &signer("carol")]);
    let published_three = signed_by(&three, &[&signer("ann"), &signer("carol")]);
    let mut hub = Hub::start().await;
    let mut node = Node::new(&hub, TrustMode::Enforce, &one);
    let mut stream = node.start(&mut hub).await;
    let reason = play(&mut stream, &Case::new("r0")).await;
    assert!(reason.starts_with("trust: no-root: "), "{reason}");
    offer(&stream, &[published(&one)]).await;
    assert_eq!(stream.beat(|beat| beat.trust_version > 0).await.trust_version, 1);
    assert_eq!(play(&mut stream, &Case::new("r1")).await, "");

    // Away for two versions; what it knows already does no harm.
    hub.welcome.lock().unwrap().roots = vec![published(&one), published_two.clone(), published_three];
    let mut stream = node.restart(&mut hub).await;
    assert_eq!(stream.hello.trust_version, 1);
    assert_eq!(stream.beat(|beat| beat.trust_version > 1).await.trust_version, 3);
    let reason = play(&mut stream, &Case::new("r2")).await;
    assert!(reason.starts_with("trust: revoked: "), "{reason}");
    // Shown an older one only, it stays where it is, now and later.
    offer(&stream, &[published(&one)]).await;
    hub.welcome.lock().unwrap().roots = vec![published(&one)];
    let mut stream = node.restart(&mut hub).await;
    assert_eq!(stream.hello.trust_version, 3);
    assert!(play(&mut stream, &Case::new("r3")).await.starts_with("trust: revoked: "));
    assert_eq!(stream.alarms().await, []);
    let mut case = Case::new("r4");
    case.sign(&["ann", "dan", "eve"]);
    assert_eq!(play(&mut stream, &case).await, "");
    node.stop().await;

    // Whoever pins a later one is not shown back to an earlier one either.
    let mut node = Node::new(&hub, TrustMode::Enforce, &two);
    hub.welcome.lock().unwrap().roots = vec![published(&one), published_two];
    let mut stream = node.start(&mut hub).await;
    assert_eq!(stream.beat(|_| true).await.trust_version, 2, "what came before the pinned one is passed over");
    offer(&stream, &[published(&one)]).await;
    assert_eq!(about(&stream.alarm().await), ("root", "rollback", ""));
    node.stop().await;
}

#[tokio::test]
async fn roots_that_do_not_follow_are_refused_and_told_once() {
    let mut one = root();
    one["revoked"] = json!([{"key": Signer::ed25519("ann's old").key().id(), "at": hour(0), "reason": "lost"}]);
    let two = next(&one, |j| j["threshold"] = json!(1));
    let (ann, bob) = (signer("ann"), signer("bob"));
    let both = |json: &Value| signed_by(json, &[&ann, &bob]);
    let mallory = Signer::ed25519("mallory");
    let bent = |from: &str, to: &str| {
        let payload = String::from_utf8(doc(&two).seal().0).unwrap();
        assert!(payload.contains(from), "{payload}");
        let bare = Envelope::new(synod_trust::root::PAYLOAD_TYPE, payload.replacen(from, to, 1).as_bytes());
        [&ann, &bob].into_iter().fold(bare, |envelope, by| by.sign(synod_trust::key::Purpose::Root, envelope)).to_bytes()
    };
    let cases = [
        ("fork", both(&fork(&one)), "another root of the same version"),
        ("too-few-old", signed_by(&two, &[&ann]), "too few"),
        ("duplicate-person", signed_by(&two, &[&ann, &ann]), "one person twice"),
        ("duplicate-person", signed_by(&two, &[&ann, &second_key()]), "one person with two keys"),
        ("not-a-holder", signed_by(&two, &[&ann, &signer("eve")]), "somebody who may not"),
        ("unknown-key", signed_by(&two, &[&ann, &mallory]), "a key of nobody"),
        ("gap", both(&next(&two, |_| {})), "a version left out"),
        ("previous", both(&next(&one, |j| j["previous"] = json!(digest(&two)))), "another line"),
        ("invalid", both(&next(&one, |j| j["principals"][3]["keys"] = j["principals"][0]["keys"].clone())), "one key of two people"),
        ("too-few-new", both(&next(&one, |j| j["threshold"] = json!(3))), "too few of its own"),
        ("unrevoked", both(&next(&one, |j| j["revoked"] = json!([]))), "a lost key found again"),
        ("malformed", bent("\"threshold\":1", "\"threshold\":1,\"zeal\":1"), "a field nobody knows"),
        ("malformed", bent("\"threshold\":1", "\"threshold\":1,\"threshold\":2"), "a key twice"),
        ("malformed", bent("\"threshold\":1", "\"threshold\":1.0"), "an odd number"),
        ("invalid", bent("\"name\":\"dan\"", "\"name\":\"d\u{430}n\""), "a look-alike"),
        ("malformed", b"{}".to_vec(), "nonsense"),
    ];
    let mut hub = hub_with(&[&one]).await;
    let mut node = Node::new(&hub, TrustMode::Enforce, &one);
    let mut stream = node.start(&mut hub).await;
    for (name, bytes, what) in &cases {
        // Twice, and followed by one that would be right by itself.
        offer(&stream, std::slice::from_ref(bytes)).await;
        offer(&stream, &[bytes.clone(), both(&two)]).await;
        let alarm = stream.alarm().await;
        assert_eq!(about(&alarm), ("root", *name, ""), "{what}: {}", alarm.message);
    }
    assert_eq!(stream.alarms().await, []);
    assert_eq!(stream.beat(|_| true).await.trust_version, 1);
    assert_eq!(play(&mut stream, &Case::new("r1")).await, "");
    let mut stream = node.restart(&mut hub).await;
    assert_eq!(stream.hello.trust_version, 1);
    // A fork of a version that is not the newest any more.
    offer(&stream, &[both(&two), both(&fork(&one))]).await;
    assert_eq!(about(&stream.alarm().await), ("root", "fork", ""));
    assert_eq!(stream.beat(|_| true).await.trust_version, 2);
    node.stop().await;

    // Another root than the pinned one.
    hub.welcome.lock().unwrap().roots = vec![both(&fork(&one))];
    let mut node = Node::new(&hub, TrustMode::Enforce, &one);
    let mut stream = node.start(&mut hub).await;
    assert_eq!(about(&stream.alarm().await), ("root", "not-pinned", ""));
    assert!(play(&mut stream, &Case::new("r1")).await.starts_with("trust: no-root: "));
    node.stop().await;
}

#[tokio::test]
async fn what_could_not_be_stored_is_told_and_stored_later() {
    let one = root();
    let two = next(&one, |j| j["threshold"] = json!(1));
    let mut hub = hub_with(&[&one]).await;
    let log = Log::of(&EVENTS);
    log.show(&hub, 0);
    let mut node = Node::new(&hub, TrustMode::Enforce, &one);
    let mut stream = node.start(&mut hub).await;
    stream.beat(|beat| beat.trust_version == 1 && beat.witnessed == 5).await;
    let folder = node.file("");
    std::fs::remove_dir_all(&folder).unwrap();
    offer(&stream, &[published(&two)]).await;
    let alarm = stream.alarm().await;
    assert_eq!(about(&alarm), ("trust", "not-stored", ""));
    assert!(alarm.message.contains("version 2") && alarm.message.contains("roots.json"), "{}", alarm.message);
    stream.send(Down::Checkpoint(log.with(&MORE).head(5))).await;
    let alarm = stream.alarm().await;
    assert_eq!(about(&alarm), ("trust", "not-stored", ""));
    assert!(alarm.message.contains("8 events") && alarm.message.contains("witness.json"), "{}", alarm.message);
    // It counts meanwhile, and is tried again with each heartbeat, without telling of it again.
    assert_eq!(stream.beat(|_| true).await.trust_version, 2);
    assert_eq!(stream.alarms().await, []);
    std::fs::create_dir(&folder).unwrap();
    stream.beat(|_| true).await;
    stream.beat(|_| true).await;
    hub.welcome.lock().unwrap().checkpoint = None;
    let stream = node.restart(&mut hub).await;
    assert_eq!((stream.hello.trust_version, stream.hello.witnessed), (2, 8), "a node never goes back");
    node.stop().await;
}

fn fork(root: &Value) -> Value {
    let mut json = root.clone();
    json["threshold"] = json!(1);
    json
}

#[tokio::test]
async fn a_node_whose_memory_does_not_fit_does_not_start() {
    let one = root();
    let mut hub = hub_with(&[&one]).await;
    let mut node = Node::new(&hub, TrustMode::Enforce, &one);
    let mut stream = node.start(&mut hub).await;
    stream.beat(|beat| beat.trust_version == 1).await;
    node.stop().await;
    node.trust.root = Some(digest(&fork(&one)));
    let why = node.broken().await;
    assert!(why.contains("roots.json") && why.contains(&digest(&one)) && why.contains("Put the old digest back"), "{why}");
    node.trust.root = None;
    assert!(node.broken().await.contains("no trust_root is given"));
    node.trust.root = Some(digest(&one));
    // The file is believed no more than a server.
    let path = node.file("roots.json");
    let stored = std::fs::read_to_string(&path).unwrap();
    let mut forged: Value = serde_json::from_str(&stored).unwrap();
    forged["roots"].as_array_mut().unwrap().push(serde_json::from_slice(&signed_by(&next(&one, |_| {}), &[&signer("ann")])).unwrap());
    std::fs::write(&path, forged.to_string()).unwrap();
    let why = node.broken().await;
    assert!(why.contains("roots.json") && why.contains("1 of 2 holders"), "{why}");
    std::fs::write(&path, stored).unwrap();
    let stream = node.start(&mut hub).await;
    assert_eq!(stream.hello.trust_version, 1);
    node.stop().await;
}

/// A log as its server keeps it.
#[derive(Clone)]
struct Log {
    edge: Edge,
    tiles: Tiles,
    key: &'static str,
}

impl Log {
    fn of(events: &[&str]) -> Self {
        Self { edge: Edge::empty(), tiles: Tiles::default(), key: "synod/one" }.with(events)
    }

    fn with(mut self, events: &[&str]) -> Self {
        let leaves: Vec<Hash> = events.iter().map(|event| leaf_hash(event.as_bytes())).collect();
        let grown = self.edge.grow(&leaves).unwrap();
        self.tiles.put(&grown);
        self.edge = grown.edge;
        self
    }

    fn signer(&self, seed: u8) -> NoteSigner {
        NoteSigner::from_seed(self.key, &[seed; 32]).unwrap()
    }

    /// Its head, with the proof from an earlier size.
    fn head(&self, from: u64) -> Checkpoint {
        let size = self.edge.size();
        let proof = if from > 0 && from < size { prove_consistency(from, size, &self.tiles).unwrap() } else { Vec::new() };
        Checkpoint { note: self.signer(3).sign(size, &self.edge.root()), proof: proof.iter().map(|hash| hash.to_vec()).collect() }
    }

    fn show(&self, hub: &Hub, from: u64) {
        let mut welcome = hub.welcome.lock().unwrap();
        welcome.log_key = self.signer(3).verifier().to_string();
        welcome.checkpoint = Some(self.head(from));
    }
}

const EVENTS: [&str; 5] = ["a", "b", "c", "d", "e"];
const MORE: [&str; 3] = ["f", "g", "h"];

#[tokio::test]
async fn a_log_that_only_grows_is_watched_in_peace() {
    let mut hub = hub_with(&[&root()]).await;
    let log = Log::of(&EVENTS);
    log.show(&hub, 0);
    let mut node = Node::new(&hub, TrustMode::Enforce, &root());
    let mut stream = node.start(&mut hub).await;
    assert_eq!(stream.hello.witnessed, 0);
    stream.beat(|beat| beat.witnessed == 5).await;
    let log = log.with(&MORE);
    stream.send(Down::Checkpoint(log.head(5))).await;
    stream.send(Down::Checkpoint(log.head(5))).await;
    stream.beat(|beat| beat.witnessed == 8).await;
    let log = log.with(&["i"]);
    stream.send(Down::Checkpoint(log.head(8))).await;
    stream.beat(|beat| beat.witnessed == 9).await;
    // It goes on from there after a restart; a server that shows nothing for the moment is no reason for alarm.
    let log = log.with(&["j"]);
    log.show(&hub, 9);
    let mut stream = node.restart(&mut hub).await;
    assert_eq!(stream.hello.witnessed, 9);
    stream.beat(|beat| beat.witnessed == 10).await;
    hub.welcome.lock().unwrap().log_key.clear();
    hub.welcome.lock().unwrap().checkpoint = None;
    let mut stream = node.restart(&mut hub).await;
    assert_eq!(play(&mut stream, &Case::new("r1")).await, "");
    assert_eq!(stream.alarms().await, []);
    // A proof that begins at another head than the last is none.
    stream.send(Down::Checkpoint(log.with(&["k"]).head(9))).await;
    assert_eq!(about(&stream.alarm().await), ("log", "inconsistent", ""));
    node.stop().await;
}

/// Waits for an alarm that no log is shown.
async fn withheld(stream: &mut Stream, words: &str) {
    let alarm = stream.alarm().await;
    assert_eq!(about(&alarm), ("log", "withheld", ""));
    assert!(alarm.message.contains(words) && alarm.evidence.contains("synod/one"), "{alarm:?}");
}

#[tokio::test]
async fn a_log_that_is_kept_back_stops_everything_in_the_end() {
    let mut hub = hub_with(&[&root()]).await;
    let log = Log::of(&EVENTS);
    log.show(&hub, 0);
    let mut node = Node::new(&hub, TrustMode::Enforce, &root());
    let mut stream = node.start(&mut hub).await;
    stream.beat(|beat| beat.witnessed == 5).await;
    let later = |node: &Node, minutes: i64| {
        node.clock.fetch_add(minutes * 60_000, Ordering::Relaxed);
    };
    let refused = |reason: String| assert!(reason.starts_with("trust: log-withheld: ") && reason.contains("5 events"), "{reason}");

    // From now on it shows nothing.
    hub.welcome.lock().unwrap().checkpoint = None;
    let mut stream = node.restart(&mut hub).await;
    assert_eq!(play(&mut stream, &Case::new("r1")).await, "");
    later(&node, 10);
    withheld(&mut stream, "with 5 events or more").await;
    assert_eq!(play(&mut stream, &Case::new("r2")).await, "");
    later(&node, 50);
    refused(play(&mut stream, &Case::new("r3")).await);
    // Beginning another stream helps nothing; showing the log does.
    drop(stream);
    let mut stream = hub.accept().await;
    refused(play(&mut stream, &Case::new("r4")).await);
    withheld(&mut stream, "with 5 events or more").await;
    stream.send(Down::Checkpoint(log.head(0))).await;
    assert_eq!(play(&mut stream, &Case::new("r5")).await, "");

    // What was done here is an event, so the same head for ever is no log that is kept.
    later(&node, 60);
    withheld(&mut stream, "with 6 events or more").await;
    stream.send(Down::Checkpoint(log.head(0))).await;
    let reason = play(&mut stream, &Case::new("r6")).await;
    assert!(reason.starts_with("trust: log-withheld: ") && reason.contains("with 6 events or more"), "{reason}");
    // A server that could not take the result in before has its time once it did; but only once.
    stream.ack("r5.0").await;
    assert_eq!(play(&mut stream, &Case::new("r7")).await, "");
    later(&node, 60);
    withheld(&mut stream, "with 6 events or more").await;
    stream.ack("r7.0").await;
    assert!(play(&mut stream, &Case::new("r8")).await.starts_with("trust: log-withheld: "));
    stream.send(Down::Checkpoint(log.with(&MORE).head(5))).await;
    assert_eq!(play(&mut stream, &Case::new("r9")).await, "");
    assert_eq!(node.ran(), ["r1.0", "r2.0", "r5.0", "r7.0", "r9.0"]);
    node.stop().await;
}

#[tokio::test]
async fn a_log_that_does_anything_else_stops_everything() {
    let honest = || Log::of(&EVENTS);
    let edited = ["a", "B", "c", "d", "e"];
    let unsigned = || {
        let log = Log::of(&EVENTS).with(&MORE);
        Checkpoint { note: log.signer(4).sign(8, &log.edge.root()), ..log.head(5) }
    };
    let cases: Vec<(&str, Checkpoint)> = vec![
        ("fork", Log::of(&edited).head(5)),
        ("roll-back", Log::of(&EVENTS[..4]).head(0)),
        ("inconsistent", Log::of(&edited).with(&MORE).head(5)),
        ("inconsistent", Log::of(&["a", "c", "d", "e"]).with(&MORE).head(5)),
        ("inconsistent", Checkpoint { proof: Vec::new(), ..honest().with(&MORE).head(5) }),
        ("malformed", Checkpoint { proof: vec![vec![1]], ..honest().with(&MORE).head(5) }),
        ("malformed", Checkpoint { note: "nonsense".into(), proof: Vec::new() }),
        ("unsigned", unsigned()),
    ];
    let mut all = JoinSet::new();
    for (n, (name, shown)) in cases.into_iter().enumerate() {
        let mode = [TrustMode::Enforce, TrustMode::Enforce, TrustMode::Observe, TrustMode::Off][n % 4];
        all.spawn(misled(honest(), name, shown, mode));
    }
    all.join_all().await;
}

/// A node that has seen one head of a log, and is shown another that cannot be.
async fn misled(honest: Log, name: &str, shown: Checkpoint, mode: TrustMode) {
    let mut hub = hub_with(&[&root()]).await;
    honest.show(&hub, 0);
    let mut node = Node::new(&hub, mode, &root());
    let mut stream = node.start(&mut hub).await;
    stream.beat(|beat| beat.witnessed == 5).await;
    let before = honest.head(0).note;
    stream.send(Down::Checkpoint(shown.clone())).await;
    let alarm = stream.alarm().await;
    assert_eq!(about(&alarm), ("log", name, ""));
    assert!(alarm.evidence.contains(&before) && alarm.evidence.contains(&shown.note), "{}", alarm.evidence);
    // With every stream, and after a restart, until a person has looked; whatever is shown meanwhile.
    drop(stream);
    let mut stream = hub.accept().await;
    assert_eq!(stream.alarm().await, alarm);
    let mut stream = node.restart(&mut hub).await;
    assert_eq!((stream.hello.witnessed, stream.alarm().await), (5, alarm));
    let reason = play(&mut stream, &Case::new("r1")).await;
    if mode == TrustMode::Enforce {
        let file = node.file("witness.json").display().to_string();
        assert!(reason.starts_with("trust: log-forked: ") && reason.contains(name) && reason.contains(&file), "{reason}");
        assert!(node.ran().is_empty());
    } else {
        assert_eq!((reason.as_str(), node.ran_last().as_str()), ("", "r1.0"));
    }
    node.stop().await;
    std::fs::remove_file(node.file("witness.json")).unwrap();
    let mut stream = node.start(&mut hub).await;
    assert_eq!(play(&mut stream, &Case::new("r2")).await, "");
    assert_eq!(stream.alarms().await, []);
    node.stop().await;
}

#[tokio::test]
async fn another_key_of_the_log_is_another_log() {
    let mut hub = hub_with(&[&root()]).await;
    Log::of(&EVENTS).show(&hub, 0);
    let mut node = Node::new(&hub, TrustMode::Enforce, &root());
    let mut stream = node.start(&mut hub).await;
    stream.beat(|beat| beat.witnessed == 5).await;
    let other = Log { key: "synod/two", ..Log::of(&EVENTS) };
    other.with(&MORE).show(&hub, 5);
    let mut stream = node.restart(&mut hub).await;
    let alarm = stream.alarm().await;
    assert_eq!(about(&alarm), ("log", "log-key", ""));
    assert!(alarm.evidence.contains("synod/two"));
    assert!(play(&mut stream, &Case::new("r1")).await.starts_with("trust: log-forked: "));
    node.stop().await;
    std::fs::write(node.file("witness.json"), "{}").unwrap();
    assert!(node.broken().await.contains("witness.json"));
}
