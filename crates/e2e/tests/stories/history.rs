//! The record: tasks filtered, sorted, paged and exported; events searched and followed; output followed.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use synod_domain::event::Event;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_e2e::*;
use synod_protocol::http::Page;
use synod_protocol::http::client::{Client, EventStream};
use synod_protocol::http::run::RunSummary;
use synod_protocol::http::task::{OutputChunk, Task};

stories! {
    tasks_are_filtered_sorted_and_paged
    tasks_are_exported
    runs_are_filtered_and_paged
    events_are_searched
    events_are_followed_and_resumed
    output_is_followed
    others_see_only_their_namespaces
    a_backup_is_whole
}

async fn some_runs(h: &Harness) -> (Vec<agents::Agent>, Client, Vec<String>) {
    h.shop("dave:requester erin:requester").await;
    h.apply(vec![free("t", json!({"strategy": {"maxFailures": 9}})), free("u", json!({}))]).await;
    let agents = h.webs(3).await;
    let (dave, erin) = (h.client("dave").await, h.client("erin").await);
    let mut ids = Vec::new();
    for (who, wanted) in [(&dave, ask("t", json!({"fake": {"web-2": "fail"}}))), (&erin, ask("u", json!({}))), (&dave, ask("t", json!({})))] {
        let run = request(who, &wanted).await.unwrap();
        ended(&dave, &run.summary.id).await;
        ids.push(run.summary.id);
        h.clock.shift(1000);
    }
    (agents, dave, ids)
}

async fn task_page(who: &Client, query: &str) -> Page<Task> {
    who.get(&format!("{API}/tasks?{query}")).await.unwrap_or_else(|e| panic!("{query}: {e:?}"))
}

async fn tasks_are_filtered_sorted_and_paged(h: Harness) {
    let (_agents, dave, ids) = some_runs(&h).await;
    let nodes = |page: &Page<Task>| page.items.iter().map(|t| t.node.clone()).collect::<Vec<_>>();
    assert_eq!(task_page(&dave, "").await.items.len(), 9);
    assert_eq!(nodes(&task_page(&dave, "phase=failed").await), ["web-2"]);
    assert_eq!(task_page(&dave, "phase=failed,succeeded&template=t").await.items.len(), 6);
    assert_eq!(task_page(&dave, "node=web-3&sort=created").await.items.iter().map(|t| t.run.clone()).collect::<Vec<_>>(), ids);
    let newest = task_page(&dave, "node=web-3&sort=-created").await;
    assert_eq!(newest.items.iter().rev().map(|t| t.run.clone()).collect::<Vec<_>>(), ids);
    let since = show(&dave, &ids[2]).await.unwrap().summary.created_at;
    assert_eq!(task_page(&dave, &format!("since={}", synod_protocol::http::client::escape(&since.to_string()))).await.items.len(), 3);
    assert_eq!(nodes(&task_page(&dave, &format!("run={}&sort=-node", ids[0])).await), ["web-3", "web-2", "web-1"]);
    let mut seen = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = task_page(&dave, &format!("sort=node&limit=4{cursor}")).await;
        for task in &page.items {
            assert!(seen.insert(task.id.clone()), "{} comes twice", task.id);
        }
        let Some(next) = page.next else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 9);
    let one: Task = dave.get(&format!("{API}/tasks/{}.1", ids[0])).await.unwrap();
    assert_eq!((one.node.as_str(), one.phase, one.exit_code), ("web-2", task::Phase::Failed, Some(1)));
}

async fn tasks_are_exported(h: Harness) {
    let (_agents, dave, ids) = some_runs(&h).await;
    let csv = download(&dave, &format!("/tasks?run={}&format=csv", ids[0])).await.unwrap();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(lines[0].starts_with("id,run,index,namespace,template,node,phase"), "{}", lines[0]);
    assert_eq!(lines.len(), 5, "a head, three tasks, and an end of line");
    assert!(lines[2].starts_with(&format!("{0}.1,{0},1,shop,t,web-2,failed,0,", ids[0])), "{}", lines[2]);
    let json: Value = serde_json::from_str(&download(&dave, &format!("/tasks?run={}&format=json", ids[0])).await.unwrap()).unwrap();
    assert_eq!(json["items"].as_array().unwrap().len(), 3);
}

