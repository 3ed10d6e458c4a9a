//! Certificates at the end of their life: an expired one opens nothing, an old one is renewed in time, and a machine that
//! was away for too long joins again.

use std::path::Path;

use synod_domain::Timestamp;
use synod_e2e::process::Process;
use synod_e2e::*;
use synod_protocol::agent::ALPN;
use synod_protocol::http::node::Node;
use synod_protocol::tls::{self, Trust};
use synod_worker::{EnrolOptions, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

stories! {
    an_expired_certificate_opens_nothing
    an_expired_agent_is_told_why_and_joins_again
    an_old_certificate_is_renewed_by_itself
}

const DAY: i64 = 86_400_000;

/// A node that joined so many days ago: TLS goes by the time of the machine, so the server's clock goes back while it joins.
async fn joined(h: &Harness, name: &str, days_ago: i64) -> Identity {
    let dir = h.agent_dir(name).join("identity");
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    // A session that begins now is good then, and now.
    h.token("alice").await;
    h.clock.shift(-days_ago * DAY);
    let token = h.join_token(&[("role", "web")], 1).await;
    let identity = Identity::enrol(&dir, &EnrolOptions { clock: h.clock.now(), ..h.enrol_options(name, &token.token) }).await.unwrap();
    h.clock.shift(days_ago * DAY);
    identity
}

/// The agent of a node as a process, without anything to join with.
fn process(h: &Harness, name: &str, join: &[&str]) -> Process {
    let (url, state) = (h.url(), h.agent_dir(name).display().to_string());
    let mut args = vec!["agent", "--server", &url, "--name", name, "--state-dir", &state];
    args.extend(join);
    Process::new(h.dir.path(), name, &args)
}

fn log(h: &Harness, name: &str) -> String {
    std::fs::read_to_string(h.dir.path().join(format!("{name}.log"))).unwrap_or_default()
}

/// What comes back from the agents' side of the port for a certificate and key on disk.
async fn knock(h: &Harness, dir: &Path) -> std::io::Result<Vec<u8>> {
    let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
    let identity = tls::Identity { certificate_pem: read("cert.pem"), key_pem: read("key.pem") };
    let config = tls::client_config(&Trust::Fingerprint(h.fingerprint()), Some(&identity), ALPN).unwrap();
    let tcp = tokio::net::TcpStream::connect(h.config().listen).await?;
    let mut stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect("127.0.0.1".try_into().unwrap(), tcp).await?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await?;
    let mut answer = [0u8; 9];
    let n = tokio::time::timeout(WITHIN, stream.read(&mut answer)).await.expect("the server says nothing")?;
    Ok(answer[..n].to_vec())
}

async fn an_expired_certificate_opens_nothing(h: Harness) {
    let (fresh, expired) = (joined(&h, "fresh", 6).await, joined(&h, "expired", 8).await);
    let now = h.clock.now();
    assert!(fresh.validity().unwrap().1 > now && expired.validity().unwrap().1 < now, "the story needs one that is over and one that is not");
    // The same authority, the same server: only the time differs.
    let answer = knock(&h, &h.agent_dir("fresh").join("identity")).await.unwrap();
    assert!(!answer.is_empty(), "the other certificate is good");
    let error = knock(&h, &h.agent_dir("expired").join("identity")).await.unwrap_err();
    assert!(error.to_string().contains("CertificateExpired"), "{error}");
    let alice = h.client("alice").await;
    let node: Node = alice.get(&format!("{API}/nodes/expired")).await.unwrap();
    assert!(!node.connected && node.last_seen_at.is_none(), "{node:?}");
    assert!(h.events("").await.iter().all(|event| event.kind != "synod.node.connected"), "nobody got through");
}

async fn an_expired_agent_is_told_why_and_joins_again(h: Harness) {
    let old = joined(&h, "web-1", 8).await;
    let mut agent = process(&h, "web-1", &[]);
    agent.start();
    let said = until("what the agent says about it", async || {
        let ended = agent.ended_by_itself().is_some();
        let said = log(&h, "web-1");
        (ended || said.contains("WARN") || said.contains("ERROR")).then_some(said)
    })
    .await;
    let words = said.to_lowercase();
    assert!(words.contains("certificate") && (words.contains("expired") || words.contains("ended")), "it is not told what is wrong:\n{said}");
    let alice = h.client("alice").await;
    let node: Node = alice.get(&format!("{API}/nodes/web-1")).await.unwrap();
    assert!(!node.connected, "{node:?}");
    agent.kill().await;
    // As the guide says: remove the node, remove the identity, join with a new token.
    alice.delete(&format!("{API}/nodes/web-1")).await.unwrap();
    std::fs::remove_dir_all(h.agent_dir("web-1").join("identity")).unwrap();
    let (token, fingerprint) = (h.join_token(&[("role", "web")], 1).await.token, h.fingerprint());
    let mut agent = process(&h, "web-1", &["--join-token", &token, "--ca-fingerprint", &fingerprint]);
    agent.start();
    let node = h.connected("web-1").await;
    assert!(node.id != old.node().id && node.certificate_expires_at > h.clock.now(), "{node:?}");
}

async fn an_old_certificate_is_renewed_by_itself(h: Harness) {
    let old = joined(&h, "web-1", 5).await;
    let young = joined(&h, "web-2", 4).await;
    let two_thirds = |identity: &Identity| identity.needs_renewal(h.clock.now());
    assert!(two_thirds(&old) && !two_thirds(&young), "five of seven days are more than two thirds, four are not");
    let (mut first, mut second) = (process(&h, "web-1", &[]), process(&h, "web-2", &[]));
    first.start();
    second.start();
    h.connected_count(2).await;
    let renewed = h.event("", "synod.node.certificate_renewed").await;
    assert_eq!(renewed.subject, "node/web-1");
    let dir = |name: &str| h.agent_dir(name).join("identity");
    let on_disk = |name: &str| Identity::load(&dir(name)).unwrap().unwrap().validity().unwrap().1;
    until("the new certificate on disk", async || (on_disk("web-1") > old.validity().unwrap().1).then_some(())).await;
    let week: Timestamp = h.connected("web-1").await.certificate_expires_at;
    assert_eq!(on_disk("web-1"), week);
    assert_eq!(on_disk("web-2"), young.validity().unwrap().1, "the other one is good for days");
    // It is good for the next stream.
    first.kill().await;
    h.disconnected("web-1").await;
    first.start();
    h.connected("web-1").await;
    assert!(knock(&h, &dir("web-1")).await.is_ok());
    assert_eq!(h.events("").await.iter().filter(|event| event.kind == "synod.node.certificate_renewed").count(), 1, "once");
}
