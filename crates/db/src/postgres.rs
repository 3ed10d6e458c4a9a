//! PostgreSQL: connections, transactions, values.
//!
//! Connections are kept in a [`Pool`] of our own. sqlx's hands out the one that was used longest ago, so that each of them plans
//! every statement for itself, and asks the server after every use whether the connection still lives.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgListener, PgPoolOptions, PgRow, PgSeverity};
use sqlx::{AssertSqlSafe, Column as _, Connection as _, PgConnection, Row as _, TypeInfo as _, ValueRef as _};
use synod_domain::error::code;
use synod_domain::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::dialect::{Cell, Param, Row, Sql, Statement, away, full, unstorable};
use crate::pool::{Place, Pool};

/// How many connections a server has at most.
const MOST: u32 = 16;
/// How long it is waited for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that lay idle so long may have died unseen; asking it costs nothing where there is much to do.
const ASK_AFTER: Duration = Duration::from_millis(500);
/// A connection that nobody needed for so long is closed.
const IDLE_FOR: Duration = Duration::from_secs(600);
/// So old a connection is closed: what its server process has gathered by then goes with it.
const LIFE: Duration = Duration::from_secs(1800);
/// So many prepared statements are kept for each connection.
const STATEMENTS: usize = 300;
/// Acknowledges nothing before it is on disk, where the server is set up otherwise; whoever waits for standbys as well
/// (`remote_apply`) goes on doing so.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// A PostgreSQL server.
pub(crate) struct Server {
    options: PgConnectOptions,
    pool: Pool<Conn>,
    closed: watch::Sender<bool>,
}

/// One connection.
struct Conn {
    postgres: PgConnection,
    opened: Instant,
    used: Instant,
}

/// A connection, taken out of its pool until this is dropped.
pub(crate) struct Held {
    /// Absent only while it is dropped.
    conn: Option<(Place<Conn>, Conn)>,
    /// What a connection that is given up has to do first.
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing.
    Clean,
    /// A transaction is to be undone.
    Begun,
    /// A statement was sent and its answer not read; who knows what it did.
    Unknown,
    /// The server is gone, for this connection at least.
    Broken,
}

/// A transaction, from its beginning to its commit. What is dropped is undone.
pub(crate) struct Transaction(Held);

/// Runs something on a held connection. Whoever stops waiting for it leaves the connection in a state nobody knows.
macro_rules! on {
    ($held:expr, |$connection:ident| $work:expr) => {{
        let held: &mut Held = $held;
        let before = std::mem::replace(&mut held.state, State::Unknown);
        let $connection = &mut held.conn.as_mut().expect("present until dropped").1.postgres;
        let done = $work.await;
        held.state = if done.as_ref().is_err_and(breaks) { State::Broken } else { before };
        done.map_err(failed)
    }};
}

macro_rules! bind_all {
    ($query:expr, $params:expr) => {{
        let mut query = $query;
        for param in $params {
            query = match param {
                Param::Text(text) => query.bind(text),
                Param::Int(n) => query.bind(n),
            };
        }
        query
    }};
}

macro_rules! run {
    ($held:expr, $sql:expr, $params:expr, $method:ident) => {
        match $sql {
            Sql::Fixed(text) => on!($held, |connection| bind_all!(sqlx::query(text), $params).$method(connection)),
            Sql::Built(text) => on!($held, |connection| bind_all!(sqlx::query(AssertSqlSafe(text)), $params).$method(connection)),
        }
    };
}

impl Server {
    /// Opens the first connection to `postgres://…`.
    pub async fn open(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(|e: sqlx::Error| {
            Error::new(code::CONFIGURATION, "the database URL cannot be read; write postgres://USER@HOST:PORT/DATABASE").caused_by(e)
        })?;
        // Statements here are short. Where the planner guesses a table larger than it is, compiling one takes longer than all
        // its work.
        let options = options.options([("jit", "off")]).application_name("synod").statement_cache_capacity(STATEMENTS);
        let mut first = Conn::open(&options).await?;
        for lax in lax_settings(&mut first.postgres).await? {
            tracing::warn!("{lax}");
        }
        Ok(Self { options, pool: Pool::new(MOST, first), closed: watch::Sender::new(false) })
    }

    /// Takes a connection, once one is free.
    pub async fn acquire(&self) -> Result<Held> {
        let place = self.pool.place(PATIENCE).await?;
        let conn = timeout(PATIENCE, self.usable(&place)).await.map_err(away)??;
        Ok(Held { conn: Some((place, conn)), state: State::Clean })
    }

