//! A run's life: requested, decided on, begun, replayed, called off.

use serde_json::json;
use synod_domain::Span;
use synod_domain::run::Phase;
use synod_e2e::*;
use synod_protocol::http::Page;
use synod_protocol::http::run::{ReplayRequest, Run, RunPlan, RunRequest, RunSummary};
use synod_protocol::http::user::{User, UserChange};

stories! {
    two_rules_take_two_people
    one_person_fills_one_rule
    a_rejection_ends_it
    nothing_starts_before_its_time
    who_does_not_decide_in_time_decides_no_more
    a_disabled_approver_no_longer_counts
    a_taken_role_no_longer_counts
    a_right_won_later_does_not_count
    what_did_not_suffice_in_time_never_begins
    a_pending_run_never_changes
    a_replay_shows_the_first_run
    a_dry_run_changes_nothing
    a_repeated_request_is_one_run
    a_run_is_cancelled_before_it_begins
    a_run_is_cancelled_while_it_runs
    without_rules_nobody_is_asked
}

const HOUR: i64 = 3_600_000;

async fn two_rules_take_two_people(h: Harness) {
    h.shop("bob:approver carol:approver+oncall dave:requester").await;
    let rules = json!({"rules": [{"count": 1, "from": {"role": "approver"}}, {"count": 1, "from": {"group": "oncall"}}]});
    h.apply(vec![template("t", json!({"approval": rules}))]).await;
    let _agents = h.webs(3).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    // Long enough to be announced as started: what ends at once is told by its end only.
    let run = request(&dave, &ask("t", json!({"fake": "slow:1s"}))).await.unwrap();
    assert_eq!((run.summary.phase, run.summary.node_count), (Phase::Pending, 3));
    let awaiting: Page<RunSummary> = bob.get(&format!("{API}/runs?awaitingMe=true")).await.unwrap();
    assert_eq!(awaiting.items.len(), 1);
    let run = approve(&bob, &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Pending, "one of two rules is not enough");
    assert_eq!(run.rules.iter().map(|r| r.missing).collect::<Vec<_>>(), [0, 1], "{:?}", run.rules);
    let awaiting: Page<RunSummary> = bob.get(&format!("{API}/runs?awaitingMe=true")).await.unwrap();
    assert!(awaiting.items.is_empty(), "bob is asked again");
    approve(&carol, &run).await.unwrap();
    let run = ended(&dave, &run.summary.id).await;
    assert_eq!((run.summary.phase, run.tasks.succeeded), (Phase::Succeeded, 3));
    assert!(run.approvals.iter().all(|a| a.counts && a.digest == run.digest), "{:?}", run.approvals);
    for kind in ["synod.run.requested", "synod.approval.given", "synod.run.approved", "synod.run.started", "synod.task.started", "synod.task.ended"] {
        h.event(&format!("&run={}", run.summary.id), kind).await;
    }
    let done = h.event(&format!("&run={}", run.summary.id), "synod.run.succeeded").await;
    assert_eq!(done.subject, format!("run/{}", run.summary.id));
    let approved = h.event(&format!("&run={}", run.summary.id), "synod.run.approved").await;
    assert_eq!(approved.data["digest"], json!(run.digest));
}

async fn one_person_fills_one_rule(h: Harness) {
    h.shop("bob:approver carol:approver+oncall dave:requester").await;
    let rules = json!({"rules": [{"count": 1, "from": {"role": "approver"}}, {"count": 1, "from": {"group": "oncall"}}]});
    h.apply(vec![template("t", json!({"approval": rules}))]).await;
    let _agents = h.webs(1).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    // Carol fits both rules; she fills one of them, whichever leaves the other to somebody else.
    let run = approve(&carol, &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Pending);
    assert_eq!(run.rules.iter().map(|r| r.missing).sum::<u32>(), 1, "{:?}", run.rules);
    refused(approve(&carol, &run).await, "SYN-4002");
    approve(&bob, &run).await.unwrap();
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
}

