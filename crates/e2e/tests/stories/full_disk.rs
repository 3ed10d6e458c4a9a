//! No space left: the server says so and does nothing by halves, an agent runs nothing that it could not write down first.
//! Both go on when there is room again.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use synod_domain::run::Phase;
use synod_e2e::disk::SmallDisk;
use synod_e2e::process::{Process, free_port, shown};
use synod_e2e::*;
use synod_protocol::http::Page;
use synod_protocol::http::client::Client;
use synod_protocol::http::run::{Run, RunSummary};
use synod_protocol::tls::Trust;

/// A template whose step leaves a line in a file for every time it runs, and waits for another file when told to.
fn marking(marks: &Path, go: &Path) -> Value {
    let (marks, go) = (marks.display(), go.display());
    let run = format!("echo \"$SYNOD_TASK\" >> {marks}; if [ '{{{{ inputs.wait }}}}' = yes ]; then while [ ! -e {go} ]; do sleep 0.05; done; fi");
    free(
        "marking",
        json!({
            "inputs": {"type": "object", "properties": {"wait": {"type": "string", "default": "no"}}, "additionalProperties": false},
            "steps": [{"name": "mark", "run": run}]
        }),
    )
}

/// How often each task ran.
fn times(marks: &Path, task: &str) -> usize {
    std::fs::read_to_string(marks).unwrap_or_default().lines().filter(|line| *line == task).count()
}

fn agent_process(h: &Harness, disk: &SmallDisk, token: &str) -> Process {
    let text = format!(
        "servers = [{:?}]\nname = \"web-1\"\nstate_dir = {:?}\nca_fingerprint = {:?}\njoin_token = {token:?}\n",
        h.url(),
        disk.path.join("agent"),
        h.fingerprint()
    );
    let config = h.dir.path().join("web-1.toml");
    std::fs::write(&config, text).unwrap();
    Process::new(h.dir.path(), "web-1", &["agent", "--config", &config.display().to_string()]).on(disk)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_begins_nothing_it_cannot_write_down() {
    let h = Harness::sqlite().await;
    h.shop("dave:requester").await;
    let (marks, go) = (h.dir.path().join("marks"), h.dir.path().join("go"));
    h.apply(vec![marking(&marks, &go)]).await;
    let disk = SmallDisk::new(&h.dir.path().join("disk"), 1);
    let token = h.join_token(&[("role", "web")], 1).await.token;
    let mut agent = agent_process(&h, &disk, &token);
    agent.start();
    h.connected("web-1").await;
    let dave = h.client("dave").await;
    // One runs while the disk becomes full, and ends when there is no room for its end.
    let waiting = request(&dave, &ask("marking", json!({"wait": "yes"}))).await.unwrap().summary.id;
    until("the first step", async || (times(&marks, &format!("{waiting}.0")) == 1).then_some(())).await;
    disk.fill();
    let play = async || -> (String, Phase, String) {
        let run = request(&dave, &ask("marking", json!({}))).await.unwrap();
        let done = ended(&dave, &run.summary.id).await;
        (format!("{}.0", run.summary.id), done.summary.phase, tasks(&dave, &run.summary.id).await.remove(0).reason)
    };
    // What is left of the journal's last block takes a few more.
    let mut succeeded = vec![format!("{waiting}.0")];
    let refused_all = async |succeeded: &mut Vec<String>| {
        for _ in 0..50 {
            let (task, phase, reason) = play().await;
            if phase == Phase::Succeeded {
                assert_eq!(times(&marks, &task), 1, "{task}");
                succeeded.push(task);
                continue;
            }
            assert!(reason.starts_with("not started, because it could not be journalled: ") && reason.contains("No space left"), "{reason}");
            assert_eq!(times(&marks, &task), 0, "{task} was not written down, and ran");
            return task;
        }
        panic!("50 tasks were begun on a full disk:\n{}", agent_log(&h));
    };
    let mut failed = vec![refused_all(&mut succeeded).await];
    std::fs::write(&go, "").unwrap();
    assert_eq!(ended(&dave, &waiting).await.summary.phase, Phase::Succeeded, "what ran already is told how it ended");
    // It comes back on the full disk, remembers what it wrote down, and still begins nothing.
    agent.kill().await;
    h.disconnected("web-1").await;
    agent.start();
    h.connected("web-1").await;
    failed.push(refused_all(&mut succeeded).await);
    disk.free();
    let (task, phase, reason) = play().await;
    assert_eq!(phase, Phase::Succeeded, "there is room again: {reason}");
    succeeded.push(task);
    agent.kill().await;
    h.disconnected("web-1").await;
    agent.start();
    h.connected("web-1").await;
    let (task, phase, reason) = play().await;
    assert_eq!(phase, Phase::Succeeded, "{reason}");
    succeeded.push(task);
    for (all, phase, n) in [(&succeeded, "succeeded", 1), (&failed, "failed", 0)] {
        for task in all {
            let run = task.strip_suffix(".0").unwrap();
            assert_eq!((phases(&dave, run).await, times(&marks, task)), (vec![phase], n), "{task}:\n{}", agent_log(&h));
        }
    }
}

fn agent_log(h: &Harness) -> String {
    std::fs::read_to_string(h.dir.path().join("web-1.log")).unwrap_or_default()
}

/// A server whose database lies on a small disk, and clients of it.
struct Small {
    dir: tempfile::TempDir,
    disk: SmallDisk,
    server: Process,
    port: u16,
    url: String,
    fingerprint: String,
}

impl Small {
    async fn start(mib: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = SmallDisk::new(&dir.path().join("disk"), mib);
        let port = free_port();
        let url = format!("https://127.0.0.1:{port}");
        let text = format!("listen = \"127.0.0.1:{port}\"\nurl = {url:?}\nstate_dir = {:?}\n\n[security]\nstep_up = \"enrolled\"\n", disk.path.join("server"));
        let config = dir.path().join("server.toml");
        std::fs::write(&config, text).unwrap();
        let mut server = Process::new(dir.path(), "server", &["server", "--config", &config.display().to_string()]).on(&disk);
        server.start();
        let fingerprint = shown(&mut server, port).await;
        Self { dir, disk, server, port, url, fingerprint }
    }

    fn client(&self, token: Option<&str>) -> Client {
        Client::new(self.url.parse().unwrap(), &Trust::Fingerprint(self.fingerprint.clone()), token.map(str::to_owned)).unwrap()
    }

    async fn login(&self, name: &str) -> Client {
        let login = json!({"user": name, "password": PASSWORD});
        let session: Value = self.client(None).post(&format!("{API}/auth/login"), &login).await.unwrap();
        self.client(session["token"].as_str())
    }

    async fn bootstrap(&self) -> Client {
        let token = std::fs::read_to_string(self.disk.seen.join("server/bootstrap.token")).unwrap();
        let first = json!({"name": "alice", "password": PASSWORD, "token": token.trim()});
        let _: Value = self.client(None).post(&format!("{API}/bootstrap"), &first).await.unwrap();
        self.login("alice").await
    }
}

async fn runs(who: &Client) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Page<RunSummary> = who.get(&format!("{API}/runs?limit=100{cursor}")).await.unwrap();
        all.extend(page.items.into_iter().map(|run| run.id));
        match page.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    all.sort();
    all
}

