//! The doorbell: wakes whoever may have something to do. It carries no truth; losing every ring only costs
//! latency, because every listener also looks by itself from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use synod_domain::Result;
use tokio::sync::{Notify, watch};

use crate::postgres::Server;
use crate::{Db, Query as _, params};

/// What may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Tasks were assigned, or are to be cancelled.
    Tasks,
    /// Runs may go on.
    Runs,
    /// Events were recorded here that have no place in the log yet. Others learn of it only when they do.
    Unsealed,
    /// Events can be read.
    Events,
    /// Output was stored.
    Output,
}

impl Topic {
    const ALL: [Self; 5] = [Self::Tasks, Self::Runs, Self::Unsealed, Self::Events, Self::Output];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

const CHANNEL: &str = "synod";

struct Inner {
    topics: [watch::Sender<u64>; 5],
    deaf: AtomicBool,
    /// No other server is known.
    alone: AtomicBool,
    pending: AtomicU8,
    wake: Notify,
    crosses_processes: bool,
}

/// Rings within this process and, on PostgreSQL, at every other server.
#[derive(Clone)]
pub struct Doorbell(Arc<Inner>);

impl Doorbell {
    /// A doorbell for the servers of one database. `server` keeps a server from waking itself twice.
    pub fn new(db: &Db, server: &str) -> Self {
        let bell = Self(Arc::new(Inner {
            topics: Topic::ALL.map(|_| watch::Sender::new(0)),
            deaf: AtomicBool::new(false),
            alone: AtomicBool::new(false),
            pending: AtomicU8::new(0),
            wake: Notify::new(),
            crosses_processes: db.postgres().is_some(),
        }));
        if db.postgres().is_some() {
            tokio::spawn(bell.clone().send(db.clone(), server.to_owned()));
            tokio::spawn(bell.clone().receive(db.clone(), server.to_owned()));
        }
        bell
    }

    /// Wakes the listeners of a topic, here and elsewhere. Never waits.
    pub fn ring(&self, topic: Topic) {
        if self.0.deaf.load(Ordering::Relaxed) {
            return;
        }
        self.ring_here(topic);
        if self.0.crosses_processes && topic != Topic::Unsealed && !self.0.alone.load(Ordering::Relaxed) {
            self.0.pending.fetch_or(topic.bit(), Ordering::AcqRel);
            self.0.wake.notify_one();
        }
    }

    fn ring_here(&self, topic: Topic) {
        self.0.topics[topic as usize].send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Listens to a topic: `changed()` returns after a ring since the last look. Rings in between become one.
    pub fn listen(&self, topic: Topic) -> watch::Receiver<u64> {
        self.0.topics[topic as usize].subscribe()
    }

    /// Says whether any other server is known; where there is none, rings need not leave the process. One that starts
    /// is heard ringing, which says the opposite.
    pub fn set_alone(&self, alone: bool) {
        self.0.alone.store(alone, Ordering::Relaxed);
    }

    /// For tests: from now on every ring is lost.
    pub fn break_it(&self) {
        self.0.deaf.store(true, Ordering::Relaxed);
    }

    async fn send(self, db: Db, server: String) {
        let Some(postgres) = db.postgres() else { return };
        while !postgres.is_closed() {
            tokio::select! {
                () = self.0.wake.notified() => {}
                () = postgres.closed() => return,
            }
            let bits = self.0.pending.swap(0, Ordering::AcqRel);
            if bits != 0
                && let Err(error) = pass_on(&db, format!("{server} {bits}")).await
            {
                tracing::debug!(%error, "a ring was lost");
            }
        }
    }

    async fn receive(self, db: Db, server: String) {
        let Some(postgres) = db.postgres() else { return };
        while !postgres.is_closed() {
            tokio::select! {
                heard = self.listen_once(postgres, &server) => {
                    if let Err(error) = heard {
                        tracing::debug!(%error, "not listening for rings");
                    }
                }
                () = postgres.closed() => return,
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn listen_once(&self, postgres: &Server, server: &str) -> sqlx::Result<()> {
        let mut listener = postgres.listener().await?;
        listener.listen(CHANNEL).await?;
        self.set_alone(false);
        loop {
            match listener.try_recv().await? {
                // The connection was lost: any ring may have been missed.
                None => {
                    self.set_alone(false);
                    Topic::ALL.into_iter().for_each(|topic| self.ring_here(topic));
                }
                Some(note) => {
                    let Some((from, bits)) = note.payload().split_once(' ') else { continue };
                    let bits: u8 = bits.parse().unwrap_or(u8::MAX);
                    if from != server && !self.0.deaf.load(Ordering::Relaxed) {
                        self.set_alone(false);
                        Topic::ALL.into_iter().filter(|topic| bits & topic.bit() != 0).for_each(|topic| self.ring_here(topic));
                    }
                }
            }
        }
    }
}

async fn pass_on(db: &Db, ring: String) -> Result<()> {
    // A ring need not outlive a crash, so nobody waits until it is on the disk.
    let sql = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)::text";
    db.reader().await?.query(sql, params![CHANNEL, ring]).await.map(|_| ())
}
