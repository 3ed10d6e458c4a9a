//! Every operation of the API, called by everybody: without a token, and with every role. What is allowed
//! stands in one table here; an operation that is missing in it fails the story by its name.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};
use synod_e2e::*;
use synod_protocol::http::auth::{CreatedApiKey, NewApiKey};
use synod_protocol::http::client::{Client, collect};

stories! {
    every_operation_for_every_role
}

/// Operations that need no token.
const PUBLIC: &[&str] =
    &["bootstrap", "login", "auth_methods", "passkey_login", "passkey_login_options", "enrol", "audit_checkpoint", "audit_key", "audit_tile"];

/// Who calls: with a role everywhere, an owner of the namespace `shop` only, and somebody without any role.
const CALLERS: &[&str] = &["viewer", "approver", "requester", "administrator", "owner", "shop-owner", "nobody"];

const ALL: &[&str] = CALLERS;
const SEES: &[&str] = &["viewer", "approver", "requester", "administrator", "owner", "shop-owner"];
const SEES_ALL: &[&str] = &["viewer", "approver", "requester", "administrator", "owner"];
const REQUESTS: &[&str] = &["requester", "administrator"];
const APPROVES: &[&str] = &["approver", "requester", "administrator"];
const ADMINISTERS: &[&str] = &["administrator"];
const OWNS: &[&str] = &["owner"];
const OWNS_SHOP: &[&str] = &["owner", "shop-owner"];
const MANAGES: &[&str] = &["administrator", "owner"];
const DELETES: &[&str] = &["administrator", "owner", "shop-owner"];

/// One call of an operation, and who may make it.
struct Case {
    operation: &'static str,
    path: String,
    body: Value,
    allowed: &'static [&'static str],
}

