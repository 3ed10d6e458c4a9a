//! Two servers on one PostgreSQL, real agents on both, and SIGKILL at moments of the story's choice: while tasks run, and
//! between two batches. What the chaos story finds by chance is made to happen here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use synod_domain::event::Event;
use synod_domain::run::Phase;
use synod_e2e::process::{Cluster, shown};
use synod_e2e::*;
use synod_protocol::http::Page;
use synod_protocol::http::client::Client;
use synod_protocol::http::node::Node;
use synod_protocol::http::system::ServerInfo;

const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];

struct Story {
    cluster: Cluster,
    marks: PathBuf,
    go: PathBuf,
    /// alice's clients, one a server.
    alice: Vec<Client>,
    _dir: tempfile::TempDir,
}

impl Story {
    async fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = new_database(Engine::Postgres, dir.path()).await;
        let mut cluster = Cluster::start(dir.path().to_owned(), Some(&database), 2).await;
        let alice = cluster.clients(Some(&cluster.bootstrap("alice").await));
        let (marks, go) = (dir.path().join("marks"), dir.path().join("go"));
        let namespace = json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"title": "The shop"}});
        let held = marking("held", &marks, Some(&go), json!({"type": "rolling", "size": 2}));
        let gated = marking("gated", &marks, None, json!({"type": "rolling", "size": 2, "gate": "manual"}));
        let _: Value = alice[0].post(&format!("{API}/apply"), &json!({"documents": [namespace, held, gated]})).await.unwrap();
        cluster.join(&alice[0], &NODES).await;
        Self { cluster, marks, go, alice, _dir: dir }
    }

    /// Which server holds each node's stream, by its place.
    async fn placed(&self, ask: usize) -> Option<BTreeMap<String, usize>> {
        let info: ServerInfo = self.alice[ask].get(&format!("{API}/server")).await.ok()?;
        let nodes: Page<Node> = self.alice[ask].get(&format!("{API}/nodes")).await.ok()?;
        let place = |id: &str| {
            let url = &info.members.iter().find(|member| member.id == id)?.url;
            self.cluster.urls.iter().position(|known| known == url)
        };
        nodes.items.iter().map(|node| Some((node.name.clone(), place(node.server.as_deref()?)?))).collect()
    }

    /// Moves agents by starting them again until n1 is on the first server and n2 on the second.
    async fn on_both(&mut self) {
        for (n, wanted) in [(0, 0), (1, 1)] {
            loop {
                let placed = until("all agents connected", async || self.placed(0).await.filter(|placed| placed.len() == NODES.len())).await;
                if placed[NODES[n]] == wanted {
                    break;
                }
                self.cluster.agents[n].kill().await;
                until("the stream's end", async || self.placed(0).await.is_none().then_some(())).await;
                self.cluster.agents[n].start();
            }
        }
    }

    /// Kills a server without warning, and waits until all agents are at the other.
    async fn kill(&mut self, server: usize) {
        self.cluster.servers[server].kill().await;
        let other = 1 - server;
        until("the agents at the other server", async || {
            let placed = self.placed(other).await?;
            (placed.len() == NODES.len() && placed.values().all(|at| *at == other)).then_some(())
        })
        .await;
    }

    async fn start_again(&mut self, server: usize) {
        self.cluster.servers[server].start();
        let port = self.cluster.urls[server].rsplit_once(':').unwrap().1.parse().unwrap();
        shown(&mut self.cluster.servers[server], port).await;
        until("the server answers", async || self.alice[server].get::<Value>(&format!("{API}/server")).await.ok()).await;
    }

    /// How often each task of a run left its mark.
    fn ran(&self, run: &str) -> Vec<usize> {
        let text = std::fs::read_to_string(&self.marks).unwrap_or_default();
        (0..NODES.len()).map(|n| text.lines().filter(|line| *line == format!("{run}.{n} {}", NODES[n])).count()).collect()
    }

    /// The whole log, when the end of a run is in it.
    async fn log(&self, ask: usize, run: &str) -> Vec<Event> {
        until("the run's end in the log", async || {
            let mut all: Vec<Event> = Vec::new();
            loop {
                let after = all.last().map_or(0, |event| event.position);
                let page: Page<Event> = self.alice[ask].get(&format!("{API}/events?after={after}&limit=1000")).await.ok()?;
                if page.items.is_empty() {
                    break;
                }
                all.extend(page.items);
            }
            all.iter().any(|event| event.kind == "synod.run.succeeded" && event.run.as_deref() == Some(run)).then_some(all)
        })
        .await
    }

    /// That a run ended well: each task once, told once, with its output, in a log without gaps.
    async fn ended_well(&self, ask: usize, run: &str) {
        let who = &self.alice[ask];
        let done = ended(who, run).await;
        assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 4), "{}", done.summary.message);
        assert_eq!(self.ran(run), [1, 1, 1, 1], "each task ran once, on its node");
        let mut lines: Vec<String> = output_text(who, run).await.lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, NODES.map(|node| format!("done on {node}")));
        let log = self.log(ask, run).await;
        for (n, event) in log.iter().enumerate() {
            assert_eq!(event.position, n as u64 + 1, "the log has a gap");
        }
        let count = |kind: &str| log.iter().filter(|event| event.kind == kind && event.run.as_deref() == Some(run)).count();
        assert_eq!((count("synod.task.ended"), count("synod.task.late_result"), count("synod.run.batch_started")), (4, 0, 2), "{log:#?}");
        for kind in ["synod.run.requested", "synod.run.started", "synod.run.succeeded"] {
            assert_eq!(count(kind), 1, "{kind}");
        }
    }

    fn words(&self) -> String {
        self.cluster
            .servers
            .iter()
            .chain(&self.cluster.agents)
            .map(|process| format!("{}:\n{}\n", process.name, process.last_words()))
            .collect()
    }
}

