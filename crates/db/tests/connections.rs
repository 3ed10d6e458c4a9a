//! Connections to PostgreSQL: given up in the middle, cut off, and given to the next one.

mod place;

use std::time::Duration;

use synod_db::{Db, Query, Sql, params};
use synod_domain::error::code;

use place::{Place, postgres};

async fn number(db: &Db, sql: impl Into<Sql>) -> i64 {
    db.reader().await.unwrap().first(sql, params![]).await.unwrap().unwrap().int(0)
}

async fn process(db: &Db) -> i64 {
    number(db, "SELECT pg_backend_pid()").await
}

/// How many connections of this program others see. One that is closed may be seen for a moment longer.
async fn settles_at(db: &Db, connections: i64) {
    let mut seen = 0;
    for _ in 0..200 {
        seen = number(db, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'synod'").await;
        if seen == connections {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{seen} connections, not {connections}");
}

#[tokio::test]
async fn the_connection_used_last_is_used_next() {
    let Place { db, .. } = &postgres().await;
    let (mut one, mut two) = (db.reader().await.unwrap(), db.reader().await.unwrap());
    one.query("SELECT 1", params![]).await.unwrap();
    let last = two.first("SELECT pg_backend_pid()", params![]).await.unwrap().unwrap().int(0);
    drop(one);
    drop(two);
    for _ in 0..5 {
        assert_eq!(process(db).await, last);
    }
    settles_at(db, 2).await;
}

#[tokio::test]
async fn a_transaction_nobody_ends_is_undone_at_once() {
    let Place { db, .. } = &postgres().await;
    let before = process(db).await;
    let mut given_up = db.begin().await.unwrap();
    given_up.execute("UPDATE log_head SET position = 7", params![]).await.unwrap();
    drop(given_up);
    let mut next = db.begin().await.unwrap();
    let position = tokio::time::timeout(Duration::from_secs(20), next.first("SELECT position FROM log_head FOR UPDATE", params![]));
    assert_eq!(position.await.expect("nobody holds the row").unwrap().unwrap().int(0), 0);
    next.commit().await.unwrap();
    // The connection was of use afterwards.
    settles_at(db, 2).await;
    let known = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {before}");
    assert_eq!(number(db, known).await, 1);
}

#[tokio::test]
async fn an_answer_nobody_waited_for_reaches_nobody_else() {
    let Place { db, .. } = &postgres().await;
    let mut reader = db.reader().await.unwrap();
    let asked = reader.query("SELECT 666 FROM (SELECT pg_sleep(0.3)) AS slow", params![]);
    assert!(tokio::time::timeout(Duration::from_millis(50), asked).await.is_err());
    drop(reader);
    for n in 0..20_i64 {
        let mut reader = db.reader().await.unwrap();
        assert_eq!(reader.first("SELECT $1::bigint", params![n]).await.unwrap().unwrap().int(0), n);
    }

    // In a transaction it takes along what was done before.
    let mut tx = db.begin().await.unwrap();
    tx.execute("UPDATE log_head SET position = 7", params![]).await.unwrap();
    let asked = tx.query("SELECT 666 FROM (SELECT pg_sleep(0.3)) AS slow", params![]);
    assert!(tokio::time::timeout(Duration::from_millis(50), asked).await.is_err());
    drop(tx);
    assert_eq!(number(db, "SELECT position FROM log_head").await, 0);
    settles_at(db, 1).await;
}

#[tokio::test]
async fn who_was_cut_off_hears_it_and_nobody_after() {
    let Place { db, .. } = &postgres().await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = db.reader().await.unwrap();
        reader.query("SELECT 1", params![]).await.unwrap();
        readers.push(reader);
    }
    let mut cut = readers.pop().unwrap();
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut last = readers.pop().unwrap();
    drop(readers);
    last.query(others, params![]).await.unwrap();
    let error = cut.query("SELECT 1", params![]).await.unwrap_err();
    assert_eq!(error.code().id, code::UNAVAILABLE.id, "{error}");
    drop(cut);
    // Those that were idle were cut off as well, though nobody has noticed of any of them.
    for n in 0..10_i64 {
        let mut reader = db.reader().await.unwrap();
        assert_eq!(reader.first("SELECT $1::bigint", params![n]).await.unwrap().unwrap().int(0), n);
    }
}

#[tokio::test]
async fn a_refused_statement_costs_no_connection() {
    let Place { db, .. } = &postgres().await;
    let before = process(db).await;
    assert!(db.reader().await.unwrap().query("SELECT 1 FROM nowhere", params![]).await.is_err());
    assert_eq!(process(db).await, before);
    let mut tx = db.begin().await.unwrap();
    assert!(tx.execute("UPDATE nowhere SET a = 1", params![]).await.is_err());
    tx.rollback().await.unwrap();
    assert_eq!(process(db).await, before);
}

#[tokio::test]
async fn closing_waits_for_what_is_under_way() {
    let Place { db, .. } = &postgres().await;
    let mut tx = db.begin().await.unwrap();
    tx.execute("UPDATE log_head SET position = 7", params![]).await.unwrap();
    let closing = db.close();
    tokio::pin!(closing);
    assert!(tokio::time::timeout(Duration::from_millis(50), closing.as_mut()).await.is_err());
    tx.commit().await.unwrap();
    closing.await;
    assert_eq!(db.reader().await.err().unwrap().code().id, code::UNAVAILABLE.id);
}
