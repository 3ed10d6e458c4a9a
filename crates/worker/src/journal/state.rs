//! What the journal knows, in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use synod_domain::verify::MAX_SKEW_MS;
use synod_domain::{Span, Timestamp};
use synod_protocol::agent::split_task;

use super::{Ended, Record, Seen};

type Digest = [u8; 32];

#[derive(Debug)]
struct Known {
    digest: Option<Digest>,
    expires_at: Timestamp,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Running,
    Ended(Arc<Ended>),
    Done,
}

/// Every task ever begun or refused whose manifest could still be valid.
#[derive(Debug)]
pub(super) struct State {
    tasks: HashMap<String, Known>,
    /// A node does the work of one manifest once, whatever the task is called.
    digests: HashSet<Digest>,
    /// Of each run the one manifest: its id is in what people sign, but whoever serves the tasks chooses it.
    runs: HashMap<String, Digest>,
    /// Manifests that ended up to here may have been forgotten, so they never run again, whatever the clock says.
    horizon: Timestamp,
}

impl Default for State {
    fn default() -> Self {
        Self { tasks: HashMap::new(), digests: HashSet::new(), runs: HashMap::new(), horizon: Timestamp(i64::MIN) }
    }
}

fn read_digest(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(text.strip_prefix("sha256:")?, &mut digest).ok()?;
    Some(digest)
}

fn write_digest(digest: &Digest) -> String {
    format!("sha256:{}", hex::encode(digest))
}

impl State {
    pub(super) fn replay(records: Vec<Record>) -> Self {
        let mut state = Self::default();
        for record in records {
            state.apply(record);
        }
        state
    }

    /// Takes a record in. A task never goes back to an earlier stage.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Begun { task, digest, expires_at } => {
                if !self.tasks.contains_key(&task) {
                    let digest = read_digest(&digest);
                    self.digests.extend(digest);
                    if let (Some(digest), Some(run)) = (digest, run_of(&task)) {
                        self.runs.entry(run.to_owned()).or_insert(digest);
                    }
                    self.tasks.insert(task, Known { digest, expires_at, stage: Stage::Running });
                }
            }
            Record::Ended(ended) => {
                // The record of its beginning can only be missing when both were being written during a crash.
                let expires_at = ended.outcome.finished_at.after(Span::secs(30 * 86_400));
                let known = self.tasks.entry(ended.task.clone()).or_insert(Known { digest: None, expires_at, stage: Stage::Running });
                let better = match &known.stage {
                    Stage::Running => true,
                    Stage::Ended(old) => old.signed.is_none() && ended.signed.is_some() && old.outcome == ended.outcome,
                    Stage::Done => false,
                };
                if better {
                    known.stage = Stage::Ended(ended);
                }
            }
            Record::Acked { task } => {
                if let Some(known) = self.tasks.get_mut(&task) {
                    known.stage = Stage::Done;
                }
            }
            Record::Horizon { at } => self.horizon = self.horizon.max(at),
        }
    }

    pub(super) fn seen(&self, task: &str) -> Seen {
        match self.tasks.get(task).map(|known| &known.stage) {
            None => Seen::Never,
            Some(Stage::Running) => Seen::Running,
            Some(Stage::Ended(ended)) => Seen::Ended(ended.clone()),
            Some(Stage::Done) => Seen::Done,
        }
    }

    /// Whether a manifest was certainly never begun, nor another one of the same run.
    pub(super) fn may_run(&self, task: &str, digest: &str, expires_at: Timestamp) -> bool {
        let Some(digest) = read_digest(digest) else { return false };
        let other = run_of(task).and_then(|run| self.runs.get(run)).is_some_and(|known| *known != digest);
        !other && !self.digests.contains(&digest) && end_of(expires_at) > self.horizon
    }

    /// What is known of a task that is about to begin; `Never` when neither it, nor its manifest, nor another one of its run
    /// ever did.
    pub(super) fn before(&self, task: &str, digest: &str, expires_at: Timestamp) -> Seen {
        match self.seen(task) {
            Seen::Never if !self.may_run(task, digest, expires_at) => Seen::Done,
            seen => seen,
        }
    }

    /// Takes back a beginning that could not be written down.
    pub(super) fn unbegin(&mut self, task: &str) {
        if matches!(self.tasks.get(task), Some(Known { stage: Stage::Running, .. }))
            && let Some(Known { digest: Some(digest), .. }) = self.tasks.remove(task)
        {
            self.digests.remove(&digest);
            forget_run(&mut self.runs, task, &digest);
        }
    }

    pub(super) fn running(&self) -> Vec<String> {
        self.names(|stage| matches!(stage, Stage::Running))
    }

    pub(super) fn journalled(&self) -> Vec<String> {
        self.names(|stage| !matches!(stage, Stage::Done))
    }

    fn names(&self, which: impl Fn(&Stage) -> bool) -> Vec<String> {
        let mut names: Vec<String> = self.tasks.iter().filter(|(_, known)| which(&known.stage)).map(|(task, _)| task.clone()).collect();
        names.sort();
        names
    }

    pub(super) fn pending(&self) -> Vec<Arc<Ended>> {
        let mut pending: Vec<Arc<Ended>> = self
            .tasks
            .values()
            .filter_map(|known| match &known.stage {
                Stage::Ended(ended) => Some(ended.clone()),
                _ => None,
            })
            .collect();
        pending.sort_by(|a, b| (a.outcome.finished_at, &a.task).cmp(&(b.outcome.finished_at, &b.task)));
        pending
    }

    /// Results of manifests begun here that are not signed, with the digests.
    pub(super) fn unsigned(&self) -> Vec<(String, Arc<Ended>)> {
        let unsigned = |known: &Known| match (&known.stage, &known.digest) {
            (Stage::Ended(ended), Some(digest)) if ended.signed.is_none() => Some((write_digest(digest), ended.clone())),
            _ => None,
        };
        self.tasks.values().filter_map(unsigned).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Forgets what is over and whose manifest verification would refuse anyway.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let Self { tasks, digests, runs, horizon } = self;
        tasks.retain(|task, known| {
            let over = matches!(known.stage, Stage::Done) && end_of(known.expires_at) < now;
            if over {
                *horizon = (*horizon).max(end_of(known.expires_at));
                if let Some(digest) = &known.digest {
                    digests.remove(digest);
                    forget_run(runs, task, digest);
                }
            }
            !over
        });
    }

    /// The records that say all of this.
    pub(super) fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::with_capacity(self.tasks.len() * 2 + 1);
        if self.horizon > Timestamp(i64::MIN) {
            records.push(Record::Horizon { at: self.horizon });
        }
        for (task, known) in &self.tasks {
            let digest = known.digest.as_ref().map(write_digest).unwrap_or_default();
            records.push(Record::Begun { task: task.clone(), digest, expires_at: known.expires_at });
            match &known.stage {
                Stage::Running => {}
                Stage::Ended(ended) => records.push(Record::Ended(ended.clone())),
                Stage::Done => records.push(Record::Acked { task: task.clone() }),
            }
        }
        records
    }
}

/// The run of a task `RUN.INDEX`.
fn run_of(task: &str) -> Option<&str> {
    split_task(task).map(|(run, _)| run)
}

fn forget_run(runs: &mut HashMap<String, Digest>, task: &str, digest: &Digest) {
    if let Some(run) = run_of(task)
        && runs.get(run) == Some(digest)
    {
        runs.remove(run);
    }
}

/// When verification begins to refuse a manifest for good.
fn end_of(expires_at: Timestamp) -> Timestamp {
    Timestamp(expires_at.0.saturating_add(MAX_SKEW_MS))
}
