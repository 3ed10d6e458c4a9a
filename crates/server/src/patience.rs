//! Waiting for the database: what failed only because it is away is tried again.

use std::time::Duration;

use synod_domain::error::{Kind, code};
use synod_domain::{Error, Result};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How to wait: at first so long, then twice as long each time, up to a bound.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// The first pause.
    pub first: Duration,
    /// The longest one.
    pub longest: Duration,
}

impl Pauses {
    fn after(&mut self) -> Duration {
        let now = self.first;
        self.first = (now * 2).min(self.longest);
        now
    }
}

/// So long a server that starts waits for a database it cannot reach.
pub const AT_START: Duration = Duration::from_secs(60);

/// Writes something, as soon as the database is there; nothing when told to stop before.
pub async fn patiently<T, F>(what: &str, mut pauses: Pauses, stop: &mut watch::Receiver<bool>, mut write: impl FnMut() -> F) -> Option<Result<T>>
where
    F: Future<Output = Result<T>>,
{
    loop {
        match write().await {
            Err(error) if error.code().kind == Kind::Unavailable => tracing::warn!(%error, "{what} cannot be recorded yet; trying again"),
            done => return Some(done),
        }
        tokio::select! {
            () = sleep(pauses.after()) => {}
            _ = stop.changed() => return None,
        }
    }
}

/// Does a part of starting, and does it again for a while when the database cannot be reached. Whatever else is wrong (a
/// password, a schema of a newer program) does not get better by waiting and fails at once.
pub async fn at_start<T, F>(until: Instant, mut step: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut pauses = Pauses { first: Duration::from_millis(250), longest: Duration::from_secs(5) };
    loop {
        match step().await {
            Err(error) if is_away(&error) && Instant::now() < until => {
                let pause = pauses.after();
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                tracing::warn!(?error, "cannot start without the database; trying again in {} ms, for {left} s more", pause.as_millis());
                sleep(pause).await;
            }
            done => return done,
        }
    }
}

/// Whether the database cannot be reached: it says when to come back.
fn is_away(error: &Error) -> bool {
    error.code() == code::UNAVAILABLE && error.retry_after_s().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn away() -> Error {
        Error::new(code::UNAVAILABLE, "away").retry_after(2)
    }

    #[tokio::test]
    async fn starting_waits_for_what_waiting_helps() {
        let soon = Instant::now() + AT_START;
        let tries = Cell::new(0);
        let third = || {
            tries.set(tries.get() + 1);
            let n = tries.get();
            async move { if n < 3 { Err(away()) } else { Ok(n) } }
        };
        assert_eq!(at_start(soon, third).await.unwrap(), 3);
        // A newer schema and a wrong password.
        for hopeless in [|| Error::new(code::SCHEMA_VERSION, "schema version 9"), || Error::internal("password authentication failed")] {
            tries.set(0);
            let refused = at_start(soon, || {
                tries.set(tries.get() + 1);
                async { Err::<(), _>(hopeless()) }
            });
            assert_eq!((refused.await.unwrap_err().code(), tries.get()), (hopeless().code(), 1));
        }
        // Not for ever.
        assert_eq!(at_start(Instant::now(), || async { Err::<(), _>(away()) }).await.unwrap_err().code(), code::UNAVAILABLE);
    }

    #[tokio::test]
    async fn writing_waits_until_told_to_stop() {
        let (tell, mut stop) = watch::channel(false);
        let pauses = Pauses { first: Duration::from_millis(1), longest: Duration::from_millis(4) };
        let broken = patiently("it", pauses, &mut stop, || async { Err::<(), _>(Error::internal("broken")) }).await;
        assert_eq!(broken.unwrap().unwrap_err().code(), code::INTERNAL);
        let tries = Cell::new(0);
        let write = || {
            tries.set(tries.get() + 1);
            if tries.get() == 5 {
                tell.send(true).unwrap();
            }
            async { Err::<(), _>(away()) }
        };
        assert!(patiently("it", pauses, &mut stop, write).await.is_none());
        assert_eq!(tries.get(), 5);
    }
}
