//! A server for tests: signs certificates, takes streams, and lets the test speak on them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use synod_domain::Timestamp;
use synod_domain::manifest::{Manifest, NodeEntry, NodeSet, SealedSecret, node_tree, secret_commitment};
use synod_domain::task::{Outcome, Segment};
use synod_protocol::agent::agent_message::Body as Up;
use synod_protocol::agent::agent_server::{Agent, AgentServer};
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::agent::{
    ALPN, Acknowledged, AgentMessage, Alarm, Assignment, Assignments, ENROL_ALPN, Finished, Heartbeat, Hello, Report, ServerMessage, Welcome, report,
};
use synod_protocol::http::node::{EnrolRequest, EnrolResponse};
use synod_protocol::tls;
use synod_worker::{Clock, EnrolOptions, Identity};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(10);
const SALT: &[u8] = b"salt";

type Ca = CertifiedIssuer<'static, KeyPair>;

pub struct Hub {
    ca: Arc<Ca>,
    url: String,
    streams: mpsc::Receiver<Stream>,
    recipient: String,
    identity: Option<Identity>,
    /// What streams begin with, but for the clock.
    pub welcome: Arc<Mutex<Welcome>>,
}

/// One agent's stream, from the server's side.
pub struct Stream {
    pub hello: Hello,
    down: mpsc::Sender<Result<ServerMessage, Status>>,
    up: Streaming<AgentMessage>,
    seen: Vec<Report>,
    csrs: Vec<String>,
    alarms: Vec<Alarm>,
    beats: Vec<Heartbeat>,
}

/// A task in the making.
pub struct Made {
    pub assignment: Assignment,
    recipient: String,
}

impl Made {
    pub fn seal(&mut self, value: &str) {
        let secrets = json!({"password": SealedSecret { salt: hex::encode(SALT), value: value.into() }});
        let recipient: age::x25519::Recipient = self.recipient.parse().unwrap();
        self.assignment.sealed_secrets = age::encrypt(&recipient, secrets.to_string().as_bytes()).unwrap();
    }
}

fn sign(ca: &Ca, csr: &str, lives: u64) -> String {
    let csr = CertificateSigningRequestParams::from_pem(csr).unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(Clock::system().now().0.unsigned_abs());
    // Three quarters of its life are over, unless it lives for days.
    (params.not_before, params.not_after) = if lives > 0 {
        (now - Duration::from_secs(60), now + Duration::from_secs(lives * 86_400))
    } else {
        (now - Duration::from_secs(7500), now + Duration::from_secs(2500))
    };
    params.signed_by(&csr.public_key, ca).unwrap().pem()
}

struct Service(mpsc::Sender<Stream>, Arc<Mutex<Welcome>>);

#[tonic::async_trait]
impl Agent for Service {
    type ConnectStream = ReceiverStream<Result<ServerMessage, Status>>;

