//! Users: persons and service accounts.

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;

/// A person or a service account.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The name; never given to anyone else.
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Whether it is a machine's. Service accounts never approve.
    pub service_account: bool,
    /// Whether it may sign in and its decisions count.
    pub enabled: bool,
    /// Whether a second factor is enrolled.
    pub totp_enrolled: bool,
    /// Since when.
    pub created_at: Timestamp,
}

/// `POST /api/v1/users`
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUser {
    /// The name.
    pub name: String,
    /// A name for people.
    #[serde(default)]
    pub display_name: String,
    /// The first password; service accounts have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whether it is a machine's.
    #[serde(default)]
    pub service_account: bool,
}

/// `PATCH /api/v1/users/{name}`; what is absent stays.
#[derive(Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserChange {
    /// Enables or disables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Sets a new password and ends all sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Removes the second factor, when `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_totp: Option<bool>,
    /// Removes all passkeys, when `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_passkeys: Option<bool>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// `POST /api/v1/bootstrap`: the first administrator, once.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bootstrap {
    /// The name.
    pub name: String,
    /// The password, at least 10 characters.
    pub password: String,
    /// The bootstrap token the server wrote to its log and state folder at first start.
    pub token: String,
}
