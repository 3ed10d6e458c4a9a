//! Signing in.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use synod_domain::Error;
use synod_domain::error::code;
use synod_protocol::http::Page;
use synod_protocol::http::account_key::PasskeyLogin;
use synod_protocol::http::auth::{
    ApiKey, AuthMethods, CreatedApiKey, LoginRequest, NewApiKey, PasswordChange, Session, SessionToken, StepUpRequest, SteppedUp, TotpConfirm, TotpEnrolment,
    WhoAmI,
};
use synod_protocol::http::problem::ProblemDocument;

use super::error::ApiResult;
use super::extract::{Body, COOKIE, IdempotencyKey};
use crate::app::App;
use crate::ctx::{Ctx, Via};
use crate::ops::auth;

/// Begins a session.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", operation_id = "login",
    request_body = LoginRequest,
    responses((status = 200, description = "Done", body = SessionToken), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn login(State(app): State<Arc<App>>, headers: HeaderMap, Body(request): Body<LoginRequest>) -> ApiResult<Response> {
    let wants_cookie = request.cookie;
    check_browser(wants_cookie, &headers)?;
    let session = auth::login(&app, request, &client(&headers)).await?;
    signed_in(&app, session, wants_cookie)
}

/// Begins a session with a passkey; it counts as second factor, too.
#[utoipa::path(
    post, path = "/api/v1/auth/passkey-login", tag = "auth", operation_id = "passkey_login",
    request_body = PasskeyLogin,
    responses((status = 200, description = "Done", body = SessionToken), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn passkey_login(State(app): State<Arc<App>>, headers: HeaderMap, Body(request): Body<PasskeyLogin>) -> ApiResult<Response> {
    check_browser(request.cookie, &headers)?;
    let session = auth::passkey_login(&app, &request, &client(&headers)).await?;
    signed_in(&app, session, request.cookie)
}

/// Tells how one can sign in here.
#[utoipa::path(
    get, path = "/api/v1/auth/methods", tag = "auth", operation_id = "auth_methods",
    responses((status = 200, description = "Done", body = AuthMethods), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(())
)]
pub async fn auth_methods(State(app): State<Arc<App>>) -> ApiResult<Json<AuthMethods>> {
    Ok(Json(auth::auth_methods(&app).await?))
}

/// Another site's page can make a browser post a form here, and so sign it in as somebody else. What only a page of our own can
/// send is JSON, and browsers say where a request comes from.
fn check_browser(cookie: bool, headers: &HeaderMap) -> Result<(), Error> {
    if !cookie {
        return Ok(());
    }
    let said = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = said(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Error::new(code::MALFORMED, "signing in with a cookie takes a body of the content type application/json"));
    }
    match said(HeaderName::from_static("sec-fetch-site")) {
        "cross-site" | "same-site" => Err(Error::new(code::CSRF, "another site's page asks to sign this browser in; open this server's own page")),
        _ => Ok(()),
    }
}

