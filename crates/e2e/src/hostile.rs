//! An agent that says whatever a story wants: a real stream with a valid certificate, and no manners.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use serde_json::{Value, json};
use synod_protocol::agent::agent_client::AgentClient;
use synod_protocol::agent::agent_message::Body as Up;
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::agent::{
    AgentMessage, Assignment, Finished, Goodbye, Hello, MAX_MESSAGE_BYTES, Output, Report, Reports, ServerMessage, Started, Welcome, report,
};
use synod_worker::Identity;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use crate::{Harness, WITHIN};

/// A stream to a server, by hand.
pub struct Hostile {
    /// Whose certificate it shows.
    pub identity: Identity,
    up: mpsc::Sender<AgentMessage>,
    down: Streaming<ServerMessage>,
    markers: u32,
}

/// A report that a task has begun.
pub fn started(task: &str, at_ms: i64) -> Report {
    Report { task: task.to_owned(), body: Some(report::Body::Started(Started { at_ms })) }
}

/// A report of output.
pub fn output(task: &str, chunk: u32, segments_json: impl Into<String>) -> Report {
    Report { task: task.to_owned(), body: Some(report::Body::Output(Output { chunk, segments_json: segments_json.into() })) }
}

/// A report that a task has ended, with a piece of output.
pub fn finished(task: &str, outcome_json: impl Into<String>, output: &[(u32, String)]) -> Report {
    let output = output.iter().map(|(chunk, segments_json)| Output { chunk: *chunk, segments_json: segments_json.clone() }).collect();
    Report { task: task.to_owned(), body: Some(report::Body::Finished(Finished { outcome_json: outcome_json.into(), output, ..Finished::default() })) }
}

/// An outcome as an agent writes it; `changes` replaces fields.
pub fn outcome(phase: &str, changes: Value) -> String {
    let mut outcome = json!({
        "phase": phase, "startedAt": null, "finishedAt": "2026-01-01T00:00:00Z", "exitCode": 0, "reason": null, "checkFailed": false,
        "warnings": [], "steps": [], "outputDigest": null, "truncated": false
    });
    if let Value::Object(changes) = changes {
        for (field, value) in changes {
            outcome[field] = value;
        }
    }
    outcome.to_string()
}

/// Segments as an agent writes them: one piece of text.
pub fn segments(text: &str) -> String {
    json!([{"step": 0, "stream": "stdout", "at": "2026-01-01T00:00:00Z", "text": text}]).to_string()
}

impl Hostile {
    /// Begins a stream with some first message; fails as the server fails it.
    pub async fn begin(identity: &Identity, first: Option<Up>) -> Result<Self, Status> {
        let mut client = AgentClient::new(channel(identity).await).max_encoding_message_size(2 * MAX_MESSAGE_BYTES);
        let (up, queued) = mpsc::channel(16);
        up.send(AgentMessage { body: first }).await.unwrap();
        let down = client.connect(ReceiverStream::new(queued)).await?.into_inner();
        Ok(Self { identity: identity.clone(), up, down, markers: 0 })
    }

    /// A stream that was greeted.
    pub async fn greeted(identity: &Identity, hello: Hello) -> Self {
        let mut stream = Self::begin(identity, Some(Up::Hello(hello))).await.expect("the stream begins");
        stream.welcome().await;
        stream
    }

    /// Sends a message; one that cannot be sent any more is lost.
    pub async fn say(&self, body: Option<Up>) {
        let _ = self.up.send(AgentMessage { body }).await;
    }

    /// Sends reports.
    pub async fn report(&self, reports: Vec<Report>) {
        self.say(Some(Up::Reports(Reports { reports }))).await;
    }

    /// Sends reports and waits until the server has dealt with all of them: it acknowledges an end it never heard of, too.
    pub async fn report_and_wait(&mut self, mut reports: Vec<Report>) {
        self.markers += 1;
        let marker = format!("marker{}.0", self.markers);
        reports.push(finished(&marker, outcome("succeeded", json!({})), &[]));
        self.report(reports).await;
        self.hear(&format!("the acknowledgement of {marker}"), |body| match body {
            Down::Acknowledged(acknowledged) if acknowledged.tasks.contains(&marker) => Some(()),
            _ => None,
        })
        .await;
    }

