//! An executor that does nothing, or what the input `fake` tells it, for tests and simulated agents.
//!
//! `fake` is a text of instructions separated by commas, or an object of such texts by node name
//! (`*` for all others): `slow:200ms`, `output:5000`, `fail`, `exit:3`, `check`, `warn`, `timeout`,
//! `lost`, `hang` (until cancelled), `crash` (the executor panics). The default is to succeed at once.

use synod_domain::Span;
use synod_domain::manifest::Manifest;
use synod_domain::task::{Outcome, Phase, StepOutcome, Stream};

use crate::executor::{Executor, OutcomeFuture, Work};

/// The fake executor.
#[derive(Debug, Clone, Default)]
pub struct FakeExecutor {
    /// What it tells as its facts.
    pub facts: serde_json::Value,
}

impl Executor for FakeExecutor {
    fn execute(&self, work: Work) -> OutcomeFuture<'_> {
        Box::pin(act(work))
    }

    fn facts(&self) -> serde_json::Value {
        if self.facts.is_object() { self.facts.clone() } else { serde_json::json!({}) }
    }
}

fn instructions(manifest: &Manifest, node: &str) -> String {
    let fake = manifest.inputs.get("fake");
    let text = fake.and_then(|fake| fake.as_str().or_else(|| fake.get(node).or_else(|| fake.get("*"))?.as_str()));
    text.unwrap_or_default().to_owned()
}

async fn act(mut work: Work) -> Outcome {
    let started = work.clock.now();
    let mut outcome = Outcome::without_steps(Phase::Succeeded, "", started);
    outcome.reason = None;
    outcome.exit_code = Some(0);
    outcome.started_at = Some(started);
    for instruction in instructions(&work.manifest, &work.node.name).split(',').map(str::trim) {
        let (word, value) = instruction.split_once(':').unwrap_or((instruction, ""));
        let mut end = |phase, code, reason: &str| {
            outcome.phase = phase;
            outcome.exit_code = code;
            outcome.reason = Some(reason.to_owned());
        };
        match word {
            "" => {}
            "slow" => {
                let span: Span = value.parse().unwrap_or(Span::millis(100));
                tokio::select! {
                    () = tokio::time::sleep(span.duration()) => {}
                    why = work.cancel.cancelled() => end(why.phase(), None, why.reason()),
                }
            }
            "hang" => {
                let why = work.cancel.cancelled().await;
                end(why.phase(), None, why.reason());
            }
            "output" => {
                let line = [b"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopq".as_slice(), b"\n"].concat();
                let mut left = value.parse::<usize>().unwrap_or(64);
                while left > 0 {
                    let part = &line[..line.len().min(left)];
                    work.output.write(0, Stream::Stdout, work.clock.now(), part);
                    left -= part.len();
                }
            }
            "warn" => outcome.warnings.push("as told".into()),
            "fail" => end(Phase::Failed, Some(1), "step `fake`: exit code 1"),
            "exit" => end(Phase::Failed, value.parse().ok(), &format!("step `fake`: exit code {value}")),
            "check" => {
                end(Phase::Failed, Some(0), "step `fake`: a check did not hold");
                outcome.check_failed = true;
            }
            "timeout" => end(Phase::TimedOut, None, "took too long, as told"),
            "lost" => end(Phase::Lost, None, "lost, as told"),
            "crash" => panic!("the fake executor crashes, as told"),
            other => end(Phase::Failed, None, &format!("the fake executor does not know `{other}`")),
        }
        if outcome.phase != Phase::Succeeded {
            break;
        }
    }
    outcome.finished_at = work.clock.now();
    let took_ms = u64::try_from(outcome.finished_at.since(started)).unwrap_or_default();
    outcome.steps = vec![StepOutcome { name: "fake".into(), exit_code: outcome.exit_code, attempts: 1, skipped: false, took_ms, mismatches: Vec::new() }];
    outcome
}
