//! How a run spreads over its nodes, decided from a tally of task phases and nothing else.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::problem::Problem;
use crate::span::Span;
use crate::time::Timestamp;

/// The rollout strategy of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Strategy {
    /// The shape of the batches.
    #[serde(rename = "type")]
    pub kind: StrategyKind,
    /// Batch size of `rolling` (default 1) and the first batch of `exponential` (default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Amount>,
    /// The rollout stops when more tasks than this have failed.
    pub max_failures: Amount,
    /// Pause after a batch before the next one.
    pub pause: Span,
    /// Whether somebody must let the next batch go.
    pub gate: Gate,
}

impl Default for Strategy {
    fn default() -> Self {
        Self { kind: StrategyKind::AllAtOnce, size: None, max_failures: Amount::Count(0), pause: Span::default(), gate: Gate::None }
    }
}

/// The shape of the batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum StrategyKind {
    /// One node as a test, then all the others.
    OneThenRest,
    /// Every node in one batch.
    AllAtOnce,
    /// Batches of `size`.
    Rolling,
    /// `size`, then twice that, then four times, …
    Exponential,
}

/// Whether a person opens the way between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Batches follow one another.
    #[default]
    None,
    /// `synod proceed RUN` lets the next batch go.
    Manual,
}

/// A number of nodes, or a share of them: `3` or `"10%"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Amount {
    /// The number for `total` nodes, a share rounded up.
    pub fn of(self, total: u32) -> u32 {
        match self {
            Self::Count(n) => n,
            Self::Percent(p) => u32::try_from((u64::from(total) * u64::from(p)).div_ceil(100)).unwrap_or(u32::MAX),
        }
    }

    /// The number for `total` nodes, a share rounded down: for limits that must not be exceeded.
    pub fn at_most(self, total: u32) -> u32 {
        match self {
            Self::Count(n) => n,
            Self::Percent(p) => u32::try_from(u64::from(total) * u64::from(p) / 100).unwrap_or(u32::MAX),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(n) => to.serialize_u32(*n),
            Self::Percent(p) => to.collect_str(&format_args!("{p}%")),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("expected a number such as 3, or a share such as \"10%\"");
        match serde_json::Value::deserialize(from)? {
            serde_json::Value::Number(n) => n.as_u64().and_then(|n| u32::try_from(n).ok()).map(Self::Count).ok_or_else(wrong),
            serde_json::Value::String(text) => {
                let percent = text.strip_suffix('%').and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
                if percent > 100 { Err(wrong()) } else { Ok(Self::Percent(percent)) }
            }
            _ => Err(wrong()),
        }
    }
}

impl utoipa::PartialSchema for Amount {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
        OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX)))
            .item(ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([0-9]{1,2}|100)%$")))
            .description(Some("A number of nodes, or a share of them such as \"10%\""))
            .into()
    }
}

impl utoipa::ToSchema for Amount {}

impl Strategy {
    /// What is wrong beyond the shape.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(size) = self.size {
            if matches!(size, Amount::Count(0) | Amount::Percent(0)) {
                problems.push(Problem::at("/size", "a batch has at least one node"));
            }
            if !matches!(self.kind, StrategyKind::Rolling | StrategyKind::Exponential) {
                problems.push(Problem::at("/size", "only rolling and exponential have a size").hint("leave `size` out"));
            }
        }
        problems
    }

    /// The size of batch `n`, counted from 0, of a run on `total` nodes. At least 1.
    pub fn batch_size(&self, n: u32, total: u32) -> u32 {
        let size = self.size.map_or(1, |size| size.of(total)).max(1);
        match self.kind {
            StrategyKind::AllAtOnce => total.max(1),
            StrategyKind::OneThenRest => {
                if n == 0 {
                    1
                } else {
                    total.max(1)
                }
            }
            StrategyKind::Rolling => size,
            StrategyKind::Exponential => 2u32.checked_pow(n).and_then(|f| size.checked_mul(f)).unwrap_or(u32::MAX),
        }
    }

    /// The sizes of all batches of a run on `total` nodes, when nothing fails.
    pub fn batches(&self, total: u32) -> Vec<u32> {
        let mut left = total;
        let mut sizes = Vec::new();
        while left > 0 {
            let n = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
            let size = self.batch_size(n, total).min(left);
            sizes.push(size);
            left -= size;
        }
        sizes
    }
}

