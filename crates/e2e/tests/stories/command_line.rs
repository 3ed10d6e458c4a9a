//! What a user does, on the command line alone: the program as it is, one command after the other, against a server and agents
//! that are processes of their own, from the first administrator to a server on the restored database.

use std::path::{Path, PathBuf};

use serde_json::Value;
use synod_e2e::cli::Shell;
use synod_e2e::process::{Cluster, Process, shown};
use synod_e2e::*;

// Exit codes, as `synod exit-codes` lists them.
const DIFFERS: i32 = 1;
const USAGE: i32 = 2;
const INVALID: i32 = 3;
const DENIED: i32 = 4;
const NOT_FOUND: i32 = 5;
const CONFLICT: i32 = 6;
const REJECTED: i32 = 10;
const CANCELLED: i32 = 12;

const WHO: &str = r#"
apiVersion: synod/v1
kind: Namespace
metadata: { name: shop }
spec: { title: The shop }
---
apiVersion: synod/v1
kind: Group
metadata: { name: oncall }
spec: { members: [carol] }
---
apiVersion: synod/v1
kind: RoleBinding
metadata: { namespace: shop, name: requesters }
spec: { role: requester, subjects: [{ user: dave }] }
---
apiVersion: synod/v1
kind: RoleBinding
metadata: { namespace: shop, name: approvers }
spec: { role: approver, subjects: [{ user: bob }, { group: oncall }] }
---
apiVersion: synod/v1
kind: RoleBinding
metadata: { namespace: shop, name: viewers }
spec: { role: viewer, subjects: [{ user: erin }] }
"#;

/// The templates: one as in the guide, and one for each way a run can go. Each leaves a line for every task it runs.
fn templates(marks: &Path) -> String {
    let marks = marks.display();
    let plain = |name: &str, more: &str, run: &str| {
        format!(
            "---\napiVersion: synod/v1\nkind: Template\nmetadata: {{ name: {name} }}\nspec:\n  title: {name}\n  targets: {{ selector: role=web }}\n  \
             approval: {{ rules: [] }}\n  {more}\n  steps: [{{ name: it, run: '{run}' }}]\n"
        )
    };
    format!(
        r#"
apiVersion: synod/v1
kind: Template
metadata: {{ name: restart-service }}
spec:
  title: Restart a service
  description: Restarts one of the shop's services, one server first.
  inputs:
    type: object
    required: [service]
    properties: {{ service: {{ type: string, enum: [web, worker] }}, grace_s: {{ type: integer, minimum: 0, default: 0 }} }}
    additionalProperties: false
  targets: {{ selector: "role=web,env!=lab", max: 50 }}
  approval: {{ rules: [{{ count: 1, from: {{ role: approver }} }}, {{ count: 1, from: {{ group: oncall }} }}] }}
  strategy: {{ type: oneThenRest }}
  steps:
    - name: restart
      run: sleep {{{{ inputs.grace_s }}}}; echo restarting {{{{ inputs.service }}}}; echo "$SYNOD_TASK" >> {marks}
    - name: check
      run: echo running since today
      expect: {{ stdout: {{ matches: "running since" }} }}
{}{}{}{}"#,
        plain("hello", "timeout: 1m", &format!("echo hello; echo \"$SYNOD_TASK\" >> {marks}")),
        plain("gated", "strategy: { type: rolling, size: 1, gate: manual }", "echo through"),
        plain("slow", "timeout: 5m", "echo begun; sleep 300"),
        plain("broken", "timeout: 1m", "echo it broke >&2; exit 3")
    )
}

/// Everybody, and what runs.
struct Shop {
    dir: tempfile::TempDir,
    cluster: Cluster,
    url: String,
    alice: Shell,
    bob: Shell,
    carol: Shell,
    dave: Shell,
    erin: Shell,
    agents: Vec<Process>,
    marks: PathBuf,
}

