//! Errors on the wire: RFC 9457 problem documents with a stable code.

use serde::{Deserialize, Serialize};
use synod_domain::Problem;

/// A problem document (`application/problem+json`).
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemDocument {
    /// Where the code is explained: `urn:synod:error:SYN-1001`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The stable code, explained in docs/errors.md and by `synod explain`.
    pub code: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// Everything wrong with a document, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The id under which the server's log has this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Seconds after which to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl ProblemDocument {
    /// The public side of an error.
    pub fn from_error(error: &synod_domain::Error, request_id: Option<String>) -> Self {
        let code = error.code();
        Self {
            kind: format!("urn:synod:error:{}", code.id),
            title: code.title.to_owned(),
            status: code.status,
            detail: error.message().to_owned(),
            code: code.id.to_owned(),
            remedy: code.remedy.to_owned(),
            problems: error.details().to_vec(),
            request_id,
            retry_after_s: error.retry_after_s(),
        }
    }
}
