//! Requests, decisions and starts that are wrong: each is refused by name, with the place and what would do.

use http::Method;
use serde_json::{Value, json};
use synod_domain::Span;
use synod_domain::run::Phase;
use synod_e2e::*;
use synod_protocol::http::run::{Run, RunRequest};
use synod_protocol::http::user::{Bootstrap, User};
use synod_server::Config;

stories! {
    inputs_that_break_the_schema
    nodes_that_do_not_match
    decisions_that_do_not_count
    nobody_could_approve
    bodies_and_parameters
    no_text_is_too_odd_to_be_refused_by_name
    what_does_not_exist
    a_second_bootstrap
    a_port_in_use
    a_newer_schema
    a_skewed_clock
}

async fn inputs_that_break_the_schema(h: Harness) {
    h.shop("dave:requester").await;
    let inputs = json!({
        "type": "object", "required": ["service"], "additionalProperties": false,
        "properties": {
            "service": {"type": "string", "enum": ["web", "worker"]},
            "grace_s": {"type": "integer", "minimum": 0, "maximum": 60},
            "password": {"type": "string", "minLength": 8, "writeOnly": true}
        }
    });
    h.apply(vec![free("t", json!({"inputs": inputs}))]).await;
    let _agents = h.webs(1).await;
    let dave = h.client("dave").await;
    let wrong = async |inputs: Value| refused(request(&dave, &ask("t", inputs)).await, "SYN-1002");
    names(&wrong(json!({"service": "webb"})).await, "/inputs/service", "did you mean `web`?");
    names(&wrong(json!({"service": "web", "grace_s": 99})).await, "/inputs/grace_s", "60");
    names(&wrong(json!({"service": "web", "grace_s": "5"})).await, "/inputs/grace_s", "integer");
    names(&wrong(json!({})).await, "/inputs", "`service` is missing");
    names(&wrong(json!("web")).await, "/inputs", "object");
    let problem = wrong(json!({"service": "nope", "grace_s": -1, "password": "hush"})).await;
    assert_eq!(problem.problems.len(), 3, "all of them at once: {:?}", problem.problems);
    assert!(!serde_json::to_string(&problem).unwrap().contains("hush"), "a secret is in the refusal");
    names(&wrong(json!({"service": "web", "grase_s": 5})).await, "/inputs/grase_s", "did you mean `grace_s`?");
}

async fn nodes_that_do_not_match(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"targets": {"selector": "role=web", "min": 2, "max": 3}}))]).await;
    let _agents = (h.webs(4).await, h.simulated("db-1", &[("role", "db")]).await);
    let dave = h.client("dave").await;
    let problem = refused(request(&dave, &ask_on("t", json!({}), "role=cache")).await, "SYN-1004");
    assert!(problem.detail.contains("role=cache") && problem.detail.contains("0 nodes"), "{}", problem.detail);
    let problem = refused(request(&dave, &ask_on("t", json!({}), "name in (web-1,db-1)")).await, "SYN-1004");
    assert!(problem.detail.contains("at least 2") && problem.detail.contains("db-1"), "{}", problem.detail);
    let problem = refused(request(&dave, &ask("t", json!({}))).await, "SYN-1005");
    assert!(problem.detail.contains("4 nodes") && problem.detail.contains("at most 3"), "{}", problem.detail);
    let problem = refused(dave.get::<Value>(&format!("{API}/nodes?selector=zone%20in%20(a")).await, "SYN-1003");
    assert!(problem.detail.contains("column"), "{}", problem.detail);
    refused(request(&dave, &ask("ghost", json!({}))).await, "SYN-3000");
    let past = RunRequest { not_before: Some(synod_domain::Timestamp(h.clock.now().0 - 1000)), ..ask_on("t", json!({}), "name in (web-1,web-2)") };
    refused(request(&dave, &past).await, "SYN-1007");
    let far = RunRequest { not_before: Some(h.clock.now().after(Span::secs(400 * 86_400))), ..past };
    refused(request(&dave, &far).await, "SYN-1007");
    let body = json!({"namespace": "shop", "template": "t", "target": "role=="});
    let problem = refused(dave.post::<_, Run>(&format!("{API}/runs"), &body).await, "SYN-1003");
    assert!(problem.detail.contains("column") || problem.problems.iter().any(|p| p.pointer == "/target"), "{problem:?}");
}