/// How the tasks of a run stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Not yet given to a node.
    pub waiting: u32,
    /// Assigned or started.
    pub active: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended otherwise: failed, timed out, lost, refused.
    pub failed: u32,
    /// Of the failed ones, those by an explicit check that says `fail`.
    pub check_failed: u32,
    /// Never run, or cut off by a cancel.
    pub cancelled: u32,
    /// Left out after the rollout had stopped.
    pub skipped: u32,
}

impl Tally {
    /// All tasks.
    pub fn total(&self) -> u32 {
        self.waiting + self.active + self.succeeded + self.failed + self.cancelled + self.skipped
    }
}

/// Where a rollout stands between batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Batches begun so far.
    pub batches: u32,
    /// When the last batch came to its end; `None` while one is under way or none has begun.
    pub batch_ended: Option<Timestamp>,
    /// How many batches people have let go beyond the first.
    pub gates_opened: u32,
}

/// What to do with a run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Give the next so many waiting tasks to their nodes.
    Assign(u32),
    /// Wait for tasks under way.
    Running,
    /// Wait until this time.
    PauseUntil(Timestamp),
    /// Wait for somebody to proceed.
    AtGate,
    /// Skip what is waiting: the rollout has stopped.
    Stop,
    /// All tasks have ended.
    Finished {
        /// Whether the run counts as succeeded.
        succeeded: bool,
    },
}

