//! What a server could try with one task, and what is left of the result afterwards.

use std::sync::atomic::Ordering;

use serde_json::json;
use synod_domain::strategy::Amount;
use synod_trust::approval::{PAYLOAD_TYPE, Statement};
use synod_trust::envelope::pae;
use synod_trust::key::Purpose;
use synod_trust::testing::{ClientData, decision};
use synod_trust::{result, strict};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::*;

type Change = fn(&mut Case);

/// Signs for one person, in a statement that is changed.
fn said(case: &Case, name: &str, change: impl FnOnce(&mut Statement)) -> Envelope {
    decision(name, &signer(name), &case.manifest, Decision::Approve, change)
}

/// carol's passkey signs with something in its answer changed.
fn passkey(case: &mut Case, change: impl FnOnce(&mut ClientData)) {
    let carol = signer("carol");
    let bare = Envelope { signatures: Vec::new(), ..yes("carol", &case.manifest) };
    let mut client = ClientData::new(&pae(PAYLOAD_TYPE, &strict::from_base64(&bare.payload).unwrap()));
    change(&mut client);
    case.put(2, &bare.with(&carol.key().id().0, &carol.assertion(&client).to_bytes()));
}

/// ann's statement is signed as oddly as it is written.
fn odd(case: &mut Case, from: &str, to: &str) {
    let payload = String::from_utf8(strict::from_base64(&yes("ann", &case.manifest).payload).unwrap()).unwrap();
    assert!(payload.contains(from), "{payload}");
    let odd = Envelope::new(PAYLOAD_TYPE, payload.replacen(from, to, 1).as_bytes());
    case.put(0, &signer("ann").sign(Purpose::Approval, odd));
}

/// The manifest is written otherwise, with a digest that fits.
fn odd_manifest(case: &mut Case, from: &str, to: &str) {
    let bytes = String::from_utf8(case.manifest.seal().unwrap().0).unwrap();
    assert!(bytes.contains(from), "{bytes}");
    case.bytes = Some(bytes.replacen(from, to, 1).into());
}

