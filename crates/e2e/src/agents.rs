//! Agents in this process: real ones, and simulated ones that obey the input `fake`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use synod_agent::AgentConfig;
use synod_protocol::http::Page;
use synod_protocol::http::client::Client;
use synod_protocol::http::node::Node;
use synod_worker::{Clock, EnrolOptions, Identity, Journal, Result, SessionOptions, SimulatedAgent};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{API, Harness, until};

/// An agent that runs beside the story; it stops when this is dropped.
pub struct Agent {
    /// The node's name.
    pub name: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<()>>,
}

impl Agent {
    fn spawn<F>(name: &str, run: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self { name: name.to_owned(), stop: Some(stop), task: tokio::spawn(run(stopped)) }
    }

    /// Stops it in good order.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let _ = self.task.await;
    }

    /// Ends it without warning.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Waits until it ends by itself.
    pub async fn ended(self) -> Result<()> {
        tokio::time::timeout(Duration::from_secs(20), self.task).await.expect("the agent does not end").unwrap()
    }
}

/// Waits for the stop signal, or for its sender to be dropped.
async fn stopped(signal: oneshot::Receiver<()>) {
    let _ = signal.await;
}

impl Harness {
    /// What a machine brings along that joins with a token.
    pub fn enrol_options(&self, name: &str, token: &str) -> EnrolOptions {
        EnrolOptions {
            servers: vec![self.url()],
            name: name.to_owned(),
            token: token.to_owned(),
            ca_fingerprint: self.fingerprint(),
            labels: Default::default(),
            facts: json!({"os": "simulated"}),
            version: "0.0.0".into(),
            clock: self.clock.now(),
        }
    }

    /// The identity of a new node.
    pub async fn identity(&self, name: &str, labels: &[(&str, &str)]) -> Identity {
        let token = self.join_token(labels, 1).await;
        Identity::request_with(&self.anyone(), &self.enrol_options(name, &token.token)).await.unwrap()
    }

    /// A simulated agent with an identity and a journal of its own.
    pub fn simulate(&self, identity: Identity) -> Agent {
        self.simulate_with(identity).0
    }

    /// The same, with its journal to look at.
    pub fn simulate_with(&self, identity: Identity) -> (Agent, Journal) {
        let clock = self.clock.clone();
        let options = SessionOptions { clock: Clock::from_fn(move || clock.now()), ..SessionOptions::default() };
        let name = identity.node().name.clone();
        let agent = SimulatedAgent::new(identity, json!({"os": "simulated"}), options);
        let journal = agent.journal();
        (Agent::spawn(&name, |signal| agent.run(stopped(signal))), journal)
    }

    /// Runs a simulated agent that was put together elsewhere.
    pub fn simulate_as(&self, agent: SimulatedAgent, name: &str) -> Agent {
        Agent::spawn(name, |signal| agent.run(stopped(signal)))
    }

    /// A new node with a simulated agent, connected.
    pub async fn simulated(&self, name: &str, labels: &[(&str, &str)]) -> Agent {
        let agent = self.simulate(self.identity(name, labels).await);
        self.connected(name).await;
        agent
    }

    /// New nodes `web-1` to `web-N` with `role=web` and simulated agents, connected.
    pub async fn webs(&self, count: u32) -> Vec<Agent> {
        let token = self.join_token(&[("role", "web")], count).await;
        let client = self.anyone();
        let mut agents = Vec::new();
        for n in 1..=count {
            let identity = Identity::request_with(&client, &self.enrol_options(&format!("web-{n}"), &token.token)).await.unwrap();
            agents.push(self.simulate(identity));
        }
        self.connected_count(count as usize).await;
        agents
    }

    /// The settings of a real agent that joins with a token.
    pub fn agent_config(&self, name: &str, token: Option<String>) -> AgentConfig {
        AgentConfig {
            servers: vec![self.url()],
            state_dir: self.agent_dir(name),
            name: Some(name.to_owned()),
            join_token: token,
            ca_fingerprint: Some(self.fingerprint()),
            kill_grace: synod_domain::Span::millis(500),
            ..AgentConfig::default()
        }
    }

    /// A new node with a real agent, connected.
    pub async fn agent(&self, name: &str, labels: &[(&str, &str)]) -> Agent {
        let token = self.join_token(labels, 1).await;
        std::fs::create_dir_all(self.dir.path().join("agents")).unwrap();
        let agent = self.run_agent(self.agent_config(name, Some(token.token)));
        self.connected(name).await;
        agent
    }

    /// Runs a real agent.
    pub fn run_agent(&self, config: AgentConfig) -> Agent {
        let name = config.name.clone().unwrap_or_default();
        Agent::spawn(&name, |signal| synod_agent::run(config, stopped(signal)))
    }

    async fn nodes(&self, client: &Arc<Client>) -> Vec<Node> {
        let page: Called<Page<Node>> = client.get(&format!("{API}/nodes?limit=500")).await;
        page.map(|page| page.items).unwrap_or_default()
    }

    /// Waits until a node's agent is connected.
    pub async fn connected(&self, name: &str) -> Node {
        let client = Arc::new(self.client("alice").await);
        until(&format!("{name} connected"), async || self.nodes(&client).await.into_iter().find(|n| n.name == name && n.connected)).await
    }

    /// Waits until so many agents are connected.
    pub async fn connected_count(&self, count: usize) {
        let client = Arc::new(self.client("alice").await);
        until(&format!("{count} agents connected"), async || (self.nodes(&client).await.iter().filter(|n| n.connected).count() == count).then_some(())).await;
    }

    /// Waits until a node's agent is not connected any more.
    pub async fn disconnected(&self, name: &str) {
        let client = Arc::new(self.client("alice").await);
        until(&format!("{name} disconnected"), async || self.nodes(&client).await.iter().all(|n| n.name != name || !n.connected).then_some(())).await;
    }
}

use crate::Called;
