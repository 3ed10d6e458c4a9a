//! How often people whom nobody knows may fail to sign in, all of them together.
//!
//! Each name waits for its own failures; whoever uses any number of names is held up here. A failure takes a turn, turns come
//! back with time. So neither the table of failures nor the log grows faster than that, whoever tries.

use std::sync::{Mutex, PoisonError};

use synod_domain::error::code;
use synod_domain::{Error, Result, Timestamp};

/// So many may fail at once.
const BURST: i64 = 300;
/// So many more each second: about as many passwords as one core can try, so that nobody keeps others out with fewer.
const PER_SECOND: i64 = 50;
/// Failures under names that nobody has are told together, so often.
const TOLD_EVERY_MS: i64 = 60_000;

/// The turns left, and what was not told yet.
pub struct Pace(Mutex<State>);

struct State {
    /// Thousandths of turns.
    left: i64,
    at: Timestamp,
    /// When failures of strangers were told last.
    told_at: Option<Timestamp>,
    untold: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(State { left: BURST * 1000, at: Timestamp(0), told_at: None, untold: 0 }))
    }
}

impl Pace {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a turn.
    pub fn take(&self, now: Timestamp) -> Result<()> {
        let mut state = self.state();
        let gained = now.since(state.at).max(0).saturating_mul(PER_SECOND);
        state.left = state.left.saturating_add(gained).min(BURST * 1000);
        state.at = state.at.max(now);
        if state.left < 1000 {
            let why = "too many sign-ins fail just now, whoever tries; try again in a second";
            return Err(Error::new(code::LOGIN_THROTTLED, why).retry_after(1));
        }
        state.left -= 1000;
        Ok(())
    }

    /// Gives the turn of somebody who did sign in back.
    pub fn give_back(&self) {
        let mut state = self.state();
        state.left = (state.left + 1000).min(BURST * 1000);
    }

    /// Notes that somebody whom nobody knows failed; how many are to be told now.
    pub fn stranger_failed(&self, now: Timestamp) -> u32 {
        self.state().untold += 1;
        self.untold(now)
    }

    /// How many strangers' failures are to be told now: those since the last time, when that was long enough ago.
    pub fn untold(&self, now: Timestamp) -> u32 {
        let mut state = self.state();
        if state.untold == 0 || state.told_at.is_some_and(|at| now.since(at) < TOLD_EVERY_MS) {
            return 0;
        }
        state.told_at = Some(now);
        std::mem::take(&mut state.untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_bounded_and_come_back() {
        let pace = Pace::default();
        let start = Timestamp(1_800_000_000_000);
        let taken = |at: i64| (0..10_000).take_while(|_| pace.take(Timestamp(start.0 + at)).is_ok()).count() as i64;
        assert_eq!(taken(0), BURST);
        assert_eq!(pace.take(start).unwrap_err().code().id, "SYN-2005");
        assert_eq!(taken(2000), 2 * PER_SECOND);
        pace.give_back();
        assert_eq!(taken(2000), 1);
        assert_eq!(taken(86_400_000), BURST, "no more are saved up");
        assert_eq!(taken(0), 0, "a clock that goes back gives nothing");
    }

    #[test]
    fn strangers_are_told_together() {
        let pace = Pace::default();
        let at = |ms: i64| Timestamp(1_800_000_000_000 + ms);
        assert_eq!(pace.stranger_failed(at(0)), 1, "the first at once");
        assert_eq!((pace.stranger_failed(at(1)), pace.stranger_failed(at(2)), pace.untold(at(TOLD_EVERY_MS - 1))), (0, 0, 0));
        assert_eq!((pace.untold(at(TOLD_EVERY_MS)), pace.untold(at(3 * TOLD_EVERY_MS))), (2, 0));
    }
}
