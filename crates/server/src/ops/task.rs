//! Tasks: what agents report becomes rows and events, and moves their runs on, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::json;
use synod_db::task::{Ended, Filter, GIVEN_UP, NewOutput, Place, SignedResult, Sort, Started, Touched};
use synod_db::{event, run, task};
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::task::Phase;
use synod_domain::{Error, Result, Timestamp};
use synod_protocol::agent::split_task;
use synod_protocol::http::Page;
use synod_protocol::http::task::{OutputChunk, Task, TaskQuery};

use crate::app::App;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::ops::rollout::{Seen, Work};

/// What agents reported, ready to be written.
#[derive(Debug, Default)]
pub struct Reported {
    /// Tasks that have begun.
    pub started: Vec<Started>,
    /// Output.
    pub output: Vec<NewOutput>,
    /// Tasks that have ended.
    pub ended: Vec<Ended>,
    /// Other ends of tasks that are in `ended`: none counts, one is told.
    pub other_ends: Vec<Ended>,
    /// Results as the nodes signed them.
    pub signed: Vec<SignedResult>,
}

/// Writes what was reported and moves the runs on. Reports of tasks that are not the reporting node's change nothing.
pub async fn record(app: &Arc<App>, reported: Reported, now: Timestamp) -> Result<Effects> {
    let mut tx = app.db.begin().await?;
    let mut effects = Effects::default();
    let mut events: Vec<NewEvent> = Vec::new();
    // Runs first, in order: every transaction that touches tasks takes this lock before.
    let ids: BTreeSet<&str> = reported.ended.iter().map(|e| e.run_id.as_str()).collect();
    let mut runs: BTreeMap<String, run::Run> = BTreeMap::new();
    if !ids.is_empty() {
        let ids: Vec<&str> = ids.into_iter().collect();
        runs.extend(run::lock_many(&mut tx, &ids).await?.into_iter().map(|run| (run.id.clone(), run)));
    }
    if !reported.started.is_empty() {
        for started in task::started(&mut tx, &reported.started).await? {
            events.push(task_event(types::TASK_STARTED, &started, json!({})));
        }
    }
    if !reported.output.is_empty() {
        task::add_output(&mut tx, &reported.output).await?;
    }
    if !reported.ended.is_empty() {
        let by_task: HashMap<(&str, u32, &str), &Ended> = reported.ended.iter().map(|e| ((e.run_id.as_str(), e.idx, e.node_id.as_str()), e)).collect();
        let ended = task::ended(&mut tx, &reported.ended).await?;
        let moved: BTreeSet<&String> = ended.iter().map(|t| &t.run).collect();
        for task in &ended {
            let Some(e) = by_task.get(&(task.run.as_str(), task.idx, task.node_id.as_str())) else { continue };
            let kind = if e.phase == Phase::Refused.name() { types::TASK_REFUSED } else { types::TASK_ENDED };
            events.push(task_event(kind, task, json!({"phase": e.phase, "exitCode": e.exit_code, "reason": e.reason})));
        }
        if ended.len() < reported.ended.len() || !reported.other_ends.is_empty() {
            let known: HashSet<(&str, u32, &str)> = ended.iter().map(|t| (t.run.as_str(), t.idx, t.node_id.as_str())).collect();
            let is_known = |e: &Ended| known.contains(&(e.run_id.as_str(), e.idx, e.node_id.as_str()));
            // Giving up what another server gave up already is no news from the node.
            let late: Vec<Ended> = reported.ended.iter().filter(|e| e.detail != GIVEN_UP && !is_known(e)).cloned().collect();
            for task in task::ended_late(&mut tx, &late).await? {
                let Some(e) = by_task.get(&(task.run.as_str(), task.idx, task.node_id.as_str())) else { continue };
                events.push(task_event(types::TASK_LATE, &task, json!({"phase": e.phase, "exitCode": e.exit_code})));
            }
            // What was recorded just now agrees with itself; and what the server concludes is not what the node says.
            let others: Vec<Ended> = reported.other_ends.iter().filter(|e| e.detail != GIVEN_UP).cloned().collect();
            for ends in [&late, &others] {
                for task in task::contradicted(&mut tx, ends).await? {
                    let of_it = |e: &&Ended| e.run_id == task.run && e.idx == task.idx && e.node_id == task.node_id;
                    let Some(e) = ends.iter().find(of_it) else { continue };
                    events.push(task_event(types::TASK_CONTRADICTED, &task, json!({"phase": e.phase, "exitCode": e.exit_code})));
                }
            }
        }
        for id in moved {
            if let Some(run) = runs.get_mut(id) {
                advance(app, &mut tx, run, now, &mut events, &mut effects).await?;
            }
        }
        task::add_signed(&mut tx, &reported.signed)?;
    }
    event::append(&mut tx, &events, now).await?;
    tx.commit().await?;
    effects.events |= !events.is_empty();
    Ok(effects)
}

async fn advance(app: &Arc<App>, tx: &mut synod_db::Tx, run: &mut run::Run, now: Timestamp, events: &mut Vec<NewEvent>, effects: &mut Effects) -> Result<()> {
    let document = app.manifests.of(run)?;
    // A run that goes on asks nobody's rights, so the state last read will do.
    let access = app.access.latest();
    let mut work = Work { run, document: &document, access: &access, now, events, effects, seen: &mut Seen::default() };
    work.advance(tx).await?;
    run::update(tx, run);
    Ok(())
}

fn task_event(kind: &'static str, task: &Touched, data: serde_json::Value) -> NewEvent {
    let subject = format!("task/{}.{}", task.run, task.idx);
    NewEvent { kind, subject, namespace: Some(task.namespace.clone()), run: Some(task.run.clone()), actor: format!("node:{}", task.node), data }
}

