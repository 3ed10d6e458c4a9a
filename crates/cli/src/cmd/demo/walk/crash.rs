//! The walk: an agent and the server die in the middle of their work.

use std::time::Duration;

use synod_domain::approval::Decision;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_protocol::http::run::Run;
use synod_protocol::http::task::OutputList;

use super::{API, Fleet, Person, Walk, count, ended, ensure, succeeded, tasks, until, wrong};
use crate::exit::Result;

/// An agent is killed; returns the run whose task it lost.
pub(super) async fn agent_dies(w: &mut Walk<'_>, fleet: &mut Fleet) -> Result<String> {
    let (alice, bob, dave) = (fleet.client("alice").await?, Person::new(fleet, "bob").await?, fleet.client("dave").await?);
    let run: Run = dave.post(&format!("{API}/runs"), &count(500, "name=web-2")).await?;
    bob.decide(&run, Decision::Approve, "").await?;
    let id = run.summary.id;
    until("the task's start", async || tasks(&dave, &id).await.ok()?.iter().any(|t| t.phase == task::Phase::Started).then_some(())).await?;
    fleet.kill_agent("web-2").await;
    fleet.start_agent("web-2")?;
    let done = ended(&dave, &id).await?;
    let task = tasks(&dave, &id).await?.into_iter().next().ok_or_else(|| wrong("no task"))?;
    ensure(done.summary.phase == Phase::Failed && task.phase == task::Phase::Lost, || format!("run {} task {}", done.summary.phase, task.phase))?;
    w.tell(
        "",
        "the agent of web-2 is killed in the middle of a task and starts again",
        &format!("task {}: {}; it is not run a second time", task.phase, task.reason),
    )?;
    fleet.wait_for_agents(&alice).await?;
    Ok(id)
}

/// The server is killed while a run is under way.
pub(super) async fn server_dies(w: &mut Walk<'_>, fleet: &mut Fleet) -> Result<()> {
    let (bob, dave) = (Person::new(fleet, "bob").await?, fleet.client("dave").await?);
    let run: Run = dave.post(&format!("{API}/runs"), &count(6, "role=web")).await?;
    bob.decide(&run, Decision::Approve, "").await?;
    let id = run.summary.id;
    until("the first task's start", async || tasks(&dave, &id).await.ok()?.iter().any(|t| t.phase == task::Phase::Started).then_some(())).await?;
    fleet.kill_server().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    fleet.start_server().await?;
    let dave = fleet.client("dave").await?;
    let done = succeeded(&dave, &id, 3).await?;
    let output: OutputList = dave.get(&format!("{API}/runs/{id}/output")).await?;
    let lines: usize = output.items.iter().flat_map(|c| &c.segments).filter_map(|s| s.text.as_deref()).map(|t| t.lines().count()).sum();
    ensure(lines == 18, || format!("{lines} lines of output instead of 18"))?;
    w.tell(
        "",
        "the server is killed while a run is under way and starts again",
        &format!("the run goes on by itself: {}, {lines} of 18 lines of output kept, none twice", done.summary.phase),
    )
}
