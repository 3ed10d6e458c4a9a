//! The load: people who request, approve, reject and cancel, each repeating a call until it is acknowledged, and
//! remembering what was.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::error::code;
use synod_e2e::{API, binding};
use synod_protocol::http::IDEMPOTENCY_KEY;
use synod_protocol::http::client::{Client, ClientError};
use synod_protocol::http::run::Run;

/// dave requests, bob and carol approve.
pub const PEOPLE: [&str; 3] = ["dave", "bob", "carol"];
/// No call may go unacknowledged for so long.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

/// How many people must agree.
pub fn quorum(template: &str) -> usize {
    match template {
        "output" | "calm" => 0,
        "two" | "starved" => 2,
        _ => 1,
    }
}

/// The steps that leave a mark on a node, when they run.
pub fn marks(template: &str) -> &'static [&'static str] {
    if template == "output" { &["main", "tail"] } else { &["main"] }
}

/// What a task that succeeds has written: standard output and standard error.
pub fn output(template: &str, node: &str, tag: &str) -> (String, String) {
    match template {
        "output" => {
            let lines: String = (0..40).map(|n| format!("line {n} of {tag} on {node}: all work and no play makes a dull node\n")).collect();
            (format!("{lines}tail of {tag}\n"), format!("no trouble on {node}\n"))
        }
        _ => (format!("{template} {tag} on {node}\n"), String::new()),
    }
}

/// The namespace, who may do what, and what may be requested. Every step that runs leaves a line in its node's file.
pub async fn apply(admin: &Client, marks: &Path) {
    let mark = |step: &str| format!("printf '%s %s %s {step}\\n' \"$SYNOD_RUN\" \"$SYNOD_TASK\" \"$SYNOD_NODE\" >> '{}'/\"$SYNOD_NODE\"\n", marks.display());
    let template = |name: &str, strategy: Value, script: &str| {
        let script = format!("{}{}", mark("main"), script.replace("SAY", &format!("echo {name} {{{{ inputs.tag }}}} on \"$SYNOD_NODE\"")));
        let mut rules = vec![];
        if quorum(name) > 0 {
            rules.push(json!({"count": quorum(name), "from": {"role": "approver"}}));
        }
        json!({"apiVersion": "synod/v1", "kind": "Template", "metadata": {"namespace": "shop", "name": name}, "spec": {
            "title": name,
            "inputs": {"type": "object", "required": ["tag"], "properties": {"tag": {"type": "string"}}, "additionalProperties": false},
            "targets": {"selector": "role=web"},
            "approval": {"rules": rules, "expiresAfter": if name == "starved" { "4s" } else { "1h" }},
            "strategy": strategy,
            "timeout": "20s",
            "startDeadline": if matches!(name, "calm" | "after") { "25s" } else { "5s" },
            "steps": [{"name": "main", "run": script}]
        }})
    };
    let at_once = json!({"type": "allAtOnce", "maxFailures": 3});
    let rolling = |failures: u32| json!({"type": "rolling", "size": 1, "maxFailures": failures});
    let mut long = template(
        "output",
        at_once.clone(),
        "n=0\nwhile [ $n -lt 40 ]; do echo \"line $n of \"{{ inputs.tag }}\" on $SYNOD_NODE: all work and no play makes a dull node\"; \
         n=$((n + 1)); [ $((n % 10)) -ne 0 ] || sleep 0.1; done\necho \"no trouble on $SYNOD_NODE\" >&2\n",
    );
    let tail = format!("{}echo tail of {{{{ inputs.tag }}}}\n", mark("tail"));
    long["spec"]["steps"].as_array_mut().unwrap().push(json!({"name": "tail", "run": tail}));
    let documents = vec![
        json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"title": "The shop"}}),
        binding(Some("shop"), "requester", "dave"),
        binding(Some("shop"), "approver", "bob"),
        binding(Some("shop"), "approver", "carol"),
        template("quick", at_once.clone(), "SAY\n"),
        template("two", json!({"type": "oneThenRest", "maxFailures": 3}), "SAY\n"),
        template("rolling", rolling(3), "sleep 0.2\nSAY\n"),
        template("failing", rolling(0), "SAY\nexit 3\n"),
        template("mixed", at_once.clone(), "SAY\n[ \"$SYNOD_NODE\" != n2 ]\n"),
        template("reject", at_once.clone(), "SAY\n"),
        template("starved", at_once.clone(), "SAY\n"),
        template("calm", at_once.clone(), "sleep 0.1\nSAY\n"),
        template("after", at_once.clone(), "SAY\n"),
        template("slow", at_once, "sleep 4\nSAY\n"),
        long,
    ];
    let _: Value = admin.post(&format!("{API}/apply"), &json!({"documents": documents})).await.expect("the templates are applied");
}