/// A template whose step leaves a mark each time it runs, and waits for a file when there is one to wait for.
fn marking(name: &str, marks: &Path, go: Option<&Path>, strategy: Value) -> Value {
    let wait = go.map_or_else(String::new, |go| format!("while [ ! -e {} ]; do sleep 0.05; done\n", go.display()));
    let run = format!("echo \"$SYNOD_TASK $SYNOD_NODE\" >> {}\n{wait}echo \"done on $SYNOD_NODE\"\n", marks.display());
    let inputs = json!({"type": "object", "properties": {}, "additionalProperties": false});
    free(name, json!({"inputs": inputs, "strategy": strategy, "steps": [{"name": "mark", "run": run}]}))
}

/// Kills one server while tasks run on the agents of both, and the other one between two batches.
async fn survives(first: usize) {
    let mut story = Story::begin().await;
    let second = 1 - first;
    story.on_both().await;

    // While the first batch runs, one task on an agent of either server.
    let run = request(&story.alice[first], &ask("held", json!({}))).await.unwrap().summary.id;
    until("both tasks of the batch", async || {
        (phases(&story.alice[first], &run).await == ["started", "started", "waiting", "waiting"] && story.ran(&run) == [1, 1, 0, 0]).then_some(())
    })
    .await;
    story.kill(first).await;
    assert_eq!(phases(&story.alice[second], &run).await, ["started", "started", "waiting", "waiting"], "nothing is decided by a death:\n{}", story.words());
    std::fs::write(&story.go, "").unwrap();
    story.ended_well(second, &run).await;

    // The one that died comes back, and the one that took over dies at the gate between two batches.
    story.start_again(first).await;
    let run = request(&story.alice[second], &ask("gated", json!({}))).await.unwrap().summary.id;
    run_until(&story.alice[second], &run, "the gate", |run| run.at_gate).await;
    story.kill(second).await;
    let who = &story.alice[first];
    let waiting = show(who, &run).await.unwrap();
    assert!(waiting.at_gate && waiting.summary.phase == Phase::Running, "{}", waiting.summary.message);
    assert_eq!(story.ran(&run), [1, 1, 0, 0], "nothing passes the gate by itself");
    proceed(who, &run).await.unwrap();
    story.ended_well(first, &run).await;
    story.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_dies_under_a_task_and_the_second_between_batches() {
    survives(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_dies_under_a_task_and_the_first_between_batches() {
    survives(1).await;
}
