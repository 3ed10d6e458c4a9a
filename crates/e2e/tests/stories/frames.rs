//! Frames and messages that cannot be read, from somebody with a valid certificate: each ends what it came on, is told, is
//! counted, and is nobody else's trouble.

use bytes::Bytes;
use prost::Message as _;
use serde_json::json;
use synod_e2e::hostile::{finished, outcome, say_bytes, started};
use synod_e2e::*;
use synod_protocol::agent::agent_message::Body as Up;
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::agent::{ALPN, AgentMessage, Goodbye, MAX_MESSAGE_BYTES, Report};
use synod_protocol::tls::{self, Trust};
use synod_worker::Identity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

use super::watching::shows;

stories! {
    bytes_that_are_no_http_end_the_connection
    a_message_that_cannot_be_read_ends_the_stream
    a_report_that_cannot_be_read_ends_nothing
}

/// HTTP/2's frame types (RFC 9113, section 6).
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Sends bytes to the agents' side of a server; what comes back until the server ends the connection, frame by frame.
async fn answered(h: &Harness, certificate: &tls::Identity, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let config = tls::client_config(&Trust::Fingerprint(h.fingerprint()), Some(certificate), ALPN).unwrap();
    let tcp = tokio::net::TcpStream::connect(h.config().listen).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector.connect("127.0.0.1".try_into().unwrap(), tcp).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    // Whether it says goodbye by TLS as well does not matter: it is over.
    let _ = tokio::time::timeout(WITHIN, stream.read_to_end(&mut answer)).await.expect("the server keeps the connection open");
    let mut frames = Vec::new();
    let mut rest = &answer[..];
    while let [a, b, c, kind, _flags, _, _, _, _, more @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        assert!(length <= more.len(), "this is no HTTP/2: {:?}", String::from_utf8_lossy(&answer));
        frames.push((*kind, more[..length].to_vec()));
        rest = &more[length..];
    }
    assert!(rest.is_empty(), "this is no HTTP/2: {:?}", String::from_utf8_lossy(&answer));
    frames
}

async fn bytes_that_are_no_http_end_the_connection(h: Harness) {
    let token = h.join_token(&[("role", "web")], 1).await;
    let dir = h.agent_dir("web-1");
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    let identity = Identity::enrol(&dir, &h.enrol_options("web-1", &token.token)).await.unwrap();
    let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
    let certificate = tls::Identity { certificate_pem: read("cert.pem"), key_pem: read("key.pem") };
    // What is no HTTP/2 at all gets at most the settings that every server begins with: no answer, and no other service.
    for garbage in [&b"GET /api/v1/auth/whoami HTTP/1.1\r\nhost: x\r\n\r\n"[..], &[0xff; 4096], &[0; 64]] {
        let frames = answered(&h, &certificate, garbage).await;
        assert!(frames.iter().all(|(kind, _)| [SETTINGS, GOAWAY].contains(kind)), "{frames:?}");
    }
    // A frame that breaks the rules is answered with the number of the error: settings of one byte, data on no stream, headers
    // that are none, and a frame larger than any may be.
    let headers = [0, 0, 4, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    for (broken, errors) in [
        (&[0, 0, 1, 4, 0, 0, 0, 0, 0, 0][..], &[1u32, 6][..]),
        (&[0, 0, 1, 0, 0, 0, 0, 0, 0, 0], &[1]),
        (&headers, &[9, 1]),
        (&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0], &[1, 6]),
    ] {
        let opening = [PREFACE, &[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]].concat();
        let frames = answered(&h, &certificate, &[&opening, broken].concat()).await;
        let error = frames.iter().find(|(kind, _)| *kind == GOAWAY).map(|(_, body)| u32::from_be_bytes(body[4..8].try_into().unwrap()));
        assert!(error.is_some_and(|error| errors.contains(&error)), "{broken:?}: {frames:?}");
    }
    // Bytes that are not even TLS.
    let mut tcp = tokio::net::TcpStream::connect(h.config().listen).await.unwrap();
    tcp.write_all(&[0x16, 3, 1, 0xff, 0xff, 1, 2, 3]).await.unwrap();
    drop(tcp);
    // The node whose certificate it was is served all the same, and so is everybody else.
    let _agent = h.simulate(identity);
    h.connected("web-1").await;
}

/// What a server says about a stream that it ends.
fn goodbye(heard: Vec<Down>) -> Goodbye {
    match heard.into_iter().next_back() {
        Some(Down::Goodbye(goodbye)) => goodbye,
        other => panic!("the server's last words are {other:?}"),
    }
}

async fn a_message_that_cannot_be_read_ends_the_stream(h: Harness) {
    let identity = h.identity("web-1", &[("role", "web")]).await;
    let hello = || Bytes::from(AgentMessage { body: Some(Up::Hello(h.hello())) }.encode_to_vec());
    let garbage = || Bytes::from_static(&[0xff; 9]);
    let huge = || Bytes::from(vec![0; MAX_MESSAGE_BYTES + 1]);
    for (first, code) in [(garbage(), Code::Internal), (huge(), Code::OutOfRange)] {
        let status = say_bytes(&identity, vec![first]).await.expect_err("the server talks with one who does not greet");
        assert_eq!(status.code(), code, "{status}");
    }
    for (n, wrong) in [garbage(), huge(), hello(), Bytes::new()].into_iter().enumerate() {
        let goodbye = goodbye(say_bytes(&identity, vec![hello(), wrong]).await.unwrap());
        assert!(goodbye.retry && goodbye.code == "SYN-5006" && goodbye.message.contains("a message of this node cannot be read"), "{goodbye:?}");
        h.disconnected("web-1").await;
        shows(&h, &[&format!("synod_agent_malformed_total {}", 3 + n)]).await;
    }
    // It is taken back as if nothing had been.
    let _agent = h.simulate(identity);
    h.connected("web-1").await;
    shows(&h, &["synod_agent_malformed_total 6"]).await;
}

async fn a_report_that_cannot_be_read_ends_nothing(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({}))]).await;
    let mut mallory = h.hostile("web-1", &[("role", "web")]).await;
    let run = request(&h.client("dave").await, &ask("t", json!({}))).await.unwrap();
    mallory.assigned().await;
    let task = format!("{}.0", run.summary.id);
    let nonsense = vec![Report { task: "nonsense".into(), body: None }, Report { task: task.clone(), body: None }, finished(&task, "{", &[])];
    let good = [started(&task, h.clock.now().0), finished(&task, outcome("succeeded", json!({})), &[])];
    mallory.report_and_wait(nonsense.into_iter().chain(good).collect()).await;
    shows(&h, &["synod_agent_malformed_total 3"]).await;
    let run = ended(&h.client("dave").await, &run.summary.id).await;
    assert_eq!(run.tasks.succeeded, 1, "what could be read counts");
}
