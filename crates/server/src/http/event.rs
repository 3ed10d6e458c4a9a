//! Events, as pages and as a stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use http::HeaderMap;
use synod_db::doorbell::Topic;
use synod_db::event::Filter;
use synod_domain::event::Event;
use synod_protocol::http::Page;
use synod_protocol::http::event::EventQuery;
use synod_protocol::http::problem::ProblemDocument;

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
    Ok(Sse::new(stream(ctx, filter)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// How long a silent stream waits before it says that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a stream goes without looking by itself, should every ring be lost.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

fn stream(ctx: Ctx, filter: Filter) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    let rings = ctx.app.bell.listen(Topic::Events);
    futures::stream::unfold((ctx, filter, rings, Vec::<Event>::new().into_iter()), async |(ctx, mut filter, mut rings, mut ready)| {
        loop {
            if let Some(next) = ready.next() {
                filter.after = Some(next.position);
                let sse = SseEvent::default().id(next.position.to_string()).data(serde_json::to_string(&next).unwrap_or_default());
                return Some((Ok(sse), (ctx, filter, rings, ready)));
            }
            rings.mark_unchanged();
            let found = async { synod_db::event::list(&mut ctx.app.db.reader().await?, &filter).await };
            match found.await {
                Ok(found) if !found.is_empty() => ready = found.into_iter(),
                // A session that ended, or a right that was taken, ends the stream; the client's next request says why.
                Ok(_) if !still_allowed(&ctx).await => return None,
                Ok(_) => {
                    let _ = tokio::time::timeout(LOOK_EVERY, rings.changed()).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "a stream of events waits for the database");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    })
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