/// The people at their desks: a client of each server for each of them.
pub struct Desk {
    /// alice's.
    pub admin: Vec<Client>,
    /// Those of [`PEOPLE`].
    pub people: Vec<(&'static str, Vec<Client>)>,
}

/// What was acknowledged about one request.
#[derive(Debug)]
pub struct Asked {
    /// The template.
    pub template: &'static str,
    /// The idempotency key, which is also an input and the reason.
    pub tag: String,
    /// The run.
    pub run: String,
    /// Its digest when it was requested.
    pub digest: String,
    /// Decisions that were acknowledged.
    pub decisions: Vec<(&'static str, Decision)>,
    /// Whether a cancellation was acknowledged.
    pub cancelled: bool,
}

/// The answer to a call that was repeated until it was acknowledged.
pub struct Acknowledged {
    /// The answer; an error is a refusal.
    pub answer: Result<Value, ClientError>,
    /// Whether an earlier attempt may have had its effect.
    pub again: bool,
}

static TURN: AtomicUsize = AtomicUsize::new(0);

/// Calls until a server answers, another one each time.
pub async fn call(clients: &[Client], method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Acknowledged {
    let until = Instant::now() + ACKNOWLEDGED_WITHIN;
    let headers: Vec<(&'static str, &str)> = key.map(|key| (IDEMPOTENCY_KEY, key)).into_iter().collect();
    let full = format!("{API}{path}");
    let mut again = false;
    loop {
        let client = &clients[TURN.fetch_add(1, Ordering::Relaxed) % clients.len()];
        let attempt = client.call::<Value, Value>(method.clone(), &full, &headers, body);
        let answer = match tokio::time::timeout(Duration::from_secs(15), attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Transport("no answer within 15 s".into())),
        };
        match answer {
            Err(error) if error.is_transient() => {
                assert!(Instant::now() < until, "{method} {path} was not acknowledged within {ACKNOWLEDGED_WITHIN:?}: {error}");
                again = true;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return Acknowledged { answer, again },
        }
    }
}

impl Desk {
    /// The clients of one of [`PEOPLE`].
    pub fn of(&self, person: &str) -> &[Client] {
        &self.people.iter().find(|(name, _)| *name == person).expect("one of the people").1
    }

    /// Requests a run.
    pub async fn request(&self, template: &'static str, tag: String) -> Asked {
        let body = json!({"namespace": "shop", "template": template, "inputs": {"tag": tag}, "reason": tag});
        let said = call(self.of("dave"), Method::POST, "/runs", Some(&tag), Some(&body)).await;
        let run = said.answer.unwrap_or_else(|e| panic!("{template} {tag} was refused: {e:?}"));
        let run: Run = serde_json::from_value(run).expect("a run is answered");
        Asked { template, tag, run: run.summary.id, digest: run.digest, decisions: Vec::new(), cancelled: false }
    }

    /// Decides, and says whether that was acknowledged. `late` decisions may come when all is decided.
    async fn decide(&self, asked: &Asked, person: &str, decision: Decision, late: bool) -> bool {
        let body = json!({"digest": asked.digest, "decision": decision, "comment": asked.tag});
        let said = call(self.of(person), Method::POST, &format!("/runs/{}/approvals", asked.run), None, Some(&body)).await;
        match said.answer {
            Ok(_) => true,
            Err(error) if said.again && error.code() == Some(code::ALREADY_VOTED.id) => true,
            Err(error) if late && [code::RUN_EXPIRED.id, code::RUN_NOT_PENDING.id].contains(&error.code().unwrap_or_default()) => false,
            Err(error) => panic!("{person}'s decision on {asked:?} was refused: {error:?}"),
        }
    }

    async fn must_not_decide(&self, asked: &Asked) {
        let body = json!({"digest": asked.digest, "decision": "approve"});
        let said = call(self.of("dave"), Method::POST, &format!("/runs/{}/approvals", asked.run), None, Some(&body)).await;
        assert!(said.answer.is_err(), "dave approved his own request {asked:?}");
    }

    async fn cancel(&self, asked: &mut Asked) {
        let said = call(self.of("dave"), Method::POST, &format!("/runs/{}/cancel", asked.run), None, Some(&json!({"reason": "chaos"}))).await;
        match said.answer {
            Ok(_) => asked.cancelled = true,
            Err(error) if error.code() == Some(code::RUN_ENDED.id) => {}
            Err(error) => panic!("the cancellation of {asked:?} was refused: {error:?}"),
        }
    }
}

/// Requests runs of all kinds until it is over.
pub async fn requester(desk: Arc<Desk>, number: u64, seed: u64, over: Arc<AtomicBool>) -> Vec<Asked> {
    const KINDS: [&str; 10] = ["quick", "quick", "output", "two", "rolling", "failing", "mixed", "reject", "starved", "slow"];
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let kind = KINDS[rng.random_range(0..KINDS.len())];
        let mut asked = desk.request(kind, format!("{kind}-request-{number}-{}", all.len())).await;
        let (first, second) = if rng.random() { ("bob", "carol") } else { ("carol", "bob") };
        match kind {
            "output" => {}
            "reject" => {
                if desk.decide(&asked, first, Decision::Reject, false).await {
                    asked.decisions.push((first, Decision::Reject));
                }
            }
            "starved" => {
                desk.must_not_decide(&asked).await;
                if desk.decide(&asked, first, Decision::Approve, true).await {
                    asked.decisions.push((first, Decision::Approve));
                }
            }
            "two" => {
                let (a, b) = tokio::join!(desk.decide(&asked, first, Decision::Approve, false), desk.decide(&asked, second, Decision::Approve, false));
                asked.decisions.extend([(a, first), (b, second)].into_iter().filter(|(yes, _)| *yes).map(|(_, who)| (who, Decision::Approve)));
            }
            "slow" => {
                // Sometimes it is called off before anybody agreed.
                if rng.random_ratio(3, 4) && desk.decide(&asked, first, Decision::Approve, false).await {
                    asked.decisions.push((first, Decision::Approve));
                    tokio::time::sleep(Duration::from_millis(rng.random_range(0..1500))).await;
                }
                desk.cancel(&mut asked).await;
            }
            _ => {
                if desk.decide(&asked, first, Decision::Approve, false).await {
                    asked.decisions.push((first, Decision::Approve));
                }
            }
        }
        all.push(asked);
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..400))).await;
    }
    all
}

/// A last run, with nobody being killed any more: it must succeed on all nodes.
pub async fn one_more(desk: &Desk, until: Instant) -> Asked {
    let mut asked = desk.request("after", "after-the-storm".into()).await;
    assert!(desk.decide(&asked, "bob", Decision::Approve, false).await);
    asked.decisions.push(("bob", Decision::Approve));
    loop {
        let said = call(desk.of("dave"), Method::GET, &format!("/runs/{}", asked.run), None, None).await;
        let run: Run = serde_json::from_value(said.answer.expect("a run can be read")).expect("a run is answered");
        if run.summary.phase.ended() || Instant::now() > until {
            assert_eq!((run.summary.phase.name(), run.tasks.succeeded), ("succeeded", 3), "after the last kill a run does not succeed: {:?}", run.summary);
            return asked;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