impl Shop {
    /// A server, its first administrator, people, declared things and two machines: nothing but the program made them.
    async fn open(engine: Engine) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = new_database(engine, dir.path()).await;
        let cluster = Cluster::start(dir.path().to_owned(), Some(&database), 1).await;
        let url = cluster.urls[0].clone();
        let people = dir.path().join("people");
        let shell = |name: &str| Shell::new(&people, name);
        let marks = dir.path().join("marks");
        let mut shop = Self {
            alice: shell("alice"),
            bob: shell("bob"),
            carol: shell("carol"),
            dave: shell("dave"),
            erin: shell("erin"),
            agents: Vec::new(),
            dir,
            cluster,
            url,
            marks,
        };
        shop.bootstrap().await;
        shop.people().await;
        shop.declare().await;
        shop.machines().await;
        shop
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The first administrator is made once, with the token that lies beside the server.
    async fn bootstrap(&self) {
        let file = self.path("server-1/bootstrap.token");
        let token = std::fs::read_to_string(&file).unwrap();
        let bootstrap = async |user: &str| self.alice.with_password(&["bootstrap", &self.url, "--user", user, "--token-file", &file]).await;
        let made = bootstrap("alice").await.ok();
        assert!(made.out.contains("alice is owner and administrator") && made.err.contains(&self.cluster.fingerprint), "{made:?}");
        // The token is used up: it is gone, and somebody who kept it has nothing of it.
        bootstrap("mallory").await.ends(USAGE).says(&["there is no bootstrap token"]);
        std::fs::write(&file, token).unwrap();
        bootstrap("mallory").await.ends(CONFLICT).says(&["SYN-3006"]);
    }

    async fn login(&self, shell: &Shell, name: &str) {
        let said = shell.with_password(&["login", &self.url, "--user", name]).await.ok();
        assert!(said.out.contains(&format!("as {name}")), "{said:?}");
    }

    async fn people(&self) {
        self.alice.synod("get users").await.ends(DENIED);
        self.login(&self.alice, "alice").await;
        for (name, shell) in [("bob", &self.bob), ("carol", &self.carol), ("dave", &self.dave), ("erin", &self.erin)] {
            let made = self.alice.with_password(&["user", "create", name]).await.ok();
            assert_eq!(made.out, format!("user {name} created\n"));
            self.alice.with_password(&["user", "create", name]).await.ends(CONFLICT).says(&["SYN-3002"]);
            let wrong = shell.with("not the password\n", &["login", &self.url, "--user", name, "--password-stdin"]).await;
            let wrong = wrong.ends(DENIED).says(&["SYN-2001"]);
            // Whom it trusts is shown while nothing is pinned.
            assert!(wrong.err.contains(&self.cluster.fingerprint), "{wrong:?}");
            self.login(shell, name).await;
        }
        assert!(self.erin.ok("whoami").await.contains("erin"));
    }

    /// Files, a folder, and the standard input; first only looked at.
    async fn declare(&self) {
        let declared = self.alice.home().join("declared");
        std::fs::create_dir_all(declared.join("templates")).unwrap();
        std::fs::write(declared.join("who.yaml"), WHO).unwrap();
        std::fs::write(declared.join("templates/shop.yml"), templates(&self.marks)).unwrap();
        self.alice.synod("diff -f declared -n shop").await.ends(DIFFERS).says(&["(new)", "restart-service"]);
        assert!(self.alice.ok("apply -f declared -n shop --dry-run").await.contains("(dry run)"));
        self.alice.synod("get templates -n shop").await.ends(NOT_FOUND);
        let applied = self.alice.ok("apply -f declared -n shop").await;
        assert!(applied.contains("restart-service created, revision 1"), "{applied}");
        self.alice.synod("diff -f declared -n shop").await.ok().says(&["nothing differs"]);
        let policy = "apiVersion: synod/v1\nkind: Group\nmetadata: { name: night }\nspec: { members: [bob] }\n";
        assert!(self.alice.with(policy, &["apply", "-f", "-"]).await.ok().out.contains("created"));
        self.dave.synod("apply -f /nowhere.yaml").await.ends(USAGE).says(&["/nowhere.yaml"]);
        std::fs::write(self.dave.home().join("mine.yaml"), WHO).unwrap();
        self.dave.synod("apply -f mine.yaml").await.ends(DENIED).says(&["SYN-2100"]);
        let typo = templates(&self.marks).replace("title: Restart a service", "titel: Restart a service");
        self.alice.with(&typo, &["apply", "-n", "shop", "-f", "-"]).await.ends(INVALID).says(&["titel", "did you mean `title`", "6:"]);
    }

