//! The HTTP API: handlers translate between requests and operations, nothing more.

mod access;
mod account_key;
mod audit;
mod auth;
mod error;
mod event;
mod extract;
mod gzip;
mod metrics;
mod node;
mod object;
pub mod openapi;
pub use error::ApiError;
pub use gzip::takes_gzip;
mod overview;
mod run;
mod system;
mod task;
mod trust;
mod user;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, patch, post};

use crate::app::App;

/// The largest body taken, in bytes.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// Everything people and programs can call.
pub fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/bootstrap", post(user::bootstrap))
        .route("/auth/login", post(auth::login))
        .route("/auth/renew", post(auth::renew))
        .route("/auth/logout", post(auth::logout))
        .route("/auth/whoami", get(auth::whoami))
        .route("/auth/methods", get(auth::auth_methods))
        .route("/auth/step-up", post(auth::step_up))
        .route("/auth/step-up/options", post(account_key::step_up_options))
        .route("/auth/passkeys", get(account_key::passkey_list).post(account_key::passkey_create))
        .route("/auth/passkeys/options", post(account_key::passkey_options))
        .route("/auth/passkeys/{id}", delete(account_key::passkey_delete))
        .route("/auth/passkey-login", post(auth::passkey_login))
        .route("/auth/passkey-login/options", post(account_key::passkey_login_options))
        .route("/auth/ssh-keys", get(account_key::ssh_key_list).post(account_key::ssh_key_create))
        .route("/auth/ssh-keys/{id}", delete(account_key::ssh_key_delete))
        .route("/auth/totp", post(auth::totp_enrol))
        .route("/auth/totp/confirm", post(auth::totp_confirm))
        .route("/auth/password", post(auth::password_change))
        .route("/auth/sessions", get(auth::session_list))
        .route("/auth/sessions/{id}", delete(auth::session_revoke))
        .route("/api-keys", get(auth::api_key_list).post(auth::api_key_create))
        .route("/api-keys/{id}", delete(auth::api_key_revoke))
        .route("/users", get(user::user_list).post(user::user_create))
        .route("/users/{name}", get(user::user_get).patch(user::user_update))
        .route("/users/{name}/keys", get(account_key::user_keys))
        .route("/apply", post(object::apply))
        .route("/objects/{kind}", get(object::object_list))
        .route("/objects/{kind}/{name}", get(object::object_get).delete(object::object_delete))
        .route("/objects/{kind}/{name}/revisions", get(object::object_revisions))
        .route("/schemas/{kind}", get(object::schema))
        .route("/runs", get(run::run_list).post(run::run_create))
        .route("/runs/{id}", get(run::run_get))
        .route("/runs/{id}/nodes", get(run::run_nodes))
        .route("/runs/{id}/approvals", post(run::approval_create))
        .route("/runs/{id}/signing", post(run::run_signing))
        .route("/runs/{id}/cancel", post(run::run_cancel))
        .route("/runs/{id}/proceed", post(run::run_proceed))
        .route("/runs/{id}/replay", post(run::run_replay))
        .route("/runs/{id}/bundle", get(run::run_bundle))
        .route("/runs/{id}/ratify", post(run::run_ratify))
        .route("/runs/{id}/incident", post(run::run_incident))
        .route("/runs/{id}/output", get(task::output))
        .route("/tasks", get(task::task_list))
        .route("/tasks/{id}", get(task::task_get))
        .route("/nodes", get(node::node_list))
        .route("/nodes/{name}", get(node::node_get).merge(patch(node::node_update)).delete(node::node_delete))
        .route("/join-tokens", get(node::join_token_list).post(node::join_token_create))
        .route("/join-tokens/{id}", delete(node::join_token_revoke))
        .route("/agent/enrol", post(node::enrol))
        .route("/trust", get(trust::trust_get))
        .route("/trust/roots", get(trust::root_list).post(trust::root_publish))
        .route("/trust/check", post(trust::root_check))
        .route("/trust/outlook", get(trust::trust_outlook))
        .route("/events", get(event::event_list))
        .route("/audit/proofs/{position}", get(audit::proof))
        .route("/access/can-i", get(access::can_i))
        .route("/access/who-can", get(access::who_can))
        .route("/access/matrix", get(access::access_matrix))
        .route("/overview", get(overview::overview))
        .route("/server", get(system::info))
        .route("/backup", get(system::backup));
    Router::new()
        .nest("/api/v1", api)
        .route("/audit/checkpoint", get(audit::checkpoint))
        .route("/audit/key", get(audit::key))
        .route("/audit/tile/{level}/{*path}", get(audit::tile))
        .route("/audit/tile/entries/{*path}", get(audit::entries))
        .route("/healthz", get(system::healthz))
        .route("/readyz", get(system::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::document))
        .fallback(crate::console::serve)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(extract::plain_address))
        .layer(middleware::from_fn(error::finish))
        .layer(middleware::from_fn(gzip::pack))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .with_state(app)
}
