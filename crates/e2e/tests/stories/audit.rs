//! The audit log: everything is in it, anybody can check it, and who rewrites it is found out.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use synod_db::audit as stored;
use synod_db::event;
use synod_domain::Span;
use synod_domain::event::{Event, NewEvent, types};
use synod_domain::merkle::{Hash, leaf_hash};
use synod_e2e::hostile::Hostile;
use synod_e2e::process::Cluster;
use synod_e2e::*;
use synod_protocol::agent::agent_message::Body as Up;
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::agent::{self, Heartbeat, Hello};
use synod_protocol::http::audit::AuditProof;
use synod_protocol::http::client::{Client, collect};
use synod_trust::audit::{Alarm, Checkpoint, Edge, Seen, Tile, VerifierKey, Witness, check_inclusion};

stories! {
    anybody_can_recompute_it
    paths_have_one_spelling_and_entries_are_not_for_everybody
    a_proof_waits_for_the_log
    a_restart_continues_it
    a_changed_row_is_found
    a_deleted_row_is_found
    an_edited_history_is_noticed
    a_dropped_event_is_noticed
    witnesses_see_it_grow
    a_log_that_could_not_be_shown_is_shown_later
    alarms_are_recorded
    what_would_not_fit_is_refused
}

async fn file(who: &Client, path: &str) -> (u16, BTreeMap<String, String>, Bytes) {
    let answer = who.raw(Method::GET, path, &[], Bytes::new()).await.unwrap();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status().as_u16(), headers, collect(answer).await.unwrap())
}

async fn text(who: &Client, path: &str) -> Option<String> {
    let (status, _, body) = file(who, path).await;
    (status == 200).then(|| String::from_utf8(body.to_vec()).unwrap())
}

async fn key(who: &Client) -> VerifierKey {
    text(who, "/audit/key").await.unwrap().trim_end().parse().unwrap()
}

/// What the log holds, as somebody reads it who believes nothing.
struct Read {
    note: String,
    head: Checkpoint,
    entries: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
}

async fn read(who: &Client) -> Read {
    let key = key(who).await;
    let note = text(who, "/audit/checkpoint").await.unwrap();
    let head = Checkpoint::open(&note, &key).unwrap();
    let (mut entries, mut leaves) = (Vec::new(), Vec::new());
    for index in 0..head.size.div_ceil(256) {
        let width = u16::try_from((head.size - 256 * index).min(256)).unwrap();
        let tile = Tile { level: 0, index, width };
        let (status, headers, bundle) = file(who, &format!("/audit/{}", tile.entries_path())).await;
        assert_eq!((status, headers["content-type"].as_str()), (200, "application/octet-stream"));
        let mut rest = &bundle[..];
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
            entries.push(entry.to_vec());
            rest = after;
        }
        let (status, _, hashes) = file(who, &format!("/audit/{tile}")).await;
        assert_eq!((status, hashes.len()), (200, usize::from(width) * 32));
        leaves.extend(hashes.as_chunks::<32>().0);
    }
    assert_eq!((entries.len() as u64, leaves.len() as u64), (head.size, head.size));
    Read { note, head, entries, leaves }
}

impl Read {
    /// The first leaf that is not its entry's, from 0.
    fn bent(&self) -> Option<usize> {
        self.entries.iter().zip(&self.leaves).position(|(entry, leaf)| leaf_hash(entry) != *leaf)
    }

    fn root(&self) -> Hash {
        let leaves: Vec<Hash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        Edge::empty().grow(&leaves).unwrap().root
    }

    fn event(&self, index: usize) -> Event {
        synod_domain::canonical::read(&self.entries[index]).unwrap()
    }
}

/// Waits until every event is in the log; tells how many there are.
async fn whole(h: &Harness) -> u64 {
    until("every event in the log", async || {
        let mut reader = h.app().db.reader().await.unwrap();
        let size = stored::head(&mut reader).await.unwrap().map_or(0, |head| head.size);
        let last = event::last_position(&mut reader).await.unwrap();
        (size > 0 && size == last).then_some(size)
    })
    .await
}

