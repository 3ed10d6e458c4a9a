//! Adds events to the audit log soon after they were recorded, beside what people wait for.

use std::sync::Arc;
use std::time::Duration;

use synod_db::doorbell::Topic;
use synod_domain::error::code;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::App;
use crate::audit::Appended;

/// What follows an event within this time is added with it: the first moments belong to the run that is under way.
const GATHER: Duration = Duration::from_millis(30);
/// The log is added to at most once in this time, but for a backlog.
const PACE: Duration = Duration::from_millis(250);
/// Between two parts of a backlog, so that others get their turn.
const BREATH: Duration = Duration::from_millis(10);
/// How often it looks by itself, should every ring be lost, and when the database was away.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it says again that it cannot go on.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Appends until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut rings = app.bell.listen(Topic::Events);
    let mut stands: Option<Instant> = None;
    loop {
        rings.mark_unchanged();
        let begun = Instant::now();
        let pause = match app.log.append(&app.db, app.clock.now()).await {
            Ok(done) => {
                if done != Appended::Elsewhere && stands.take().is_some() {
                    tracing::info!("the audit log goes on");
                }
                if done == Appended::More { BREATH } else { Duration::ZERO }
            }
            Err(gap) if gap.code() == code::LOG_GAP => {
                // Until somebody comes to mend it there is nothing new to say.
                if stands.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
                    tracing::error!(remedy = code::LOG_GAP.remedy, "the audit log waits: {gap}");
                    stands = Some(Instant::now());
                }
                LOOK_EVERY
            }
            Err(error) => {
                tracing::warn!(?error, "the audit log waits; events are recorded all the same");
                LOOK_EVERY
            }
        };
        if !pause.is_zero() {
            tokio::select! {
                () = sleep(pause) => continue,
                _ = stop.changed() => return,
            }
        }
        tokio::select! {
            _ = rings.changed() => {}
            () = sleep(LOOK_EVERY) => continue,
            _ = stop.changed() => return,
        }
        tokio::select! {
            () = sleep_until((Instant::now() + GATHER).max(begun + PACE)) => {}
            _ = stop.changed() => return,
        }
    }
}
