//! A run's way from approved to its end. Every decision is the domain's; here they become rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use synod_db::approval::Approval;
use synod_db::run::Run;
use synod_db::{Tx, event, run, task, trust};
use synod_domain::approval::{Verdict, Vote, decide};
use synod_domain::event::{NewEvent, types};
use synod_domain::run::{Phase, Ratification};
use synod_domain::strategy::{Next, Progress, next};
use synod_domain::{Error, Result, Span, Timestamp, task as tasks};
use synod_protocol::http::run::TaskCounts;

use crate::access::Access;
use crate::app::App;
use crate::manifests::Document;
use crate::ops::Effects;
use crate::ops::approval::counting_rules;
use crate::signing;

/// How often a run is looked at again although nothing calls for it.
const SAFETY: Span = Span::secs(60);
/// From so many nodes on it is asked whether anything is to be decided, before all tasks are counted to decide it.
const MANY: u32 = 100;

/// Why a run does not begin or go on in a namespace that stands still.
const FROZEN: &str = "waits: the namespace is frozen";

fn unmet(too_late: bool) -> Verdict {
    if too_late { Verdict::Expired } else { Verdict::Pending(Vec::new()) }
}

/// An event about a run.
pub fn run_event(kind: &'static str, run: &Run, actor: &str, data: serde_json::Value) -> NewEvent {
    NewEvent { kind, subject: format!("run/{}", run.id), namespace: Some(run.namespace.clone()), run: Some(run.id.clone()), actor: actor.to_owned(), data }
}

/// What a transaction knows of a run's other rows, so that showing the run need not read them again.
#[derive(Debug, Default)]
pub struct Seen {
    /// The decisions on it.
    pub decisions: Option<Vec<Approval>>,
    /// Its tasks.
    pub tasks: Option<TaskCounts>,
}

/// A transaction's work on one run: the run, what it is to do, what is to be recorded.
pub struct Work<'a> {
    /// The run, locked.
    pub run: &'a mut Run,
    /// What it is to do.
    pub document: &'a Document,
    /// Who may do what.
    pub access: &'a Access,
    /// The time.
    pub now: Timestamp,
    /// Events so far.
    pub events: &'a mut Vec<NewEvent>,
    /// Effects so far.
    pub effects: &'a mut Effects,
    /// What was read and made besides.
    pub seen: &'a mut Seen,
}

