//! The only crate with SQL. One text for SQLite and PostgreSQL; what differs is in `dialect`.
//!
//! [`Db`] hands out readers and transactions; each noun's file has its statements as functions that
//! take one of them. Nothing here decides anything: decisions are the domain's.

pub mod access;
pub mod account_key;
pub mod answer;
pub mod approval;
pub mod audit;
pub mod backup;
pub mod dialect;
pub mod doorbell;
pub mod event;
mod filter;
pub mod member;
pub mod meta;
pub mod metrics;
mod migrate;
pub mod node;
pub mod object;
pub mod overview;
mod pool;
mod postgres;
pub mod run;
pub mod session;
mod sqlite;
pub mod task;
pub mod trust;
pub mod user;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dialect::Statement;
pub use dialect::{Cell, ColumnType, Dialect, Param, Row, Sql};
use synod_domain::event::{Event, NewEvent};
use synod_domain::{Result, Timestamp};

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pools: Arc<dialect::Pools>,
    told: Arc<Told>,
}

/// What committed transactions say of their events.
#[derive(Default)]
struct Told {
    recorded: AtomicU8,
    /// Whether anybody wants the events themselves.
    followed: AtomicBool,
    placed: Mutex<Vec<Event>>,
}

/// So many placed events are kept for those who follow; whoever comes too late reads them.
const PLACED: usize = 20_000;

