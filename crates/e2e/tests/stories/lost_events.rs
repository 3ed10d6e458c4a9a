//! Events that somebody took out of the database: what is logged already is missed, and what was not yet stops the log until it
//! is put back.

use serde_json::json;
use synod_db::audit as stored;
use synod_db::event;
use synod_domain::event::{NewEvent, types};
use synod_e2e::cli::Shell;
use synod_e2e::*;
use synod_protocol::http::audit::AuditProof;

stories! {
    what_is_gone_is_missed_until_it_is_known
    an_event_that_is_gone_before_it_was_logged_stops_the_log
}

// Exit codes, as `synod exit-codes` lists them.
const DIFFERS: i32 = 1;
const USAGE: i32 = 2;
const INTERNAL: i32 = 8;

async fn alice(h: &Harness) -> Shell {
    let shell = Shell::new(h.dir.path(), "alice");
    shell.with_password(&["login", &h.url(), "--user", "alice"]).await.ok();
    shell
}

fn noted(n: u32) -> NewEvent {
    NewEvent { kind: types::USER_CHANGED, subject: format!("user/{n}"), namespace: None, run: None, actor: "system".into(), data: json!({"n": n}) }
}

/// How many events the log has, and how many were recorded.
async fn sizes(h: &Harness) -> (u64, u64) {
    let mut reader = h.app().db.reader().await.unwrap();
    let size = stored::head(&mut reader).await.unwrap().map_or(0, |head| head.size);
    (size, event::last_position(&mut reader).await.unwrap())
}

/// Waits until every event is in the log; how many there are.
async fn whole(h: &Harness) -> u64 {
    until("every event in the log", async || {
        let (size, last) = sizes(h).await;
        (size > 0 && size == last).then_some(size)
    })
    .await
}

/// The row that was taken out, as docs/audit.md says how.
async fn put_back(h: &Harness) {
    let how =
        if h.engine == Engine::Postgres { "INSERT INTO events OVERRIDING SYSTEM VALUE SELECT * FROM away" } else { "INSERT INTO events SELECT * FROM away" };
    assert_eq!(h.sql(how).await, 1);
}

async fn what_is_gone_is_missed_until_it_is_known(h: Harness) {
    let alice = alice(&h).await;
    whole(&h).await;
    alice.synod("audit verify --save before").await.ok().says(&["holds: the root of"]);
    let gone = h.event("", types::BOOTSTRAPPED).await.position;
    h.sql("CREATE TABLE away AS SELECT * FROM events WHERE type = 'synod.server.bootstrapped'").await;
    assert_eq!(h.sql("DELETE FROM events WHERE type = 'synod.server.bootstrapped'").await, 1);
    // The hashes are as they were, and the log only grew; but an event is lost, and that does not pass.
    let missed = format!("of 1 event only the hashes are kept, at position {gone}");
    let said = alice.synod("audit verify --save after").await.ends(DIFFERS);
    let said = said.says(&["is not whole, though the root of", &missed, "--allow-missing"]);
    assert!(!said.out.contains("holds") && said.err.contains(&missed), "{said:?}");
    assert!(!alice.home().join("after").exists(), "no checkpoint is kept of what does not pass");
    let told = alice.synod("audit verify -o json").await.ends(DIFFERS).json();
    assert_eq!((&told["ok"], &told["bodiesDroppedAt"]), (&json!(false), &json!([gone])));
    alice.synod("audit verify --from before").await.ok().says(&["nothing before was altered"]);
    // The same of a copy.
    alice.ok("audit export copy").await;
    let key = std::fs::read_to_string(alice.home().join("copy/key")).unwrap();
    let copy = format!("audit verify --offline copy --log-key {}", key.trim());
    alice.synod(&copy).await.ends(DIFFERS).says(&[&missed]);
    // What is known to be gone is named, and nothing but that is put up with.
    alice.synod(&format!("{copy} --allow-missing {gone}")).await.ok().says(&["holds: the root of", &missed]);
    let told = alice.json(&format!("audit verify --allow-missing {gone}-{gone},99")).await;
    assert_eq!((&told["ok"], &told["bodiesDropped"]), (&json!(true), &json!(1)));
    alice.synod(&format!("audit verify --allow-missing {}", gone + 1)).await.ends(DIFFERS).says(&[&missed]);
    alice.synod("audit verify --allow-missing all").await.ends(USAGE).says(&["12-15"]);
    // Put back as it was it is found to be what was logged.
    put_back(&h).await;
    let said = alice.synod("audit verify").await.ok();
    assert!(said.out.contains("holds: the root of") && !said.out.contains("only the hashes"), "{said:?}");
}

async fn an_event_that_is_gone_before_it_was_logged_stops_the_log(h: Harness) {
    let alice = alice(&h).await;
    let client = h.client("alice").await;
    let before = whole(&h).await;
    // In one transaction, so that the log cannot be quicker than the thief.
    let mut tx = h.app().db.begin().await.unwrap();
    event::append(&mut tx, &(0..5).map(noted).collect::<Vec<_>>(), h.clock.now()).await.unwrap();
    for step in ["CREATE TABLE away AS SELECT * FROM events WHERE subject = 'user/2'", "DELETE FROM events WHERE subject = 'user/2'"] {
        tx.execute(step, Vec::new()).await.unwrap();
    }
    tx.commit().await.unwrap();
    h.app().ring_events();
    let gone = before + 3;
    // What comes before it is logged; it and what comes after is not, and nothing is put in its place.
    until("the log up to the gap", async || (sizes(&h).await.0 == gone - 1).then_some(())).await;
    let words = format!("event {gone} is not in the database, so the audit log cannot go on: since ");
    for asked in [gone, gone + 1] {
        let problem = refused(client.get::<AuditProof>(&format!("{API}/audit/proofs/{asked}")).await, "SYN-4108");
        assert!(problem.detail.contains(&words) && problem.detail.contains(&format!("it stands at {} events", gone - 1)), "{}", problem.detail);
    }
    refused(client.get::<AuditProof>(&format!("{API}/audit/proofs/{}", gone + 1000)).await, "SYN-3000");
    let said = alice.synod("audit verify").await.ends(INTERNAL).says(&["SYN-4108", &words, "docs/audit.md"]);
    assert!(said.out.contains("holds: the root of"), "what is in the log holds: {said:?}");
    let error = h.app().log.append(&h.app().db, h.clock.now()).await.unwrap_err();
    assert_eq!((error.code().id, error.message().starts_with(&words)), ("SYN-4108", true), "{error}");
    // Who may not see everything learns nothing of an event that is gone.
    h.person("bob").await;
    refused(h.client("bob").await.get::<AuditProof>(&format!("{API}/audit/proofs/{gone}")).await, "SYN-3000");
    // Put back, the log goes on by itself.
    put_back(&h).await;
    let size = whole(&h).await;
    assert!(size >= gone + 2);
    let _: AuditProof = client.get(&format!("{API}/audit/proofs/{gone}")).await.unwrap();
    alice.synod("audit verify").await.ok();
}
