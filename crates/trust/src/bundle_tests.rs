//! Tests of bundles: a good one, and every part of it changed.

use super::*;
use crate::audit::NoteSigner;
use crate::testing::{self, After, Signer, doc, hour, manifest as sample, result as went_well, root_json, signed_root, signer};
use serde_json::json;

fn judged(change: impl FnOnce(&mut Bundle)) -> Report {
    judged_of(|_| {}, change)
}

/// Judges a bundle of another log, whose events are all proven.
fn judged_of(log: impl FnOnce(&mut Vec<Value>), change: impl FnOnce(&mut Bundle)) -> Report {
    let (mut bundle, pinned, key, now) = testing::bundle_of(log);
    change(&mut bundle);
    verify_bundle(&bundle, &pinned, &key, now)
}

fn failures(report: Report) -> Vec<String> {
    report.checks.into_iter().filter(|c| !c.ok).map(|c| format!("{}: {}", c.what, c.why)).collect()
}

/// The place of the first event of a type.
fn at(bundle: &Bundle, kind: &str) -> usize {
    bundle.events.iter().position(|logged| logged.event["type"] == kind).unwrap()
}

fn without(kind: &'static str) -> Box<dyn FnOnce(&mut Bundle)> {
    Box::new(move |b| drop(b.events.remove(at(b, kind))))
}

fn failed(change: impl FnOnce(&mut Bundle)) -> Vec<String> {
    let report = judged(change);
    assert_eq!(report.ok(), report.checks.iter().all(|c| c.ok));
    failures(report)
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
            Box::new(|b| b.checkpoint = NoteSigner::from_seed("log.example.com", &[4; 32]).unwrap().sign(20, &[0; 32])),
        ),
        ("log", "does not fit", Box::new(|b| b.checkpoint = b.checkpoint.replace("\n20\n", "\n21\n"))),
        ("event synod.run.approved", "does not lead", Box::new(|b| b.events[8].event["actor"] = json!("user:mallory"))),
        ("event synod.run.approved", "does not lead", Box::new(|b| b.events[8].index = 9)),
        ("event synod.run.approved", "does not lead", Box::new(|b| drop(b.events[8].proof.pop()))),
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
        ("story", "lacks the event by which the run was requested", without(types::RUN_REQUESTED)),
        ("story", "lacks the event by which the run was approved", without(types::RUN_APPROVED)),
        ("story", "lacks the event by which the run was started", without(types::RUN_STARTED)),
        ("story", "says that the run is succeeded, and by the events in it the run is running", without(types::RUN_SUCCEEDED)),
        ("story", "says that the run is failed, and by the events in it the run is succeeded", Box::new(|b| b.phase = Phase::Failed)),
        ("decision of ann", "not on record", without(types::APPROVAL_GIVEN)),
        ("agreement", "version 1 of the trust root was published", without(types::TRUST_ROOT_PUBLISHED)),
        ("results", "lacks the events by which these ended: web-0", without(types::TASK_ENDED)),
        ("results", "web-0 signed `succeeded`, and the log tells of `failed`", Box::new(|b| b.events[10].event["data"]["phase"] = json!("failed"))),
        ("agreement by shop", "not enough people", Box::new(|b| drop(b.approvals.pop()))),
        ("agreement by shop", "not enough people", Box::new(|b| b.approvals[1] = b.approvals[0].clone())),
        ("agreement by shop", "does not count", Box::new(|b| b.approvals[1].signatures[0].sig = b.approvals[0].signatures[0].sig.clone())),
    ];
    for (what, words, change) in cases {
        let found = failed(change);
        assert!(found.iter().any(|f| f.starts_with(&format!("{what}: ")) && f.contains(words)), "wanted {what}: {words}; got {found:#?}");
    }
}

/// A thief with the whole server logs a key of their own as a node's, and signs its result.
fn forged(log: impl Fn(&mut Vec<Value>, String), shown: Option<usize>) -> Report {
    let forger = Signer::p256("forger");
    let spki = forger.public().to_spki();
    let change = |all: &mut Vec<Value>| log(all, result::key_id(&spki));
    let more = shown.map(|place| testing::logged(place, change));
    judged_of(change, |b| {
        let statement = went_well(&sample(), 0);
        b.results[0] = NodeResult { envelope: statement.signed(&spki, &forger.bare(&statement.to_be_signed())), spki: strict::to_base64(&spki) };
        b.events.extend(more);
    })
}

