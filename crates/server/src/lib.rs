//! The server: HTTP API, agents' gateway, and the loops that keep everything going.
//!
//! Handlers translate, `ops` are transactions, decisions are the domain's. A server holds no state
//! that another server on the same database could not take over.

pub mod access;
pub mod app;
pub mod audit;
pub mod authz;
pub mod certificates;
pub mod clock;
pub mod config;
pub mod console;
pub mod ctx;
pub mod gateway;
mod grpc;
pub mod http;
pub mod keys;
mod listener;
mod loops;
pub mod manifests;
pub mod metrics;
pub mod ops;
pub mod pace;
pub mod password;
mod patience;
pub mod signing;
pub mod site;
pub mod tail;
pub mod templates;
pub mod untrusted;

pub use app::{App, Running, start};
pub use clock::Clock;
pub use config::Config;
