//! The newest events for everybody who follows them here: those recorded here as they were committed, others read from the
//! database once.

use std::sync::Arc;
use std::time::Duration;

use synod_db::doorbell::Topic;
use synod_db::event::{self, Filter};
use synod_domain::Result;
use synod_domain::event::Event;
use tokio::sync::{Mutex, broadcast, watch};

use crate::app::App;

/// So many events may wait for a follower that reads slowly; it then reads the database again.
const BACKLOG: usize = 4096;
/// So many are read at once; first a few, for which every planner goes by the index.
const BATCH: [u32; 2] = [32, 1000];
/// How often it looks by itself, should every ring be lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Passes new events on to those who follow.
pub struct Tail {
    events: broadcast::Sender<Arc<Event>>,
    /// Up to where events were passed on; absent while nobody follows.
    position: Mutex<Option<u64>>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(BACKLOG), position: Mutex::default() }
    }
}

impl Tail {
    /// Begins to follow: every event recorded after this call returned comes, and some from before may.
    pub async fn join(&self, app: &App) -> Result<broadcast::Receiver<Arc<Event>>> {
        let mut position = self.position.lock().await;
        let receiver = self.events.subscribe();
        if position.is_none() {
            app.db.follow(true);
            *position = Some(event::last_position(&mut app.db.reader().await?).await?);
        }
        Ok(receiver)
    }

    async fn pass_on(&self, app: &App) -> Result<()> {
        let mut position = self.position.lock().await;
        if self.events.receiver_count() == 0 {
            *position = None;
            app.db.follow(false);
        }
        if let Some(last) = *position {
            let (fresh, gap) = next(app.db.take_placed(), last);
            let nothing = fresh.is_empty();
            for event in fresh {
                *position = Some(event.position);
                // Nobody left to hear it is nothing to worry about.
                let _ = self.events.send(Arc::new(event));
            }
            // Where others write as well, theirs are not at hand.
            if !nothing && !gap && app.db.dialect().has_one_writer() {
                return Ok(());
            }
        }
        let mut limit = BATCH[0];
        while let Some(after) = *position {
            let new = Filter { after: Some(after), global: true, limit, ..Filter::default() };
            let found = event::list(&mut app.db.reader().await?, &new).await?;
            let Some(last) = found.last() else { break };
            *position = Some(last.position);
            let more = found.len() == limit as usize;
            limit = BATCH[1];
            for event in found {
                let _ = self.events.send(Arc::new(event));
            }
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// The events that follow a position without a gap, in order, and whether there are any beyond one.
fn next(mut fresh: Vec<Event>, after: u64) -> (Vec<Event>, bool) {
    fresh.retain(|event| event.position > after);
    fresh.sort_unstable_by_key(|event| event.position);
    let whole = fresh.iter().zip(after + 1..).take_while(|(event, position)| event.position == *position).count();
    let gap = whole < fresh.len();
    fresh.truncate(whole);
    (fresh, gap)
}

/// Passes events on until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut rings = app.bell.listen(Topic::Events);
    loop {
        rings.mark_unchanged();
        if let Err(error) = app.tail.pass_on(&app).await {
            tracing::debug!(%error, "those who follow events wait for the database");
        }
        tokio::select! {
            _ = rings.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use synod_domain::Timestamp;

    use super::*;

    #[test]
    fn only_what_follows_without_a_gap_is_passed_on() {
        let cases: [(&[u64], &[u64], bool); 6] = [
            (&[], &[], false),
            (&[4, 5], &[4, 5], false),
            (&[6, 4, 3, 5], &[4, 5, 6], false),
            (&[1, 3], &[], false),
            (&[5], &[], true),
            (&[7, 4, 6], &[4], true),
        ];
        for (fresh, passed, gap) in cases {
            let events = fresh.iter().map(|position| Event::empty(*position, Timestamp(0))).collect();
            let (events, found) = next(events, 3);
            assert_eq!((events.iter().map(|event| event.position).collect::<Vec<_>>().as_slice(), found), (passed, gap), "{fresh:?}");
        }
    }
}
