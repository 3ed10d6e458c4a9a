//! Questions about access: may I, who may.

use std::collections::BTreeMap;

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

/// `GET /api/v1/access/matrix`
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MatrixQuery {
    /// Only this namespace; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Who may do what where, by the policies as they are now.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessMatrix {
    /// The actions there are.
    pub actions: Vec<MatrixAction>,
    /// The namespaces looked at.
    pub namespaces: Vec<String>,
    /// Everyone, by name.
    pub people: Vec<MatrixPerson>,
}

/// One action.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixAction {
    /// Its name: `run.request`.
    pub name: String,
    /// In words: `request runs`.
    pub words: String,
    /// Whether it is about the installation, not about one namespace.
    pub global: bool,
}

/// One person or service account.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixPerson {
    /// The user.
    pub user: String,
    /// A name for people; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Whether it is a service account.
    pub service_account: bool,
    /// Whether it may do anything.
    pub enabled: bool,
    /// Its groups.
    pub groups: Vec<String>,
    /// The roles held where the matrix looks.
    pub roles: Vec<super::auth::HeldRole>,
    /// By namespace, the actions allowed in it; under `*` those allowed in the installation as a whole, and so everywhere.
    pub may: BTreeMap<String, Vec<String>>,
}
