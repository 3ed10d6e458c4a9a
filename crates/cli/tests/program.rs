//! The program as a whole against a scripted server: sign in, pin, request, follow over a broken
//! connection, complain with places, end with the documented exit codes.

use std::convert::Infallible;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use synod_domain::manifest::{Manifest, NodeEntry, NodeSet};
use synod_trust::testing;

/// What the server was asked: method and path with query, idempotency key, body.
type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

struct Server {
    url: String,
    asked: Asked,
}

fn run(phase: &str) -> Value {
    let nodes = vec![NodeEntry { id: "1".into(), name: "web-1".into() }];
    let manifest: Manifest = serde_json::from_value(json!({
        "apiVersion": "synod/v1", "kind": "Manifest", "run": "r1", "namespace": "shop", "template": {"name": "restart", "revision": 3, "digest": "sha256:00", "author": "alice"},
        "requester": "dave", "reason": "stuck", "inputs": {}, "nodes": NodeSet::of(&nodes).unwrap(), "strategy": {"type": "allAtOnce"}, "approval": {"rules": []},
        "steps": [{"name": "go", "run": "true"}], "timeout": "1m", "startDeadline": "2m",
        "createdAt": "2026-01-01T00:00:00Z", "approveBy": "2026-01-02T00:00:00Z", "expiresAt": "2026-01-03T00:00:00Z", "nonce": "n"
    }))
    .unwrap();
    let tasks =
        json!({"waiting": 0, "assigned": 0, "started": 0, "succeeded": 0, "failed": 1, "timedOut": 0, "lost": 0, "refused": 0, "skipped": 0, "cancelled": 0});
    json!({
        "id": "r1", "namespace": "shop", "template": "restart", "revision": 3, "title": "Restart", "requester": "dave", "reason": "stuck", "phase": phase, "nodeCount": 1,
        "createdAt": "2026-01-01T00:00:00Z", "approveBy": "2026-01-02T00:00:00Z", "startedAt": "2026-01-01T00:00:01Z", "finishedAt": "2026-01-01T00:00:02Z",
        "digest": manifest.seal().unwrap().1, "manifest": manifest, "preview": [], "rules": [], "approvals": [], "tasks": tasks, "batch": 1, "batches": [1], "atGate": false, "cancelling": false, "awaitsMe": false
    })
}

/// A run that takes signatures, under the sample root in which `ann` is.
fn signed_run() -> Value {
    let mut run = run("pending");
    let mut manifest: Manifest = serde_json::from_value(run["manifest"].clone()).unwrap();
    manifest.run = "s1".into();
    run["id"] = json!("s1");
    run["awaitsMe"] = json!(true);
    run["digest"] = json!(manifest.seal().unwrap().1);
    run["manifest"] = json!(manifest);
    run["signing"] = json!({"rootVersion": 1, "rootDigest": "sha256:00", "uncovered": [], "rules": [{"name": "shop", "rule": "3 of group oncall", "filledBy": [], "missing": 3}]});
    run
}

fn trust() -> Value {
    let document = testing::root_json();
    let envelope = testing::signed_root(&document, &[&testing::signer("ann"), &testing::signer("bob")]);
    let root = json!({"version": 1, "digest": testing::doc(&document).seal().1, "expiresAt": testing::hour(9), "publishedAt": testing::hour(1), "publishedBy": "ann", "signedBy": ["ann", "bob"], "document": document, "envelope": envelope});
    json!({"root": root, "nodes": {"enforcing": 1, "observing": 0, "off": 2, "behind": 0, "alarmed": 0}, "logKey": testing::log_key().verifier().to_string(), "logOrigin": "x", "unratified": 0})
}

fn event(position: u64, kind: &str, data: Value) -> String {
    let event = json!({"specversion": "1.0", "id": position.to_string(), "source": "synod", "type": kind, "subject": "run/r1", "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json", "actor": "node:web-1", "position": position, "data": data});
    format!("id: {position}\ndata: {event}\n\n")
}

