//! The harness of the cross-role stories: a server in this process, a database of its own, a clock that can be
//! set, people who sign in, and agents, real and simulated.

pub mod agents;
pub mod calls;
pub mod cli;
pub mod consensus;
pub mod disk;
pub mod hostile;
pub mod leaks;
pub mod process;
pub mod proxy;
pub mod story;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use synod_protocol::http::auth::{LoginRequest, SessionToken};
use synod_protocol::http::client::Client;
use synod_protocol::http::node::{CreatedJoinToken, NewJoinToken};
use synod_protocol::http::object::{ApplyRequest, ApplyResponse};
use synod_protocol::http::user::{Bootstrap, NewUser, User};
use synod_protocol::tls::Trust;
use synod_server::config::StepUp;
use synod_server::{App, Clock, Config, Running};
use tokio::sync::Mutex;

pub use calls::*;

/// Where the API begins.
pub const API: &str = "/api/v1";
/// The password of everybody in the stories.
pub const PASSWORD: &str = "correct horse battery";

/// Which database a story is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// A database of its own in the cluster that `SYNOD_TEST_POSTGRES` names.
    Postgres,
}

/// A server, its database, and the people who use it.
pub struct Harness {
    /// The server; `None` after [`Harness::stop`].
    pub server: Option<Running>,
    /// The server's clock, and that of simulated agents.
    pub clock: Clock,
    /// On which database.
    pub engine: Engine,
    /// The database, reached directly.
    pub database: String,
    /// Everything on disk.
    pub dir: tempfile::TempDir,
    config: Config,
    sessions: Mutex<HashMap<String, String>>,
}

/// Makes a database of its own and returns its URL.
pub async fn new_database(engine: Engine, dir: &Path) -> String {
    if engine == Engine::Sqlite {
        return format!("sqlite:{}", dir.join("synod.db").display());
    }
    let base = std::env::var("SYNOD_TEST_POSTGRES").expect(
        "this story needs PostgreSQL: run it through `make test` or `scripts/with-postgres.sh cargo nextest run -p synod-e2e`, which set SYNOD_TEST_POSTGRES",
    );
    let name = format!("synod_e2e_{:032x}", rand::random::<u128>());
    let admin = sqlx::PgPool::connect(&base).await.expect("SYNOD_TEST_POSTGRES names a server that does not answer");
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    format!("{}/{name}", base.rsplit_once('/').unwrap().0)
}

impl Harness {
    /// A server on SQLite with its first administrator, alice.
    pub async fn sqlite() -> Self {
        Self::start(Engine::Sqlite, |_| {}).await
    }

    /// A server on a PostgreSQL database of its own with its first administrator, alice.
    pub async fn postgres() -> Self {
        Self::start(Engine::Postgres, |_| {}).await
    }