async fn a_rejection_ends_it(h: Harness) {
    h.shop("bob:approver carol:approver dave:requester").await;
    h.apply(vec![template("t", json!({})), template("u", json!({"approval": {"rules": [{"count": 2, "from": {"role": "approver"}}], "rejections": 2}}))])
        .await;
    let _agents = h.webs(1).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let run = reject(&bob, &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Rejected);
    assert!(run.summary.message.contains("bob"), "{}", run.summary.message);
    refused(approve(&carol, &run).await, "SYN-4004");
    let run = request(&dave, &ask("u", json!({}))).await.unwrap();
    assert_eq!(reject(&bob, &run).await.unwrap().summary.phase, Phase::Pending, "two rejections are asked for");
    assert_eq!(reject(&carol, &run).await.unwrap().summary.phase, Phase::Rejected);
    assert!(tasks(&dave, &run.summary.id).await.iter().all(|t| t.started_at.is_none()));
    h.event(&format!("&run={}", run.summary.id), "synod.run.rejected").await;
}

async fn nothing_starts_before_its_time(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(2).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let later = h.clock.now().after(Span::secs(3600));
    let run = request(&dave, &RunRequest { not_before: Some(later), ..ask("t", json!({})) }).await.unwrap();
    let run = approve(&bob, &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Approved);
    assert!(run.summary.message.contains("waits"), "{}", run.summary.message);
    // The loops look; nothing begins.
    h.app().bell.ring(synod_db::doorbell::Topic::Runs);
    h.clock.shift(HOUR / 2);
    h.event("", "synod.run.approved").await;
    assert_eq!(show(&dave, &run.summary.id).await.unwrap().summary.phase, Phase::Approved);
    h.clock.shift(HOUR / 2 + 1000);
    let run = ended(&dave, &run.summary.id).await;
    assert_eq!(run.summary.phase, Phase::Succeeded, "{}", run.summary.message);
    assert!(run.summary.started_at.unwrap() >= later);
}

async fn who_does_not_decide_in_time_decides_no_more(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    let approval = json!({"rules": [{"count": 1, "from": {"role": "approver"}}], "expiresAfter": "1h"});
    h.apply(vec![template("t", json!({"approval": approval}))]).await;
    let _agents = h.webs(1).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    h.clock.shift(HOUR + 1000);
    let problem = refused(approve(&bob, &run).await, "SYN-4005");
    assert!(problem.detail.contains(&run.summary.id), "{}", problem.detail);
    let run = run_until(&dave, &run.summary.id, "the expiry", |run| run.summary.phase == Phase::Expired).await;
    h.event(&format!("&run={}", run.summary.id), "synod.run.expired").await;
    refused(approve(&bob, &run).await, "SYN-4005");
}

async fn a_disabled_approver_no_longer_counts(h: Harness) {
    h.shop("bob:approver carol:approver dave:requester").await;
    let approval = json!({"rules": [{"count": 2, "from": {"role": "approver"}}]});
    h.apply(vec![template("t", json!({"approval": approval}))]).await;
    let _agents = h.webs(1).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    // Disabled between approval and start.
    let later = h.clock.now().after(Span::secs(600));
    let run = request(&dave, &RunRequest { not_before: Some(later), ..ask("t", json!({})) }).await.unwrap();
    approve(&bob, &run).await.unwrap();
    assert_eq!(approve(&carol, &run).await.unwrap().summary.phase, Phase::Approved);
    // And between two approvals.
    let other = request(&dave, &ask("t", json!({}))).await.unwrap();
    approve(&bob, &other).await.unwrap();
    change_user(&h, "bob", false).await;
    let other = approve(&carol, &other).await.unwrap();
    assert_eq!(other.summary.phase, Phase::Pending, "bob's decision counts no more");
    assert!(other.approvals.iter().any(|a| a.person == "bob" && !a.counts), "{:?}", other.approvals);
    h.clock.shift(601_000);
    let run = ended(&dave, &run.summary.id).await;
    assert_eq!(run.summary.phase, Phase::Rejected, "{}", run.summary.message);
    assert!(run.summary.message.contains("no longer"), "{}", run.summary.message);
    assert!(tasks(&dave, &run.summary.id).await.iter().all(|t| t.started_at.is_none()));
}