async fn decisions_that_do_not_count(h: Harness) {
    h.shop("bob:approver carol:approver+oncall dave:requester erin:viewer").await;
    let two = json!({"rules": [{"count": 2, "from": {"role": "approver"}}]});
    let oncall = json!({"rules": [{"count": 1, "from": {"group": "oncall"}}]});
    let others = json!({"rules": [{"count": 1, "from": {"role": "approver"}}], "authorMayApprove": false});
    h.apply(vec![template("t", json!({"approval": two})), template("u", json!({"approval": oncall})), template("v", json!({"approval": others}))])
        .await;
    let _agents = h.webs(1).await;
    let (alice, bob, dave, erin) = (h.client("alice").await, h.client("bob").await, h.client("dave").await, h.client("erin").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let problem = refused(approve(&erin, &run).await, "SYN-2100");
    assert!(problem.detail.contains("the role approver or requester or administrator would do"), "{}", problem.detail);
    assert!(problem.detail.contains("template shop/t"), "{}", problem.detail);
    let problem = refused(request(&erin, &ask("t", json!({}))).await, "SYN-2100");
    assert!(problem.detail.contains("the role requester or administrator would do"), "{}", problem.detail);
    refused(approve(&dave, &run).await, "SYN-4000");
    let other = Run { digest: format!("sha256:{}", "0".repeat(64)), ..run.clone() };
    let problem = refused(approve(&bob, &other).await, "SYN-4003");
    assert!(problem.detail.contains(&run.digest), "{}", problem.detail);
    approve(&bob, &run).await.unwrap();
    refused(approve(&bob, &run).await, "SYN-4002");
    refused(reject(&bob, &run).await, "SYN-4002");
    let run = request(&dave, &ask("u", json!({}))).await.unwrap();
    let problem = refused(approve(&bob, &run).await, "SYN-4006");
    assert!(problem.detail.contains("oncall"), "{}", problem.detail);
    let run = request(&dave, &ask("v", json!({}))).await.unwrap();
    refused(approve(&alice, &run).await, "SYN-4001");
    let comment = json!({"digest": run.digest, "decision": "approve", "comment": "x".repeat(2001)});
    let problem = refused(bob.post::<_, Run>(&format!("{API}/runs/{}/approvals", run.summary.id), &comment).await, "SYN-1001");
    names(&problem, "/comment", "2000");
    assert_eq!(show(&dave, &run.summary.id).await.unwrap().summary.phase, Phase::Pending);
}

async fn nobody_could_approve(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    let rules = json!({"rules": [{"count": 9, "from": {"role": "approver"}}]});
    h.apply(vec![template("t", json!({"approval": rules}))]).await;
    let _agents = h.webs(1).await;
    let problem = refused(request(&h.client("dave").await, &ask("t", json!({}))).await, "SYN-4009");
    assert!(problem.detail.contains("9 with role approver"), "{}", problem.detail);
}

async fn bodies_and_parameters(h: Harness) {
    let alice = h.client("alice").await;
    let post = async |path: &str, body: &str| -> Called<Value> {
        let answer = alice.raw(Method::POST, &format!("{API}{path}"), &[("content-type", "application/json")], body.to_owned().into()).await?;
        synod_protocol::http::client::accept(answer).await.map(|_| Value::Null)
    };
    let problem = refused(post("/runs", "{\n  \"namespace\": shop\n}").await, "SYN-1000");
    assert_eq!((problem.problems[0].line, problem.problems[0].column.is_some()), (Some(2), true), "{problem:?}");
    let problem = refused(post("/runs", "{\"namespace\": \"shop\", \"template\": \"t\",\n \"reson\": \"x\"}").await, "SYN-1000");
    assert!(problem.problems[0].line == Some(2) && problem.detail.contains("`reson`") && problem.detail.contains("`reason`"), "{problem:?}");
    let problem = refused(post("/runs", "{\"namespace\": 5, \"template\": \"t\"}").await, "SYN-1000");
    assert!(problem.detail.contains("string"), "{problem:?}");
    let large = format!("{{\"documents\": [\"{}\"]}}", "x".repeat(5 << 20));
    let problem = refused(post("/apply", &large).await, "SYN-1009");
    assert_eq!(problem.status, 413);
    let problem = refused(alice.get::<Value>(&format!("{API}/tasks?phse=failed")).await, "SYN-1008");
    assert!(problem.detail.contains("phse") && problem.detail.contains("`phase`"), "{}", problem.detail);
    let problem = refused(alice.get::<Value>(&format!("{API}/tasks?phase=broken")).await, "SYN-1008");
    assert!(problem.detail.contains("timed_out"), "it tells the known ones: {}", problem.detail);
    let problem = refused(alice.get::<Value>(&format!("{API}/tasks?sort=size")).await, "SYN-1008");
    assert!(problem.detail.contains("-created"), "{}", problem.detail);
    for path in ["/tasks?cursor=x", "/runs?cursor=x", "/events?cursor=x"] {
        refused(alice.get::<Value>(&format!("{API}{path}")).await, "SYN-1010");
    }
    let problem = refused(alice.get::<Value>(&format!("{API}/access/can-i?action=run.aprove")).await, "SYN-1008");
    assert!(problem.detail.contains("did you mean `run.approve`?"), "{}", problem.detail);
    let (status, _) = raw(&alice, Method::PUT, "/runs", &[], "").await;
    assert_eq!(status, 405);
    let problem = refused(post("/users", "{\"name\": \"eve\", \"password\": \"short\"}").await, "SYN-1001");
    names(&problem, "/password", "10");
    let problem = refused(post("/users", "{\"name\": \"alice\", \"password\": \"long enough\"}").await, "SYN-3002");
    assert!(problem.detail.contains("alice"));
    let problem = refused(post("/join-tokens", "{\"uses\": 0, \"labels\": {\"name\": \"x\"}, \"expiresIn\": \"90d\"}").await, "SYN-1001");
    assert_eq!(problem.problems.len(), 3, "{:?}", problem.problems);
    names(&problem, "/labels/name", "given by the machine itself");
}

/// PostgreSQL cannot store a NUL character and indexes no long text; SQLite can. Both answer the same, and never with "something broke".
async fn no_text_is_too_odd_to_be_refused_by_name(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"inputs": {"type": "object"}}))]).await;
    let _agents = h.webs(1).await;
    let alice = h.client("alice").await;
    let post = async |path: &str, body: &Value| raw(&alice, Method::POST, path, &[("content-type", "application/json")], &body.to_string()).await;
    let nul = "a\0b";
    let mut policy = json!({"apiVersion": "synod/v1", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"cedar": nul}});
    let with_label = json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": "g", "labels": {nul: "x"}}, "spec": {}});
    for (path, body, pointer) in [
        ("/users", json!({"name": "erin", "displayName": nul, "password": PASSWORD}), "/displayName"),
        ("/auth/login", json!({"user": nul, "password": PASSWORD}), "/user"),
        ("/api-keys", json!({"name": nul}), "/name"),
        ("/join-tokens", json!({"labels": {"role": nul}}), "/labels/role"),
        ("/apply", json!({"documents": [policy.clone()]}), "/documents/0/spec/cedar"),
        ("/apply", json!({"documents": [with_label]}), "/documents/0/metadata/labels"),
        ("/runs", json!({"namespace": "shop", "template": "t", "inputs": {"deep": [{"a": nul}]}, "target": ""}), "/inputs/deep/0/a"),
        ("/runs", json!({"namespace": nul, "template": "t"}), "/namespace"),
        ("/auth/ssh-keys", json!({"name": nul, "publicKey": "x"}), "/name"),
    ] {
        let (status, text) = post(path, &body).await;
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &problem["code"], &problem["problems"][0]["pointer"]), (422, &json!("SYN-1001"), &json!(pointer)), "{path}: {text}");
        assert!(text.contains("NUL"), "{text}");
    }
    for path in ["/users/a%00b", "/objects/groups/%00", "/runs/%00", "/tasks?run=a%00b", "/events?subject=%00", "/nodes?selector=role%3D%00", "/users/%ff"] {
        let (status, text) = raw(&alice, Method::GET, path, &[], "").await;
        assert!(status == 400 && text.contains("SYN-1008"), "{path}: {status} {text}");
    }
    // What is too long is refused by name as well, or kept; the same on both.
    let long: String = (0..60_000u32).map(|n| char::from(b'a' + u8::try_from(n.wrapping_mul(n) / 7 % 26).unwrap())).collect();
    policy["metadata"]["name"] = json!(long);
    for (path, body) in [
        ("/users", json!({"name": long, "password": PASSWORD})),
        ("/users", json!({"name": "frank", "displayName": long, "password": PASSWORD})),
        ("/users", json!({"name": "frank", "password": long})),
        ("/auth/passkey-login", json!({"assertion": {"credentialId": long, "clientDataJSON": long, "authenticatorData": long, "signature": long}})),
        ("/api-keys", json!({"name": long})),
        ("/join-tokens", json!({"labels": {"role": long}})),
        ("/apply", json!({"documents": [policy]})),
        ("/runs", json!({"namespace": "shop", "template": long})),
        ("/runs", json!({"namespace": "shop", "template": "t", "target": "", "reason": long})),
    ] {
        let (status, text) = post(path, &body).await;
        assert!((400..500).contains(&status) && text.contains("\"SYN-"), "{path}: {status} {}", &text[..text.len().min(300)]);
    }
    for path in ["/users/", "/objects/groups/", "/runs/", "/tasks?run=", "/events?subject=", "/runs?requester="] {
        let (status, text) = raw(&alice, Method::GET, &format!("{path}{long}"), &[], "").await;
        assert!(status < 500, "{path}: {status} {}", &text[..text.len().min(300)]);
    }
}