    /// A server with other settings.
    pub async fn start(engine: Engine, tune: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = new_database(engine, dir.path()).await;
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            database: Some(database.clone()),
            state_dir: dir.path().join("server"),
            master_key_file: Some(dir.path().join("master.key")),
            ..Config::default()
        };
        // Most stories are about other things than second factors; those about them say so.
        config.security.step_up = StepUp::Enrolled;
        tune(&mut config);
        let clock = Clock::default();
        let server = synod_server::start(config.clone(), clock.clone()).await.unwrap();
        // A server that comes back does so at the same address.
        config.listen = server.address;
        let harness = Self { server: Some(server), clock, engine, database, dir, config, sessions: Mutex::new(HashMap::new()) };
        let token = std::fs::read_to_string(harness.config.state_dir.join("bootstrap.token")).unwrap();
        let first = Bootstrap { name: "alice".into(), password: PASSWORD.into(), token };
        let _: User = harness.anyone().post(&format!("{API}/bootstrap"), &first).await.unwrap();
        harness
    }

    /// The server's inside.
    pub fn app(&self) -> &Arc<App> {
        &self.server.as_ref().expect("the server was stopped").app
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.config.listen)
    }

    /// How the server is configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Stops the server.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Starts the server again, at the same address.
    pub async fn start_again(&mut self) {
        self.server = Some(synod_server::start(self.config.clone(), self.clock.clone()).await.unwrap());
    }

    /// Starts the server again at the same address, with other settings.
    pub async fn start_with(&mut self, tune: impl FnOnce(&mut Config)) {
        self.stop().await;
        tune(&mut self.config);
        self.start_again().await;
    }

    /// Another server on the same database.
    pub async fn second_server(&self) -> Running {
        let config = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), state_dir: self.dir.path().join("second"), ..self.config.clone() };
        synod_server::start(config, self.clock.clone()).await.unwrap()
    }

    /// Whom agents and people trust.
    pub fn fingerprint(&self) -> String {
        self.app().authority.fingerprint.clone()
    }

    /// A client of this server with a token, or without.
    pub fn client_with(&self, token: Option<String>) -> Client {
        Client::new(self.url().parse().unwrap(), &Trust::Fingerprint(self.fingerprint()), token).unwrap()
    }

    /// A client without a session.
    pub fn anyone(&self) -> Client {
        self.client_with(None)
    }

    /// Signs somebody in anew.
    pub async fn login(&self, user: &str) -> SessionToken {
        let request = LoginRequest { user: user.to_owned(), password: PASSWORD.into(), totp: None, cookie: false };
        self.anyone().post(&format!("{API}/auth/login"), &request).await.unwrap_or_else(|e| panic!("{user} cannot sign in: {e}"))
    }

    /// The token of somebody's session, begun when first asked for.
    pub async fn token(&self, user: &str) -> String {
        let mut sessions = self.sessions.lock().await;
        if let Some(token) = sessions.get(user) {
            return token.clone();
        }
        let token = self.login(user).await.token;
        sessions.insert(user.to_owned(), token.clone());
        token
    }

    /// A client with somebody's session.
    pub async fn client(&self, user: &str) -> Client {
        self.client_with(Some(self.token(user).await))
    }

    /// The same at another server.
    pub async fn client_at(&self, server: &Running, user: &str) -> Client {
        let token = self.token(user).await;
        Client::new(format!("https://{}", server.address).parse().unwrap(), &Trust::Fingerprint(self.fingerprint()), Some(token)).unwrap()
    }

    /// Applies documents as alice.
    pub async fn apply(&self, documents: Vec<Value>) -> ApplyResponse {
        let request = ApplyRequest { documents, dry_run: false };
        self.client("alice").await.post(&format!("{API}/apply"), &request).await.unwrap_or_else(|e| panic!("not applied: {e:?}"))
    }

    /// Creates a person, without any role.
    pub async fn person(&self, name: &str) {
        let new = NewUser { name: name.into(), display_name: String::new(), password: Some(PASSWORD.into()), service_account: false };
        let _: User = self.client("alice").await.post(&format!("{API}/users"), &new).await.unwrap();
    }

    /// The namespace `shop` with people in roles: `bob:approver dave:requester carol:approver+oncall`.
    pub async fn shop(&self, people: &str) {
        let mut documents = vec![json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"title": "The shop"}})];
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for entry in people.split_whitespace() {
            let (name, roles) = entry.split_once(':').unwrap_or((entry, ""));
            self.person(name).await;
            let mut parts = roles.split('+');
            if let Some(role) = parts.next().filter(|role| !role.is_empty()) {
                documents.push(binding(Some("shop"), role, name));
            }
            parts.for_each(|group| groups.entry(group).or_default().push(name));
        }
        for (name, members) in groups {
            documents.push(json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": name}, "spec": {"members": members}}));
        }
        self.apply(documents).await;
    }

    /// Makes a join token.
    pub async fn join_token(&self, labels: &[(&str, &str)], uses: u32) -> CreatedJoinToken {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let request = NewJoinToken { labels, uses, expires_in: synod_domain::Span::secs(3600) };
        self.client("alice").await.post(&format!("{API}/join-tokens"), &request).await.unwrap()
    }

    /// Changes the database behind the server's back.
    pub async fn sql(&self, text: &str) -> u64 {
        match self.engine {
            Engine::Sqlite => {
                let path = self.database.trim_start_matches("sqlite:");
                let sqlite = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
                sqlite.pragma_update(None, "foreign_keys", true).unwrap();
                sqlite.execute(text, []).unwrap() as u64
            }
            Engine::Postgres => {
                let pool = sqlx::PgPool::connect(&self.database).await.unwrap();
                let done = sqlx::query(sqlx::AssertSqlSafe(text.to_owned())).execute(&pool).await.unwrap().rows_affected();
                pool.close().await;
                done
            }
        }
    }

    /// A folder for an agent.
    pub fn agent_dir(&self, name: &str) -> PathBuf {
        self.dir.path().join("agents").join(name)
    }
}

/// A role for a user, as a document.
pub fn binding(namespace: Option<&str>, role: &str, user: &str) -> Value {
    let mut metadata = json!({"name": format!("{user}-{role}")});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({"apiVersion": "synod/v1", "kind": "RoleBinding", "metadata": metadata, "spec": {"role": role, "subjects": [{"user": user}]}})
}

/// A template in `shop` for nodes with `role=web`, with one approver, one step, and the input `fake`
/// that simulated agents obey; `changes` replaces fields of its spec.
pub fn template(name: &str, changes: Value) -> Value {
    let mut spec = json!({
        "title": name,
        "inputs": {"type": "object", "properties": {"fake": {"type": ["string", "object"]}}, "additionalProperties": false},
        "targets": {"selector": "role=web"},
        "approval": {"rules": [{"count": 1, "from": {"role": "approver"}}]},
        "steps": [{"name": "fake", "run": "true"}]
    });
    if let Value::Object(changes) = changes {
        for (field, value) in changes {
            spec[field] = value;
        }
    }
    json!({"apiVersion": "synod/v1", "kind": "Template", "metadata": {"namespace": "shop", "name": name}, "spec": spec})
}

/// The same, without any approval asked for.
pub fn free(name: &str, changes: Value) -> Value {
    let mut document = template(name, changes);
    document["spec"]["approval"] = json!({"rules": []});
    document
}