fn problem(code: &str, status: u16, problems: Value) -> (u16, &'static str, String) {
    let body = json!({"type": format!("urn:synod:error:{code}"), "title": "The document is wrong", "status": status, "detail": "something", "code": code, "remedy": "Do it right.", "problems": problems});
    (status, "application/problem+json", body.to_string())
}

fn answer(request: &str, seen_before: bool) -> (u16, &'static str, String) {
    let json = |value: Value| (200, "application/json", value.to_string());
    let stream = |text: String| (200, "text/event-stream", text);
    match request {
        "POST /api/v1/auth/login" => json(json!({"token": "tok", "expiresAt": "2099-01-01T00:00:00Z", "csrfToken": "c", "user": "dave"})),
        // The first attempt is told to come again; the second must carry the same key.
        "POST /api/v1/runs" if !seen_before => problem("SYN-9000", 503, json!([])),
        "POST /api/v1/runs" => json(run("running")),
        "GET /api/v1/runs/r1" => json(run("failed")),
        "GET /api/v1/runs/s1" => json(signed_run()),
        "GET /api/v1/runs/s1/nodes" => json(json!({"nodes": [{"id": "1", "name": "web-1"}]})),
        "POST /api/v1/runs/s1/approvals" => json(signed_run()),
        "GET /api/v1/auth/whoami" => json(json!({"user": "ann", "serviceAccount": false, "groups": [], "roles": [], "totpEnrolled": false, "via": "session"})),
        "GET /api/v1/trust" => json(trust()),
        "POST /api/v1/trust/check" => json(json!({"changes": [], "findings": [
            {"severity": "error", "name": "no-rule", "about": "template bank/pay", "message": "no rule of the root is about it"},
            {"severity": "note", "name": "covered", "about": "template shop/restart", "message": "its own rules and those of shop must be met"}
        ]})),
        // The root that was shown once is gone when it is asked for again.
        "GET /api/v1/trust/roots" if !seen_before => json(json!({"roots": [trust()["root"]]})),
        "GET /api/v1/trust/roots" => json(json!({"roots": []})),
        // A stream that breaks off after two events is resumed after the second.
        "GET /api/v1/events?run=r1&after=0&follow=true" => stream(event(1, "synod.run.requested", json!({})) + &event(2, "synod.task.started", json!({}))),
        "GET /api/v1/events?run=r1&after=2&follow=true" => stream(event(3, "synod.run.failed", json!({}))),
        "GET /api/v1/runs/r1/output?follow=true" => {
            let chunk = json!({"id": 1, "task": "r1.0", "node": "web-1", "chunk": 0, "segments": [{"step": 0, "stream": "stdout", "at": "2026-01-01T00:00:00Z", "text": "hello\nwor"}]});
            stream(format!("event: output\nid: 1\ndata: {chunk}\n\nevent: end\ndata: {{}}\n\n"))
        }
        "POST /api/v1/apply" => {
            problem("SYN-1001", 422, json!([{"pointer": "/documents/0/spec/titel", "message": "there is no field `titel`", "hint": "did you mean `title`?"}]))
        }
        "GET /api/v1/users" => json(
            json!({"items": (0..20_000).map(|n| json!({"name": format!("user-{n}"), "serviceAccount": false, "enabled": true, "totpEnrolled": false, "createdAt": "2026-01-01T00:00:00Z"})).collect::<Vec<_>>()}),
        ),
        path if path.starts_with("GET /api/v1/tasks?run=r1&phase=failed") => json(
            json!({"items": [{"id": "r1.0", "run": "r1", "index": 0, "namespace": "shop", "template": "restart", "node": "web-1", "nodeId": "1", "phase": "failed", "reason": "exit code 3"}]}),
        ),
        _ => problem("SYN-3000", 404, json!([])),
    }
}

fn serve(port: u16) -> Server {
    serve_as(port, tls())
}

