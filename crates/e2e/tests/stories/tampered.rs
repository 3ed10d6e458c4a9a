//! What a stolen database could try: packages that were changed after they were approved. Agents refuse them.

use serde_json::json;
use synod_domain::Span;
use synod_domain::run::Phase;
use synod_e2e::*;
use synod_protocol::http::run::{Run, RunRequest};

stories! {
    a_changed_manifest_is_refused
    a_changed_manifest_with_its_own_digest_is_refused
    a_run_moved_to_another_node_is_refused
    approvals_taken_away_are_missed
    a_stale_run_is_refused
}

/// A run that is approved and waits for its time, so that the database can be changed before it begins.
async fn approved(h: &Harness) -> (Vec<agents::Agent>, Run) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({"steps": [{"name": "one", "run": "echo harmless"}]}))]).await;
    let agents = h.webs(2).await;
    let later = h.clock.now().after(Span::secs(600));
    let run = request(&h.client("dave").await, &RunRequest { not_before: Some(later), ..ask_on("t", json!({}), "name=web-1") }).await.unwrap();
    let run = approve(&h.client("bob").await, &run).await.unwrap();
    assert_eq!(run.summary.phase, Phase::Approved);
    (agents, run)
}

/// Lets the run begin, and expects that its node refuses for a reason.
async fn expect_refused(h: &Harness, run: &Run, words: &str) {
    h.clock.shift(601_000);
    let dave = h.client("dave").await;
    let id = &run.summary.id;
    let task = task_in(&dave, id, synod_domain::task::Phase::Refused).await;
    assert!(task.reason.contains(words), "{}", task.reason);
    assert!(task.started_at.is_none());
    assert_eq!(ended(&dave, id).await.summary.phase, Phase::Failed);
    let event = h.event(&format!("&run={id}"), "synod.task.refused").await;
    assert!(event.data["reason"].as_str().unwrap().contains(words), "{}", event.data);
}

async fn a_changed_manifest_is_refused(h: Harness) {
    let (_agents, run) = approved(&h).await;
    let changed = h
        .sql(&format!("UPDATE runs SET manifest = replace(manifest, 'echo harmless', 'echo horrible') WHERE id = '{}'", run.summary.id))
        .await;
    assert_eq!(changed, 1);
    expect_refused(&h, &run, "digest").await;
}

async fn a_changed_manifest_with_its_own_digest_is_refused(h: Harness) {
    let (_agents, run) = approved(&h).await;
    let mut manifest = run.manifest.clone();
    manifest.steps[0].run = Some("echo horrible".into());
    let (bytes, digest) = manifest.seal().unwrap();
    let text = String::from_utf8(bytes).unwrap().replace('\'', "''");
    h.sql(&format!("UPDATE runs SET manifest = '{text}', digest = '{digest}' WHERE id = '{}'", run.summary.id)).await;
    // The approvals name the old digest: the server itself counts them no more.
    h.clock.shift(601_000);
    let dave = h.client("dave").await;
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Rejected, "{}", done.summary.message);
    assert!(tasks(&dave, &run.summary.id).await.iter().all(|t| t.started_at.is_none()));
}

async fn a_run_moved_to_another_node_is_refused(h: Harness) {
    let (_agents, run) = approved(&h).await;
    let id = &run.summary.id;
    let web_2 = h.connected("web-2").await.id;
    h.sql(&format!("UPDATE run_nodes SET node_id = '{web_2}', node_name = 'web-2' WHERE run_id = '{id}'")).await;
    expect_refused(&h, &run, "node").await;
}

async fn approvals_taken_away_are_missed(h: Harness) {
    let (_agents, run) = approved(&h).await;
    let id = &run.summary.id;
    h.sql(&format!("DELETE FROM approvals WHERE run_id = '{id}'")).await;
    h.clock.shift(601_000);
    let done = ended(&h.client("dave").await, id).await;
    assert_eq!(done.summary.phase, Phase::Rejected, "{}", done.summary.message);
    // A run that never was approved, made to look so.
    let other = request(&h.client("dave").await, &ask("t", json!({}))).await.unwrap();
    h.sql(&format!("UPDATE runs SET phase = 'approved', wake_at = 0 WHERE id = '{}'", other.summary.id)).await;
    let done = ended(&h.client("dave").await, &other.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Rejected, "{}", done.summary.message);
}

async fn a_stale_run_is_refused(h: Harness) {
    let (_agents, run) = approved(&h).await;
    // Approvals for today are none for the week after next.
    h.clock.shift(3 * 86_400_000);
    let token = h.login("dave").await.token;
    let dave = h.client_with(Some(token));
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Expired, "{}", done.summary.message);
    assert!(tasks(&dave, &run.summary.id).await.iter().all(|t| t.started_at.is_none()));
}
