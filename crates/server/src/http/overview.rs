//! The overview.

use axum::Json;
use synod_protocol::http::overview::{Overview, OverviewQuery};
use synod_protocol::http::problem::ProblemDocument;

use super::error::ApiResult;
use super::extract::Params;
use crate::ctx::Ctx;
use crate::ops::overview;

/// Tells how runs went lately, as far as the caller may see them.
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "runs", operation_id = "overview",
    params(OverviewQuery),
    responses((status = 200, description = "Done", body = Overview), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn overview(ctx: Ctx, Params(query): Params<OverviewQuery>) -> ApiResult<Json<Overview>> {
    Ok(Json(overview::overview(&ctx, &query).await?))
}
