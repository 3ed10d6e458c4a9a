//! The stream between agents and servers, generated from `proto/synod/agent/v1/agent.proto`.

#![allow(missing_docs, clippy::all)]

tonic::include_proto!("synod.agent.v1");

/// The ALPN name by which an agent asks for the mutually authenticated side of a server's port.
pub const ALPN: &[u8] = b"synod-agent";

/// The ALPN name by which a machine that joins asks for the side that shows Synod's own authority, whatever certificate people
/// are shown, and asks for no certificate of the caller's.
pub const ENROL_ALPN: &[u8] = b"synod-enrol";

/// The largest message either side takes, in bytes: a task's kept output and its envelope fit well.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Splits `RUN.INDEX`.
pub fn split_task(task: &str) -> Option<(&str, u32)> {
    let (run, index) = task.rsplit_once('.')?;
    Some((run, index.parse().ok()?))
}
