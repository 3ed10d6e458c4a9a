//! What real agents do with steps: inputs, secrets, retries, checks, conditions, output of every sort.

use base64::Engine as _;
use http::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use synod_domain::run::Phase;
use synod_domain::task;
use synod_e2e::*;
use synod_protocol::http::run::{ReplayRequest, Run, RunRequest};

stories! {
    inputs_are_quoted_and_results_travel
    a_step_is_tried_again
    checks_fail_or_warn
    a_secret_arrives_and_stays_secret
    a_secret_cannot_be_guessed
    output_that_is_no_text
    too_much_output_is_cut
    a_task_takes_too_long
    a_process_group_dies_with_its_run
    a_real_agent_comes_back
    an_account_that_is_not_allowed_is_refused
}

async fn start(h: &Harness, changes: serde_json::Value) -> (agents::Agent, synod_protocol::http::client::Client) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", changes)]).await;
    (h.agent("web-1", &[("role", "web")]).await, h.client("dave").await)
}

async fn done(who: &synod_protocol::http::client::Client, inputs: serde_json::Value) -> Run {
    let run = request(who, &ask("t", inputs)).await.unwrap_or_else(|e| panic!("{e:?}"));
    ended(who, &run.summary.id).await
}

async fn inputs_are_quoted_and_results_travel(h: Harness) {
    let (_agent, dave) = start(
        &h,
        json!({
            "inputs": {"type": "object", "properties": {"word": {"type": "string"}, "n": {"type": "integer", "default": 3}}, "additionalProperties": false},
            "steps": [
                {"name": "say", "run": "echo {{ inputs.word }} {{ inputs.n }}; echo \"$SYNOD_NODE\"; exit 4", "expect": {"exitCode": 4}},
                {"name": "again", "run": "printf '%s|' {{ steps['say'].stdout }} \"$GREETING\"", "env": {"GREETING": "hello {{ inputs.word }}"}},
                {"name": "never", "when": "steps['say'].exit_code == 0", "run": "echo never"},
                {"name": "then", "when": "steps['say'].exit_code == 4 and steps['never'].skipped", "run": "echo then"}
            ]
        }),
    )
    .await;
    let run = done(&dave, json!({"word": "a b'; rm -rf / #"})).await;
    assert_eq!(run.summary.phase, Phase::Succeeded, "{:?}", tasks(&dave, &run.summary.id).await);
    let text = output_text(&dave, &run.summary.id).await;
    assert_eq!(text, "a b'; rm -rf / # 3\nweb-1\na b'; rm -rf / # 3\nweb-1|hello a b'; rm -rf / #|then\n");
    let task = &tasks(&dave, &run.summary.id).await[0];
    assert_eq!(task.steps.iter().map(|s| s.skipped).collect::<Vec<_>>(), [false, false, true, false]);
    assert!(run.preview[0].script.contains("'a b'"), "people see it as it will run: {}", run.preview[0].script);
}

async fn a_step_is_tried_again(h: Harness) {
    let count = h.dir.path().join("count");
    let script = format!("echo x >> {0}; test $(wc -l < {0}) -ge 3", count.display());
    let (_agent, dave) = start(
        &h,
        json!({
            "steps": [{"name": "try", "run": script, "retry": {"until": "result.exit_code == 0", "every": "10ms", "limit": 5}},
                      {"name": "tell", "run": "echo {{ steps['try'].attempts }}"}]
        }),
    )
    .await;
    let run = done(&dave, json!({})).await;
    let task = &tasks(&dave, &run.summary.id).await[0];
    assert_eq!((run.summary.phase, task.steps[0].attempts), (Phase::Succeeded, 3));
    assert_eq!(output_text(&dave, &run.summary.id).await, "3\n");
    // A limit that is reached fails the step.
    h.apply(vec![free(
        "t",
        json!({"steps": [{"name": "try", "run": "exit 9", "retry": {"until": "result.exit_code == 0", "every": "1ms", "limit": 2}}]}),
    )])
    .await;
    let run = done(&dave, json!({})).await;
    let task = &tasks(&dave, &run.summary.id).await[0];
    assert_eq!((task.phase, task.exit_code, task.steps[0].attempts), (task::Phase::Failed, Some(9), 2));
}

async fn checks_fail_or_warn(h: Harness) {
    let (_agent, dave) = start(
        &h,
        json!({
            "steps": [{"name": "one", "run": "echo fine; echo panic >&2", "expect": {"stderr": {"notContains": "panic"}, "onMismatch": "warn"}},
                      {"name": "two", "run": "echo down", "expect": {"stdout": {"matches": "^running"}}},
                      {"name": "three", "run": "echo never"}]
        }),
    )
    .await;
    let run = done(&dave, json!({})).await;
    let task = &tasks(&dave, &run.summary.id).await[0];
    assert_eq!((run.summary.phase, task.phase), (Phase::Failed, task::Phase::Failed));
    assert!(task.warnings.iter().any(|w| w.contains("panic")), "{:?}", task.warnings);
    assert!(task.reason.contains("two"), "{}", task.reason);
    assert!(!output_text(&dave, &run.summary.id).await.contains("never"));
}

