//! The log of events under many writers: no gaps, no event twice, no effect before its cause.

mod place;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use synod_db::event::{self, Filter};
use synod_db::{Db, Dialect, Query, Recorded, backup, params};
use synod_domain::Timestamp;
use synod_domain::event::{Event, NewEvent, types};

use place::{Place, empty_postgres, postgres, sqlite};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn by(writer: u32, n: u32) -> NewEvent {
    let (subject, actor) = (format!("run/{writer}"), "user:ann".to_owned());
    NewEvent { kind: types::TASK_ENDED, subject, namespace: None, run: None, actor, data: json!({"writer": writer, "n": n}) }
}

async fn append(db: &Db, n: u32) {
    let mut tx = db.begin().await.unwrap();
    event::append(&mut tx, &[by(0, n)], NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn seal(db: &Db) -> usize {
    let mut tx = db.begin().await.unwrap();
    let sealed = event::seal(&mut tx, 7).await.unwrap();
    tx.commit().await.unwrap();
    sealed
}

async fn after(db: &Db, position: u64) -> Vec<Event> {
    let filter = Filter { after: Some(position), global: true, limit: 100_000, ..Default::default() };
    event::list(&mut db.reader().await.unwrap(), &filter).await.unwrap()
}

async fn numbers(db: &Db) -> Vec<(u64, u64)> {
    after(db, 0).await.iter().map(|e| (e.position, e.data["n"].as_u64().unwrap())).collect()
}

/// Something different each time, the same in every test run.
fn dice(seed: &mut u32, sides: u32) -> u32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*seed >> 16) % sides
}

