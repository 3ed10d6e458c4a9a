//! Tasks and their output.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use http::{HeaderMap, HeaderValue, header};
use synod_db::doorbell::Topic;
use synod_domain::Error;
use synod_domain::error::code;
use synod_domain::event::Event;
use synod_protocol::http::Page;
use synod_protocol::http::problem::ProblemDocument;
use synod_protocol::http::task::{OutputChunk, OutputList, OutputQuery, Task, TaskQuery};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use super::error::ApiResult;
use super::event::{KEEP_ALIVE, LOOK_EVERY, still_allowed};
use super::extract::Params;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::task;

/// The most tasks one export holds.
const EXPORT: u32 = 10_000;
/// So many chunks of output are read at once.
const CHUNKS: u32 = 200;

/// Lists tasks: filtered, sorted, paged, as JSON or CSV.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "tasks", operation_id = "task_list",
    params(TaskQuery),
    responses((status = 200, description = "Done", body = Page<Task>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn task_list(ctx: Ctx, Params(query): Params<TaskQuery>) -> ApiResult<Response> {
    match query.format.as_deref() {
        None | Some("json") => Ok(Json(task::task_list(&ctx, &query, EXPORT).await?).into_response()),
        Some("csv") => {
            let query = TaskQuery { limit: query.limit.or(Some(EXPORT)), ..query };
            let page = task::task_list(&ctx, &query, EXPORT).await?;
            let kind = HeaderValue::from_static("text/csv; charset=utf-8");
            Ok(([(header::CONTENT_TYPE, kind)], csv(&page.items)).into_response())
        }
        Some(other) => Err(Error::new(code::UNKNOWN_PARAMETER, format!("there is no format `{other}`; known are json and csv")).into()),
    }
}

fn csv(tasks: &[Task]) -> String {
    let mut text = "id,run,index,namespace,template,node,phase,batch,assigned_at,started_at,finished_at,exit_code,reason\r\n".to_owned();
    for task in tasks {
        let time = |t: Option<synod_domain::Timestamp>| t.map(|t| t.to_string()).unwrap_or_default();
        let fields = [
            task.id.clone(),
            task.run.clone(),
            task.index.to_string(),
            task.namespace.clone(),
            task.template.clone(),
            task.node.clone(),
            task.phase.to_string(),
            task.batch.map(|b| b.to_string()).unwrap_or_default(),
            time(task.assigned_at),
            time(task.started_at),
            time(task.finished_at),
            task.exit_code.map(|c| c.to_string()).unwrap_or_default(),
            task.reason.clone(),
        ];
        text.push_str(&fields.map(|field| quote(&field)).join(","));
        text.push_str("\r\n");
    }
    text
}

/// A CSV field (RFC 4180). A leading `=`, `+`, `-` or `@` is defused, so that no spreadsheet takes it for a formula.
fn quote(field: &str) -> String {
    let field = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// Shows a task.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "task_get",
    params(("id" = String, Path, description = "RUN.INDEX")),
    responses((status = 200, description = "Done", body = Task), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn task_get(ctx: Ctx, Path(id): Path<String>) -> ApiResult<Json<Task>> {
    Ok(Json(task::task_get(&ctx, &id).await?))
}

/// The output of a run; with `follow`, as it comes (server-sent events named `output`, then one named `end`).
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/output", tag = "tasks", operation_id = "output",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it"), OutputQuery),
    responses((status = 200, description = "Done", body = OutputList), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn output(ctx: Ctx, Path(id): Path<String>, headers: HeaderMap, Params(query): Params<OutputQuery>) -> ApiResult<Response> {
    let run = crate::ops::run::resolve(&mut ctx.app.db.reader().await?, &id).await?;
    ctx.require(Action::RunRead, &Resource::template(&run.namespace, &run.template))?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let mut after = last.or(query.after).unwrap_or(0);
    if query.follow {
        let tail = ctx.app.tail.join(&ctx.app).await?;
        let live = Live { ctx, run: run.id, node: query.node, after, ended: false, tail, check_at: Instant::now() + LOOK_EVERY };
        return Ok(Sse::new(stream(live)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response());
    }
    let mut items: Vec<OutputChunk> = Vec::new();
    loop {
        let found = task::output(&ctx, &run.id, query.node.as_deref(), after, CHUNKS).await?;
        let Some(last) = found.last() else { break };
        after = last.id;
        items.extend(found);
        if items.len() > MOST_CHUNKS {
            return Err(Error::new(code::TOO_LARGE, "the run has too much output for one answer; name a node, or follow it").into());
        }
    }
    items.sort_by(|a, b| (&a.task, a.chunk).cmp(&(&b.task, b.chunk)));
    Ok(Json(OutputList { items }).into_response())
}

/// The most chunks one answer holds.
const MOST_CHUNKS: usize = 20_000;

struct Live {
    ctx: Ctx,
    run: String,
    node: Option<String>,
    after: i64,
    ended: bool,
    tail: broadcast::Receiver<Arc<Event>>,
    check_at: Instant,
}

impl Live {
    /// Waits for an event that may be the run's end, or for one that was missed.
    async fn end(&mut self) {
        loop {
            match self.tail.recv().await {
                Ok(event) if event.run.as_deref() != Some(self.run.as_str()) || event.subject.starts_with("task/") => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

fn stream(live: Live) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    let rings = live.ctx.app.bell.listen(Topic::Output);
    futures::stream::unfold((live, rings, Vec::<OutputChunk>::new().into_iter()), async |(mut live, mut rings, mut ready)| {
        loop {
            if let Some(next) = ready.next() {
                live.after = next.id;
                let sse = SseEvent::default().event("output").id(next.id.to_string()).data(serde_json::to_string(&next).unwrap_or_default());
                return Some((Ok(sse), (live, rings, ready)));
            }
            if live.ended {
                return None;
            }
            if Instant::now() >= live.check_at {
                if !still_allowed(&live.ctx).await {
                    return None;
                }
                live.check_at = Instant::now() + LOOK_EVERY;
            }
            rings.mark_unchanged();
            // Whether it has ended is read before the output: output that comes with the end is then not missed.
            let look = async {
                let run = synod_db::run::get(&mut live.ctx.app.db.reader().await?, &live.run).await?;
                let found = task::output(&live.ctx, &live.run, live.node.as_deref(), live.after, CHUNKS).await?;
                synod_domain::Result::<_>::Ok((run.is_none_or(|run| run.phase.ended()), found))
            };
            match look.await {
                Ok((_, found)) if !found.is_empty() => ready = found.into_iter(),
                Ok((true, _)) => {
                    live.ended = true;
                    return Some((Ok(SseEvent::default().event("end").data("{}")), (live, rings, ready)));
                }
                Ok(_) => {
                    let until = live.check_at;
                    tokio::select! {
                        _ = rings.changed() => {}
                        () = live.end() => {}
                        () = tokio::time::sleep_until(until) => {}
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a stream of output waits for the database");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    })
}