async fn what_does_not_exist(h: Harness) {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let alice = h.client("alice").await;
    for path in ["/runs/nothing", "/runs/nothing/output", "/tasks/nothing.0", "/tasks/nothing", "/nodes/nothing", "/users/nothing", "/objects/groups/nothing"] {
        let problem = refused(alice.get::<Value>(&format!("{API}{path}")).await, "SYN-3000");
        assert!(problem.detail.contains("nothing"), "{path}: {}", problem.detail);
    }
    let (status, text) = raw(&alice, Method::GET, "/objects/templats", &[], "").await;
    assert!((400..500).contains(&status) && text.contains("did you mean `Template`?"), "{status} {text}");
    let (status, text) = raw(&alice, Method::GET, "/nothing", &[], "").await;
    assert!(status == 404 && text.contains("SYN-3000"), "{status} {text}");
    let run = request(&h.client("dave").await, &ask("t", json!({}))).await.unwrap();
    ended(&alice, &run.summary.id).await;
    let other = request(&h.client("dave").await, &ask("t", json!({}))).await.unwrap();
    let common: String = run.summary.id.chars().zip(other.summary.id.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    refused(show(&alice, &common).await, "SYN-3001");
}

async fn a_second_bootstrap(h: Harness) {
    let again = Bootstrap { name: "mallory".into(), password: PASSWORD.into(), token: "guessed".into() };
    refused(h.anyone().post::<_, User>(&format!("{API}/bootstrap"), &again).await, "SYN-3006");
    assert!(!h.config().state_dir.join("bootstrap.token").exists(), "the token is gone");
}

async fn a_port_in_use(h: Harness) {
    let config = Config { state_dir: h.dir.path().join("other"), ..h.config().clone() };
    let error = synod_server::start(config, h.clock.clone()).await.err().expect("two servers on one port");
    assert!(error.message().contains(&h.config().listen.to_string()) && error.message().contains("choose another `listen`"), "{error}");
}

async fn a_newer_schema(mut h: Harness) {
    h.stop().await;
    h.sql("UPDATE meta SET value = '999' WHERE key = 'schema_version'").await;
    let error = synod_server::start(h.config().clone(), h.clock.clone()).await.err().expect("it starts with a newer schema");
    assert!(error.code().id == "SYN-9002" && error.message().contains("999") && error.message().contains("newer program"), "{error}");
}

async fn a_skewed_clock(h: Harness) {
    let identity = h.identity("web-1", &[]).await;
    // The server's clock goes ahead, the agent's own does not.
    h.clock.shift(120_000);
    let agent = synod_worker::SimulatedAgent::new(identity, json!({"os": "x"}), synod_worker::SessionOptions::default());
    let outcome = tokio::time::timeout(WITHIN, agent.run(std::future::pending())).await.expect("it tries for ever");
    match outcome {
        Err(synod_worker::Error::Refused { code, message }) => assert!(code == "SYN-5003" && message.contains("120 s"), "{code} {message}"),
        other => panic!("it connects all the same: {other:?}"),
    }
}