async fn runs_are_filtered_and_paged(h: Harness) {
    let (_agents, dave, ids) = some_runs(&h).await;
    let list = async |query: &str| dave.get::<Page<RunSummary>>(&format!("{API}/runs?{query}")).await.unwrap();
    let got = |page: Page<RunSummary>| page.items.into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(got(list("").await), [&ids[2][..], &ids[1], &ids[0]]);
    assert_eq!(got(list("requester=erin").await), [&ids[1][..]]);
    assert_eq!(got(list("template=t&phase=succeeded").await), [&ids[2][..], &ids[0]]);
    let first = list("limit=2").await;
    let next = first.next.clone().expect("there is more");
    assert_eq!(got(first), [&ids[2][..], &ids[1]]);
    let last = list(&format!("limit=2&cursor={next}")).await;
    assert!(last.next.is_none());
    assert_eq!(got(last), [&ids[0][..]]);
    // An unambiguous beginning of an id does.
    assert_eq!(show(&dave, &ids[1][..ids[1].len() - 1]).await.unwrap().summary.id, ids[1]);
}

async fn events_are_searched(h: Harness) {
    let (_agents, _dave, ids) = some_runs(&h).await;
    h.event(&format!("&run={}", ids[2]), "synod.run.succeeded").await;
    assert_eq!(h.events("&type=synod.run.requested").await.len(), 3);
    assert_eq!(h.events(&format!("&type=synod.run.*&run={}", ids[0])).await.last().unwrap().kind, "synod.run.succeeded");
    assert_eq!(h.events("&type=synod.run.requested&actor=user:erin").await.len(), 1);
    assert_eq!(h.events(&format!("&subject=run/{}", ids[1])).await[0].kind, "synod.run.requested");
    let all = h.events("").await;
    assert!(all.iter().enumerate().all(|(n, e)| e.position == n as u64 + 1), "the log has no gaps");
    assert!(all.iter().all(|e| e.specversion == "1.0" && e.source == "synod" && !e.actor.is_empty()));
    let after = h.events(&format!("&after={}", all[4].position)).await;
    assert_eq!(after[0].id, all[5].id);
    let newest = h.events("&newest=true").await;
    assert_eq!(newest[0].id, all.last().unwrap().id);
}

async fn next_event(stream: &mut EventStream) -> Event {
    let next = tokio::time::timeout(WITHIN, stream.next()).await.expect("no event comes").unwrap().expect("the stream ended");
    let event: Event = serde_json::from_str(&next.data).unwrap();
    assert_eq!(next.id, event.position.to_string());
    event
}

async fn events_are_followed_and_resumed(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let dave = h.client("dave").await;
    let path = format!("{API}/events?follow=true&type=synod.run.*");
    let mut stream = dave.events(&path, None).await.unwrap();
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let first = next_event(&mut stream).await;
    assert_eq!((first.kind.as_str(), first.run.as_deref()), ("synod.run.requested", Some(run.summary.id.as_str())));
    assert_eq!(next_event(&mut stream).await.kind, "synod.run.approved");
    drop(stream);
    ended(&dave, &run.summary.id).await;
    h.event(&format!("&run={}", run.summary.id), "synod.run.succeeded").await;
    // Resumed after the first: nothing is missed, nothing comes twice.
    let mut stream = h.client("dave").await.events(&path, Some(&first.position.to_string())).await.unwrap();
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "synod.run.succeeded") {
        kinds.push(next_event(&mut stream).await.kind);
    }
    assert_eq!(kinds, ["synod.run.approved", "synod.run.started", "synod.run.batch_started", "synod.run.succeeded"]);
}

