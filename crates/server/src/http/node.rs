//! Nodes and how they join.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use synod_protocol::http::Page;
use synod_protocol::http::node::{CreatedJoinToken, EnrolRequest, EnrolResponse, JoinToken, NewJoinToken, Node, NodeChange, NodeQuery};
use synod_protocol::http::problem::ProblemDocument;

use super::error::ApiResult;
use super::extract::{Body, IdempotencyKey, Params};
use crate::app::App;
use crate::ctx::Ctx;
use crate::ops::node;

/// Lists nodes.
#[utoipa::path(
    get, path = "/api/v1/nodes", tag = "nodes", operation_id = "node_list",
    params(NodeQuery),
    responses((status = 200, description = "Done", body = Page<Node>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn node_list(ctx: Ctx, Params(query): Params<NodeQuery>) -> ApiResult<Json<Page<Node>>> {
    Ok(Json(node::node_list(&ctx, &query).await?))
}

/// Shows a node.
#[utoipa::path(
    get, path = "/api/v1/nodes/{name}", tag = "nodes", operation_id = "node_get",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, description = "Done", body = Node), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn node_get(ctx: Ctx, Path(name): Path<String>) -> ApiResult<Json<Node>> {
    Ok(Json(node::node_get(&ctx, &name).await?))
}

/// Changes a node's labels.
#[utoipa::path(
    patch, path = "/api/v1/nodes/{name}", tag = "nodes", operation_id = "node_update",
    params(("name" = String, Path, description = "The name")),
    request_body = NodeChange,
    responses((status = 200, description = "Done", body = Node), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn node_update(ctx: Ctx, Path(name): Path<String>, Body(change): Body<NodeChange>) -> ApiResult<Json<Node>> {
    Ok(Json(node::node_update(&ctx, &name, &change).await?))
}

/// Removes a node.
#[utoipa::path(
    delete, path = "/api/v1/nodes/{name}", tag = "nodes", operation_id = "node_delete",
    params(("name" = String, Path, description = "The name")),
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn node_delete(ctx: Ctx, Path(name): Path<String>) -> ApiResult<StatusCode> {
    node::node_delete(&ctx, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a join token.
#[utoipa::path(
    post, path = "/api/v1/join-tokens", tag = "nodes", operation_id = "join_token_create",
    params(("Idempotency-Key" = Option<String>, Header, description = "By which the same request, sent again within a day, yields the same answer; 8 to 128 characters")),
    request_body = NewJoinToken,
    responses((status = 201, description = "Done", body = CreatedJoinToken), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn join_token_create(
    ctx: Ctx,
    IdempotencyKey(key): IdempotencyKey,
    Body(request): Body<NewJoinToken>,
) -> ApiResult<(StatusCode, Json<CreatedJoinToken>)> {
    Ok((StatusCode::CREATED, Json(node::join_token_create(&ctx, &request, key.as_deref()).await?)))
}

/// Lists join tokens.
#[utoipa::path(
    get, path = "/api/v1/join-tokens", tag = "nodes", operation_id = "join_token_list",
    responses((status = 200, description = "Done", body = Page<JoinToken>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn join_token_list(ctx: Ctx) -> ApiResult<Json<Page<JoinToken>>> {
    Ok(Json(node::join_token_list(&ctx).await?))
}

/// Revokes a join token.
#[utoipa::path(
    delete, path = "/api/v1/join-tokens/{id}", tag = "nodes", operation_id = "join_token_revoke",
    params(("id" = String, Path, description = "The id")),
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn join_token_revoke(ctx: Ctx, Path(id): Path<String>) -> ApiResult<StatusCode> {
    node::join_token_revoke(&ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes in a machine that holds a join token.
#[utoipa::path(
    post, path = "/api/v1/agent/enrol", tag = "nodes", operation_id = "enrol",
    request_body = EnrolRequest,
    responses((status = 201, description = "Done", body = EnrolResponse), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn enrol(State(app): State<Arc<App>>, Body(request): Body<EnrolRequest>) -> ApiResult<(StatusCode, Json<EnrolResponse>)> {
    Ok((StatusCode::CREATED, Json(node::enrol(&app, &request).await?)))
}