fn serve_as(port: u16, tls: rustls::ServerConfig) -> Server {
    let asked = Asked::default();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let record = asked.clone();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((tcp, _)) = listener.accept().await else { continue };
                let (acceptor, record) = (acceptor.clone(), record.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        let record = record.clone();
                        async move {
                            let line = format!("{} {}", request.method(), request.uri().path_and_query().map_or("/", |p| p.as_str()));
                            let key = request.headers().get("idempotency-key").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
                            let body = String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
                            let before = record.lock().unwrap().iter().any(|(known, ..)| *known == line);
                            let (status, kind, text) = answer(&line, before);
                            record.lock().unwrap().push((line, key, body));
                            Ok::<_, Infallible>(
                                hyper::Response::builder().status(status).header("content-type", kind).body(Full::new(Bytes::from(text))).unwrap(),
                            )
                        }
                    });
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    Server { url, asked }
}

fn tls() -> rustls::ServerConfig {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::from_params(&params, &ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(synod_protocol::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone(), ca.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), synod_protocol::agent::ENROL_ALPN.to_vec()];
    config
}

fn synod(home: &Path, args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_synod"))
        .args(args)
        .env_clear()
        .env("SYNOD_CONFIG_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn texts(output: &Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn signed_in() -> (tempfile::TempDir, Server) {
    signed_in_at(serve(0))
}

fn signed_in_at(server: Server) -> (tempfile::TempDir, Server) {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = texts(&synod(home.path(), &["login", &server.url, "--user", "dave", "--password-stdin"], "hunter2\n"));
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("signed in to") && err.contains("sha256:"), "{out}{err}");
    (home, server)
}

#[test]
fn an_authority_is_pinned_and_its_change_refused() {
    let (home, server) = signed_in();
    let saved = std::fs::read_to_string(home.path().join("contexts.json")).unwrap();
    assert!(saved.contains("sha256:") && saved.contains("\"tok\"") && !saved.contains("hunter2"));
    // The same login, now at a server with another authority.
    let other = serve(0);
    std::fs::write(home.path().join("contexts.json"), saved.replace(&server.url, &other.url)).unwrap();
    for args in [&["get", "users"][..], &["login", "--password-stdin"], &["run", "shop/restart"]] {
        let (code, _, err) = texts(&synod(home.path(), args, "hunter2\n"));
        assert_eq!(code, 4, "{args:?}: {err}");
        assert!(err.contains("another certificate authority") && err.contains("trusted sha256:") && err.contains("shown   sha256:"), "{err}");
    }
    assert!(other.asked.lock().unwrap().is_empty(), "nothing reaches a server that is not trusted");
}

#[test]
fn another_member_is_trusted_when_it_shows_the_pinned_authority() {
    let tls = tls();
    let (home, _server) = signed_in_at(serve_as(0, tls.clone()));
    let (member, stranger) = (serve_as(0, tls), serve(0));
    let (code, out, err) = texts(&synod(home.path(), &["get", "users", "-o", "name", "--server", &member.url], ""));
    assert!(code == 0 && out.starts_with("user-0\n"), "{code}: {err}");
    let (code, _, err) = texts(&synod(home.path(), &["get", "users", "--server", &stranger.url], ""));
    assert!(code == 4 && err.contains("no certificate authority is trusted for") && err.contains("Nothing was sent"), "{code}: {err}");
    assert!(stranger.asked.lock().unwrap().is_empty());
}