    /// Machines join with the very command that is printed with the token.
    async fn machines(&mut self) {
        let made = self.alice.synod("token create-join --labels role=web,env=prod --uses 3 --expires 1h").await.ok();
        let command = made.err.lines().map(str::trim).find(|line| line.starts_with("synod agent ")).expect("the command for the machine").to_owned();
        assert!(command.contains(made.out.trim()), "{command}");
        for name in ["web-1", "web-2"] {
            let state = self.path(name);
            let args: Vec<&str> = command.split(' ').skip(1).chain(["--name", name, "--state-dir", &state]).collect();
            let mut agent = Process::new(self.dir.path(), name, &args);
            agent.start();
            self.agents.push(agent);
        }
        self.connected(2).await;
        let tokens = self.alice.json("token list").await;
        let token = &tokens["items"][0];
        assert_eq!(token["usesLeft"], 1, "{tokens}");
        self.alice.ok(&format!("token revoke {}", token["id"].as_str().unwrap())).await;
        let late = self.path("web-3");
        let args: Vec<&str> = command.split(' ').skip(1).chain(["--name", "web-3", "--state-dir", &late]).collect();
        let mut refused = Process::new(self.dir.path(), "web-3", &args);
        refused.start();
        assert_eq!(refused.ended().await.code(), Some(DENIED), "{}", refused.last_words());
        assert!(refused.last_words().contains("SYN-5000"), "{}", refused.last_words());
        // Labels as in kubectl.
        assert!(self.alice.ok("label node web-2 zone=b draining=yes").await.contains("draining=yes"));
        assert_eq!(self.alice.ok("label web-2 draining-").await, "node web-2: env=prod,role=web,zone=b\n");
        self.alice.synod("label web-9 zone=b").await.ends(NOT_FOUND).says(&["web-9"]);
        self.dave.synod("label web-2 zone=c").await.ends(DENIED);
        assert_eq!(self.alice.ok("get nodes -l zone=b -o name").await, "web-2\n");
    }

    async fn connected(&self, count: usize) {
        until(&format!("{count} machines connected"), async || {
            let nodes = self.alice.json("get nodes").await;
            (nodes["items"].as_array()?.iter().filter(|node| node["connected"] == true).count() == count).then_some(())
        })
        .await;
    }

    /// Requests something; the run's id.
    async fn request(&self, line: &str) -> String {
        let id = self.dave.ok(&format!("run {line} -o name")).await.trim().to_owned();
        assert!(!id.is_empty() && !id.contains(char::is_whitespace), "{id:?}");
        id
    }

    async fn run(&self, id: &str) -> Value {
        self.erin.json(&format!("get run {id}")).await
    }

    /// Waits until a run is as wanted.
    async fn run_is(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{id} {what}"), async || Some(self.run(id).await).filter(&wanted)).await
    }

    /// How often tasks of a run ran.
    fn times(&self, id: &str) -> usize {
        let marks = std::fs::read_to_string(&self.marks).unwrap_or_default();
        marks.lines().filter(|task| task.starts_with(&format!("{id}."))).count()
    }
}

