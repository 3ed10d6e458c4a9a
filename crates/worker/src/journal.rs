//! At most once: what this node has begun is on disk before its first step runs.
//!
//! The file holds one record a line: 16 hexadecimal digits of the SHA-256 of the rest, the length of
//! the file that was durable before, and JSON. A thread of its own writes everything that is queued
//! and makes it durable with one call (group commit).

mod file;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;
use synod_domain::task::{Outcome, Phase};

use crate::clock::Clock;
use crate::error::Result;
use crate::executor::CRASHED;
use crate::output::OutputChunk;

use file::{Append, Writer};
use state::State;

/// A result that the server may not have yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// `RUN.INDEX`
    pub task: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Its output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<OutputChunk>,
}

/// What the journal knows of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Nothing: it may begin.
    Never,
    /// It runs now.
    Running,
    /// It ended, and the server has not acknowledged the result.
    Ended(Arc<Ended>),
    /// It is over, and the server knows.
    Done,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
enum Record {
    /// A task is about to run, or is refused without running.
    Begun { task: String, digest: String, expires_at: Timestamp },
    /// It ended.
    Ended(#[serde(with = "shared")] Arc<Ended>),
    /// The server has its result.
    Acked { task: String },
    /// Everything whose manifest expired up to here may have been forgotten.
    Horizon { at: Timestamp },
}

/// The journal of one node. Clones share it.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    state: Arc<Mutex<State>>,
    /// Absent in memory.
    writer: Option<Writer>,
}

impl Journal {
    /// Opens the journal, or makes a new one. Tasks that were begun and did not end are lost.
    pub fn open(path: &Path, clock: Clock) -> Result<Self> {
        let mut state = State::replay(file::read(path)?);
        let now = clock.now();
        let lost = state.running();
        for task in &lost {
            let outcome = Outcome::without_steps(Phase::Lost, CRASHED, now);
            state.apply(Record::Ended(Arc::new(Ended { task: task.clone(), outcome, output: Vec::new() })));
        }
        if !lost.is_empty() {
            tracing::warn!(tasks = ?lost, "these tasks were running when the agent last stopped; they are reported as lost");
        }
        let state = Arc::new(Mutex::new(state));
        let writer = Writer::start(path, state.clone(), clock)?;
        Ok(Self(Arc::new(Inner { state, writer: Some(writer) })))
    }

    /// A journal that remembers only as long as the process lives, for simulated agents.
    pub fn in_memory() -> Self {
        Self(Arc::new(Inner { state: Arc::new(Mutex::new(State::default())), writer: None }))
    }

    /// What is known of a task.
    pub fn seen(&self, task: &str) -> Seen {
        self.0.lock().seen(task)
    }

    /// Records that a task is about to run, durably. Anything but `Never` means that it must not run.
    pub async fn begin(&self, task: &str, digest: &str, expires_at: Timestamp) -> Result<Seen> {
        let record = Record::Begun { task: task.to_owned(), digest: digest.to_owned(), expires_at };
        let wait = {
            let mut state = self.0.lock();
            match state.seen(task) {
                Seen::Never if state.may_run(digest, expires_at) => {}
                Seen::Never => return Ok(Seen::Done),
                seen => return Ok(seen),
            }
            let wait = self.0.append(&[&record], true);
            state.apply(record);
            wait
        };
        match wait.done().await {
            Ok(()) => Ok(Seen::Never),
            Err(error) => {
                self.0.lock().unbegin(task);
                Err(error)
            }
        }
    }

    /// Records how a task ended, durably. When the disk refuses, the result is kept in memory only.
    pub async fn end(&self, ended: Ended) -> Arc<Ended> {
        let ended = Arc::new(ended);
        self.record(vec![Record::Ended(ended.clone())], ended).await
    }

    /// Records the end of a task that never began, such as a refusal, so that it will not run later.
    /// From the call on the task counts as ended; what is awaited is only that this is durable.
    pub fn settle(&self, expires_at: Timestamp, ended: Ended) -> impl Future<Output = Arc<Ended>> + Send + use<> {
        let ended = Arc::new(ended);
        let begun = Record::Begun { task: ended.task.clone(), digest: String::new(), expires_at };
        self.record(vec![begun, Record::Ended(ended.clone())], ended)
    }

    fn record(&self, records: Vec<Record>, ended: Arc<Ended>) -> impl Future<Output = Arc<Ended>> + Send + use<> {
        let wait = {
            let mut state = self.0.lock();
            let wait = self.0.append(&records.iter().collect::<Vec<_>>(), true);
            for record in records {
                state.apply(record);
            }
            wait
        };
        async move {
            if let Err(error) = wait.done().await {
                tracing::error!(task = %ended.task, %error, "the result of a task could not be written down and is kept in memory only");
            }
            ended
        }
    }

    /// The server has these results.
    pub fn ack(&self, tasks: &[String]) {
        let mut state = self.0.lock();
        let records: Vec<Record> =
            tasks.iter().filter(|task| matches!(state.seen(task), Seen::Ended(_))).map(|task| Record::Acked { task: task.clone() }).collect();
        if records.is_empty() {
            return;
        }
        // Nothing waits for this: an acknowledgement that is lost makes a result be sent once more.
        drop(self.0.append(&records.iter().collect::<Vec<_>>(), false));
        for record in records {
            state.apply(record);
        }
    }

    /// Results the server has not acknowledged.
    pub fn pending(&self) -> Vec<Arc<Ended>> {
        self.0.lock().pending()
    }

    /// Tasks that run or whose results are not acknowledged, for `Hello`.
    pub fn journalled(&self) -> Vec<String> {
        self.0.lock().journalled()
    }

    /// Waits until everything queued is durable.
    pub async fn flush(&self) -> Result<()> {
        let wait = self.0.append(&[], true);
        wait.done().await
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues records. The caller holds the state's lock while it queues and applies, so that the
    /// order in the file is the order in memory, and a compaction misses nothing.
    fn append(&self, records: &[&Record], durable: bool) -> Append {
        self.writer.as_ref().map_or_else(Append::in_memory, |writer| writer.append(records, durable))
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({} tasks)", self.0.lock().len())
    }
}

/// What is shared in memory is written like any other.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}

#[cfg(test)]
mod tests;