async fn a_secret_arrives_and_stays_secret(h: Harness) {
    const SECRET: &str = "hunter2-and-more";
    let file = h.dir.path().join("arrived");
    let (_agent, dave) = start(&h, json!({
        "inputs": {"type": "object", "required": ["password"], "properties": {"password": {"type": "string", "writeOnly": true}}, "additionalProperties": false},
        "steps": [{"name": "use", "run": format!("printf %s {{{{ inputs.password }}}} > {}; echo it is {{{{ inputs.password }}}}", file.display())}]
    })).await;
    let run = done(&dave, json!({"password": SECRET})).await;
    let id = &run.summary.id;
    assert_eq!(run.summary.phase, Phase::Succeeded, "{:?}", tasks(&dave, id).await);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SECRET);
    assert!(run.manifest.secrets.contains_key("password"), "a commitment is in the manifest");
    let output = output_text(&dave, id).await;
    assert!(output.starts_with("it is ") && !output.contains(SECRET), "{output}");
    let alice = h.client("alice").await;
    for path in [format!("/runs/{id}"), format!("/tasks?run={id}"), "/events?limit=1000".into(), "/backup".into(), format!("/runs/{id}/output")] {
        let text = download(&alice, &path).await.unwrap();
        assert!(!text.contains(SECRET), "the secret is in {path}");
        assert!(!text.contains(&base64::engine::general_purpose::STANDARD.encode(SECRET)), "the secret is in {path}");
    }
    // It is not kept: a replay asks for it again.
    let again = ReplayRequest { target: Default::default(), reason: None, secrets: None, not_before: None, dry_run: false };
    let problem = refused(dave.post::<_, Run>(&format!("{API}/runs/{id}/replay"), &again).await, "SYN-1002");
    names(&problem, "/inputs", "`password` is missing");
    let again = ReplayRequest { secrets: Some(json!({"password": "another"})), ..again };
    let run: Run = dave.post(&format!("{API}/runs/{id}/replay"), &again).await.unwrap();
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "another");
}

/// Everything about a request but its secret is known to whoever reads the database: a plain hash of it would let them try words.
async fn a_secret_cannot_be_guessed(h: Harness) {
    const SECRET: &str = "sesame-4711";
    leaks::listen();
    h.shop("bob:approver dave:requester").await;
    let inputs = json!({"type": "object", "required": ["word"], "properties": {"word": {"type": "string", "writeOnly": true}}, "additionalProperties": false});
    h.apply(vec![template("t", json!({"inputs": inputs, "steps": [{"name": "use", "run": "echo it is {{ inputs.word }}"}]}))]).await;
    let _agent = h.agent("web-1", &[("role", "web")]).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let wanted = ask("t", json!({"word": SECRET}));
    let post = async |body: &RunRequest| -> Called<Run> {
        dave.call(Method::POST, &format!("{API}/runs"), &[("idempotency-key", "once and no more")], Some(body)).await
    };
    let guesses = [SECRET.to_owned(), base64::engine::general_purpose::STANDARD.encode(SECRET), hex::encode(SECRET)]
        .into_iter()
        .chain(
            [serde_json::to_vec(&wanted).unwrap(), json!(wanted).to_string().into_bytes(), json!({"word": SECRET}).to_string().into_bytes()]
                .map(|known| hex::encode(Sha256::digest(known))),
        )
        .collect::<Vec<_>>();
    let nowhere = async |when: &str| {
        let backup = download(&h.client("alice").await, "/backup").await.unwrap();
        for (place, text) in [("database", h.contents().await), ("backup", backup), ("log", leaks::logged())] {
            assert!(text.contains("synod") || text.contains(&h.app().id), "nothing was read of the {place}");
            for guess in &guesses {
                assert!(!text.contains(guess), "{when}: `{guess}` is in the {place}");
            }
        }
    };
    let run = post(&wanted).await.unwrap();
    nowhere("pending").await;
    assert_eq!(post(&wanted).await.unwrap().summary.id, run.summary.id);
    let other = ask("t", json!({"word": "another word"}));
    let problem = refused(post(&other).await, "SYN-3007");
    assert!(problem.detail.contains("something else"), "{}", problem.detail);
    approve(&bob, &run).await.unwrap();
    let done = ended(&dave, &run.summary.id).await;
    assert_eq!(done.summary.phase, Phase::Succeeded, "{:?}", tasks(&dave, &run.summary.id).await);
    nowhere("ended").await;
    // The same request is still known; its secret is forgotten, and so is whether it was this one.
    assert_eq!(post(&wanted).await.unwrap().summary.id, run.summary.id);
    assert_eq!(post(&other).await.unwrap().summary.id, run.summary.id);
    refused(post(&RunRequest { reason: "another".into(), ..wanted }).await, "SYN-3007");
    assert_eq!(h.sql("UPDATE runs SET idempotency_hash = idempotency_hash WHERE length(idempotency_hash) = 64").await, 1);
}

