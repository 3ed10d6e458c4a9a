//! The real program as processes of its own: servers and agents that can be killed without warning and started again.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synod_protocol::http::Page;
use synod_protocol::http::client::Client;
use synod_protocol::http::node::Node;
use synod_protocol::tls::{self, Trust};
use tokio::process::{Child, Command};

use crate::disk::SmallDisk;
use crate::{API, PASSWORD};

const UP_WITHIN: Duration = Duration::from_secs(60);

/// The program `synod`, which Cargo puts beside the folder of the test executables.
pub fn synod() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its executable");
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join("synod")).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("there is no program `synod` beside {}; build it first: cargo build -p synod-cli", test.display()))
}

/// A port nobody listens on, below those that outgoing connections take: a server that is started again gets it again.
pub fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = rand::random_range(12_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 12000 and 32000");
}

/// A process of the program.
pub struct Process {
    /// What it is called here.
    pub name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
    started: Instant,
}

impl Process {
    /// A process that is not started yet; what it says goes to `NAME.log` in the folder.
    pub fn new(dir: &Path, name: &str, args: &[&str]) -> Self {
        let log = dir.join(format!("{name}.log"));
        let args = args.iter().map(|a| (*a).to_owned()).collect();
        Self { name: name.to_owned(), program: synod(), args, env: Vec::new(), log, child: None, started: Instant::now() }
    }

    /// The same process where it sees a small disk.
    pub fn on(mut self, disk: &SmallDisk) -> Self {
        if let Some((first, rest)) = disk.way.split_first() {
            let program = std::mem::replace(&mut self.program, first.into()).display().to_string();
            self.args = rest.iter().cloned().chain([program]).chain(std::mem::take(&mut self.args)).collect();
        }
        self
    }

    /// The same process with a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, or starts it again.
    pub fn start(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("the log can be written");
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .env("PATH", path)
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.unwrap_or_else(|e| panic!("cannot start {}: {e}", self.program.display())));
        self.started = Instant::now();
    }

    /// SIGKILL: it gets no chance to say or write anything. Returns once it is gone.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap_or_else(|e| panic!("cannot kill {}: {e}", self.name));
        }
    }

    /// How it ended, when nobody killed it.
    pub fn ended_by_itself(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok()?
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().unwrap_or_else(|| panic!("{} was not started", self.name));
        let end = tokio::time::timeout(UP_WITHIN, child.wait()).await;
        end.unwrap_or_else(|_| panic!("{} does not end:\n{}", self.name, self.last_words())).unwrap()
    }

    /// How long ago it was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The end of what it said.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// Servers on one database, and agents.
pub struct Cluster {
    /// Where everything lives.
    pub dir: PathBuf,
    /// The servers.
    pub servers: Vec<Process>,
    /// The agents.
    pub agents: Vec<Process>,
    /// Where the servers are, in their order.
    pub urls: Vec<String>,
    /// Their authority.
    pub fingerprint: String,
}

impl Cluster {
    /// Starts servers on one database (SQLite when none is named) with one master key.
    pub async fn start(dir: PathBuf, database: Option<&str>, servers: usize) -> Self {
        let mut cluster = Self { dir, servers: Vec::new(), agents: Vec::new(), urls: Vec::new(), fingerprint: String::new() };
        let key = cluster.dir.join("master.key");
        for n in 1..=servers {
            let name = format!("server-{n}");
            let port = free_port();
            let url = format!("https://127.0.0.1:{port}");
            let mut text = format!("listen = \"127.0.0.1:{port}\"\nurl = {url:?}\nstate_dir = {:?}\nmaster_key_file = {key:?}\n", cluster.dir.join(&name));
            if let Some(database) = database {
                text.push_str(&format!("database = {database:?}\n"));
            }
            text.push_str("\n[security]\nstep_up = \"enrolled\"\n");
            let config = cluster.dir.join(format!("{name}.toml"));
            std::fs::write(&config, text).expect("the configuration can be written");
            let mut server = Process::new(&cluster.dir, &name, &["server", "--config", &config.display().to_string()]);
            server.start();
            cluster.fingerprint = shown(&mut server, port).await;
            cluster.servers.push(server);
            cluster.urls.push(url);
        }
        cluster
    }