    async fn usable(&self, place: &Place<Conn>) -> Result<Conn> {
        while let Some(mut conn) = place.known() {
            if conn.opened.elapsed() >= LIFE {
                conn.close();
            } else if conn.used.elapsed() < ASK_AFTER || conn.postgres.ping().await.is_ok() {
                return Ok(conn);
            }
        }
        Conn::open(&self.options).await
    }

    /// Begins a transaction as `begin` says.
    pub async fn begin(&self, begin: &'static str) -> Result<Transaction> {
        let mut held = self.acquire().await?;
        on!(&mut held, |connection| sqlx::raw_sql(begin).execute(connection))?;
        held.state = State::Begun;
        Ok(Transaction(held))
    }

    /// A connection of its own that hears what others notify.
    pub async fn listener(&self) -> sqlx::Result<PgListener> {
        let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).connect_lazy_with(self.options.clone());
        PgListener::connect_with(&own).await
    }

    /// How many connections are open, and how many of them are not in use.
    pub fn counts(&self) -> (usize, usize) {
        self.pool.counts()
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        // Fails only when this is gone, which whoever asks keeps from happening.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Waits until every connection has come back and closes them.
    pub async fn close(&self) {
        for conn in self.pool.close().await {
            // It is gone either way.
            let _ = conn.postgres.close().await;
        }
        self.closed.send_replace(true);
    }
}

impl Conn {
    async fn open(options: &PgConnectOptions) -> Result<Self> {
        let mut postgres = PgConnection::connect_with(options).await.map_err(failed)?;
        sqlx::query(DURABLE).execute(&mut postgres).await.map_err(failed)?;
        let now = Instant::now();
        Ok(Self { postgres, opened: now, used: now })
    }

    /// Takes leave of the server, which else would wonder.
    fn close(self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.postgres.close());
        }
    }
}

impl Held {
    /// Runs a statement and returns its rows.
    pub async fn query(&mut self, sql: Sql, params: Vec<Param>) -> Result<Vec<Row>> {
        run!(self, sql, params, fetch_all)?.iter().map(row).collect()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((place, mut conn)) = self.conn.take() else { return };
        match self.state {
            State::Clean => leave(place, conn),
            State::Begun => {
                // Without a runtime nobody could tell the server; it undoes what was begun when the connection goes away.
                let Ok(runtime) = Handle::try_current() else { return };
                runtime.spawn(async move {
                    if sqlx::raw_sql("ROLLBACK").execute(&mut conn.postgres).await.is_ok() {
                        leave(place, conn);
                    }
                });
            }
            State::Unknown => {}
            // The others were most likely cut off with it; nobody else needs to find out.
            State::Broken => drop(place.forget()),
        }
    }
}

fn leave(place: Place<Conn>, mut conn: Conn) {
    conn.used = Instant::now();
    if let Some(old) = place.leave(conn, |first| first.used.elapsed() >= IDLE_FOR) {
        old.close();
    }
}

impl Transaction {
    /// Runs a statement and returns its rows.
    pub async fn query(&mut self, sql: Sql, params: Vec<Param>) -> Result<Vec<Row>> {
        self.0.query(sql, params).await
    }

    /// Runs a statement and returns how many rows it touched.
    pub async fn execute(&mut self, sql: Sql, params: Vec<Param>) -> Result<u64> {
        Ok(run!(&mut self.0, sql, params, execute)?.rows_affected())
    }

    /// Runs several statements.
    pub async fn script(&mut self, text: String) -> Result<()> {
        on!(&mut self.0, |connection| sqlx::raw_sql(AssertSqlSafe(text)).execute(connection)).map(|_| ())
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<()> {
        self.end("COMMIT").await
    }

    /// Undoes it.
    pub async fn rollback(self) -> Result<()> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &'static str) -> Result<()> {
        on!(&mut self.0, |connection| sqlx::raw_sql(how).execute(connection))?;
        self.0.state = State::Clean;
        Ok(())
    }
}

/// Several statements as one: all but the last are common table expressions of the last, which may have some of its own. They go
/// to the server and back once, and are planned once.
pub(crate) fn joined(all: Vec<Statement>) -> Statement {
    let last = all.len().saturating_sub(1);
    let (mut text, mut params) = (String::from("WITH "), Vec::new());
    for (n, statement) in all.into_iter().enumerate() {
        let own = shifted(statement.sql.text(), params.len());
        params.extend(statement.params);
        match own.trim_start().strip_prefix("WITH ") {
            _ if n < last => text += &format!("later_{n} AS ({own}){}", if n + 1 < last { ", " } else { "" }),
            Some(more) => text += &format!(", {more}"),
            None => text += &format!(" {own}"),
        }
    }
    Statement { sql: Sql::Built(text), params }
}

