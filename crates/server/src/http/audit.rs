//! The audit log as C2SP files (tlog-tiles), and proofs about events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use synod_protocol::http::audit::AuditProof;
use synod_protocol::http::problem::ProblemDocument;
use synod_trust::audit::{Tile, tile::WIDTH};

use super::error::ApiResult;
use crate::app::App;
use crate::ctx::Ctx;
use crate::ops::audit;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// Full tiles never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The newest signed head of the audit log (C2SP tlog-checkpoint).
#[utoipa::path(
    get, path = "/audit/checkpoint", tag = "audit", operation_id = "audit_checkpoint",
    responses((status = 200, description = "Done", body = String, content_type = "text/plain"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn checkpoint(State(app): State<Arc<App>>) -> ApiResult<Response> {
    Ok(([(header::CONTENT_TYPE, TEXT)], audit::checkpoint(&app).await?).into_response())
}

/// The public key of the audit log, a line in the form of signed notes (C2SP signed-note).
#[utoipa::path(
    get, path = "/audit/key", tag = "audit", operation_id = "audit_key",
    responses((status = 200, description = "Done", body = String, content_type = "text/plain"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn key(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], format!("{}\n", app.log.key())).into_response()
}

/// Hashes of the audit log's tree (C2SP tlog-tiles): 1 to 256 of them, 32 bytes each.
#[utoipa::path(
    get, path = "/audit/tile/{level}/{path}", tag = "audit", operation_id = "audit_tile",
    params(("level" = u8, Path, description = "The level; 0 holds the leaves"), ("path" = String, Path, description = "Which tile: `x001/234`, or `x001/234.p/56` for its first 56 hashes")),
    responses((status = 200, description = "Done", content_type = "application/octet-stream"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn tile(State(app): State<Arc<App>>, Path((level, path)): Path<(String, String)>) -> ApiResult<Response> {
    let tile: Tile = audit::read_path(&format!("tile/{level}/{path}"))?;
    let hashes = audit::tile(&app, tile).await?;
    let mut response = ([(header::CONTENT_TYPE, BYTES)], hashes).into_response();
    if usize::from(tile.width) == WIDTH {
        response.headers_mut().insert(header::CACHE_CONTROL, FOR_EVER);
    }
    Ok(response)
}

/// The events under a tile of level 0 (C2SP tlog-tiles): the canonical bytes of each after its length (two bytes, big-endian).
#[utoipa::path(
    get, path = "/audit/tile/entries/{path}", tag = "audit", operation_id = "audit_entries",
    params(("path" = String, Path, description = "Which tile: `x001/234`, or `x001/234.p/56` for its first 56 events")),
    responses((status = 200, description = "Done", content_type = "application/octet-stream"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn entries(ctx: Ctx, Path(path): Path<String>) -> ApiResult<Response> {
    let tile = audit::read_path(&format!("tile/0/{path}"))?;
    Ok(([(header::CONTENT_TYPE, BYTES)], audit::entries(&ctx, tile).await?).into_response())
}

/// Proves that an event is in the audit log.
#[utoipa::path(
    get, path = "/api/v1/audit/proofs/{position}", tag = "audit", operation_id = "audit_proof",
    params(("position" = u64, Path, description = "The event's position")),
    responses((status = 200, description = "Done", body = AuditProof), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn proof(ctx: Ctx, Path(position): Path<String>) -> ApiResult<Json<AuditProof>> {
    Ok(Json(audit::proof(&ctx, &position).await?))
}
