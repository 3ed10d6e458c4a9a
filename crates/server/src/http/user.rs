//! Users, and the first of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use synod_protocol::http::Page;
use synod_protocol::http::problem::ProblemDocument;
use synod_protocol::http::user::{Bootstrap, NewUser, User, UserChange};

use super::error::ApiResult;
use super::extract::{Body, IdempotencyKey};
use crate::app::App;
use crate::ctx::Ctx;
use crate::ops::user;

/// Makes the first administrator, once.
#[utoipa::path(
    post, path = "/api/v1/bootstrap", tag = "users", operation_id = "bootstrap",
    request_body = Bootstrap,
    responses((status = 201, description = "Done", body = User), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn bootstrap(State(app): State<Arc<App>>, Body(request): Body<Bootstrap>) -> ApiResult<(StatusCode, Json<User>)> {
    Ok((StatusCode::CREATED, Json(user::bootstrap(&app, request).await?)))
}

/// Lists users.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", operation_id = "user_list",
    responses((status = 200, description = "Done", body = Page<User>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn user_list(ctx: Ctx) -> ApiResult<Json<Page<User>>> {
    Ok(Json(user::user_list(&ctx).await?))
}

/// Adds a person or a service account.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", operation_id = "user_create",
    params(("Idempotency-Key" = Option<String>, Header, description = "By which the same request, sent again within a day, yields the same answer; 8 to 128 characters")),
    request_body = NewUser,
    responses((status = 201, description = "Done", body = User), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn user_create(ctx: Ctx, IdempotencyKey(key): IdempotencyKey, Body(request): Body<NewUser>) -> ApiResult<(StatusCode, Json<User>)> {
    Ok((StatusCode::CREATED, Json(user::user_create(&ctx, request, key.as_deref()).await?)))
}

/// Shows a user.
#[utoipa::path(
    get, path = "/api/v1/users/{name}", tag = "users", operation_id = "user_get",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, description = "Done", body = User), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn user_get(ctx: Ctx, Path(name): Path<String>) -> ApiResult<Json<User>> {
    Ok(Json(user::user_get(&ctx, &name).await?))
}

/// Changes a user.
#[utoipa::path(
    patch, path = "/api/v1/users/{name}", tag = "users", operation_id = "user_update",
    params(("name" = String, Path, description = "The name")),
    request_body = UserChange,
    responses((status = 200, description = "Done", body = User), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn user_update(ctx: Ctx, Path(name): Path<String>, Body(change): Body<UserChange>) -> ApiResult<Json<User>> {
    Ok(Json(user::user_update(&ctx, &name, change).await?))
}
