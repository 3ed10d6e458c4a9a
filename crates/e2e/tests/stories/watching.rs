//! What a server tells those who watch it.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use synod_domain::run::Phase;
use synod_e2e::*;
use synod_protocol::http::client::collect;

stories! {
    figures_tell_what_happened
}

async fn page(h: &Harness) -> String {
    let answer = h.anyone().raw(Method::GET, "/metrics", &[], Bytes::new()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
    String::from_utf8(collect(answer).await.unwrap().to_vec()).unwrap()
}

/// Waits until the page has all these lines.
pub(super) async fn shows(h: &Harness, lines: &[&str]) -> String {
    let has = |page: &str| lines.iter().all(|line| page.lines().any(|other| other == *line));
    until(&format!("{lines:?}"), async || Some(page(h).await).filter(|page| has(page))).await
}

async fn figures_tell_what_happened(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    let _agents = h.webs(2).await;
    h.apply(vec![template("t", json!({}))]).await;
    let before =
        shows(&h, &["synod_agents_connected 2", "synod_nodes{state=\"connected\"} 2", "synod_nodes{state=\"offline\"} 0", "synod_database_up 1"]).await;
    assert!(before.contains("synod_runs_ended_total{phase=\"succeeded\"} 0\n"), "{before}");
    let (dave, bob) = (h.client("dave").await, h.client("bob").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    shows(&h, &["synod_runs{phase=\"pending\"} 1"]).await;
    approve(&bob, &run).await.unwrap();
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    reject(&bob, &run).await.unwrap();
    let after = shows(
        &h,
        &[
            "synod_runs{phase=\"pending\"} 0",
            "synod_runs_ended_total{phase=\"succeeded\"} 1",
            "synod_runs_ended_total{phase=\"rejected\"} 1",
            "synod_tasks_ended_total{phase=\"succeeded\"} 2",
            "synod_approvals_total{decision=\"approve\"} 1",
            "synod_approvals_total{decision=\"reject\"} 1",
            "synod_run_approval_duration_seconds_count 1",
            "synod_run_duration_seconds_count 1",
            "synod_events_unsealed 0",
        ],
    )
    .await;
    // Every line is told what it is, once, and nothing names a run, a node or a person.
    let mut told = BTreeSet::new();
    for line in after.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(rest) => assert!(told.insert(rest.split(' ').next().unwrap()), "{line} stands twice"),
            None if line.starts_with('#') => {}
            None => {
                let name = line.split(['{', ' ']).next().unwrap();
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).filter(|base| told.contains(base)).unwrap_or(name);
                assert!(told.contains(base) && base.starts_with("synod_"), "{line}");
                line.rsplit(' ').next().unwrap().parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            }
        }
    }
    for nobodys in [run.summary.id.as_str(), "web-1", "bob", "shop"] {
        assert!(!after.contains(nobodys), "{nobodys} in\n{after}");
    }
}
