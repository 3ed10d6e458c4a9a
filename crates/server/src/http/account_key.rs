//! Keys of accounts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use synod_db::account_key::{PASSKEY, SSH};
use synod_protocol::http::Page;
use synod_protocol::http::account_key::{NewPasskey, NewSshKey, Passkey, PasskeyChallenge, PasskeyLoginOptions, PasskeyOptions, SshKey, UserKeys};
use synod_protocol::http::problem::ProblemDocument;

use super::error::ApiResult;
use super::extract::Body;
use crate::app::App;
use crate::ctx::Ctx;
use crate::ops::account_key;

/// Gives what a browser needs to make a passkey.
#[utoipa::path(
    post, path = "/api/v1/auth/passkeys/options", tag = "auth", operation_id = "passkey_options",
    responses((status = 200, description = "Done", body = PasskeyOptions), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn passkey_options(ctx: Ctx) -> ApiResult<Json<PasskeyOptions>> {
    Ok(Json(account_key::passkey_options(&ctx).await?))
}

/// Registers a passkey.
#[utoipa::path(
    post, path = "/api/v1/auth/passkeys", tag = "auth", operation_id = "passkey_create",
    request_body = NewPasskey,
    responses((status = 201, description = "Done", body = Passkey), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn passkey_create(ctx: Ctx, Body(request): Body<NewPasskey>) -> ApiResult<(StatusCode, Json<Passkey>)> {
    Ok((StatusCode::CREATED, Json(account_key::passkey_create(&ctx, &request).await?)))
}

/// Lists the caller's passkeys.
#[utoipa::path(
    get, path = "/api/v1/auth/passkeys", tag = "auth", operation_id = "passkey_list",
    responses((status = 200, description = "Done", body = Page<Passkey>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn passkey_list(ctx: Ctx) -> ApiResult<Json<Page<Passkey>>> {
    Ok(Json(account_key::passkey_list(&ctx).await?))
}

/// Removes one of the caller's passkeys.
#[utoipa::path(
    delete, path = "/api/v1/auth/passkeys/{id}", tag = "auth", operation_id = "passkey_delete",
    params(("id" = String, Path, description = "The id")),
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn passkey_delete(ctx: Ctx, Path(id): Path<String>) -> ApiResult<StatusCode> {
    account_key::remove(&ctx, PASSKEY, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a challenge for signing in with a passkey.
#[utoipa::path(
    post, path = "/api/v1/auth/passkey-login/options", tag = "auth", operation_id = "passkey_login_options",
    request_body = PasskeyLoginOptions,
    responses((status = 200, description = "Done", body = PasskeyChallenge), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn passkey_login_options(State(app): State<Arc<App>>, Body(_same_for_all): Body<PasskeyLoginOptions>) -> ApiResult<Json<PasskeyChallenge>> {
    Ok(Json(account_key::passkey_login_options(&app).await?))
}

/// Gives a challenge for confirming the session with a passkey.
#[utoipa::path(
    post, path = "/api/v1/auth/step-up/options", tag = "auth", operation_id = "step_up_options",
    responses((status = 200, description = "Done", body = PasskeyChallenge), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn step_up_options(ctx: Ctx) -> ApiResult<Json<PasskeyChallenge>> {
    Ok(Json(account_key::step_up_options(&ctx).await?))
}

/// Registers an SSH public key.
#[utoipa::path(
    post, path = "/api/v1/auth/ssh-keys", tag = "auth", operation_id = "ssh_key_create",
    request_body = NewSshKey,
    responses((status = 201, description = "Done", body = SshKey), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn ssh_key_create(ctx: Ctx, Body(request): Body<NewSshKey>) -> ApiResult<(StatusCode, Json<SshKey>)> {
    Ok((StatusCode::CREATED, Json(account_key::ssh_key_create(&ctx, &request).await?)))
}

/// Lists the caller's SSH keys.
#[utoipa::path(
    get, path = "/api/v1/auth/ssh-keys", tag = "auth", operation_id = "ssh_key_list",
    responses((status = 200, description = "Done", body = Page<SshKey>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn ssh_key_list(ctx: Ctx) -> ApiResult<Json<Page<SshKey>>> {
    Ok(Json(account_key::ssh_key_list(&ctx).await?))
}

/// Removes one of the caller's SSH keys.
#[utoipa::path(
    delete, path = "/api/v1/auth/ssh-keys/{id}", tag = "auth", operation_id = "ssh_key_delete",
    params(("id" = String, Path, description = "The id")),
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn ssh_key_delete(ctx: Ctx, Path(id): Path<String>) -> ApiResult<StatusCode> {
    account_key::remove(&ctx, SSH, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the keys somebody registered, as trust roots write them.
#[utoipa::path(
    get, path = "/api/v1/users/{name}/keys", tag = "users", operation_id = "user_keys",
    params(("name" = String, Path, description = "The name")),
    responses((status = 200, description = "Done", body = UserKeys), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn user_keys(ctx: Ctx, Path(name): Path<String>) -> ApiResult<Json<UserKeys>> {
    Ok(Json(account_key::user_keys(&ctx, &name).await?))
}
