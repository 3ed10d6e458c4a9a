//! Questions about access: may I, who may.

use serde::{Deserialize, Serialize};

/// `GET /api/v1/access/can-i` and `/who-can`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccessQuery {
    /// The action, such as `run.request` or `template.write`.
    pub action: String,
    /// The namespace; everywhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A template, when the action is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

/// Whether the caller may, and by what.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanI {
    /// The answer.
    pub allowed: bool,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Roles that would do.
    pub roles: Vec<String>,
}

/// Who may.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoCan {
    /// Everyone who may, by name.
    pub people: Vec<WhoCanEntry>,
}

/// One who may, and why.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoCanEntry {
    /// The user.
    pub user: String,
    /// Whether it is a service account.
    pub service_account: bool,
    /// The roles held there.
    pub roles: Vec<super::auth::HeldRole>,
    /// The policies that decided.
    pub policies: Vec<String>,
}
