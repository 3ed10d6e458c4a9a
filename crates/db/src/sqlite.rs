//! SQLite, called by the thread that wants the answer. Most statements take microseconds; to hand them to another thread and
//! back would take longer than they do. Those that turn out to take long let the thread's other work go elsewhere meanwhile.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement, StatementStatus};
use synod_domain::{Error, Result};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::sleep;

use crate::dialect::{Cell, Param, Row, away, full, unstorable};
use crate::pool::{Place, Pool};

/// So many prepared statements are kept for each connection.
const STATEMENTS: usize = 300;
/// How long another process may hold the database.
const BUSY: Duration = Duration::from_secs(10);
/// So often within that time it is looked whether another process still does.
const LOOKS: u32 = 2000;
/// How long it is waited for a connection.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of the database a connection that reads keeps in memory, and the one that writes, in KiB: a part of a large run
/// that changes more than that is written twice.
pub(crate) const READER_CACHE: u32 = 2000;
pub(crate) const WRITER_CACHE: u32 = 8000;
/// After so many pages what was written moves from the log into the database; pages changed meanwhile move once.
const CHECKPOINT: u32 = 4000;
/// A statement of so many steps, about half a millisecond of work, is run beside the thread's other work from then on.
const LONG: i32 = 10_000;
/// After a commit that took so long, the next one is made beside the thread's other work. To hand that over and take it back
/// takes about as long as a commit on a fast disk.
const SLOW: Duration = Duration::from_millis(1);

/// A file, and a few connections to it.
pub(crate) struct File {
    path: String,
    cache: u32,
    pool: Pool<Conn>,
}

/// One connection.
struct Conn {
    sqlite: Connection,
    /// Statements that were long when they ran last.
    long: HashSet<String>,
    /// Whether the last commit waited long for the disk.
    slow_disk: bool,
}

/// A connection, taken out of its pool until this is dropped; what it had begun and not committed is undone then.
pub(crate) struct Held {
    /// Absent only while it is dropped.
    conn: Option<(Place<Conn>, Conn)>,
}

/// A transaction, from its beginning to its commit.
pub(crate) struct Transaction(Held);

impl File {
    /// A file to which at most so many connections are open at once, each with so much memory; the first is.
    pub fn open(path: &str, most: u32, cache: u32) -> Result<Self> {
        Ok(Self { path: path.to_owned(), cache, pool: Pool::new(most, Conn::open(path, cache)?) })
    }

    /// Takes a connection, once one is free.
    pub async fn acquire(&self) -> Result<Held> {
        let place = self.pool.place(PATIENCE).await?;
        let conn = place.known().map_or_else(|| Conn::open(&self.path, self.cache), Ok)?;
        Ok(Held { conn: Some((place, conn)) })
    }

    /// Begins a transaction as `begin` says. Another process may be writing just then: nobody here is kept from other work by
    /// waiting for it.
    pub async fn begin(&self, begin: &'static str) -> Result<Transaction> {
        let mut held = self.acquire().await?;
        let mut looks = 0;
        loop {
            looks += 1;
            let conn = held.conn();
            conn.sqlite.busy_timeout(Duration::ZERO).map_err(failed)?;
            let begun = conn.control(begin);
            conn.sqlite.busy_timeout(BUSY).map_err(failed)?;
            match begun {
                Ok(()) => return Ok(Transaction(held)),
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && looks < LOOKS => sleep(BUSY / LOOKS).await,
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// How many connections are open, and how many of them are not in use.
    pub fn counts(&self) -> (usize, usize) {
        self.pool.counts()
    }

    /// Waits until every connection has come back and closes them.
    pub async fn close(&self) {
        drop(self.pool.close().await);
    }
}

impl Conn {
    fn open(path: &str, cache: u32) -> Result<Self> {
        let sqlite = Connection::open(path).map_err(failed)?;
        sqlite.busy_timeout(BUSY).map_err(failed)?;
        sqlite.set_prepared_statement_cache_capacity(STATEMENTS);
        // Else a statement is planned anew whenever another value is bound where a plan might depend on it, which costs more than
        // most statements do.
        sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
        let settings = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{cache}; PRAGMA wal_autocheckpoint = {CHECKPOINT}"
        );
        sqlite.execute_batch(&settings).map_err(failed)?;
        Ok(Self { sqlite, long: HashSet::new(), slow_disk: false })
    }

    /// Runs a statement without values or rows.
    fn control(&self, text: &'static str) -> rusqlite::Result<()> {
        self.sqlite.prepare_cached(text)?.execute([]).map(|_| ())
    }

    /// Runs a statement with all its rows, beside the thread's other work when it is known to take long.
    fn run<T>(&mut self, text: &str, params: &[Param], read: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let sqlite = &self.sqlite;
        let work = || {
            let mut statement = sqlite.prepare_cached(text)?;
            bind(&mut statement, params)?;
            let done = read(&mut statement)?;
            Ok((done, statement.reset_status(StatementStatus::VmStep) >= LONG))
        };
        let known = self.long.contains(text);
        let (done, long) = if known { aside(work) } else { work() }.map_err(failed)?;
        if long && !known {
            if self.long.len() >= STATEMENTS {
                self.long.clear();
            }
            self.long.insert(text.to_owned());
        } else if known && !long {
            self.long.remove(text);
        }
        Ok(done)
    }

    fn query(&mut self, text: &str, params: &[Param]) -> Result<Vec<Row>> {
        self.run(text, params, |statement| {
            let columns = statement.column_count();
            let mut found = Vec::new();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                found.push(Row((0..columns).map(|n| cell(row.get_ref(n)?)).collect::<rusqlite::Result<_>>()?));
            }
            Ok(found)
        })
    }

    fn execute(&mut self, text: &str, params: &[Param]) -> Result<u64> {
        self.run(text, params, |statement| {
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        })?;
        Ok(self.sqlite.changes())
    }
}

impl Held {
    fn conn(&mut self) -> &mut Conn {
        &mut self.conn.as_mut().expect("present until dropped").1
    }

