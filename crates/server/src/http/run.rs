//! Runs and decisions on them.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use synod_protocol::http::Page;
use synod_protocol::http::problem::ProblemDocument;
use synod_protocol::http::run::{ApprovalRequest, CancelRequest, ReplayRequest, Run, RunNodes, RunQuery, RunRequest, RunSummary};
use synod_protocol::http::trust::{BundleQuery, IncidentRequest, RatifyRequest, SigningOrder, SigningRequest};
use synod_trust::bundle::Bundle;

use super::error::ApiResult;
use super::extract::{Body, IdempotencyKey, IfMatch, Params};
use crate::ctx::Ctx;
use crate::ops::run::Requested;
use crate::ops::{approval, break_glass, bundle, run};

fn requested(requested: Requested) -> Response {
    match requested {
        Requested::Run(run) => (StatusCode::CREATED, Json(run)).into_response(),
        Requested::Plan(plan) => Json(plan).into_response(),
    }
}

/// Asks for a run; with `dryRun`, tells what it would be (a RunPlan).
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "runs", operation_id = "run_create",
    params(("Idempotency-Key" = Option<String>, Header, description = "By which the same request, sent again, yields the same run; 8 to 128 characters")),
    request_body = RunRequest,
    responses((status = 201, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_create(ctx: Ctx, IdempotencyKey(key): IdempotencyKey, Body(request): Body<RunRequest>) -> ApiResult<Response> {
    Ok(requested(run::run_create(&ctx, &request, key.as_deref()).await?))
}

/// Lists runs, newest first.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", operation_id = "run_list",
    params(RunQuery),
    responses((status = 200, description = "Done", body = Page<RunSummary>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_list(ctx: Ctx, Params(query): Params<RunQuery>) -> ApiResult<Json<Page<RunSummary>>> {
    Ok(Json(run::run_list(&ctx, &query).await?))
}

/// Shows a run.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "runs", operation_id = "run_get",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it")),
    responses((status = 200, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_get(ctx: Ctx, Path(id): Path<String>) -> ApiResult<Json<Run>> {
    Ok(Json(run::run_get(&ctx, &id).await?))
}

/// Lists a run's nodes in rollout order, with how their tasks stand.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/nodes", tag = "runs", operation_id = "run_nodes",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it")),
    responses((status = 200, description = "Done", body = RunNodes), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_nodes(ctx: Ctx, Path(id): Path<String>) -> ApiResult<Json<RunNodes>> {
    Ok(Json(RunNodes { nodes: run::run_nodes(&ctx, &id).await? }))
}

/// Approves or rejects exactly one digest.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/approvals", tag = "runs", operation_id = "approval_create",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it")),
    request_body = ApprovalRequest,
    responses((status = 201, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn approval_create(ctx: Ctx, Path(id): Path<String>, Body(request): Body<ApprovalRequest>) -> ApiResult<(StatusCode, Json<Run>)> {
    Ok((StatusCode::CREATED, Json(approval::approval_create(&ctx, &id, &request).await?)))
}

/// Gives the statement to sign for a decision on a run.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/signing", tag = "runs", operation_id = "run_signing",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it")),
    request_body = SigningRequest,
    responses((status = 200, description = "Done", body = SigningOrder), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_signing(ctx: Ctx, Path(id): Path<String>, Body(request): Body<SigningRequest>) -> ApiResult<Json<SigningOrder>> {
    Ok(Json(approval::run_signing(&ctx, &id, &request).await?))
}

/// Cancels a run.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/cancel", tag = "runs", operation_id = "run_cancel",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it")),
    request_body = CancelRequest,
    responses((status = 200, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_cancel(ctx: Ctx, Path(id): Path<String>, Body(request): Body<CancelRequest>) -> ApiResult<Json<Run>> {
    Ok(Json(run::run_cancel(&ctx, &id, &request).await?))
}

/// Lets a run go on at its gate; with `If-Match`, at no later one, so that it may be sent again.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/proceed", tag = "runs", operation_id = "run_proceed",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it"),
        ("If-Match" = Option<String>, Header, description = "The `batch` of the run that was looked at, such as \"1\"")),
    responses((status = 200, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_proceed(ctx: Ctx, Path(id): Path<String>, IfMatch(batch): IfMatch) -> ApiResult<Json<Run>> {
    Ok(Json(run::run_proceed(&ctx, &id, batch).await?))
}

/// Asks for the same elsewhere.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/replay", tag = "runs", operation_id = "run_replay",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it"),
        ("Idempotency-Key" = Option<String>, Header, description = "By which the same request, sent again, yields the same run; 8 to 128 characters")),
    request_body = ReplayRequest,
    responses((status = 201, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_replay(ctx: Ctx, Path(id): Path<String>, IdempotencyKey(key): IdempotencyKey, Body(request): Body<ReplayRequest>) -> ApiResult<Response> {
    Ok(requested(run::run_replay(&ctx, &id, &request, key.as_deref()).await?))
}

/// Gives a run with all its evidence, to be judged without this server (a bundle; `synod verify run`).
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/bundle", tag = "runs", operation_id = "run_bundle",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it"), BundleQuery),
    responses((status = 200, description = "Done", body = Bundle), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_bundle(ctx: Ctx, Path(id): Path<String>, Params(query): Params<BundleQuery>) -> ApiResult<Json<Bundle>> {
    Ok(Json(bundle::run_bundle(&ctx, &id, &query).await?))
}

/// Approves after the fact a run that was started by break-glass; signed.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/ratify", tag = "runs", operation_id = "run_ratify",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it")),
    request_body = RatifyRequest,
    responses((status = 201, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_ratify(ctx: Ctx, Path(id): Path<String>, Body(request): Body<RatifyRequest>) -> ApiResult<(StatusCode, Json<Run>)> {
    Ok((StatusCode::CREATED, Json(break_glass::run_ratify(&ctx, &id, &request).await?)))
}

/// Records an incident for a run that was started by break-glass, instead of ratifying it.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/incident", tag = "runs", operation_id = "run_incident",
    params(("id" = String, Path, description = "The run's id, or an unambiguous beginning of it")),
    request_body = IncidentRequest,
    responses((status = 201, description = "Done", body = Run), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn run_incident(ctx: Ctx, Path(id): Path<String>, Body(request): Body<IncidentRequest>) -> ApiResult<(StatusCode, Json<Run>)> {
    Ok((StatusCode::CREATED, Json(break_glass::run_incident(&ctx, &id, &request).await?)))
}
