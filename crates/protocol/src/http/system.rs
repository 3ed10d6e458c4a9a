//! The server itself: health, version, members.

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;

/// `GET /healthz` and `/readyz`.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, or what is wrong.
    pub status: String,
    /// The program's version.
    pub version: String,
}

/// `GET /api/v1/server`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// The program's version.
    pub version: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// SHA-256 of the certificate authority.
    pub ca_fingerprint: String,
    /// The server's clock.
    pub clock: Timestamp,
    /// Whether a first administrator exists.
    pub bootstrapped: bool,
    /// All servers.
    pub members: Vec<Member>,
}

/// A server of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Where it is reached.
    pub url: String,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last said that it lives.
    pub heartbeat_at: Timestamp,
    /// How many agents it holds.
    pub agents: u32,
}
