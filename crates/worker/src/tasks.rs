//! The tasks of a node: each is verified, journalled, executed, journalled again, and reported.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_domain::manifest::{Manifest, SealedSecret, secret_commitment};
use synod_domain::merkle::{Hash, Inclusion};
use synod_domain::task::{Outcome, Phase};
use synod_domain::verify::{DeliveredApproval, Package, Refusal, verify};
use synod_domain::{Span, Timestamp, canonical};
use synod_protocol::agent::Assignment;
use tokio::sync::Notify;

use crate::executor::{Cancel, CancelSender, Executor, Secrets, Why, Work};
use crate::identity::Identity;
use crate::journal::{Ended, Journal, Seen};
use crate::outbox::{Item, Outbox};
use crate::output::OutputSink;
use crate::session::SessionOptions;
use crate::signing::NodeKey;
use crate::trust::{Case, Guard};

/// A task that ends within this time is not announced as started.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(25);
/// How often live output is sent.
const OUTPUT_EVERY: Duration = Duration::from_millis(200);
/// How long a task is remembered whose manifest's end is not known.
const REMEMBER: Span = Span::secs(30 * 86_400);

pub(crate) struct Tasks<E> {
    executor: Arc<E>,
    journal: Journal,
    identity: Arc<Mutex<Identity>>,
    guard: Arc<Guard>,
    /// Absent in a session that cannot be run.
    key: Option<NodeKey>,
    pub(crate) outbox: Outbox,
    options: SessionOptions,
    /// The server's clock minus ours, in milliseconds.
    offset: AtomicI64,
    table: Mutex<Table>,
    /// Woken whenever a task ended.
    ended: Notify,
}

#[derive(Default)]
struct Table {
    live: HashMap<String, Live>,
    queue: VecDeque<Assignment>,
    running: usize,
    stopping: bool,
}

enum Live {
    Queued,
    Running { cancel: CancelSender, started_at: Option<Timestamp> },
}

/// A verified task.
struct Ready {
    manifest: Manifest,
    secrets: Secrets,
}