async fn events(who: &Client) -> Vec<synod_domain::event::Event> {
    let mut all: Vec<synod_domain::event::Event> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.position);
        let page: Page<synod_domain::event::Event> = who.get(&format!("{API}/events?after={after}&limit=1000")).await.unwrap();
        if page.items.is_empty() {
            return all;
        }
        all.extend(page.items);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_nothing_by_halves() {
    let mut small = Small::start(24).await;
    let alice = small.bootstrap().await;
    let (marks, go) = (small.dir.path().join("marks"), small.dir.path().join("go"));
    let namespace = json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"title": "The shop"}});
    let _: Value = alice.post(&format!("{API}/users"), &json!({"name": "dave", "password": PASSWORD})).await.unwrap();
    let documents = [namespace, marking(&marks, &go), template("t", json!({})), binding(Some("shop"), "requester", "dave")];
    let _: Value = alice.post(&format!("{API}/apply"), &json!({"documents": documents})).await.unwrap();
    let dave = small.login("dave").await;
    // A node on a disk that has room.
    let token: Value = alice.post(&format!("{API}/join-tokens"), &json!({"labels": {"role": "web"}})).await.unwrap();
    let state = small.dir.path().join("agent").display().to_string();
    let (url, fingerprint, token) = (small.url.clone(), small.fingerprint.clone(), token["token"].as_str().unwrap().to_owned());
    let args = ["agent", "--server", &url, "--name", "web-1", "--state-dir", &state, "--join-token", &token, "--ca-fingerprint", &fingerprint];
    let mut agent = Process::new(small.dir.path(), "web-1", &args);
    agent.start();
    until("the agent", async || (process::connected(&alice).await == 1).then_some(())).await;
    let under_way = request(&dave, &ask("marking", json!({"wait": "yes"}))).await.unwrap().summary.id;
    task_in(&dave, &under_way, synod_domain::task::Phase::Started).await;

    small.disk.fill();
    let mut acknowledged = vec![under_way.clone()];
    let pending = ask("t", json!({"fake": "x".repeat(2000)}));
    let refusal = until("the refusal", async || match request(&dave, &pending).await {
        Ok(run) => {
            acknowledged.push(run.summary.id);
            None
        }
        Err(refusal) => Some(refusal),
    })
    .await;
    let problem = refused(Err::<(), _>(refusal), "SYN-9001");
    assert!(problem.status == 503 && problem.retry_after_s.is_some(), "{problem:?}");
    // Whatever is to be written down is refused, what is only read is answered.
    for _ in 0..3 {
        refused(request(&dave, &pending).await, "SYN-9001");
        let documents = json!({"documents": [template("u", json!({"title": "x".repeat(100)}))]});
        refused(alice.post::<_, Value>(&format!("{API}/apply"), &documents).await, "SYN-9001");
        refused(alice.post::<_, Value>(&format!("{API}/users"), &json!({"name": "erin", "password": PASSWORD})).await, "SYN-9001");
        let body = serde_json::to_string(&pending).unwrap();
        let answer = dave.raw(Method::POST, &format!("{API}/runs"), &[("content-type", "application/json")], body.into()).await.unwrap();
        assert!(answer.status() == 503 && answer.headers().contains_key("retry-after"), "{:?}", answer.headers());
    }
    acknowledged.sort();
    assert_eq!(runs(&dave).await, acknowledged, "nothing was done by halves");
    refused(alice.get::<Value>(&format!("{API}/users/erin")).await, "SYN-3000");
    refused(alice.get::<Value>(&format!("{API}/objects/templates/u?namespace=shop")).await, "SYN-3000");
    // The task ends, and its result waits.
    std::fs::write(&go, "").unwrap();
    assert_eq!(show(&dave, &under_way).await.unwrap().summary.phase, Phase::Running);

    small.disk.free();
    let again = until("the request is taken", async || request(&dave, &pending).await.ok()).await;
    acknowledged.push(again.summary.id);
    let done: Run = ended(&dave, &under_way).await;
    assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 1), "{}", done.summary.message);
    assert_eq!(times(&marks, &format!("{under_way}.0")), 1);
    let more = request(&dave, &ask("marking", json!({}))).await.unwrap().summary.id;
    assert_eq!(ended(&dave, &more).await.summary.phase, Phase::Succeeded);
    acknowledged.push(more);

    // Without a chance to tidy up.
    small.server.kill().await;
    small.server.start();
    shown(&mut small.server, small.port).await;
    acknowledged.sort();
    until("the server answers", async || show(&dave, &under_way).await.ok()).await;
    assert_eq!(runs(&dave).await, acknowledged, "what was acknowledged stays");
    let events = events(&alice).await;
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event.position, n as u64 + 1, "the log has a gap");
    }
    let about = |kind: &str| -> Vec<String> {
        let mut runs: Vec<String> = events.iter().filter(|event| event.kind == kind).filter_map(|event| event.run.clone()).collect();
        runs.sort();
        runs
    };
    assert_eq!(about("synod.run.requested"), acknowledged, "an event for each, and none for what was refused");
    assert_eq!(about("synod.task.ended").iter().filter(|run| **run == under_way).count(), 1);
}

