//! Where the stories of these tests take place: a database of its own for each, on SQLite and on PostgreSQL.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;

use serde_json::json;
use synod_db::{Db, node};
use synod_domain::Timestamp;

/// An open database of its own.
pub struct Place {
    pub db: Db,
    pub url: String,
    _dir: Option<tempfile::TempDir>,
}

/// One on SQLite, gone at the end.
pub async fn sqlite() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("synod.db").display());
    Place { db: Db::open(&url).await.unwrap(), url, _dir: Some(dir) }
}

/// One on PostgreSQL, which ends with the server.
pub async fn postgres() -> Place {
    let url = empty_postgres().await;
    Place { db: Db::open(&url).await.unwrap(), url, _dir: None }
}

/// The URL of an empty database on PostgreSQL.
pub async fn empty_postgres() -> String {
    let base = std::env::var("SYNOD_TEST_POSTGRES").expect("run the tests through `make test`, which starts PostgreSQL and sets SYNOD_TEST_POSTGRES");
    let name = format!("synod_{}", uuid::Uuid::new_v4().simple());
    let admin: sqlx::PgPool = sqlx::PgPool::connect(&base).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    format!("{}/{name}", base.rsplit_once('/').unwrap().0)
}

const JOINED: Timestamp = Timestamp(1_800_000_000_000);

/// A node that has never been heard.
pub fn machine(id: &str, name: &str) -> node::Node {
    node::Node {
        id: id.into(),
        name: name.into(),
        labels: BTreeMap::from([("role".into(), "web".into())]),
        facts: json!({"os": "debian"}),
        version: "1".into(),
        age_recipient: "age1".into(),
        certificate_serial: "01".into(),
        certificate_expires_at: JOINED,
        joined_at: JOINED,
        last_seen_at: None,
        server: None,
        trust: json!({}),
        trust_alarm: String::new(),
    }
}

/// Tests that take a [`Place`], once on each database.
#[allow(unused_macros, reason = "each test uses a part")]
macro_rules! stories {
    ($($name:ident)*) => {
        mod on_sqlite { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(super::place::sqlite().await).await; })* }
        mod on_postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name(super::place::postgres().await).await; })* }
    };
}
#[allow(unused_imports, reason = "each test uses a part")]
pub(crate) use stories;
