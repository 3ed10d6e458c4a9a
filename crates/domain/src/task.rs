//! The phases of a task, its outcome, and what its steps left behind.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TaskPhase)]
pub enum Phase {
    /// Its batch has not come.
    Waiting,
    /// Meant for its node, which may not know yet.
    Assigned,
    /// The node has begun.
    Started,
    /// Ended well.
    Succeeded,
    /// A step failed, a check did not hold, or the node did not begin in time.
    Failed,
    /// Cut off for taking too long.
    TimedOut,
    /// Begun, and nobody can say how it ended.
    Lost,
    /// The node's own verification said no.
    Refused,
    /// Left out because the rollout stopped.
    Skipped,
    /// Cancelled before or while it ran.
    Cancelled,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Assigned,
        Self::Started,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Lost,
        Self::Refused,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// The phase's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Assigned => "assigned",
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the task has come to its end.
    pub fn ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Assigned | Self::Started)
    }

    /// Whether it counts against `maxFailures`.
    pub fn counts_as_failed(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Lost | Self::Refused)
    }

    /// Whether the state machine has this way.
    pub fn may_become(self, next: Self) -> bool {
        use Phase::{Assigned, Cancelled, Failed, Lost, Refused, Skipped, Started, Succeeded, TimedOut, Waiting};
        match self {
            Waiting => matches!(next, Assigned | Skipped | Cancelled),
            Assigned => matches!(next, Started | Succeeded | Failed | TimedOut | Lost | Refused | Cancelled),
            Started => matches!(next, Succeeded | Failed | TimedOut | Lost | Cancelled),
            _ => false,
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.name() == text)
            .ok_or_else(|| format!("there is no task phase `{text}`; known are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// How one step of a task went; the texts are in the task's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepOutcome {
    /// The step's name.
    pub name: String,
    /// The exit code of the last attempt; absent when skipped or ended by a signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether its `when` kept it from running.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Checks that did not hold, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<String>,
}

/// How a task ended, as the node reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// One of the ended phases.
    pub phase: Phase,
    /// When the first step began, by the node's clock.
    pub started_at: Option<Timestamp>,
    /// When it ended, by the node's clock.
    pub finished_at: Timestamp,
    /// The exit code of the deciding step.
    pub exit_code: Option<i32>,
    /// Why it did not succeed, in words.
    pub reason: Option<String>,
    /// Whether an explicit check with `onMismatch: fail` did not hold.
    pub check_failed: bool,
    /// Checks with `onMismatch: warn` that did not hold.
    pub warnings: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<StepOutcome>,
    /// SHA-256 over the kept output, so that a changed one is noticed.
    pub output_digest: Option<String>,
    /// Whether output beyond the bound was dropped.
    pub truncated: bool,
}

impl Outcome {
    /// An end without any step having run.
    pub fn without_steps(phase: Phase, reason: impl Into<String>, at: Timestamp) -> Self {
        Self {
            phase,
            started_at: None,
            finished_at: at,
            exit_code: None,
            reason: Some(reason.into()),
            check_failed: false,
            warnings: Vec::new(),
            steps: Vec::new(),
            output_digest: None,
            truncated: false,
        }
    }
}

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of a task's output, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// Index of the step.
    pub step: u32,
    /// From which stream.
    pub stream: Stream,
    /// When it was read, by the node's clock.
    pub at: Timestamp,
    /// The text, when it is UTF-8 without NUL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes in base64, when they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// So many bytes were dropped right before this piece, beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Segment {
    /// Holds bytes as text where they are text, else in base64.
    pub fn new(step: u32, stream: Stream, at: Timestamp, bytes: &[u8]) -> Self {
        use base64::Engine as _;
        let (text, base64) = match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => (Some(text.to_owned()), None),
            _ => (None, Some(base64::engine::general_purpose::STANDARD.encode(bytes))),
        };
        Self { step, stream, at, text, base64, dropped_bytes: 0 }
    }

    /// The bytes as they were written.
    pub fn bytes(&self) -> Vec<u8> {
        use base64::Engine as _;
        match (&self.text, &self.base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(code)) => base64::engine::general_purpose::STANDARD.decode(code).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_ended_task_stays_ended() {
        for from in Phase::ALL {
            assert_eq!(from.name().parse::<Phase>(), Ok(from));
            for next in Phase::ALL {
                if from.ended() {
                    assert!(!from.may_become(next), "{from} → {next}");
                }
                assert!(!from.may_become(from));
            }
        }
        assert!(!Phase::Waiting.may_become(Phase::Started), "nothing starts unassigned");
        assert!(!Phase::Started.may_become(Phase::Assigned), "nothing is given twice");
    }

    proptest! {
        #[test]
        fn output_keeps_its_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let segment = Segment::new(0, Stream::Stdout, Timestamp(0), &bytes);
            prop_assert_eq!(segment.bytes(), bytes);
            prop_assert!(!serde_json::to_string(&segment).unwrap().contains("\\u0000"));
        }
    }
}