fn client(headers: &HeaderMap) -> String {
    headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

/// A browser keeps the token where scripts cannot read it.
fn signed_in(app: &App, session: SessionToken, cookie: bool) -> ApiResult<Response> {
    if !cookie {
        return Ok(Json(session).into_response());
    }
    let value = set_cookie(app, &session.token, "")?;
    let hidden = SessionToken { token: String::new(), ..session };
    Ok(([(header::SET_COOKIE, value)], Json(hidden)).into_response())
}

fn set_cookie(app: &App, token: &str, more: &str) -> Result<HeaderValue, Error> {
    let cookie = format!("{COOKIE}={token}; Path={}; HttpOnly; Secure; SameSite=Strict{more}", app.site.cookie_path());
    HeaderValue::from_str(&cookie).map_err(Error::internal)
}

/// Moves the session's end.
#[utoipa::path(
    post, path = "/api/v1/auth/renew", tag = "auth", operation_id = "renew",
    responses((status = 200, description = "Done", body = SessionToken), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn renew(ctx: Ctx) -> ApiResult<Response> {
    let session = auth::renew(&ctx).await?;
    signed_in(&ctx.app, session, ctx.caller.via == Via::Cookie)
}

/// Ends the session.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "auth", operation_id = "logout",
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn logout(ctx: Ctx) -> ApiResult<Response> {
    auth::logout(&ctx).await?;
    let gone = set_cookie(&ctx.app, "", "; Max-Age=0")?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// Tells who is signed in.
#[utoipa::path(
    get, path = "/api/v1/auth/whoami", tag = "auth", operation_id = "whoami",
    responses((status = 200, description = "Done", body = WhoAmI), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn whoami(ctx: Ctx) -> ApiResult<Json<WhoAmI>> {
    Ok(Json(auth::whoami(&ctx).await?))
}

/// Confirms the session with the second factor: a code, or a passkey's answer.
#[utoipa::path(
    post, path = "/api/v1/auth/step-up", tag = "auth", operation_id = "step_up",
    request_body = StepUpRequest,
    responses((status = 200, description = "Done", body = SteppedUp), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn step_up(ctx: Ctx, Body(request): Body<StepUpRequest>) -> ApiResult<Json<SteppedUp>> {
    Ok(Json(auth::step_up(&ctx, &request).await?))
}

/// Makes a second factor.
#[utoipa::path(
    post, path = "/api/v1/auth/totp", tag = "auth", operation_id = "totp_enrol",
    responses((status = 200, description = "Done", body = TotpEnrolment), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn totp_enrol(ctx: Ctx) -> ApiResult<Json<TotpEnrolment>> {
    Ok(Json(auth::totp_enrol(&ctx).await?))
}

/// Puts the new second factor in force.
#[utoipa::path(
    post, path = "/api/v1/auth/totp/confirm", tag = "auth", operation_id = "totp_confirm",
    request_body = TotpConfirm,
    responses((status = 200, description = "Done", body = SteppedUp), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn totp_confirm(ctx: Ctx, Body(request): Body<TotpConfirm>) -> ApiResult<Json<SteppedUp>> {
    Ok(Json(auth::totp_confirm(&ctx, &request).await?))
}

/// Changes the caller's password.
#[utoipa::path(
    post, path = "/api/v1/auth/password", tag = "auth", operation_id = "password_change",
    request_body = PasswordChange,
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn password_change(ctx: Ctx, Body(request): Body<PasswordChange>) -> ApiResult<StatusCode> {
    auth::password_change(&ctx, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's sessions.
#[utoipa::path(
    get, path = "/api/v1/auth/sessions", tag = "auth", operation_id = "session_list",
    responses((status = 200, description = "Done", body = Page<Session>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn session_list(ctx: Ctx) -> ApiResult<Json<Page<Session>>> {
    Ok(Json(auth::session_list(&ctx).await?))
}

/// Ends one of the caller's sessions.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{id}", tag = "auth", operation_id = "session_revoke",
    params(("id" = String, Path, description = "The id")),
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn session_revoke(ctx: Ctx, Path(id): Path<String>) -> ApiResult<StatusCode> {
    auth::session_revoke(&ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists API keys.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "auth", operation_id = "api_key_list",
    responses((status = 200, description = "Done", body = Page<ApiKey>), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn api_key_list(ctx: Ctx) -> ApiResult<Json<Page<ApiKey>>> {
    Ok(Json(auth::api_key_list(&ctx).await?))
}

/// Makes an API key.
#[utoipa::path(
    post, path = "/api/v1/api-keys", tag = "auth", operation_id = "api_key_create",
    params(("Idempotency-Key" = Option<String>, Header, description = "By which the same request, sent again within a day, yields the same answer; 8 to 128 characters")),
    request_body = NewApiKey,
    responses((status = 201, description = "Done", body = CreatedApiKey), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn api_key_create(ctx: Ctx, IdempotencyKey(key): IdempotencyKey, Body(request): Body<NewApiKey>) -> ApiResult<(StatusCode, Json<CreatedApiKey>)> {
    Ok((StatusCode::CREATED, Json(auth::api_key_create(&ctx, &request, key.as_deref()).await?)))
}

/// Revokes an API key.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "auth", operation_id = "api_key_revoke",
    params(("id" = String, Path, description = "The id")),
    responses((status = 204, description = "Done"), (status = "default", description = "Refused or failed", body = ProblemDocument, content_type = "application/problem+json")),
    security(("bearer" = []), ("cookie" = []))
)]
pub async fn api_key_revoke(ctx: Ctx, Path(id): Path<String>) -> ApiResult<StatusCode> {
    auth::api_key_revoke(&ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