    /// Runs a statement and returns its rows.
    pub fn query(&mut self, text: &str, params: &[Param]) -> Result<Vec<Row>> {
        self.conn().query(text, params)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((place, conn)) = self.conn.take() else { return };
        if conn.sqlite.is_autocommit() || conn.control("ROLLBACK").is_ok() {
            place.leave(conn, |_| false);
        }
    }
}

impl Transaction {
    /// Runs a statement and returns its rows.
    pub fn query(&mut self, text: &str, params: &[Param]) -> Result<Vec<Row>> {
        self.going_on()?.query(text, params)
    }

    /// Runs a statement and returns how many rows it touched.
    pub fn execute(&mut self, text: &str, params: &[Param]) -> Result<u64> {
        self.going_on()?.execute(text, params)
    }

    /// Runs several statements.
    pub fn script(&mut self, text: &str) -> Result<()> {
        self.going_on()?.sqlite.execute_batch(text).map_err(failed)
    }

    /// Makes it durable. Where the disk takes its time, the thread's other work goes on elsewhere.
    pub fn commit(mut self) -> Result<()> {
        let conn = self.going_on()?;
        let begun = Instant::now();
        let commit = || conn.control("COMMIT");
        let done = if conn.slow_disk { aside(commit) } else { commit() };
        conn.slow_disk = begun.elapsed() >= SLOW;
        done.map_err(failed)
    }

    /// The connection, while the transaction stands: SQLite ends one by itself when the disk is full, and what came after would
    /// then be kept one by one.
    fn going_on(&mut self) -> Result<&mut Conn> {
        let conn = self.0.conn();
        if conn.sqlite.is_autocommit() {
            return Err(Error::internal("the transaction has ended, because a statement before failed"));
        }
        Ok(conn)
    }
}

/// Runs what takes long; other tasks of this thread go on in another one.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Binds `$1`, `$2` and so on, which SQLite numbers in the order they appear in.
fn bind(statement: &mut Statement<'_>, params: &[Param]) -> rusqlite::Result<()> {
    for place in 1..=statement.parameter_count() {
        let number: Option<usize> = statement.parameter_name(place).and_then(|name| name[1..].parse().ok());
        match number.and_then(|number| params.get(number.checked_sub(1)?)) {
            Some(Param::Text(text)) => statement.raw_bind_parameter(place, text)?,
            Some(Param::Int(n)) => statement.raw_bind_parameter(place, n)?,
            None => return Err(rusqlite::Error::InvalidParameterCount(params.len(), place)),
        }
    }
    Ok(())
}

/// A value. SQLite types values, not columns.
fn cell(value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(n) => Cell::Int(n),
        ValueRef::Real(n) => Cell::Text(n.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cell::Text(std::str::from_utf8(bytes).map_err(|e| rusqlite::Error::Utf8Error(0, e))?.to_owned()),
    })
}