fn case(operation: &'static str, path: &str, body: Value, allowed: &'static [&'static str]) -> Case {
    Case { operation, path: path.to_owned(), body, allowed }
}

fn apply(document: Value) -> Value {
    json!({"documents": [document], "dryRun": true})
}

fn declared(kind: &str, spec: Value) -> Value {
    apply(json!({"apiVersion": "synod/v1", "kind": kind, "metadata": {"name": "new"}, "spec": spec}))
}

/// Every operation with a call that does nothing lasting, and who is let through to its answer, whatever that is.
fn table(run: &str, digest: &str, key: &str) -> Vec<Case> {
    let ask = json!({"namespace": "shop", "template": "t", "dryRun": true});
    let none = || json!({});
    vec![
        case("renew", "/auth/renew", none(), ALL),
        case("whoami", "/auth/whoami", none(), ALL),
        case("step_up", "/auth/step-up", json!({"totp": "000000"}), ALL),
        case("step_up_options", "/auth/step-up/options", none(), ALL),
        case("passkey_options", "/auth/passkeys/options", none(), ALL),
        case("passkey_create", "/auth/passkeys", json!({"name": "", "credentialId": "", "authenticatorData": "", "clientDataJSON": ""}), ALL),
        case("passkey_list", "/auth/passkeys", none(), ALL),
        case("passkey_delete", "/auth/passkeys/ghost", none(), ALL),
        case("ssh_key_create", "/auth/ssh-keys", json!({"name": "x", "publicKey": "none"}), ALL),
        case("ssh_key_list", "/auth/ssh-keys", none(), ALL),
        case("ssh_key_delete", "/auth/ssh-keys/ghost", none(), ALL),
        case("totp_enrol", "/auth/totp", none(), ALL),
        case("totp_confirm", "/auth/totp/confirm", json!({"totp": "000000"}), ALL),
        case("password_change", "/auth/password", json!({"current": PASSWORD, "new": "short"}), ALL),
        case("session_list", "/auth/sessions", none(), ALL),
        case("session_revoke", "/auth/sessions/ghost", none(), ALL),
        case("api_key_list", "/api-keys", none(), ALL),
        case("api_key_create", "/api-keys", json!({"name": ""}), ALL),
        case("api_key_create", "/api-keys", json!({"name": "for another", "user": "ghost"}), OWNS),
        case("api_key_revoke", &format!("/api-keys/{key}"), none(), OWNS),
        case("user_list", "/users", none(), MANAGES),
        case("user_create", "/users", json!({"name": "Not A Name", "password": PASSWORD}), OWNS),
        case("user_get", "/users/alice", none(), MANAGES),
        case("user_keys", "/users/alice/keys", none(), MANAGES),
        case("user_update", "/users/ghost", none(), OWNS),
        case("apply", "/apply", apply(template("new", json!({}))), ADMINISTERS),
        case("apply", "/apply", apply(binding(Some("shop"), "viewer", "alice")), OWNS_SHOP),
        case("apply", "/apply", apply(binding(None, "viewer", "alice")), OWNS),
        case("apply", "/apply", declared("Namespace", json!({"title": "new"})), MANAGES),
        case("apply", "/apply", declared("Group", json!({"members": []})), OWNS),
        case("apply", "/apply", declared("Policy", json!({"cedar": "permit (principal, action == Action::\"run.read\", resource);"})), OWNS),
        case("object_list", "/objects/templates?namespace=shop", none(), SEES),
        case("object_list", "/objects/policies?namespace=-", none(), ALL),
        case("object_get", "/objects/templates/t?namespace=shop", none(), SEES),
        case("object_get", "/objects/groups/ghost", none(), SEES_ALL),
        case("object_get", "/objects/policies/ghost", none(), MANAGES),
        case("object_revisions", "/objects/templates/t/revisions?namespace=shop", none(), SEES),
        case("object_delete", "/objects/templates/ghost?namespace=shop", none(), DELETES),
        case("object_delete", "/objects/rolebindings/ghost?namespace=shop", none(), OWNS_SHOP),
        case("object_delete", "/objects/namespaces/shop", none(), OWNS_SHOP),
        case("object_delete", "/objects/groups/ghost", none(), OWNS),
        case("schema", "/schemas/templates", none(), ALL),
        case("run_list", "/runs?namespace=shop", none(), SEES),
        case("run_create", "/runs", ask, REQUESTS),
        case("run_get", &format!("/runs/{run}"), none(), SEES),
        case("run_nodes", &format!("/runs/{run}/nodes"), none(), SEES),
        case("run_proceed", &format!("/runs/{run}/proceed"), none(), REQUESTS),
        case("run_replay", &format!("/runs/{run}/replay"), json!({"target": "", "dryRun": true}), REQUESTS),
        case("run_create", "/runs", json!({"namespace": "shop", "template": "t", "breakGlass": "", "dryRun": true}), APPROVES),
        case("run_bundle", &format!("/runs/{run}/bundle"), none(), SEES),
        case("run_ratify", &format!("/runs/{run}/ratify"), json!({"signature": {"payloadType": "x", "payload": "", "signatures": []}}), APPROVES),
        case("run_incident", &format!("/runs/{run}/incident"), json!({"reference": "INC-1"}), APPROVES),
        case("trust_get", "/trust", none(), SEES),
        case("root_list", "/trust/roots", none(), SEES),
        case("root_publish", "/trust/roots", json!({"envelope": {"payloadType": "x", "payload": "", "signatures": []}}), OWNS),
        case("root_check", "/trust/check", none(), SEES),
        case("trust_outlook", "/trust/outlook", none(), SEES),
        case("output", &format!("/runs/{run}/output"), none(), SEES),
        case("approval_create", &format!("/runs/{run}/approvals"), json!({"digest": digest, "decision": "approve"}), APPROVES),
        case("run_signing", &format!("/runs/{run}/signing"), json!({"decision": "approve"}), APPROVES),
        case("run_cancel", &format!("/runs/{run}/cancel"), none(), REQUESTS),
        case("task_list", "/tasks?namespace=shop", none(), SEES),
        case("task_list", &format!("/tasks?namespace=shop&run={run}"), none(), SEES),
        case("task_get", &format!("/tasks/{run}.0"), none(), SEES),
        case("node_list", "/nodes", none(), SEES),
        case("node_get", "/nodes/ghost", none(), SEES),
        case("node_update", "/nodes/ghost", json!({"labels": {}}), ADMINISTERS),
        case("node_delete", "/nodes/ghost", none(), ADMINISTERS),
        case("join_token_list", "/join-tokens", none(), MANAGES),
        case("join_token_create", "/join-tokens", json!({"uses": 0}), ADMINISTERS),
        case("join_token_revoke", "/join-tokens/ghost", none(), ADMINISTERS),
        case("event_list", "/events?namespace=shop", none(), SEES),
        case("event_list", &format!("/events?run={run}"), none(), SEES),
        case("audit_entries", "/audit/tile/entries/000", none(), MANAGES),
        case("audit_proof", "/audit/proofs/1", none(), MANAGES),
        case("can_i", "/access/can-i?action=run.request&namespace=shop", none(), ALL),
        case("who_can", "/access/who-can?action=run.request&namespace=shop", none(), SEES),
        case("access_matrix", "/access/matrix?namespace=shop", none(), SEES),
        case("access_matrix", "/access/matrix", none(), SEES),
        case("overview", "/overview", none(), ALL),
        case("server_info", "/server", none(), SEES_ALL),
        case("backup", "/backup", none(), OWNS),
        // The last one, for it ends the caller's session.
        case("logout", "/auth/logout", none(), ALL),
    ]
}

/// Method and path of every operation in the API's own description.
fn operations() -> BTreeMap<String, (Method, String)> {
    let document: Value = serde_json::from_str(&synod_server::http::openapi::text()).unwrap();
    let mut found = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let method: Method = method.to_uppercase().parse().unwrap();
            let before = found.insert(id.to_owned(), (method, path.clone()));
            assert!(before.is_none(), "two operations are called {id}");
        }
    }
    found
}

