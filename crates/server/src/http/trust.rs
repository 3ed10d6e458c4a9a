//! The trust root.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use synod_protocol::http::problem::ProblemDocument;
use synod_protocol::http::trust::{CheckRoot, Outlook, PublishRoot, RootCheck, RootQuery, Roots, Trust, TrustRoot};

use super::error::ApiResult;
use super::extract::{Body, Params};
use crate::ctx::Ctx;
use crate::ops::trust;

/// Shows the newest trust root and how nodes judge by it.
#[utoipa::path(
    get, path = "/api/v1/trust", tag = "trust", operation_id = "trust_get",
    responses((status = 200, description = "Done", body = Trust), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn trust_get(ctx: Ctx) -> ApiResult<Json<Trust>> {
    Ok(Json(trust::trust_get(&ctx).await?))
}

/// Lists the published trust roots, oldest first.
#[utoipa::path(
    get, path = "/api/v1/trust/roots", tag = "trust", operation_id = "root_list",
    params(RootQuery),
    responses((status = 200, description = "Done", body = Roots), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn root_list(ctx: Ctx, Params(query): Params<RootQuery>) -> ApiResult<Json<Roots>> {
    Ok(Json(trust::root_list(&ctx, &query).await?))
}

/// Publishes a trust root that enough holders signed.
#[utoipa::path(
    post, path = "/api/v1/trust/roots", tag = "trust", operation_id = "root_publish",
    request_body = PublishRoot,
    responses((status = 201, description = "Done", body = TrustRoot), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn root_publish(ctx: Ctx, Body(request): Body<PublishRoot>) -> ApiResult<Response> {
    Ok((StatusCode::CREATED, Json(trust::root_publish(&ctx, &request).await?)).into_response())
}

/// Looks a trust root over: a draft, or the published one.
#[utoipa::path(
    post, path = "/api/v1/trust/check", tag = "trust", operation_id = "root_check",
    request_body = CheckRoot,
    responses((status = 200, description = "Done", body = RootCheck), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn root_check(ctx: Ctx, Body(request): Body<CheckRoot>) -> ApiResult<Json<RootCheck>> {
    Ok(Json(trust::root_check(&ctx, &request).await?))
}

/// Tells what the published trust root can bear to lose: how many people each rule can spare, and what would be wrong without each.
#[utoipa::path(
    get, path = "/api/v1/trust/outlook", tag = "trust", operation_id = "trust_outlook",
    responses((status = 200, description = "Done", body = Outlook), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn trust_outlook(ctx: Ctx) -> ApiResult<Json<Outlook>> {
    Ok(Json(trust::trust_outlook(&ctx).await?))
}