/// PostgreSQL tells of a full disk by the state 53100 (`disk_full`), in the middle of any statement: here its own words by a trigger,
/// for no disk of a database server's can be filled on every machine.
async fn fill_postgres(h: &Harness, occasion: &str) {
    // What a sequence counts is not taken back.
    h.sql("CREATE SEQUENCE IF NOT EXISTS no_space_left").await;
    h.sql("ALTER SEQUENCE no_space_left RESTART").await;
    h.sql(
        "CREATE OR REPLACE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         PERFORM nextval('no_space_left');
         RAISE EXCEPTION 'could not extend file \"base/16384/2619\": No space left on device' USING ERRCODE = 'disk_full'; END $$",
    )
    .await;
    h.sql(&format!("CREATE TRIGGER no_space BEFORE {occasion} EXECUTE FUNCTION no_space()")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_postgres_is_told_as_one_and_gone_on_with() {
    let h = Harness::postgres().await;
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({})), template("waits", json!({}))]).await;
    let _agent = h.simulated("web-1", &[("role", "web")]).await;
    let dave = h.client("dave").await;
    fill_postgres(&h, "INSERT ON runs").await;
    let wanted = ask("waits", json!({}));
    for _ in 0..3 {
        let problem = refused(request(&dave, &wanted).await, "SYN-9001");
        assert!(problem.status == 503 && problem.retry_after_s.is_some() && !problem.detail.contains("base/"), "{problem:?}");
        let body = serde_json::to_string(&wanted).unwrap();
        let answer = dave.raw(Method::POST, &format!("{API}/runs"), &[("content-type", "application/json")], body.into()).await.unwrap();
        assert!(answer.status() == 503 && answer.headers().contains_key("retry-after"), "{:?}", answer.headers());
    }
    assert!(runs(&dave).await.is_empty(), "nothing was done by halves");
    h.sql("DROP TRIGGER no_space ON runs").await;
    let pending = request(&dave, &wanted).await.unwrap().summary.id;
    // A result that cannot be recorded waits, and is not asked for twice.
    fill_postgres(&h, "UPDATE ON tasks FOR EACH ROW WHEN (NEW.phase = 'succeeded')").await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap().summary.id;
    until("the refusal of its result", async || (h.sql("SELECT 1 FROM no_space_left WHERE is_called").await == 1).then_some(())).await;
    assert_eq!(show(&dave, &run).await.unwrap().summary.phase, Phase::Running);
    h.sql("DROP TRIGGER no_space ON tasks").await;
    assert_eq!(ended(&dave, &run).await.tasks.succeeded, 1);
    let mut all = runs(&dave).await;
    all.sort();
    let mut wanted = vec![pending, run.clone()];
    wanted.sort();
    assert_eq!(all, wanted);
    let told = h.events(&format!("&run={run}")).await;
    assert_eq!(told.iter().filter(|event| event.kind == "synod.task.ended").count(), 1, "once");
}