/// Whether a path is one of an operation's.
fn fits(pattern: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(p, part)| p.starts_with('{') || *p == part)
}

/// A path as the tables here write it: below the API, but for the files of the audit log.
fn below(path: &str) -> &str {
    path.strip_prefix(API).unwrap_or(path)
}

/// The same path whole.
fn above(path: &str) -> String {
    let file = ["/audit/checkpoint", "/audit/key", "/audit/tile/"].iter().any(|file| path.starts_with(file));
    if file { path.to_owned() } else { format!("{API}{path}") }
}

async fn call(who: &Client, method: &Method, path: &str, body: &Value) -> (u16, String) {
    let headers: &[(&'static str, &str)] = if *method == Method::GET || *method == Method::DELETE { &[] } else { &[("content-type", "application/json")] };
    let body = if headers.is_empty() { String::new() } else { body.to_string() };
    let answer = who.raw(method.clone(), &above(path), headers, body.into()).await.unwrap();
    let status = answer.status().as_u16();
    let text = String::from_utf8_lossy(&collect(answer).await.unwrap()).into_owned();
    let code = serde_json::from_str::<Value>(&text).ok().and_then(|v| v["code"].as_str().map(str::to_owned)).unwrap_or_default();
    (status, code)
}

async fn every_operation_for_every_role(h: Harness) {
    h.shop("").await;
    let mut documents = vec![template("t", json!({}))];
    for name in CALLERS {
        h.person(name).await;
        match *name {
            "nobody" => {}
            "shop-owner" => documents.push(binding(Some("shop"), "owner", name)),
            role => documents.push(binding(None, role, name)),
        }
    }
    h.apply(documents).await;
    let _agents = h.webs(1).await;
    let alice = h.client("alice").await;
    let run = request(&alice, &ask("t", json!({}))).await.unwrap();
    let key: CreatedApiKey = alice.post(&format!("{API}/api-keys"), &NewApiKey { name: "hers".into(), user: None, expires_in: None }).await.unwrap();
    let cases = table(&run.summary.id, &run.digest, &key.info.id);
    let operations = operations();

    let listed: BTreeSet<&str> = cases.iter().map(|c| c.operation).chain(PUBLIC.iter().copied()).collect();
    let known: BTreeSet<&str> = operations.keys().map(String::as_str).collect();
    let forgotten: Vec<_> = known.difference(&listed).collect();
    assert!(forgotten.is_empty(), "say in the table of {} who may call: {forgotten:?}", file!());
    let gone: Vec<_> = listed.difference(&known).collect();
    assert!(gone.is_empty(), "the table of {} names operations that do not exist: {gone:?}", file!());

    let mut wrong = Vec::new();
    for (id, (method, path)) in &operations {
        let path = below(path).replace("{kind}", "templates").replace("{id}", &run.summary.id).replace("{name}", "t");
        let path = path.replace("{level}", "0").replace("{path}", "000").replace("{position}", "1");
        let (status, code) = call(&h.anyone(), method, &path, &json!({})).await;
        let open = PUBLIC.contains(&id.as_str());
        if open == (code == "SYN-2000") || (!open && status != 401) {
            wrong.push(format!("{id} without a token: {status} {code}"));
        }
        let (status, code) = call(&h.client_with(Some("nonsense".into())), method, &path, &json!({})).await;
        if !open && (status != 401 || code != "SYN-2002") {
            wrong.push(format!("{id} with a wrong token: {status} {code}"));
        }
    }
    for name in CALLERS {
        let who = h.client(name).await;
        for case in &cases {
            let (method, pattern) = &operations[case.operation];
            assert!(fits(below(pattern), &case.path), "{} is no call of {}", case.path, case.operation);
            let (status, code) = call(&who, method, &case.path, &case.body).await;
            let let_through = !["SYN-2000", "SYN-2002", "SYN-2100"].contains(&code.as_str());
            if let_through != case.allowed.contains(name) || status >= 500 {
                wrong.push(format!("{name} calls {} {}: {status} {code}", case.operation, case.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{} answers are not as the table says:\n{}", wrong.len(), wrong.join("\n"));
}