/// Attacks that signatures uncover.
const FORGED: &[(&str, &str, Change)] = &[
    ("another script", "wrong-digest", |c| c.manifest.steps[0].run = Some("rm -rf /".into())),
    ("another input", "wrong-digest", |c| c.manifest.inputs["service"] = json!("db")),
    ("another node beside this one", "wrong-digest", |c| {
        c.nodes[1].name = "web-9".into();
        c.manifest.nodes = NodeSet::of(&c.nodes).unwrap();
    }),
    ("another strategy", "wrong-digest", |c| c.manifest.strategy.max_failures = Amount::Count(9)),
    ("a later expiry", "wrong-digest", |c| c.manifest.expires_at = hour(500)),
    ("fewer rules", "wrong-digest", |c| c.manifest.approval.rules.clear()),
    ("another account", "wrong-digest", |c| c.manifest.run_as = Some("root".into())),
    ("one withheld", "unmet", |c| drop(c.signed.pop())),
    ("all withheld", "unmet", |c| c.signed.clear()),
    ("made up by a key of nobody", "unknown-key", |c| {
        let forged = decision("bob", &Signer::ed25519("mallory"), &c.manifest, Decision::Approve, |_| {});
        c.put(1, &forged);
    }),
    ("made up under the id of another's key", "bad-signature", |c| {
        let mut forged = decision("bob", &Signer::ed25519("mallory"), &c.manifest, Decision::Approve, |_| {});
        forged.signatures[0].keyid = signer("bob").key().id().0.clone();
        c.put(1, &forged);
    }),
    ("signed for another purpose", "bad-signature", |c| {
        let bare = Envelope { signatures: Vec::new(), ..yes("bob", &c.manifest) };
        c.put(1, &signer("bob").sign(Purpose::Root, bare));
    }),
    ("in the name of another", "wrong-person", |c| {
        let forged = decision("bob", &signer("eve"), &c.manifest, Decision::Approve, |_| {});
        c.put(1, &forged);
    }),
    ("from another run", "wrong-run", |c| c.put(1, &said(c, "bob", |s| s.run = "r-other".into()))),
    ("from another run, whole", "wrong-run", |c| {
        let other = Case::new("r-other");
        c.signed = other.signed;
    }),
    ("about another digest", "wrong-digest", |c| c.put(1, &said(c, "bob", |s| s.digest = canonical::digest(b"other")))),
    ("one decision twice", "unmet", |c| c.signed[2] = c.signed[0].clone()),
    ("one person with two keys", "unmet", |c| {
        let second = decision("ann", &second_key(), &c.manifest, Decision::Approve, |_| {});
        c.put(2, &second);
    }),
    ("one key under two ids", "bad-signature", |c| {
        let mut renamed = yes("ann", &c.manifest);
        renamed.signatures[0].keyid = signer("dan").key().id().0.clone();
        c.put(2, &renamed);
    }),
    ("by the requester", "requester", |c| {
        c.manifest.requester = "ann".into();
        c.sign(&["ann", "bob", "carol"]);
    }),
    ("a no shown as a yes", "rejected", |c| {
        let no = decision("carol", &signer("carol"), &c.manifest, Decision::Reject, |_| {});
        c.put(2, &no);
    }),
    ("approval after the fact before it", "wrong-sort", |c| c.put(2, &said(c, "carol", |s| s.ratifies = true))),
    ("a break-glass start as one of many", "wrong-sort", |c| c.put(0, &said(c, "ann", |s| s.break_glass = true))),
    ("signed before the request", "too-early", |c| c.put(0, &said(c, "ann", |s| s.at = hour(0)))),
    ("signed in the future", "too-early", |c| c.put(0, &said(c, "ann", |s| s.at = hour(4)))),
    ("a template no rule is about", "no-rule", |c| {
        c.manifest.namespace = "bank".into();
        c.sign(&["ann", "bob", "carol"]);
    }),
    ("no envelope", "malformed", |c| c.signed[0] = "nonsense".into()),
    ("an envelope with a key twice", "malformed", |c| c.signed[0] = c.signed[0].replacen('{', "{\"payload\":\"\",", 1)),
    ("a statement with a key twice", "malformed", |c| odd(c, "\"kind\"", "\"decision\":\"reject\",\"kind\"")),
    ("a statement with a number nobody asked for", "malformed", |c| odd(c, "\"person\"", "\"n\":1e3,\"person\"")),
    ("a statement with spaces", "malformed", |c| odd(c, "\"kind\":", "\"kind\": ")),
    ("a statement with escapes", "malformed", |c| odd(c, "\"decision\":\"approve\"", "\"decision\":\"\\u0061pprove\"")),
    ("a look-alike of a person", "wrong-person", |c| odd(c, "\"person\":\"ann\"", "\"person\":\"\u{430}nn\"")),
    ("a look-alike of the requester", "manifest", |c| {
        c.manifest.requester = "\u{430}nn".into();
        c.sign(&["ann", "bob", "carol"]);
    }),
    ("a look-alike of the template", "manifest", |c| {
        c.manifest.template.name = "restart\u{200b}".into();
        c.sign(&["ann", "bob", "carol"]);
    }),
    ("a passkey asked on another site", "bad-signature", |c| passkey(c, |client| client.json["origin"] = json!("https://synod.example.org"))),
    ("a passkey without its user verified", "bad-signature", |c| passkey(c, |client| client.flags = 0x01)),
    ("a passkey with an old challenge", "bad-signature", |c| {
        passkey(c, |client| client.json["challenge"] = ClientData::new(b"yesterday").json["challenge"].clone());
    }),
    ("break-glass by somebody else", "break-glass", |c| *c = Case::break_glass(&c.manifest.run, "bob", "bob")),
    ("break-glass by another than asked for it", "break-glass", |c| *c = Case::break_glass(&c.manifest.run, "ann", "zoe")),
    ("break-glass on the strength of an ordinary yes", "wrong-sort", |c| {
        *c = Case::break_glass(&c.manifest.run, "ann", "ann");
        c.sign(&["ann"]);
    }),
];