#[test]
fn a_node_has_one_key() {
    let words = |report: Report| failures(report).join("\n");
    let joined = |event: &mut Value, key: &str| {
        event["type"] = json!(types::NODE_RENEWED);
        event["data"] = json!({"id": "id-0", "key": key});
    };
    // Logged once there was something to sign.
    let found = words(forged(|all, key| joined(&mut all[14], &key), Some(14)));
    assert!(found.contains("result of web-0: its key was logged at leaf 14, after the run was approved at leaf 8"), "{found}");
    // Logged before, beside the true one; whichever of them signed.
    let second = |all: &mut Vec<Value>, key: String| {
        all.insert(3, all[0].clone());
        all.pop();
        joined(&mut all[3], &key);
    };
    let found = words(forged(second, Some(14)));
    assert!(found.contains("result of web-0: signed by") && found.contains("and at leaf 0 the log names another key of this node"), "{found}");
    let last = testing::logged(14, |all| second(all, "sha256:00".into()));
    let found = words(judged_of(|all| second(all, "sha256:00".into()), |b| b.events.push(last)));
    assert!(found.contains("result of web-0: signed by") && found.contains("and at leaf 3 the log names another key of this node, sha256:00"), "{found}");
    // A key that is logged later takes nothing from what was signed before.
    let late = |all: &mut Vec<Value>| joined(&mut all[14], "sha256:00");
    let last = testing::logged(14, late);
    assert_eq!(words(judged_of(late, |b| b.events.push(last))), "");
    // Where the thief's evidence leaves the true key out, and the log has no other, it says that it cannot tell.
    let report = forged(|all, key| all[0]["data"]["key"] = json!(key), None);
    assert!(report.ok() && report.unproven.iter().any(|words| words.contains("could have logged a key of their own")), "{report:?}");
}

#[test]
fn a_result_that_is_withheld_is_told_of() {
    let report = judged(|b| drop(b.results.remove(0)));
    let results = report.checks.iter().find(|check| check.what == "results").unwrap();
    assert!(results.ok && results.why.contains("no node vouches: web-0 (succeeded)"), "{results:?}");
}

/// The root after the first, in which ann's key is revoked since some hour; and the event of its publication.
fn rotated(since: i64) -> (Envelope, Value) {
    let mut next = next_root();
    let fresh = Signer::ed25519("ann's new");
    next["principals"][0]["keys"] = json!([fresh.spec()]);
    next["revoked"] = json!([{"key": signer("ann").key().id(), "at": hour(since), "reason": "lost"}]);
    let digest = doc(&next).seal().1;
    (signed_root(&next, &[&signer("ann"), &signer("bob"), &fresh]), json!({"version": 2, "digest": digest}))
}

/// Publishes the next root at a place of the log, instead of what stood there.
fn published(all: &mut [Value], at: usize, data: Value) {
    all[at]["type"] = json!(types::TRUST_ROOT_PUBLISHED);
    all[at]["data"] = data;
}

#[test]
fn later_roots_do_not_unmake_what_was_agreed_unless_a_key_was_lost_before() {
    // The 15th event comes after the run; the bundle shows it too.
    let later = |since: i64, shown: bool| {
        let (envelope, data) = rotated(since);
        let last = testing::logged(14, |all| published(all, 14, data.clone()));
        failures(judged_of(
            |all| published(all, 14, data.clone()),
            |b| {
                b.roots.push(envelope);
                if shown {
                    b.events.push(last);
                }
            },
        ))
    };
    assert_eq!(later(9, true), [""; 0]);
    let found = later(2, true);
    assert!(found.iter().any(|f| f.contains("was revoked at")), "{found:?}");
    let found = later(9, false);
    assert!(found.iter().any(|f| f.contains("by which version 2 of the trust root was published")), "{found:?}");
}

#[test]
fn the_log_says_which_root_was_in_force() {
    // Published before the run began, whatever its holders wrote about when it was made.
    let (envelope, data) = rotated(9);
    let found = failures(judged_of(
        |all| {
            let root = all[3].clone();
            all[2] = root;
            published(all, 3, data);
        },
        |b| b.roots.push(envelope),
    ));
    assert!(found.iter().any(|f| f.starts_with("agreement by shop: ") && f.contains("was revoked")), "{found:?}");
    // The pinned root itself came later.
    let found = failures(judged_of(|all| all.swap(3, 13), |_| {}));
    assert!(found.iter().any(|f| f.contains("no root of the bundle was published before leaf 9")), "{found:?}");
}