async fn a_taken_role_no_longer_counts(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let later = h.clock.now().after(Span::secs(600));
    let run = request(&dave, &RunRequest { not_before: Some(later), ..ask("t", json!({})) }).await.unwrap();
    approve(&bob, &run).await.unwrap();
    h.client("alice").await.delete(&format!("{API}/objects/rolebindings/bob-approver?namespace=shop")).await.unwrap();
    h.clock.shift(601_000);
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Rejected);
}

async fn change_user(h: &Harness, name: &str, enabled: bool) {
    let change = UserChange { enabled: Some(enabled), ..UserChange::default() };
    let _: User = h.client("alice").await.patch(&format!("{API}/users/{name}"), &change).await.unwrap();
}

fn group(name: &str, members: &[&str]) -> serde_json::Value {
    json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": name}, "spec": {"members": members}})
}

async fn a_right_won_later_does_not_count(h: Harness) {
    h.shop("bob:approver carol:approver erin:approver+oncall dave:requester").await;
    let rules = json!({"rules": [{"count": 1, "from": {"role": "approver"}}, {"count": 1, "from": {"group": "oncall"}}]});
    h.apply(vec![template("t", json!({"approval": rules})), template("u", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (bob, carol, erin, dave) = (h.client("bob").await, h.client("carol").await, h.client("erin").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    approve(&carol, &run).await.unwrap();
    h.apply(vec![group("oncall", &["carol", "erin"])]).await;
    let run = approve(&bob, &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Pending, "carol was not on call when she approved");
    assert_eq!(run.rules.iter().map(|r| r.missing).collect::<Vec<_>>(), [0, 1], "{:?}", run.rules);
    assert_eq!(run.rules[1].candidates, ["erin"], "who has decided cannot decide again");
    // The right she approved by goes; the one she won since does not stand in for it.
    h.client("alice").await.delete(&format!("{API}/objects/rolebindings/carol-approver?namespace=shop")).await.unwrap();
    h.apply(vec![binding(Some("shop"), "viewer", "carol")]).await;
    let other = show(&dave, &run.summary.id).await.unwrap();
    let hers = other.approvals.iter().find(|a| a.person == "carol").unwrap();
    assert!(!hers.counts && hers.why_not.as_ref().unwrap().contains("carol no longer has a role"), "{hers:?}");
    h.apply(vec![binding(Some("shop"), "requester", "carol")]).await;
    approve(&erin, &run).await.unwrap();
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Succeeded, "{}", done.summary.message);
    // The same at the start: approved by a role that went, with a group that came.
    let groups = json!({"rules": [{"count": 1, "from": {"role": "approver"}}, {"count": 1, "from": {"group": "oncall"}}]});
    h.apply(vec![template("u", json!({"approval": groups})), group("oncall", &["erin"]), binding(Some("shop"), "approver", "carol")])
        .await;
    let later = h.clock.now().after(Span::secs(600));
    let run = request(&dave, &RunRequest { not_before: Some(later), ..ask("u", json!({})) }).await.unwrap();
    approve(&bob, &run).await.unwrap();
    assert_eq!(approve(&erin, &run).await.unwrap().summary.phase, Phase::Approved);
    h.apply(vec![group("oncall", &["bob"])]).await;
    h.clock.shift(601_000);
    let run = ended(&dave, &run.summary.id).await;
    assert_eq!(run.summary.phase, Phase::Rejected, "bob is on call only since he approved");
    assert!(run.summary.message.contains("no longer"), "{}", run.summary.message);
    assert!(tasks(&dave, &run.summary.id).await.iter().all(|t| t.started_at.is_none()));
}

/// A run whose last missing right comes back while nobody decides would begin at the moment its time is over.
async fn what_did_not_suffice_in_time_never_begins(h: Harness) {
    h.shop("bob:approver carol:approver dave:requester").await;
    let approval = json!({"rules": [{"count": 2, "from": {"role": "approver"}}], "expiresAfter": "1h"});
    h.apply(vec![template("t", json!({"approval": approval}))]).await;
    let _agents = h.webs(1).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    approve(&bob, &run).await.unwrap();
    change_user(&h, "bob", false).await;
    let run = approve(&carol, &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Pending);
    let his = run.approvals.iter().find(|a| a.person == "bob").unwrap();
    assert!(his.why_not.as_ref().unwrap().contains("disabled"), "{his:?}");
    change_user(&h, "bob", true).await;
    h.clock.shift(HOUR + 1000);
    let run = ended(&dave, &run.summary.id).await;
    assert_eq!(run.summary.phase, Phase::Expired, "{}", run.summary.message);
    assert!(run.summary.message.contains("not approved in time"), "{}", run.summary.message);
    assert!(tasks(&dave, &run.summary.id).await.is_empty());
    h.event(&format!("&run={}", run.summary.id), "synod.run.expired").await;
}

async fn a_pending_run_never_changes(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({"steps": [{"name": "one", "run": "echo before"}]}))]).await;
    let _agents = h.webs(2).await;
    let (alice, bob, dave) = (h.client("alice").await, h.client("bob").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    h.apply(vec![template("t", json!({"title": "new", "steps": [{"name": "one", "run": "echo after"}], "targets": {"selector": "role=db"}}))])
        .await;
    let _: synod_protocol::http::node::Node = alice.patch(&format!("{API}/nodes/web-1"), &json!({"labels": {"role": "db"}})).await.unwrap();
    let again = show(&dave, &run.summary.id).await.unwrap();
    assert_eq!((again.digest.clone(), again.manifest.clone()), (run.digest.clone(), run.manifest.clone()));
    approve(&bob, &run).await.unwrap();
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!((done.summary.phase, done.summary.revision, done.tasks.succeeded), (Phase::Succeeded, 1, 2));
    assert_eq!(done.manifest.steps[0].run.as_deref(), Some("echo before"));
    // A disabled template stops new requests, not this one's record.
    h.apply(vec![template("t", json!({"enabled": false}))]).await;
    let problem = refused(request(&dave, &ask("t", json!({}))).await, "SYN-1006");
    assert!(problem.detail.contains("alice") && problem.detail.contains("revision 3"), "{}", problem.detail);
}

async fn a_replay_shows_the_first_run(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(3).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let first = h.play(&dave, &bob, &ask_on("t", json!({"fake": {"web-2": "fail"}}), "name in (web-1,web-2)")).await;
    assert_eq!(first.summary.phase, Phase::Failed);
    h.apply(vec![template("t", json!({"title": "another revision"}))]).await;
    let again = ReplayRequest { target: "name=web-3".parse().unwrap(), reason: None, secrets: None, not_before: None, dry_run: false };
    let replay: Run = dave.post(&format!("{API}/runs/{}/replay", first.summary.id), &again).await.unwrap();
    assert_eq!((replay.summary.revision, replay.summary.phase), (first.summary.revision, Phase::Pending), "the same revision, approved anew");
    assert_eq!(replay.manifest.inputs, first.manifest.inputs);
    let comparison = replay.comparison.clone().unwrap();
    assert!(comparison.replay && comparison.run == first.summary.id && comparison.phase == Phase::Failed);
    assert_eq!((comparison.tasks.succeeded, comparison.tasks.failed), (1, 1));
    assert!(!comparison.differences.is_empty());
    approve(&bob, &replay).await.unwrap();
    let done = ended(&dave, &replay.summary.id).await;
    assert_eq!((done.summary.phase, tasks(&dave, &replay.summary.id).await[0].node.as_str()), (Phase::Succeeded, "web-3"));
}

async fn a_dry_run_changes_nothing(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({"strategy": {"type": "oneThenRest"}, "targets": {"selector": "role=web", "exclude": "env=lab"}}))])
        .await;
    let _agents = (h.webs(3).await, h.simulated("lab-1", &[("role", "web"), ("env", "lab")]).await);
    let dave = h.client("dave").await;
    let before = h.events("&type=synod.run.*").await.len();
    let plan: RunPlan = dave.post(&format!("{API}/runs"), &RunRequest { dry_run: true, ..ask("t", json!({"fake": "fail"})) }).await.unwrap();
    assert_eq!(plan.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["web-1", "web-2", "web-3"]);
    assert_eq!((plan.batches, plan.kept_out), (vec![1, 2], vec!["lab-1".to_owned()]));
    assert!(
        plan.approvers[0].candidates.contains(&"bob".to_owned()) && !plan.approvers[0].candidates.contains(&"dave".to_owned()),
        "{:?}",
        plan.approvers
    );
    assert_eq!(plan.manifest.inputs["fake"], json!("fail"));
    let runs: Page<RunSummary> = dave.get(&format!("{API}/runs")).await.unwrap();
    assert!(runs.items.is_empty());
    assert_eq!(h.events("&type=synod.run.*").await.len(), before);
}