    /// The next message that is wanted; others are passed over.
    pub async fn hear<T>(&mut self, what: &str, mut wanted: impl FnMut(Down) -> Option<T>) -> T {
        let search = async {
            loop {
                match self.down.message().await {
                    Ok(Some(message)) => {
                        if let Some(found) = message.body.and_then(&mut wanted) {
                            return found;
                        }
                    }
                    other => panic!("{what}: the stream ended with {other:?}"),
                }
            }
        };
        tokio::time::timeout(WITHIN, search).await.unwrap_or_else(|_| panic!("{what}: not within {} s", WITHIN.as_secs()))
    }

    /// The server's greeting.
    pub async fn welcome(&mut self) -> Welcome {
        self.hear("a welcome", |body| if let Down::Welcome(welcome) = body { Some(welcome) } else { None }).await
    }

    /// The server's last words.
    pub async fn goodbye(&mut self) -> Goodbye {
        self.hear("a goodbye", |body| if let Down::Goodbye(goodbye) = body { Some(goodbye) } else { None }).await
    }

    /// A task that is given to this node.
    pub async fn assigned(&mut self) -> Assignment {
        self.hear("an assignment", |body| match body {
            Down::Assignments(list) => list.assignments.into_iter().next(),
            _ => None,
        })
        .await
    }

    /// Waits until the server has ended the stream.
    pub async fn ended(&mut self) {
        let end = async { while let Ok(Some(_)) = self.down.message().await {} };
        tokio::time::timeout(WITHIN, end).await.expect("the server keeps the stream");
    }
}

/// A connection to the agents' side of a node's server, with its certificate.
async fn channel(identity: &Identity) -> Channel {
    let address: synod_protocol::http::client::Address = identity.servers()[0].parse().unwrap();
    let connector = TlsConnector::from(Arc::new(identity.tls().unwrap()));
    let service = tower::service_fn(move |_: http::Uri| {
        let (connector, address) = (connector.clone(), address.clone());
        async move {
            let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
            let stream = connector.connect(address.host.clone().try_into().unwrap(), tcp).await?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://agent").connect_with_connector(service).await.expect("the server takes the certificate")
}

/// Messages as bytes, right or wrong; what comes back is read as it should be.
struct Bytewise;

impl Codec for Bytewise {
    type Encode = Bytes;
    type Decode = ServerMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytewise {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Bytewise {
    type Item = ServerMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<ServerMessage>, Status> {
        ServerMessage::decode(buffer).map(Some).map_err(|e| Status::internal(e.to_string()))
    }
}

/// Sends messages as they stand on a stream of their own; returns what the server said until it ended the stream.
pub async fn say_bytes(identity: &Identity, messages: Vec<Bytes>) -> Result<Vec<Down>, Status> {
    let mut client = Grpc::new(channel(identity).await).max_encoding_message_size(2 * MAX_MESSAGE_BYTES);
    client.ready().await.expect("the connection stands");
    // The stream stays open: it is the server that ends it.
    let (up, queued) = mpsc::channel(messages.len() + 1);
    for message in messages {
        up.send(message).await.unwrap();
    }
    let path = http::uri::PathAndQuery::from_static("/synod.agent.v1.Agent/Connect");
    let mut down = client.streaming(tonic::Request::new(ReceiverStream::new(queued)), path, Bytewise).await?.into_inner();
    let mut heard = Vec::new();
    let end = async {
        while let Some(message) = down.message().await? {
            heard.extend(message.body);
        }
        Ok(())
    };
    let ended: Result<(), Status> = tokio::time::timeout(WITHIN, end).await.expect("the server keeps the stream");
    ended.map(|()| heard)
}

impl Harness {
    /// What an agent says first.
    pub fn hello(&self) -> Hello {
        Hello {
            version: "0.0.0".into(),
            facts_json: json!({"os": "hostile"}).to_string(),
            journalled: Vec::new(),
            clock_ms: self.clock.now().0,
            ..Hello::default()
        }
    }

    /// A new node whose agent is the story itself, connected.
    pub async fn hostile(&self, name: &str, labels: &[(&str, &str)]) -> Hostile {
        let identity = self.identity(name, labels).await;
        let stream = Hostile::greeted(&identity, self.hello()).await;
        self.connected(name).await;
        stream
    }
}