#[test]
fn what_the_log_tells_must_fit_together() {
    type Change = Box<dyn FnOnce(&mut Vec<Value>)>;
    let kind = |n: usize, kind: &'static str| -> Change { Box::new(move |all| all[n]["type"] = json!(kind)) };
    let cases: Vec<(&str, &str, Change)> = vec![
        ("story", "tells twice that the run was approved", kind(9, types::RUN_APPROVED)),
        ("story", "two ends", kind(12, types::RUN_FAILED)),
        ("story", "started at leaf 13, and succeeded before that, at leaf 9", Box::new(|all| all.swap(9, 13))),
        ("story", "requested at leaf 8, and approved before that, at leaf 4", Box::new(|all| all.swap(4, 8))),
        ("decision of carol", "recorded at leaf 8, after what it should have led to", Box::new(|all| all.swap(7, 8))),
        ("decision of bob", "not on record", Box::new(|all| all[6]["actor"] = json!("user:dan"))),
        ("decision of bob", "not on record", Box::new(|all| all[6]["data"]["decision"] = json!("reject"))),
        ("decision of bob", "not on record", Box::new(|all| all[6]["data"]["key"] = json!(signer("dan").key().id()))),
        ("decision of bob", "recorded before that", Box::new(|all| all[6]["time"] = json!(hour(1)))),
        ("decision of bob", "after the time for it was over", Box::new(|all| all[6]["time"] = json!(hour(26)))),
        ("event synod.run.started", "no time", Box::new(|all| all[9]["time"] = json!("noon"))),
        ("agreement by shop", "in the future", Box::new(|all| all[9]["time"] = json!(hour(1)))),
        ("agreement by shop", "expired", Box::new(|all| all[9]["time"] = json!(hour(50)))),
    ];
    for (what, words, change) in cases {
        let found = failures(judged_of(change, |_| {}));
        assert!(found.iter().any(|f| f.starts_with(&format!("{what}: ")) && f.contains(words)), "wanted {what}: {words}; got {found:#?}");
    }
}

#[test]
fn a_lost_key_does_not_count_by_a_time_its_thief_wrote() {
    // Signed "at two", recorded at three; the key is lost since half past two.
    let since = Timestamp(i64::midpoint(hour(2).0, hour(3).0));
    let mut next = next_root();
    let fresh = Signer::ed25519("ann's new");
    next["principals"][0]["keys"] = json!([fresh.spec()]);
    next["revoked"] = json!([{"key": signer("ann").key().id(), "at": since, "reason": "lost"}]);
    let data = json!({"version": 2, "digest": doc(&next).seal().1});
    let envelope = signed_root(&next, &[&signer("ann"), &signer("bob"), &fresh]);
    let with = |recorded: i64| {
        let change = |all: &mut Vec<Value>| {
            all[5]["time"] = json!(hour(recorded));
            published(all, 14, data.clone());
        };
        let last = testing::logged(14, change);
        failures(judged_of(change, |b| {
            b.roots.push(envelope.clone());
            b.events.push(last);
        }))
    };
    assert_eq!(with(2), [""; 0]);
    assert!(with(3).iter().any(|f| f.contains("was revoked at")));
}

#[test]
fn nor_does_it_ratify() {
    // All three ratified at four. Bob's key turns out to have been lost since some hour, in a root that came after.
    let lost = |since: i64| {
        let mut next = next_root();
        let fresh = Signer::p256("bob's new");
        next["principals"][1]["keys"] = json!([fresh.spec()]);
        next["revoked"] = json!([{"key": signer("bob").key().id(), "at": hour(since), "reason": "lost"}]);
        let data = json!({"version": 2, "digest": doc(&next).seal().1});
        let change = |all: &mut Vec<Value>| published(all, 17, data.clone());
        let mut all = testing::break_glass_events(After::Ratified);
        change(&mut all);
        let (mut bundle, pinned, key, now) = testing::break_glass_bundle_of(After::Ratified, change);
        bundle.roots.push(signed_root(&next, &[&signer("ann"), &signer("carol"), &fresh]));
        bundle.events.push(testing::logged_among(&all, 17));
        failures(verify_bundle(&bundle, &pinned, &key, now))
    };
    assert_eq!(lost(5), [""; 0]);
    let found = lost(4);
    assert!(found.len() == 1 && found[0].starts_with("after the fact: not ratified: ") && found[0].contains("was revoked at"), "{found:?}");
}