impl Work<'_> {
    fn record(&mut self, kind: &'static str, actor: &str, data: serde_json::Value) {
        self.events.push(run_event(kind, self.run, actor, data));
    }

    /// Puts the run into a phase, where its present one leads there.
    pub fn enter(&mut self, phase: Phase, message: impl Into<String>) -> Result<()> {
        if !self.run.phase.may_become(phase) {
            return Err(Error::internal(format!("run {} cannot go from {} to {phase}", self.run.id, self.run.phase)));
        }
        self.run.phase = phase;
        self.run.message = message.into();
        if phase.ended() {
            self.run.finished_at = Some(self.now);
            self.run.wake_at = None;
            self.run.at_gate = false;
        }
        Ok(())
    }

    /// Secrets that nobody will need any more.
    pub async fn forget_secrets(&self, tx: &mut Tx) -> Result<()> {
        if self.document.manifest.secrets.is_empty() { Ok(()) } else { run::forget_secrets(tx, &self.run.id).await }
    }

    /// How the votes stand at this moment: every voter's rights are judged anew, and where the trust root covers the run,
    /// every signature.
    pub async fn verdict(&mut self, tx: &mut Tx) -> Result<(Verdict, Vec<Vote>)> {
        let manifest = &self.document.manifest;
        let decisions = match self.seen.decisions.take() {
            Some(decisions) => decisions,
            None => synod_db::approval::list(tx, &self.run.id).await?,
        };
        let judged = match signing::cover(self.document, self.access, tx).await? {
            Some(cover) => {
                let used = self.used_today(tx).await?;
                Some(cover.judge(manifest, &self.run.digest, &decisions, used, self.now))
            }
            None => None,
        };
        let votes: Vec<Vote> = decisions
            .iter()
            .filter(|vote| vote.digest == self.run.digest && judged.as_ref().is_none_or(|judged| judged.counted.contains(&vote.person)))
            .map(|vote| {
                let rules = counting_rules(self.access, self.run, manifest, vote, self.now);
                Vote { person: vote.person.clone(), decision: vote.decision, rules }
            })
            .collect();
        self.seen.decisions = Some(decisions);
        let too_late = self.now >= self.run.approve_by;
        if manifest.break_glass.is_some() {
            let met = judged.is_some_and(|judged| judged.met);
            let verdict = if met { Verdict::Granted(Vec::new()) } else { unmet(too_late) };
            return Ok((verdict, votes));
        }
        let verdict = match (decide(&manifest.approval, &votes, self.now, self.run.approve_by), judged) {
            (Verdict::Rejected(by), _) => Verdict::Rejected(by),
            (_, Some(judged)) if !judged.rejected.is_empty() => Verdict::Rejected(judged.rejected),
            (Verdict::Granted(_), Some(judged)) if !judged.met => unmet(too_late),
            (verdict, _) => verdict,
        };
        Ok((verdict, votes))
    }

    /// How often today the break-glass rule of this run was used for others.
    async fn used_today(&self, tx: &mut Tx) -> Result<u32> {
        match &self.document.manifest.break_glass {
            Some(rule) => {
                trust::hold(tx).await?;
                run::break_glass_used(tx, rule, self.now.day_begins(), &self.run.id).await
            }
            None => Ok(0),
        }
    }

    /// Judges a pending run: the one way into `approved`, whoever's door led here.
    pub async fn settle(&mut self, tx: &mut Tx) -> Result<()> {
        if self.run.phase != Phase::Pending {
            return Ok(());
        }
        let verdict = match self.verdict(tx).await? {
            // What sufficed in time was approved then. A right that came back since does not begin a run behind everybody's back.
            (_, votes) if self.now >= self.run.approve_by => (Verdict::Expired, votes),
            verdict => verdict,
        };
        match verdict {
            (Verdict::Granted(by), votes) => {
                self.enter(Phase::Approved, "")?;
                if let Some(rule) = &self.document.manifest.break_glass {
                    self.run.ratification = Some(Ratification::Unratified);
                    let data =
                        json!({"digest": self.run.digest, "rule": rule, "by": self.run.requester, "reason": self.run.reason, "nodes": self.run.node_count});
                    self.record(types::RUN_BREAK_GLASS, &format!("user:{}", self.run.requester), data);
                }
                let by: Vec<_> = by.into_iter().map(|(rule, person)| json!({"rule": rule, "person": person})).collect();
                self.record(types::RUN_APPROVED, "system", json!({"digest": self.run.digest, "by": by}));
                // Judged just now, in this transaction; it is judged anew only when the run begins later.
                self.begin_with(tx, votes).await
            }
            (Verdict::Rejected(by), _) => {
                let words = format!("rejected by {}", by.join(", "));
                self.enter(Phase::Rejected, words)?;
                self.record(types::RUN_REJECTED, "system", json!({"by": by}));
                self.forget_secrets(tx).await
            }
            (Verdict::Expired, _) => {
                self.enter(Phase::Expired, "it was not approved in time")?;
                self.record(types::RUN_EXPIRED, "system", json!({}));
                self.forget_secrets(tx).await
            }
            (Verdict::Pending(_), _) => {
                self.run.wake_at = Some(self.run.approve_by);
                Ok(())
            }
        }
    }

    /// Begins an approved run, when its time has come and the approvals still stand.
    pub async fn begin(&mut self, tx: &mut Tx) -> Result<()> {
        if self.run.phase != Phase::Approved {
            return Ok(());
        }
        let (verdict, votes) = self.verdict(tx).await?;
        if self.may_begin() && !matches!(verdict, Verdict::Granted(_)) {
            self.enter(
                Phase::Rejected,
                "when it was to begin, the approvals no longer sufficed: an approver was disabled, lost the role or group, or their key counts no more",
            )?;
            self.record(types::RUN_REJECTED, "system", json!({"reason": "approvals no longer suffice"}));
            return self.forget_secrets(tx).await;
        }
        self.begin_with(tx, votes).await
    }

    /// Whether nothing but the approvals could keep an approved run from beginning now.
    fn may_begin(&self) -> bool {
        self.run.not_before.is_none_or(|at| self.now >= at) && !self.is_frozen() && self.now <= self.document.manifest.expires_at
    }

    fn is_frozen(&self) -> bool {
        self.access.namespaces.get(&self.run.namespace).is_none_or(|namespace| namespace.frozen)
    }

    /// Begins an approved run when its time has come; the votes sufficed in this transaction.
    async fn begin_with(&mut self, tx: &mut Tx, votes: Vec<Vote>) -> Result<()> {
        if let Some(not_before) = self.run.not_before.filter(|at| self.now < *at) {
            self.run.wake_at = Some(not_before);
            self.run.message = format!("waits for {not_before}");
            return Ok(());
        }
        if self.is_frozen() {
            self.run.wake_at = Some(self.now.after(SAFETY));
            self.run.message = FROZEN.into();
            return Ok(());
        }
        if self.now > self.document.manifest.expires_at {
            self.enter(Phase::Expired, "its time to run was over before it could begin")?;
            self.record(types::RUN_EXPIRED, "system", json!({}));
            return self.forget_secrets(tx).await;
        }
        let none = BTreeSet::new();
        let counting = |person: &str| votes.iter().find(|vote| vote.person == person).map_or(&none, |vote| &vote.rules);
        let changed: Vec<(&str, &BTreeSet<usize>)> = (self.seen.decisions.iter().flatten())
            .map(|decision| (decision, counting(&decision.person)))
            .filter(|(decision, rules)| decision.rules != **rules)
            .map(|(decision, rules)| (decision.person.as_str(), rules))
            .collect();
        synod_db::approval::set_rules(tx, &self.run.id, &changed).await?;
        self.enter(Phase::Running, "")?;
        self.run.started_at = Some(self.now);
        let first = self.document.manifest.strategy.batch_size(0, self.run.node_count).min(self.run.node_count);
        let start_by = self.now.after(self.document.manifest.start_deadline);
        task::create(tx, self.run, first, self.now, start_by);
        self.seen.tasks = Some(TaskCounts { assigned: first, waiting: self.run.node_count - first, ..TaskCounts::default() });
        self.run.batches = 1;
        self.run.wake_at = Some(self.now.after(SAFETY));
        self.effects.assigned.insert(self.run.id.clone());
        self.record(types::RUN_STARTED, "system", json!({"nodes": self.run.node_count}));
        self.record(types::RUN_BATCH, "system", json!({"batch": 0, "nodes": first}));
        Ok(())
    }

    /// Goes on with a running run after something happened to its tasks.
    pub async fn advance(&mut self, tx: &mut Tx) -> Result<()> {
        if self.run.phase != Phase::Running {
            return Ok(());
        }
        if self.run.node_count >= MANY && !self.run.cancelling && task::all_under_way(tx, &self.run.id).await? {
            self.run.wake_at = Some(self.now.after(SAFETY));
            return Ok(());
        }
        loop {
            let tally = task::tally(tx, &self.run.id).await?;
            if self.run.cancelling {
                if tally.waiting > 0 {
                    task::end_waiting(tx, &self.run.id, tasks::Phase::Cancelled, "the run was cancelled", self.now).await?;
                    continue;
                }
                if tally.active == 0 {
                    let by = self.run.cancelled_by.clone().unwrap_or_default();
                    self.enter(Phase::Cancelled, format!("cancelled by {by}"))?;
                    self.record(
                        types::RUN_CANCELLED,
                        "system",
                        json!({"by": by, "succeeded": tally.succeeded, "cancelled": tally.cancelled, "failed": tally.failed}),
                    );
                    self.forget_secrets(tx).await?;
                }
                return Ok(());
            }
            if tally.active == 0 && self.run.batch_ended_at.is_none() {
                self.run.batch_ended_at = Some(self.now);
            }
            let progress = Progress { batches: self.run.batches, batch_ended: self.run.batch_ended_at, gates_opened: self.run.gates_opened };
            match next(&self.document.manifest.strategy, &tally, &progress, self.now) {
                Next::Running => {
                    self.run.wake_at = Some(self.now.after(SAFETY));
                    return Ok(());
                }
                Next::PauseUntil(at) => {
                    self.run.wake_at = Some(at);
                    self.run.message = format!("pauses until {at}");
                    return Ok(());
                }
                Next::AtGate => {
                    if !self.run.at_gate {
                        self.run.at_gate = true;
                        self.run.message = "waits at the gate for somebody to proceed".into();
                        self.record(types::RUN_AT_GATE, "system", json!({"batches": self.run.batches}));
                    }
                    self.run.wake_at = Some(self.now.after(SAFETY));
                    return Ok(());
                }
                // What runs comes to its end; nothing more begins until somebody ends the freeze.
                Next::Assign(_) if self.is_frozen() => {
                    self.run.wake_at = Some(self.now.after(SAFETY));
                    self.run.message = FROZEN.into();
                    return Ok(());
                }
                Next::Assign(n) => {
                    let start_by = self.now.after(self.document.manifest.start_deadline);
                    task::assign_next(tx, &self.run.id, n, self.run.batches, self.now, start_by).await?;
                    self.record(types::RUN_BATCH, "system", json!({"batch": self.run.batches, "nodes": n}));
                    self.run.batches += 1;
                    self.run.batch_ended_at = None;
                    self.run.at_gate = false;
                    self.run.message.clear();
                    self.run.wake_at = Some(self.now.after(SAFETY));
                    self.effects.assigned.insert(self.run.id.clone());
                    return Ok(());
                }
                Next::Stop => {
                    let why = if tally.check_failed > 0 { "a check failed" } else { "too many nodes failed" };
                    let skipped = task::end_waiting(tx, &self.run.id, tasks::Phase::Skipped, why, self.now).await?;
                    self.run.message = format!("the rollout stopped: {why}");
                    self.record(types::RUN_STOPPED, "system", json!({"reason": why, "skipped": skipped, "failed": tally.failed}));
                }
                Next::Finished { succeeded } => {
                    let counts = json!({"succeeded": tally.succeeded, "failed": tally.failed, "skipped": tally.skipped, "cancelled": tally.cancelled});
                    let message = match (succeeded, self.run.message.is_empty()) {
                        (true, _) if tally.failed > 0 => format!("{} of {} failed, within what the template allows", tally.failed, tally.total()),
                        (true, _) => String::new(),
                        (false, false) => self.run.message.clone(),
                        (false, true) if tally.check_failed > 0 => "a check failed".into(),
                        (false, true) => format!("{} of {} failed", tally.failed, tally.total()),
                    };
                    self.enter(if succeeded { Phase::Succeeded } else { Phase::Failed }, message)?;
                    self.record(if succeeded { types::RUN_SUCCEEDED } else { types::RUN_FAILED }, "system", counts);
                    return self.forget_secrets(tx).await;
                }
            }
        }
    }
}

/// Looks at one run whose time has come, whatever it waits for.
pub async fn look(app: &Arc<App>, id: &str) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(mut run) = run::lock(&mut tx, id).await? else { return Ok(()) };
    let document = app.manifests.of(&run)?;
    let access = app.access.current(&mut tx).await?;
    let mut events = Vec::new();
    let mut effects = Effects::default();
    let (document, seen) = (&*document, &mut Seen::default());
    let mut work = Work { run: &mut run, document, access: &access, now, events: &mut events, effects: &mut effects, seen };
    match work.run.phase {
        Phase::Pending => work.settle(&mut tx).await?,
        Phase::Approved => work.begin(&mut tx).await?,
        Phase::Running => work.advance(&mut tx).await?,
        _ => work.run.wake_at = None,
    }
    run::update(&mut tx, &run);
    event::append(&mut tx, &events, now).await?;
    tx.commit().await?;
    effects.events |= !events.is_empty();
    effects.carry_out(app);
    Ok(())
}