/// Gives up tasks whose deadline has passed: those that did not begin, and those that nobody heard of again.
pub async fn give_up(app: &Arc<App>, overdue: Vec<(String, u32, String, Phase)>, now: Timestamp) -> Result<Effects> {
    let mut reported = Reported::default();
    let mut cancelling: BTreeMap<String, bool> = BTreeMap::new();
    for (run_id, idx, node_id, phase) in overdue {
        let being_cancelled = match cancelling.get(&run_id) {
            Some(known) => *known,
            None => {
                let found = run::get(&mut app.db.reader().await?, &run_id).await?.is_some_and(|run| run.cancelling);
                cancelling.insert(run_id.clone(), found);
                found
            }
        };
        let (end, reason) = match (phase, being_cancelled) {
            (Phase::Assigned, true) => (Phase::Cancelled, "cancelled; the node did not answer"),
            (Phase::Assigned, false) => (Phase::Failed, "the node did not begin in time; it is offline or overloaded"),
            (_, true) => (Phase::Lost, "cancelled; the node did not say how it ended"),
            (_, false) => (Phase::Lost, "the node began and was not heard of again in time"),
        };
        reported.ended.push(Ended {
            run_id,
            idx,
            node_id,
            phase: end.name().to_owned(),
            started_at: None,
            finished_at: now.0,
            exit_code: None,
            reason: reason.to_owned(),
            check_failed: 0,
            detail: GIVEN_UP.to_owned(),
        });
    }
    record(app, reported, now).await
}

fn view(task: synod_db::task::Task) -> Task {
    Task {
        id: format!("{}.{}", task.run, task.idx),
        run: task.run,
        index: task.idx,
        namespace: task.namespace,
        template: task.template,
        node: task.node,
        node_id: task.node_id,
        phase: task.phase,
        batch: task.batch,
        assigned_at: task.assigned_at,
        started_at: task.started_at,
        finished_at: task.finished_at,
        exit_code: task.exit_code,
        reason: task.reason,
        warnings: task.detail.warnings,
        steps: task.detail.steps,
        truncated: task.detail.truncated,
    }
}

/// Lists tasks; at most `most` a page.
pub async fn task_list(ctx: &Ctx, query: &TaskQuery, most: u32) -> Result<Page<Task>> {
    let wrong = |e: String| Error::new(code::UNKNOWN_PARAMETER, e);
    let phases: Vec<Phase> = super::words(query.phase.as_deref())?;
    let sort = match query.sort.as_deref() {
        None if query.run.is_some() => Sort::Rollout,
        None | Some("-created") => Sort::Newest,
        Some("created") => Sort::Oldest,
        Some("node") => Sort::Node,
        Some("-node") => Sort::NodeBackwards,
        Some("phase") => Sort::Phase,
        Some(other) => return Err(wrong(format!("cannot sort by `{other}`; known are created, -created, node, -node, phase"))),
    };
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let limit = query.limit.unwrap_or(50).clamp(1, most);
    let mut reader = ctx.app.db.reader().await?;
    let run = match &query.run {
        Some(prefix) => Some(super::run::resolve(&mut reader, prefix).await?.id),
        None => None,
    };
    let filter = Filter {
        run,
        namespaces: ctx.scope(Action::RunRead, query.namespace.as_deref())?,
        template: query.template.clone(),
        node: query.node.clone(),
        phases,
        since: query.since,
        until: query.until,
        sort,
        after,
        limit: limit + 1,
    };
    let mut found = task::list(&mut reader, &filter).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(cursor);
    Ok(Page { items: found.into_iter().map(view).collect(), next })
}

/// The cursor behind a task. It names the task, so that what is added meanwhile moves no page.
fn cursor(last: &task::Task) -> String {
    format!("{}.{}.{}.{}.{}", last.created_at.0, last.run, last.idx, last.phase, last.node)
}

fn read_cursor(text: &str) -> Result<Place> {
    let mut parts = text.splitn(5, '.');
    let mut next = || parts.next();
    let read = (|| {
        let (created_at, run, idx) = (Timestamp(next()?.parse().ok()?), next()?.to_owned(), next()?.parse().ok()?);
        Some(Place { created_at, run, idx, phase: next()?.parse().ok()?, node: next()?.to_owned() })
    })();
    read.ok_or_else(|| Error::new(code::INVALID_CURSOR, "this is no cursor of a task listing"))
}

/// One task.
pub async fn task_get(ctx: &Ctx, id: &str) -> Result<Task> {
    let (run, idx) = split_task(id).ok_or_else(|| Error::not_found("task", id))?;
    let mut reader = ctx.app.db.reader().await?;
    let found = match task::get(&mut reader, run, idx).await? {
        Some(found) => found,
        None => {
            let run = super::run::resolve(&mut reader, run).await?;
            task::get(&mut reader, &run.id, idx).await?.ok_or_else(|| Error::not_found("task", id))?
        }
    };
    ctx.require(Action::RunRead, &Resource::template(&found.namespace, &found.template))?;
    Ok(view(found))
}

/// Output of a run after a chunk, oldest first.
pub async fn output(ctx: &Ctx, run: &str, node: Option<&str>, after: i64, limit: u32) -> Result<Vec<OutputChunk>> {
    let mut reader = ctx.app.db.reader().await?;
    task::output(&mut reader, run, node, after, limit)
        .await?
        .into_iter()
        .map(|o| {
            let segments = serde_json::from_str(&o.segments).map_err(Error::internal)?;
            Ok(OutputChunk { id: o.id, task: format!("{run}.{}", o.idx), node: o.node, chunk: o.chunk, segments })
        })
        .collect()
}
