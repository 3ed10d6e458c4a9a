//! Facts and decisions of Synod: plain data, pure functions, no I/O, no clock, no randomness.
//!
//! Everything that must be true for a run to happen is decided here, so that the server, the
//! agents and offline verification share one answer. Callers pass the time and the facts in.

pub mod access;
pub mod approval;
pub mod canonical;
pub mod check;
pub mod defaults;
pub mod error;
pub mod event;
pub mod inputs;
pub mod manifest;
pub mod merkle;
pub mod node;
pub mod object;
pub mod problem;
pub mod render;
pub mod run;
pub mod selector;
pub mod span;
pub mod strategy;
pub mod task;
pub mod template;
pub mod time;
pub mod verify;

pub use error::{Code, Error, Result};
pub use problem::Problem;
pub use span::Span;
pub use time::Timestamp;