/// Decides what comes next: a pure function of the tally, the progress and the time.
pub fn next(strategy: &Strategy, tally: &Tally, progress: &Progress, now: Timestamp) -> Next {
    let too_many = tally.failed > strategy.max_failures.at_most(tally.total());
    let stopped = too_many || tally.check_failed > 0;
    if tally.waiting > 0 && stopped {
        return Next::Stop;
    }
    if tally.active > 0 {
        return Next::Running;
    }
    if tally.waiting == 0 {
        return Next::Finished { succeeded: !stopped && tally.cancelled == 0 && tally.skipped == 0 };
    }
    if progress.batches > 0 {
        if strategy.gate == Gate::Manual && progress.gates_opened < progress.batches {
            return Next::AtGate;
        }
        if let Some(ended) = progress.batch_ended {
            let resume = ended.after(strategy.pause);
            if now < resume {
                return Next::PauseUntil(resume);
            }
        }
    }
    Next::Assign(strategy.batch_size(progress.batches, tally.total()).min(tally.waiting))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::strategy::Strategy as _;

    use super::{Amount, Gate, Next, Progress, Span, StrategyKind, Tally, Timestamp, next};
    type Rollout = super::Strategy;

    fn strategy(kind: StrategyKind, size: Option<Amount>) -> Rollout {
        Rollout { kind, size, ..Rollout::default() }
    }

    #[test]
    fn batches_have_the_promised_shapes() {
        use Amount::{Count, Percent};
        use StrategyKind::{AllAtOnce, Exponential, OneThenRest, Rolling};
        for (kind, size, total, wanted) in [
            (AllAtOnce, None, 5, vec![5]),
            (OneThenRest, None, 5, vec![1, 4]),
            (OneThenRest, None, 1, vec![1]),
            (Rolling, None, 3, vec![1, 1, 1]),
            (Rolling, Some(Count(2)), 5, vec![2, 2, 1]),
            (Rolling, Some(Percent(10)), 25, vec![3, 3, 3, 3, 3, 3, 3, 3, 1]),
            (Exponential, None, 10, vec![1, 2, 4, 3]),
            (Exponential, Some(Count(2)), 10, vec![2, 4, 4]),
            (AllAtOnce, None, 0, vec![]),
        ] {
            assert_eq!(strategy(kind, size).batches(total), wanted, "{kind:?} {size:?} {total}");
        }
    }

    #[test]
    fn pauses_gates_and_stops() {
        let mut rolling = strategy(StrategyKind::Rolling, Some(Amount::Count(2)));
        rolling.pause = Span::secs(5);
        let tally = Tally { waiting: 4, succeeded: 2, ..Tally::default() };
        let progress = Progress { batches: 1, batch_ended: Some(Timestamp(1_000)), gates_opened: 0 };
        assert_eq!(next(&rolling, &tally, &progress, Timestamp(5_999)), Next::PauseUntil(Timestamp(6_000)));
        assert_eq!(next(&rolling, &tally, &progress, Timestamp(6_000)), Next::Assign(2));
        rolling.gate = Gate::Manual;
        assert_eq!(next(&rolling, &tally, &progress, Timestamp(6_000)), Next::AtGate);
        let opened = Progress { gates_opened: 1, ..progress };
        assert_eq!(next(&rolling, &tally, &opened, Timestamp(6_000)), Next::Assign(2));
        let failed = Tally { waiting: 4, failed: 1, succeeded: 1, ..Tally::default() };
        assert_eq!(next(&rolling, &failed, &opened, Timestamp(6_000)), Next::Stop);
        rolling.max_failures = Amount::Count(1);
        assert_eq!(next(&rolling, &failed, &opened, Timestamp(6_000)), Next::Assign(2));
        let checked = Tally { check_failed: 1, ..failed };
        assert_eq!(next(&rolling, &checked, &opened, Timestamp(6_000)), Next::Stop);
    }

    #[test]
    fn amounts_read_as_written() {
        assert_eq!(serde_json::from_str::<Amount>("3").unwrap(), Amount::Count(3));
        assert_eq!(serde_json::from_str::<Amount>("\"10%\"").unwrap(), Amount::Percent(10));
        for wrong in ["-1", "\"101%\"", "\"x\"", "true", "1.5"] {
            assert!(serde_json::from_str::<Amount>(wrong).is_err(), "{wrong}");
        }
    }

    fn any_strategy() -> impl proptest::strategy::Strategy<Value = Rollout> {
        (0..4usize, proptest::option::of(1u32..8), 0u32..4, any::<bool>()).prop_map(|(kind, size, max, share)| {
            use StrategyKind::{AllAtOnce, Exponential, OneThenRest, Rolling};
            let kind = [AllAtOnce, OneThenRest, Rolling, Exponential][kind];
            let max_failures = if share { Amount::Percent(max * 10) } else { Amount::Count(max) };
            Rollout { kind, size: size.map(Amount::Count), max_failures, ..Rollout::default() }
        })
    }

    proptest! {
        /// Plays whole rollouts: every one ends, no task is given twice, never more failures than allowed begin a batch.
        #[test]
        fn every_rollout_ends(strategy in any_strategy(), outcomes in proptest::collection::vec(any::<bool>(), 0..40)) {
            let total = u32::try_from(outcomes.len()).unwrap();
            let mut tally = Tally { waiting: total, ..Tally::default() };
            let mut progress = Progress::default();
            let mut given = 0usize;
            for round in 0.. {
                prop_assert!(round < 200, "a rollout that does not end");
                match next(&strategy, &tally, &progress, Timestamp(round)) {
                    Next::Assign(n) => {
                        prop_assert!(n >= 1 && n <= tally.waiting);
                        prop_assert!(tally.failed <= strategy.max_failures.at_most(total));
                        for outcome in &outcomes[given..given + n as usize] {
                            if *outcome { tally.succeeded += 1 } else { tally.failed += 1 }
                        }
                        given += n as usize;
                        tally.waiting -= n;
                        progress.batches += 1;
                        progress.batch_ended = Some(Timestamp(round));
                    }
                    Next::Stop => {
                        prop_assert!(tally.failed > strategy.max_failures.at_most(total));
                        tally.skipped += tally.waiting;
                        tally.waiting = 0;
                    }
                    Next::Finished { succeeded } => {
                        prop_assert_eq!(tally.waiting, 0);
                        prop_assert_eq!(succeeded, tally.skipped == 0 && tally.failed <= strategy.max_failures.at_most(total));
                        break;
                    }
                    other => prop_assert!(false, "nothing is under way, yet {other:?}"),
                }
            }
            prop_assert_eq!(tally.total(), total);
        }
    }
}
