//! The way to the database is cut and healed: nothing is half done, nothing that was acknowledged or reported is lost.

use bytes::Bytes;
use http::Method;
use serde_json::json;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_e2e::proxy::Proxy;
use synod_e2e::*;

/// A server whose way to PostgreSQL can be cut. Its own database URL goes straight.
async fn behind_a_proxy() -> (Harness, Proxy) {
    let dir = tempfile::tempdir().unwrap();
    let database = new_database(Engine::Postgres, dir.path()).await;
    let (proxy, through) = Proxy::before(&database).await;
    let mut h = Harness::start(Engine::Postgres, |config| config.database = Some(through)).await;
    h.database = database;
    (h, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_away_callers_are_told_to_come_back() {
    let (h, proxy) = behind_a_proxy().await;
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let dave = h.client("dave").await;
    proxy.cut();
    let problem = until("the refusal", async || request(&dave, &ask("t", json!({}))).await.err()).await;
    let problem = refused(Err::<(), _>(problem), "SYN-9000");
    assert!(problem.status == 503 && problem.retry_after_s.is_some(), "{problem:?}");
    let answer = dave.raw(Method::GET, &format!("{API}/runs"), &[], Bytes::new()).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let ready = h.anyone().raw(Method::GET, "/readyz", &[], Bytes::new()).await.unwrap();
    assert_eq!(ready.status(), 503);
    let alive = h.anyone().raw(Method::GET, "/healthz", &[], Bytes::new()).await.unwrap();
    assert_eq!(alive.status(), 200);
    proxy.heal();
    let run = until("the request is taken", async || request(&dave, &ask("t", json!({}))).await.ok()).await;
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_wait_for_it() {
    let (h, proxy) = behind_a_proxy().await;
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"strategy": {"type": "rolling", "size": 2}}))]).await;
    let _agents = h.webs(4).await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({"fake": "slow:500ms,output:6400"}))).await.unwrap();
    let id = run.summary.id;
    task_in(&dave, &id, task::Phase::Started).await;
    proxy.cut();
    // The first batch ends while nobody can write it down.
    until("the refusal", async || show(&dave, &id).await.err()).await;
    proxy.heal();
    let done = ended(&dave, &id).await;
    assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 4), "{}", done.summary.message);
    assert_eq!(output_text(&dave, &id).await.len(), 4 * 6400);
    let events = until("every event", async || {
        let events = h.events(&format!("&run={id}")).await;
        events.iter().any(|e| e.kind == "synod.run.succeeded").then_some(events)
    })
    .await;
    assert_eq!(events.iter().filter(|e| e.kind == "synod.task.ended").count(), 4, "each result once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_waits_for_it() {
    let (mut h, proxy) = behind_a_proxy().await;
    h.stop().await;
    proxy.cut();
    let config = h.config().clone();
    let mut starting = tokio::spawn(synod_server::start(config.clone(), h.clock.clone()));
    // Not up, and not given up, although the database turned it away more than once.
    proxy.refused(3).await;
    assert!(!starting.is_finished());
    proxy.heal();
    let server = (&mut starting).await.unwrap().unwrap();
    h.server = Some(server);
    let ready = h.anyone().raw(Method::GET, "/readyz", &[], Bytes::new()).await.unwrap();
    assert_eq!(ready.status(), 200);
    h.stop().await;
    // A schema of a newer program gets no better by waiting.
    h.sql("UPDATE meta SET value = '99' WHERE key = 'schema_version'").await;
    let refused = synod_server::start(config, h.clock.clone()).await.err().expect("a newer schema is refused");
    assert!(refused.message().contains("schema version 99"), "{refused}");
    assert_eq!(refused.retry_after_s(), None);
}
