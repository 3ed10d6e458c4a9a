//! Who connects and disconnects, written in batches: a thousand agents that come back at once are a few statements.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use synod_db::doorbell::Topic;
use synod_db::event;
use synod_db::node::{self, Connected, Seen};
use synod_domain::Result;
use synod_domain::event::{NewEvent, types};
use tokio::sync::{mpsc, watch};

use crate::app::App;
use crate::patience::{Pauses, patiently};

enum Note {
    /// A stream, and its node's name.
    Connected(Connected, String),
    Disconnected(Connected, String),
    Seen(Seen),
}

/// Takes notes of agents' presence. Never waits: what is lost by a crash is found out again when agents reconnect.
#[derive(Clone)]
pub struct Queue {
    notes: mpsc::UnboundedSender<Note>,
    waiting: Arc<AtomicUsize>,
}

/// The other end.
pub struct Incoming {
    notes: mpsc::UnboundedReceiver<Note>,
    waiting: Arc<AtomicUsize>,
}

/// When so many notes wait, the database is away; heartbeats are then left out, for the next one says the same.
const MANY: usize = 20_000;
/// While the database is away.
const PAUSES: Pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(1) };

/// A queue and its end.
pub fn queue() -> (Queue, Incoming) {
    let (tx, rx) = mpsc::unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    (Queue { notes: tx, waiting: waiting.clone() }, Incoming { notes: rx, waiting })
}

impl Queue {
    fn push(&self, note: Note) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.notes.send(note);
    }

    /// A stream began.
    pub fn connected(&self, stream: Connected, name: &str) {
        self.push(Note::Connected(stream, name.to_owned()));
    }

    /// A stream ended.
    pub fn disconnected(&self, stream: Connected, name: String) {
        self.push(Note::Disconnected(stream, name));
    }

    /// An agent was heard.
    pub fn seen(&self, seen: Seen) {
        let says_more = seen.facts.is_some() || seen.version.is_some() || seen.trust.is_some();
        if says_more || self.waiting.load(Ordering::Relaxed) < MANY {
            self.push(Note::Seen(seen));
        }
    }
}

/// Writes notes until told to stop.
pub async fn run(app: Arc<App>, mut incoming: Incoming, mut stop: watch::Receiver<bool>) {
    let mut notes = Vec::new();
    loop {
        tokio::select! {
            n = incoming.notes.recv_many(&mut notes, 2000) => {
                if n == 0 {
                    return;
                }
                incoming.waiting.fetch_sub(n, Ordering::Relaxed);
            }
            _ = stop.changed() => return,
        }
        match patiently("presence", PAUSES, &mut stop, || write(&app, &notes)).await {
            None => return,
            Some(Ok(())) => {}
            // It would fail for ever and hold up everybody: all but the one that it is about are written.
            Some(Err(_)) => {
                for note in &notes {
                    match patiently("presence", PAUSES, &mut stop, || write(&app, std::slice::from_ref(note))).await {
                        None => return,
                        Some(Ok(())) => {}
                        Some(Err(error)) => tracing::error!(?error, "the presence of an agent cannot be recorded"),
                    }
                }
            }
        }
        notes.clear();
        // Let more gather: presence is worth a moment's delay, not a commit for each agent.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn write(app: &Arc<App>, notes: &[Note]) -> Result<()> {
    let now = app.clock.now();
    // The last note of a stream counts; streams are numbered in the order they began.
    let mut connected: HashMap<&str, &Connected> = HashMap::new();
    let mut ended: Vec<Connected> = Vec::new();
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    let mut events = Vec::new();
    let mut note_event = |kind: &'static str, node: &str| {
        events.push(NewEvent {
            kind,
            subject: format!("node/{node}"),
            namespace: None,
            run: None,
            actor: format!("node:{node}"),
            data: json!({"server": app.id}),
        });
    };
    for note in notes {
        match note {
            Note::Connected(stream, name) => {
                connected.insert(&stream.node_id, stream);
                note_event(types::NODE_CONNECTED, name);
            }
            Note::Disconnected(stream, name) => {
                ended.push(stream.clone());
                note_event(types::NODE_DISCONNECTED, name);
            }
            Note::Seen(new) => {
                let known = seen.entry(&new.id).or_insert_with(|| new.clone());
                known.at = new.at;
                known.facts = new.facts.clone().or(known.facts.take());
                known.version = new.version.clone().or(known.version.take());
                known.trust = new.trust.clone().or(known.trust.take());
                if !new.healed.is_empty() {
                    known.healed.clone_from(&new.healed);
                }
            }
        }
    }
    let connected: Vec<Connected> = connected.into_values().cloned().collect();
    let seen: Vec<Seen> = seen.into_values().collect();
    let mut tx = app.db.begin().await?;
    if !seen.is_empty() {
        node::seen(&mut tx, &seen).await?;
    }
    if !connected.is_empty() {
        node::connected(&mut tx, &app.id, &connected).await?;
    }
    if !ended.is_empty() {
        node::disconnected(&mut tx, &app.id, &ended).await?;
    }
    event::append(&mut tx, &events, now).await?;
    tx.commit().await?;
    if !events.is_empty() {
        app.ring_events();
    }
    if !connected.is_empty() && !app.db.dialect().has_one_writer() {
        // Only now can other servers' assignments find these nodes here; look once more for what was missed.
        app.bell.ring(Topic::Tasks);
    }
    Ok(())
}
