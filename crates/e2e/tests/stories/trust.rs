//! Signed consensus: people sign, the server asks for what nodes will want to see, and nodes believe nobody else.

use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::run::{Phase, Ratification};
use synod_domain::{Span, task};
use synod_e2e::consensus::*;
use synod_e2e::hostile::Hostile;
use synod_e2e::*;
use synod_protocol::agent::Hello;
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::http::client::Client;
use synod_protocol::http::run::{Run, RunRequest};
use synod_protocol::http::trust::{RootCheck, Trust};
use synod_trust::audit::VerifierKey;
use synod_trust::bundle::{Bundle, verify_bundle};
use synod_trust::strict;
use synod_trust::testing::{doc, signed_root};
use synod_worker::TrustMode;

stories! {
    what_people_signed_runs_and_can_be_verified_years_later
    decisions_must_be_signed_by_whoever_makes_them
    a_server_that_forgot_its_root_runs_nothing
    forged_approvals_run_nothing
    a_revoked_key_counts_no_more
    roots_follow_one_another
    one_may_go_ahead_alone_and_answers_for_it
    break_glass_is_bounded_when_it_is_signed
    an_incident_closes_what_nobody_ratifies
    a_ratification_that_counts_no_more_is_left_out
    nobody_starts_alone_what_they_wrote
    a_root_that_asks_for_less_lets_pending_runs_begin
    a_decision_signed_ahead_counts_on_a_node_that_is_behind
    a_root_published_elsewhere_is_told_before_what_begins_by_it
    nodes_that_only_observe_say_what_they_would_refuse
    nodes_without_a_rule_are_told_of_beforehand
    a_rewritten_log_stops_the_fleet
}

async fn shop(h: &Harness) -> String {
    h.shop("bob:approver carol:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    h.apply(vec![binding(Some("shop"), "approver", "alice")]).await;
    h.publish(&h.root_json(1, None), &["alice", "bob"]).await.unwrap().digest
}

async fn asked(h: &Harness) -> Run {
    request(&h.client("dave").await, &ask("t", json!({}))).await.unwrap()
}

async fn refused_for(h: &Harness, run: &Run, words: &str) {
    let task = task_in(&h.client("dave").await, &run.summary.id, task::Phase::Refused).await;
    assert!(task.reason.contains(words), "{}", task.reason);
    assert!(task.started_at.is_none());
}

async fn bundle(who: &Client, run: &Run) -> (Bundle, VerifierKey) {
    // The log holds the run's last events within moments.
    let path = format!("{API}/runs/{}/bundle", run.summary.id);
    let bundle = until("the run in the audit log", async || who.get(&path).await.ok()).await;
    let trust: Trust = who.get(&format!("{API}/trust")).await.unwrap();
    (bundle, trust.log_key.trim_end().parse().unwrap())
}

async fn what_people_signed_runs_and_can_be_verified_years_later(h: Harness) {
    let pinned = shop(&h).await;
    let _agents = [h.judging("web-1", TrustMode::Enforce, &pinned, None).await, h.judging("web-2", TrustMode::Enforce, &pinned, None).await];
    let run = asked(&h).await;
    let signing = run.signing.clone().unwrap();
    assert_eq!((signing.root_version, signing.rules.iter().map(|rule| rule.missing).max()), (1, Some(2)));
    let run = sign(&h, "bob", &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Pending, "the template asks for one, the root for two");
    sign(&h, "carol", &run).await.unwrap();
    let dave = h.client("dave").await;
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Succeeded);
    assert!(done.approvals.iter().all(|given| given.counts && given.key.is_some()));
    let (whole, log) = bundle(&h.client("alice").await, &done).await;
    let now = h.clock.now();
    let report = verify_bundle(&whole, &pinned, &log, now);
    assert!(report.ok(), "{report:#?}");
    assert_eq!((whole.approvals.len(), whole.results.len(), whole.nodes.len()), (2, 2, 2));
    // A run of two years ago is judged by what held then.
    let report = verify_bundle(&whole, &pinned, &log, now.after(Span::secs(2 * 365 * 86_400)));
    assert!(report.ok(), "{report:#?}");
    // Whatever is changed in the file is found.
    let text = serde_json::to_value(&whole).unwrap();
    let changes: [(&str, Value); 5] = [
        ("/digest", json!("sha256:00")),
        ("/approvals", json!([text["approvals"][0]])),
        ("/results/0/envelope/payload", text["results"][1]["envelope"]["payload"].clone()),
        ("/events/1/event/actor", json!("user:mallory")),
        ("/nodes/0/name", json!("web-9")),
    ];
    for (place, value) in changes {
        let mut bent = text.clone();
        *bent.pointer_mut(place).unwrap() = value;
        let bent: Bundle = serde_json::from_value(bent).unwrap();
        assert!(!verify_bundle(&bent, &pinned, &log, now).ok(), "{place} was changed and not found");
    }
    // Whoever stole the database makes a success into a failure. It reads as well as before, but the node did not sign it.
    let (_, said) = synod_db::task::signed_of_run(&mut h.app().db.reader().await.unwrap(), &done.summary.id).await.unwrap().remove(0);
    let mut envelope: Value = serde_json::from_str(&said).unwrap();
    let payload = String::from_utf8(strict::from_base64(envelope["payload"].as_str().unwrap()).unwrap()).unwrap();
    let forged = payload.replacen("\"phase\":\"succeeded\"", "\"phase\":\"failed\"", 1);
    assert_ne!(payload, forged);
    envelope["payload"] = json!(strict::to_base64(forged.as_bytes()));
    h.sql(&format!("UPDATE results SET envelope = '{envelope}' WHERE run_id = '{}' AND envelope = '{said}'", done.summary.id)).await;
    let altered: Bundle = h.client("alice").await.get(&format!("{API}/runs/{}/bundle", done.summary.id)).await.unwrap();
    let report = verify_bundle(&altered, &pinned, &log, now);
    let wrong: Vec<&str> = report.checks.iter().filter(|check| !check.ok && check.what == "result").map(|check| check.why.as_str()).collect();
    assert!(matches!(wrong[..], [why] if why.contains("does not fit the result")), "{report:#?}");
}

