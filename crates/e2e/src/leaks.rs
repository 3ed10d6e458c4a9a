//! Where something secret might be found: the database as it lies there, and everything that was logged.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};

use sqlx::Row as _;
use tracing_subscriber::EnvFilter;

use crate::{Engine, Harness};

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENING: Once = Once::new();
/// Everything of ours, and what others say when they are asked.
const LEVELS: &str = "debug,synod_server=trace,synod_agent=trace,synod_worker=trace,synod_db=trace,synod_protocol=trace";

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps what is logged in this process from now on.
pub fn listen() {
    LISTENING.call_once(|| {
        let all = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LEVELS)).with_ansi(false).with_writer(|| Log);
        all.try_init().expect("nobody else listens to the log");
    });
}

/// What was logged since [`listen`].
pub fn logged() -> String {
    String::from_utf8_lossy(&LOGGED.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

impl Harness {
    /// Everything in the database: its files byte by byte, or every row of every table.
    pub async fn contents(&self) -> String {
        if self.engine == Engine::Sqlite {
            let path = self.database.trim_start_matches("sqlite:");
            let bytes = [path.to_owned(), format!("{path}-wal")].map(|file| std::fs::read(file).unwrap_or_default()).concat();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let pool = sqlx::PgPool::connect(&self.database).await.unwrap();
        let named = sqlx::query("SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'")
            .fetch_all(&pool)
            .await
            .unwrap();
        let mut all = String::new();
        for table in named {
            let sql = format!("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {} t", table.get::<String, _>(0));
            all += &sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap().get::<String, _>(0);
        }
        pool.close().await;
        all
    }
}