/// The commands of the front page, in their order.
async fn the_tour(shop: &Shop) {
    let (alice, bob, carol, dave, erin) = (&shop.alice, &shop.bob, &shop.carol, &shop.dave, &shop.erin);
    assert!(dave.ok("get templates -n shop").await.contains("Restart a service"));
    assert!(dave.ok("describe template restart-service -n shop").await.contains("one server first"));
    assert!(dave.ok("can-i run template/restart-service -n shop").await.starts_with("yes"));
    erin.synod("can-i run template/restart-service -n shop").await.ends(DIFFERS).says(&["no", "requester"]);
    assert_eq!(dave.ok("who-can approve template/shop/restart-service -o name").await, "alice\nbob\ncarol\ndave\n");
    assert!(dave.ok("who-can run template/restart-service -n shop").await.contains("requester in shop"));

    let stuck = ["run", "restart-service", "-n", "shop", "--input", "service=web", "--target", "role=web", "--reason", "stuck workers"];
    let plan = dave.with("", &[&stuck[..], &["--dry-run"]].concat()).await.ok();
    assert!(plan.out.contains("web-1") && plan.out.contains("restarting web"), "{}", plan.out);
    assert_eq!(dave.json("get runs").await["items"].as_array().map(Vec::len), Some(0), "a dry run is no run");
    dave.synod("run shop/restart-service --input service=cache").await.ends(INVALID).says(&["SYN-1002", "service"]);
    dave.synod("run shop/restart-service --input service=web --target role=db").await.ends(INVALID).says(&["SYN-1004"]);
    dave.synod("run shop/nothing").await.ends(NOT_FOUND);
    erin.synod("run shop/restart-service --input service=web").await.ends(DENIED).says(&["SYN-2100", "requester"]);
    let mut following = alice.follow("events --follow --type synod.run.*");
    let requested = dave.with("", &stuck).await.ok();
    assert!(requested.out.contains("is pending") && requested.out.contains("nodes   2"), "{}", requested.out);
    let id = bob.ok("get runs --awaiting-me -o name").await.trim().to_owned();
    assert!(requested.out.contains(&id) && !id.is_empty(), "{}", requested.out);
    following.until("run.requested").await;

    let described = bob.ok(&format!("describe run {id}")).await;
    assert!(["stuck workers", "restarting web", "web-1", "sha256:"].iter().all(|words| described.contains(words)), "{described}");
    dave.synod(&format!("approve {id}")).await.ends(DENIED).says(&["SYN-4000"]);
    bob.synod(&format!("approve {id} --digest sha256:{}", "0".repeat(64))).await.ends(CONFLICT).says(&["the digest of the run is"]);
    let first = bob.synod(&format!("approve {id} --comment ok")).await.ok();
    assert!(first.out.contains("it is pending") && first.out.contains("missing: 1 more"), "{}", first.out);
    bob.synod(&format!("approve {id}")).await.ends(CONFLICT).says(&["SYN-4002"]);
    assert_eq!(shop.times(&id), 0, "one of two is not enough");
    let mut watching = erin.follow(&format!("watch {id}"));
    watching.until("bob approved: ok").await;
    carol.ok(&format!("approve {id} --comment fine")).await;
    // Output comes beside the events, so their order among each other is open.
    let watched = watching.until(&format!("run {id} succeeded")).await;
    for words in ["enough people agree", "batch 1 begins on 1 node", "web-1 | restarting web", "web-2 | running since", "batch 2 begins on 1 node"] {
        assert!(watched.contains(words), "`{words}` in\n{watched}");
    }
    following.until("run.succeeded").await;
    erin.synod(&format!("watch {id}")).await.ok().says(&["2 succeeded"]);
    assert_eq!(shop.times(&id), 2, "once on each node");

    assert_eq!(erin.ok(&format!("logs {id} --node web-1")).await, "restarting web\nrunning since today\n");
    let all = erin.ok(&format!("logs {id}")).await;
    assert!(all.contains("web-1 | restarting web") && all.contains("web-2 | running since today"), "{all}");
    let tasks = erin.json(&format!("get tasks --run {id}")).await;
    assert_eq!(tasks["items"].as_array().map(Vec::len), Some(2), "{tasks}");
    let csv = erin.ok(&format!("get tasks --run {id} -o csv")).await;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines.len() == 3 && lines[0].contains("node") && lines[1..].iter().all(|line| line.contains("succeeded") && line.contains(&id)), "{csv}");
    let events = erin.json(&format!("events --run {id} --type synod.approval.*")).await;
    assert_eq!(events["items"].as_array().map(Vec::len), Some(2), "{events}");

    // The same elsewhere: approved anew, and compared with the first.
    let again = dave.json(&format!("replay {id} --target zone=b")).await;
    let second = again["id"].as_str().unwrap();
    assert_eq!((again["phase"].as_str(), again["nodeCount"].as_u64()), (Some("pending"), Some(1)), "{again}");
    bob.ok(&format!("approve {second}")).await;
    carol.ok(&format!("approve {second}")).await;
    erin.synod(&format!("watch {second}")).await.ok();
    let compared = &shop.run(second).await["comparison"];
    assert!(compared["run"] == id.as_str() && compared["replay"] == true && compared["phase"] == "succeeded", "{compared}");
    assert!(compared["differences"].as_array().is_some_and(|all| !all.is_empty()), "{compared}");
    assert_eq!((shop.times(second), shop.times(&id)), (1, 2));
}

