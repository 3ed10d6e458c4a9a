//! What every executor shares: the node's identity, the journal that makes tasks run at most once,
//! bounded output, and the session that keeps a stream to one of the servers.
//!
//! An executor implements [`Executor`] and hands itself to a [`Session`].

pub mod clock;
mod connect;
pub mod error;
pub mod executor;
pub mod fake;
pub mod files;
pub mod identity;
pub mod journal;
mod outbox;
pub mod output;
pub mod session;
mod signing;
pub mod simulated;
mod tasks;
pub mod trust;

pub use clock::Clock;
pub use error::{Error, Result};
pub use executor::{Cancel, Executor, OutcomeFuture, Secrets, Why, Work};
pub use identity::{EnrolOptions, Identity};
pub use journal::Journal;
pub use output::OutputSink;
pub use session::{Session, SessionOptions};
pub use simulated::SimulatedAgent;
pub use trust::{TrustMode, TrustOptions};
