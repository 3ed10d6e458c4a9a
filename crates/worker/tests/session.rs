//! The session against a server that does what the test says, over real mutual TLS.

mod hub;
mod trust;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hub::{Hub, Stream};
use serde_json::json;
use synod_domain::task::{Outcome, Phase};
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::agent::{Cancel, Certificate, Goodbye, NotRenewed};
use synod_worker::fake::FakeExecutor;
use synod_worker::journal::Seen;
use synod_worker::{Error, Identity, Journal, Session, SessionOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

struct Agent {
    journal: Journal,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<Result<(), Error>>,
}

impl Agent {
    fn start(identity: Identity, journal: Journal, options: SessionOptions) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let session = Session::new(identity, journal.clone(), FakeExecutor::default(), options);
        let run = tokio::spawn(session.run(async move { drop(stopped.await) }));
        Self { journal, stop: Some(stop), run }
    }

    async fn stop(mut self) -> Result<(), Error> {
        drop(self.stop.take());
        timeout(Duration::from_secs(10), self.run).await.unwrap().unwrap()
    }
}

fn phase(outcome: &Outcome) -> (Phase, &str) {
    (outcome.phase, outcome.reason.as_deref().unwrap_or_default())
}

async fn acknowledged(agent: &Agent, hub: &Stream, task: &str) {
    hub.ack(task).await;
    while agent.journal.seen(task) != Seen::Done {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn tasks_are_verified_executed_and_reported_once() {
    let mut hub = Hub::start().await;
    let agent = Agent::start(hub.identity(), Journal::in_memory(), SessionOptions::default());
    let mut stream = hub.accept().await;
    assert!(stream.hello.journalled.is_empty() && stream.hello.clock_ms > 0);

    // A good one, given twice.
    let good = hub.assignment("r1.0", json!({"fake": "output:100"}), |_| {});
    stream.assign(vec![good.clone(), good.clone()]).await;
    let (outcome, output) = stream.finished("r1.0").await;
    assert_eq!(phase(&outcome), (Phase::Succeeded, ""));
    assert!(outcome.started_at.is_some() && outcome.output_digest.is_some());
    assert_eq!(output.iter().map(|s| s.bytes().len()).sum::<usize>(), 100);
    // Not acknowledged: the same result again.
    stream.assign(vec![good.clone()]).await;
    assert_eq!(stream.finished("r1.0").await.0, outcome);
    // Acknowledged: a replay. Another name is not this node's.
    acknowledged(&agent, &stream, "r1.0").await;
    let mut renamed = good.clone();
    renamed.task = "r1.7".into();
    stream.assign(vec![good, renamed]).await;
    for (task, name) in [("r1.0", "replay: "), ("r1.7", "malformed: ")] {
        let (outcome, _) = stream.finished(task).await;
        assert_eq!(outcome.phase, Phase::Refused);
        assert!(outcome.reason.unwrap().starts_with(name));
    }

    // Each defect has its refusal.
    type Change = fn(&mut hub::Made);
    let cases: [(&str, Change); 9] = [
        ("digest", |m| m.assignment.manifest = [&m.assignment.manifest[..], b" "].concat().into()),
        ("not-this-node", |m| m.assignment.index = 1),
        ("malformed", |m| m.assignment.path[0].pop().map_or((), drop)),
        ("malformed", |m| m.assignment.task = "other.0".into()),
        ("approvals", |m| m.assignment.approvals_json = "[]".into()),
        ("approvals", |m| m.assignment.approvals_json = "nonsense".into()),
        ("too-late", |m| m.assignment.start_by_ms = 1),
        ("secret", |m| m.assignment.sealed_secrets.clear()),
        ("secret", |m| m.seal("another value")),
    ];
    for (n, (name, change)) in cases.into_iter().enumerate() {
        let task = format!("bad{n}.0");
        let made = hub.assignment(&task, json!({}), |m| {
            m.seal("hush hush");
            change(m);
        });
        let task = made.task.clone();
        stream.assign(vec![made]).await;
        let (outcome, _) = stream.finished(&task).await;
        assert_eq!(outcome.phase, Phase::Refused, "{task} {name}");
        let reason = outcome.reason.unwrap();
        assert!(reason.starts_with(&format!("{name}: ")) && !reason.contains("hush"), "{name}: {reason}");
    }
    let sealed = hub.assignment("sealed.0", json!({}), |m| m.seal("hush hush"));
    stream.assign(vec![sealed]).await;
    assert_eq!(stream.finished("sealed.0").await.0.phase, Phase::Succeeded);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn results_survive_lost_streams_and_restarts() {
    let mut hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let open = || Journal::open(&path, synod_worker::Clock::system()).unwrap();
    let agent = Agent::start(hub.identity(), open(), SessionOptions::default());
    let mut stream = hub.accept().await;
    stream
        .assign(vec![hub.assignment("slow.0", json!({"fake": "output:10,slow:400ms"}), |_| {}), hub.assignment("hang.0", json!({"fake": "hang"}), |_| {})])
        .await;
    stream.started("slow.0").await;
    // The stream breaks; the tasks run on.
    drop(stream);
    let mut stream = hub.accept().await;
    assert_eq!(stream.hello.journalled, ["hang.0", "slow.0"]);
    stream.started("hang.0").await;
    let (outcome, output) = stream.finished("slow.0").await;
    assert_eq!((outcome.phase, output.len()), (Phase::Succeeded, 1));
    drop(stream);
    let mut stream = hub.accept().await;
    assert_eq!(stream.finished("slow.0").await.0, outcome);
    // The agent stops: what runs is lost, and that is reported before it goes.
    let journal = agent.journal.clone();
    let stopping = tokio::spawn(agent.stop());
    let (lost, _) = stream.finished("hang.0").await;
    assert_eq!(phase(&lost), (Phase::Lost, "the agent was stopped"));
    stopping.await.unwrap().unwrap();
    drop((journal, stream));
    // A new process still has both results.
    let agent = Agent::start(hub.identity(), open(), SessionOptions::default());
    let mut stream = hub.accept().await;
    assert_eq!(stream.hello.journalled, ["hang.0", "slow.0"]);
    assert_eq!(stream.finished("hang.0").await.0, lost);
    acknowledged(&agent, &stream, "hang.0").await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn tasks_wait_their_turn_and_can_be_cancelled() {
    let mut hub = Hub::start().await;
    let options = SessionOptions { max_parallel: 1, ..SessionOptions::default() };
    let agent = Agent::start(hub.identity(), Journal::in_memory(), options);
    let mut stream = hub.accept().await;
    let tasks = ["a.0", "b.0", "c.0"].map(|task| hub.assignment(task, json!({"fake": if task == "c.0" { "crash" } else { "hang" }}), |_| {}));
    stream.assign(tasks.to_vec()).await;
    stream.started("a.0").await;
    stream.send(Down::Cancel(Cancel { tasks: vec!["b.0".into(), "never.0".into()] })).await;
    for task in ["b.0", "never.0"] {
        assert_eq!(phase(&stream.finished(task).await.0), (Phase::Cancelled, "cancelled before it began"));
    }
    stream.send(Down::Cancel(Cancel { tasks: vec!["a.0".into()] })).await;
    assert_eq!(phase(&stream.finished("a.0").await.0), (Phase::Cancelled, "cancelled while it ran"));
    assert_eq!(stream.finished("c.0").await.0.phase, Phase::Lost);
    stream.assign(vec![hub.assignment("never.0", json!({}), |_| {})]).await;
    assert_eq!(stream.finished("never.0").await.0.phase, Phase::Cancelled);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn output_is_streamed_and_certificates_are_renewed() {
    let mut hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let identity = hub.enrol(dir.path()).await;
    assert!(Identity::load(dir.path()).unwrap().is_some());
    let agent = Agent::start(identity, Journal::in_memory(), SessionOptions::default());
    let mut stream = hub.accept().await;
    stream.assign(vec![hub.assignment("r.0", json!({"fake": "output:700000,slow:600ms"}), |_| {})]).await;
    let live = stream.output("r.0").await;
    assert!(!live.is_empty());
    let (outcome, kept) = stream.finished("r.0").await;
    assert!(!outcome.truncated);
    assert_eq!(kept[..live.len()], live[..]);
    // The hub hands out certificates that need renewal at once.
    let csr = stream.renewal().await;
    let renewed = hub.sign(&csr, 90);
    stream.send(Down::Certificate(Certificate { certificate_pem: renewed.clone() })).await;
    while Identity::load(dir.path()).unwrap().unwrap().certificate_pem() != renewed {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stream.send(Down::Goodbye(Goodbye { code: "SYN-5002".into(), message: "revoked".into(), retry: false })).await;
    let error = timeout(Duration::from_secs(5), agent.run).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "revoked [SYN-5002]");
}

#[tokio::test]
async fn a_refused_renewal_is_not_asked_for_again_at_once() {
    let mut hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let identity = hub.enrol(dir.path()).await;
    let agent = Agent::start(identity, Journal::in_memory(), SessionOptions::default());
    let mut stream = hub.accept().await;
    stream.renewal().await;
    let refused = NotRenewed { code: "SYN-5005".into(), message: "renewed too often".into(), retry_after_s: 3600 };
    stream.send(Down::NotRenewed(refused)).await;
    // Not on the next stream either, although the certificate is as old as it was.
    stream.send(Down::Goodbye(Goodbye { code: "SYN-9000".into(), message: "going".into(), retry: true })).await;
    let mut next = hub.accept().await;
    next.assign(vec![hub.assignment("r.0", json!({"fake": "exit:0"}), |_| {})]).await;
    next.finished("r.0").await;
    assert_eq!(next.renewals(), 0);
    next.send(Down::Goodbye(Goodbye { code: "SYN-5002".into(), message: "revoked".into(), retry: false })).await;
    assert!(timeout(Duration::from_secs(5), agent.run).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn a_join_with_the_wrong_authority_or_a_half_written_folder_does_not_count() {
    let hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut options = hub.enrol_options();
    options.ca_fingerprint = format!("sha256:{}", "0".repeat(64));
    let error = Identity::enrol(dir.path(), &options).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("fingerprint"), "{error}");
    assert!(Identity::load(dir.path()).unwrap().is_none());
    options = hub.enrol_options();
    options.token = "wrong".into();
    assert_eq!(Identity::enrol(dir.path(), &options).await.unwrap_err().code(), Some("SYN-5000"));
    hub.enrol(dir.path()).await;
    std::fs::remove_file(dir.path().join("node.json")).unwrap();
    assert!(Identity::load(dir.path()).unwrap().is_none());
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
}