/// Attacks that are seen without signatures, in every mode.
const REFUSED_ANYWAY: &[(&str, &str, Change)] = &[
    ("a manifest for another node", "not-this-node", |c| {
        c.nodes[0] = NodeEntry { id: "id-7".into(), name: "web-7".into() };
        c.manifest.nodes = NodeSet::of(&c.nodes).unwrap();
        c.sign(&["ann", "bob", "carol"]);
    }),
    ("an expired manifest", "expired", |c| {
        c.manifest.expires_at = hour(2);
        c.sign(&["ann", "bob", "carol"]);
    }),
    ("before its time", "too-early", |c| {
        c.manifest.not_before = Some(hour(9));
        c.sign(&["ann", "bob", "carol"]);
    }),
    ("a secret that is withheld", "secret", |c| c.secret(None)),
    ("a secret that is sealed to another node", "secret", |c| c.secret(Some(age::x25519::Identity::generate().to_public()))),
    ("a manifest with a key twice", "malformed", |c| odd_manifest(c, "{", "{\"apiVersion\":\"synod/v1\",")),
    ("an input twice", "malformed", |c| odd_manifest(c, "\"service\":", "\"service\":\"db\",\"service\":")),
    ("a number with a point", "malformed", |c| odd_manifest(c, "\"count\":2", "\"count\":2.0")),
    ("a number beyond what is exact", "malformed", |c| odd_manifest(c, "\"share\":0.5", "\"share\":9007199254740993")),
    ("a field nobody knows", "malformed", |c| odd_manifest(c, "\"kind\":", "\"kimd\":1,\"kind\":")),
    ("break-glass with two decisions", "approvals", |c| {
        let run = c.manifest.run.clone();
        *c = Case::break_glass(&run, "ann", "ann");
        c.signed.push(c.signed[0].clone());
    }),
];

/// Hands over a task that must be refused for this reason.
async fn assert_refused(stream: &mut Stream, assignment: Assignment, wanted: &str) {
    let task = assignment.task.clone();
    stream.assign(vec![assignment]).await;
    let (outcome, _) = stream.finished(&task).await;
    let reason = outcome.reason.unwrap_or_default();
    assert!(outcome.phase == Phase::Refused && reason.starts_with(wanted), "{task}: {} {reason}", outcome.phase);
}

#[tokio::test]
async fn nobody_starts_alone_what_they_wrote() {
    let mut hub = hub_with(&[&root()]).await;
    let mut node = Node::new(&hub, TrustMode::Enforce, &root());
    let mut stream = node.start(&mut hub).await;
    let mut own = Case::break_glass("r-own", "ann", "ann");
    own.manifest.template.author = "ann".into();
    own.signed = vec![text(&testing::decision("ann", &signer("ann"), &own.manifest, Decision::Approve, |said| said.break_glass = true))];
    let reason = play(&mut stream, &own).await;
    assert!(reason.starts_with("trust: break-glass: ") && reason.contains("ann wrote this revision"), "{reason}");
    assert_eq!(play(&mut stream, &Case::break_glass("r-other", "ann", "ann")).await, "");
    assert_eq!(node.ran(), ["r-other.0"]);
    node.stop().await;
}

