//! Questions about access.

use axum::Json;
use synod_protocol::http::access::{AccessMatrix, AccessQuery, CanI, MatrixQuery, WhoCan};
use synod_protocol::http::problem::ProblemDocument;

use super::error::ApiResult;
use super::extract::Params;
use crate::ctx::Ctx;
use crate::ops::access;

/// Whether the caller may.
#[utoipa::path(
    get, path = "/api/v1/access/can-i", tag = "access", operation_id = "can_i",
    params(AccessQuery),
    responses((status = 200, description = "Done", body = CanI), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn can_i(ctx: Ctx, Params(query): Params<AccessQuery>) -> ApiResult<Json<CanI>> {
    Ok(Json(access::can_i(&ctx, &query)?))
}

/// Everyone who may.
#[utoipa::path(
    get, path = "/api/v1/access/who-can", tag = "access", operation_id = "who_can",
    params(AccessQuery),
    responses((status = 200, description = "Done", body = WhoCan), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn who_can(ctx: Ctx, Params(query): Params<AccessQuery>) -> ApiResult<Json<WhoCan>> {
    Ok(Json(access::who_can(&ctx, &query)?))
}

/// Who may do what, everybody at once.
#[utoipa::path(
    get, path = "/api/v1/access/matrix", tag = "access", operation_id = "access_matrix",
    params(MatrixQuery),
    responses((status = 200, description = "Done", body = AccessMatrix), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn access_matrix(ctx: Ctx, Params(query): Params<MatrixQuery>) -> ApiResult<Json<AccessMatrix>> {
    Ok(Json(access::access_matrix(&ctx, &query).await?))
}
