//! The processes under test: one real server on a database of its own, real agents, simulated agents, people
//! who signed in once.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;
use synod_domain::Span;
use synod_domain::approval::Decision;
use synod_protocol::http::Page;
use synod_protocol::http::auth::{LoginRequest, SessionToken};
use synod_protocol::http::client::{Address, Client};
use synod_protocol::http::node::{CreatedJoinToken, NewJoinToken, Node, NodeQuery};
use synod_protocol::http::object::{ApplyRequest, ApplyResponse};
use synod_protocol::http::run::{ApprovalRequest, Run, RunRequest};
use synod_protocol::http::system::ServerInfo;
use synod_protocol::http::user::{Bootstrap, NewUser, User};
use synod_protocol::tls::{self, Trust};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The prefix of every path.
pub const API: &str = "/api/v1";
/// The namespace of the benchmark's templates.
pub const NAMESPACE: &str = "bench";
/// The template that takes two approvals.
pub const AGREED: &str = "agreed";
/// The template without approval rules.
pub const DIRECT: &str = "direct";
/// Who administers, approves first, approves second, requests.
pub const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];
const UP_WITHIN: Duration = Duration::from_secs(60);

/// The password of a person of the benchmark.
pub fn password(user: &str) -> String {
    format!("{user}-bench-password")
}

/// Where a database lives.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file in the state folder.
    Sqlite,
    /// A database of its own on the server behind this URL.
    Postgres(String),
}

impl Database {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// Simulated agents in a process of their own.
pub struct Simulated {
    child: Child,
    commands: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
    /// How many.
    pub count: usize,
    /// How long their enrolment took.
    pub enrolled_in: f64,
}

/// One server and what belongs to it. Dropping it kills all its processes.
pub struct Fleet {
    synod: PathBuf,
    /// The state, gone with the fleet.
    pub dir: PathBuf,
    _dir: tempfile::TempDir,
    /// Where the server is.
    pub url: String,
    /// Its authority.
    pub fingerprint: String,
    address: Address,
    server: Child,
    agents: Vec<Child>,
    created: Option<(String, String)>,
    tokens: Vec<String>,
}

impl Fleet {
    /// Starts a server on an empty database, with people and templates.
    pub async fn start(synod: &Path, base: &Path, database: &Database) -> Result<Self> {
        let holder = tempfile::Builder::new().prefix("synod-bench.").tempdir_in(base).with_context(|| base.display().to_string())?;
        let dir = holder.path().to_owned();
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let url = format!("https://{port}");
        let mut text = format!("listen = \"{port}\"\nurl = \"{url}\"\nstate_dir = {:?}\n", dir.join("server"));
        let mut created = None;
        if let Database::Postgres(admin) = database {
            let name = format!("synod_bench_{}", uuid::Uuid::new_v4().simple());
            execute(admin, format!("CREATE DATABASE {name}")).await?;
            text.push_str(&format!("database = {:?}\n", beside(admin, &name)?));
            created = Some((admin.clone(), name));
        }
        text.push_str("\n[security]\nstep_up = \"enrolled\"\n");
        std::fs::write(dir.join("server.toml"), text)?;
        let server = spawn_server(synod, &dir)?;
        let address: Address = url.parse().map_err(|e: String| anyhow!(e))?;
        let mut fleet = Self {
            synod: synod.to_owned(),
            dir,
            _dir: holder,
            url,
            fingerprint: String::new(),
            address,
            server,
            agents: Vec::new(),
            created,
            tokens: Vec::new(),
        };
        if let Err(error) = fleet.prepare().await {
            let log = fleet.log("server");
            fleet.stop().await;
            return Err(error.context(format!("the server's log says: {log}")));
        }
        Ok(fleet)
    }

