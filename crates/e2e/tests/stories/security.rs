//! Second factors, throttling, certificates: who is kept out, and by what.

use serde_json::{Value, json};
use synod_e2e::process::Process;
use synod_e2e::*;
use synod_protocol::agent::ALPN;
use synod_protocol::http::auth::{SessionToken, SteppedUp, TotpEnrolment, WhoAmI};
use synod_protocol::http::client::Client;
use synod_protocol::http::node::CreatedJoinToken;
use synod_protocol::tls::{self, Trust};
use synod_worker::{Error, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

stories! {
    sign_ins_are_throttled
    strangers_fill_nothing
    a_second_factor_leaves_a_trace
    a_removed_node_is_gone_at_once
    a_foreign_certificate_is_refused
    an_agent_of_another_installation_is_told_so
    a_certificate_is_renewed
    renewals_are_counted
    join_tokens_are_counted_and_end
}

/// The code of an authenticator at the server's time.
fn code(h: &Harness, enrolment: &TotpEnrolment) -> String {
    let totp = totp_rs::Totp::from_url(&enrolment.url).unwrap();
    totp.generate(u64::try_from(h.clock.now().0 / 1000).unwrap()).to_string()
}

async fn second_factors(engine: Engine) {
    let h = Harness::start(engine, |config| config.security.step_up = synod_server::config::StepUp::Always).await;
    let alice = h.client("alice").await;
    let token = json!({"labels": {}});
    refused(alice.post::<_, CreatedJoinToken>(&format!("{API}/join-tokens"), &token).await, "SYN-2004");
    let enrolment: TotpEnrolment = alice.post(&format!("{API}/auth/totp"), &json!({})).await.unwrap();
    assert!(enrolment.qr_svg.contains("<svg") && enrolment.url.contains("Synod"));
    refused(alice.post::<_, SteppedUp>(&format!("{API}/auth/totp/confirm"), &json!({"totp": "12345"})).await, "SYN-2001");
    // Not in force until confirmed: signing in still asks for none.
    h.login("alice").await;
    let first = code(&h, &enrolment);
    let _: SteppedUp = alice.post(&format!("{API}/auth/totp/confirm"), &json!({"totp": first})).await.unwrap();
    let _: CreatedJoinToken = alice.post(&format!("{API}/join-tokens"), &token).await.unwrap();
    refused(alice.post::<_, TotpEnrolment>(&format!("{API}/auth/totp"), &json!({})).await, "SYN-3002");
    // From now on signing in takes a code, and a code is taken once.
    let login = |totp: Option<&str>| json!({"user": "alice", "password": PASSWORD, "totp": totp});
    let sign_in = async |totp: Option<&str>| h.anyone().post::<_, SessionToken>(&format!("{API}/auth/login"), &login(totp)).await;
    refused(sign_in(None).await, "SYN-2003");
    refused(sign_in(Some(&first)).await, "SYN-2001");
    h.clock.shift(60_000);
    let second = code(&h, &enrolment);
    let session = sign_in(Some(&second)).await.unwrap();
    assert!(session.totp_enrolled);
    refused(sign_in(Some(&second)).await, "SYN-2001");
    // Freshness ends; a new code brings it back, a used one does not.
    let alice: Client = h.client_with(Some(session.token));
    let me: WhoAmI = alice.get(&format!("{API}/auth/whoami")).await.unwrap();
    assert!(me.totp_enrolled && me.stepped_up_until.is_some());
    h.clock.shift(601_000);
    refused(alice.post::<_, CreatedJoinToken>(&format!("{API}/join-tokens"), &token).await, "SYN-2004");
    refused(alice.post::<_, SteppedUp>(&format!("{API}/auth/step-up"), &json!({"totp": second})).await, "SYN-2001");
    let third = code(&h, &enrolment);
    let _: SteppedUp = alice.post(&format!("{API}/auth/step-up"), &json!({"totp": third})).await.unwrap();
    refused(alice.post::<_, SteppedUp>(&format!("{API}/auth/step-up"), &json!({"totp": third})).await, "SYN-2001");
    let _: CreatedJoinToken = alice.post(&format!("{API}/join-tokens"), &token).await.unwrap();
    for _ in 0..5 {
        let _ = alice.post::<_, SteppedUp>(&format!("{API}/auth/step-up"), &json!({"totp": "000000"})).await;
    }
    let problem = refused(alice.post::<_, SteppedUp>(&format!("{API}/auth/step-up"), &json!({"totp": "000000"})).await, "SYN-2005");
    assert!(problem.retry_after_s.is_some());
    let text = serde_json::to_string(&h_events(&alice).await).unwrap();
    assert!(!text.contains(&enrolment.secret) && !text.contains(PASSWORD), "a secret is in the log");
}

async fn h_events(who: &Client) -> Value {
    who.get(&format!("{API}/events?limit=1000")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn second_factors_on_sqlite() {
    second_factors(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_factors_on_postgres() {
    second_factors(Engine::Postgres).await;
}

async fn sign_ins_are_throttled(h: Harness) {
    h.person("bob").await;
    let sign_in =
        async |user: &str, password: &str| h.anyone().post::<_, SessionToken>(&format!("{API}/auth/login"), &json!({"user": user, "password": password})).await;
    for _ in 0..5 {
        refused(sign_in("bob", "wrong password").await, "SYN-2001");
    }
    // The right password is of no use while the name must wait.
    let problem = refused(sign_in("bob", PASSWORD).await, "SYN-2005");
    assert!(problem.retry_after_s.is_some_and(|s| s >= 1) && problem.status == 429);
    assert!(sign_in("alice", PASSWORD).await.is_ok(), "others need not wait");
    for _ in 0..5 {
        refused(sign_in("hunter2", "wrong password").await, "SYN-2001");
    }
    refused(sign_in("hunter2", "wrong password").await, "SYN-2005");
    h.clock.shift(3_000);
    assert!(sign_in("bob", PASSWORD).await.is_ok(), "after the wait it goes on");
    let failed = h.event("&type=synod.session.failed&newest=true", "synod.session.failed").await;
    assert_eq!(failed.subject, "user/unknown", "what was typed as a name may be a password");
}

/// Any number of names, of any sort: nobody waits for them, and they leave next to nothing behind.
async fn strangers_fill_nothing(h: Harness) {
    let sign_in =
        async |user: &str| h.anyone().post::<_, SessionToken>(&format!("{API}/auth/login"), &json!({"user": user, "password": "x".repeat(3000)})).await;
    let long: String = (0..100_000u64).map(|n| char::from(b'!' + u8::try_from(n * n % 89).unwrap())).collect();
    for name in [long.as_str(), "Hunter2 in the wrong field", "\u{7f}\n", ""] {
        refused(sign_in(name).await, "SYN-2001");
    }
    for n in 0..30 {
        refused(sign_in(&format!("stranger-{n}")).await, "SYN-2001");
    }
    let contents = h.contents().await;
    assert!(!contents.contains(&long[..200]) && !contents.contains("Hunter2") && !contents.contains("stranger-7"), "a name is kept as it was typed");
    assert_eq!(h.sql("UPDATE login_failures SET failures = failures").await, 34);
    // The rest is told together, and what is old is forgotten.
    h.clock.shift(61_000);
    synod_server::ops::auth::tell_strangers(h.app().clone()).await.unwrap();
    let times = |told: &[synod_domain::event::Event]| told.iter().map(|event| event.data["times"].as_u64().unwrap()).sum::<u64>();
    let told = until("all failures", async || Some(h.events("&type=synod.session.failed").await).filter(|told| times(told) == 34)).await;
    assert!(told.len() < 5, "one event for many, not one for each: {told:?}");
    h.clock.shift(3_600_000);
    synod_server::ops::system::prune(h.app().clone()).await.unwrap();
    assert_eq!(h.sql("UPDATE login_failures SET failures = failures").await, 0);
    // Over all names together there is a pace; who is in stays in, and after a moment it goes on.
    let alice = h.client("alice").await;
    // Taken a while ahead, so that none come back meanwhile.
    while h.app().pace.take(h.clock.now().after(synod_domain::Span::secs(60))).is_ok() {}
    let problem = refused(sign_in("somebody-else").await, "SYN-2005");
    assert!(problem.status == 429 && problem.retry_after_s == Some(1), "{problem:?}");
    assert!(alice.get::<WhoAmI>(&format!("{API}/auth/whoami")).await.is_ok());
    h.clock.shift(61_000);
    h.login("alice").await;
}

async fn a_second_factor_leaves_a_trace(h: Harness) {
    let alice = h.client("alice").await;
    let enrolment: TotpEnrolment = alice.post(&format!("{API}/auth/totp"), &json!({})).await.unwrap();
    let _: SteppedUp = alice.post(&format!("{API}/auth/totp/confirm"), &json!({"totp": code(&h, &enrolment)})).await.unwrap();
    refused(alice.post::<_, SteppedUp>(&format!("{API}/auth/step-up"), &json!({"totp": "000000"})).await, "SYN-2001");
    let failed = h.event("", "synod.session.step_up_failed").await;
    h.clock.shift(60_000);
    let _: SteppedUp = alice.post(&format!("{API}/auth/step-up"), &json!({"totp": code(&h, &enrolment)})).await.unwrap();
    let done = h.event("", "synod.session.stepped_up").await;
    for event in [failed, done] {
        assert_eq!((event.subject.as_str(), event.actor.as_str(), &event.data["by"]), ("user/alice", "user:alice", &json!("code")));
    }
    // The present password is no more to be tried at than at the sign-in.
    let wrong = json!({"current": "a wrong password", "new": "another password"});
    for _ in 0..5 {
        refused(alice.post::<_, Value>(&format!("{API}/auth/password"), &wrong).await, "SYN-2001");
    }
    refused(alice.post::<_, Value>(&format!("{API}/auth/password"), &wrong).await, "SYN-2005");
}

async fn a_removed_node_is_gone_at_once(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({}))]).await;
    let identity = h.identity("web-1", &[("role", "web")]).await;
    let agent = h.simulate(identity.clone());
    h.connected("web-1").await;
    h.client("alice").await.delete(&format!("{API}/nodes/web-1")).await.unwrap();
    match agent.ended().await {
        Err(Error::Refused { code, .. }) => assert_eq!(code, "SYN-5002"),
        other => panic!("the agent goes on: {other:?}"),
    }
    match h.simulate(identity).ended().await {
        Err(Error::Refused { code, message }) => assert!(code == "SYN-5002" && message.contains("removed"), "{message}"),
        other => panic!("it may connect again: {other:?}"),
    }
    refused(request(&h.client("dave").await, &ask("t", json!({}))).await, "SYN-1004");
    h.event("", "synod.node.removed").await;
    // Its name is free again.
    h.identity("web-1", &[("role", "web")]).await;
}

/// Certificate and key of a node, as they lie on its disk.
async fn on_disk(h: &Harness, name: &str) -> tls::Identity {
    let token = h.join_token(&[], 1).await;
    let dir = h.agent_dir(name).join("identity");
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    Identity::enrol(&dir, &h.enrol_options(name, &token.token)).await.unwrap();
    let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
    tls::Identity { certificate_pem: read("cert.pem"), key_pem: read("key.pem") }
}

/// Connects to the agents' side of a server and sends something; returns what came back until the end.
async fn send_raw(h: &Harness, identity: Option<&tls::Identity>, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let config = tls::client_config(&Trust::Fingerprint(h.fingerprint()), identity, ALPN).unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let tcp = tokio::net::TcpStream::connect(h.config().listen).await?;
    let mut stream = connector.connect("127.0.0.1".try_into().unwrap(), tcp).await?;
    stream.write_all(bytes).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    tokio::time::timeout(WITHIN, stream.read_to_end(&mut answer)).await.expect("the server keeps the connection open")?;
    Ok(answer)
}

async fn a_foreign_certificate_is_refused(h: Harness) {
    let other = Harness::sqlite().await;
    let foreign = on_disk(&other, "stranger").await;
    let error = send_raw(&h, Some(&foreign), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("alert") || error.kind() == std::io::ErrorKind::ConnectionReset, "{error}");
    let error = send_raw(&h, None, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("certificate") || error.kind() == std::io::ErrorKind::ConnectionReset, "{error}");
    // And a machine does not join a server whose authority it was not told of.
    let token = h.join_token(&[], 1).await;
    let options = synod_worker::EnrolOptions { ca_fingerprint: other.fingerprint(), ..h.enrol_options("web-1", &token.token) };
    match Identity::request(&options).await {
        Err(Error::Crypto(why)) => assert!(why.contains("fingerprint"), "{why}"),
        other => panic!("it trusts anybody: {other:?}"),
    }
}

async fn an_agent_of_another_installation_is_told_so(h: Harness) {
    let mut other = Harness::sqlite().await;
    on_disk(&other, "web-1").await;
    let (url, state) = (h.url(), other.agent_dir("web-1").display().to_string());
    other.stop().await;
    let mut agent = Process::new(h.dir.path(), "web-1", &["agent", "--server", &url, "--name", "web-1", "--state-dir", &state]);
    agent.start();
    let log = h.dir.path().join("web-1.log");
    let said = until("what the agent says about it", async || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        (agent.ended_by_itself().is_some() || said.contains("authority")).then_some(said)
    })
    .await;
    for words in [url.as_str(), "not of this node's authority", "new join token", "identity folder", "SYN-5002"] {
        assert!(said.contains(words), "it does not say `{words}`:\n{said}");
    }
    assert!(agent.ended_by_itself().is_none(), "it may be a wrong address, which somebody corrects");
    // As it was told.
    agent.kill().await;
    std::fs::remove_dir_all(other.agent_dir("web-1").join("identity")).unwrap();
    let (token, fingerprint) = (h.join_token(&[], 1).await.token, h.fingerprint());
    let joining = ["agent", "--server", &url, "--name", "web-1", "--state-dir", &state, "--join-token", &token, "--ca-fingerprint", &fingerprint];
    let mut agent = Process::new(h.dir.path(), "web-1", &joining);
    agent.start();
    h.connected("web-1").await;
}

async fn a_certificate_is_renewed(h: Harness) {
    let _agent = h.agent("web-1", &[]).await;
    let before = h.connected("web-1").await.certificate_expires_at;
    // A node that shows a valid certificate gets a new one for its key, for the same identity.
    let identity = h.identity("web-2", &[]).await;
    h.clock.shift(1000);
    let pem = synod_server::ops::node::renew(h.app(), &identity.node().id, &identity.renewal().unwrap()).await.unwrap();
    let mut renewed = identity.clone();
    renewed.renewed(pem).unwrap();
    assert_ne!(renewed.certificate_pem(), identity.certificate_pem());
    let _agent = h.simulate(renewed);
    h.connected("web-2").await;
    h.event("", "synod.node.certificate_renewed").await;
    assert_eq!(h.connected("web-1").await.certificate_expires_at, before);
}

async fn renewals_are_counted(h: Harness) {
    let identity = h.identity("web-1", &[]).await;
    let renew = async || synod_server::ops::node::renew(h.app(), &identity.node().id, &identity.renewal().unwrap()).await;
    for _ in 0..synod_server::ops::node::MAX_RENEWALS {
        renew().await.unwrap();
    }
    let refusal = renew().await.unwrap_err();
    assert_eq!(refusal.code().id, "SYN-5005");
    let wait = i64::from(refusal.retry_after_s().unwrap());
    assert!((6 * 86_400..=7 * 86_400 + 1).contains(&wait), "{wait}");
    let counted = h.events("").await.iter().filter(|event| event.kind == "synod.node.certificate_renewed").count();
    assert_eq!(counted, synod_server::ops::node::MAX_RENEWALS as usize, "what is refused is no event");
    h.clock.shift(wait * 1000);
    renew().await.unwrap();
}

async fn join_tokens_are_counted_and_end(h: Harness) {
    let client = h.anyone();
    let enrol = async |name: &str, token: &str| Identity::request_with(&client, &h.enrol_options(name, token)).await;
    let code = |outcome: synod_worker::Result<Identity>| match outcome {
        Err(Error::Refused { code, message }) => (code, message),
        other => panic!("not refused: {other:?}"),
    };
    let token = h.join_token(&[("role", "web")], 2).await;
    assert!(token.ca_fingerprint == h.fingerprint() && token.info.uses_left == 2);
    enrol("web-1", &token.token).await.unwrap();
    // A name that is taken does not use the token up.
    let (refusal, message) = code(enrol("web-1", &token.token).await);
    assert!(refusal == "SYN-5001" && message.contains("web-1"), "{refusal} {message}");
    enrol("web-2", &token.token).await.unwrap();
    assert_eq!(code(enrol("web-3", &token.token).await).0, "SYN-5000", "it is used up");
    assert_eq!(code(enrol("web-3", "synod_join_nonsense").await).0, "SYN-5000");
    let revoked = h.join_token(&[], 1).await;
    let alice = h.client("alice").await;
    alice.delete(&format!("{API}/join-tokens/{}", revoked.info.id)).await.unwrap();
    assert_eq!(code(enrol("web-3", &revoked.token).await).0, "SYN-5000");
    let short = h.join_token(&[], 1).await;
    h.clock.shift(3_601_000);
    let late = code(enrol("web-3", &short.token).await);
    assert_eq!(late.0, "SYN-5000", "{}", late.1);
    let granted = h.join_token(&[("role", "web")], 1).await;
    let mut options = h.enrol_options("web-3", &granted.token);
    options.labels = [("env".to_owned(), "prod".to_owned())].into();
    let (refusal, message) = code(Identity::request_with(&client, &options).await);
    assert!(refusal == "SYN-5004" && message.contains("env=prod"), "{refusal} {message}");
    options.labels = [("role".to_owned(), "web".to_owned())].into();
    options.clock = synod_domain::Timestamp(h.clock.now().0 - 120_000);
    let (refusal, message) = code(Identity::request_with(&client, &options).await);
    assert!(refusal == "SYN-5003" && message.contains("120 s"), "{refusal} {message}");
    options.clock = h.clock.now();
    Identity::request_with(&client, &options).await.unwrap();
    let listed: Value = alice.get(&format!("{API}/join-tokens")).await.unwrap();
    assert!(!listed.to_string().contains(&granted.token), "tokens are shown once");
}