#[test]
fn roles_that_cannot_begin_say_why() {
    let home = tempfile::tempdir().unwrap();
    let server = serve(0);
    let state = home.path().join("agent").display().to_string();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let args = ["agent", "--server", &server.url, "--name", "web-1", "--state-dir", &state, "--join-token", "x", "--ca-fingerprint", &wrong];
    let (code, _, err) = texts(&synod(home.path(), &args, ""));
    assert_eq!(code, 4, "{err}");
    // What speaks HTTP/2 and is no Synod server, whatever its certificate.
    let mut other = tls();
    other.alpn_protocols.truncate(1);
    let other = serve_as(0, other);
    let elsewhere: Vec<&str> = args.iter().map(|arg| if *arg == server.url { other.url.as_str() } else { arg }).collect();
    let (code, _, err) = texts(&synod(home.path(), &elsewhere, ""));
    assert!(code == 2 && err.contains(&other.url) && err.contains("takes no machines that join"), "{code} {err}");
    assert!(other.asked.lock().unwrap().is_empty());
    let (code, _, err) = texts(&synod(home.path(), &["bootstrap", &server.url, "--user", "alice", "--token-file", "/nowhere/bootstrap.token"], ""));
    assert_eq!(code, 2, "{err}");
    assert!(
        err.contains("/nowhere/bootstrap.token does not exist") && err.contains("has an administrator already") && err.contains("synod login https://"),
        "{err}"
    );
    assert!(server.asked.lock().unwrap().is_empty());
}

#[test]
fn a_run_is_requested_once_and_followed_over_a_break() {
    let (home, server) = signed_in();
    let (code, out, err) = texts(&synod(home.path(), &["run", "shop/restart", "--reason", "x", "--wait"], ""));
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("run r1 failed in 1.0 s: 1 failed") && out.contains("web-1: failed exit code 3"), "{out}");
    let asked = server.asked.lock().unwrap().clone();
    let keys: Vec<&String> = asked.iter().filter(|(line, ..)| line == "POST /api/v1/runs").map(|(_, key, _)| key).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys[0] == keys[1] && !keys[0].is_empty());
    assert!(asked.iter().any(|(line, ..)| line.contains("after=2")), "{asked:?}");

    let (code, out, err) = texts(&synod(home.path(), &["run", "shop/restart", "--wait", "-o", "name"], ""));
    assert_eq!((code, out.as_str()), (1, "r1\n"), "{err}");

    let (code, out, err) = texts(&synod(home.path(), &["run", "shop/restart", "--watch"], ""));
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("web-1 | hello\n") && out.contains("web-1 | wor\n") && out.contains("web-1 started"), "{out}");
}

#[test]
fn a_decision_is_signed_with_a_key_of_the_callers() {
    let (home, server) = signed_in();
    let key = |name: &str, signer: &testing::Signer| {
        let file = home.path().join(name);
        std::fs::write(&file, signer.private().to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
        file.display().to_string()
    };
    let (own, other) = (key("own", &testing::signer("ann")), key("other", &testing::Signer::ed25519("other")));
    let (code, _, err) = texts(&synod(home.path(), &["approve", "s1", "--key", &other], ""));
    assert!(code == 4 && err.contains("no key of ann in the trust root"), "{code}: {err}");
    let (code, _, err) = texts(&synod(home.path(), &["approve", "s1"], ""));
    assert!(code == 4 && err.contains("--key FILE"), "{code}: {err}");
    assert!(!server.asked.lock().unwrap().iter().any(|(line, ..)| line.contains("approvals")), "nothing is decided unsigned");
    let (code, out, err) = texts(&synod(home.path(), &["approve", "s1", "--key", &own, "--comment", "fine"], ""));
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("· shop: 3 of group oncall — 3 missing") && err.contains("signing as ann with SHA256:"), "{out}{err}");
    let (code, _, err) = texts(&synod(home.path(), &["reject", "s1", "--key", &own, "--comment", "no"], ""));
    assert_eq!(code, 0, "{err}");
    let root = testing::root(&testing::root_json());
    let asked = server.asked.lock().unwrap().clone();
    let sent: Vec<Value> = asked.iter().filter(|(line, ..)| line.contains("approvals")).map(|(_, _, body)| serde_json::from_str(body).unwrap()).collect();
    for (body, decision, comment) in [(&sent[0], "approve", "fine"), (&sent[1], "reject", "no")] {
        let envelope: synod_trust::Envelope = serde_json::from_value(body["signature"].clone()).unwrap();
        let verified = synod_trust::verify_one(&root, &envelope).unwrap();
        assert_eq!((verified.person.as_str(), verified.statement.run.as_str(), verified.statement.comment.as_str()), ("ann", "s1", comment));
        assert_eq!((&body["digest"], &body["decision"]), (&json!(verified.statement.digest), &json!(decision)));
    }
}

