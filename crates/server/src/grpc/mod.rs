//! The agents' side of the port.

mod agent;

pub use agent::router;
