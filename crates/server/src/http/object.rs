//! Declared things.

use axum::Json;
use axum::extract::Path;
use http::StatusCode;
use synod_domain::error::code;
use synod_domain::object::{Document, Kind};
use synod_domain::{Error, Result};
use synod_protocol::http::object::{ApplyRequest, ApplyResponse, DocumentList, ObjectQuery};
use synod_protocol::http::problem::ProblemDocument;

use super::error::ApiResult;
use super::extract::{Body, IfMatch, Params};
use crate::ctx::Ctx;
use crate::ops::object;

fn kind(name: &str) -> Result<Kind> {
    name.parse().map_err(|e: String| Error::new(code::NOT_FOUND, e))
}

/// Applies documents: all of them, or none; `If-Match` with the revision that one document was edited from guards against
/// changes meanwhile.
#[utoipa::path(
    post, path = "/api/v1/apply", tag = "objects", operation_id = "apply",
    params(("If-Match" = Option<String>, Header, description = "The revision the one document was edited from, such as \"3\"; \"0\" for one that is to be new")),
    request_body = ApplyRequest,
    responses((status = 200, description = "Done", body = ApplyResponse), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn apply(ctx: Ctx, IfMatch(revision): IfMatch, Body(request): Body<ApplyRequest>) -> ApiResult<Json<ApplyResponse>> {
    Ok(Json(object::apply(&ctx, &request, revision).await?))
}

/// Lists things of a kind.
#[utoipa::path(
    get, path = "/api/v1/objects/{kind}", tag = "objects", operation_id = "object_list",
    params(("kind" = String, Path, description = "The kind, plural"), ObjectQuery),
    responses((status = 200, description = "Done", body = DocumentList), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn object_list(ctx: Ctx, Path(name): Path<String>, Params(query): Params<ObjectQuery>) -> ApiResult<Json<DocumentList>> {
    Ok(Json(DocumentList { items: object::object_list(&ctx, kind(&name)?, &query).await? }))
}

/// Shows one thing.
#[utoipa::path(
    get, path = "/api/v1/objects/{kind}/{name}", tag = "objects", operation_id = "object_get",
    params(("kind" = String, Path, description = "The kind, plural"), ("name" = String, Path, description = "The name"), ObjectQuery),
    responses((status = 200, description = "Done", body = Document), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn object_get(ctx: Ctx, Path((of, name)): Path<(String, String)>, Params(query): Params<ObjectQuery>) -> ApiResult<Json<Document>> {
    Ok(Json(object::object_get(&ctx, kind(&of)?, &name, &query).await?))
}

/// Deletes one thing; `If-Match` with its revision guards against changes meanwhile.
#[utoipa::path(
    delete, path = "/api/v1/objects/{kind}/{name}", tag = "objects", operation_id = "object_delete",
    params(("kind" = String, Path, description = "The kind, plural"), ("name" = String, Path, description = "The name"), ObjectQuery,
        ("If-Match" = Option<String>, Header, description = "The revision it must still have, such as \"3\"")),
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn object_delete(
    ctx: Ctx,
    Path((of, name)): Path<(String, String)>,
    Params(query): Params<ObjectQuery>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    object::object_delete(&ctx, kind(&of)?, &name, &query, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists all revisions of one thing, newest first.
#[utoipa::path(
    get, path = "/api/v1/objects/{kind}/{name}/revisions", tag = "objects", operation_id = "object_revisions",
    params(("kind" = String, Path, description = "The kind, plural"), ("name" = String, Path, description = "The name"), ObjectQuery),
    responses((status = 200, description = "Done", body = DocumentList), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn object_revisions(ctx: Ctx, Path((of, name)): Path<(String, String)>, Params(query): Params<ObjectQuery>) -> ApiResult<Json<DocumentList>> {
    Ok(Json(DocumentList { items: object::object_revisions(&ctx, kind(&of)?, &name, &query).await? }))
}

/// The JSON Schema of a kind's documents, for editors.
#[utoipa::path(
    get, path = "/api/v1/schemas/{kind}", tag = "objects", operation_id = "schema",
    params(("kind" = String, Path, description = "The kind, plural")),
    responses((status = 200, description = "Done", body = serde_json::Value), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn schema(_ctx: Ctx, Path(name): Path<String>) -> ApiResult<Json<serde_json::Value>> {
    Ok(Json(synod_domain::object::schema(kind(&name)?)))
}