    async fn prepare(&mut self) -> Result<()> {
        self.fingerprint = self.up().await?;
        let token = std::fs::read_to_string(self.dir.join("server/bootstrap.token"))?;
        let anyone = self.anyone()?;
        let first = Bootstrap { name: PEOPLE[0].into(), password: password(PEOPLE[0]), token: token.trim().to_owned() };
        let _: User = anyone.post(&format!("{API}/bootstrap"), &first).await?;
        self.tokens.push(sign_in(&anyone, PEOPLE[0]).await?);
        let alice = self.person(PEOPLE[0])?;
        for name in &PEOPLE[1..] {
            let user = NewUser { name: (*name).into(), display_name: String::new(), password: Some(password(name)), service_account: false };
            let _: User = alice.post(&format!("{API}/users"), &user).await?;
            self.tokens.push(sign_in(&anyone, name).await?);
        }
        let template = |name: &str, rules: serde_json::Value| {
            json!({
                "apiVersion": "synod/v1", "kind": "Template", "metadata": {"namespace": NAMESPACE, "name": name},
                "spec": {
                    "title": format!("Does nothing ({name})"), "approval": {"rules": rules}, "timeout": "2m",
                    "strategy": {"type": "allAtOnce"}, "steps": [{"name": "true", "run": "true"}],
                },
            })
        };
        let binding = |name: &str, role: &str, users: &[&str]| {
            let subjects: Vec<_> = users.iter().map(|user| json!({"user": user})).collect();
            json!({
                "apiVersion": "synod/v1", "kind": "RoleBinding", "metadata": {"namespace": NAMESPACE, "name": name},
                "spec": {"role": role, "subjects": subjects},
            })
        };
        let documents = vec![
            json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}, "spec": {"title": "Benchmark"}}),
            binding("requesters", "requester", &["dave"]),
            binding("approvers", "approver", &["bob", "carol"]),
            template(AGREED, json!([{"count": 2, "from": {"role": "approver"}}])),
            template(DIRECT, json!([])),
        ];
        let _: ApplyResponse = alice.post(&format!("{API}/apply"), &ApplyRequest { documents, dry_run: false }).await?;
        Ok(())
    }

    /// Waits until the server answers, and tells its authority.
    async fn up(&mut self) -> Result<String> {
        let until = Instant::now() + UP_WITHIN;
        loop {
            if let Some(status) = self.server.try_wait()? {
                bail!("the server ended at once ({status})");
            }
            if let Ok(fingerprint) = tls::shown_authority(&self.address.host, self.address.port).await {
                return Ok(fingerprint);
            }
            if Instant::now() > until {
                bail!("the server is not up within {} s", UP_WITHIN.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The end of a process's log.
    pub fn log(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default();
        let from = text.char_indices().rev().nth(3000).map_or(0, |(at, _)| at);
        text[from..].to_owned()
    }

    /// The server's process.
    pub fn server_pid(&self) -> Result<u32> {
        self.server.id().context("the server has ended")
    }

    /// The processes of the real agents.
    pub fn agent_pids(&self) -> Vec<u32> {
        self.agents.iter().filter_map(Child::id).collect()
    }

    /// The program under test.
    pub fn synod(&self) -> &Path {
        &self.synod
    }

    /// A client without a session.
    pub fn anyone(&self) -> Result<Client> {
        Ok(Client::new(self.address.clone(), &Trust::Fingerprint(self.fingerprint.clone()), None)?)
    }

    /// A client of a person, on a connection of its own, with the session begun at the start.
    pub fn person(&self, name: &str) -> Result<Client> {
        let n = PEOPLE.iter().position(|known| *known == name).context("no such person")?;
        Ok(self.anyone()?.with_token(Some(self.tokens.get(n).context("not signed in")?.clone())))
    }

    /// Kills the server as a power cut would and starts it again; returns when the kill was sent and when the new
    /// process was started.
    pub async fn kill_and_restart(&mut self) -> Result<(Instant, Instant)> {
        let killed = Instant::now();
        self.server.kill().await?;
        let started = Instant::now();
        self.server = spawn_server(&self.synod, &self.dir)?;
        Ok((killed, started))
    }

    /// Waits until a server that was started again answers.
    pub async fn back(&mut self) -> Result<Instant> {
        self.up().await?;
        Ok(Instant::now())
    }

    async fn join_token(&self, uses: usize, name: &str) -> Result<PathBuf> {
        let request = NewJoinToken { labels: Default::default(), uses: u32::try_from(uses)?, expires_in: Span::secs(86_400) };
        let token: CreatedJoinToken = self.person("alice")?.post(&format!("{API}/join-tokens"), &request).await?;
        let file = self.dir.join(format!("{name}.join"));
        std::fs::write(&file, token.token)?;
        Ok(file)
    }

    /// Starts real agents, each a process of its own, named PREFIX-0 and so on, and waits for them.
    pub async fn start_agents(&mut self, prefix: &str, count: usize) -> Result<()> {
        let join = self.join_token(count, prefix).await?;
        for n in 0..count {
            let name = format!("{prefix}-{n}");
            let mut command = program(&self.synod, &self.dir, &name)?;
            command.args(["agent", "--server", &self.url, "--name", &name, "--ca-fingerprint", &self.fingerprint]);
            command.arg("--state-dir").arg(self.dir.join(&name)).arg("--join-token-file").arg(&join);
            self.agents.push(command.spawn().with_context(|| self.synod.display().to_string())?);
        }
        let alice = self.person("alice")?;
        let until = Instant::now() + UP_WITHIN;
        loop {
            let nodes: Page<Node> = alice.query(&format!("{API}/nodes"), &NodeQuery { limit: Some(500), ..NodeQuery::default() }).await?;
            let connected = nodes.items.iter().filter(|node| node.connected).count();
            if connected >= self.agents.len() {
                return Ok(());
            }
            if Instant::now() > until {
                bail!(
                    "only {connected} of {} agents are connected after {} s; {prefix}-0 says: {}",
                    self.agents.len(),
                    UP_WITHIN.as_secs(),
                    self.log(&format!("{prefix}-0"))
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Starts a process of simulated agents and enrols them; they connect when told.
    pub async fn simulate(&self, prefix: &str, count: usize) -> Result<Simulated> {
        let join = self.join_token(count, prefix).await?;
        let own = std::env::current_exe()?;
        let mut command = program(&own, &self.dir, prefix)?;
        command.args(["agents", "--count", &count.to_string(), "--url", &self.url, "--ca-fingerprint", &self.fingerprint, "--prefix", prefix]);
        command.arg("--join-token-file").arg(&join).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let commands = child.stdin.take();
        let said = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let mut simulated = Simulated { child, commands, said, count, enrolled_in: 0.0 };
        let line = simulated.line(Duration::from_secs(600)).await.with_context(|| self.log(prefix))?;
        simulated.enrolled_in = line.rsplit(' ').next().and_then(|v| v.parse().ok()).unwrap_or(0.0);
        Ok(simulated)
    }

    /// Waits until the server holds so many streams, as it tells itself (every three seconds).
    pub async fn connected(&self, count: usize) -> Result<()> {
        let alice = self.person("alice")?;
        let until = Instant::now() + Duration::from_secs(180);
        loop {
            let info: ServerInfo = alice.get(&format!("{API}/server")).await?;
            let agents: u32 = info.members.iter().map(|member| member.agents).sum();
            if agents as usize >= count {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("only {agents} of {count} agents are connected; the server's log says: {}", self.log("server"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Stops everything and forgets the database.
    pub async fn stop(mut self) {
        for agent in &mut self.agents {
            let _ = agent.start_kill();
        }
        for agent in &mut self.agents {
            let _ = agent.wait().await;
        }
        let _ = self.server.kill().await;
        if let Some((admin, name)) = self.created.take() {
            let _ = execute(&admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

impl Simulated {
    async fn line(&mut self, within: Duration) -> Result<String> {
        let line = tokio::time::timeout(within, self.said.next_line()).await.map_err(|_| anyhow!("the simulated agents are silent"))??;
        line.context("the process of the simulated agents ended")
    }

    /// Lets them connect.
    pub async fn connect(&mut self) -> Result<()> {
        self.commands.as_mut().context("no way to command")?.write_all(b"connect\n").await?;
        self.line(Duration::from_secs(120)).await.map(|_| ())
    }

    /// Ends them.
    pub async fn stop(mut self) {
        self.commands = None;
        let _ = self.child.kill().await;
    }
}

fn spawn_server(synod: &Path, dir: &Path) -> Result<Child> {
    let mut command = program(synod, dir, "server")?;
    command.arg("server").arg("--config").arg(dir.join("server.toml"));
    command.spawn().with_context(|| synod.display().to_string())
}

/// A program whose log goes to a file, free of this process's own SYNOD settings.
pub fn program(path: &Path, dir: &Path, log: &str) -> Result<Command> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(dir.join(format!("{log}.log")))?;
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNOD_")) {
        command.env_remove(name);
    }
    command.env("SYNOD_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).process_group(0).kill_on_drop(true);
    Ok(command)
}

async fn sign_in(anyone: &Client, user: &str) -> Result<String> {
    let request = LoginRequest { user: user.into(), password: password(user), totp: None, cookie: false };
    let session: SessionToken = anyone.post(&format!("{API}/auth/login"), &request).await?;
    Ok(session.token)
}

/// A request for the run of a template on some nodes.
pub fn request(template: &str, target: &str) -> Result<RunRequest> {
    Ok(RunRequest {
        namespace: NAMESPACE.into(),
        template: template.into(),
        revision: None,
        inputs: json!({}),
        target: target.parse().map_err(|e: synod_domain::selector::SelectorError| anyhow!(e.to_string()))?,
        reason: "benchmark".into(),
        not_before: None,
        break_glass: None,
        dry_run: false,
    })
}

/// Asks for a run.
pub async fn ask(client: &Client, template: &str, target: &str) -> Result<Run> {
    Ok(client.post(&format!("{API}/runs"), &request(template, target)?).await?)
}

/// Approves a run.
pub async fn approve(client: &Client, run: &Run) -> Result<Run> {
    let decision = ApprovalRequest { digest: run.digest.clone(), decision: Decision::Approve, comment: String::new(), signature: None };
    Ok(client.post(&format!("{API}/runs/{}/approvals", run.summary.id), &decision).await?)
}

/// The URL of another database on the same server.
fn beside(url: &str, name: &str) -> Result<String> {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let (server, _) = path.rsplit_once('/').context("the URL names no database")?;
    Ok(query.map_or_else(|| format!("{server}/{name}"), |query| format!("{server}/{name}?{query}")))
}

async fn execute(url: &str, statement: String) -> Result<()> {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(url).await.context("SYNOD_TEST_POSTGRES names no PostgreSQL server that answers")?;
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// What durability the PostgreSQL server gives, for the record.
pub async fn postgres_settings(url: &str) -> Result<serde_json::Value> {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(url).await.context("SYNOD_TEST_POSTGRES names no PostgreSQL server that answers")?;
    let mut all = serde_json::Map::new();
    for name in ["server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "data_directory"] {
        let value: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SHOW {name}"))).fetch_one(&mut connection).await?;
        all.insert(name.to_owned(), value.into());
    }
    if let Some(folder) = all.get("data_directory").and_then(|v| v.as_str()) {
        let kind = crate::place::file_system(Path::new(folder));
        all.insert("file_system".to_owned(), kind.into());
    }
    connection.close().await?;
    Ok(all.into())
}
