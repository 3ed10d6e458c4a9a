//! The demo's processes: a server and three agents, each a process of its own that can be killed and started again.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use synod_domain::Span;
use synod_protocol::http::Page;
use synod_protocol::http::auth::{LoginRequest, SessionToken};
use synod_protocol::http::client::{Address, Client, ClientError};
use synod_protocol::http::node::{CreatedJoinToken, NewJoinToken, Node};
use synod_protocol::http::object::{ApplyRequest, ApplyResponse};
use synod_protocol::http::trust::{PublishRoot, TrustRoot};
use synod_protocol::http::user::{Bootstrap, NewUser, User};
use synod_protocol::tls::{self, Trust};
use tokio::process::{Child, Command};

use super::super::API;
use super::{NODES, PEOPLE, folder, keys};
use crate::exit::{Exit, Fault, Result};

const SHOP: &str = include_str!("../../../../../examples/demo/shop.yaml");
const SUPERVISOR: &str = include_str!("../../../../../examples/demo/supervisor");
const UP_WITHIN: Duration = Duration::from_secs(30);

/// The demo's processes and what is needed to talk to them.
pub struct Fleet {
    /// The program itself.
    pub program: PathBuf,
    /// Where everything lives.
    pub dir: PathBuf,
    /// The server.
    pub url: String,
    /// Its certificate authority.
    pub fingerprint: String,
    /// The digest of the trust root the agents pin; none in the folder of a demo that is older than trust roots.
    pub trust_root: Option<String>,
    /// The URL of its database.
    pub database: String,
    address: Address,
    config: PathBuf,
    server: Option<Child>,
    agents: Vec<(&'static str, Option<Child>)>,
    _lock: File,
}

fn failed(what: impl Into<String>) -> Fault {
    Fault::new(Exit::Internal, what)
}

impl Fleet {
    /// Starts everything: the server, its users and templates, and the agents. What an earlier demo left in the folder is gone on with.
    pub async fn start(dir: &Path, listen: SocketAddr, database: Option<&str>, walk: bool) -> Result<Self> {
        let program = std::env::current_exe().map_err(|e| failed(format!("cannot find this program: {e}")))?;
        // The processes and the steps have working folders of their own.
        let dir = std::path::absolute(dir).map_err(|e| Fault::file("find", dir, &e))?;
        let make = |path: &Path| std::fs::create_dir_all(path).map_err(|e| Fault::file("make", path, &e));
        make(&dir)?;
        let lock = folder::lock(&dir)?;
        let again = folder::left_behind(&dir, database, walk)?;
        let listen = if listen.port() == 0 { free_port()? } else { listen };
        let url = format!("https://{listen}");
        let address: Address = url.parse().map_err(failed)?;
        if tokio::net::TcpStream::connect((address.host.as_str(), address.port)).await.is_ok() {
            return Err(Fault::usage(format!("something listens on {listen} already")).help("choose another address with --listen 127.0.0.1:PORT"));
        }
        if again {
            folder::forget_services(&dir)?;
        }
        for folder in ["bin", "server", "services"] {
            make(&dir.join(folder))?;
        }
        let supervisor = dir.join("bin/supervisor");
        // Steps run with an environment of their own, so the script itself says where the demo's services live.
        let place = synod_domain::render::shell_quote(&dir.join("services").display().to_string());
        std::fs::write(&supervisor, SUPERVISOR.replacen("set -eu\n", &format!("set -eu\nDEMO_SERVICES={place}\n"), 1))
            .map_err(|e| Fault::file("write", &supervisor, &e))?;
        std::fs::set_permissions(&supervisor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(|e| Fault::file("write", &supervisor, &e))?;
        let config = dir.join("server.toml");
        let mut text = format!("listen = \"{listen}\"\nurl = \"{url}\"\nstate_dir = {:?}\n", dir.join("server"));
        text.push_str(&folder::database_line(database));
        // In the demo nobody has an authenticator at hand; who enrols one is asked for it.
        text.push_str("\n[security]\nstep_up = \"enrolled\"\n");
        std::fs::write(&config, text).map_err(|e| Fault::file("write", &config, &e))?;
        let database = database.map_or_else(|| format!("sqlite:{}", dir.join("server/synod.db").display()), str::to_owned);
        let trust_root = if again { keys::pinned(&dir)? } else { None };
        let fingerprint = String::new();
        let mut fleet = Self { program, dir, url, fingerprint, trust_root, database, address, config, server: None, agents: Vec::new(), _lock: lock };
        let set_up = async {
            fleet.start_server().await?;
            if again { fleet.go_on().await } else { fleet.populate().await }
        };
        if let Err(fault) = set_up.await {
            fleet.stop().await;
            return Err(fault);
        }
        Ok(fleet)
    }

    fn spawn(&self, log: &str, args: &[&str], envs: &[(&str, String)]) -> Result<Child> {
        let path = self.dir.join(format!("{log}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|e| Fault::file("write", &path, &e))?;
        Command::new(&self.program)
            .args(args)
            .envs(envs.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            // Ctrl-C at the terminal is for the demo; it stops its processes itself, in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed(format!("cannot start {}: {e}", self.program.display())))
    }

    /// Starts (or starts again) the server and waits until it answers.
    pub async fn start_server(&mut self) -> Result<()> {
        let database = self.database.clone();
        self.start_server_on(&database).await
    }

    /// The same with another database.
    pub async fn start_server_on(&mut self, database: &str) -> Result<()> {
        let config = self.config.display().to_string();
        self.server = Some(self.spawn("server", &["server", "--config", &config, "--database", database], &[])?);
        let until = Instant::now() + UP_WITHIN;
        loop {
            if let Some(child) = &mut self.server
                && let Ok(Some(status)) = child.try_wait()
            {
                let log = std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
                return Err(failed(format!("the server ended at once ({status}):\n{log}")));
            }
            if let Ok(fingerprint) = tls::shown_authority(&self.address.host, self.address.port).await {
                self.fingerprint = fingerprint;
                return Ok(());
            }
            if Instant::now() > until {
                return Err(failed("the server is not up within 30 s"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops the server in order.
    pub async fn stop_server(&mut self) {
        if let Some(mut child) = self.server.take() {
            end(&mut child).await;
        }
    }

    /// Kills the server without warning, as a power cut would.
    pub async fn kill_server(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill().await;
        }
    }

    /// The file with the authority's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// A client without a session.
    pub fn anyone(&self) -> Result<Client> {
        Ok(Client::new(self.address.clone(), &Trust::Fingerprint(self.fingerprint.clone()), None)?)
    }

    /// A client with a session of one of the demo's people.
    pub async fn client(&self, user: &str) -> Result<Client> {
        Ok(self.anyone()?.with_token(Some(self.session(user).await?)))
    }

    async fn session(&self, user: &str) -> Result<String> {
        let password = PEOPLE
            .iter()
            .find(|(name, ..)| *name == user)
            .map(|(_, password, _)| (*password).to_owned())
            .ok_or_else(|| failed("no such person in the demo"))?;
        let request = LoginRequest { user: user.to_owned(), password, totp: None, cookie: false };
        let session: SessionToken = self.anyone()?.post(&format!("{API}/auth/login"), &request).await?;
        Ok(session.token)
    }

    /// Runs a command of the program to its end: as one of the demo's people, or as somebody without any server. Logins that
    /// are saved on this machine have no part in it.
    pub async fn synod(&self, user: Option<&str>, args: &[&str]) -> Result<std::process::Output> {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.dir).stdin(Stdio::null()).kill_on_drop(true);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNOD_")) {
            command.env_remove(name);
        }
        command.env("SYNOD_CONFIG_HOME", self.dir.join("config"));
        if let Some(user) = user {
            let token = self.session(user).await?;
            command.env("SYNOD_SERVER", &self.url).env("SYNOD_TOKEN", token).env("SYNOD_CA_FINGERPRINT", &self.fingerprint);
        }
        command.output().await.map_err(|e| failed(format!("cannot start {}: {e}", self.program.display())))
    }

    /// Starts the agents of an earlier demo, whose people, templates and nodes are all there.
    async fn go_on(&mut self) -> Result<()> {
        for (name, _) in NODES {
            self.agents.push((name, None));
            self.start_agent(name)?;
        }
        match self.client(PEOPLE[0].0).await {
            Ok(alice) => self.wait_for_agents(&alice).await,
            // Her password was changed, or she has a second factor now; the agents connect without being looked at.
            Err(Fault::Client(ClientError::Problem(_))) => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn populate(&mut self) -> Result<()> {
        let (admin, password, _) = PEOPLE[0];
        let token_file = self.dir.join("server/bootstrap.token");
        if !token_file.exists() {
            return Err(Fault::usage("the database has an administrator already; a new demo needs an empty one").help("name an empty database with --database"));
        }
        let token = crate::documents::read_file(&token_file)?;
        let first = Bootstrap { name: admin.to_owned(), password: password.to_owned(), token: token.trim().to_owned() };
        let _: User = self.anyone()?.post(&format!("{API}/bootstrap"), &first).await?;
        let alice = self.client(admin).await?;
        for (name, password, _) in &PEOPLE[1..] {
            let user = NewUser { name: (*name).to_owned(), display_name: String::new(), password: Some((*password).to_owned()), service_account: false };
            let _: User = alice.post(&format!("{API}/users"), &user).await?;
        }
        let mut shop = crate::documents::Documents::default();
        shop.add("shop.yaml", SHOP.to_owned(), None)?;
        let documents = shop.values();
        let _: ApplyResponse = alice.post(&format!("{API}/apply"), &ApplyRequest { documents, dry_run: false }).await?;
        // Before the agents, who are given its digest when they join.
        keys::make(&self.dir)?;
        let signed = keys::sign_root(&self.dir, crate::when::now()).await?;
        let root: TrustRoot = alice.post(&format!("{API}/trust/roots"), &PublishRoot { envelope: signed }).await?;
        self.trust_root = Some(root.digest);
        for (name, labels) in NODES {
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let request = NewJoinToken { labels, uses: 1, expires_in: Span::secs(600) };
            let token: CreatedJoinToken = alice.post(&format!("{API}/join-tokens"), &request).await?;
            let secret = self.dir.join(format!("{name}.join"));
            synod_server::keys::write_private(&secret, token.token.as_bytes()).map_err(|e| Fault::file("write", &secret, &e))?;
            self.agents.push((name, None));
            self.start_agent(name)?;
        }
        self.wait_for_agents(&alice).await?;
        let pem = std::fs::read_to_string(self.dir.join("web-1/identity/ca.pem")).map_err(|e| failed(format!("the agents did not join: {e}")))?;
        std::fs::write(self.ca_file(), pem).map_err(|e| Fault::file("write", &self.ca_file(), &e))
    }

    /// Starts (or starts again) an agent.
    pub fn start_agent(&mut self, name: &'static str) -> Result<()> {
        let show = |path: PathBuf| path.display().to_string();
        let path = format!("{}:{}", show(self.dir.join("bin")), synod_agent::config::DEFAULT_PATH);
        let (state, join) = (show(self.dir.join(name)), show(self.dir.join(format!("{name}.join"))));
        let mut args = vec![
            "agent",
            "--server",
            &self.url,
            "--name",
            name,
            "--state-dir",
            &state,
            "--join-token-file",
            &join,
            "--ca-fingerprint",
            &self.fingerprint,
            "--path",
            &path,
        ];
        if let Some(root) = &self.trust_root {
            args.extend(["--trust", "enforce", "--trust-root", root]);
        }
        let child = self.spawn(name, &args, &[])?;
        if let Some(agent) = self.agents.iter_mut().find(|(known, _)| *known == name) {
            agent.1 = Some(child);
        }
        Ok(())
    }

    /// Stops an agent in order.
    pub async fn stop_agent(&mut self, name: &str) {
        if let Some((_, child)) = self.agents.iter_mut().find(|(known, _)| *known == name)
            && let Some(mut child) = child.take()
        {
            end(&mut child).await;
        }
    }

    /// Kills an agent without warning.
    pub async fn kill_agent(&mut self, name: &str) {
        if let Some((_, child)) = self.agents.iter_mut().find(|(known, _)| *known == name)
            && let Some(mut child) = child.take()
        {
            let _ = child.kill().await;
        }
    }

    /// Waits until all agents are connected.
    pub async fn wait_for_agents(&self, admin: &Client) -> Result<()> {
        let until = Instant::now() + UP_WITHIN;
        loop {
            let nodes: Page<Node> = admin.get(&format!("{API}/nodes")).await?;
            let up = nodes.items.iter().filter(|node| node.connected).count();
            if up == NODES.len() {
                return Ok(());
            }
            if Instant::now() > until {
                let logs: String = NODES.iter().map(|(name, _)| std::fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default()).collect();
                return Err(failed(format!("only {up} of {} agents are connected after 30 s; their logs:\n{logs}", NODES.len())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The process of a service on a node, as the supervisor wrote it down.
    pub fn service_process(&self, node: &str, service: &str) -> Option<i32> {
        std::fs::read_to_string(self.dir.join("services").join(node).join(format!("{service}.pid"))).ok()?.trim().parse().ok()
    }

    /// Ends only when one of the processes ended by itself.
    pub async fn watch(&mut self) -> Fault {
        loop {
            let children = self.agents.iter_mut().map(|(name, child)| (*name, child)).chain([("server", &mut self.server)]);
            for (name, child) in children {
                if let Some(running) = child
                    && let Ok(Some(status)) = running.try_wait()
                {
                    return failed(format!("the demo's {name} ended by itself ({status}); its log is {}", self.dir.join(format!("{name}.log")).display()));
                }
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Stops everything, the services of the nodes too.
    pub async fn stop(&mut self) {
        for (_, child) in &mut self.agents {
            if let Some(child) = child {
                end(child).await;
            }
        }
        if let Some(child) = &mut self.server {
            end(child).await;
        }
        for (node, _) in NODES {
            for service in ["web", "worker"] {
                if let Some(pid) = self.service_process(node, service) {
                    signal(pid, nix::sys::signal::Signal::SIGKILL);
                }
            }
        }
    }
}

async fn end(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        signal(pid, nix::sys::signal::Signal::SIGTERM);
    }
    if tokio::time::timeout(Duration::from_secs(8), child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
}

fn free_port() -> Result<SocketAddr> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").map_err(|e| failed(format!("no free port: {e}")))?;
    socket.local_addr().map_err(|e| failed(format!("no free port: {e}")))
}
