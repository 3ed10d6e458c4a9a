//! Nodes, their streams, and how many were connected: the same stories on both databases.

mod place;

use serde_json::json;
use synod_db::{node, overview};
use synod_domain::Timestamp;

use place::{Place, machine, stories};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

stories! {
    names_of_nodes_are_unique_while_they_live
    streams_belong_to_the_latest_server
    nodes_are_counted_day_by_day
}

async fn names_of_nodes_are_unique_while_they_live(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    assert!(node::insert(&mut tx, &machine("n1", "web-1")).await.unwrap());
    assert!(!node::insert(&mut tx, &machine("n2", "web-1")).await.unwrap());
    node::remove(&mut tx, "n1", NOW).await.unwrap();
    assert!(node::by_id(&mut tx, "n1").await.unwrap().is_none());
    assert!(node::insert(&mut tx, &machine("n2", "web-1")).await.unwrap(), "the name is free again");
    let candidate = &node::candidates(&mut tx).await.unwrap()[0];
    assert_eq!((candidate.labels["role"].as_str(), candidate.labels["name"].as_str(), candidate.labels["fact/os"].as_str()), ("web", "web-1", "debian"));
    tx.commit().await.unwrap();
}

async fn streams_belong_to_the_latest_server(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    node::insert(&mut tx, &machine("n1", "web-1")).await.unwrap();
    let stream = |session| vec![node::Connected { node_id: "n1".into(), session, at: NOW.0 }];
    node::connected(&mut tx, "a", &stream(1)).await.unwrap();
    node::connected(&mut tx, "b", &stream(7)).await.unwrap();
    node::disconnected(&mut tx, "a", &stream(1)).await.unwrap();
    assert_eq!(node::by_name(&mut tx, "web-1").await.unwrap().unwrap().server.as_deref(), Some("b"), "the old stream's end changes nothing");
    let seen = node::Seen { id: "n1".into(), at: NOW.0, facts: Some("{\"cpus\":4}".into()), version: None, trust: None, healed: String::new() };
    node::seen(&mut tx, &[seen]).await.unwrap();
    let known = node::by_name(&mut tx, "web-1").await.unwrap().unwrap();
    assert_eq!((known.facts, known.version.as_str(), known.last_seen_at), (json!({"cpus": 4}), "1", Some(NOW)));
    node::forget_dead_servers(&mut tx, NOW).await.unwrap();
    assert_eq!(node::by_name(&mut tx, "web-1").await.unwrap().unwrap().server, None, "server b is not alive");
    tx.commit().await.unwrap();
}

async fn nodes_are_counted_day_by_day(place: Place) {
    const DAY: i64 = 86_400_000;
    let mut tx = place.db.begin().await.unwrap();
    assert_eq!(overview::node_days(&mut tx, Timestamp(0)).await.unwrap(), []);
    for n in 1..=3 {
        node::insert(&mut tx, &machine(&format!("n{n}"), &format!("web-{n}"))).await.unwrap();
    }
    let stream = |n: i64| vec![node::Connected { node_id: format!("n{n}"), session: n, at: NOW.0 }];
    // Two connected, then three, then one; on the next day, after one is removed, one of two.
    for n in 1..=2 {
        node::connected(&mut tx, "a", &stream(n)).await.unwrap();
    }
    overview::note_nodes(&mut tx, NOW).await.unwrap();
    node::connected(&mut tx, "a", &stream(3)).await.unwrap();
    overview::note_nodes(&mut tx, NOW).await.unwrap();
    for n in 2..=3 {
        node::disconnected(&mut tx, "a", &stream(n)).await.unwrap();
    }
    overview::note_nodes(&mut tx, NOW).await.unwrap();
    node::remove(&mut tx, "n3", NOW).await.unwrap();
    overview::note_nodes(&mut tx, Timestamp(NOW.0 + DAY)).await.unwrap();
    let today = NOW.0 / DAY;
    let of = |day, least, most, total| overview::NodeDay { day, least, most, total };
    assert_eq!(overview::node_days(&mut tx, Timestamp(NOW.0 - DAY)).await.unwrap(), [of(today, 1, 3, 3), of(today + 1, 1, 1, 2)]);
    assert_eq!(overview::node_days(&mut tx, Timestamp(NOW.0 + DAY)).await.unwrap(), [of(today + 1, 1, 1, 2)]);
}