async fn a_repeated_request_is_one_run(h: Harness) {
    h.shop("dave:requester erin:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (dave, erin) = (h.client("dave").await, h.client("erin").await);
    let key = [("idempotency-key", "0123456789")];
    let post = async |who: &synod_protocol::http::client::Client, body: &RunRequest| -> Called<Run> {
        who.call(http::Method::POST, &format!("{API}/runs"), &key, Some(body)).await
    };
    let first = post(&dave, &ask("t", json!({}))).await.unwrap();
    let again = post(&dave, &ask("t", json!({}))).await.unwrap();
    assert_eq!(first.summary.id, again.summary.id);
    let problem = refused(post(&dave, &ask("t", json!({"fake": "fail"}))).await, "SYN-3007");
    assert!(problem.detail.contains(&first.summary.id));
    let hers = post(&erin, &ask("t", json!({}))).await.unwrap();
    assert_ne!(hers.summary.id, first.summary.id, "a key is one person's own");
    let problem: Called<Run> = dave.call(http::Method::POST, &format!("{API}/runs"), &[("idempotency-key", "short")], Some(&ask("t", json!({})))).await;
    refused(problem, "SYN-1008");
}

async fn a_run_is_cancelled_before_it_begins(h: Harness) {
    h.shop("bob:approver dave:requester erin:requester frank:viewer").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (bob, dave, erin, frank) = (h.client("bob").await, h.client("dave").await, h.client("erin").await, h.client("frank").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    refused(cancel(&frank, &run.summary.id).await, "SYN-2100");
    let cancelled = cancel(&erin, &run.summary.id).await.unwrap();
    assert_eq!(cancelled.summary.phase, Phase::Cancelled);
    assert!(cancelled.summary.message.contains("erin"));
    refused(cancel(&dave, &run.summary.id).await, "SYN-4007");
    refused(approve(&bob, &run).await, "SYN-4004");
    h.event(&format!("&run={}", run.summary.id), "synod.run.cancelled").await;
}

async fn a_run_is_cancelled_while_it_runs(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({"strategy": {"type": "rolling", "size": 2}}))]).await;
    let _agents = h.webs(4).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({"fake": {"web-1": "", "*": "hang"}}))).await.unwrap();
    approve(&bob, &run).await.unwrap();
    let id = run.summary.id;
    until("one done, one hanging", async || (phases(&dave, &id).await == ["succeeded", "started", "waiting", "waiting"]).then_some(())).await;
    cancel(&dave, &id).await.unwrap();
    let done = ended(&dave, &id).await;
    assert_eq!(done.summary.phase, Phase::Cancelled);
    assert_eq!(phases(&dave, &id).await, ["succeeded", "cancelled", "cancelled", "cancelled"]);
    h.event(&format!("&run={id}"), "synod.run.cancel_requested").await;
}

async fn without_rules_nobody_is_asked(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
    h.event(&format!("&run={}", run.summary.id), "synod.run.approved").await;
}
