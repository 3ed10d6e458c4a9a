//! Nodes: what is known of them, how they join.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_domain::selector::Labels;
use synod_domain::{Span, Timestamp};

/// A machine with an agent.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its identity, as in its certificate.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Labels people gave.
    pub labels: Labels,
    /// What the agent found.
    #[schema(value_type = Object)]
    pub facts: Value,
    /// Whether its agent is connected now.
    pub connected: bool,
    /// The server that holds its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Version of its agent.
    pub version: String,
    /// When it joined.
    pub joined_at: Timestamp,
    /// When it was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
    /// When its certificate ends.
    pub certificate_expires_at: Timestamp,
    /// How it judges agreements.
    #[serde(default)]
    pub trust: NodeTrust,
}

/// How a node judges agreements, by what its agent said last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeTrust {
    /// `off`, `observe` or `enforce`; empty when its agent never said.
    pub mode: String,
    /// The version of the trust root it has accepted; 0 when none.
    pub version: u64,
    /// How many leaves of the audit log it has witnessed.
    pub witnessed: u64,
    /// The last alarm about the audit log or the trust root, in words; empty when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alarm: String,
}

/// Filters of `GET /api/v1/nodes`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NodeQuery {
    /// Only with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// At most so many (1 to 500, default 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// From `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `PATCH /api/v1/nodes/{name}`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeChange {
    /// Labels to set; `null` removes one.
    pub labels: std::collections::BTreeMap<String, Option<String>>,
}

/// `POST /api/v1/join-tokens`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewJoinToken {
    /// Labels a node gets that joins with it.
    #[serde(default)]
    pub labels: Labels,
    /// How many nodes may join with it.
    #[serde(default = "synod_domain::defaults::one")]
    pub uses: u32,
    /// How long it is valid.
    #[serde(default = "an_hour")]
    pub expires_in: Span,
}

fn an_hour() -> Span {
    Span::secs(3600)
}

/// A token right after it was made: the only time the token itself is shown.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedJoinToken {
    /// The token.
    pub token: String,
    /// SHA-256 of the certificate authority, for `--ca-fingerprint`.
    pub ca_fingerprint: String,
    /// What is known of it later.
    #[serde(flatten)]
    pub info: JoinToken,
}

/// What is known of a join token.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JoinToken {
    /// Its id.
    pub id: String,
    /// Labels it gives.
    pub labels: Labels,
    /// How many more nodes may join with it.
    pub uses_left: u32,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// `POST /api/v1/agent/enrol`: a machine asks for its certificate.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolRequest {
    /// The join token.
    pub token: String,
    /// The name it wants.
    pub name: String,
    /// PKCS#10 request in PEM; only its public key is used.
    pub csr_pem: String,
    /// age recipient (`age1…`) to which secrets are sealed.
    pub age_recipient: String,
    /// Labels it wants beyond the token's; refused unless the token grants them.
    #[serde(default)]
    pub labels: Labels,
    /// Facts about the machine.
    #[schema(value_type = Object)]
    #[serde(default)]
    pub facts: Value,
    /// Version of the agent.
    #[serde(default)]
    pub version: String,
    /// The machine's clock.
    pub clock: Timestamp,
}

/// The machine's certificate and what it needs to connect.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrolResponse {
    /// The node's identity.
    pub node_id: String,
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// The authority's certificate, PEM.
    pub ca_pem: String,
    /// URLs of all servers.
    pub servers: Vec<String>,
}
