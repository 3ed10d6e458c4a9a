//! The audit log: proofs about events. Its tiles and checkpoints are C2SP files under `/audit/`, not JSON.

use serde::{Deserialize, Serialize};
use synod_domain::event::Event;

/// Where the newest checkpoint is: a C2SP signed note.
pub const CHECKPOINT: &str = "/audit/checkpoint";
/// Where the log's verifier key is.
pub const KEY: &str = "/audit/key";
/// Under which tiles are: `/audit/tile/L/N[.p/W]` and `/audit/tile/entries/N[.p/W]`.
pub const TILES: &str = "/audit/tile";

/// `GET /api/v1/audit/proofs/{position}`: that an event is in the log.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditProof {
    /// The event; its canonical bytes are the leaf.
    pub event: Event,
    /// Its leaf, from 0: one less than its position.
    pub index: u64,
    /// Hashes from its leaf up, in base64.
    pub proof: Vec<String>,
    /// The signed head it is proved against.
    pub checkpoint: String,
}