async fn output_is_followed(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"steps": [{"name": "count", "run": "for n in 1 2 3; do echo line $n; sleep 0.3; done"}]}))]).await;
    let _agent = h.agent("web-1", &[("role", "web")]).await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let path = format!("{API}/runs/{}/output?follow=true", run.summary.id);
    let mut stream = dave.events(&path, None).await.unwrap();
    let (mut text, mut while_running, mut first_id) = (String::new(), 0, String::new());
    loop {
        let event = tokio::time::timeout(WITHIN, stream.next()).await.expect("no output comes").unwrap().expect("it ends without an end");
        if event.event == "end" {
            break;
        }
        let chunk: OutputChunk = serde_json::from_str(&event.data).unwrap();
        if first_id.is_empty() {
            first_id = event.id;
        }
        assert_eq!(chunk.node, "web-1");
        text.extend(chunk.segments.iter().filter_map(|s| s.text.clone()));
        while_running += u32::from(!show(&dave, &run.summary.id).await.unwrap().summary.phase.ended());
    }
    assert_eq!(text, "line 1\nline 2\nline 3\n");
    assert!(while_running >= 1, "output comes while the step runs");
    // Resumed after the first piece, the rest comes again.
    let mut stream = h.client("dave").await.events(&path, Some(&first_id)).await.unwrap();
    let mut rest = String::new();
    while let Some(event) = tokio::time::timeout(WITHIN, stream.next()).await.unwrap().unwrap() {
        if event.event == "output" {
            let chunk: OutputChunk = serde_json::from_str(&event.data).unwrap();
            rest.extend(chunk.segments.iter().filter_map(|s| s.text.clone()));
        }
    }
    assert!(text.ends_with(&rest) && rest.len() < text.len(), "{rest:?}");
}

async fn others_see_only_their_namespaces(h: Harness) {
    let (_agents, _dave, ids) = some_runs(&h).await;
    h.person("frank").await;
    h.apply(vec![
        json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "bank"}, "spec": {"title": "The bank"}}),
        binding(Some("bank"), "administrator", "frank"),
    ])
    .await;
    let frank = h.client("frank").await;
    assert!(frank.get::<Page<RunSummary>>(&format!("{API}/runs")).await.unwrap().items.is_empty());
    assert!(task_page(&frank, "").await.items.is_empty());
    let events: Page<Event> = frank.get(&format!("{API}/events?limit=1000")).await.unwrap();
    assert!(events.items.iter().all(|e| e.namespace.as_deref() == Some("bank")), "{:?}", events.items.iter().map(|e| &e.subject).collect::<Vec<_>>());
    for path in [
        format!("/runs/{}", ids[0]),
        format!("/tasks/{}.0", ids[0]),
        format!("/runs/{}/output", ids[0]),
        format!("/events?run={}", ids[0]),
        "/runs?namespace=shop".into(),
    ] {
        let problem = refused(frank.get::<Value>(&format!("{API}{path}")).await, "SYN-2100");
        assert!(problem.detail.contains("viewer"), "it names the role that would do: {}", problem.detail);
    }
    let templates: Value = frank.get(&format!("{API}/objects/templates")).await.unwrap();
    assert_eq!(templates["items"], json!([]));
}

async fn a_backup_is_whole(h: Harness) {
    let (_agents, _dave, ids) = some_runs(&h).await;
    let bytes = download(&h.client("alice").await, "/backup").await.unwrap();
    assert!(!bytes.contains(PASSWORD));
    let dir = tempfile::tempdir().unwrap();
    // Restored on the other database: a backup is of no one kind.
    let other = if h.engine == Engine::Sqlite && std::env::var("SYNOD_TEST_POSTGRES").is_ok() { Engine::Postgres } else { Engine::Sqlite };
    let db = synod_db::Db::open(&new_database(other, dir.path()).await).await.unwrap();
    synod_db::backup::restore(&db, bytes.as_bytes()).await.unwrap();
    let run = synod_db::run::get(&mut db.reader().await.unwrap(), &ids[0]).await.unwrap().unwrap();
    assert_eq!(run.phase, Phase::Succeeded);
    db.close().await;
    h.event("", "synod.backup.taken").await;
}