/// What became of a transaction's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// They can be read.
    Placed = 1,
    /// They wait for the sealer.
    Unsealed = 2,
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…` and brings the schema up to date. A schema newer than
    /// this program is refused.
    pub async fn open(url: &str) -> Result<Self> {
        let db = Self { pools: Arc::new(dialect::Pools::open(url).await?), told: Arc::default() };
        migrate::migrate(&db).await?;
        Ok(db)
    }

    /// Whether the database of a URL is a server of its own, which may be away for a while.
    pub fn may_be_away(url: &str) -> bool {
        !url.starts_with("sqlite:")
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.pools.dialect()
    }

    /// A connection for reading; each statement sees what is committed by then.
    pub async fn reader(&self) -> Result<Reader> {
        Ok(Reader { connection: self.pools.reader().await?, dialect: self.dialect() })
    }

    /// A transaction. Dropped without [`Tx::commit`], it never happened.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.tx(self.pools.begin().await?))
    }

    /// A read-only transaction in which every statement sees the same state.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(self.tx(self.pools.begin_snapshot().await?))
    }

    fn tx(&self, inner: dialect::Transaction) -> Tx {
        Tx { inner, dialect: self.dialect(), later: Vec::new(), recorded: 0, placed: Vec::new(), told: self.told.clone() }
    }

    /// What became of the events committed here since this was last asked.
    pub fn take_recorded(&self) -> Vec<Recorded> {
        let bits = self.told.recorded.swap(0, Ordering::AcqRel);
        [Recorded::Placed, Recorded::Unsealed].into_iter().filter(|what| bits & *what as u8 != 0).collect()
    }

    /// Says whether the events that are committed here are to be kept for [`Db::take_placed`].
    pub fn follow(&self, follow: bool) {
        self.told.followed.store(follow, Ordering::Release);
        if !follow {
            self.told.placed().clear();
        }
    }

    /// The events committed and placed here since this was last asked, as far as they were kept, in no certain order. None of
    /// another process is among them, nor any that was placed later.
    pub fn take_placed(&self) -> Vec<Event> {
        std::mem::take(&mut *self.told.placed())
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    pub(crate) fn postgres(&self) -> Option<&postgres::Server> {
        match &*self.pools {
            dialect::Pools::Postgres(server) => Some(server),
            dialect::Pools::Sqlite { .. } => None,
        }
    }
}

/// What a statement's answer comes as. Boxed, so that callers' futures stay simple types.
pub type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Anything statements can be sent through.
pub trait Query: Send {
    /// Runs a statement and returns its rows.
    fn send(&mut self, sql: Sql, params: Vec<Param>) -> Answer<'_, Vec<Row>>;

    /// Which database it is.
    fn dialect(&self) -> Dialect;

    /// Runs a statement and returns its rows.
    fn query(&mut self, sql: impl Into<Sql>, params: Vec<Param>) -> Answer<'_, Vec<Row>>
    where
        Self: Sized,
    {
        self.send(sql.into(), params)
    }

    /// Runs a statement and returns its first row, if any.
    fn first(&mut self, sql: impl Into<Sql>, params: Vec<Param>) -> Answer<'_, Option<Row>>
    where
        Self: Sized,
    {
        let rows = self.send(sql.into(), params);
        Box::pin(async move { Ok(rows.await?.into_iter().next()) })
    }
}

/// A connection for reading.
pub struct Reader {
    connection: dialect::Connection,
    dialect: Dialect,
}

impl Query for Reader {
    fn send(&mut self, sql: Sql, params: Vec<Param>) -> Answer<'_, Vec<Row>> {
        Box::pin(self.connection.query(sql, params))
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// A transaction.
pub struct Tx {
    inner: dialect::Transaction,
    dialect: Dialect,
    /// What is to be written and was not sent yet.
    later: Vec<Statement>,
    recorded: u8,
    placed: Vec<Event>,
    told: Arc<Told>,
}

impl Told {
    fn placed(&self) -> MutexGuard<'_, Vec<Event>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Query for Tx {
    fn send(&mut self, sql: Sql, params: Vec<Param>) -> Answer<'_, Vec<Row>> {
        Box::pin(async {
            self.write().await?;
            self.inner.query(sql, params).await
        })
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }
}

impl Tx {
    /// Runs a statement and returns how many rows it touched.
    pub fn execute(&mut self, sql: impl Into<Sql>, params: Vec<Param>) -> Answer<'_, u64> {
        let sql = sql.into();
        Box::pin(async {
            self.write().await?;
            self.inner.execute(sql, params).await
        })
    }

    /// Keeps a statement that writes for later: it is sent with others of its kind before the next other statement or the commit.
    /// PostgreSQL gets them as one, in which none sees what another writes, so they must not touch the same rows.
    pub(crate) fn later(&mut self, sql: impl Into<Sql>, params: Vec<Param>) {
        self.later.push(Statement { sql: sql.into(), params });
    }

    /// Runs a statement together with those kept for later, and returns its own rows.
    pub(crate) async fn query_with_later(&mut self, sql: impl Into<Sql>, params: Vec<Param>) -> Result<Vec<Row>> {
        self.later(sql, params);
        self.write().await
    }

    /// Sends what was kept for later; returns the rows of the last of it.
    async fn write(&mut self) -> Result<Vec<Row>> {
        let mut kept = std::mem::take(&mut self.later);
        if self.dialect.joins_writes() && kept.len() > 1 {
            kept = vec![postgres::joined(kept)];
        }
        let mut rows = Vec::new();
        for Statement { sql, params } in kept {
            rows = self.inner.query(sql, params).await?;
        }
        Ok(rows)
    }

    /// Makes it all durable. Only after this returns may anybody be told.
    pub async fn commit(mut self) -> Result<()> {
        self.write().await?;
        self.inner.commit().await?;
        if !self.placed.is_empty() {
            let mut placed = self.told.placed();
            if placed.len() + self.placed.len() > PLACED {
                placed.clear();
            }
            placed.append(&mut self.placed);
        }
        self.told.recorded.fetch_or(self.recorded, Ordering::AcqRel);
        Ok(())
    }

    pub(crate) fn recorded(&mut self, what: Recorded) {
        self.recorded |= what as u8;
    }

    /// Tells of events that got the positions from `first` on.
    pub(crate) fn placed(&mut self, events: &[NewEvent], first: i64, now: Timestamp) {
        self.recorded(Recorded::Placed);
        if self.told.followed.load(Ordering::Acquire) {
            self.placed.extend(events.iter().zip(first.unsigned_abs()..).map(|(event, position)| event::of(event, position, now)));
        }
    }

    /// Undoes it all.
    pub async fn rollback(self) -> Result<()> {
        self.inner.rollback().await
    }

    pub(crate) async fn script(&mut self, text: String) -> Result<()> {
        self.write().await?;
        self.inner.script(text).await
    }
}

/// Puts rows into the JSON array that [`Dialect::records`] reads.
pub(crate) fn to_records<T: serde::Serialize>(rows: &[T]) -> Result<String> {
    serde_json::to_string(rows).map_err(synod_domain::Error::internal)
}
