//! How a run spreads: batches, gates, pauses, failures, checks, nodes that are away.

use serde_json::json;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_e2e::*;
use synod_protocol::http::client::Client;
use synod_protocol::http::run::Run;

stories! {
    one_then_the_rest
    rolling_batches_stop_at_the_first_failure
    exponential_batches
    failures_within_the_bound_are_borne
    a_failed_check_stops_whatever_the_bound
    a_gate_waits_for_somebody
    a_pause_is_kept
    an_offline_node_fails_after_its_deadline
    a_late_result_is_kept
    every_end_of_a_task_is_told_apart
    a_frozen_namespace_stands_still
    a_freeze_holds_the_next_batch
}

async fn start(h: &Harness, nodes: u32, changes: serde_json::Value, inputs: serde_json::Value) -> (Vec<agents::Agent>, Client, Run) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", changes)]).await;
    let agents = h.webs(nodes).await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", inputs)).await.unwrap();
    (agents, dave, run)
}

fn batches(tasks: &[synod_protocol::http::task::Task]) -> Vec<Option<u32>> {
    tasks.iter().map(|t| t.batch).collect()
}

async fn one_then_the_rest(h: Harness) {
    let (_agents, dave, run) = start(&h, 4, json!({"strategy": {"type": "oneThenRest"}}), json!({})).await;
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!((done.summary.phase, done.batches), (Phase::Succeeded, vec![1, 3]));
    let tasks = tasks(&dave, &run.summary.id).await;
    assert_eq!(batches(&tasks), [Some(0), Some(1), Some(1), Some(1)]);
    assert!(tasks[1..].iter().all(|t| t.assigned_at >= tasks[0].finished_at), "the rest waits for the first");
}

async fn rolling_batches_stop_at_the_first_failure(h: Harness) {
    let (_agents, dave, run) = start(&h, 6, json!({"strategy": {"type": "rolling", "size": 2}}), json!({"fake": {"web-3": "exit:7"}})).await;
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Failed);
    assert_eq!(phases(&dave, &run.summary.id).await, ["succeeded", "succeeded", "failed", "succeeded", "skipped", "skipped"]);
    let tasks = tasks(&dave, &run.summary.id).await;
    assert_eq!(tasks[2].exit_code, Some(7));
    assert!(tasks[2].reason.contains("exit code 7"), "{}", tasks[2].reason);
    assert!(tasks[4].started_at.is_none() && !tasks[4].reason.is_empty());
    assert!(done.summary.message.contains("too many nodes failed"), "{}", done.summary.message);
    h.event(&format!("&run={}", run.summary.id), "synod.run.rollout_stopped").await;
}

async fn exponential_batches(h: Harness) {
    let (_agents, dave, run) = start(&h, 8, json!({"strategy": {"type": "exponential"}}), json!({"fake": {"web-5": "fail"}})).await;
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!((done.summary.phase, done.batches), (Phase::Failed, vec![1, 2, 4, 1]));
    let tasks = tasks(&dave, &run.summary.id).await;
    assert_eq!(batches(&tasks)[..7], [Some(0), Some(1), Some(1), Some(2), Some(2), Some(2), Some(2)]);
    assert_eq!(tasks[7].phase, task::Phase::Skipped);
}

async fn failures_within_the_bound_are_borne(h: Harness) {
    let strategy = json!({"strategy": {"type": "rolling", "size": "25%", "maxFailures": 2}});
    let (_agents, dave, run) = start(&h, 8, strategy, json!({"fake": {"web-1": "fail", "web-4": "timeout"}})).await;
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!((done.summary.phase, done.batches), (Phase::Succeeded, vec![2, 2, 2, 2]), "{}", done.summary.message);
    assert!(done.summary.message.contains("2 of 8"), "{}", done.summary.message);
    assert_eq!((done.tasks.succeeded, done.tasks.failed, done.tasks.timed_out), (6, 1, 1));
}

async fn a_failed_check_stops_whatever_the_bound(h: Harness) {
    let strategy = json!({"strategy": {"type": "rolling", "size": 1, "maxFailures": "100%"}});
    let (_agents, dave, run) = start(&h, 3, strategy, json!({"fake": {"web-1": "fail", "web-2": "check"}})).await;
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!(phases(&dave, &run.summary.id).await, ["failed", "failed", "skipped"]);
    assert!(done.summary.phase == Phase::Failed && done.summary.message.contains("check"), "{}", done.summary.message);
}

async fn a_gate_waits_for_somebody(h: Harness) {
    let (_agents, dave, run) = start(&h, 3, json!({"strategy": {"type": "oneThenRest", "gate": "manual"}}), json!({})).await;
    h.person("erin").await;
    h.apply(vec![binding(Some("shop"), "approver", "erin")]).await;
    let erin = h.client("erin").await;
    let id = run.summary.id;
    let waiting = run_until(&dave, &id, "the gate", |run| run.at_gate).await;
    assert!(waiting.summary.phase == Phase::Running && waiting.summary.message.contains("gate"), "{}", waiting.summary.message);
    assert_eq!(phases(&dave, &id).await, ["succeeded", "waiting", "waiting"]);
    let problem = refused(proceed(&erin, &id).await, "SYN-2100");
    assert!(problem.detail.contains("requester"), "{}", problem.detail);
    // What was meant for another gate opens none, so that a request may be sent again.
    let at = async |batch: &str| -> Called<Run> {
        dave.call(http::Method::POST, &format!("{API}/runs/{id}/proceed"), &[("if-match", batch)], Some(&json!({}))).await
    };
    let problem = refused(at("2").await, "SYN-3003");
    assert!(problem.detail.contains("after batch 1"), "{}", problem.detail);
    at("1").await.unwrap();
    let done = ended(&dave, &id).await;
    assert_eq!(done.summary.phase, Phase::Succeeded);
    refused(proceed(&dave, &id).await, "SYN-4008");
    h.event(&format!("&run={id}"), "synod.run.at_gate").await;
    h.event(&format!("&run={id}"), "synod.run.proceeded").await;
}