/// Every way a run can end, and the exit code of those who wait for it.
async fn every_end(shop: &Shop) {
    let (bob, dave, erin) = (&shop.bob, &shop.dave, &shop.erin);
    dave.synod("run shop/hello --wait").await.ok().says(&["2 succeeded"]);
    dave.synod("run shop/broken --wait").await.ends(DIFFERS).says(&["2 failed", "exit code 3"]);
    let failed = erin.json("get tasks --phase failed").await;
    assert_eq!(failed["items"].as_array().map(Vec::len), Some(2), "{failed}");
    assert!(failed["items"].as_array().unwrap().iter().all(|task| task["template"] == "broken" && task["exitCode"] == 3), "{failed}");
    erin.synod("get tasks --phase faild").await.ends(USAGE).says(&["failed"]);

    let rejected = shop.request("shop/restart-service --input service=worker").await;
    bob.ok(&format!("reject {rejected} --comment no")).await;
    erin.synod(&format!("watch {rejected}")).await.ends(REJECTED);
    let dropped = shop.request("shop/restart-service --input service=worker").await;
    dave.ok(&format!("cancel {dropped} --reason later")).await;
    erin.synod(&format!("watch {dropped}")).await.ends(CANCELLED);
    bob.synod(&format!("approve {dropped}")).await.ends(CONFLICT).says(&["SYN-4004"]);

    let slow = shop.request("shop/slow").await;
    shop.run_is(&slow, "is under way on both nodes", |run| run["tasks"]["started"] == 2).await;
    erin.synod(&format!("cancel {slow}")).await.ends(DENIED);
    dave.ok(&format!("cancel {slow}")).await;
    erin.synod(&format!("watch {slow}")).await.ends(CANCELLED);
    assert!(erin.ok(&format!("logs {slow} --node web-1 --raw")).await.starts_with("begun\n"));

    let gated = shop.request("shop/gated").await;
    let waiting = shop.run_is(&gated, "waits at its gate", |run| run["atGate"] == true).await;
    assert_eq!(waiting["tasks"]["succeeded"], 1, "{waiting}");
    erin.synod(&format!("proceed {gated}")).await.ends(DENIED);
    assert!(dave.ok(&format!("proceed {gated}")).await.contains("goes on"));
    erin.synod(&format!("watch {gated}")).await.ok().says(&["2 succeeded"]);
    dave.synod(&format!("proceed {gated}")).await.ends(CONFLICT);
}

/// People and programs who come and go, and revisions.
async fn administration(shop: &Shop) {
    let (alice, dave, erin) = (&shop.alice, &shop.dave, &shop.erin);
    assert!(alice.ok("user disable erin").await.contains("erin disabled"));
    erin.synod("get runs").await.ends(DENIED).says(&["SYN-2002"]);
    alice.ok("user enable erin").await;
    shop.login(erin, "erin").await;
    assert!(alice.ok("user list").await.contains("erin"));

    alice.ok("user create robot --service-account").await;
    let binding = "apiVersion: synod/v1\nkind: RoleBinding\nmetadata: { namespace: shop, name: robots }\n\
                   spec: { role: requester, subjects: [{ user: robot }] }\n";
    alice.with(binding, &["apply", "-f", "-"]).await.ok();
    let key = alice.json("api-key create nightly --user robot --expires 1d").await;
    let (secret, id) = (key["key"].as_str().unwrap(), key["id"].as_str().or(key["info"]["id"].as_str()).unwrap());
    let robot = Shell::new(&shop.dir.path().join("people"), "robot");
    let with_key = format!("--server {} --ca-fingerprint {} --token {secret}", shop.url, shop.cluster.fingerprint);
    robot.synod(&format!("run shop/hello --wait {with_key}")).await.ok().says(&["2 succeeded"]);
    assert!(alice.ok("api-key list").await.contains("nightly"));
    alice.ok(&format!("api-key revoke {id}")).await;
    robot.synod(&format!("get runs {with_key}")).await.ends(DENIED);

    let file = alice.home().join("declared/templates/shop.yml");
    let changed = std::fs::read_to_string(&file).unwrap().replace("Restart a service", "Restart one service");
    std::fs::write(&file, changed).unwrap();
    alice
        .synod("diff -f declared -n shop")
        .await
        .ends(DIFFERS)
        .says(&["-  title: Restart a service", "+  title: Restart one service"]);
    assert!(alice.ok("apply -f declared -n shop").await.contains("restart-service updated, revision 2"));
    let history = alice.json("history template restart-service -n shop").await;
    assert_eq!(history["items"].as_array().map(Vec::len), Some(2), "{history}");
    assert_eq!(dave.json("get template restart-service -n shop --revision 1").await["spec"]["title"], "Restart a service");
    dave.synod("delete template slow -n shop").await.ends(DENIED);
    assert!(alice.ok("delete template slow -n shop").await.contains("deleted"));
    dave.synod("get template slow -n shop").await.ends(NOT_FOUND);
    alice.synod("delete template slow -n shop --ignore-not-found").await.ok().says(&["is not there"]);
    // Everything declared can be written down and taken back.
    let all = alice.ok("get all -o yaml").await;
    alice.with(&all, &["diff", "-f", "-"]).await.ok().says(&["nothing differs"]);
}

