//! The whole story, played through by the public API with the demo's own people. Each step prints what really
//! came back; the first that comes out wrong ends the walk.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::event::Event;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_protocol::http::Page;
use synod_protocol::http::access::WhoCan;
use synod_protocol::http::client::{Client, ClientError};
use synod_protocol::http::object::DocumentList;
use synod_protocol::http::run::{ApprovalRequest, ReplayRequest, Run, RunPlan, RunRequest, RunSummary};
use synod_protocol::http::task::{OutputList, Task};

use super::super::API;
use super::fleet::Fleet;
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

async fn decide(who: &Client, run: &Run, decision: Decision, comment: &str) -> Result<Run, ClientError> {
    let request = ApprovalRequest { digest: run.digest.clone(), decision, comment: comment.into(), signature: None };
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

/// Plays the story.
pub async fn walk(fleet: &mut Fleet, app: &App<'_>) -> Result {
    let mut w = Walk { app, steps: 0 };
    let (alice, bob, carol) = (fleet.client("alice").await?, fleet.client("bob").await?, fleet.client("carol").await?);
    let (dave, erin) = (fleet.client("dave").await?, fleet.client("erin").await?);
    w.tell("", "a server and three agents are up", &format!("{}, authority {}", fleet.url, fleet.fingerprint))?;
    ask(&mut w, &dave, &erin).await?;
    agree(&mut w, fleet, &bob, &carol, &dave).await?;
    call_off(&mut w, &bob, &carol, &dave).await?;
    let lost = agent_dies(&mut w, fleet, &alice, &bob, &dave).await?;
    server_dies(&mut w, fleet).await?;
    on_record(&mut w, fleet, &lost).await?;
    app.out.text(&format!("\nAll {} steps came out right.\n", w.steps))?;
    Ok(Exit::Ok)
}

async fn ask(w: &mut Walk<'_>, dave: &Client, erin: &Client) -> Result<()> {
    let templates: DocumentList = dave.get(&format!("{API}/objects/templates?namespace=shop")).await?;
    let names: Vec<&str> = templates.items.iter().map(|t| t.metadata.name.as_str()).collect();
    ensure(names.contains(&"restart-service"), || format!("no template restart-service in {names:?}"))?;
    w.tell("dave", "looks what may be requested", &names.join(", "))?;
    let bad = RunRequest { inputs: json!({"service": "wob", "grace_s": 99}), ..restart("role=web") };
    let text = refused(dave.post::<_, Value>(&format!("{API}/runs"), &bad).await, "SYN-1002")?;
    w.tell("dave", "asks with wrong inputs", &text)?;
    let text = refused(erin.post::<_, Value>(&format!("{API}/runs"), &restart("role=web")).await, "SYN-2100")?;
    w.tell("erin", "asks, but only watches", &text)?;
    let text = refused(dave.post::<_, Value>(&format!("{API}/runs"), &restart("role=cache")).await, "SYN-1004")?;
    w.tell("dave", "asks for nodes that do not exist", &text)?;
    let plan: RunPlan = dave.post(&format!("{API}/runs"), &RunRequest { dry_run: true, ..restart("role=web") }).await?;
    ensure(plan.nodes.len() == 3 && plan.batches == [1, 2], || format!("the plan has {:?} in {:?}", plan.nodes, plan.batches))?;
    let approvers: Vec<String> = plan.approvers.iter().map(|rule| format!("{} ({})", rule.rule, rule.candidates.join(", "))).collect();
    w.tell(
        "dave",
        "tries it dry: what, where, who must agree",
        &format!(
            "{} on {} nodes in batches {:?}; {}",
            plan.preview[0].script.trim().replace('\n', "; "),
            plan.nodes.len(),
            plan.batches,
            approvers.join(" and ")
        ),
    )
}

async fn agree(w: &mut Walk<'_>, fleet: &Fleet, bob: &Client, carol: &Client, dave: &Client) -> Result<()> {
    let run: Run = dave.post(&format!("{API}/runs"), &restart("role=web")).await?;
    ensure(run.summary.phase == Phase::Pending, || format!("it is {}", run.summary.phase))?;
    let id = run.summary.id.clone();
    w.tell("dave", "asks to restart web on role=web", &format!("run {id} is pending, {}", run.digest))?;
    let text = refused(decide(dave, &run, Decision::Approve, "").await, "SYN-4000")?;
    w.tell("dave", "tries to approve his own request", &text)?;
    let awaiting: Page<RunSummary> = bob.get(&format!("{API}/runs?awaitingMe=true")).await?;
    ensure(awaiting.items.iter().any(|r| r.id == id), || "bob is not asked".into())?;
    w.tell("bob", "looks what awaits him", &format!("{} run: {}", awaiting.items.len(), awaiting.items[0].reason))?;
    let other = Run { digest: format!("sha256:{}", "0".repeat(64)), ..run.clone() };
    let text = refused(decide(bob, &other, Decision::Approve, "").await, "SYN-4003")?;
    w.tell("bob", "approves something else by mistake", &text)?;
    let after = decide(bob, &run, Decision::Approve, "ok").await?;
    ensure(after.summary.phase == Phase::Pending, || format!("one approval made it {}", after.summary.phase))?;
    let missing: Vec<&str> = after.rules.iter().filter(|r| r.missing > 0).map(|r| r.rule.as_str()).collect();
    w.tell("bob", "approves exactly this", &format!("still pending, missing: {}", missing.join(", ")))?;
    let text = refused(decide(bob, &run, Decision::Approve, "again").await, "SYN-4002")?;
    w.tell("bob", "approves once more", &text)?;
    let before = fleet.service_process("web-1", "web");
    decide(carol, &run, Decision::Approve, "on call, fine").await?;
    let done = ended(dave, &id).await?;
    ensure(done.summary.phase == Phase::Succeeded && done.tasks.succeeded == 3, || {
        format!("it ended {}: {} {:?}", done.summary.phase, done.summary.message, done.tasks)
    })?;
    w.tell(
        "carol",
        "approves too, and it runs: one node first, then the rest",
        &format!("{}, {} of 3 nodes, {} batches", done.summary.phase, done.tasks.succeeded, done.batch),
    )?;
    let after = fleet.service_process("web-1", "web");
    ensure(after.is_some() && after != before, || format!("the service of web-1 was {before:?} and is {after:?}"))?;
    let output: OutputList = dave.get(&format!("{API}/runs/{id}/output?node=web-1")).await?;
    let text: String = output.items.iter().flat_map(|chunk| &chunk.segments).filter_map(|s| s.text.as_deref()).collect();
    ensure(text.contains("running since"), || format!("web-1 wrote: {text}"))?;
    w.tell("dave", "reads what web-1 wrote", &text.trim().replace('\n', " · "))
}

async fn call_off(w: &mut Walk<'_>, bob: &Client, carol: &Client, dave: &Client) -> Result<()> {
    let all: Page<RunSummary> = dave.get(&format!("{API}/runs?template=restart-service&phase=succeeded&namespace=shop")).await?;
    let first = all.items.first().ok_or_else(|| wrong("no run has succeeded"))?;
    let again = ReplayRequest { target: "env=prod".parse().unwrap_or_default(), reason: None, secrets: None, not_before: None, dry_run: false };
    let replay: Run = dave.post(&format!("{API}/runs/{}/replay", first.id), &again).await?;
    let comparison = replay.comparison.clone().ok_or_else(|| wrong("the replay carries no comparison"))?;
    ensure(comparison.replay && comparison.run == first.id, || format!("it compares with {}", comparison.run))?;
    w.tell(
        "dave",
        "asks for the same on env=prod",
        &format!("the first run {} goes with it; it differs in {}", comparison.phase, comparison.differences.join("; ")),
    )?;
    let after = decide(carol, &replay, Decision::Reject, "not during the sale").await?;
    ensure(after.summary.phase == Phase::Rejected, || format!("it is {}", after.summary.phase))?;
    w.tell("carol", "rejects it", &format!("{}: {}", after.summary.phase, after.summary.message))?;
    let slow: Run = dave.post(&format!("{API}/runs"), &count(500, "role=web")).await?;
    decide(bob, &slow, Decision::Approve, "").await?;
    let id = slow.summary.id;
    until("output while it runs", async || {
        let output: OutputList = dave.get(&format!("{API}/runs/{id}/output")).await.ok()?;
        (!output.items.is_empty()).then_some(())
    })
    .await?;
    let _: Run = dave.post(&format!("{API}/runs/{id}/cancel"), &json!({"reason": "seen enough"})).await?;
    let done = ended(dave, &id).await?;
    ensure(done.summary.phase == Phase::Cancelled && done.tasks.cancelled == 3, || format!("it ended {} {:?}", done.summary.phase, done.tasks))?;
    w.tell(
        "dave",
        "watches a slow run live and cancels it",
        &format!("{}: {} tasks cancelled, the one under way among them", done.summary.phase, done.tasks.cancelled),
    )
}

async fn agent_dies(w: &mut Walk<'_>, fleet: &mut Fleet, alice: &Client, bob: &Client, dave: &Client) -> Result<String> {
    let run: Run = dave.post(&format!("{API}/runs"), &count(500, "name=web-2")).await?;
    decide(bob, &run, Decision::Approve, "").await?;
    let id = run.summary.id;
    until("the task's start", async || tasks(dave, &id).await.ok()?.iter().any(|t| t.phase == task::Phase::Started).then_some(())).await?;
    fleet.kill_agent("web-2").await;
    fleet.start_agent("web-2")?;
    let done = ended(dave, &id).await?;
    let task = tasks(dave, &id).await?.into_iter().next().ok_or_else(|| wrong("no task"))?;
    ensure(done.summary.phase == Phase::Failed && task.phase == task::Phase::Lost, || format!("run {} task {}", done.summary.phase, task.phase))?;
    w.tell(
        "",
        "the agent of web-2 is killed in the middle of a task and starts again",
        &format!("task {}: {}; it is not run a second time", task.phase, task.reason),
    )?;
    fleet.wait_for_agents(alice).await?;
    Ok(id)
}

async fn server_dies(w: &mut Walk<'_>, fleet: &mut Fleet) -> Result<()> {
    let (bob, dave) = (fleet.client("bob").await?, fleet.client("dave").await?);
    let run: Run = dave.post(&format!("{API}/runs"), &count(6, "role=web")).await?;
    decide(&bob, &run, Decision::Approve, "").await?;
    let id = run.summary.id;
    until("the first task's start", async || tasks(&dave, &id).await.ok()?.iter().any(|t| t.phase == task::Phase::Started).then_some(())).await?;
    fleet.kill_server().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    fleet.start_server().await?;
    let dave = fleet.client("dave").await?;
    let done = ended(&dave, &id).await?;
    ensure(done.summary.phase == Phase::Succeeded && done.tasks.succeeded == 3, || {
        format!("it ended {}: {} {:?}", done.summary.phase, done.summary.message, done.tasks)
    })?;
    let output: OutputList = dave.get(&format!("{API}/runs/{id}/output")).await?;
    let lines: usize = output.items.iter().flat_map(|c| &c.segments).filter_map(|s| s.text.as_deref()).map(|t| t.lines().count()).sum();
    ensure(lines == 18, || format!("{lines} lines of output instead of 18"))?;
    w.tell(
        "",
        "the server is killed while a run is under way and starts again",
        &format!("the run goes on by itself: {}, {lines} of 18 lines of output kept, none twice", done.summary.phase),
    )
}

async fn on_record(w: &mut Walk<'_>, fleet: &Fleet, lost: &str) -> Result<()> {
    let (alice, erin) = (fleet.client("alice").await?, fleet.client("erin").await?);
    let failed: Page<Task> = erin.get(&format!("{API}/tasks?phase=lost,cancelled&namespace=shop")).await?;
    ensure(failed.items.iter().any(|t| t.run == lost), || "the lost task is not in the history".into())?;
    w.tell("erin", "searches the history of tasks", &format!("{} lost or cancelled", failed.items.len()))?;
    let who: WhoCan = erin.get(&format!("{API}/access/who-can?action=run.approve&namespace=shop&template=restart-service")).await?;
    let names: Vec<&str> = who.people.iter().map(|p| p.user.as_str()).collect();
    ensure(names.contains(&"bob") && !names.contains(&"erin"), || format!("who can approve: {names:?}"))?;
    w.tell("erin", "asks who may approve", &names.join(", "))?;
    let mut events: Vec<Event> = Vec::new();
    let mut after = 0;
    loop {
        let page: Page<Event> = alice.get(&format!("{API}/events?after={after}&limit=1000")).await?;
        let Some(last) = page.items.last() else { break };
        after = last.position;
        events.extend(page.items);
    }
    let gap_free = events.iter().enumerate().all(|(n, e)| e.position == n as u64 + 1);
    ensure(gap_free, || "the log of events has gaps".into())?;
    for kind in ["synod.run.approved", "synod.run.rejected", "synod.run.cancelled", "synod.approval.given", "synod.task.ended", "synod.node.joined"] {
        ensure(events.iter().any(|e| e.kind == kind), || format!("no event {kind}"))?;
    }
    let text = serde_json::to_string(&events).unwrap_or_default();
    ensure(super::PEOPLE.iter().all(|(_, password, _)| !text.contains(password)), || "a password is in the log".into())?;
    w.tell("alice", "reads the record", &format!("{} events, without a gap", events.len()))?;
    let file = fleet.dir.join("walk.backup");
    let answer = synod_protocol::http::client::accept(alice.raw(http::Method::GET, &format!("{API}/backup"), &[], bytes::Bytes::new()).await?).await?;
    let bytes = synod_protocol::http::client::collect(answer).await?;
    std::fs::write(&file, &bytes).map_err(|e| Fault::file("write", &file, &e))?;
    let url = format!("sqlite:{}", fleet.dir.join("restored.db").display());
    let db = synod_db::Db::open(&url).await.map_err(Fault::from)?;
    let restored = synod_db::backup::restore(&db, &bytes).await.map_err(Fault::from)?;
    db.close().await;
    w.tell("alice", "takes a backup and restores it elsewhere", &format!("{} rows in {} bytes, whole", restored.rows, bytes.len()))
}