#[tokio::test]
async fn a_hostile_server_starts_nothing() {
    let mut hub = hub_with(&[&root()]).await;
    let mut node = Node::new(&hub, TrustMode::Enforce, &root());
    let mut stream = node.start(&mut hub).await;
    assert_eq!((stream.hello.trust.as_str(), stream.hello.trust_root.clone(), stream.hello.trust_version), ("enforce", digest(&root()), 0));
    assert_eq!(play(&mut stream, &Case::new("r-good")).await, "");
    let mut secret = Case::new("r-secret");
    secret.secret(Some(node.identity.age_recipient().unwrap().parse().unwrap()));
    assert_eq!(play(&mut stream, &secret).await, "", "sealed to this node");
    let forged = FORGED.iter().map(|(what, name, change)| (*what, format!("trust: {name}: "), change));
    let refused = REFUSED_ANYWAY.iter().map(|(what, name, change)| (*what, format!("{name}: "), change));
    for (n, (what, wanted, change)) in forged.chain(refused).enumerate() {
        let mut case = Case::new(&format!("r{n}"));
        change(&mut case);
        let reason = play(&mut stream, &case).await;
        assert!(reason.starts_with(&wanted), "{what}: {reason}");
    }
    assert_eq!(node.ran(), ["r-good.0", "r-secret.0"]);
    assert_eq!(stream.alarms().await, [], "a refusal is an event of its own");

    // The same again after a restart, under its own name or another; and another manifest, rightly signed, of the same run.
    stream.ack("r-good.0").await;
    let mut stream = node.restart(&mut hub).await;
    for name in ["r-good.00", "r-good.2"] {
        let mut renamed = Case::new("r-good").assignment();
        renamed.task = name.into();
        assert_refused(&mut stream, renamed, "malformed: ").await;
    }
    assert_refused(&mut stream, Case::again("r-good").assignment(), "replay: ").await;
    assert_eq!(play(&mut stream, &Case::again("r-anew")).await, "", "by itself it is fine");
    // Whether it was acknowledged in time before is not certain: its result may come once more, as it was.
    stream.ack("r-good.0").await;
    stream.assign(vec![Case::new("r-good").assignment()]).await;
    let outcome = loop {
        let outcome = stream.finished("r-good.0").await.0;
        if outcome.phase != Phase::Succeeded {
            break outcome;
        }
    };
    assert!(outcome.phase == Phase::Refused && outcome.reason.as_deref().is_some_and(|reason| reason.starts_with("replay: ")), "{outcome:?}");
    assert_eq!(node.ran(), ["r-good.0", "r-secret.0", "r-anew.1"]);
    assert_eq!(play(&mut stream, &Case::new("r-more")).await, "");
    // The root's time is over.
    node.clock.store(hour(24 * 366).0, Ordering::Relaxed);
    let mut late = Case::new("r-late");
    (late.manifest.created_at, late.manifest.approve_by, late.manifest.expires_at) = (hour(1), hour(24 * 370), hour(24 * 370));
    late.sign(&["ann", "bob", "carol"]);
    let reason = play(&mut stream, &late).await;
    assert!(reason.starts_with("trust: root-expired: "), "{reason}");
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_observes_reports_what_it_would_refuse() {
    let mut hub = hub_with(&[&root()]).await;
    let mut node = Node::new(&hub, TrustMode::Observe, &root());
    let mut stream = node.start(&mut hub).await;
    assert_eq!(play(&mut stream, &Case::new("r-good")).await, "");
    for (n, (what, name, change)) in FORGED.iter().enumerate() {
        let mut case = Case::new(&format!("r{n}"));
        change(&mut case);
        assert_eq!(play(&mut stream, &case).await, "", "{what}");
        assert_eq!(node.ran_last(), case.task(), "{what}");
        let alarm = stream.alarm().await;
        assert_eq!(about(&alarm), ("trust", *name, case.task().as_str()), "{what}: {}", alarm.message);
        assert!(!alarm.message.is_empty());
    }
    for (n, (what, name, change)) in REFUSED_ANYWAY.iter().enumerate() {
        let mut case = Case::new(&format!("s{n}"));
        change(&mut case);
        assert!(play(&mut stream, &case).await.starts_with(&format!("{name}: ")), "{what}");
    }
    assert_eq!(stream.alarms().await, []);
    node.stop().await;
}

#[tokio::test]
async fn a_node_without_trust_believes_the_server_as_before() {
    let mut hub = hub_with(&[&root()]).await;
    let mut node = Node::new(&hub, TrustMode::Off, &root());
    let mut stream = node.start(&mut hub).await;
    assert_eq!((stream.hello.trust.as_str(), stream.hello.trust_root.as_str(), stream.hello.trust_version), ("off", "", 0));
    let mut forged = Case::new("r1");
    forged.signed.clear();
    assert_eq!(play(&mut stream, &forged).await, "");
    assert_eq!(play(&mut stream, &Case::break_glass("r2", "ann", "ann")).await, "");
    assert_eq!(stream.alarms().await, []);
    assert!(!node.file("roots.json").exists() && !node.file("break-glass.json").exists());
    node.stop().await;
}

#[tokio::test]
async fn break_glass_is_bounded_by_the_day_and_the_bound_survives() {
    let mut hub = hub_with(&[&root()]).await;
    let mut node = Node::new(&hub, TrustMode::Enforce, &root());
    let mut stream = node.start(&mut hub).await;
    let alone = |run: &str| Case::break_glass(run, "ann", "ann");
    assert_eq!(play(&mut stream, &alone("r1")).await, "");
    // What is refused does not count, and what was seen before does not begin.
    assert!(play(&mut stream, &Case::break_glass("r-no", "bob", "bob")).await.starts_with("trust: break-glass: "));
    let again = |run: &str| Case::again(run).by_break_glass("ann", "ann");
    assert!(play(&mut stream, &again("r1")).await.starts_with("replay: "));
    assert_eq!(play(&mut stream, &alone("r2")).await, "");
    let mut stream = node.restart(&mut hub).await;
    let reason = play(&mut stream, &alone("r3")).await;
    assert!(reason.starts_with("trust: break-glass: ") && reason.contains("used 2 times today"), "{reason}");
    // Nor does the id of a run that was counted open it once more.
    let reason = play(&mut stream, &again("r2")).await;
    assert!(reason.starts_with("trust: break-glass: ") && reason.contains("used 2 times today"), "{reason}");
    assert_eq!(node.ran(), ["r1.0", "r2.0"]);
    // The next day.
    node.clock.store(hour(24).0, Ordering::Relaxed);
    assert_eq!(play(&mut stream, &alone("r4")).await, "");
    // Where it cannot be counted, it is not begun.
    std::fs::remove_dir_all(node.file("")).unwrap();
    assert!(play(&mut stream, &alone("r5")).await.contains("cannot be counted"));
    assert_eq!(node.ran(), ["r1.0", "r2.0", "r4.0"]);
    node.stop().await;
}

/// The node's public key, as the server knows it.
fn spki(node: &Node) -> Vec<u8> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(node.identity.certificate_pem().as_bytes()).unwrap();
    X509Certificate::from_der(&pem.contents).unwrap().1.public_key().raw.to_vec()
}

