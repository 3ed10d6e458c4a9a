//! Declared things: apply, read, history, delete.

use serde::{Deserialize, Serialize};
use synod_domain::object::{Document, Kind};

/// `POST /api/v1/apply`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRequest {
    /// The documents. All are applied, or none.
    #[schema(value_type = Vec<Object>)]
    pub documents: Vec<serde_json::Value>,
    /// Only tells what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of each document, in their order.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyResponse {
    /// One for each document.
    pub results: Vec<Applied>,
}

/// What became of one document.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// What it is.
    pub kind: Kind,
    /// Where it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// What happened, or would.
    pub action: Action,
    /// The revision it has now, or would.
    pub revision: u64,
    /// Unified diff of the YAML, old to new; empty when unchanged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// What applying did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Created,
    /// It has a new revision.
    Updated,
    /// It was like this already.
    Unchanged,
}

/// Filters of `GET /api/v1/objects/{kind}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ObjectQuery {
    /// Only in this namespace; `-` for those outside of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// This revision instead of the newest (for one thing).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// Many documents.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DocumentList {
    /// The documents.
    pub items: Vec<Document>,
}
