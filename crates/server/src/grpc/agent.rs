//! One stream per agent: takes in what it reports, hands out what it is to do.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures::Stream;
use synod_db::node::{Connected, Seen};
use synod_db::{node, task};
use synod_domain::error::{Kind, code};
use synod_domain::task::{Outcome, Phase};
use synod_domain::{Error, Result};
use synod_protocol::agent::agent_server::{Agent, AgentServer};
use synod_protocol::agent::{
    AgentMessage, Certificate, Goodbye, Hello, MAX_MESSAGE_BYTES, NotRenewed, ServerMessage, Welcome, agent_message, server_message, split_task,
};
use synod_protocol::http::node::NodeTrust;
use tokio::sync::mpsc;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::app::App;
use crate::audit::Shown;
use crate::gateway::Outgoing;
use crate::listener::Peer;
use crate::loops::reports::{self, Report};
use crate::untrusted::{bounded, without_nul};

/// How often an agent says that it lives, in seconds.
const HEARTBEAT_S: u32 = 30;

/// After how long a node asks for a certificate again when nothing else is known, in seconds.
const RENEWAL_PAUSE_S: u32 = 300;

/// The gRPC service as a router.
pub fn router(app: Arc<App>) -> axum::Router {
    let service = AgentServer::new(Gate { app }).max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES);
    tonic::service::Routes::new(service).into_axum_router()
}

struct Gate {
    app: Arc<App>,
}

/// The stream down to an agent. When it is dropped, the connection is gone.
pub struct Down {
    from_server: mpsc::Receiver<Outgoing>,
    app: Arc<App>,
    node: String,
    /// The node's name, once the stream is accepted.
    name: Option<String>,
    number: i64,
}

impl Stream for Down {
    type Item = Result<ServerMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.from_server.poll_recv(cx).map(|message| message.map(|boxed| *boxed))
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        self.app.gateway.unregister(&self.node, self.number);
        if let Some(name) = self.name.take() {
            let at = self.app.clock.now().0;
            self.app.presence.disconnected(Connected { node_id: std::mem::take(&mut self.node), session: self.number, at }, name);
        }
    }
}

#[tonic::async_trait]
impl Agent for Gate {
    type ConnectStream = Down;

