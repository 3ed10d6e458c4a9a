//! Learns of the end of runs from one stream of server-sent events, so that nothing is polled while the clock runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use synod_domain::event::{Event, types};
use synod_domain::run::Phase;
use synod_protocol::http::client::{Client, with_query};
use synod_protocol::http::event::EventQuery;
use synod_protocol::http::run::Run;
use synod_protocol::http::task::OutputQuery;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::fleet::API;

/// The longest any run of a benchmark may take.
const PATIENCE: Duration = Duration::from_secs(180);

enum Slot {
    Came(Instant),
    Awaited(oneshot::Sender<Instant>),
}

type Slots = Arc<Mutex<HashMap<String, Slot>>>;

/// Follows the event `synod.run.succeeded` on a connection of its own.
pub struct Watcher {
    slots: Slots,
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watcher {
    /// Begins to follow; what ends after this returned is not missed.
    pub async fn start(client: Client) -> Result<Self> {
        let query =
            EventQuery { kind: Some(types::RUN_SUCCEEDED.to_owned()), follow: true, after: Some(last_position(&client).await?), ..EventQuery::default() };
        let mut stream = client.events(&with_query(&format!("{API}/events"), &query), None).await?;
        let slots = Slots::default();
        let known = slots.clone();
        let task = tokio::spawn(async move {
            while let Ok(Some(sse)) = stream.next().await {
                let at = Instant::now();
                let Ok(event) = serde_json::from_str::<Event>(&sse.data) else { continue };
                let Some(run) = event.run else { continue };
                let mut slots = known.lock().unwrap_or_else(PoisonError::into_inner);
                match slots.remove(&run) {
                    Some(Slot::Awaited(waiter)) => {
                        let _ = waiter.send(at);
                    }
                    _ => {
                        slots.insert(run, Slot::Came(at));
                    }
                }
            }
        });
        Ok(Self { slots, client, task })
    }

    /// Waits for a run's success and tells when the event came.
    pub async fn success(&self, run: &str) -> Result<Instant> {
        let mut waiting = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Slot::Came(at)) = slots.remove(run) {
                return Ok(at);
            }
            let (tell, told) = oneshot::channel();
            slots.insert(run.to_owned(), Slot::Awaited(tell));
            told
        };
        let until = Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout(Duration::from_secs(10), &mut waiting).await {
                Ok(at) => return at.map_err(|_| anyhow!("the stream of events ended")),
                Err(_) => {
                    // Only a run that does not succeed in ten seconds is ever asked for.
                    let seen: Run = self.client.get(&format!("{API}/runs/{run}")).await?;
                    if seen.summary.phase.ended() && seen.summary.phase != Phase::Succeeded {
                        bail!("run {run} {}: {}", seen.summary.phase, seen.summary.message);
                    }
                    if Instant::now() > until || self.task.is_finished() {
                        bail!("run {run} is still {} ({:?})", seen.summary.phase, seen.tasks);
                    }
                }
            }
        }
    }
}

/// The newest event's position.
pub async fn last_position(client: &Client) -> Result<u64> {
    let query = EventQuery { newest: true, limit: Some(1), ..EventQuery::default() };
    let page: synod_protocol::http::Page<Event> = client.query(&format!("{API}/events"), &query).await?;
    Ok(page.items.first().map_or(0, |event| event.position))
}

/// Waits for a run's end by following its output, which for a large run costs the server less than following its
/// events: a run of simulated agents has no output, and the stream says `end` when the run has ended.
pub async fn end(client: &Client, run: &str) -> Result<Instant> {
    let query = OutputQuery { follow: true, ..OutputQuery::default() };
    let path = with_query(&format!("{API}/runs/{run}/output"), &query);
    let follow = async {
        let mut stream = client.events(&path, None).await?;
        while let Some(sse) = stream.next().await? {
            if sse.event == "end" {
                return Ok(Instant::now());
            }
        }
        bail!("the stream of output ended before the run did")
    };
    tokio::time::timeout(PATIENCE, follow).await.map_err(|_| anyhow!("run {run} does not end"))?
}
