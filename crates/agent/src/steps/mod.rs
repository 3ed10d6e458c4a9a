//! The steps of a manifest, one after the other.

mod run;
mod strays;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use synod_domain::check::{Expect, Looker, OnMismatch};
use synod_domain::render::{Context, StepResult, condition, script, text};
use synod_domain::task::{Outcome, Phase, StepOutcome};
use synod_domain::template::{Retry, Step};
use synod_worker::{Why, Work};
use tokio::time::Instant;

use crate::account::Account;
use crate::config::AgentConfig;
use crate::facts;
use crate::mask::Masker;
use run::{Attempt, End, LONGEST_STRING, Surroundings};

/// The kinds of steps this agent can do, by the field that names them.
pub const KINDS: [&str; 1] = ["run"];

/// Whether this agent can do a step at all.
pub fn is_known(step: &Step) -> bool {
    step.run.is_some()
}

/// One step with its values filled in. A new kind gets a variant here and a file of its own.
enum Job {
    /// A shell script.
    Run(String),
}

impl Job {
    fn of(step: &Step, context: &Context) -> Result<Self, String> {
        match &step.run {
            Some(source) => script(source, context).map(Self::Run),
            None => Err(format!("its kind is not known to this agent, which knows {}", KINDS.join(", "))),
        }
    }
}

/// Whether any step may ask for facts, which are gathered from a dozen files.
fn names_facts(steps: &[Step]) -> bool {
    serde_json::to_string(steps).map_or(true, |text| text.contains("facts"))
}

/// Why a step did not go well.
enum Bad {
    /// The step failed; `check` when an explicit check did not hold.
    Failed { reason: String, check: bool },
    /// It took longer than its own timeout.
    StepTimedOut(String),
    /// All steps together took longer than the manifest's timeout.
    TimedOut,
    /// It was told to end.
    Told(Why),
    /// It cannot be done as written: the task fails, whatever the step says.
    Broken(String),
}

/// Executes all steps of a manifest.
pub async fn execute(work: Work, config: &AgentConfig) -> Outcome {
    let started = work.clock.now();
    match Task::new(work, config) {
        Ok(task) => task.run().await,
        Err(reason) => Outcome::without_steps(Phase::Failed, reason, started),
    }
}

struct Task<'a> {
    work: Work,
    config: &'a AgentConfig,
    account: Account,
    masker: Masker,
    env: BTreeMap<String, String>,
    context: Context,
    deadline: Instant,
    outcome: Outcome,
}

