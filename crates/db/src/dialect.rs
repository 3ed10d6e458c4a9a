//! The only place where SQLite and PostgreSQL differ.

use synod_domain::error::code;
use synod_domain::{Error, Result, Timestamp};

use crate::{postgres, sqlite};

/// A value bound to a statement. The type is told even of an absent one, as PostgreSQL needs it.
#[derive(Debug, Clone)]
pub enum Param {
    /// Text, or NULL.
    Text(Option<String>),
    /// An integer, a time or a boolean, or NULL.
    Int(Option<i64>),
}

macro_rules! params_from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {
        $(impl From<$from> for Param { fn from($v: $from) -> Self { $to } })*
    };
}

params_from! {
    &str => |v| Self::Text(Some(v.to_owned()));
    &String => |v| Self::Text(Some(v.clone()));
    String => |v| Self::Text(Some(v));
    Option<String> => |v| Self::Text(v);
    Option<&str> => |v| Self::Text(v.map(str::to_owned));
    i64 => |v| Self::Int(Some(v));
    i32 => |v| Self::Int(Some(v.into()));
    u32 => |v| Self::Int(Some(v.into()));
    u64 => |v| Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX)));
    usize => |v| Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX)));
    bool => |v| Self::Int(Some(v.into()));
    Option<i64> => |v| Self::Int(v);
    Option<i32> => |v| Self::Int(v.map(i64::from));
    Option<u32> => |v| Self::Int(v.map(i64::from));
    Timestamp => |v| Self::Int(Some(v.0));
    Option<Timestamp> => |v| Self::Int(v.map(|t| t.0));
}

/// Binds values: `params![id, now]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::Param::from($value)),*] };
}

/// A value read from a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// An integer.
    Int(i64),
    /// Text.
    Text(String),
}

/// A row: its values in the order of the statement.
#[derive(Debug, Clone)]
pub struct Row(pub Vec<Cell>);

impl Row {
    /// The text in a column; empty when NULL.
    pub fn text(&self, column: usize) -> String {
        self.text_opt(column).unwrap_or_default()
    }

    /// The text in a column, or `None` when NULL.
    pub fn text_opt(&self, column: usize) -> Option<String> {
        match self.0.get(column) {
            Some(Cell::Text(text)) => Some(text.clone()),
            Some(Cell::Int(n)) => Some(n.to_string()),
            _ => None,
        }
    }

    /// The integer in a column; 0 when NULL.
    pub fn int(&self, column: usize) -> i64 {
        self.int_opt(column).unwrap_or_default()
    }

    /// The integer in a column, or `None` when NULL.
    pub fn int_opt(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Cell::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// A count or an index.
    pub fn uint(&self, column: usize) -> u32 {
        u32::try_from(self.int(column)).unwrap_or_default()
    }

    /// A boolean.
    pub fn flag(&self, column: usize) -> bool {
        self.int(column) != 0
    }

    /// A time.
    pub fn time(&self, column: usize) -> Timestamp {
        Timestamp(self.int(column))
    }

    /// A time, or `None` when NULL.
    pub fn time_opt(&self, column: usize) -> Option<Timestamp> {
        self.int_opt(column).map(Timestamp)
    }

    /// A JSON document.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(&self.text(column)).map_err(|e| Error::internal(format!("column {column} holds no document of its kind: {e}")))
    }

    /// A word that reads as a type, such as a phase.
    pub fn word<T: std::str::FromStr<Err = String>>(&self, column: usize) -> Result<T> {
        self.text(column).parse().map_err(Error::internal)
    }
}

/// The databases Synod runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded, one server.
    Sqlite,
    /// Shared by any number of servers.
    Postgres,
}

/// The type of a column of [`Dialect::records`].
#[derive(Debug, Clone, Copy)]
pub enum ColumnType {
    /// Text.
    Text,
    /// A 64-bit integer.
    Int,
}

impl Dialect {
    /// The name people use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// Fills in the column types that differ.
    pub fn schema(self, text: &str) -> String {
        let (plain, auto) = match self {
            Self::Sqlite => ("TEXT", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            Self::Postgres => ("TEXT COLLATE \"C\"", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        };
        text.replace("{TEXT}", plain).replace("{AUTO}", auto)
    }

    /// A table made of a JSON array of objects bound as parameter `param`: many rows in one statement.
    pub fn records(self, param: u32, columns: &[(&str, ColumnType)]) -> String {
        let list = |f: &dyn Fn(&str, ColumnType) -> String| columns.iter().map(|(name, ty)| f(name, *ty)).collect::<Vec<_>>().join(", ");
        match self {
            Self::Sqlite => {
                let select = list(&|name, _| format!("value ->> '{name}' AS {name}"));
                format!("(SELECT {select} FROM json_each(${param}))")
            }
            Self::Postgres => {
                let types = list(&|name, ty| {
                    format!(
                        "{name} {}",
                        match ty {
                            ColumnType::Text => "text",
                            ColumnType::Int => "bigint",
                        }
                    )
                });
                format!("(SELECT * FROM json_to_recordset(${param}::json) AS r({types}))")
            }
        }
    }

    /// Appended to a SELECT so that its rows stay as they are until the transaction ends.
    pub fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// Like [`Self::for_update`], leaving out rows that another transaction holds.
    pub fn for_update_skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Whether there is only ever one writer, so that rows become visible in the order of their numbers.
    pub fn has_one_writer(self) -> bool {
        self == Self::Sqlite
    }

    /// Whether statements that write are sent as one, because each goes to a server and back.
    pub(crate) fn joins_writes(self) -> bool {
        self == Self::Postgres
    }

    /// Begins a transaction that reads one state of everything.
    pub(crate) fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN DEFERRED",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    pub(crate) fn tables_exist(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'",
            Self::Postgres => "SELECT count(*) FROM information_schema.tables WHERE table_name = 'meta' AND table_schema = current_schema()",
        }
    }
}

