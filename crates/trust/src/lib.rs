//! What decides whether an agreement is real: keys, signatures, the trust root, signed approvals
//! and results, and the audit log's proofs. Pure functions: no I/O, no clock, no randomness.
//!
//! A server may be hostile. Nothing here believes what it says about people: who somebody is, which
//! roles they hold and what they agreed to follow from signatures under a root that was pinned.

pub mod approval;
pub mod audit;
pub mod bundle;
pub mod crypto;
pub mod envelope;
pub mod key;
pub mod names;
pub mod order;
pub mod result;
pub mod root;
pub mod sshsig;
mod standing;
pub mod strict;
pub mod webauthn;

pub use approval::{Agreement, Refused, Statement, Verified, judge, judge_break_glass, judge_ratification, verify_one};
pub use envelope::Envelope;
pub use key::{Key, KeyId, KeySpec};
pub use order::{Sort, order};
pub use root::{Chain, Root, RootDoc, RootError};
pub use standing::{RuleStanding, Standing, stand, stand_ratification};

#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(test)]
mod interop_tests;
#[cfg(test)]
mod mutation_tests;
