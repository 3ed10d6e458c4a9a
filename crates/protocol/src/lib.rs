//! Everything that crosses a process: the HTTP API's types and client, the agent's gRPC stream, and TLS.

pub mod agent;
pub mod codec;
pub mod http;
pub mod tls;
