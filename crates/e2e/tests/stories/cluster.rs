//! Two servers on one PostgreSQL: agents on either, runs across both, and what happens when one goes.

use serde_json::json;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_e2e::*;
use synod_server::Running;
use synod_worker::Error;

/// A cluster of two, with `web-1` and `web-2` on the first server and `web-3` and `web-4` on the second.
async fn two(h: &Harness) -> (Running, Vec<agents::Agent>) {
    h.shop("bob:approver dave:requester").await;
    let second = h.second_server().await;
    let mut agents = Vec::new();
    for n in 1..=4 {
        let mut identity = h.identity(&format!("web-{n}"), &[("role", "web")]).await;
        let url = if n <= 2 { h.url() } else { format!("https://{}", second.address) };
        identity.set_servers(vec![url]).unwrap();
        agents.push(h.simulate(identity));
    }
    h.connected_count(4).await;
    assert_eq!((h.app().gateway.count(), second.app.gateway.count()), (2, 2));
    (second, agents)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_reaches_agents_on_both() {
    let h = Harness::postgres().await;
    let (second, _agents) = two(&h).await;
    h.apply(vec![template("t", json!({"strategy": {"type": "rolling", "size": 2}}))]).await;
    // Asked at one server, approved at the other.
    let (dave, bob) = (h.client("dave").await, h.client_at(&second, "bob").await);
    let run = request(&dave, &ask("t", json!({"fake": "output:64"}))).await.unwrap();
    approve(&bob, &run).await.unwrap();
    let done = ended(&bob, &run.summary.id).await;
    assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 4));
    assert_eq!(output_text(&dave, &run.summary.id).await.len(), 4 * 64);
    // Cancelling at one server ends tasks at the other.
    let run = request(&dave, &ask_on("t", json!({"fake": "hang"}), "name in (web-1,web-3)")).await.unwrap();
    approve(&bob, &run).await.unwrap();
    let id = run.summary.id;
    until("both under way", async || (phases(&dave, &id).await == ["started", "started"]).then_some(())).await;
    cancel(&h.client_at(&second, "dave").await, &id).await.unwrap();
    assert_eq!(ended(&dave, &id).await.tasks.cancelled, 2);
    let info: synod_protocol::http::system::ServerInfo = h.client("alice").await.get(&format!("{API}/server")).await.unwrap();
    assert_eq!(info.members.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_goes_and_the_run_finishes() {
    let h = Harness::postgres().await;
    let (second, _agents) = two(&h).await;
    h.apply(vec![free("t", json!({"strategy": {"type": "rolling", "size": 2}}))]).await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({"fake": "slow:1s,output:64"}))).await.unwrap();
    let id = run.summary.id;
    task_in(&dave, &id, task::Phase::Started).await;
    second.stop().await;
    let done = ended(&dave, &id).await;
    assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 4), "{}", done.summary.message);
    assert_eq!(output_text(&dave, &id).await.len(), 4 * 64);
    h.connected_count(4).await;
    assert_eq!(h.app().gateway.count(), 4, "its agents found the other server");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_ring_everything_still_happens() {
    let h = Harness::postgres().await;
    let (second, _agents) = two(&h).await;
    h.apply(vec![template("t", json!({"strategy": {"type": "oneThenRest"}}))]).await;
    h.app().bell.break_it();
    second.app.bell.break_it();
    let (dave, bob) = (h.client("dave").await, h.client_at(&second, "bob").await);
    let run = request(&dave, &ask_on("t", json!({}), "name in (web-1,web-3)")).await.unwrap();
    approve(&bob, &run).await.unwrap();
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
    h.event(&format!("&run={}", run.summary.id), "synod.run.succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_ring_on_sqlite() {
    let h = Harness::sqlite().await;
    h.shop("bob:approver dave:requester").await;
    let _agents = h.webs(3).await;
    h.apply(vec![template("t", json!({"strategy": {"type": "oneThenRest"}}))]).await;
    h.app().bell.break_it();
    let done = h.play(&h.client("dave").await, &h.client("bob").await, &ask("t", json!({}))).await;
    assert_eq!(done.summary.phase, Phase::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_removed_at_one_server_leaves_the_other() {
    let h = Harness::postgres().await;
    let (_second, mut agents) = two(&h).await;
    h.client("alice").await.delete(&format!("{API}/nodes/web-4")).await.unwrap();
    match agents.pop().unwrap().ended().await {
        Err(Error::Refused { code, .. }) => assert_eq!(code, "SYN-5002"),
        other => panic!("its stream at the other server goes on: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_taken_at_one_server_is_gone_at_the_other() {
    let h = Harness::postgres().await;
    let (second, _agents) = two(&h).await;
    h.apply(vec![template("t", json!({}))]).await;
    let bob = h.client_at(&second, "bob").await;
    let run = request(&h.client("dave").await, &ask("t", json!({}))).await.unwrap();
    let _: serde_json::Value = bob.get(&format!("{API}/auth/whoami")).await.unwrap();
    h.client("alice").await.delete(&format!("{API}/objects/rolebindings/bob-approver?namespace=shop")).await.unwrap();
    refused(approve(&bob, &run).await, "SYN-2100");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_is_no_member() {
    let h = Harness::postgres().await;
    let config = synod_server::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        state_dir: h.dir.path().join("stranger"),
        master_key_file: Some(h.dir.path().join("stranger.key")),
        ..h.config().clone()
    };
    let error = synod_server::start(config, h.clock.clone()).await.err().expect("it starts with another key");
    assert!(error.message().contains("master key") && error.message().contains("--master-key-file"), "{error}");
}
