//! What people look at to see how things stand: the overview, the nodes of a run, who may do what, what a root can lose.

use http::Method;
use serde_json::json;
use synod_domain::task;
use synod_e2e::*;
use synod_protocol::http::access::{AccessMatrix, CanI};
use synod_protocol::http::overview::Overview;
use synod_protocol::http::run::RunNodes;
use synod_protocol::http::trust::Outlook;

stories! {
    the_overview_counts_what_one_may_see
    the_nodes_of_a_run_say_how_they_stand
    the_matrix_says_what_each_may
    the_outlook_says_whom_a_root_can_spare
}

async fn the_overview_counts_what_one_may_see(h: Harness) {
    h.shop("bob:approver dave:requester erin").await;
    h.apply(vec![template("t", json!({})), template("u", json!({}))]).await;
    let _agents = h.webs(2).await;
    let (dave, bob) = (h.client("dave").await, h.client("bob").await);
    h.play(&dave, &bob, &ask("t", json!({}))).await;
    h.play(&dave, &bob, &ask("t", json!({"fake": "fail"}))).await;
    h.play(&dave, &bob, &ask("u", json!({}))).await;
    request(&dave, &ask("t", json!({}))).await.unwrap();
    let seen: Overview = bob.get(&format!("{API}/overview?days=3")).await.unwrap();
    let today = &seen.days[2];
    assert_eq!((seen.days.len(), today.phases.values().sum::<u32>(), seen.pending, seen.unratified), (3, 4, 1, 0));
    assert_eq!((today.phases.get("succeeded"), today.phases.get("failed"), today.phases.get("pending")), (Some(&2), Some(&1), Some(&1)));
    assert!(seen.success_rate.is_some_and(|rate| (rate - 2.0 / 3.0).abs() < 1e-9));
    let approval = seen.approval.unwrap();
    assert!(approval.runs == 3 && approval.p50_seconds >= 0.0 && approval.p90_seconds >= approval.p50_seconds && approval.p90_seconds < 60.0);
    assert_eq!(seen.templates.iter().map(|t| (t.template.as_str(), t.runs)).collect::<Vec<_>>(), [("t", 3), ("u", 1)]);
    let everywhere: Overview = h.client("alice").await.get(&format!("{API}/overview")).await.unwrap();
    assert_eq!((everywhere.days.len(), everywhere.nodes.unwrap().connected), (14, 2));
    let (today, before) = everywhere.days.split_last().unwrap();
    assert!(today.nodes.as_ref().is_some_and(|nodes| (nodes.least, nodes.most, nodes.total) == (2, 2, 2)), "{today:?}");
    assert_eq!(today.approval.as_ref().map(|times| times.runs), Some(3));
    assert!(before.iter().all(|day| day.nodes.is_none() && day.approval.is_none()));
    // Who may see no runs sees none of this.
    let erin: Overview = h.client("erin").await.get(&format!("{API}/overview")).await.unwrap();
    assert!(erin.days.iter().all(|day| day.phases.is_empty()) && erin.templates.is_empty() && erin.pending == 0);
    assert!(erin.approval.is_none() && erin.success_rate.is_none() && erin.nodes.is_none());
    assert!(erin.days.iter().all(|day| day.approval.is_none() && day.nodes.is_none()));
    for days in ["0", "91"] {
        refused(bob.get::<Overview>(&format!("{API}/overview?days={days}")).await, "SYN-1008");
    }
}

async fn the_nodes_of_a_run_say_how_they_stand(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(2).await;
    let (dave, bob) = (h.client("dave").await, h.client("bob").await);
    let run = request(&dave, &ask("t", json!({"fake": "fail"}))).await.unwrap();
    let path = format!("{API}/runs/{}/nodes", run.summary.id);
    let nodes: RunNodes = dave.get(&path).await.unwrap();
    assert!(nodes.nodes.len() == 2 && nodes.nodes.iter().all(|node| node.phase.is_none()));
    approve(&bob, &run).await.unwrap();
    ended(&dave, &run.summary.id).await;
    let nodes: RunNodes = dave.get(&path).await.unwrap();
    for (n, (node, told)) in nodes.nodes.iter().zip(tasks(&dave, &run.summary.id).await).enumerate() {
        assert_eq!((node.task.clone(), node.phase, node.exit_code), (format!("{}.{n}", run.summary.id), Some(told.phase), told.exit_code));
        assert_eq!(node.phase, Some(task::Phase::Failed));
    }
}

async fn the_matrix_says_what_each_may(h: Harness) {
    h.shop("bob:approver+oncall dave:requester erin").await;
    h.apply(vec![json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "bank"}, "spec": {"title": "The bank"}})])
        .await;
    let bob = h.client("bob").await;
    let seen: AccessMatrix = bob.get(&format!("{API}/access/matrix")).await.unwrap();
    assert_eq!(seen.namespaces, ["shop"], "bob may not ask about the bank");
    refused(bob.get::<AccessMatrix>(&format!("{API}/access/matrix?namespace=bank")).await, "SYN-2100");
    refused(h.client("erin").await.get::<AccessMatrix>(&format!("{API}/access/matrix")).await, "SYN-2100");
    let all: AccessMatrix = h.client("alice").await.get(&format!("{API}/access/matrix")).await.unwrap();
    assert_eq!(all.namespaces, ["bank", "shop"]);
    // It says of everybody what they would be told themselves.
    for name in ["alice", "bob", "dave", "erin"] {
        let row = all.people.iter().find(|p| p.user == name).unwrap();
        let client = h.client(name).await;
        for action in &all.actions {
            for namespace in all.namespaces.iter().filter(|_| !action.global) {
                let told: CanI = client.get(&format!("{API}/access/can-i?action={}&namespace={namespace}", action.name)).await.unwrap();
                assert_eq!(row.may[namespace].contains(&action.name), told.allowed, "{name} {} {namespace}", action.name);
            }
            let told: CanI = client.get(&format!("{API}/access/can-i?action={}", action.name)).await.unwrap();
            assert_eq!(row.may["*"].contains(&action.name), told.allowed, "{name} {} everywhere", action.name);
        }
    }
    let row = all.people.iter().find(|p| p.user == "bob").unwrap();
    assert!(row.groups == ["oncall"] && row.roles.len() == 1 && row.enabled && !row.service_account);
}

async fn the_outlook_says_whom_a_root_can_spare(h: Harness) {
    let alice = h.client("alice").await;
    refused(alice.get::<Outlook>(&format!("{API}/trust/outlook")).await, "SYN-3000");
    h.shop("bob:approver carol:approver").await;
    h.apply(vec![template("t", json!({}))]).await;
    h.publish(&h.root_json(1, None), &["alice", "bob"]).await.unwrap();
    let outlook: Outlook = h.client("bob").await.get(&format!("{API}/trust/outlook")).await.unwrap();
    assert_eq!(outlook.rules.iter().map(|r| (r.name.as_str(), r.holders.len(), r.spare)).collect::<Vec<_>>(), [("root", 3, 1), ("shop", 3, 1)]);
    let bob = outlook.people.iter().find(|p| p.name == "bob").unwrap();
    assert_eq!(bob.keys[0].kind, "ssh-ed25519");
    assert!(bob.if_gone.iter().any(|f| f.name == "no-spare"), "{bob:?}");
    let (status, _) = raw(&h.anyone(), Method::GET, "/trust/outlook", &[], "").await;
    assert_eq!(status, 401);
}