pub(crate) enum Pools {
    Sqlite { writer: sqlite::File, readers: sqlite::File },
    Postgres(Box<postgres::Server>),
}

pub(crate) enum Transaction {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
}

pub(crate) enum Connection {
    Sqlite(sqlite::Held),
    Postgres(postgres::Held),
}

impl Pools {
    /// Opens `sqlite:PATH` or `postgres://…`.
    pub async fn open(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.trim_start_matches("//");
            private_file(path)?;
            // One writer: SQLite has one anyway, and waiting here is fairer than its busy loop.
            let (writer, readers) = (sqlite::File::open(path, 1, sqlite::WRITER_CACHE)?, sqlite::File::open(path, 4, sqlite::READER_CACHE)?);
            return Ok(Self::Sqlite { writer, readers });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(postgres::Server::open(url).await?)));
        }
        Err(Error::new(code::CONFIGURATION, "the database is named `sqlite:PATH` or `postgres://USER@HOST:PORT/DATABASE`"))
    }

    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub async fn begin(&self) -> Result<Transaction> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Transaction::Sqlite(writer.begin("BEGIN IMMEDIATE").await?),
            Self::Postgres(server) => Transaction::Postgres(server.begin("BEGIN").await?),
        })
    }

    pub async fn begin_snapshot(&self) -> Result<Transaction> {
        let begin = self.dialect().begin_snapshot();
        Ok(match self {
            Self::Sqlite { readers, .. } => Transaction::Sqlite(readers.begin(begin).await?),
            Self::Postgres(server) => Transaction::Postgres(server.begin(begin).await?),
        })
    }

    pub async fn reader(&self) -> Result<Connection> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Connection::Sqlite(readers.acquire().await?),
            Self::Postgres(server) => Connection::Postgres(server.acquire().await?),
        })
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(server) => server.close().await,
        }
    }
}

/// A statement: a text of ours, or one put together from such texts.
pub enum Sql {
    /// As written.
    Fixed(&'static str),
    /// Put together; never from what a user sent.
    Built(String),
}

/// A statement with what is bound to it.
pub(crate) struct Statement {
    /// Its text.
    pub sql: Sql,
    /// Its values.
    pub params: Vec<Param>,
}

impl Sql {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Built(text) => text,
        }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self::Built(text)
    }
}

impl Transaction {
    pub async fn query(&mut self, sql: Sql, params: Vec<Param>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(tx) => tx.query(sql.text(), &params),
            Self::Postgres(tx) => tx.query(sql, params).await,
        }
    }

    pub async fn execute(&mut self, sql: Sql, params: Vec<Param>) -> Result<u64> {
        Ok(match self {
            Self::Sqlite(tx) => tx.execute(sql.text(), &params)?,
            Self::Postgres(tx) => tx.execute(sql, params).await?,
        })
    }

    pub async fn script(&mut self, text: String) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.script(&text),
            Self::Postgres(tx) => tx.script(text).await,
        }
    }

    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit(),
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    pub async fn rollback(self) -> Result<()> {
        match self {
            // It is undone when it is dropped.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(tx) => tx.rollback().await,
        }
    }
}

impl Connection {
    pub async fn query(&mut self, sql: Sql, params: Vec<Param>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(conn) => conn.query(sql.text(), &params),
            Self::Postgres(conn) => conn.query(sql, params).await,
        }
    }
}

/// Makes the file for its owner's eyes only; SQLite gives its companions the same rights.
fn private_file(path: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map(drop).map_err(|e| Error::new(code::CONFIGURATION, format!("the database file {path} cannot be used: {e}")))
}

/// The database is away for a while.
pub(crate) fn away(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(code::UNAVAILABLE, "the database does not answer; nothing was done").retry_after(2).caused_by(cause)
}

/// The database's disk is full.
pub(crate) fn full(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(code::STORAGE_FULL, "the database has no space left; nothing was done").retry_after(30).caused_by(cause)
}

/// A text that no check before has refused, and that the database does not take.
pub(crate) fn unstorable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let why = "a text in it cannot be stored: it is too long, or holds a NUL character; nothing was done";
    Error::new(code::INVALID_DOCUMENT, why).caused_by(cause)
}
