//! The server itself.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use synod_protocol::http::problem::ProblemDocument;
use synod_protocol::http::system::{Health, ServerInfo};
use tokio_stream::wrappers::ReceiverStream;

use super::error::ApiResult;
use crate::app::App;
use crate::ctx::Ctx;
use crate::ops::system;

/// What is known of the installation.
#[utoipa::path(
    get, path = "/api/v1/server", tag = "system", operation_id = "server_info",
    responses((status = 200, description = "Done", body = ServerInfo), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn info(ctx: Ctx) -> ApiResult<Json<ServerInfo>> {
    Ok(Json(system::info(&ctx).await?))
}

/// The whole state as one consistent stream of JSON lines.
#[utoipa::path(
    get, path = "/api/v1/backup", tag = "system", operation_id = "backup",
    responses((status = 200, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn backup(ctx: Ctx) -> ApiResult<Response> {
    system::backup_begin(&ctx).await?;
    let (tx, rx) = tokio::sync::mpsc::channel::<std::io::Result<Vec<u8>>>(4);
    tokio::spawn(async move {
        if let Err(error) = synod_db::backup::write(&ctx.app.db, &tx).await {
            tracing::warn!(?error, "a backup broke off");
            // The receiver sees a stream that broke, not one that ended; and a backup without its last line is refused.
            let _ = tx.send(Err(std::io::Error::other("the backup broke off"))).await;
        }
    });
    let kind = HeaderValue::from_static("application/jsonl");
    Ok(([(header::CONTENT_TYPE, kind)], HttpBody::from_stream(ReceiverStream::new(rx))).into_response())
}

fn health(status: &str) -> Json<Health> {
    Json(Health { status: status.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// Whether the process lives.
pub async fn healthz() -> Json<Health> {
    health("ok")
}

/// Whether it can do its work: the database answers.
pub async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    match system::ready(&app).await {
        Ok(()) => (StatusCode::OK, health("ok")),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, health("the database does not answer")),
    }
}
