//! Request and response types of the HTTP API, one file a noun, and its typed client.

pub mod access;
pub mod account_key;
pub mod audit;
pub mod auth;
pub mod client;
pub mod event;
pub mod node;
pub mod object;
pub mod overview;
pub mod problem;
pub mod run;
pub mod system;
pub mod task;
pub mod trust;
pub mod user;

use serde::{Deserialize, Serialize};

/// One page of a listing.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The header by which a repeated POST is recognised.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header with the CSRF token of a cookie session.
pub const CSRF_TOKEN: &str = "x-csrf-token";
/// The header with the id of a request, for finding it in the server's log.
pub const REQUEST_ID: &str = "x-request-id";
