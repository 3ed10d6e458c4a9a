//! Events, as pages and as a stream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use http::HeaderMap;
use synod_db::event::Filter;
use synod_domain::Error;
use synod_domain::event::Event;
use synod_protocol::http::Page;
use synod_protocol::http::event::EventQuery;
use synod_protocol::http::problem::ProblemDocument;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

use super::error::ApiResult;
use super::extract::Params;
use crate::ctx::Ctx;
use crate::ops::event;

/// Lists events; with `follow`, sends them as they come (server-sent events, resumed by `Last-Event-ID`).
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", operation_id = "event_list",
    params(EventQuery),
    responses((status = 200, description = "Done", body = Page<Event>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn event_list(ctx: Ctx, headers: HeaderMap, Params(query): Params<EventQuery>) -> ApiResult<Response> {
    if !query.follow {
        return Ok(Json(event::event_list(&ctx, &query).await?).into_response());
    }
    let mut filter = event::filter(&ctx, &query).await?;
    if let Some(last) = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()) {
        filter.after = Some(last);
    }
    if filter.after.is_none() && query.run.is_none() && query.since.is_none() {
        // Following begins now, unless a beginning is named.
        filter.after = Some(synod_db::event::last_position(&mut ctx.app.db.reader().await?).await?);
    }
    Ok(Sse::new(stream(ctx, filter).await?).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// How long a silent stream waits before it says that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a stream goes without looking by itself, should every ring be lost.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a stream of events knows between two of them.
struct Follower {
    ctx: Ctx,
    /// What is followed; `after` moves along.
    filter: Filter,
    tail: broadcast::Receiver<Arc<Event>>,
    ready: VecDeque<Arc<Event>>,
    /// Whether everything up to here was read, so that what the tail brings comes next.
    covered: Option<u64>,
    check_at: Instant,
}

async fn stream(ctx: Ctx, filter: Filter) -> Result<impl Stream<Item = Result<SseEvent, Infallible>>, Error> {
    let tail = ctx.app.tail.join(&ctx.app).await?;
    let follower = Follower { ctx, filter, tail, ready: VecDeque::new(), covered: None, check_at: Instant::now() + LOOK_EVERY };
    Ok(futures::stream::unfold(follower, async |mut follower| {
        let next = follower.next().await?;
        let sse = SseEvent::default().id(next.position.to_string()).data(serde_json::to_string(&*next).unwrap_or_default());
        Some((Ok(sse), follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            // A session that ended, or a right that was taken, ends the stream; the client's next request says why.
            if Instant::now() >= self.check_at || self.ctx.app.access.latest().version != self.ctx.access.version {
                if !still_allowed(&self.ctx).await {
                    return None;
                }
                self.check_at = Instant::now() + LOOK_EVERY;
            }
            if let Some(next) = self.ready.pop_front() {
                self.filter.after = Some(next.position);
                return Some(next);
            }
            let Some(covered) = self.covered else {
                if let Err(error) = self.catch_up().await {
                    tracing::debug!(%error, "a stream of events waits for the database");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                continue;
            };
            match timeout_at(self.check_at, self.tail.recv()).await {
                Ok(Ok(event)) if event.position > covered => {
                    self.covered = Some(event.position);
                    if self.filter.matches(&event) {
                        self.ready.push_back(event);
                    }
                }
                Ok(Err(RecvError::Lagged(_))) => {
                    self.filter.after = Some(covered);
                    self.covered = None;
                }
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Ok(_)) | Err(_) => {}
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Error> {
        let mut reader = self.ctx.app.db.reader().await?;
        let last = synod_db::event::last_position(&mut reader).await?;
        let found = synod_db::event::list(&mut reader, &self.filter).await?;
        if found.len() < self.filter.limit as usize {
            self.covered = Some(found.last().map_or(last, |event| event.position.max(last)));
        }
        self.ready = found.into_iter().map(Arc::new).collect();
        Ok(())
    }
}

/// Whether the caller of a long answer is still who they were and may still do what they could.
pub async fn still_allowed(ctx: &Ctx) -> bool {
    let unchanged = async {
        let mut reader = ctx.app.db.reader().await?;
        if let Some(session) = &ctx.caller.session {
            let known = synod_db::session::get(&mut reader, session).await?;
            if known.is_none_or(|(row, _)| row.revoked_at.is_some() || row.expires_at <= ctx.app.clock.now()) {
                return synod_domain::Result::<bool>::Ok(false);
            }
        }
        if let Some(key) = &ctx.caller.api_key {
            let known = synod_db::session::key_by_id(&mut reader, key).await?;
            if known.is_none_or(|key| key.revoked_at.is_some() || key.expires_at <= ctx.app.clock.now()) {
                return Ok(false);
            }
        }
        Ok(synod_db::access::version(&mut reader).await? == ctx.access.version)
    };
    // A database that is away is no reason to send people off.
    unchanged.await.unwrap_or(true)
}