async fn a_pause_is_kept(h: Harness) {
    let (_agents, dave, run) = start(&h, 2, json!({"strategy": {"type": "rolling", "size": 1, "pause": "10m"}}), json!({})).await;
    let id = run.summary.id;
    let waiting = run_until(&dave, &id, "the pause", |run| run.summary.message.contains("pauses")).await;
    assert_eq!(waiting.summary.phase, Phase::Running);
    assert_eq!(phases(&dave, &id).await, ["succeeded", "waiting"]);
    h.clock.shift(601_000);
    assert_eq!(ended(&dave, &id).await.summary.phase, Phase::Succeeded);
    let tasks = tasks(&dave, &id).await;
    assert!(tasks[1].assigned_at.unwrap().since(tasks[0].finished_at.unwrap()) >= 600_000);
}

async fn an_offline_node_fails_after_its_deadline(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"strategy": {"type": "rolling", "size": 2, "maxFailures": 1}, "startDeadline": "5m"}))]).await;
    let mut agents = h.webs(3).await;
    agents.remove(0).stop().await;
    h.disconnected("web-1").await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let id = run.summary.id;
    until("the other of the batch", async || (phases(&dave, &id).await[..2] == ["assigned", "succeeded"]).then_some(())).await;
    assert_eq!(show(&dave, &id).await.unwrap().summary.phase, Phase::Running);
    h.clock.shift(301_000);
    let done = ended(&dave, &id).await;
    assert_eq!(phases(&dave, &id).await, ["failed", "succeeded", "succeeded"]);
    assert_eq!(done.summary.phase, Phase::Succeeded);
    assert!(tasks(&dave, &id).await[0].reason.contains("offline"), "{}", tasks(&dave, &id).await[0].reason);
}

async fn a_late_result_is_kept(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"timeout": "1m"}))]).await;
    let _agents = h.webs(1).await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({"fake": "slow:4s,output:100"}))).await.unwrap();
    let id = run.summary.id;
    task_in(&dave, &id, task::Phase::Started).await;
    // Nobody hears of it in time; then the result comes after all.
    h.clock.shift(200_000);
    let given_up = run_until(&dave, &id, "giving up", |run| run.summary.phase == Phase::Failed).await;
    assert_eq!(given_up.tasks.lost, 1);
    let late = h.event(&format!("&run={id}"), "synod.task.late_result").await;
    assert_eq!(late.data["phase"], json!("succeeded"));
    let run = show(&dave, &id).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Failed, "what was decided stays");
    assert_eq!(output_text(&dave, &id).await.len(), 100, "its output is kept");
}

async fn every_end_of_a_task_is_told_apart(h: Harness) {
    let fake = json!({"fake": {"web-1": "warn", "web-2": "fail", "web-3": "timeout", "web-4": "lost", "web-5": "crash"}});
    let (_agents, dave, run) = start(&h, 5, json!({"strategy": {"maxFailures": 5}}), fake).await;
    ended(&dave, &run.summary.id).await;
    let tasks = tasks(&dave, &run.summary.id).await;
    let phases: Vec<&str> = tasks.iter().map(|t| t.phase.name()).collect();
    assert_eq!(phases[..4], ["succeeded", "failed", "timed_out", "lost"]);
    assert!(tasks[4].phase.counts_as_failed(), "a crashed executor is a failure: {}", tasks[4].phase);
    assert_eq!(tasks[0].warnings, ["as told"]);
    assert!(tasks[1..].iter().all(|t| !t.reason.is_empty()));
}

async fn a_frozen_namespace_stands_still(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let shop =
        |frozen: bool| json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"title": "The shop", "frozen": frozen}});
    h.apply(vec![shop(true)]).await;
    refused(request(&dave, &ask("t", json!({}))).await, "SYN-3005");
    assert_eq!(approve(&bob, &run).await.unwrap().summary.phase, Phase::Approved);
    assert!(show(&dave, &run.summary.id).await.unwrap().summary.message.contains("frozen"));
    h.apply(vec![shop(false)]).await;
    h.clock.shift(61_000);
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
}

async fn a_freeze_holds_the_next_batch(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"strategy": {"type": "rolling", "size": 1, "gate": "manual"}}))]).await;
    let _agents = h.webs(2).await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let id = run.summary.id;
    run_until(&dave, &id, "the gate", |run| run.at_gate).await;
    let shop =
        |frozen: bool| json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"title": "The shop", "frozen": frozen}});
    h.apply(vec![shop(true)]).await;
    let held = proceed(&dave, &id).await.unwrap();
    assert!(held.summary.phase == Phase::Running && held.summary.message.contains("frozen"), "{} {}", held.summary.phase, held.summary.message);
    h.clock.shift(61_000);
    h.app().bell.ring(synod_db::doorbell::Topic::Runs);
    assert_eq!(phases(&dave, &id).await, ["succeeded", "waiting"]);
    h.apply(vec![shop(false)]).await;
    h.clock.shift(61_000);
    let done = ended(&dave, &id).await;
    assert_eq!((done.summary.phase, done.summary.message.as_str()), (Phase::Succeeded, ""));
    assert_eq!(phases(&dave, &id).await, ["succeeded", "succeeded"]);
}