impl<'a> Task<'a> {
    fn new(work: Work, config: &'a AgentConfig) -> Result<Self, String> {
        let manifest = &work.manifest;
        let account = Account::resolve(manifest.run_as.as_deref(), config)?;
        let mut inputs = manifest.inputs.clone();
        inputs.extend(work.secrets.0.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
        let started = work.clock.now();
        let mut outcome = Outcome::without_steps(Phase::Succeeded, "", started);
        outcome.reason = None;
        outcome.started_at = Some(started);
        let mut env = base_environment(config, &account);
        env.extend([
            ("SYNOD_RUN".to_owned(), manifest.run.clone()),
            ("SYNOD_TASK".to_owned(), work.task.clone()),
            ("SYNOD_NODE".to_owned(), work.node.name.clone()),
        ]);
        for (name, value) in &inputs {
            let Some(value) = scalar(value) else { continue };
            let variable = variable(name);
            if value.contains('\0') || variable.len() + value.len() + 3 > LONGEST_STRING {
                outcome.warnings.push(format!("input `{name}` does not fit into the environment; ${variable} is not set"));
            } else {
                env.insert(variable, value);
            }
        }
        let context = Context {
            inputs: Value::Object(inputs),
            facts: if names_facts(&manifest.steps) { facts::collect() } else { Value::Object(serde_json::Map::new()) },
            node: json!({"name": work.node.name, "id": work.node.id}),
            run: json!({"id": manifest.run, "namespace": manifest.namespace, "requester": manifest.requester, "reason": manifest.reason}),
            steps: BTreeMap::new(),
            result: None,
        };
        let masker = Masker::new(work.secrets.0.values().map(String::as_str));
        let deadline = Instant::now() + manifest.timeout.duration();
        Ok(Self { work, config, account, masker, env, context, deadline, outcome })
    }

    async fn run(mut self) -> Outcome {
        let manifest = self.work.manifest.clone();
        for (n, step) in manifest.steps.iter().enumerate() {
            let index = u32::try_from(n).unwrap_or(u32::MAX);
            let bad = match self.step(index, step).await {
                Ok(()) => continue,
                Err(Bad::Failed { .. } | Bad::StepTimedOut(_)) if step.continue_on_failure => continue,
                Err(bad) => bad,
            };
            let named = |reason: String| format!("step `{}`: {reason}", step.name);
            let (phase, reason) = match bad {
                Bad::Failed { reason, check } => {
                    self.outcome.check_failed = check;
                    (Phase::Failed, named(reason))
                }
                Bad::Broken(reason) => (Phase::Failed, named(reason)),
                Bad::StepTimedOut(reason) => (Phase::TimedOut, named(reason)),
                Bad::TimedOut => (Phase::TimedOut, named(format!("all steps together took longer than {}", manifest.timeout))),
                Bad::Told(why) => (why.phase(), why.reason().to_owned()),
            };
            self.outcome.phase = phase;
            self.outcome.reason = Some(self.masker.mask(&reason));
            break;
        }
        self.outcome.finished_at = self.work.clock.now();
        self.outcome
    }

    /// One step with all its attempts; its result is recorded whatever becomes of it.
    async fn step(&mut self, index: u32, step: &Step) -> Result<(), Bad> {
        if let Some(when) = &step.when
            && !condition(when, &self.context).map_err(|why| Bad::Broken(format!("`when` cannot be decided: {why}")))?
        {
            self.outcome
                .steps
                .push(StepOutcome { name: step.name.clone(), exit_code: None, attempts: 0, skipped: true, took_ms: 0, mismatches: Vec::new() });
            self.context.steps.insert(step.name.clone(), StepResult { skipped: true, ..StepResult::default() });
            return Ok(());
        }
        let began = Instant::now();
        let mut result = StepResult::default();
        let mut mismatches = Vec::new();
        let judged = self.attempts(index, step, &mut result, &mut mismatches).await;
        self.outcome.exit_code = result.exit_code;
        self.outcome.steps.push(StepOutcome {
            name: step.name.clone(),
            exit_code: result.exit_code,
            attempts: result.attempts,
            skipped: false,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            mismatches: mismatches.iter().map(|text| self.masker.mask(text)).collect(),
        });
        result.ok = judged.is_ok() && mismatches.is_empty();
        self.context.steps.insert(step.name.clone(), result);
        judged
    }

    async fn attempts(&mut self, index: u32, step: &Step, result: &mut StepResult, mismatches: &mut Vec<String>) -> Result<(), Bad> {
        let own = step.timeout.map(|timeout| Instant::now() + timeout.duration());
        let deadline = own.map_or(self.deadline, |own| own.min(self.deadline));
        loop {
            let attempt = self.attempt(index, step, deadline).await?;
            result.attempts += 1;
            result.exit_code = attempt.exit_code;
            result.stdout.clone_from(&attempt.stdout);
            result.stderr.clone_from(&attempt.stderr);
            match attempt.end {
                End::Exited => {}
                End::TimedOut => return Err(self.too_long(step)),
                End::Told(why) => return Err(Bad::Told(why)),
            }
            result.ok = attempt.exit_code == Some(0);
            let Some(retry) = &step.retry else { return self.judge(step, &attempt, mismatches) };
            if self.is_reached(retry, result)? {
                return self.judge(step, &attempt, mismatches);
            }
            if result.attempts >= retry.limit {
                let reason = format!("`until` was not true after {} attempts ({})", result.attempts, ending(&attempt));
                mismatches.push(reason.clone());
                return Err(Bad::Failed { reason, check: false });
            }
            self.pause(retry.every.duration(), deadline, step).await?;
        }
    }

    /// Fills in and runs a step once. Values are filled in anew each time; they do not change between attempts.
    async fn attempt(&mut self, index: u32, step: &Step, deadline: Instant) -> Result<Attempt, Bad> {
        let job = Job::of(step, &self.context).map_err(|why| Bad::Broken(format!("it cannot be filled in: {why}")))?;
        let mut env = self.env.clone();
        for (name, source) in &step.env {
            let value = text(source, &self.context).map_err(|why| Bad::Broken(format!("the variable {name} cannot be filled in: {why}")))?;
            if value.contains('\0') || name.len() + value.len() + 3 > LONGEST_STRING {
                return Err(Bad::Broken(format!("the value of {name} does not fit into the environment")));
            }
            env.insert(name.clone(), value);
        }
        let expect = step.expect.as_ref();
        let mark = strays::new_mark(&self.work.task);
        env.insert(strays::MARK.to_owned(), mark.clone());
        let with = Surroundings {
            step: index,
            mark: &mark,
            exec_helper: self.config.exec_helper.as_deref(),
            account: &self.account,
            env: &env,
            masker: &self.masker,
            output: &self.work.output,
            clock: &self.work.clock,
            deadline,
            kill_grace: self.config.kill_grace.duration(),
            looked_for: [Looker::new(expect.and_then(|e| e.stdout.as_ref())), Looker::new(expect.and_then(|e| e.stderr.as_ref()))],
        };
        match job {
            Job::Run(source) => run::run(&source, &with, &mut self.work.cancel).await.map_err(Bad::Broken),
        }
    }

    fn is_reached(&mut self, retry: &Retry, result: &StepResult) -> Result<bool, Bad> {
        self.context.result = Some(result.clone());
        let reached = condition(&retry.until, &self.context).map_err(|why| Bad::Broken(format!("`until` cannot be decided: {why}")));
        self.context.result = None;
        reached
    }

    async fn pause(&mut self, every: Duration, deadline: Instant, step: &Step) -> Result<(), Bad> {
        tokio::select! {
            () = tokio::time::sleep(every) => Ok(()),
            () = tokio::time::sleep_until(deadline) => Err(self.too_long(step)),
            why = self.work.cancel.cancelled() => Err(Bad::Told(why)),
        }
    }

    fn too_long(&self, step: &Step) -> Bad {
        match step.timeout {
            Some(timeout) if Instant::now() < self.deadline => Bad::StepTimedOut(format!("took longer than {timeout}")),
            _ => Bad::TimedOut,
        }
    }

    /// Compares an attempt with what the step expects.
    fn judge(&mut self, step: &Step, attempt: &Attempt, mismatches: &mut Vec<String>) -> Result<(), Bad> {
        let plain = Expect::default();
        let expect = step.expect.as_ref().unwrap_or(&plain);
        *mismatches = expect.mismatches(attempt.exit_code, &attempt.found[0], &attempt.found[1]);
        if mismatches.is_empty() {
            return Ok(());
        }
        let all = mismatches.join("; ");
        if step.expect.is_some() && expect.on_mismatch == OnMismatch::Warn {
            self.outcome.warnings.push(self.masker.mask(&format!("step `{}`: {all}", step.name)));
            return Ok(());
        }
        let reason = if step.expect.is_some() { all } else { ending(attempt) };
        Err(Bad::Failed { reason, check: step.expect.is_some() })
    }
}

fn ending(attempt: &Attempt) -> String {
    match (attempt.exit_code, attempt.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

fn base_environment(config: &AgentConfig, account: &Account) -> BTreeMap<String, String> {
    [("PATH", config.path.as_str()), ("HOME", &account.home), ("USER", &account.name), ("LOGNAME", &account.name), ("LANG", "C.UTF-8")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The variable that carries an input.
fn variable(input: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("SYNOD_INPUT_{}", input.chars().map(plain).collect::<String>())
}

/// A value as the text of a variable; lists and objects have none.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
