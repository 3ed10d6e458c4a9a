//! What waits to be sent to the server. While there is no stream, nothing is kept here: results are
//! in the journal and are put in again with the next stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synod_domain::Timestamp;
use synod_protocol::agent::{Finished, MAX_MESSAGE_BYTES, Output, Report, Reports, Started, report};
use tokio::sync::Notify;

use crate::journal::Ended;
use crate::output::OutputChunk;

/// A message is sent when it would grow beyond this.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
const BATCH_REPORTS: usize = 512;
/// Live output is held back while so many reports wait.
const CONGESTED: usize = 64;

#[derive(Debug, Clone)]
pub(crate) enum Item {
    Started { task: String, at: Timestamp },
    Output { task: String, chunk: OutputChunk },
    Finished(Arc<Ended>),
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    open: bool,
    items: VecDeque<Item>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream is there; these come first.
    pub(crate) fn open(&self, items: Vec<Item>) {
        *self.lock() = Queue { open: true, items: items.into() };
        self.wake.notify_one();
    }

    /// The stream is gone.
    pub(crate) fn close(&self) {
        *self.lock() = Queue::default();
    }

    pub(crate) fn push(&self, item: Item) {
        let mut queue = self.lock();
        if queue.open {
            queue.items.push_back(item);
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Whether live output would be sent soon.
    pub(crate) fn wants_output(&self) -> bool {
        let queue = self.lock();
        queue.open && queue.items.len() < CONGESTED
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// Waits until there is something to send.
    pub(crate) async fn ready(&self) {
        while self.is_empty() {
            self.wake.notified().await;
        }
    }

    /// The next message; there is one reader only.
    pub(crate) fn take(&self) -> Option<Reports> {
        let (mut reports, mut bytes) = (Vec::new(), 0);
        while reports.len() < BATCH_REPORTS {
            let Some(item) = self.lock().items.pop_front() else { break };
            let (report, size) = encode(&item);
            if bytes + size > BATCH_BYTES && !reports.is_empty() {
                self.lock().items.push_front(item);
                break;
            }
            bytes += size;
            reports.push(report);
        }
        (!reports.is_empty()).then_some(Reports { reports })
    }
}

/// A report and about how long it is.
fn encode(item: &Item) -> (Report, usize) {
    let (task, body, size) = match item {
        Item::Started { task, at } => (task, report::Body::Started(Started { at_ms: at.0 }), 0),
        Item::Output { task, chunk } => {
            let output = encode_chunk(chunk);
            let size = output.segments_json.len();
            (task, report::Body::Output(output), size)
        }
        Item::Finished(ended) => {
            let outcome_json = serde_json::to_string(&ended.outcome).unwrap_or_default();
            let mut output: Vec<Output> = ended.output.iter().map(encode_chunk).collect();
            let signed_result = ended.signed.as_ref().map(|signed| signed.clone().into_bytes()).unwrap_or_default();
            let mut size: usize = outcome_json.len() + signed_result.len() + output.iter().map(|o| o.segments_json.len() + 32).sum::<usize>();
            if size > MAX_MESSAGE_BYTES - 64 * 1024 {
                tracing::warn!(task = %ended.task, "the output of a task does not fit into a message and is left out");
                output.clear();
                size = outcome_json.len() + signed_result.len();
            }
            (&ended.task, report::Body::Finished(Finished { outcome_json, output, signed_result }), size)
        }
    };
    (Report { task: task.clone(), body: Some(body) }, size + task.len() + 32)
}

fn encode_chunk(chunk: &OutputChunk) -> Output {
    Output { chunk: chunk.chunk, segments_json: serde_json::to_string(&chunk.segments).unwrap_or_default() }
}