impl<E: Executor> Tasks<E> {
    pub(crate) fn new(
        executor: Arc<E>,
        journal: Journal,
        identity: Arc<Mutex<Identity>>,
        guard: Arc<Guard>,
        key: Option<NodeKey>,
        options: SessionOptions,
    ) -> Self {
        let (outbox, offset, table, ended) = (Outbox::default(), AtomicI64::new(0), Mutex::default(), Notify::new());
        Self { executor, journal, identity, guard, key, outbox, options, offset, table, ended }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Notes how the server's clock differs from ours.
    pub(crate) fn set_offset(&self, offset: i64) {
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// Signs what an earlier process left unsigned; says whether there was anything.
    pub(crate) fn sign_pending(&self) -> bool {
        self.journal.sign_pending(|digest, ended| self.sign(digest, ended))
    }

    fn sign(&self, digest: &str, ended: &Ended) -> Option<String> {
        self.key.as_ref()?.sign(digest, ended)
    }

    /// What a new stream begins with: results not acknowledged, and what runs.
    pub(crate) fn resend(&self) -> Vec<Item> {
        let mut items: Vec<Item> = self
            .table()
            .live
            .iter()
            .filter_map(|(task, live)| match live {
                Live::Running { started_at: Some(at), .. } => Some(Item::Started { task: task.clone(), at: *at }),
                _ => None,
            })
            .collect();
        items.extend(self.journal.pending().into_iter().map(Item::Finished));
        items
    }

    /// Takes a task in, unless it was seen before.
    pub(crate) fn assign(self: &Arc<Self>, assignment: Assignment) {
        let mut table = self.table();
        if table.stopping || table.live.contains_key(&assignment.task) {
            return;
        }
        match self.journal.seen(&assignment.task) {
            Seen::Never => {}
            Seen::Running => return,
            Seen::Ended(ended) => return self.outbox.push(Item::Finished(ended)),
            Seen::Done => return self.outbox.push(Item::Finished(Arc::new(self.replay(assignment.task)))),
        }
        if table.running < self.options.max_parallel.max(1) {
            table.running += 1;
            self.start(&mut table, assignment);
        } else {
            table.live.insert(assignment.task.clone(), Live::Queued);
            table.queue.push_back(assignment);
        }
    }

    fn start(self: &Arc<Self>, table: &mut Table, assignment: Assignment) {
        let (cancel, token) = Cancel::new();
        table.live.insert(assignment.task.clone(), Live::Running { cancel, started_at: None });
        tokio::spawn(self.clone().perform(assignment, token));
    }

    /// Ends tasks now. One that never came here is settled as cancelled, so that it will not run when it comes.
    pub(crate) fn cancel(self: &Arc<Self>, tasks: Vec<String>) {
        let mut table = self.table();
        for task in tasks {
            match table.live.get(&task) {
                Some(Live::Running { cancel, .. }) => cancel.cancel(Why::Cancelled),
                Some(Live::Queued) => {
                    table.live.remove(&task);
                    let place = table.queue.iter().position(|waiting| waiting.task == task);
                    let waiting = place.and_then(|place| table.queue.remove(place));
                    self.settle_unbegun(task, waiting.as_ref());
                }
                None if self.journal.seen(&task) == Seen::Never => {
                    self.settle_unbegun(task, None);
                }
                None => {}
            }
        }
    }

    /// Settled at once, so that an assignment that arrives in the same moment finds the task ended.
    fn settle_unbegun(self: &Arc<Self>, task: String, assignment: Option<&Assignment>) {
        let now = self.now();
        let outcome = Outcome::without_steps(Phase::Cancelled, "cancelled before it began", now);
        let settled = self.settle(task, assignment, outcome, now.after(REMEMBER));
        let tasks = self.clone();
        tokio::spawn(async move { tasks.outbox.push(Item::Finished(settled.await)) });
    }

    /// Settles a task that never began. It is signed for as far as it is certain which manifest it was about.
    fn settle(
        &self,
        task: String,
        assignment: Option<&Assignment>,
        outcome: Outcome,
        expires_at: Timestamp,
    ) -> impl Future<Output = Arc<Ended>> + Send + use<E> {
        let ended = Ended { task, outcome, output: Vec::new(), signed: None };
        let known = assignment.filter(|given| canonical::digest(&given.manifest) == given.digest);
        let manifest = known.and_then(|given| Some((&given.digest, canonical::read::<Manifest>(&given.manifest).ok()?.expires_at)));
        // Without a manifest the digest fits none, and nothing is signed.
        let (digest, until) = manifest.map_or(("", Timestamp(i64::MAX)), |(digest, until)| (digest.as_str(), until));
        self.journal.settle_signed(digest, until, expires_at, ended, &|ended| self.sign(digest, ended))
    }

    /// Takes no more tasks and ends those that run.
    pub(crate) fn stop(&self) {
        let mut table = self.table();
        table.stopping = true;
        table.queue.clear();
        table.live.retain(|_, live| match live {
            Live::Queued => false,
            Live::Running { cancel, .. } => {
                cancel.cancel(Why::Stopped);
                true
            }
        });
    }

    /// Waits until no task runs.
    pub(crate) async fn idle(&self) {
        while self.table().running > 0 {
            self.ended.notified().await;
        }
    }

    async fn perform(self: Arc<Self>, assignment: Assignment, cancel: Cancel) {
        let task = assignment.task.clone();
        if let Some(ended) = self.carry_out(assignment, cancel).await {
            self.outbox.push(Item::Finished(ended));
        }
        let mut table = self.table();
        table.live.remove(&task);
        match table.queue.pop_front() {
            Some(next) => self.start(&mut table, next),
            None => table.running -= 1,
        }
        drop(table);
        self.ended.notify_one();
    }

    async fn carry_out(&self, assignment: Assignment, cancel: Cancel) -> Option<Arc<Ended>> {
        let task = assignment.task.clone();
        let now = self.now();
        let ready = match self.prepare(&assignment, now) {
            Ok(ready) => ready,
            Err((refusal, expires_at)) => {
                return Some(self.refuse(&assignment, &refusal, expires_at, now).await);
            }
        };
        let expires_at = ready.manifest.expires_at;
        match cancel.why() {
            Some(Why::Stopped) => return None,
            Some(why) => {
                let outcome = Outcome::without_steps(why.phase(), "cancelled before it began", now);
                return Some(self.settle(task, Some(&assignment), outcome, expires_at).await);
            }
            None => {}
        }
        let mut begun = Ok(self.journal.before(&task, &assignment.digest, expires_at));
        // What was seen before uses up nobody's bound.
        if matches!(begun, Ok(Seen::Never)) {
            if let Err(refusal) = self.guard.count_break_glass(&ready.manifest, &assignment.digest, now) {
                return Some(self.refuse(&assignment, &refusal, expires_at, now).await);
            }
            begun = self.journal.begin(&task, &assignment.digest, expires_at).await;
        }
        match begun {
            Ok(Seen::Never) => {}
            Ok(Seen::Running) => return None,
            Ok(Seen::Ended(ended)) => return Some(ended),
            Ok(Seen::Done) => return Some(Arc::new(self.replay(task))),
            Err(error) => {
                tracing::error!(%task, %error, "the task is not started");
                let outcome = Outcome::without_steps(Phase::Failed, format!("not started, because it could not be journalled: {error}"), now);
                return Some(self.settle(task, Some(&assignment), outcome, expires_at).await);
            }
        }
        let started_at = self.now();
        let output = OutputSink::new(self.options.max_output_bytes);
        let mut outcome = match cancel.why() {
            Some(why) => why.outcome(started_at),
            None => {
                let work = Work {
                    task: task.clone(),
                    digest: assignment.digest.clone(),
                    manifest: Arc::new(ready.manifest),
                    node: self.identity().node().clone(),
                    secrets: ready.secrets,
                    output: output.clone(),
                    cancel: cancel.clone(),
                    clock: self.options.clock.clone(),
                };
                self.execute(work, &output, started_at).await
            }
        };
        let kept = output.finish();
        outcome.started_at.get_or_insert(started_at);
        outcome.output_digest = kept.digest;
        outcome.truncated |= kept.truncated;
        tracing::info!(%task, phase = %outcome.phase, reason = outcome.reason.as_deref(), "task ended");
        let mut ended = Ended { task, outcome, output: kept.chunks, signed: None };
        ended.signed = self.sign(&assignment.digest, &ended);
        self.guard.ended(self.now());
        Some(self.journal.end(ended).await)
    }

    async fn refuse(&self, assignment: &Assignment, refusal: &Refusal, expires_at: Timestamp, now: Timestamp) -> Arc<Ended> {
        let task = assignment.task.clone();
        tracing::warn!(%task, refusal = refusal.name(), "refused: {refusal}");
        self.settle(task, Some(assignment), refused(refusal, now), expires_at).await
    }

    async fn execute(&self, work: Work, output: &OutputSink, started_at: Timestamp) -> Outcome {
        let (task, executor) = (work.task.clone(), self.executor.clone());
        tracing::debug!(%task, "task begins");
        let mut run = tokio::spawn(async move { executor.execute(work).await });
        let mut pause = ANNOUNCE_AFTER;
        loop {
            tokio::select! {
                biased;
                done = &mut run => return done.unwrap_or_else(|_| {
                    Outcome::without_steps(Phase::Lost, "the executor broke while this task was running", self.now())
                }),
                () = tokio::time::sleep(pause) => {}
            }
            if pause == ANNOUNCE_AFTER {
                if let Some(Live::Running { started_at: at, .. }) = self.table().live.get_mut(&task) {
                    *at = Some(started_at);
                }
                self.outbox.push(Item::Started { task: task.clone(), at: started_at });
                pause = OUTPUT_EVERY;
            }
            if self.outbox.wants_output() {
                for chunk in output.chunks_to_send() {
                    self.outbox.push(Item::Output { task: task.clone(), chunk });
                }
            }
        }
    }

    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is checked before a task begins. A refusal comes with the end of its manifest, as far as known.
    fn prepare(&self, assignment: &Assignment, now: Timestamp) -> Result<Ready, (Refusal, Timestamp)> {
        let forget_at = now.after(REMEMBER);
        let (manifest, approvals) = self.verify(assignment, now).map_err(|refusal| (refusal, forget_at))?;
        let expires_at = manifest.expires_at;
        let here = |refusal| (refusal, expires_at);
        if assignment.task != format!("{}.{}", manifest.run, assignment.index) {
            return Err(here(Refusal::Malformed("the task is not this node's part of the manifest's run".into())));
        }
        let server_now = now.0.saturating_add(self.offset.load(Ordering::Relaxed));
        if assignment.start_by_ms > 0 && server_now > assignment.start_by_ms {
            return Err(here(Refusal::TooLate(Timestamp(assignment.start_by_ms))));
        }
        let node = self.identity().node().name.clone();
        let case = Case { task: &assignment.task, manifest: &manifest, digest: &assignment.digest, approvals: &approvals, node: &node, now };
        self.guard.judge(&case).map_err(here)?;
        self.executor.admit(&manifest).map_err(here)?;
        let secrets = open_secrets(&self.identity(), &manifest, &assignment.sealed_secrets).map_err(|why| here(Refusal::Secret(why)))?;
        Ok(Ready { manifest, secrets })
    }

    fn verify(&self, assignment: &Assignment, now: Timestamp) -> Result<(Manifest, Vec<DeliveredApproval>), Refusal> {
        let approvals: Vec<DeliveredApproval> =
            serde_json::from_str(&assignment.approvals_json).map_err(|e| Refusal::Approvals(format!("they cannot be read: {e}")))?;
        let path: Result<Vec<Hash>, _> = assignment.path.iter().map(|hash| Hash::try_from(hash.as_slice())).collect();
        let path = path.map_err(|_| Refusal::Malformed("the path to the root of its nodes holds something that is no hash".into()))?;
        let inclusion = Inclusion { index: assignment.index, size: assignment.size, path };
        let package = Package { manifest: &assignment.manifest, digest: &assignment.digest, approvals: &approvals, inclusion: &inclusion };
        let node = self.identity().node().clone();
        let manifest = verify(&package, &node, now)?;
        Ok((manifest, approvals))
    }

    /// Not signed: the result that counts was signed when the task ended.
    fn replay(&self, task: String) -> Ended {
        tracing::warn!(%task, "refused: it was seen before");
        Ended { task, outcome: refused(&Refusal::Replay, self.now()), output: Vec::new(), signed: None }
    }
}

fn refused(refusal: &Refusal, at: Timestamp) -> Outcome {
    Outcome::without_steps(Phase::Refused, format!("{}: {refusal}", refusal.name()), at)
}

/// Opens the secret inputs and compares each with what the manifest commits to.
fn open_secrets(identity: &Identity, manifest: &Manifest, sealed: &[u8]) -> Result<Secrets, String> {
    if manifest.secrets.is_empty() {
        return Ok(Secrets::default());
    }
    if sealed.is_empty() {
        return Err("none were delivered".into());
    }
    let opened = identity.open_sealed(sealed).map_err(|e| e.to_string())?;
    // The error of serde_json could quote a secret, so it is not shown.
    let mut given: BTreeMap<String, SealedSecret> = serde_json::from_slice(&opened).map_err(|_| "what was sealed is not of the agreed form")?;
    let mut secrets = BTreeMap::new();
    for (name, commitment) in &manifest.secrets {
        let secret = given.remove(name).ok_or_else(|| format!("`{name}` was not delivered"))?;
        let salt = hex::decode(&secret.salt).map_err(|_| format!("the salt of `{name}` is not hexadecimal"))?;
        if secret_commitment(&salt, &secret.value) != *commitment {
            return Err(format!("`{name}` is not the value the manifest commits to"));
        }
        secrets.insert(name.clone(), secret.value);
    }
    Ok(Secrets(secrets))
}