/// Tells apart a database that is away, one that is full, and a defect.
fn failed(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure, TooBig};
    match error.sqlite_error_code() {
        Some(DiskFull) => full(error),
        Some(DatabaseBusy | DatabaseLocked | SystemIoFailure | CannotOpen) => away(error),
        Some(TooBig) => unstorable(error),
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {

    use tokio::time::timeout;

    use super::*;

    fn pool(most: u32) -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let pool = File::open(dir.path().join("t.db").to_str().unwrap(), most, READER_CACHE).unwrap();
        (dir, pool)
    }

    async fn with_table(pool: &File) {
        let mut tx = pool.begin("BEGIN IMMEDIATE").await.unwrap();
        tx.script("CREATE TABLE t (a TEXT, b BIGINT); INSERT INTO t VALUES ('x', 1)").unwrap();
        tx.commit().unwrap();
    }

    #[tokio::test]
    async fn parameters_go_by_their_numbers() {
        let (_dir, pool) = pool(1);
        with_table(&pool).await;
        let mut tx = pool.begin("BEGIN IMMEDIATE").await.unwrap();
        assert_eq!(tx.execute("UPDATE t SET b = $2, a = $2 || $1 WHERE a = $1", &[Param::from("x"), Param::from(7i64)]).unwrap(), 1);
        let rows = tx.query("SELECT a, b, NULL, 1.5 FROM t WHERE b = $1 AND b = $1", &[Param::from(7i64)]).unwrap();
        assert_eq!(rows[0].0, [Cell::Text("7x".into()), Cell::Int(7), Cell::Null, Cell::Text("1.5".into())]);
        assert!(tx.query("SELECT $2", &[Param::from(1i64)]).is_err(), "one is missing");
    }

    /// A partial index makes the planner look at bound values.
    #[tokio::test]
    async fn statements_are_planned_once() {
        let (_dir, pool) = pool(1);
        with_table(&pool).await;
        let mut held = pool.acquire().await.unwrap();
        held.conn().sqlite.execute_batch("CREATE INDEX some ON t (a) WHERE b IN (1, 2)").unwrap();
        let text = "SELECT a FROM t WHERE b = $1 AND a LIKE $2";
        for n in 0..5i64 {
            held.query(text, &[Param::from(n), Param::from("x%")]).unwrap();
        }
        let statement = held.conn().sqlite.prepare_cached(text).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    #[tokio::test]
    async fn what_is_dropped_never_happened() {
        let (_dir, pool) = pool(1);
        with_table(&pool).await;
        let mut tx = pool.begin("BEGIN IMMEDIATE").await.unwrap();
        assert_eq!(tx.execute("DELETE FROM t", &[]).unwrap(), 1);
        assert_eq!(pool.counts(), (1, 0));
        drop(tx);
        assert_eq!(pool.counts(), (1, 1));
        assert_eq!(pool.acquire().await.unwrap().query("SELECT a FROM t", &[]).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_comes_after_the_end_of_a_transaction_is_not_kept() {
        let (_dir, pool) = pool(1);
        with_table(&pool).await;
        let mut tx = pool.begin("BEGIN IMMEDIATE").await.unwrap();
        tx.execute("ROLLBACK", &[]).unwrap();
        assert!(tx.execute("DELETE FROM t", &[]).is_err());
        assert!(tx.commit().is_err());
        assert_eq!(pool.acquire().await.unwrap().query("SELECT a FROM t", &[]).unwrap().len(), 1);
    }

    /// In a runtime of one thread: whoever waited in that thread would wait for ever.
    #[tokio::test]
    async fn waiting_for_another_process_keeps_nobody_from_work() {
        let (dir, pool) = pool(1);
        with_table(&pool).await;
        let other = Connection::open(dir.path().join("t.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (begun, ()) = tokio::join!(pool.begin("BEGIN IMMEDIATE"), async {
            sleep(Duration::from_millis(50)).await;
            other.execute_batch("COMMIT").unwrap();
        });
        begun.unwrap().commit().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_took_long_lets_other_work_go_on() {
        let (_dir, pool) = pool(1);
        let mut held = pool.acquire().await.unwrap();
        let long = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT count(*) FROM n";
        assert_eq!(held.query(long, &[]).unwrap()[0].int(0), 2_000_000);
        // The only worker runs the statement; what was spawned before it must run all the same.
        let beside = tokio::spawn(async move {
            let other = tokio::spawn(async { Instant::now() });
            held.query(long, &[]).unwrap();
            (Instant::now(), other.await.unwrap())
        });
        let (ended, other) = beside.await.unwrap();
        assert!(other < ended);
    }

    #[tokio::test]
    async fn closing_waits_for_what_is_under_way() {
        let (_dir, pool) = pool(2);
        let held = pool.acquire().await.unwrap();
        let closing = pool.close();
        tokio::pin!(closing);
        assert!(timeout(Duration::from_millis(20), closing.as_mut()).await.is_err());
        drop(held);
        closing.await;
        assert_eq!(pool.acquire().await.err().unwrap().code().id, synod_domain::error::code::UNAVAILABLE.id);
    }
}
