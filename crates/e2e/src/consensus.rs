//! People with keys: a trust root of their own, signed decisions, and agents that judge by it.

use std::path::PathBuf;

use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_protocol::http::client::Client;
use synod_protocol::http::run::{ApprovalRequest, Run};
use synod_protocol::http::trust::{PublishRoot, RatifyRequest, TrustRoot};
use synod_trust::Envelope;
use synod_trust::approval::Statement;
use synod_trust::key::Purpose;
use synod_trust::testing::{Signer, signed_root};
use synod_worker::{Clock, SessionOptions, SimulatedAgent, TrustMode, TrustOptions};

use crate::agents::Agent;
use crate::{API, Called, Harness};

/// Somebody's key.
pub fn signer(name: &str) -> Signer {
    Signer::ed25519(name)
}

impl Harness {
    /// A root document by which two approvers among alice, bob and carol let `shop/*` run on `web-*`; any two of them sign
    /// the next one, and bob may start `shop/*` alone, twice a day.
    pub fn root_json(&self, version: u64, previous: Option<&str>) -> Value {
        let now = self.clock.now();
        let principals: Vec<Value> = ["alice", "bob", "carol"]
            .iter()
            .map(|name| json!({"name": name, "root": true, "roles": ["approver"], "groups": [], "keys": [signer(name).spec()]}))
            .collect();
        let mut root = json!({
            "apiVersion": "synod/v1", "kind": "TrustRoot", "version": version,
            "createdAt": now, "expiresAt": now.after(synod_domain::Span::secs(30 * 86_400)), "threshold": 2,
            "principals": principals,
            "rules": [{"name": "shop", "templates": ["shop/*"], "nodes": ["web-*"], "approval": {"rules": [{"count": 2, "from": {"role": "approver"}}]}}],
            "breakGlass": [{"name": "night", "who": ["bob"], "templates": ["shop/*"], "nodes": ["web-*"], "perDay": 2, "maxNodes": 3}]
        });
        if let Some(previous) = previous {
            root["previous"] = json!(previous);
        }
        root
    }

    /// Publishes a root document, signed by these.
    pub async fn publish(&self, document: &Value, by: &[&str]) -> Called<TrustRoot> {
        let signers: Vec<Signer> = by.iter().map(|name| signer(name)).collect();
        let envelope = signed_root(document, &signers.iter().collect::<Vec<_>>());
        self.client("alice").await.post(&format!("{API}/trust/roots"), &PublishRoot { envelope }).await
    }

    /// A new node with a simulated agent that judges by a root, connected.
    pub async fn judging(&self, name: &str, mode: TrustMode, root: &str, dir: Option<PathBuf>) -> Agent {
        let clock = self.clock.clone();
        let trust = TrustOptions { mode, root: Some(root.to_owned()), dir };
        let options = SessionOptions { clock: Clock::from_fn(move || clock.now()), trust, ..SessionOptions::default() };
        let identity = self.identity(name, &[("role", "web")]).await;
        let agent = self.simulate_as(SimulatedAgent::new(identity, json!({"os": "simulated"}), options), name);
        self.connected(name).await;
        agent
    }

    /// A signed statement about a run.
    pub fn statement(&self, name: &str, run: &Run, change: impl FnOnce(&mut Statement)) -> Envelope {
        let mut statement = Statement::new(&run.summary.id, &run.digest, Decision::Approve, name, "seen", self.clock.now());
        change(&mut statement);
        signer(name).sign(Purpose::Approval, statement.envelope())
    }
}

/// Sends a signed decision.
pub async fn send(who: &Client, run: &Run, decision: Decision, envelope: Envelope) -> Called<Run> {
    let request = ApprovalRequest { digest: run.digest.clone(), decision, comment: "seen".into(), signature: Some(envelope) };
    who.post(&format!("{API}/runs/{}/approvals", run.summary.id), &request).await
}

/// Approves with one's own key.
pub async fn sign(h: &Harness, name: &str, run: &Run) -> Called<Run> {
    send(&h.client(name).await, run, Decision::Approve, h.statement(name, run, |_| {})).await
}

/// Approves after the fact with one's own key.
pub async fn ratify(h: &Harness, name: &str, run: &Run) -> Called<Run> {
    let signature = h.statement(name, run, |statement| statement.ratifies = true);
    h.client(name).await.post(&format!("{API}/runs/{}/ratify", run.summary.id), &RatifyRequest { signature }).await
}