async fn decisions_must_be_signed_by_whoever_makes_them(h: Harness) {
    shop(&h).await;
    let _agents = h.webs(1).await;
    let run = asked(&h).await;
    let bob = h.client("bob").await;
    refused(approve(&bob, &run).await, "SYN-4100");
    let other = asked(&h).await;
    let bad = [
        h.statement("carol", &run, |_| {}),
        h.statement("bob", &run, |said| said.person = "carol".into()),
        h.statement("bob", &other, |_| {}),
        h.statement("bob", &run, |said| said.comment = "other words".into()),
        h.statement("bob", &run, |said| said.decision = Decision::Reject),
        h.statement("bob", &run, |said| said.ratifies = true),
        h.statement("bob", &run, |said| said.digest = "sha256:00".into()),
        h.statement("bob", &run, |said| said.at = h.clock.now().after(Span::secs(3600))),
        h.statement("mallory", &run, |said| said.person = "bob".into()),
    ];
    for envelope in bad {
        refused(send(&bob, &run, Decision::Approve, envelope).await, "SYN-4101");
    }
    assert!(show(&bob, &run.summary.id).await.unwrap().approvals.is_empty());
    // A rejection is signed, too, and ends it.
    refused(reject(&bob, &run).await, "SYN-4100");
    let no = h.statement("bob", &run, |said| said.decision = Decision::Reject);
    assert_eq!(send(&bob, &run, Decision::Reject, no).await.unwrap().summary.phase, Phase::Rejected);
    // Where no rule of the root applies, nobody signs.
    h.apply(vec![template("u", json!({"targets": {"selector": "name=db-1"}}))]).await;
    let _db = h.simulated("db-1", &[]).await;
    let plain = request(&h.client("dave").await, &ask("u", json!({}))).await.unwrap();
    assert!(plain.signing.is_none());
    refused(send(&bob, &plain, Decision::Approve, h.statement("bob", &plain, |_| {})).await, "SYN-4101");
    assert_eq!(approve(&bob, &plain).await.unwrap().summary.phase, Phase::Running);
}