#[test]
fn a_trust_root_is_pinned_and_its_change_refused() {
    let (home, _server) = signed_in();
    let (code, out, err) = texts(&synod(home.path(), &["trust", "show"], ""));
    assert!(code == 0 && out.contains("2 of 3 holders") && out.contains("1 enforce, 0 observe, 2 believe the server"), "{code}: {out}{err}");
    assert!(err.contains("seen for the first time: the trust root sha256:"), "{err}");
    let saved = std::fs::read_to_string(home.path().join("contexts.json")).unwrap();
    assert!(saved.contains("\"trustRoot\": \"sha256:") && saved.contains("\"trustVersion\": 1"), "{saved}");
    // Neither is it shown then, nor is a next one drafted from it.
    for args in [&["trust", "show"][..], &["trust", "rotate", "--out", "/nowhere/next.json"]] {
        let (code, _, err) = texts(&synod(home.path(), args, ""));
        assert!(code == 4 && err.contains("it shows none, and sha256:") && err.contains("--trust-root"), "{code}: {err}");
    }
}

#[test]
fn a_draft_is_looked_over_with_the_templates_of_the_server() {
    let (home, _server) = signed_in();
    let next = home.path().join("next.json").display().to_string();
    let (code, out, err) = texts(&synod(home.path(), &["trust", "rotate", "--out", &next], ""));
    assert!(code == 0 && out.contains("error: template bank/pay: no rule of the root is about it"), "{code}: {out}{err}");
    assert!(!out.contains("template shop/restart"), "what is well is for `doctor` to tell: {out}");
}

#[test]
fn complaints_name_the_place_in_the_file() {
    let (home, _server) = signed_in();
    let file = home.path().join("t.yaml");
    std::fs::write(&file, "kind: Template\nspec:\n  titel: x\n").unwrap();
    let file = file.to_str().unwrap();
    let (code, _, err) = texts(&synod(home.path(), &["apply", "-f", file], ""));
    assert_eq!(code, 3);
    assert_eq!(
        err,
        format!("error: the document is wrong [SYN-1001]\n{file}:3:3: there is no field `titel`\n 3 |   titel: x\n   |   ^\nhelp: did you mean `title`?\n")
    );
    let (code, _, err) = texts(&synod(home.path(), &["apply", "-o", "json", "-f", file], ""));
    let problem: Value = serde_json::from_str(&err).unwrap();
    assert_eq!((code, problem["code"].as_str()), (3, Some("SYN-1001")));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (home, _server) = signed_in();
    let mut child = Command::new(env!("CARGO_BIN_EXE_synod"))
        .args(["get", "users", "-o", "name"])
        .env_clear()
        .env("SYNOD_CONFIG_HOME", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(texts(&output), (0, String::new(), String::new()));
}

#[test]
fn steps_of_another_account_get_all_its_groups() {
    let exec = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_synod"));
        command.arg("internal-exec").args(args).env_clear().env("_SHOWN", "yes").env("HIDDEN", "from the agent").output().unwrap()
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let wrong = exec(&["1", "1", "", "/bin/sh"]);
    assert!(wrong.status.code() == Some(126) && text(&wrong.stderr).contains("by the agent only"), "{wrong:?}");
    let done = exec(&["1", "1", "1,4,24", "/bin/sh", "-c", "id -u; id -g; id -G; echo $SHOWN $HIDDEN; exit 3"]);
    if nix::unistd::geteuid().is_root() {
        assert_eq!((done.status.code(), text(&done.stdout)), (Some(3), "1\n1\n1 4 24\nyes\n".to_owned()), "{done:?}");
    } else {
        assert!(done.status.code() == Some(126) && text(&done.stderr).contains("cannot be taken"), "{done:?}");
    }
}