#[test]
fn whose_a_decision_is_must_be_known_even_where_it_led_to_nothing() {
    // Nobody judges by how many it was ratified, since an incident was recorded; and nobody judges a run that was given up.
    let (glass, pinned, key, now) = testing::break_glass_bundle(After::Incident);
    let judge = |change: &dyn Fn(&mut Envelope)| {
        let mut bundle = glass.clone();
        change(&mut bundle.ratifications[0]);
        failures(verify_bundle(&bundle, &pinned, &key, now))
    };
    assert_eq!(judge(&|_| {}), [""; 0]);
    let other = glass.approvals[0].signatures[0].sig.clone();
    let found = judge(&move |envelope| envelope.signatures[0].sig = other.clone());
    assert!(found.len() == 1 && found[0].starts_with("ratification of bob: ") && found[0].contains("does not count"), "{found:?}");
    let found = judge(&|envelope| envelope.payload = strict::to_base64(b"{}"));
    assert!(found.len() == 1 && found[0].starts_with("ratification: "), "{found:?}");
    let given_up = |change: &dyn Fn(&mut Bundle)| {
        let (mut bundle, pinned, key, now) = testing::bundle_of(|all| {
            all[8]["type"] = json!(types::RUN_CANCELLED);
            all[9..14].iter_mut().for_each(|event| event["type"] = json!(types::USER_CREATED));
        });
        bundle.phase = Phase::Cancelled;
        bundle.results.clear();
        bundle.events.truncate(9);
        change(&mut bundle);
        failures(verify_bundle(&bundle, &pinned, &key, now))
    };
    assert_eq!(given_up(&|_| {}), [""; 0]);
    let found = given_up(&|b| b.approvals[0].signatures[0].sig = b.approvals[1].signatures[0].sig.clone());
    assert!(found.len() == 1 && found[0].starts_with("decision of ann: "), "{found:?}");
}

#[test]
fn what_is_not_proven_is_said() {
    let report = judged(|_| {});
    assert!(report.unproven.iter().any(|words| words == INCOMPLETE) && report.unproven.iter().any(|words| words == TIMES), "{:?}", report.unproven);
    assert!(report.unproven.iter().any(|words| words.contains("version 1 of the trust root is the newest")));
    // A decision that is on record and not shown: somebody's no, perhaps.
    let report = judged_of(
        |all| {
            all[7]["actor"] = json!("user:eve");
            all[7]["data"]["decision"] = json!("reject");
        },
        |b| drop(b.approvals.pop()),
    );
    assert!(report.unproven.iter().any(|words| words.contains("what eve said: leaf 7 tells of a decision (`reject`)")), "{:?}", report.unproven);
    let report = judged(|b| drop(b.nodes.pop()));
    assert!(report.unproven.iter().any(|words| words.contains("what 1 nodes did")), "{:?}", report.unproven);
}

#[test]
fn a_copy_of_the_whole_log_shows_what_was_left_out() {
    let (bundle, ..) = testing::bundle();
    let whole = |change: &dyn Fn(&mut Vec<Value>), dropped: Option<usize>| {
        let mut log = WholeLog::default();
        let mut all = testing::logged_events();
        change(&mut all);
        for (n, event) in all.iter().enumerate() {
            let event: synod_domain::event::Event = serde_json::from_value(event.clone()).unwrap();
            log.take(&bundle.run, (dropped != Some(n)).then_some(&event));
        }
        log
    };
    let compared = |bundle: &Bundle, size: u64, log: &WholeLog| {
        let mut report = Report { unproven: vec![INCOMPLETE.to_owned()], ..Report::default() };
        compare(bundle, size, 1, log, &mut report);
        report
    };
    let report = compared(&bundle, 20, &whole(&|_| {}, None));
    assert!(report.ok() && report.unproven.is_empty(), "{report:?}");
    let report = compared(&bundle, 20, &whole(&|_| {}, Some(19)));
    assert!(report.ok() && report.unproven == [INCOMPLETE] && report.checks[0].why.contains("only the hashes"), "{report:?}");
    let more = |all: &mut Vec<Value>| {
        all[16]["run"] = json!(bundle.run);
        all[16]["type"] = json!(types::TASK_CONTRADICTED);
    };
    let found = failures(compared(&bundle, 20, &whole(&more, None)));
    assert!(found[0].contains("leaves out: synod.task.contradicted at leaf 16"), "{found:?}");
    let report = compared(&bundle, 15, &whole(&more, None));
    assert!(report.ok() && report.unproven.len() == 1 && report.unproven[0].contains("synod.task.contradicted at leaf 16 since"), "{report:?}");
    // Which key was left out.
    let second = |place: usize| {
        whole(
            &move |all| {
                all[place]["type"] = json!(types::NODE_JOINED);
                all[place]["data"] = json!({"id": "id-1", "key": "sha256:00"});
            },
            None,
        )
    };
    let found = failures(compared(&bundle, 20, &second(3))).join("; ");
    assert!(found.contains("node keys: the log names two keys of one node: web-1: ") && found.contains("sha256:00 at leaf 3"), "{found}");
    assert_eq!(failures(compared(&bundle, 20, &second(15))), [""; 0], "a key that came later signed nothing of this run");
    let found = failures(compared(&bundle, 20, &whole(&|all| published(all, 15, json!({"version": 2})), None)));
    assert!(found[0].contains("version 2 of the trust root was published at leaf 15"), "{found:?}");
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
