//! Agents for benchmarks: the real protocol over mutual TLS, with an executor that does nothing and a
//! journal in memory, so that thousands fit into one process.

use std::future::Future;

use crate::error::Result;
use crate::fake::FakeExecutor;
use crate::identity::Identity;
use crate::journal::Journal;
use crate::session::{Session, SessionOptions};

/// One simulated agent.
pub struct SimulatedAgent {
    session: Session<FakeExecutor>,
    journal: Journal,
}

impl SimulatedAgent {
    /// An agent of this identity, which need not be on disk.
    pub fn new(identity: Identity, facts: serde_json::Value, options: SessionOptions) -> Self {
        let journal = Journal::in_memory();
        Self { session: Session::new(identity, journal.clone(), FakeExecutor { facts }, options), journal }
    }

    /// Its journal, for looking at it while it runs.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// Keeps a stream to a server until `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.session.run(shutdown).await
    }
}
