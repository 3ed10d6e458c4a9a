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
    /// The result signed with the node's key: JSON of a DSSE envelope. Kept, so that it is the same whenever it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
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
            state.apply(Record::Ended(Arc::new(Ended { task: task.clone(), outcome, output: Vec::new(), signed: None })));
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

    /// What [`Journal::begin`] would say now, with nothing recorded.
    pub fn before(&self, task: &str, digest: &str, expires_at: Timestamp) -> Seen {
        self.0.lock().before(task, digest, expires_at)
    }

    /// Records that a task is about to run, durably. Anything but `Never` means that it must not run.
    pub async fn begin(&self, task: &str, digest: &str, expires_at: Timestamp) -> Result<Seen> {
        let record = Record::Begun { task: task.to_owned(), digest: digest.to_owned(), expires_at };
        let wait = {
            let mut state = self.0.lock();
            match state.before(task, digest, expires_at) {
                Seen::Never => {}
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
        let wait = self.queue(&mut self.0.lock(), vec![Record::Ended(ended.clone())]);
        durable(wait, ended).await
    }

    /// Records the end of a task that never began, such as a refusal, so that it will not run later.
    /// From the call on the task counts as ended; what is awaited is only that this is durable.
    pub fn settle(&self, expires_at: Timestamp, ended: Ended) -> impl Future<Output = Arc<Ended>> + Send + use<> {
        self.settle_in(&mut self.0.lock(), "", expires_at, Arc::new(ended))
    }

    /// The same for a task whose manifest is known; `until` is when that expires, `expires_at` how long it is remembered. The
    /// result is signed only when the manifest was certainly never begun, under whatever name, and never will be after: else
    /// a server could have one result of it in exchange for another.
    pub fn settle_signed(
        &self,
        digest: &str,
        until: Timestamp,
        expires_at: Timestamp,
        mut ended: Ended,
        sign: &dyn Fn(&Ended) -> Option<String>,
    ) -> impl Future<Output = Arc<Ended>> + Send + use<> {
        let mut state = self.0.lock();
        if until > expires_at || !state.may_run(&ended.task, digest, until) {
            return self.settle_in(&mut state, "", expires_at, Arc::new(ended));
        }
        ended.signed = sign(&ended);
        self.settle_in(&mut state, digest, expires_at, Arc::new(ended))
    }

    fn settle_in(&self, state: &mut State, digest: &str, expires_at: Timestamp, ended: Arc<Ended>) -> impl Future<Output = Arc<Ended>> + Send + use<> {
        let begun = Record::Begun { task: ended.task.clone(), digest: digest.to_owned(), expires_at };
        let wait = self.queue(state, vec![begun, Record::Ended(ended.clone())]);
        durable(wait, ended)
    }

    /// Signs the results of tasks that were begun here and are not signed: those a crash ended, and those of an older program.
    /// Says whether there were any; what is signed is durable after [`Journal::flush`].
    pub fn sign_pending(&self, sign: impl Fn(&str, &Ended) -> Option<String>) -> bool {
        let mut state = self.0.lock();
        let signed = |(digest, ended): (String, Arc<Ended>)| {
            let signed = Some(sign(&digest, &ended)?);
            Some(Record::Ended(Arc::new(Ended { signed, ..Ended::clone(&ended) })))
        };
        let records: Vec<Record> = state.unsigned().into_iter().filter_map(signed).collect();
        let any = !records.is_empty();
        if any {
            drop(self.queue(&mut state, records));
        }
        any
    }

    /// Queues records and applies them.
    fn queue(&self, state: &mut State, records: Vec<Record>) -> Append {
        let wait = self.0.append(&records.iter().collect::<Vec<_>>(), true);
        for record in records {
            state.apply(record);
        }
        wait
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

async fn durable(wait: Append, ended: Arc<Ended>) -> Arc<Ended> {
    if let Err(error) = wait.done().await {
        tracing::error!(task = %ended.task, %error, "the result of a task could not be written down and is kept in memory only");
    }
    ended
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
