//! The agent: the executor for steps on a node, and the service around it.

pub mod account;
pub mod config;
pub mod exec_as;
pub mod facts;
pub mod mask;
pub mod steps;

use std::fs::{File, OpenOptions, TryLockError};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use serde_json::Value;
use synod_domain::manifest::Manifest;
use synod_domain::verify::Refusal;
use synod_worker::{Clock, EnrolOptions, Error, Executor, Identity, Journal, OutcomeFuture, Result, Session, SessionOptions, Work, files};

pub use account::Account;
pub use config::AgentConfig;

/// Executes the steps of manifests on this machine.
#[derive(Debug, Clone)]
pub struct StepExecutor {
    config: AgentConfig,
}

impl StepExecutor {
    /// An executor with the settings of an agent.
    pub fn new(config: AgentConfig) -> Self {
        Self { config }
    }
}

impl Executor for StepExecutor {
    fn execute(&self, work: Work) -> OutcomeFuture<'_> {
        Box::pin(steps::execute(work, &self.config))
    }

    fn admit(&self, manifest: &Manifest) -> std::result::Result<(), Refusal> {
        if let Some(step) = manifest.steps.iter().find(|step| !steps::is_known(step)) {
            return Err(Refusal::Policy(format!("step `{}` is of a kind this agent does not know; it knows {}", step.name, steps::KINDS.join(", "))));
        }
        Account::resolve(manifest.run_as.as_deref(), &self.config).map(|_| ()).map_err(Refusal::Policy)
    }

    fn facts(&self) -> Value {
        facts::collect()
    }
}

/// Runs an agent until `shutdown`: enrols when needed, then keeps a stream to a server.
pub async fn run(config: AgentConfig, shutdown: impl Future<Output = ()>) -> Result<()> {
    config.check()?;
    files::private_dir(&config.state_dir)?;
    let _lock = lock(&config.state_dir)?;
    let mut shutdown = pin!(shutdown);
    let identity = tokio::select! {
        identity = join(&config) => identity?,
        () = &mut shutdown => return Ok(()),
    };
    let clock = Clock::system();
    let journal = Journal::open(&config.state_dir.join("journal"), clock.clone())?;
    let options = SessionOptions {
        servers: config.servers.clone(),
        max_parallel: config.max_parallel,
        max_output_bytes: config.max_output_bytes,
        facts_interval: config.facts_interval.duration(),
        clock,
        trust: config.trust(),
        ..SessionOptions::default()
    };
    tracing::info!(node = %identity.node().name, id = %identity.node().id, trust = config.trust.name(), "agent begins");
    Session::new(identity, journal, StepExecutor::new(config), options).run(shutdown).await
}

/// Holds the state folder for as long as the file stays open.
fn lock(state_dir: &Path) -> Result<File> {
    let path = state_dir.join("lock");
    let file = |source| Error::File { what: "lock", path: path.display().to_string(), source };
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(file)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Config(format!("another agent already uses {}", state_dir.display()))),
        Err(TryLockError::Error(source)) => Err(file(source)),
    }
}

/// The identity in the state folder, or a new one; waits for a server that cannot be reached.
async fn join(config: &AgentConfig) -> Result<Identity> {
    let dir = config.state_dir.join("identity");
    if let Some(identity) = Identity::load(&dir)? {
        return Ok(identity);
    }
    let missing = |what: &str| Error::Config(format!("this machine has not joined yet, and {what} is given; make a token with `synod token create-join`"));
    let options = EnrolOptions {
        servers: config.servers.clone(),
        name: config.node_name()?,
        token: config.join_token.clone().ok_or_else(|| missing("no join token"))?,
        ca_fingerprint: config.ca_fingerprint.clone().ok_or_else(|| missing("no fingerprint of the servers' authority"))?,
        labels: config.labels.clone(),
        facts: facts::collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        clock: Clock::system().now(),
    };
    if options.servers.is_empty() {
        return Err(missing("no server"));
    }
    let mut pause = Duration::from_secs(1);
    loop {
        match Identity::enrol(&dir, &options).await {
            Ok(identity) => {
                tracing::info!(node = %identity.node().name, id = %identity.node().id, "joined");
                return Ok(identity);
            }
            Err(error) if error.is_transient() => tracing::warn!(%error, "joining failed; trying again in {} s", pause.as_secs()),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(30));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_agent_that_cannot_begin_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let config = AgentConfig { state_dir: dir.path().join("state"), name: Some("web-1".into()), ..AgentConfig::default() };
        let error = run(config.clone(), std::future::pending()).await.unwrap_err();
        assert!(error.to_string().contains("no join token is given"), "{error}");
        let held = lock(&config.state_dir).unwrap();
        let error = run(config.clone(), std::future::pending()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("another agent already uses {}", config.state_dir.display()));
        drop(held);
        // A server that is away is waited for, until the agent is told to stop.
        let away = AgentConfig {
            servers: vec!["https://127.0.0.1:1".into()],
            join_token: Some("token".into()),
            ca_fingerprint: Some(format!("sha256:{}", "0".repeat(64))),
            ..config
        };
        run(away, tokio::time::sleep(Duration::from_millis(100))).await.unwrap();
    }
}