async fn logged_in(h: &Harness, times: usize) {
    for _ in 0..times {
        h.login("alice").await;
    }
}

fn noted(n: u32) -> NewEvent {
    NewEvent { kind: types::USER_CHANGED, subject: "user/alice".into(), namespace: None, run: None, actor: "system".into(), data: json!({"n": n}) }
}

/// Many events at once, as a large run makes them.
async fn many(h: &Harness, count: u32) {
    let events: Vec<NewEvent> = (0..count).map(noted).collect();
    let mut tx = h.app().db.begin().await.unwrap();
    event::append(&mut tx, &events, h.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    h.app().ring_events();
}

async fn anybody_can_recompute_it(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    let _agents = h.webs(2).await;
    h.apply(vec![template("t", json!({}))]).await;
    h.play(&h.client("dave").await, &h.client("bob").await, &ask("t", json!({}))).await;
    many(&h, 5003).await;
    let alice = h.client("alice").await;
    whole(&h).await;
    let log = read(&alice).await;
    assert!(log.head.size > 5003);
    assert!(log.head.origin.starts_with("synod/"), "{}", log.head.origin);
    assert_eq!(log.bent(), None);
    assert_eq!(log.root(), log.head.root);
    // Events stand in it as the API shows them, each at its place.
    for shown in h.events("").await {
        let index = usize::try_from(shown.position).unwrap() - 1;
        assert_eq!(log.event(index), shown);
    }
    for position in [1, 2, 255, 256, 257, 258, 4096, log.head.size] {
        let proof: AuditProof = alice.get(&format!("{API}/audit/proofs/{position}")).await.unwrap();
        let head = Checkpoint::open(&proof.checkpoint, &key(&alice).await).unwrap();
        let path: Vec<Hash> = proof.proof.iter().map(|hash| STANDARD.decode(hash).unwrap().try_into().unwrap()).collect();
        let leaf = synod_trust::audit::event_leaf(&proof.event).unwrap();
        assert_eq!((proof.index, proof.event.position), (position - 1, position));
        check_inclusion(&leaf, proof.index, head.size, &path, &head.root).unwrap();
    }
    // Who may see a namespace gets proofs about it, and about nothing else.
    let bob = h.client("bob").await;
    let run = h.event("", types::RUN_SUCCEEDED).await;
    let _: AuditProof = bob.get(&format!("{API}/audit/proofs/{}", run.position)).await.unwrap();
    refused(bob.get::<AuditProof>(&format!("{API}/audit/proofs/1")).await, "SYN-2100");
    refused(alice.get::<AuditProof>(&format!("{API}/audit/proofs/999999")).await, "SYN-3000");
}

async fn paths_have_one_spelling_and_entries_are_not_for_everybody(h: Harness) {
    h.shop("bob:viewer").await;
    many(&h, 600).await;
    let size = whole(&h).await;
    let (anyone, alice, bob) = (h.anyone(), h.client("alice").await, h.client("bob").await);
    for path in [
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/x000/000",
        "tile/0/000/",
        "tile/0/999",
        "tile/0/999.p/1",
        "tile/1/000.p/3",
        "tile/00/000",
        "tile/9/000",
        "tile/-1/000",
        "tile/0/000.p/5x",
        "tile/7/000",
        "tile/0/000.P/5",
        "tile/0",
        "tile",
        "",
        "checkpoints",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/0",
        "tile/entries/999",
        "tile/entries/000.p/256",
        "tile/entries/x000/000",
        "tile/entries",
    ] {
        let (status, headers, body) = file(&alice, &format!("/audit/{path}")).await;
        let code = serde_json::from_slice::<Value>(&body).unwrap()["code"].clone();
        assert_eq!((status, headers["content-type"].as_str(), code), (404, "application/problem+json", json!("SYN-3000")), "{path}");
    }
    let (_, full_headers, full) = file(&anyone, "/audit/tile/0/000").await;
    assert_eq!((full.len(), full_headers["cache-control"].as_str()), (8192, "public, max-age=31536000, immutable"));
    // A narrower tile is the beginning of the wider one, as long as anybody may ask for it.
    for width in [1, 17, 255] {
        let (status, headers, narrow) = file(&anyone, &format!("/audit/tile/0/000.p/{width}")).await;
        assert_eq!((status, headers["cache-control"].as_str(), &narrow[..]), (200, "no-store", &full[..width * 32]));
    }
    let (_, headers, _) = file(&anyone, "/audit/checkpoint").await;
    assert_eq!((headers["content-type"].as_str(), headers["cache-control"].as_str()), ("text/plain; charset=utf-8", "no-store"));
    let partial = Tile { level: 0, index: size / 256, width: u16::try_from(size % 256).unwrap() };
    for (path, cached) in [("tile/entries/000".to_owned(), "no-store"), (partial.entries_path(), "no-store")] {
        assert_eq!(file(&anyone, &format!("/audit/{path}")).await.0, 401, "{path}");
        assert_eq!(file(&bob, &format!("/audit/{path}")).await.0, 403, "{path}");
        let (status, headers, _) = file(&alice, &format!("/audit/{path}")).await;
        assert_eq!((status, headers["cache-control"].as_str()), (200, cached), "{path}");
    }
}

async fn a_proof_waits_for_the_log(h: Harness) {
    let alice = h.client("alice").await;
    let mut behind = false;
    for n in 0..10 {
        whole(&h).await;
        // Nobody is told of this event: the log finds it by itself, a moment later.
        let mut tx = h.app().db.begin().await.unwrap();
        event::append(&mut tx, &[noted(n)], h.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let position = event::last_position(&mut h.app().db.reader().await.unwrap()).await.unwrap();
        let path = format!("{API}/audit/proofs/{position}");
        if let Err(error) = alice.get::<AuditProof>(&path).await {
            assert_eq!(error.code(), Some("SYN-4107"), "{error:?}");
            let (status, headers, _) = file(&alice, &path).await;
            behind |= status == 503 && headers.contains_key("retry-after");
        }
        until("the proof", async || alice.get::<AuditProof>(&path).await.ok()).await;
        if behind {
            break;
        }
    }
    assert!(behind, "the log was never behind");
}

async fn a_restart_continues_it(mut h: Harness) {
    many(&h, 300).await;
    whole(&h).await;
    let alice = h.client("alice").await;
    let before = read(&alice).await;
    let mut witness = Witness::new(key(&alice).await);
    witness.consider(&before.note, &[]).unwrap();
    h.stop().await;
    h.start_again().await;
    logged_in(&h, 3).await;
    whole(&h).await;
    let after = read(&h.client("alice").await).await;
    assert_eq!(after.root(), after.head.root);
    let mut reader = h.app().db.reader().await.unwrap();
    let proof = synod_server::audit::consistency(&mut reader, before.head.size, after.head.size).await.unwrap();
    assert!(matches!(witness.consider(&after.note, &proof), Ok(Seen::Grew { .. })));
}

async fn a_changed_row_is_found(h: Harness) {
    logged_in(&h, 3).await;
    many(&h, 300).await;
    whole(&h).await;
    let alice = h.client("alice").await;
    let changed = h.event("", types::BOOTSTRAPPED).await;
    assert_eq!(h.sql("UPDATE events SET actor = 'user:mallory' WHERE type = 'synod.server.bootstrapped'").await, 1);
    whole(&h).await;
    let log = read(&alice).await;
    assert_eq!(log.bent(), Some(usize::try_from(changed.position).unwrap() - 1), "the leaf says which event was changed");
    assert_ne!(log.root(), log.head.root);
    let proof: AuditProof = alice.get(&format!("{API}/audit/proofs/{}", changed.position)).await.unwrap();
    let head = Checkpoint::open(&proof.checkpoint, &key(&alice).await).unwrap();
    let path: Vec<Hash> = proof.proof.iter().map(|hash| STANDARD.decode(hash).unwrap().try_into().unwrap()).collect();
    let leaf = synod_trust::audit::event_leaf(&proof.event).unwrap();
    assert!(check_inclusion(&leaf, proof.index, head.size, &path, &head.root).is_err());
}

async fn a_deleted_row_is_found(h: Harness) {
    h.shop("bob:viewer").await;
    many(&h, 300).await;
    whole(&h).await;
    let alice = h.client("alice").await;
    let before = read(&alice).await;
    let gone = h.event("", types::BOOTSTRAPPED).await.position;
    let place = usize::try_from(gone).unwrap() - 1;
    h.sql(&format!("DELETE FROM event_positions WHERE position = {gone}")).await;
    assert_eq!(h.sql("DELETE FROM events WHERE type = 'synod.server.bootstrapped'").await, 1);
    logged_in(&h, 1).await;
    whole(&h).await;
    // It cannot be unwritten: its hash stays, its entry is empty, and all others are in their places.
    let log = read(&alice).await;
    let empty: Vec<usize> = (0..log.entries.len()).filter(|n| log.entries[*n].is_empty()).collect();
    assert_eq!(empty, [place]);
    let bent: Vec<usize> = (0..log.leaves.len()).filter(|n| leaf_hash(&log.entries[*n]) != log.leaves[*n]).collect();
    assert_eq!(bent, [place], "the others are what was logged");
    assert_eq!(log.leaves[..before.leaves.len()], before.leaves[..]);
    let root = Edge::empty().grow(&log.leaves).unwrap().root;
    assert_eq!(root, log.head.root, "the root is recomputed from the hash that is kept");
    let mut reader = h.app().db.reader().await.unwrap();
    let proof = synod_server::audit::consistency(&mut reader, before.head.size, log.head.size).await.unwrap();
    let mut witness = Witness::new(key(&alice).await);
    witness.consider(&before.note, &[]).unwrap();
    assert!(matches!(witness.consider(&log.note, &proof), Ok(Seen::Grew { .. })), "nothing that witnesses saw was undone");
    // A proof of it is refused with the reason, to those who may see everything.
    let path = format!("{API}/audit/proofs/{gone}");
    assert!(refused(alice.get::<AuditProof>(&path).await, "SYN-3000").detail.contains("only its hash is kept"));
    assert!(!refused(h.client("bob").await.get::<AuditProof>(&path).await, "SYN-3000").detail.contains("hash"));
    let _: AuditProof = alice.get(&format!("{API}/audit/proofs/{}", gone + 1)).await.unwrap();
}

/// A witness that saw the log before somebody with the whole server, its database and its keys rewrote it.
async fn rewritten(mut h: Harness, rewrite: &[&str]) -> Alarm {
    let identity = h.identity("web-1", &[]).await;
    many(&h, 300).await;
    whole(&h).await;
    let mut again = greeted(&h, &identity, 0).await;
    let mut witness = Witness::new(again.welcome.log_key.parse().unwrap());
    let first = again.welcome.checkpoint.take().unwrap();
    let Seen::First(seen) = witness.consider(&first.note, &[]).unwrap() else { panic!("it was the first") };
    h.stop().await;
    h.sql("DELETE FROM audit_heads").await;
    h.sql("DELETE FROM audit_tiles").await;
    for text in rewrite {
        h.sql(&text.replace("SIZE", &seen.size.to_string())).await;
    }
    h.start_again().await;
    until("a longer log", async || {
        logged_in(&h, 1).await;
        let head = stored::head(&mut h.app().db.reader().await.unwrap()).await.unwrap()?;
        (head.size > seen.size).then_some(())
    })
    .await;
    // In itself it is perfectly fine.
    whole(&h).await;
    let log = read(&h.client("alice").await).await;
    assert_eq!((log.bent(), log.root()), (None, log.head.root));
    let shown = greeted(&h, &identity, seen.size).await.welcome.checkpoint.unwrap();
    witness.consider(&shown.note, &hashes(&shown.proof)).unwrap_err()
}

async fn an_edited_history_is_noticed(h: Harness) {
    let alarm = rewritten(h, &["UPDATE events SET actor = 'user:mallory' WHERE type = 'synod.server.bootstrapped'"]).await;
    assert_eq!(alarm.name(), "inconsistent", "{alarm}");
}

async fn a_dropped_event_is_noticed(h: Harness) {
    // The last events the witness saw: the next ones take their places.
    let rewrite: &[&str] = match h.engine {
        Engine::Sqlite => &["DELETE FROM event_positions WHERE position >= SIZE"],
        Engine::Postgres => &["DELETE FROM event_positions WHERE position >= SIZE", "DELETE FROM unsealed", "UPDATE log_head SET position = SIZE - 1"],
    };
    let alarm = rewritten(h, rewrite).await;
    assert_eq!(alarm.name(), "inconsistent", "{alarm}");
}

struct Greeted {
    stream: Hostile,
    welcome: agent::Welcome,
}

async fn greeted(h: &Harness, identity: &synod_worker::Identity, witnessed: u64) -> Greeted {
    let hello = Hello { witnessed, ..h.hello() };
    let mut stream = Hostile::begin(identity, Some(Up::Hello(hello))).await.unwrap();
    let welcome = stream.welcome().await;
    Greeted { stream, welcome }
}

fn hashes(proof: &[Vec<u8>]) -> Vec<Hash> {
    proof.iter().map(|hash| hash.as_slice().try_into().unwrap()).collect()
}

async fn beat(stream: &Hostile, witnessed: u64) {
    stream.say(Some(Up::Heartbeat(Heartbeat { witnessed, ..Heartbeat::default() }))).await;
}

async fn checkpoint(stream: &mut Hostile) -> agent::Checkpoint {
    stream.hear("a checkpoint", |body| if let Down::Checkpoint(checkpoint) = body { Some(checkpoint) } else { None }).await
}

async fn witnesses_see_it_grow(h: Harness) {
    let identity = h.identity("web-1", &[]).await;
    whole(&h).await;
    let mut one = greeted(&h, &identity, 0).await;
    assert_eq!(one.welcome.log_key.parse::<VerifierKey>().unwrap(), key(&h.anyone()).await);
    let mut witness = Witness::new(one.welcome.log_key.parse().unwrap());
    let first = one.welcome.checkpoint.take().unwrap();
    assert!(first.proof.is_empty(), "there is nothing to prove to who has seen nothing");
    let Seen::First(mut seen) = witness.consider(&first.note, &[]).unwrap() else { panic!("it was the first") };
    h.app().log.set_pace(Span::secs(0));
    for grow in [1, 300, 2500] {
        many(&h, grow).await;
        whole(&h).await;
        // Who is behind what it was sent last is not there yet, and gets nothing it could not check.
        beat(&one.stream, seen.size - 1).await;
        beat(&one.stream, seen.size).await;
        let next = checkpoint(&mut one.stream).await;
        let Ok(Seen::Grew { from, to }) = witness.consider(&next.note, &hashes(&next.proof)) else { panic!("the log did not grow") };
        assert_eq!(from, seen.size);
        assert!(to.size >= from + u64::from(grow));
        seen = to;
    }
    // It comes back, with more having happened; and once more with nothing new.
    h.app().log.set_pace(Span::secs(3600));
    many(&h, 5).await;
    whole(&h).await;
    for _ in 0..2 {
        let shown = greeted(&h, &identity, seen.size).await.welcome.checkpoint.unwrap();
        match witness.consider(&shown.note, &hashes(&shown.proof)).unwrap() {
            Seen::Grew { to, .. } | Seen::Same(to) | Seen::First(to) => seen = to,
        }
    }
    // Another server may have shown more than this one shows for the moment: the pace gives way to that.
    many(&h, 5).await;
    let size = whole(&h).await;
    let log = read(&h.client("alice").await).await;
    let proof = synod_server::audit::consistency(&mut h.app().db.reader().await.unwrap(), seen.size, log.head.size).await.unwrap();
    witness.consider(&log.note, &proof).unwrap();
    let shown = greeted(&h, &identity, log.head.size).await.welcome.checkpoint.unwrap();
    assert!(log.head.size >= size);
    witness.consider(&shown.note, &hashes(&shown.proof)).unwrap();
    // A size nobody can have seen gets the newest head, for the agent to call out.
    let shown = greeted(&h, &identity, 1 << 40).await.welcome.checkpoint.unwrap();
    assert!(shown.proof.is_empty());
}

async fn a_log_that_could_not_be_shown_is_shown_later(h: Harness) {
    let identity = h.identity("web-1", &[]).await;
    h.app().log.set_pace(Span::secs(0));
    whole(&h).await;
    h.sql("ALTER TABLE audit_heads RENAME TO audit_heads_away").await;
    let mut one = greeted(&h, &identity, 5).await;
    assert_eq!(one.welcome.checkpoint, None, "its work goes on all the same");
    h.sql("ALTER TABLE audit_heads_away RENAME TO audit_heads").await;
    let size = whole(&h).await;
    // It has seen all there is, and waits to be shown that it still is there.
    beat(&one.stream, size).await;
    let head = Checkpoint::open(&checkpoint(&mut one.stream).await.note, &key(&h.anyone()).await).unwrap();
    assert!(head.size >= size);
}

async fn alarms_are_recorded(h: Harness) {
    let mut stream = h.hostile("web-1", &[]).await;
    let alarm = |about: &str, message: &str| agent::Alarm {
        about: about.into(),
        name: "fork".into(),
        message: message.into(),
        task: "r.0".into(),
        evidence: "\u{1}\u{0}\"".repeat(20_000),
    };
    for _ in 0..3 {
        stream.say(Some(Up::Alarm(alarm("log", "the log was\u{0} forked")))).await;
    }
    stream.say(Some(Up::Alarm(alarm("trust", "x")))).await;
    stream.say(Some(Up::Alarm(alarm("weather", "x")))).await;
    stream.report_and_wait(Vec::new()).await;
    let found = until("both alarms", async || {
        let found = h.events("&type=synod.node.alarm").await;
        (found.len() >= 2).then_some(found)
    })
    .await;
    assert_eq!(found.len(), 2, "the same alarm counts once, and what is about nothing known not at all");
    let event = &found[0];
    assert_eq!((event.subject.as_str(), event.actor.as_str()), ("node/web-1", "node:web-1"));
    let data = &event.data;
    assert_eq!((&data["about"], &data["name"], &data["task"]), (&json!("log"), &json!("fork"), &json!("r.0")));
    assert_eq!(data["message"], "the log was\u{fffd} forked");
    assert!(data["evidence"].to_string().len() <= 16 * 1024 + 2);
    let node = h.connected("web-1").await;
    assert_eq!(node.trust.alarm, "log: fork: the log was\u{fffd} forked");
    // A minute later it is news again.
    h.clock.shift(61_000);
    stream.say(Some(Up::Alarm(alarm("log", "still")))).await;
    until("the third alarm", async || (h.events("&type=synod.node.alarm").await.len() == 3).then_some(())).await;
    // However much it holds, the log takes it, and its entry can be read.
    whole(&h).await;
    assert_eq!(read(&h.client("alice").await).await.bent(), None);
}

async fn what_would_not_fit_is_refused(h: Harness) {
    let mut large = noted(1);
    large.data = json!({"text": "x".repeat(60_001)});
    let mut tx = h.app().db.begin().await.unwrap();
    let error = event::append(&mut tx, &[large], h.clock.now()).await.unwrap_err();
    assert!(error.message().contains("60000"), "{error}");
    tx.rollback().await.unwrap();
    let mut largest = noted(1);
    largest.data = json!({"text": "x".repeat(59_900)});
    let mut tx = h.app().db.begin().await.unwrap();
    event::append(&mut tx, &[largest], h.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    h.app().ring_events();
    whole(&h).await;
    assert_eq!(read(&h.client("alice").await).await.bent(), None);
}

/// Follows the log of one server like a careful witness, until told that the story is over.
async fn follow(who: Client, db: synod_db::Db, mut stop: tokio::sync::watch::Receiver<bool>) -> Read {
    let mut witness = Witness::new(key(&who).await);
    let mut seen = 0;
    while !*stop.borrow_and_update() {
        if let Some(note) = text(&who, "/audit/checkpoint").await {
            let size = Checkpoint::open(&note, &key(&who).await).unwrap().size;
            let proof = synod_server::audit::consistency(&mut db.reader().await.unwrap(), seen, size).await.unwrap();
            witness.consider(&note, &proof).unwrap();
            seen = size;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    read(&who).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_write_one_log() {
    let h = Harness::postgres().await;
    let second = h.second_server().await;
    whole(&h).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let at_first = tokio::spawn(follow(h.client("alice").await, h.app().db.clone(), stopped.clone()));
    let at_second = tokio::spawn(follow(h.client_at(&second, "alice").await, second.app.db.clone(), stopped));
    for round in 0..25 {
        // At either, and at both together.
        let write = async |app: &std::sync::Arc<synod_server::App>, count: u32| {
            let mut tx = app.db.begin().await.unwrap();
            event::append(&mut tx, &(0..count).map(noted).collect::<Vec<_>>(), app.clock.now()).await.unwrap();
            tx.commit().await.unwrap();
            app.ring_events();
        };
        tokio::join!(write(h.app(), 1 + round * 7), write(&second.app, 1 + round * 3));
        // Not only as their loops happen to: both at once, as often as can be.
        let now = h.clock.now();
        let (one, other) = tokio::join!(h.app().log.append(&h.app().db, now), second.app.log.append(&second.app.db, now));
        one.unwrap();
        other.unwrap();
    }
    let size = whole(&h).await;
    stop.send(true).unwrap();
    let (one, other) = (at_first.await.unwrap(), at_second.await.unwrap());
    assert!(one.head.size >= size && other.head.size >= size);
    assert_eq!((one.bent(), other.bent()), (None, None));
    assert_eq!((one.root(), other.root()), (one.head.root, other.head.root));
    second.stop().await;
    logged_in(&h, 1).await;
    whole(&h).await;
    assert_eq!(read(&h.client("alice").await).await.bent(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_a_whole_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path().to_owned(), None, 1).await;
    let token = cluster.bootstrap("alice").await;
    let alice = cluster.clients(Some(&token)).remove(0);
    let mut kept: Vec<(Vec<Hash>, Checkpoint)> = Vec::new();
    for round in 0..4u64 {
        for n in 0..40 {
            let person = json!({"name": format!("p{round}-{n}"), "password": PASSWORD});
            if n < 3 {
                let _: Value = alice.post(&format!("{API}/users"), &person).await.unwrap();
            } else {
                let _ = alice.post::<_, Value>(&format!("{API}/apply"), &json!({"documents": [group(&format!("g{round}-{n}"))]})).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(60 * round)).await;
        cluster.servers[0].kill().await;
        cluster.servers[0].start();
        let log = until("the whole log", async || {
            alice.raw(Method::GET, "/healthz", &[], Bytes::new()).await.ok()?;
            let log = read(&alice).await;
            (log.head.size > 40 * (round + 1)).then_some(log)
        })
        .await;
        assert_eq!((log.bent(), log.root()), (None, log.head.root));
        for (leaves, head) in &kept {
            assert_eq!(log.leaves[..leaves.len()], leaves[..], "the log of {} leaves only grew", head.size);
        }
        kept.push((log.leaves, log.head));
    }
    cluster.stop().await;
}

fn group(name: &str) -> Value {
    json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": name}, "spec": {"members": []}})
}
