//! What an executor is: something that does the work of a verified manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use synod_domain::Timestamp;
use synod_domain::manifest::{Manifest, NodeEntry};
use synod_domain::task::{Outcome, Phase};
use synod_domain::verify::Refusal;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::output::OutputSink;

/// The reason of tasks that ended because the agent was told to stop.
pub const STOPPED: &str = "the agent was stopped";
/// The reason of tasks that an agent finds begun and not ended when it starts.
pub const CRASHED: &str = "the agent stopped while this task was running";

/// A future outcome.
pub type OutcomeFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Does the work of tasks. The session has verified them, opened their secrets and journalled them.
pub trait Executor: Send + Sync + 'static {
    /// Does the work. Must heed `work.cancel`, and end soon after it.
    fn execute(&self, work: Work) -> OutcomeFuture<'_>;

    /// Whether this machine's own configuration lets a manifest be executed.
    fn admit(&self, manifest: &Manifest) -> Result<(), Refusal> {
        let _ = manifest;
        Ok(())
    }

    /// Facts about the machine, a JSON object.
    fn facts(&self) -> Value {
        Value::Object(serde_json::Map::new())
    }
}

/// One task, ready to be executed.
pub struct Work {
    /// `RUN.INDEX`
    pub task: String,
    /// The digest people approved.
    pub digest: String,
    /// What to do.
    pub manifest: Arc<Manifest>,
    /// This node.
    pub node: NodeEntry,
    /// The secret inputs.
    pub secrets: Secrets,
    /// Where output goes.
    pub output: OutputSink,
    /// Tells when to end early.
    pub cancel: Cancel,
    /// The clock.
    pub clock: Clock,
}

/// Opened secret inputs. Never shown by `Debug`.
#[derive(Clone, Default)]
pub struct Secrets(pub BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a task has to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody cancelled the run.
    Cancelled,
    /// The agent is told to stop.
    Stopped,
}

impl Why {
    /// The phase a task gets that ended by this.
    pub fn phase(self) -> Phase {
        match self {
            Self::Cancelled => Phase::Cancelled,
            Self::Stopped => Phase::Lost,
        }
    }

    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled while it ran",
            Self::Stopped => STOPPED,
        }
    }

    /// The outcome of a task without steps that ended by this.
    pub fn outcome(self, at: Timestamp) -> Outcome {
        Outcome::without_steps(self.phase(), self.reason(), at)
    }
}

/// Tells a task when to end early.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<Option<Why>>);

/// The other end of [`Cancel`].
#[derive(Debug)]
pub struct CancelSender(watch::Sender<Option<Why>>);

impl Cancel {
    /// A sender and its token.
    pub fn new() -> (CancelSender, Self) {
        let (sender, receiver) = watch::channel(None);
        (CancelSender(sender), Self(receiver))
    }

    /// Whether the task has to end, and why.
    pub fn why(&self) -> Option<Why> {
        *self.0.borrow()
    }

    /// Waits until the task has to end. Never returns when nobody can say so any more.
    pub async fn cancelled(&mut self) -> Why {
        match self.0.wait_for(Option::is_some).await.map(|why| *why) {
            Ok(Some(why)) => why,
            _ => std::future::pending().await,
        }
    }
}

impl CancelSender {
    /// Ends the task; the first reason given stays.
    pub fn cancel(&self, why: Why) {
        self.0.send_if_modified(|slot| {
            let first = slot.is_none();
            slot.get_or_insert(why);
            first
        });
    }
}