    async fn connect(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Down>, Status> {
        let peer = request.extensions().get::<Peer>().cloned().ok_or_else(|| Status::unauthenticated("no client certificate"))?;
        let mut up = request.into_inner();
        let hello = match up.message().await {
            Ok(Some(AgentMessage { body: Some(agent_message::Body::Hello(hello)) })) => Ok(hello),
            Ok(_) => Err(Status::invalid_argument("the first message must be Hello")),
            Err(status) => Err(status),
        };
        let hello = hello.inspect_err(|status| {
            malformed(&self.app, &peer.0, status);
        })?;
        let (number, from_server) = self.app.gateway.register(&peer.0);
        let mut down = Down { from_server, app: self.app.clone(), node: peer.0.clone(), name: None, number };
        match greet(&self.app, &peer.0, number, hello).await {
            Ok(greeted) => {
                down.name = Some(greeted.name.clone());
                let (app, node) = (self.app.clone(), peer.0);
                tokio::spawn(async move {
                    if let Err(status) = listen(&app, &node, greeted, up).await {
                        tracing::debug!(node, %status, "an agent's stream ended");
                        if let Some(error) = malformed(&app, &node, &status) {
                            let goodbye = Goodbye { code: error.code().id.to_owned(), message: error.to_string(), retry: true };
                            app.gateway.send_down(&node, number, server_message::Body::Goodbye(goodbye));
                        }
                    }
                    app.gateway.unregister(&node, number);
                });
            }
            Err(error) => {
                let retry = matches!(error.code().kind, Kind::Unavailable | Kind::Internal);
                let body = server_message::Body::Goodbye(Goodbye { code: error.code().id.to_owned(), message: error.message().to_owned(), retry });
                self.app.gateway.send(&peer.0, body);
                self.app.gateway.unregister(&peer.0, number);
            }
        }
        Ok(Response::new(down))
    }
}

/// Counts and tells of a stream that ended because something on it cannot be read, other than those whose connection broke:
/// only these have a cause of their own.
fn malformed(app: &App, node: &str, status: &Status) -> Option<Error> {
    use std::error::Error as _;
    if status.source().is_some() || !matches!(status.code(), Code::InvalidArgument | Code::Internal | Code::OutOfRange | Code::ResourceExhausted) {
        return None;
    }
    app.counters.malformed();
    let error = Error::new(code::AGENT_MALFORMED, format!("a message of this node cannot be read: {}", status.message()));
    tracing::warn!(node, %error, "an agent's stream was closed");
    Some(error)
}

/// A stream that was greeted.
struct Greeted {
    /// The node's name.
    name: String,
    /// The stream's number.
    number: i64,
    /// How many leaves the audit log had when it was last shown on this stream; none while it could not be.
    shown: Option<u64>,
    /// How the node judges agreements.
    trust: NodeTrust,
}

/// Checks who connects, and hands out what waits for it.
async fn greet(app: &Arc<App>, node_id: &str, number: i64, hello: Hello) -> Result<Greeted> {
    let now = app.clock.now();
    let skew = hello.clock_ms.saturating_sub(now.0).saturating_abs();
    if skew > app.config.security.max_clock_skew.as_millis() {
        return Err(Error::new(code::CLOCK_SKEW, format!("the clocks of this node and the server differ by {} s", skew / 1000)));
    }
    let log = show_log(app, node_id, hello.witnessed).await;
    let mut reader = app.db.reader().await?;
    let Some(known) = node::by_id(&mut reader, node_id).await? else {
        return Err(Error::new(code::NODE_REVOKED, "this node was removed; its certificate is no longer accepted"));
    };
    let servers = crate::ops::system::alive_urls(app, &mut reader).await?;
    app.presence.connected(Connected { node_id: node_id.to_owned(), session: number, at: now.0 }, &known.name);
    let facts = valid_facts(&hello.facts_json);
    let mode = if ["observe", "enforce"].contains(&hello.trust.as_str()) { hello.trust.as_str() } else { "off" };
    let trust = NodeTrust { mode: mode.to_owned(), version: hello.trust_version, witnessed: hello.witnessed, alarm: String::new() };
    let before: NodeTrust = serde_json::from_value(known.trust.clone()).unwrap_or_default();
    // What it witnessed elsewhere heals nothing: it may have come to call out just that.
    let before = NodeTrust { witnessed: trust.witnessed, ..before };
    let version = Some(bounded(&hello.version, 100));
    app.presence
        .seen(Seen { id: node_id.to_owned(), at: now.0, facts, version, healed: healed(&before, &trust), trust: stated(&trust) });
    let access = app.access.current(&mut reader).await?;
    let roots = crate::ops::trust::missing(&mut reader, access.trust.as_deref(), &hello.trust_root, hello.trust_version).await?;
    let shown = log.as_ref().map(|log| log.size);
    let welcome = Welcome {
        server_id: app.id.clone(),
        clock_ms: now.0,
        servers,
        heartbeat_s: HEARTBEAT_S,
        checkpoint: log.map(|log| log.checkpoint),
        log_key: app.log.key().to_owned(),
        roots,
    };
    let newest = access.trust.as_ref().map_or(0, |published| published.root.version());
    app.gateway.welcome(node_id, number, welcome, newest);
    // What was meant for this node while it was away; and what it had begun and knows nothing of any more.
    let mut assigned = Vec::new();
    for (open, phase) in task::open_of_nodes(&mut reader, &[node_id.to_owned()]).await? {
        if phase == Phase::Assigned {
            assigned.push(open);
        } else if !hello.journalled.iter().any(|name| split_task(name) == Some((open.run.as_str(), open.idx))) {
            let outcome = Outcome::without_steps(Phase::Lost, "the node has no record of this task any more", now);
            app.reports.send(Report::given_up(node_id, &open.run, open.idx, outcome)).await;
        }
    }
    drop(reader);
    app.gateway.deliver(app, assigned).await?;
    Ok(Greeted { name: known.name, number, shown, trust })
}

/// Which alarms are over: a node that calls out about the log or the root does not go on with it.
fn healed(before: &NodeTrust, now: &NodeTrust) -> String {
    let about = if now.version > before.version {
        "root:"
    } else if now.witnessed > before.witnessed {
        "log:"
    } else {
        ""
    };
    about.to_owned()
}

/// What is stored of how a node judges.
fn stated(trust: &NodeTrust) -> Option<String> {
    serde_json::to_string(trust).ok()
}

/// What this node is to see of the audit log. A log that cannot be read keeps no agent from its work.
async fn show_log(app: &App, node: &str, witnessed: u64) -> Option<Shown> {
    app.log.show(&app.db, witnessed, app.clock.now()).await.unwrap_or_else(|error| {
        tracing::warn!(node, ?error, "the audit log cannot be shown to a witness");
        None
    })
}

fn valid_facts(json: &str) -> Option<String> {
    let facts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
    if json.len() > 64 * 1024 || facts.is_empty() {
        return None;
    }
    without_nul(&facts).ok()
}

async fn listen(app: &Arc<App>, node: &str, mut stream: Greeted, mut up: Streaming<AgentMessage>) -> Result<(), Status> {
    while let Some(message) = up.message().await? {
        match message.body {
            Some(agent_message::Body::Reports(batch)) => {
                for report in batch.reports {
                    match reports::read(node, report) {
                        Ok(report) => app.reports.send(report).await,
                        // One unreadable report must not keep the others from being heard.
                        Err(error) => {
                            app.counters.malformed();
                            tracing::warn!(node, %error, "an agent's report cannot be read");
                        }
                    }
                }
            }
            Some(agent_message::Body::Heartbeat(beat)) => {
                let facts = valid_facts(&beat.facts_json);
                let now_trusts = NodeTrust { version: beat.trust_version, witnessed: beat.witnessed, ..stream.trust.clone() };
                let trust = if now_trusts == stream.trust { None } else { stated(&now_trusts) };
                let healed = healed(&stream.trust, &now_trusts);
                stream.trust = now_trusts;
                app.presence.seen(Seen { id: node.to_owned(), at: app.clock.now().0, facts, version: None, trust, healed });
                // The proof begins at what the node has seen: while it has not seen what it was sent last, another one would
                // be no proof to it by the time it arrives. One that was shown nothing yet is shown the head even if it knows it.
                if stream.shown.is_none_or(|shown| beat.witnessed >= shown)
                    && let Some(log) = show_log(app, node, beat.witnessed).await
                    && (log.size > beat.witnessed || stream.shown.is_none())
                {
                    stream.shown = Some(log.size);
                    app.gateway.send_down(node, stream.number, server_message::Body::Checkpoint(log.checkpoint));
                }
            }
            Some(agent_message::Body::Renewal(renewal)) => match crate::ops::node::renew(app, node, &renewal.csr_pem).await {
                Ok(certificate_pem) => {
                    app.gateway.send(node, server_message::Body::Certificate(Certificate { certificate_pem }));
                }
                Err(error) => {
                    tracing::warn!(node, ?error, "a certificate was not renewed");
                    let (code, message) = (error.code().id.to_owned(), error.message().to_owned());
                    let retry_after_s = error.retry_after_s().unwrap_or(RENEWAL_PAUSE_S);
                    app.gateway.send(node, server_message::Body::NotRenewed(NotRenewed { code, message, retry_after_s }));
                }
            },
            Some(agent_message::Body::Alarm(alarm)) => {
                if let Err(error) = crate::ops::audit::alarm(app, node, &stream.name, &alarm).await {
                    tracing::error!(node, ?error, "an alarm could not be recorded");
                }
            }
            Some(agent_message::Body::Hello(_)) | None => return Err(Status::invalid_argument("not a message that may come now")),
        }
    }
    Ok(())
}
