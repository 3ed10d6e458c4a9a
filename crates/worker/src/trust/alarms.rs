//! What people must be told, kept until a server takes it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use synod_protocol::agent::Alarm;
use tokio::sync::Notify;

/// So many wait for a stream; older ones go first.
const MOST: usize = 256;

/// Alarms on their way. Unlike reports they outlive a stream.
#[derive(Default)]
pub(crate) struct Alarms {
    queue: Mutex<VecDeque<Alarm>>,
    wake: Notify,
}

impl Alarms {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Alarm>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues one, unless the same waits already.
    pub(crate) fn push(&self, alarm: Alarm) {
        let mut queue = self.lock();
        if queue.contains(&alarm) {
            return;
        }
        if queue.len() >= MOST {
            queue.pop_front();
        }
        queue.push_back(alarm);
        drop(queue);
        self.wake.notify_one();
    }

    /// The oldest.
    pub(crate) fn take(&self) -> Option<Alarm> {
        self.lock().pop_front()
    }

    /// Waits until there is one; there is one reader only.
    pub(crate) async fn ready(&self) {
        while self.lock().is_empty() {
            self.wake.notified().await;
        }
    }
}