/// One after the other, each having seen what it did before; some change their minds.
async fn write(db: Db, writer: u32, turns: u32, written: Arc<AtomicU32>) -> [u32; 2] {
    let mut seed = writer + 1;
    let mut next = 0;
    let mut became = [0, 0];
    for _ in 0..turns {
        let mut tx = db.begin().await.unwrap();
        let before = next;
        for _ in 0..=dice(&mut seed, 3) {
            let events: Vec<NewEvent> = (0..=dice(&mut seed, 3)).map(|n| by(writer, next + n)).collect();
            next += u32::try_from(events.len()).unwrap();
            event::append(&mut tx, &events, NOW).await.unwrap();
            if dice(&mut seed, 4) == 0 {
                tokio::time::sleep(Duration::from_millis(dice(&mut seed, 3).into())).await;
            }
        }
        match dice(&mut seed, 5) {
            0 => {
                tx.rollback().await.unwrap();
                next = before;
            }
            1 => {
                drop(tx);
                next = before;
            }
            _ => {
                tx.commit().await.unwrap();
                for what in db.take_recorded() {
                    became[what as usize - 1] += 1;
                }
            }
        }
        if dice(&mut seed, 3) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    written.fetch_add(next, Ordering::Relaxed);
    became
}

/// Reads until told that no more comes; whoever sees a position must see all before it.
async fn follow(db: Db, over: Arc<AtomicBool>) -> Vec<Event> {
    let mut seen: Vec<Event> = Vec::new();
    loop {
        let last_look = over.load(Ordering::Acquire);
        for event in after(&db, seen.len() as u64).await {
            assert_eq!(event.position, seen.len() as u64 + 1, "a position was seen before the one below it");
            seen.push(event);
        }
        if last_look {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn many_writers(Place { db, url, .. }: Place) {
    // Two servers: each has connections and a sealer of its own.
    let other = Db::open(&url).await.unwrap();
    let (written, over, sealed_all) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let sealers: Vec<_> = [&db, &other]
        .map(|db| {
            let (db, over) = (db.clone(), over.clone());
            tokio::spawn(async move {
                let mut sealed = 0;
                loop {
                    let last_look = over.load(Ordering::Acquire);
                    let n = seal(&db).await;
                    sealed += n;
                    if n == 0 && last_look {
                        return sealed;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        })
        .into();
    let followers: Vec<_> = [&db, &other].map(|db| tokio::spawn(follow(db.clone(), sealed_all.clone()))).into();
    let writers: Vec<_> = (0..12).map(|n| tokio::spawn(write(if n % 2 == 0 { db.clone() } else { other.clone() }, n, 25, written.clone()))).collect();
    let mut became = [0, 0];
    for writer in writers {
        let [placed, unsealed] = writer.await.unwrap();
        became = [became[0] + placed, became[1] + unsealed];
    }
    over.store(true, Ordering::Release);
    let mut sealed = 0;
    for sealer in sealers {
        sealed += sealer.await.unwrap();
    }
    sealed_all.store(true, Ordering::Release);
    let written = written.load(Ordering::Relaxed);
    for follower in followers {
        let seen = follower.await.unwrap();
        assert_eq!(seen.len(), written as usize, "every committed event exactly once");
        let mut next: BTreeMap<u64, u64> = BTreeMap::new();
        for event in seen {
            let expected = next.entry(event.data["writer"].as_u64().unwrap()).or_default();
            assert_eq!(event.data["n"].as_u64(), Some(*expected), "an effect before its cause, or an event lost or twice");
            *expected += 1;
        }
    }
    if db.dialect().has_one_writer() {
        assert_eq!(sealed, 0);
    } else {
        // Which way how many go depends on who is quick; both are shown by the stories below.
        assert!(became[0] + became[1] > 0 && sealed >= became[1] as usize, "what was left was not sealed: {became:?}, {sealed} sealed");
    }
    let head = db.reader().await.unwrap().first("SELECT position FROM log_head", params![]).await.unwrap().unwrap().int(0);
    assert!(db.dialect().has_one_writer() || head == i64::from(written));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_leave_no_gap_on_postgres() {
    many_writers(postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_leave_no_gap_on_sqlite() {
    many_writers(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_alone_needs_no_sealer() {
    for Place { db, .. } in &[postgres().await, sqlite().await] {
        for n in 0..5 {
            append(db, n).await;
            assert_eq!(db.take_recorded(), [Recorded::Placed]);
        }
        assert!(db.take_recorded().is_empty());
        assert_eq!(numbers(db).await, (1..=5).zip(0..).collect::<Vec<_>>());
        assert_eq!(seal(db).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_placed_is_told_as_it_is_read() {
    for Place { db, .. } in &[postgres().await, sqlite().await] {
        append(db, 0).await;
        assert!(db.take_placed().is_empty(), "nobody follows");
        db.follow(true);
        let mut tx = db.begin().await.unwrap();
        event::append(&mut tx, &[by(0, 1), by(0, 2)], NOW).await.unwrap();
        event::append(&mut tx, &[by(0, 3)], NOW).await.unwrap();
        assert!(db.take_placed().is_empty(), "it is not committed");
        tx.commit().await.unwrap();
        let mut undone = db.begin().await.unwrap();
        event::append(&mut undone, &[by(0, 4)], NOW).await.unwrap();
        undone.rollback().await.unwrap();
        append(db, 5).await;
        let read = event::list(&mut db.reader().await.unwrap(), &Filter { after: Some(1), global: true, limit: 10, ..Filter::default() })
            .await
            .unwrap();
        assert_eq!(read.len(), 4);
        assert_eq!(db.take_placed(), read);
        append(db, 6).await;
        db.follow(false);
        assert!(db.take_placed().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_head_and_no_effect_comes_before_its_cause() {
    let Place { db, .. } = &postgres().await;
    let mut slow = db.begin().await.unwrap();
    event::append(&mut slow, &[by(0, 0)], NOW).await.unwrap();
    // The head is held: this one is left to the sealer, without waiting.
    append(db, 1).await;
    assert_eq!(db.take_recorded(), [Recorded::Unsealed]);
    assert_eq!(numbers(db).await, []);
    // The head is ours, but what we could have seen waits.
    event::append(&mut slow, &[by(0, 2)], NOW).await.unwrap();
    // The sealer waits for whoever holds the head, not the reverse.
    let sealer = tokio::spawn({
        let db = db.clone();
        async move { seal(&db).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!sealer.is_finished());
    slow.commit().await.unwrap();
    assert_eq!(db.take_recorded(), [Recorded::Placed, Recorded::Unsealed]);
    assert_eq!(sealer.await.unwrap(), 2);
    assert_eq!(numbers(db).await, [(1, 0), (2, 1), (3, 2)]);

    // What is left waiting keeps everybody from placing, the same transaction too, until it is sealed.
    let mut slow = db.begin().await.unwrap();
    event::append(&mut slow, &[by(0, 3)], NOW).await.unwrap();
    let mut left = db.begin().await.unwrap();
    event::append(&mut left, &[by(0, 4)], NOW).await.unwrap();
    slow.rollback().await.unwrap();
    event::append(&mut left, &[by(0, 5)], NOW).await.unwrap();
    left.commit().await.unwrap();
    append(db, 6).await;
    assert_eq!(db.take_recorded(), [Recorded::Unsealed]);
    assert_eq!(seal(db).await, 3);
    append(db, 7).await;
    assert_eq!(numbers(db).await, [(1, 0), (2, 1), (3, 2), (4, 4), (5, 5), (6, 6), (7, 7)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_first_version_goes_on_where_it_was() {
    let first = |dialect: Dialect| {
        let event = "INSERT INTO events (type, subject, actor, at, data) VALUES ('t', 's', 'a', 1, '{\"n\":0}');";
        let rest = "INSERT INTO event_positions (position, seq) SELECT 1, seq FROM events; INSERT INTO meta (key, value) VALUES ('schema_version', '1');";
        format!("{}{event}{rest}", dialect.schema(include_str!("../migrations/0001_foundation.sql")))
    };
    let path = tempfile::tempdir().unwrap().keep().join("synod.db");
    let sqlite = rusqlite::Connection::open(&path).unwrap();
    sqlite.execute_batch(&first(Dialect::Sqlite)).unwrap();
    drop(sqlite);
    let file = format!("sqlite:{}", path.display());
    let url = empty_postgres().await;
    let postgres = sqlx::PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(first(Dialect::Postgres))).execute(&postgres).await.unwrap();
    for url in [file, url] {
        let db = Db::open(&url).await.unwrap();
        append(&db, 1).await;
        assert_eq!(numbers(&db).await, [(1, 0), (2, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_with_waiting_events_is_restored_everywhere() {
    let Place { db, .. } = &postgres().await;
    append(db, 0).await;
    let mut holder = db.begin().await.unwrap();
    event::append(&mut holder, &[by(0, 9)], NOW).await.unwrap();
    append(db, 1).await;
    let (sink, mut pieces) = tokio::sync::mpsc::channel(100);
    backup::write(db, &sink).await.unwrap();
    drop(sink);
    holder.rollback().await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.recv().await {
        bytes.extend(piece.unwrap());
    }
    for Place { db: target, url, .. } in &[postgres().await, sqlite().await] {
        backup::restore(target, &bytes).await.unwrap();
        let again = Db::open(url).await.unwrap();
        append(&again, 2).await;
        while seal(&again).await > 0 {}
        assert_eq!(numbers(&again).await, [(1, 0), (2, 1), (3, 2)]);
    }
}
