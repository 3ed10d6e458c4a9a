//! The whole story, played through by the public API with the demo's own people. Each step prints what really
//! came back; the first that comes out wrong ends the walk.

mod agree;
mod alone;
mod crash;
mod evidence;
mod thief;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use synod_domain::approval::Decision;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_protocol::http::Page;
use synod_protocol::http::client::{Client, ClientError};
use synod_protocol::http::run::{ApprovalRequest, Run, RunRequest};
use synod_protocol::http::task::Task;
use synod_trust::Envelope;

use super::super::API;
use super::super::sign_run::{Pen, Sort, no_root};
use super::fleet::Fleet;
use super::keys;
use crate::exit::{Exit, Fault, Result};
use crate::session::App;

const WITHIN: Duration = Duration::from_secs(60);

struct Walk<'a> {
    app: &'a App<'a>,
    steps: u32,
}

impl Walk<'_> {
    fn tell(&mut self, who: &str, what: &str, result: &str) -> Result<()> {
        self.steps += 1;
        self.app.out.text(&format!("{:>2}. {who:<6} {what}\n           {result}\n", self.steps))
    }
}

fn wrong(what: impl Into<String>) -> Fault {
    Fault::new(Exit::Differs, format!("the walk went wrong: {}", what.into()))
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(what())) }
}

/// What must be refused, and by which code.
fn refused<T>(outcome: Result<T, ClientError>, code: &str) -> Result<String> {
    match outcome {
        Err(ClientError::Problem(problem)) if problem.code == code => Ok(format!("refused: {} [{}]", problem.detail, problem.code)),
        Err(other) => Err(wrong(format!("expected the refusal {code}, got: {other}"))),
        Ok(_) => Err(wrong(format!("expected the refusal {code}, but it was accepted"))),
    }
}

fn restart(target: &str) -> RunRequest {
    RunRequest {
        namespace: "shop".into(),
        template: "restart-service".into(),
        revision: None,
        inputs: json!({"service": "web"}),
        target: target.parse().unwrap_or_default(),
        reason: "stuck workers".into(),
        not_before: None,
        break_glass: None,
        dry_run: false,
    }
}

fn count(to: u32, target: &str) -> RunRequest {
    RunRequest { template: "count-slowly".into(), inputs: json!({"to": to}), reason: "to be watched".into(), ..restart(target) }
}

/// Somebody of the demo: signed in, and the key they sign with.
struct Person {
    client: Client,
    key: PathBuf,
}

impl Person {
    async fn new(fleet: &Fleet, name: &str) -> Result<Self> {
        Ok(Self { client: fleet.client(name).await?, key: keys::file(&fleet.dir, name) })
    }

    /// Signs a decision on what is shown.
    async fn sign(&self, run: &Run, decision: Decision, comment: &str, sort: Sort) -> Result<Envelope> {
        let pen = Pen::find(&self.client, Some(self.key.clone())).await?.ok_or_else(no_root)?;
        pen.decide(run, decision, comment, sort).await
    }

    /// Signs a decision and sends it.
    async fn decide(&self, run: &Run, decision: Decision, comment: &str) -> Result<Run> {
        let signature = self.sign(run, decision, comment, Sort::Ordinary).await?;
        Ok(send(&self.client, run, decision, comment, Some(signature)).await?)
    }
}

async fn send(who: &Client, run: &Run, decision: Decision, comment: &str, signature: Option<Envelope>) -> Result<Run, ClientError> {
    let request = ApprovalRequest { digest: run.digest.clone(), decision, comment: comment.into(), signature };
    who.post(&format!("{API}/runs/{}/approvals", run.summary.id), &request).await
}

async fn show(who: &Client, id: &str) -> Result<Run, ClientError> {
    who.get(&format!("{API}/runs/{id}")).await
}

/// Asks again and again until something holds: for what takes as long as it takes.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + WITHIN;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        ensure(Instant::now() < end, || format!("{what}: not within {} s", WITHIN.as_secs()))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ended(who: &Client, id: &str) -> Result<Run> {
    until("the run's end", async || show(who, id).await.ok().filter(|run| run.summary.phase.ended())).await
}

async fn tasks(who: &Client, id: &str) -> Result<Vec<Task>> {
    let page: Page<Task> = who.get(&format!("{API}/tasks?run={id}")).await?;
    Ok(page.items)
}

/// The end of a run that must have gone well on so many nodes.
async fn succeeded(who: &Client, id: &str, nodes: u32) -> Result<Run> {
    let done = ended(who, id).await?;
    ensure(done.summary.phase == Phase::Succeeded && done.tasks.succeeded == nodes, || {
        format!("it ended {}: {} {:?}", done.summary.phase, done.summary.message, done.tasks)
    })?;
    Ok(done)
}

/// What a node said when it refused its task.
async fn refusals(who: &Client, id: &str, words: &str) -> Result<Vec<Task>> {
    let refused: Vec<Task> = tasks(who, id).await?.into_iter().filter(|task| task.phase == task::Phase::Refused).collect();
    ensure(!refused.is_empty() && refused.iter().all(|task| task.reason.contains(words) && task.started_at.is_none()), || {
        format!("expected refusals with `{words}`, got {:?}", refused.iter().map(|task| &task.reason).collect::<Vec<_>>())
    })?;
    Ok(refused)
}

/// Plays the story.
pub async fn walk(fleet: &mut Fleet, app: &App<'_>) -> Result {
    let mut w = Walk { app, steps: 0 };
    let root = fleet.trust_root.clone().ok_or_else(|| wrong("no trust root is published"))?;
    w.tell("", "a server and three agents are up", &format!("{}, authority {}", fleet.url, fleet.fingerprint))?;
    w.tell("alice", "and bob have signed the trust root that the agents pin", &root)?;
    agree::ask(&mut w, fleet).await?;
    let good = agree::agree(&mut w, fleet).await?;
    evidence::later(&mut w, fleet, &good, &root).await?;
    agree::call_off(&mut w, fleet).await?;
    let lost = crash::agent_dies(&mut w, fleet).await?;
    crash::server_dies(&mut w, fleet).await?;
    alone::break_glass(&mut w, fleet).await?;
    thief::steals(&mut w, fleet, &good).await?;
    evidence::on_record(&mut w, fleet, &lost).await?;
    app.out.text(&format!("\nAll {} steps came out right.\n", w.steps))?;
    Ok(Exit::Ok)
}
