//! The newest events, read from the database once for everybody who follows them here.

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
            *position = Some(event::last_position(&mut app.db.reader().await?).await?);
        }
        Ok(receiver)
    }

    async fn pass_on(&self, app: &App) -> Result<()> {
        let mut position = self.position.lock().await;
        if self.events.receiver_count() == 0 {
            *position = None;
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
                // Nobody left to hear it is nothing to worry about.
                let _ = self.events.send(Arc::new(event));
            }
            if !more {
                break;
            }
        }
        Ok(())
    }
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