    async fn connect(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::ConnectStream>, Status> {
        let mut up = request.into_inner();
        let (down, answers) = mpsc::channel(16);
        let Some(Up::Hello(hello)) = up.message().await?.and_then(|m| m.body) else { return Err(Status::invalid_argument("no hello")) };
        let stream = Stream { hello, down, up, seen: Vec::new(), csrs: Vec::new(), alarms: Vec::new(), beats: Vec::new() };
        let welcome = Welcome { clock_ms: Clock::system().now().0, ..self.1.lock().unwrap().clone() };
        stream.send(Down::Welcome(welcome)).await;
        let _ = self.0.send(stream).await;
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

impl Hub {
    pub async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = Arc::new(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap());
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &*ca).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(ca.der().to_vec())).unwrap();
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let mut config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![leaf.der().clone(), ca.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        config.alpn_protocols = vec![ALPN.to_vec(), ENROL_ALPN.to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (sender, streams) = mpsc::channel(16);
        let welcome = Arc::new(Mutex::new(Welcome { server_id: "hub".into(), heartbeat_s: 1, ..Welcome::default() }));
        let (signer, servers) = (ca.clone(), vec![url.clone()]);
        let enrol = move |Json(request): Json<EnrolRequest>| async move {
            if request.token != "token" {
                let problem = json!({"type": "x", "title": "t", "status": 401, "code": "SYN-5000", "detail": "not accepted", "requestId": "", "problems": []});
                return (axum::http::StatusCode::UNAUTHORIZED, [("content-type", "application/problem+json")], problem.to_string());
            }
            let answer = EnrolResponse { node_id: "id-0".into(), certificate_pem: sign(&signer, &request.csr_pem, 0), ca_pem: signer.pem(), servers };
            (axum::http::StatusCode::CREATED, [("content-type", "application/json")], serde_json::to_string(&answer).unwrap())
        };
        let routes = tonic::service::Routes::new(AgentServer::new(Service(sender, welcome.clone()))).into_axum_router();
        let app: Router = routes.route("/api/v1/agent/enrol", post(enrol));
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, app) = (acceptor.clone(), app.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
                        .await;
                });
            }
        });
        let mut hub = Self { ca, url, streams, recipient: String::new(), identity: None, welcome };
        let identity = Identity::request(&hub.enrol_options()).await.unwrap();
        hub.recipient = identity.age_recipient().unwrap();
        hub.identity = Some(identity);
        hub
    }

    pub fn enrol_options(&self) -> EnrolOptions {
        EnrolOptions {
            servers: vec![self.url.clone()],
            name: "web-1".into(),
            token: "token".into(),
            ca_fingerprint: tls::fingerprint(self.ca.der()),
            labels: Default::default(),
            facts: json!({}),
            version: "1".into(),
            clock: Clock::system().now(),
        }
    }

    pub async fn enrol(&self, dir: &Path) -> Identity {
        Identity::enrol(dir, &self.enrol_options()).await.unwrap()
    }

    pub fn identity(&self) -> Identity {
        self.identity.clone().unwrap()
    }

    pub fn sign(&self, csr: &str, days: u64) -> String {
        sign(&self.ca, csr, days)
    }

    pub async fn accept(&mut self) -> Stream {
        timeout(PATIENCE, self.streams.recv()).await.expect("nobody connects").unwrap()
    }

    /// A task that verifies, changed as told.
    pub fn assignment(&self, task: &str, inputs: Value, change: impl FnOnce(&mut Made)) -> Assignment {
        let nodes: Vec<NodeEntry> = ["web-1", "web-2"].iter().enumerate().map(|(n, name)| NodeEntry { id: format!("id-{n}"), name: (*name).into() }).collect();
        let now = Clock::system().now();
        let at = |ms: i64| Timestamp(now.0 + ms).to_string();
        let secrets = if task.starts_with("sealed") || task.starts_with("bad") { json!({"password": secret_commitment(SALT, "hush hush")}) } else { json!({}) };
        let manifest: Manifest = serde_json::from_value(json!({
            "apiVersion": "synod/v1", "kind": "Manifest", "run": task.rsplit_once('.').unwrap().0, "namespace": "shop",
            "template": {"name": "t", "revision": 1, "digest": "sha256:00", "author": "alice"},
            "requester": "dave", "reason": "", "inputs": inputs, "secrets": secrets, "nodes": NodeSet::of(&nodes).unwrap(),
            "strategy": {"type": "allAtOnce"}, "approval": {"rules": [{"count": 1, "from": {"role": "approver"}}]},
            "steps": [{"name": "fake", "run": "true"}], "timeout": "1m", "startDeadline": "1m", "createdAt": at(-1000),
            "approveBy": at(60_000), "expiresAt": at(60_000), "nonce": task,
        }))
        .unwrap();
        let (bytes, digest) = manifest.seal().unwrap();
        let path = node_tree(&nodes).unwrap().path(0).unwrap();
        let approvals = json!([{"person": "bob", "decision": "approve", "digest": digest, "at": at(0), "rules": [0]}]);
        let assignment = Assignment {
            task: task.into(),
            manifest: bytes.into(),
            digest,
            approvals_json: approvals.to_string(),
            index: 0,
            size: 2,
            path: path.iter().map(|hash| hash.to_vec()).collect(),
            start_by_ms: now.0 + 60_000,
            sealed_secrets: Vec::new(),
        };
        let mut made = Made { assignment, recipient: self.recipient.clone() };
        change(&mut made);
        made.assignment
    }
}