#[tokio::test]
async fn results_are_signed_once_and_for_all() {
    let mut hub = hub_with(&[&root()]).await;
    let mut node = Node::new(&hub, TrustMode::Enforce, &root());
    let mut stream = node.start(&mut hub).await;
    let key = spki(&node);
    let read = |signed: &[u8]| result::verify(&Envelope::read(signed).unwrap(), &key).unwrap();
    let (good, mut bad) = (Case::new("r-good"), Case::new("r-bad"));
    bad.signed.clear();
    stream.assign(vec![good.assignment(), bad.assignment()]).await;
    let (first, refused) = (stream.result("r-good.0").await.signed_result, stream.result("r-bad.0").await.signed_result);
    for (case, signed, phase) in [(&good, &first, Phase::Succeeded), (&bad, &refused, Phase::Refused)] {
        let said = read(signed);
        assert_eq!(result::about(&said, &case.manifest, &case.assignment().digest, 0, &this_node()), Ok(()));
        assert_eq!(said.phase, phase);
    }
    // Sent again, in the same stream, the next one and by the next process: the same bytes.
    stream.assign(vec![good.assignment()]).await;
    assert_eq!(stream.result("r-good.0").await.signed_result, first);
    drop(stream);
    let mut stream = hub.accept().await;
    assert_eq!(stream.result("r-good.0").await.signed_result, first);
    let mut stream = node.restart(&mut hub).await;
    assert_eq!((stream.result("r-good.0").await.signed_result, stream.result("r-bad.0").await.signed_result), (first, refused));

    // No second result of what was carried out: not as a replay, not under another name, not by a broken package.
    stream.ack("r-good.0").await;
    let mut renamed = good.assignment();
    renamed.task = "r-good.1".into();
    let mut broken = good.assignment();
    broken.task = "r-good.2".into();
    broken.approvals_json = "[]".into();
    stream.assign(vec![renamed, broken]).await;
    for task in ["r-good.1", "r-good.2"] {
        let result = stream.result(task).await;
        assert!(result.outcome_json.contains("refused") && result.signed_result.is_empty(), "{}", result.outcome_json);
    }
    // And what was refused and signed for is not carried out later.
    let mut renamed = Case::new("r-bad").assignment();
    renamed.task = "r-bad.2".into();
    assert_refused(&mut stream, renamed, "malformed: ").await;
    stream.ack("r-bad.0").await;
    assert_refused(&mut stream, Case::new("r-bad").assignment(), "replay: ").await;
    assert_refused(&mut stream, Case::again("r-bad").assignment(), "replay: ").await;
    node.stop().await;

    // A crash: begun, never ended.
    let lost = Case::new("r-lost").assignment();
    node.journal().begin("r-lost.0", &lost.digest, hour(49)).await.unwrap();
    let mut stream = node.start(&mut hub).await;
    let signed = stream.result("r-lost.0").await.signed_result;
    assert_eq!((read(&signed).phase, read(&signed).digest), (Phase::Lost, lost.digest));
    let mut stream = node.restart(&mut hub).await;
    assert_eq!(stream.result("r-lost.0").await.signed_result, signed);
    node.stop().await;
}
