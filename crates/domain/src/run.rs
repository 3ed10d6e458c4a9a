//! The phases of a run and the ways between them.

use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RunPhase)]
pub enum Phase {
    /// Awaits approval.
    Pending,
    /// Enough people agreed; not begun, for instance because its time has not come.
    Approved,
    /// Tasks are given out.
    Running,
    /// All tasks ended, and well enough.
    Succeeded,
    /// The rollout stopped, or too much failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Enough people said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 8] = [Self::Pending, Self::Approved, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Rejected, Self::Expired];

    /// The phase's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing more happens.
    pub fn ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Approved | Self::Running)
    }

    /// Whether the state machine has this way. `approved` is reached from `pending` only.
    pub fn may_become(self, next: Self) -> bool {
        use Phase::{Approved, Cancelled, Expired, Failed, Pending, Rejected, Running, Succeeded};
        matches!(
            (self, next),
            (Pending, Approved | Rejected | Expired | Cancelled)
                | (Approved, Running | Cancelled | Expired | Rejected)
                | (Running, Succeeded | Failed | Cancelled)
        )
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
            .ok_or_else(|| format!("there is no run phase `{text}`; known are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Where a run stands that was started by break-glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ratification {
    /// Nobody has looked at it yet.
    Unratified,
    /// The normal quorum approved after the fact.
    Ratified,
    /// An incident was recorded instead.
    Incident,
}

impl Ratification {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Unratified, Self::Ratified, Self::Incident];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unratified => "unratified",
            Self::Ratified => "ratified",
            Self::Incident => "incident",
        }
    }
}

impl std::str::FromStr for Ratification {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| format!("there is no ratification state `{text}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_way_into_approved_and_none_out_of_an_end() {
        for from in Phase::ALL {
            assert_eq!(from.may_become(Phase::Approved), from == Phase::Pending, "{from}");
            assert!(!from.may_become(from));
            assert_eq!(from.name().parse::<Phase>(), Ok(from));
            if from.ended() {
                assert!(Phase::ALL.iter().all(|next| !from.may_become(*next)), "{from}");
            }
        }
        assert!(!Phase::Pending.may_become(Phase::Running));
    }
}
