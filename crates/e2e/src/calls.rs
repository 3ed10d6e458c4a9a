//! What people do, in one line each: ask, decide, wait, look.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::event::Event;
use synod_domain::task;
use synod_protocol::http::Page;
use synod_protocol::http::client::{Client, ClientError, accept, collect};
use synod_protocol::http::problem::ProblemDocument;
use synod_protocol::http::run::{ApprovalRequest, Run, RunRequest};
use synod_protocol::http::task::{OutputList, Task};

use crate::{API, Harness};

/// What a call yields.
pub type Called<T> = Result<T, ClientError>;

/// How long anything may take before a story gives up on it.
pub const WITHIN: Duration = Duration::from_secs(20);

/// Looks again and again until something is there; fails the story when it takes too long.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + WITHIN;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {} s", WITHIN.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The refusal of a call, which must carry a code.
#[track_caller]
pub fn refused<T>(outcome: Called<T>, code: &str) -> ProblemDocument {
    match outcome {
        Err(ClientError::Problem(problem)) if problem.code == code => {
            assert!(!problem.remedy.is_empty(), "{code} says nothing about what to do");
            *problem
        }
        Err(other) => panic!("expected {code}, got {other:?}"),
        Ok(_) => panic!("expected {code}, but it was accepted"),
    }
}

/// Asserts that a refusal names a place and says certain words (in its detail or at that place).
#[track_caller]
pub fn names(problem: &ProblemDocument, pointer: &str, words: &str) {
    let at = problem.problems.iter().find(|p| p.pointer == pointer);
    let at = at.unwrap_or_else(|| panic!("no problem at `{pointer}`: {:?}", problem.problems));
    let text = format!("{} {}", at.message, at.hint.clone().unwrap_or_default());
    assert!(text.contains(words), "`{words}` is not in `{text}`");
}

/// A request for a template of `shop`, on every node it allows.
pub fn ask(template: &str, inputs: Value) -> RunRequest {
    RunRequest {
        namespace: "shop".into(),
        template: template.into(),
        revision: None,
        inputs,
        target: Default::default(),
        reason: "because".into(),
        not_before: None,
        break_glass: None,
        dry_run: false,
    }
}

/// The same, on nodes of one's choice.
pub fn ask_on(template: &str, inputs: Value, target: &str) -> RunRequest {
    RunRequest { target: target.parse().unwrap(), ..ask(template, inputs) }
}

/// Asks for a run.
pub async fn request(who: &Client, request: &RunRequest) -> Called<Run> {
    who.post(&format!("{API}/runs"), request).await
}

/// Decides on a run.
pub async fn decide(who: &Client, run: &Run, decision: Decision) -> Called<Run> {
    let request = ApprovalRequest { digest: run.digest.clone(), decision, comment: "seen".into(), signature: None };
    who.post(&format!("{API}/runs/{}/approvals", run.summary.id), &request).await
}

/// Approves a run.
pub async fn approve(who: &Client, run: &Run) -> Called<Run> {
    decide(who, run, Decision::Approve).await
}

/// Rejects a run.
pub async fn reject(who: &Client, run: &Run) -> Called<Run> {
    decide(who, run, Decision::Reject).await
}

/// Cancels a run.
pub async fn cancel(who: &Client, id: &str) -> Called<Run> {
    who.post(&format!("{API}/runs/{id}/cancel"), &json!({"reason": "enough"})).await
}

/// Lets a run go on at its gate.
pub async fn proceed(who: &Client, id: &str) -> Called<Run> {
    who.post(&format!("{API}/runs/{id}/proceed"), &json!({})).await
}

/// A run as it stands.
pub async fn show(who: &Client, id: &str) -> Called<Run> {
    who.get(&format!("{API}/runs/{id}")).await
}

/// Waits until a run looks as wanted.
pub async fn run_until(who: &Client, id: &str, what: &str, mut wanted: impl FnMut(&Run) -> bool) -> Run {
    until(what, async || show(who, id).await.ok().filter(|run| wanted(run))).await
}

/// Waits for a run's end.
pub async fn ended(who: &Client, id: &str) -> Run {
    run_until(who, id, "the run's end", |run| run.summary.phase.ended()).await
}

/// A run's tasks in rollout order.
pub async fn tasks(who: &Client, id: &str) -> Vec<Task> {
    let page: Page<Task> = who.get(&format!("{API}/tasks?run={id}&limit=500")).await.unwrap();
    page.items
}

/// The phases of a run's tasks in rollout order.
pub async fn phases(who: &Client, id: &str) -> Vec<&'static str> {
    tasks(who, id).await.into_iter().map(|task| task.phase.name()).collect()
}

/// Waits until some task of a run is in a phase.
pub async fn task_in(who: &Client, id: &str, phase: task::Phase) -> Task {
    until(&format!("a task {phase}"), async || tasks(who, id).await.into_iter().find(|task| task.phase == phase)).await
}

/// A run's output.
pub async fn output(who: &Client, id: &str) -> OutputList {
    who.get(&format!("{API}/runs/{id}/output")).await.unwrap()
}

/// A run's output as text.
pub async fn output_text(who: &Client, id: &str) -> String {
    output(who, id).await.items.iter().flat_map(|chunk| &chunk.segments).filter_map(|s| s.text.clone()).collect()
}

/// Sends a request as it is; returns status, body, and one header.
pub async fn raw(who: &Client, method: Method, path: &str, headers: &[(&'static str, &str)], body: &str) -> (u16, String) {
    let answer = who.raw(method, &format!("{API}{path}"), headers, Bytes::from(body.to_owned())).await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8_lossy(&collect(answer).await.unwrap()).into_owned())
}

/// Downloads something as text.
pub async fn download(who: &Client, path: &str) -> Called<String> {
    let answer = accept(who.raw(Method::GET, &format!("{API}{path}"), &[], Bytes::new()).await?).await?;
    Ok(String::from_utf8(collect(answer).await?.to_vec()).unwrap())
}

impl Harness {
    /// Asks as one, approves as another, and waits for the end.
    pub async fn play(&self, requester: &Client, approver: &Client, wanted: &RunRequest) -> Run {
        let run = request(requester, wanted).await.unwrap_or_else(|e| panic!("not requested: {e:?}"));
        approve(approver, &run).await.unwrap_or_else(|e| panic!("not approved: {e:?}"));
        ended(requester, &run.summary.id).await
    }

    /// All events, as alice sees them; those of PostgreSQL may take a moment to be sealed.
    pub async fn events(&self, query: &str) -> Vec<Event> {
        let page: Page<Event> = self.client("alice").await.get(&format!("{API}/events?limit=1000{query}")).await.unwrap();
        page.items
    }

    /// Waits for an event of a type.
    pub async fn event(&self, query: &str, kind: &str) -> Event {
        until(&format!("the event {kind}"), async || self.events(query).await.into_iter().find(|e| e.kind == kind)).await
    }
}