impl Stream {
    pub async fn send(&self, body: Down) {
        let _ = self.down.send(Ok(ServerMessage { body: Some(body) })).await;
    }

    pub async fn assign(&self, assignments: Vec<Assignment>) {
        self.send(Down::Assignments(Assignments { assignments })).await;
    }

    pub async fn ack(&self, task: &str) {
        self.send(Down::Acknowledged(Acknowledged { tasks: vec![task.into()] })).await;
    }

    async fn read(&mut self) {
        let message = timeout(PATIENCE, self.up.message()).await.expect("nothing comes").unwrap().expect("the agent closed the stream");
        match message.body {
            Some(Up::Reports(reports)) => self.seen.extend(reports.reports),
            Some(Up::Renewal(renewal)) => self.csrs.push(renewal.csr_pem),
            Some(Up::Alarm(alarm)) => self.alarms.push(alarm),
            Some(Up::Heartbeat(beat)) => self.beats.push(beat),
            _ => {}
        }
    }

    async fn wait<T>(&mut self, task: &str, pick: impl Fn(&report::Body) -> Option<T>) -> T {
        loop {
            let found = self.seen.iter().enumerate().filter(|(_, r)| r.task == task).find_map(|(n, r)| Some((n, pick(r.body.as_ref()?)?)));
            if let Some((n, value)) = found {
                self.seen.remove(n);
                return value;
            }
            self.read().await;
        }
    }

    pub async fn started(&mut self, task: &str) {
        self.wait(task, |body| matches!(body, report::Body::Started(_)).then_some(())).await;
    }

    pub async fn output(&mut self, task: &str) -> Vec<Segment> {
        self.wait(task, |body| match body {
            report::Body::Output(output) => Some(serde_json::from_str(&output.segments_json).unwrap()),
            _ => None,
        })
        .await
    }

    /// The result as it came.
    pub async fn result(&mut self, task: &str) -> Finished {
        self.wait(task, |body| if let report::Body::Finished(finished) = body { Some(finished.clone()) } else { None }).await
    }

    pub async fn alarm(&mut self) -> Alarm {
        while self.alarms.is_empty() {
            self.read().await;
        }
        self.alarms.remove(0)
    }

    /// The alarms that came until the next heartbeat.
    pub async fn alarms(&mut self) -> Vec<Alarm> {
        self.beat(|_| true).await;
        std::mem::take(&mut self.alarms)
    }

    /// The next heartbeat that is as wanted.
    pub async fn beat(&mut self, wanted: impl Fn(&Heartbeat) -> bool) -> Heartbeat {
        self.beats.clear();
        loop {
            self.read().await;
            if let Some(found) = self.beats.iter().find(|beat| wanted(beat)) {
                return found.clone();
            }
        }
    }

    pub async fn finished(&mut self, task: &str) -> (Outcome, Vec<Segment>) {
        self.wait(task, |body| match body {
            report::Body::Finished(finished) => {
                let segments = finished.output.iter().flat_map(|o| serde_json::from_str::<Vec<Segment>>(&o.segments_json).unwrap()).collect();
                Some((serde_json::from_str(&finished.outcome_json).unwrap(), segments))
            }
            _ => None,
        })
        .await
    }

    /// How often a new certificate was asked for and not looked at.
    pub fn renewals(&self) -> usize {
        self.csrs.len()
    }

    pub async fn renewal(&mut self) -> String {
        while self.csrs.is_empty() {
            self.read().await;
        }
        self.csrs.remove(0)
    }
}
