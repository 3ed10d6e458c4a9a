//! Tests of bundles: a good one, and every part of it changed.

use super::*;
use crate::audit::NoteSigner;
use crate::testing::{self, Signer, doc, hour, manifest as sample, result as went_well, root_json, signed_root, signer};
use serde_json::json;

fn judged(change: impl FnOnce(&mut Bundle)) -> Report {
    let (mut bundle, pinned, log, now) = testing::bundle();
    change(&mut bundle);
    verify_bundle(&bundle, &pinned, &log, now)
}

fn failed(change: impl FnOnce(&mut Bundle)) -> Vec<String> {
    let report = judged(change);
    assert_eq!(report.ok(), report.checks.iter().all(|c| c.ok));
    report.checks.into_iter().filter(|c| !c.ok).map(|c| format!("{}: {}", c.what, c.why)).collect()
}

fn next_root() -> Value {
    let mut next = root_json();
    next["version"] = json!(2);
    next["previous"] = json!(doc(&root_json()).seal().1);
    next["createdAt"] = json!(hour(10));
    next
}

#[test]
fn a_good_bundle_is_good_throughout() {
    let report = judged(|_| {});
    assert!(report.ok(), "{report:#?}");
    let what: Vec<&str> = report.checks.iter().map(|c| c.what.as_str()).collect();
    assert_eq!(what[..3], ["trust root", "manifest", "log"]);
    assert!(what.contains(&"agreement by shop") && what.contains(&"result of web-2") && what.contains(&"nodes"), "{what:?}");
    let (bundle, ..) = testing::bundle();
    assert_eq!(Bundle::read(&serde_json::to_vec_pretty(&bundle).unwrap()), Ok(bundle));
    assert!(!Report::default().ok());
}

#[test]
fn every_part_matters() {
    type Change = Box<dyn FnOnce(&mut Bundle)>;
    let cases: Vec<(&str, &str, Change)> = vec![
        ("trust root", "no root at all", Box::new(|b| b.roots.clear())),
        ("trust root", "is pinned here", Box::new(|b| b.roots = vec![signed_root(&next_root(), &[&signer("ann"), &signer("bob")])])),
        ("trust root", "1 of 2", Box::new(|b| b.roots = vec![signed_root(&root_json(), &[&signer("ann")])])),
        ("manifest", "not sha256:00", Box::new(|b| b.digest = "sha256:00".into())),
        ("manifest", "it is of run", Box::new(|b| b.run = "other".into())),
        ("manifest", "its bytes have the digest", Box::new(|b| b.manifest = strict::to_base64(b"{}"))),
        (
            "log",
            "not signed by log.example.com",
            Box::new(|b| b.checkpoint = NoteSigner::from_seed("log.example.com", &[4; 32]).unwrap().sign(19, &[0; 32])),
        ),
        ("log", "does not fit", Box::new(|b| b.checkpoint = b.checkpoint.replace("\n19\n", "\n20\n"))),
        ("event synod.run.approved", "does not lead", Box::new(|b| b.events[3].event["actor"] = json!("user:mallory"))),
        ("event synod.run.approved", "does not lead", Box::new(|b| b.events[3].index = 4)),
        ("event synod.run.approved", "does not lead", Box::new(|b| drop(b.events[3].proof.pop()))),
        ("event synod.node.joined", "twice", Box::new(|b| b.events[1] = b.events[0].clone())),
        ("nodes", "web-9", Box::new(|b| b.nodes[1].name = "web-9".into())),
        ("nodes", "web-1 at 0", Box::new(|b| b.nodes[1].index = 0)),
        ("nodes", "twice", Box::new(|b| b.nodes[1] = b.nodes[0].clone())),
        ("nodes", "none is shown", Box::new(|b| b.nodes.clear())),
        ("result", "does not fit the result", Box::new(|b| b.results[0].envelope.signatures[0].sig = b.results[1].envelope.signatures[0].sig.clone())),
        ("result", "names the key", Box::new(|b| b.results[0].spki = b.results[1].spki.clone())),
        ("result of web-0", "another result", Box::new(|b| b.results[1] = b.results[0].clone())),
        ("result of web-2", "no logged event", Box::new(|b| drop(b.events.remove(2)))),
        (
            "result of web-0",
            "no logged event",
            Box::new(|b| {
                // The server signs a result itself, with a key of its own.
                let forger = Signer::p256("forger");
                let spki = forger.public().to_spki();
                let statement = went_well(&sample(), 0);
                b.results[0] = NodeResult { envelope: statement.signed(&spki, &forger.bare(&statement.to_be_signed())), spki: strict::to_base64(&spki) };
            }),
        ),
        ("story", "lacks the event", Box::new(|b| drop(b.events.remove(3)))),
        ("results", "web-0 signed `succeeded`, and the log tells of `failed`", Box::new(|b| b.events[4].event["data"]["phase"] = json!("failed"))),
        ("agreement by shop", "not enough people", Box::new(|b| drop(b.approvals.pop()))),
        ("agreement by shop", "not enough people", Box::new(|b| b.approvals[1] = b.approvals[0].clone())),
        ("agreement by shop", "does not count", Box::new(|b| b.approvals[1].signatures[0].sig = b.approvals[0].signatures[0].sig.clone())),
    ];
    for (what, words, change) in cases {
        let found = failed(change);
        assert!(found.iter().any(|f| f.starts_with(&format!("{what}: ")) && f.contains(words)), "wanted {what}: {words}; got {found:#?}");
    }
}

#[test]
fn a_result_that_is_withheld_is_told_of() {
    let report = judged(|b| drop(b.results.remove(0)));
    let results = report.checks.iter().find(|check| check.what == "results").unwrap();
    assert!(results.ok && results.why.contains("no node vouches: web-0 (succeeded)"), "{results:?}");
}

#[test]
fn later_roots_do_not_unmake_what_was_agreed_unless_a_key_was_lost_before() {
    let rotated = |at: i64| {
        let mut next = next_root();
        let fresh = Signer::ed25519("ann's new");
        next["principals"][0]["keys"] = json!([fresh.spec()]);
        next["revoked"] = json!([{"key": signer("ann").key().id(), "at": hour(at), "reason": "lost"}]);
        signed_root(&next, &[&signer("ann"), &signer("bob"), &fresh])
    };
    assert_eq!(failed(|b| b.roots.push(rotated(9))), [""; 0]);
    let found = failed(|b| b.roots.push(rotated(2)));
    assert!(found.iter().any(|f| f.contains("was revoked at")), "{found:?}");
}

#[test]
fn files_are_read_strictly() {
    let (bundle, ..) = testing::bundle();
    let text = serde_json::to_string(&bundle).unwrap();
    for (from, to, words) in [
        ("\"version\":1", "\"version\":2", "version 2"),
        ("\"version\":1", "\"version\":1,\"version\":1", "stands twice"),
        ("\"version\":1", "\"version\":1,\"extra\":1", "unknown field"),
        ("\"version\":1,", "", "missing field"),
    ] {
        let bent = text.replacen(from, to, 1);
        let error = Bundle::read(bent.as_bytes()).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