/// A statement's text with its parameters numbered from `by` + 1.
fn shifted(text: &str, by: usize) -> String {
    let mut pieces = text.split('$');
    let mut shifted = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match piece[..digits].parse::<usize>() {
            Ok(number) => shifted += &format!("${}{}", number + by, &piece[digits..]),
            Err(_) => shifted += &format!("${piece}"),
        }
    }
    shifted
}

fn row(row: &PgRow) -> Result<Row> {
    let cell = |n: usize| {
        let raw = row.try_get_raw(n).map_err(failed)?;
        if raw.is_null() {
            return Ok(Cell::Null);
        }
        match row.columns()[n].type_info().name() {
            "INT8" => row.try_get::<i64, _>(n).map(Cell::Int).map_err(failed),
            "INT4" => row.try_get::<i32, _>(n).map(|v| Cell::Int(v.into())).map_err(failed),
            "BOOL" => row.try_get::<bool, _>(n).map(|v| Cell::Int(v.into())).map_err(failed),
            _ => row.try_get::<String, _>(n).map(Cell::Text).map_err(failed),
        }
    };
    (0..row.columns().len()).map(cell).collect::<Result<_>>().map(Row)
}

/// Settings of a PostgreSQL server by which it may lose what it acknowledged, in words. No connection can change them.
async fn lax_settings(connection: &mut PgConnection) -> Result<Vec<String>> {
    let sql = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') ORDER BY name";
    let rows = sqlx::query(sql).fetch_all(connection).await.map_err(failed)?;
    let settings = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<sqlx::Result<Vec<(String, String)>>>().map_err(failed)?;
    Ok(lax(&settings))
}

fn lax(settings: &[(String, String)]) -> Vec<String> {
    let off = settings.iter().filter(|(_, setting)| setting == "off").map(|(name, _)| name);
    off.map(|name| format!("PostgreSQL runs with {name} = off: a crash of its machine may lose or destroy what was acknowledged; set {name} = on"))
        .collect()
}

/// Whether the connection ended with an error.
fn breaks(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            let known = database.try_downcast_ref::<PgDatabaseError>();
            known.is_none_or(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}

/// Tells apart a PostgreSQL that is away, one that is full, and a defect.
fn failed(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) => match database.code().unwrap_or_default().into_owned().as_str() {
            // disk_full.
            "53100" => full(error),
            // character_not_in_repertoire and untranslatable_character: a NUL; program_limit_exceeded: too long for an index.
            "22021" | "22P05" | "54000" => unstorable(error),
            // Connection, insufficient resources, operator intervention, deadlock, serialization.
            state if ["08", "53", "57"].iter().any(|class| state.starts_with(class)) || state == "40P01" || state == "40001" => away(error),
            _ => Error::internal(error),
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => away(error),
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_joined() {
        let statement = |sql, params: &[i64]| Statement { sql: Sql::Fixed(sql), params: params.iter().map(|n| Param::from(*n)).collect() };
        let text = |all| {
            let joined = joined(all);
            (joined.sql.text().to_owned(), joined.params.len())
        };
        let one = || statement("UPDATE a SET b = $2 WHERE c = $1", &[1, 2]);
        let two = || statement("INSERT INTO d VALUES ($1, '$', $11)", &[3]);
        let own = || statement("WITH x AS (SELECT $1) UPDATE e SET f = x FROM x", &[4]);
        assert_eq!(text(vec![one(), two()]), ("WITH later_0 AS (UPDATE a SET b = $2 WHERE c = $1) INSERT INTO d VALUES ($3, '$', $13)".into(), 3));
        assert_eq!(
            text(vec![two(), one(), own()]).0,
            "WITH later_0 AS (INSERT INTO d VALUES ($1, '$', $11)), later_1 AS (UPDATE a SET b = $3 WHERE c = $2), x AS (SELECT $4) UPDATE e SET f = x FROM x"
        );
    }

    #[test]
    fn what_may_lose_data_is_named() {
        let set = |name: &str, setting: &str| (name.to_owned(), setting.to_owned());
        assert!(lax(&[set("fsync", "on"), set("full_page_writes", "on")]).is_empty());
        let all = lax(&[set("fsync", "off"), set("full_page_writes", "off")]);
        assert!(all.len() == 2 && all[0].contains("fsync = on") && all[1].contains("full_page_writes"), "{all:?}");
    }
}
