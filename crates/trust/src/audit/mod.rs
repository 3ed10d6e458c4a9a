//! The audit log: a Merkle tree over all events, its signed heads, and those who watch that it only grows.
//!
//! The formats are those of C2SP: `signed-note`, `tlog-checkpoint` and `tlog-tiles`, so that other people's tools can read
//! the log. The crates `signed_note` and `tlog_tiles` (0.2) implement them too; they are not used because they bring older
//! copies of base64, thiserror and sha2 and a URL library, carry a second hash type and Merkle code besides
//! `domain::merkle`, and verify with other code than the rest of the house. What is needed here is small.

pub mod note;
pub mod proof;
pub mod tile;
mod witness;

use synod_domain::canonical;
use synod_domain::event::Event;
use synod_domain::merkle::{Hash, leaf_hash};

pub use note::{Checkpoint, NoteError, NoteSigner, VerifierKey};
pub use proof::{HashReader, ProofError, check_consistency, check_inclusion, prove_consistency, prove_inclusion, tree_root};
pub use tile::{Edge, Grown, Tile};
pub use witness::{Alarm, Seen, Witness};

/// The leaf of an event: the hash (RFC 6962) of its canonical bytes.
pub fn event_leaf(event: &Event) -> synod_domain::Result<Hash> {
    Ok(leaf_hash(&canonical::canonical(event)?))
}

#[cfg(test)]
mod tests;