/// A backup in a new database, the server on that, and the same machines and people as before.
async fn a_new_life(shop: &mut Shop, engine: Engine) {
    let before = shop.request("shop/hello").await;
    shop.erin.synod(&format!("watch {before}")).await.ok();
    let pending = shop.request("shop/restart-service --input service=web").await;
    shop.dave.synod("backup mine.jsonl").await.ends(DENIED).says(&["SYN-2100"]);
    let taken = shop.alice.ok("backup synod.jsonl").await;
    assert!(taken.contains("synod.jsonl: ") && taken.contains("sha256:"), "{taken}");
    assert!(shop.alice.ok("restore synod.jsonl --check").await.contains("is whole"));
    let backup = std::fs::read(shop.alice.home().join("synod.jsonl")).unwrap();
    std::fs::write(shop.alice.home().join("cut.jsonl"), &backup[..backup.len() / 2]).unwrap();
    shop.alice.synod("restore cut.jsonl --check").await.ends(INVALID).says(&["this is no whole backup"]);
    shop.cluster.servers[0].kill().await;

    let second = tempfile::tempdir_in(shop.dir.path()).unwrap();
    let database = new_database(engine, second.path()).await;
    let restore = format!("restore synod.jsonl --database {database}");
    assert!(shop.alice.ok(&restore).await.contains("is restored"));
    shop.alice.synod(&restore).await.ends(CONFLICT).says(&["SYN-3004", "not empty"]);
    let config = shop.dir.path().join("server-1.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text: String = text
        .lines()
        .map(|line| if line.starts_with("database") { format!("database = {database:?}\n") } else { format!("{line}\n") })
        .collect();
    assert!(text.contains(&database), "{text}");
    std::fs::write(&config, text).unwrap();
    shop.cluster.servers[0].start();
    let port = shop.url.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(shown(&mut shop.cluster.servers[0], port).await, shop.cluster.fingerprint, "the authority is the same");

    shop.connected(2).await;
    let known = shop.run(&before).await;
    assert!(known["phase"] == "succeeded" && shop.times(&before) == 2, "{known}");
    let restored = shop.alice.json("events --type synod.backup.*").await;
    let types: Vec<&str> = restored["items"].as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types.last(), Some(&"synod.backup.restored"), "{restored}");
    shop.bob.ok(&format!("approve {pending}")).await;
    shop.carol.ok(&format!("approve {pending}")).await;
    shop.erin.synod(&format!("watch {pending}")).await.ok();
    shop.dave.synod("run shop/hello --wait").await.ok().says(&["2 succeeded"]);
    assert_eq!((shop.times(&pending), shop.times(&before)), (2, 2), "nothing ran twice");
    shop.erin.ok("logout").await;
    shop.erin.synod("get runs").await.ends(DENIED);
}

async fn what_a_user_does(engine: Engine) {
    let mut shop = Shop::open(engine).await;
    the_tour(&shop).await;
    every_end(&shop).await;
    administration(&shop).await;
    a_new_life(&mut shop, engine).await;
    for agent in &mut shop.agents {
        agent.kill().await;
    }
    shop.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_does_on_sqlite() {
    what_a_user_does(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_does_on_postgres() {
    what_a_user_does(Engine::Postgres).await;
}