    /// A client of every server, in their order.
    pub fn clients(&self, token: Option<&str>) -> Vec<Client> {
        let client = |url: &String| {
            let address = url.parse().expect("our own URL can be read");
            Client::new(address, &Trust::Fingerprint(self.fingerprint.clone()), token.map(str::to_owned)).expect("our own authority is trusted")
        };
        self.urls.iter().map(client).collect()
    }

    /// Makes the first administrator and returns a session of theirs.
    pub async fn bootstrap(&self, name: &str) -> String {
        let anyone = &self.clients(None)[0];
        // Each server wrote a token when it found nobody; the last one counts.
        for server in self.servers.iter().rev() {
            let Ok(token) = std::fs::read_to_string(self.dir.join(&server.name).join("bootstrap.token")) else { continue };
            let first = json!({"name": name, "password": PASSWORD, "token": token.trim()});
            if anyone.post::<_, Value>(&format!("{API}/bootstrap"), &first).await.is_ok() {
                break;
            }
        }
        self.login(name).await
    }

    /// Makes a person and returns a session of theirs.
    pub async fn person(&self, admin: &Client, name: &str) -> String {
        let _: Value = admin.post(&format!("{API}/users"), &json!({"name": name, "password": PASSWORD})).await.expect("a person is made");
        self.login(name).await
    }

    /// A session; it outlives the server that gave it.
    pub async fn login(&self, name: &str) -> String {
        let login = json!({"user": name, "password": PASSWORD});
        let session: Value = self.clients(None)[0].post(&format!("{API}/auth/login"), &login).await.expect("people may sign in");
        session["token"].as_str().expect("a session has a token").to_owned()
    }

    /// Starts agents that join under these names, and waits until they are connected.
    pub async fn join(&mut self, admin: &Client, names: &[&str]) {
        let request = json!({"labels": {"role": "web"}, "uses": names.len(), "expiresIn": "10m"});
        let token: Value = admin.post(&format!("{API}/join-tokens"), &request).await.expect("a join token is made");
        for name in names {
            let text = format!(
                "servers = {:?}\nname = {name:?}\nstate_dir = {:?}\nca_fingerprint = {:?}\njoin_token = {}\nkill_grace = \"1s\"\n",
                self.urls,
                self.dir.join(name),
                self.fingerprint,
                token["token"]
            );
            let config = self.dir.join(format!("{name}.toml"));
            std::fs::write(&config, text).expect("the configuration can be written");
            let mut agent = Process::new(&self.dir, name, &["agent", "--config", &config.display().to_string()]);
            agent.start();
            self.agents.push(agent);
        }
        let until = Instant::now() + UP_WITHIN;
        while connected(admin).await < names.len() {
            let words: Vec<String> = self.agents.iter().map(Process::last_words).collect();
            assert!(Instant::now() < until, "the agents are not connected within {UP_WITHIN:?}:\n{}", words.join("\n"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every process: the servers, then the agents.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        self.servers.iter_mut().chain(self.agents.iter_mut())
    }

    /// Kills everything.
    pub async fn stop(&mut self) {
        for process in self.agents.iter_mut().chain(self.servers.iter_mut()) {
            process.kill().await;
        }
    }
}

/// How many agents a server says are connected; none when it does not answer.
pub async fn connected(client: &Client) -> usize {
    let nodes: Result<Page<Node>, _> = client.get(&format!("{API}/nodes")).await;
    nodes.map_or(0, |page| page.items.iter().filter(|node| node.connected).count())
}

/// Waits until a server shows its authority at a port; returns the fingerprint.
pub async fn shown(server: &mut Process, port: u16) -> String {
    let until = Instant::now() + UP_WITHIN;
    loop {
        if let Some(status) = server.ended_by_itself() {
            panic!("{} ended at once ({status}):\n{}", server.name, server.last_words());
        }
        if let Ok(fingerprint) = tls::shown_authority("127.0.0.1", port).await {
            return fingerprint;
        }
        assert!(Instant::now() < until, "{} is not up within {UP_WITHIN:?}:\n{}", server.name, server.last_words());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