async fn output_that_is_no_text(h: Harness) {
    let (_agent, dave) = start(&h, json!({"steps": [{"name": "bytes", "run": "echo text; sleep 0.2; printf '\\377\\376\\000\\001'"}]})).await;
    let run = done(&dave, json!({})).await;
    assert_eq!(run.summary.phase, Phase::Succeeded);
    let segments: Vec<_> = output(&dave, &run.summary.id).await.items.into_iter().flat_map(|chunk| chunk.segments).collect();
    let bytes: Vec<u8> = segments
        .iter()
        .flat_map(|s| match (&s.text, &s.base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (_, Some(base64)) => base64::engine::general_purpose::STANDARD.decode(base64).unwrap(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(bytes, b"text\n\xff\xfe\x00\x01");
}

async fn too_much_output_is_cut(h: Harness) {
    let (_agent, dave) = start(&h, json!({"steps": [{"name": "much", "run": "echo first; yes 0123456789 | head -c 4000000; echo; echo last"}]})).await;
    let run = done(&dave, json!({})).await;
    assert_eq!(run.summary.phase, Phase::Succeeded);
    assert!(tasks(&dave, &run.summary.id).await[0].truncated);
    let text = output_text(&dave, &run.summary.id).await;
    assert!(text.starts_with("first\n") && text.ends_with("last\n"), "head and tail are kept");
    assert!(text.len() <= 1 << 20, "{} bytes are kept", text.len());
    let dropped: u64 = output(&dave, &run.summary.id).await.items.iter().flat_map(|c| &c.segments).map(|s| s.dropped_bytes).sum();
    assert_eq!(dropped + text.len() as u64, 4_000_000 + 6 + 6);
}

async fn a_task_takes_too_long(h: Harness) {
    let (_agent, dave) = start(&h, json!({"timeout": "500ms", "steps": [{"name": "sleep", "run": "echo begun; sleep 600"}]})).await;
    let run = done(&dave, json!({})).await;
    assert_eq!((run.summary.phase, run.tasks.timed_out), (Phase::Failed, 1));
    assert_eq!(output_text(&dave, &run.summary.id).await, "begun\n");
}

async fn a_process_group_dies_with_its_run(h: Harness) {
    let pid = h.dir.path().join("pid");
    let (_agent, dave) = start(&h, json!({"steps": [{"name": "fork", "run": format!("sleep 600 & echo $! > {0}; echo begun; wait", pid.display())}]})).await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let id = run.summary.id;
    until("output while it runs", async || (output_text(&dave, &id).await == "begun\n").then_some(())).await;
    cancel(&dave, &id).await.unwrap();
    let run = ended(&dave, &id).await;
    assert_eq!((run.summary.phase, run.tasks.cancelled), (Phase::Cancelled, 1));
    let child = nix::unistd::Pid::from_raw(std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap());
    until("the child's end", async || nix::sys::signal::kill(child, None).is_err().then_some(())).await;
}

async fn a_real_agent_comes_back(mut h: Harness) {
    let (agent, dave) = start(&h, json!({"steps": [{"name": "one", "run": "echo once"}]})).await;
    agent.stop().await;
    h.disconnected("web-1").await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    task_in(&dave, &run.summary.id, task::Phase::Assigned).await;
    // Its identity is on disk: no token is needed again.
    let _agent = h.run_agent(h.agent_config("web-1", None));
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
    // A server that restarts finds its agents again, and they find it.
    h.stop().await;
    h.start_again().await;
    h.connected("web-1").await;
    let dave = h.client("dave").await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
    assert_eq!(output_text(&dave, &run.summary.id).await, "once\n");
}

async fn an_account_that_is_not_allowed_is_refused(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"runAs": "root"})), free("u", json!({"runAs": "daemon"}))]).await;
    let token = h.join_token(&[("role", "web")], 1).await;
    std::fs::create_dir_all(h.dir.path().join("agents")).unwrap();
    let config = synod_agent::AgentConfig { refuse_root: true, allow_run_as: Some(vec!["nobody".into()]), ..h.agent_config("web-1", Some(token.token)) };
    let _agent = h.run_agent(config);
    h.connected("web-1").await;
    let dave = h.client("dave").await;
    for (template, words) in [("t", "root"), ("u", "daemon")] {
        let run = request(&dave, &ask(template, json!({}))).await.unwrap();
        ended(&dave, &run.summary.id).await;
        let task = &tasks(&dave, &run.summary.id).await[0];
        assert!(task.phase == task::Phase::Refused && task.reason.contains(words), "{} {}", task.phase, task.reason);
        h.event(&format!("&run={}", run.summary.id), "synod.task.refused").await;
    }
}