/// A thief of the database makes the server believe that no root was ever published.
async fn forget_the_root(h: &Harness) {
    h.sql("DELETE FROM trust_roots").await;
    h.apply(vec![json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": "bump"}, "spec": {"members": []}})]).await;
}

async fn a_server_that_forgot_its_root_runs_nothing(h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    forget_the_root(&h).await;
    let run = asked(&h).await;
    assert!(run.signing.is_none());
    approve(&h.client("bob").await, &run).await.unwrap();
    refused_for(&h, &run, "trust: unmet").await;
    h.event(&format!("&run={}", run.summary.id), "synod.task.refused").await;
}

async fn forged_approvals_run_nothing(h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    let later = h.clock.now().after(Span::secs(600));
    let dave = h.client("dave").await;
    let run = request(&dave, &RunRequest { not_before: Some(later), ..ask("t", json!({})) }).await.unwrap();
    sign(&h, "bob", &run).await.unwrap();
    // Bob's signature once more, under carol's name; and the server is told that it need not ask.
    let id = &run.summary.id;
    h.sql(&format!(
        "INSERT INTO approvals (run_id, person, decision, digest, comment, at, rules, signature)
         SELECT run_id, 'carol', decision, digest, comment, at, rules, signature FROM approvals WHERE run_id = '{id}'"
    ))
    .await;
    forget_the_root(&h).await;
    assert_eq!(approve(&h.client("alice").await, &run).await.unwrap().summary.phase, Phase::Approved);
    h.clock.shift(601_000);
    refused_for(&h, &run, "trust: unmet").await;
}

async fn a_revoked_key_counts_no_more(h: Harness) {
    let pinned = shop(&h).await;
    let agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    let later = h.clock.now().after(Span::secs(600));
    let dave = h.client("dave").await;
    let run = request(&dave, &RunRequest { not_before: Some(later), ..ask("t", json!({})) }).await.unwrap();
    sign(&h, "bob", &run).await.unwrap();
    assert_eq!(sign(&h, "carol", &run).await.unwrap().summary.phase, Phase::Approved);
    h.clock.shift(1000);
    let mut next = h.root_json(2, Some(&pinned));
    let carol = signer("carol");
    next["principals"][2]["keys"] = json!([signer("carol's new one").spec()]);
    next["revoked"] = json!([{"key": carol.key().id(), "at": h.clock.now(), "reason": "lost on a train"}]);
    let second = h.publish(&next, &["alice", "bob"]).await.unwrap();
    assert_eq!(second.version, 2);
    until("the node knows the new root", async || (h.connected("web-1").await.trust.version == 2).then_some(())).await;
    h.clock.shift(601_000);
    let end = ended(&dave, &run.summary.id).await;
    assert_eq!(end.summary.phase, Phase::Rejected, "{}", end.summary.message);
    agent.stop().await;
}

async fn roots_follow_one_another(h: Harness) {
    let first = shop(&h).await;
    let second = h.root_json(2, Some(&first));
    refused(h.publish(&second, &["alice"]).await, "SYN-4103");
    refused(h.publish(&second, &["alice", "mallory"]).await, "SYN-4103");
    refused(h.publish(&h.root_json(3, Some(&first)), &["alice", "bob"]).await, "SYN-4103");
    refused(h.publish(&h.root_json(2, Some("sha256:00")), &["alice", "bob"]).await, "SYN-4103");
    let mut fork = h.root_json(1, None);
    fork["threshold"] = json!(1);
    refused(h.publish(&fork, &["alice", "bob"]).await, "SYN-4103");
    assert_eq!(h.publish(&second, &["bob", "carol"]).await.unwrap().version, 2);
    let current = h.publish(&second, &["bob", "carol"]).await.unwrap();
    assert_eq!(current.version, 2, "the same again is no mistake");
    // The same words with another signer are the same root; one that was followed already is refused.
    refused(h.publish(&h.root_json(2, Some(&first)), &["alice", "carol"]).await, "SYN-4103");
    refused(
        h.client("dave")
            .await
            .post::<_, Value>(&format!("{API}/trust/roots"), &json!({"envelope": {"payloadType": "x", "payload": "", "signatures": []}}))
            .await,
        "SYN-2100",
    );
    // Nobody could meet this rule any more: the doctor says so before anybody signs.
    let mut lonely = h.root_json(3, Some(&current.digest));
    lonely["principals"] = json!([lonely["principals"][0]]);
    lonely["threshold"] = json!(1);
    lonely["breakGlass"] = json!([]);
    let check: RootCheck = h.client("alice").await.post(&format!("{API}/trust/check"), &json!({"document": lonely})).await.unwrap();
    assert!(check.findings.iter().any(|found| found.severity == "error" && found.about.contains("shop")), "{:?}", check.findings);
    assert!(!check.changes.is_empty());
    h.event("", "synod.trust.root_published").await;
}

async fn one_may_go_ahead_alone_and_answers_for_it(h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    let bob = h.client("bob").await;
    let alone = RunRequest { break_glass: Some(String::new()), ..ask("t", json!({})) };
    refused(request(&h.client("carol").await, &alone).await, "SYN-4105");
    refused(request(&bob, &RunRequest { break_glass: Some("day".into()), ..alone.clone() }).await, "SYN-4105");
    let run = request(&bob, &alone).await.unwrap();
    assert_eq!((run.summary.phase, run.summary.break_glass.as_deref()), (Phase::Pending, Some("night")));
    refused(sign(&h, "bob", &run).await, "SYN-4101");
    refused(sign(&h, "carol", &run).await, "SYN-4006");
    let signed = h.statement("bob", &run, |said| said.break_glass = true);
    send(&bob, &run, Decision::Approve, signed).await.unwrap();
    let done = ended(&bob, &run.summary.id).await;
    assert_eq!((done.summary.phase, done.summary.ratification), (Phase::Succeeded, Some(Ratification::Unratified)));
    h.event(&format!("&run={}", run.summary.id), "synod.run.break_glass").await;
    let trust: Trust = bob.get(&format!("{API}/trust")).await.unwrap();
    assert_eq!(trust.unratified, 1);
    // The quorum looks at it afterwards; bob is the requester and does not count.
    refused(ratify(&h, "bob", &done).await, "SYN-4101");
    assert_eq!(ratify(&h, "alice", &done).await.unwrap().summary.ratification, Some(Ratification::Unratified));
    refused(ratify(&h, "alice", &done).await, "SYN-4002");
    assert_eq!(ratify(&h, "carol", &done).await.unwrap().summary.ratification, Some(Ratification::Ratified));
    refused(ratify(&h, "carol", &done).await, "SYN-4106");
    let (whole, log) = bundle(&h.client("alice").await, &done).await;
    let report = verify_bundle(&whole, &pinned, &log, h.clock.now());
    assert!(report.ok(), "{report:#?}");
    assert!(report.unproven.iter().any(|words| words.starts_with("how often rule night was used that day")), "{:?}", report.unproven);
    // Twice a day, and no more.
    let second = request(&bob, &alone).await.unwrap();
    send(&bob, &second, Decision::Approve, h.statement("bob", &second, |said| said.break_glass = true)).await.unwrap();
    assert_eq!(ended(&bob, &second.summary.id).await.summary.phase, Phase::Succeeded);
    assert!(refused(request(&bob, &alone).await, "SYN-4105").detail.contains("2 is the most"));
}

async fn break_glass_is_bounded_when_it_is_signed(h: Harness) {
    shop(&h).await;
    let _agents = h.webs(1).await;
    let bob = h.client("bob").await;
    let alone = RunRequest { break_glass: Some("night".into()), ..ask("t", json!({})) };
    // All of them are asked for while the day's two are still to be had.
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(request(&bob, &alone).await.unwrap());
    }
    let start = async |run: &Run| send(&bob, run, Decision::Approve, h.statement("bob", run, |said| said.break_glass = true)).await;
    start(&runs[0]).await.unwrap();
    // Two at once, and one of them is too many.
    let (one, other) = tokio::join!(start(&runs[1]), start(&runs[2]));
    let (refusal, late) = if one.is_err() { (one, &runs[1]) } else { (other, &runs[2]) };
    let problem = refused(refusal, "SYN-4105");
    assert!(problem.detail.contains("used 2 times today") && problem.detail.contains("2 is the most"), "{}", problem.detail);
    let kept = show(&bob, &late.summary.id).await.unwrap();
    assert_eq!((kept.summary.phase, kept.approvals.len()), (Phase::Pending, 0), "what does not count is not kept");
    refused(start(late).await, "SYN-4105");
    for run in runs.iter().filter(|run| run.summary.id != late.summary.id) {
        assert_eq!(ended(&bob, &run.summary.id).await.summary.phase, Phase::Succeeded);
    }
    assert_eq!(h.events("&type=synod.run.break_glass").await.len(), 2);
}

async fn an_incident_closes_what_nobody_ratifies(h: Harness) {
    shop(&h).await;
    let _agents = h.webs(1).await;
    let bob = h.client("bob").await;
    let run = request(&bob, &RunRequest { break_glass: Some("night".into()), ..ask("t", json!({})) }).await.unwrap();
    send(&bob, &run, Decision::Approve, h.statement("bob", &run, |said| said.break_glass = true)).await.unwrap();
    let id = ended(&bob, &run.summary.id).await.summary.id;
    let path = format!("{API}/runs/{id}/incident");
    refused(bob.post::<_, Run>(&path, &json!({"reference": "INC-1"})).await, "SYN-4000");
    let carol = h.client("carol").await;
    refused(carol.post::<_, Run>(&path, &json!({"reference": " "})).await, "SYN-1001");
    let closed: Run = carol.post(&path, &json!({"reference": "INC-1", "comment": "a pager that did not ring"})).await.unwrap();
    assert_eq!(closed.summary.ratification, Some(Ratification::Incident));
    refused(ratify(&h, "carol", &closed).await, "SYN-4106");
    assert_eq!(h.event(&format!("&run={id}"), "synod.run.incident_recorded").await.data["reference"], "INC-1");
}

/// One who ratified loses the key before enough did: the others make it up, and the evidence holds.
async fn a_ratification_that_counts_no_more_is_left_out(h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    let bob = h.client("bob").await;
    let run = request(&bob, &RunRequest { break_glass: Some("night".into()), ..ask("t", json!({})) }).await.unwrap();
    send(&bob, &run, Decision::Approve, h.statement("bob", &run, |said| said.break_glass = true)).await.unwrap();
    let done = ended(&bob, &run.summary.id).await;
    assert_eq!(ratify(&h, "carol", &done).await.unwrap().summary.ratification, Some(Ratification::Unratified));
    h.clock.shift(1000);
    // From now on dave approves instead of carol.
    let mut next = h.root_json(2, Some(&pinned));
    next["principals"][2]["name"] = json!("dave");
    next["principals"][2]["keys"] = json!([signer("dave").spec()]);
    next["revoked"] = json!([{"key": signer("carol").key().id(), "at": h.clock.now(), "reason": "left"}]);
    h.publish(&next, &["alice", "bob"]).await.unwrap();
    h.apply(vec![binding(Some("shop"), "approver", "dave")]).await;
    assert_eq!(ratify(&h, "dave", &done).await.unwrap().summary.ratification, Some(Ratification::Unratified), "carol's counts no more");
    let ratified = ratify(&h, "alice", &done).await.unwrap();
    assert_eq!(ratified.summary.ratification, Some(Ratification::Ratified));
    let (whole, log) = bundle(&h.client("alice").await, &ratified).await;
    assert_eq!(whole.ratifications.len(), 2);
    let report = verify_bundle(&whole, &pinned, &log, h.clock.now());
    assert!(report.ok(), "{report:#?}");
    assert!(report.unproven.iter().any(|words| words.contains("what carol said")), "{:?}", report.unproven);
}

async fn nobody_starts_alone_what_they_wrote(h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    h.apply(vec![binding(Some("shop"), "administrator", "bob")]).await;
    let bob = h.client("bob").await;
    let own = json!({"documents": [template("own", json!({}))], "dryRun": false});
    let _: Value = bob.post(&format!("{API}/apply"), &own).await.unwrap();
    let alone = RunRequest { break_glass: Some("night".into()), ..ask("own", json!({})) };
    let problem = refused(request(&bob, &alone).await, "SYN-4105");
    assert!(problem.detail.contains("bob wrote this revision") && problem.detail.contains("authorMayStart"), "{}", problem.detail);
    // Once the root says that he may, the server and the node let him.
    let mut lax = h.root_json(2, Some(&pinned));
    lax["breakGlass"][0]["authorMayStart"] = json!(true);
    h.publish(&lax, &["alice", "bob"]).await.unwrap();
    let run = request(&bob, &alone).await.unwrap();
    send(&bob, &run, Decision::Approve, h.statement("bob", &run, |said| said.break_glass = true)).await.unwrap();
    assert_eq!(ended(&bob, &run.summary.id).await.summary.phase, Phase::Succeeded);
}

async fn a_root_that_asks_for_less_lets_pending_runs_begin(h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    let run = asked(&h).await;
    assert_eq!(sign(&h, "bob", &run).await.unwrap().summary.phase, Phase::Pending, "the root asks for two");
    let mut less = h.root_json(2, Some(&pinned));
    less["rules"][0]["approval"]["rules"][0]["count"] = json!(1);
    h.publish(&less, &["alice", "bob"]).await.unwrap();
    // Nobody does anything more.
    let done = ended(&h.client("dave").await, &run.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Succeeded, "{}", done.summary.message);
    let (whole, log) = bundle(&h.client("alice").await, &done).await;
    let report = verify_bundle(&whole, &pinned, &log, h.clock.now());
    assert!(report.ok(), "{report:#?}");
    let agreed = report.checks.iter().find(|check| check.what == "agreement by shop").unwrap();
    assert!(agreed.why.contains("by version 2 of the root"), "{agreed:?}");
}

async fn a_decision_signed_ahead_counts_on_a_node_that_is_behind(h: Harness) {
    let pinned = shop(&h).await;
    let clock = h.clock.clone();
    let behind = synod_worker::Clock::from_fn(move || synod_domain::Timestamp(clock.now().0 - 25_000));
    let trust = synod_worker::TrustOptions { mode: TrustMode::Enforce, root: Some(pinned.clone()), dir: None };
    let options = synod_worker::SessionOptions { clock: behind, trust, ..synod_worker::SessionOptions::default() };
    let identity = h.identity("web-1", &[("role", "web")]).await;
    let _agent = h.simulate_as(synod_worker::SimulatedAgent::new(identity, json!({"os": "simulated"}), options), "web-1");
    h.connected("web-1").await;
    let run = asked(&h).await;
    let bob = h.client("bob").await;
    let far = h.statement("bob", &run, |said| said.at = h.clock.now().after(Span::secs(40)));
    refused(send(&bob, &run, Decision::Approve, far).await, "SYN-4101");
    for name in ["bob", "carol"] {
        let ahead = h.statement(name, &run, |said| said.at = h.clock.now().after(Span::secs(25)));
        send(&h.client(name).await, &run, Decision::Approve, ahead).await.unwrap();
    }
    assert_eq!(ended(&bob, &run.summary.id).await.summary.phase, Phase::Succeeded);
}

async fn a_root_published_elsewhere_is_told_before_what_begins_by_it(h: Harness) {
    let pinned = shop(&h).await;
    let identity = h.identity("web-1", &[("role", "web")]).await;
    let hello = Hello { trust: "enforce".into(), trust_root: pinned.clone(), trust_version: 1, ..h.hello() };
    let mut stream = Hostile::greeted(&identity, hello).await;
    h.connected("web-1").await;
    let run = asked(&h).await;
    assert_eq!(sign(&h, "bob", &run).await.unwrap().summary.phase, Phase::Pending, "the root asks for two");
    // Another server publishes a root that asks for one. This one hears of it only by what it finds in the database.
    let mut less = h.root_json(2, Some(&pinned));
    less["rules"][0]["approval"]["rules"][0]["count"] = json!(1);
    let envelope = signed_root(&less, &[&signer("alice"), &signer("bob")]);
    let root = synod_db::trust::Root {
        version: 2,
        digest: doc(&less).seal().1,
        envelope: String::from_utf8(envelope.to_bytes()).unwrap(),
        published_at: h.clock.now(),
        published_by: "alice".into(),
    };
    let mut tx = h.app().db.begin().await.unwrap();
    synod_db::access::changed(&mut tx).await.unwrap();
    assert!(synod_db::trust::insert(&mut tx, &root).await.unwrap());
    synod_db::run::wake_pending(&mut tx, h.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    h.app().bell.ring(synod_db::doorbell::Topic::Runs);
    let mut told = Vec::new();
    stream
        .hear("the task", |body| match body {
            Down::Roots(roots) => {
                told.extend(roots.roots);
                None
            }
            Down::Assignments(_) => Some(()),
            _ => None,
        })
        .await;
    assert_eq!(told, [envelope.to_bytes()], "once, and before the task that was judged by it");
}

async fn nodes_that_only_observe_say_what_they_would_refuse(h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Observe, &pinned, None).await;
    forget_the_root(&h).await;
    let run = asked(&h).await;
    approve(&h.client("bob").await, &run).await.unwrap();
    assert_eq!(ended(&h.client("dave").await, &run.summary.id).await.summary.phase, Phase::Succeeded);
    let alarm = h.event("", "synod.node.alarm").await;
    assert_eq!((alarm.data["about"].as_str(), alarm.data["name"].as_str()), (Some("trust"), Some("unmet")));
}

async fn nodes_without_a_rule_are_told_of_beforehand(h: Harness) {
    let pinned = shop(&h).await;
    let _web = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    let _other = h.judging("db-1", TrustMode::Enforce, &pinned, None).await;
    until("the server knows that db-1 enforces", async || (h.connected("db-1").await.trust.mode == "enforce").then_some(())).await;
    let problem = refused(request(&h.client("dave").await, &ask("t", json!({}))).await, "SYN-4102");
    assert!(problem.detail.contains("db-1") && !problem.detail.contains("web-1"), "{}", problem.detail);
    request(&h.client("dave").await, &ask_on("t", json!({}), "name=web-1")).await.unwrap();
}

async fn a_rewritten_log_stops_the_fleet(mut h: Harness) {
    let pinned = shop(&h).await;
    let _agent = h.judging("web-1", TrustMode::Enforce, &pinned, None).await;
    let last = h.event("", "synod.node.connected").await.position;
    let alice = h.client("alice").await;
    until("the log has caught up", async || alice.get::<Value>(&format!("{API}/audit/proofs/{last}")).await.ok()).await;
    h.app().log.set_pace(Span::millis(0));
    h.stop().await;
    h.start_again().await;
    until("the node has witnessed the log", async || (h.connected("web-1").await.trust.witnessed > 0).then_some(())).await;
    // Whoever holds the database rewrites history and has the log signed anew.
    h.stop().await;
    h.sql("UPDATE events SET actor = 'user:nobody' WHERE seq = (SELECT min(seq) FROM events)").await;
    h.sql("DELETE FROM audit_tiles").await;
    h.sql("DELETE FROM audit_heads").await;
    h.start_again().await;
    let alarm = until("the node's alarm", async || h.events("").await.into_iter().find(|e| e.kind == "synod.node.alarm" && e.data["about"] == "log")).await;
    assert!(["inconsistent", "fork", "roll-back"].contains(&alarm.data["name"].as_str().unwrap_or_default()), "{}", alarm.data);
    h.connected("web-1").await;
    let run = asked(&h).await;
    sign(&h, "bob", &run).await.unwrap();
    sign(&h, "carol", &run).await.unwrap();
    refused_for(&h, &run, "trust: log").await;
}
