//! What a trust root would spoil is told before it is in force: by the API and on the command line, where publishing warns,
//! and where it refuses.

use serde_json::{Value, json};
use synod_e2e::cli::{Said, Shell};
use synod_e2e::consensus::*;
use synod_e2e::*;
use synod_protocol::http::trust::{RootCheck, Trust};
use synod_trust::testing::{Signer, signed_root};

stories! {
    the_server_tells_what_a_draft_would_spoil
    publishing_warns_of_what_it_does_not_refuse
    publishing_refuses_what_does_not_follow
}

// Exit codes, as `synod exit-codes` lists them.
const DIFFERS: i32 = 1;
const DENIED: i32 = 4;
const CONFLICT: i32 = 6;

/// A shop whose template `t` one approver lets run, and `page` somebody on call, whom no root knows.
async fn shop(h: &Harness) {
    h.shop("bob:approver carol:approver dave:requester").await;
    h.apply(vec![binding(Some("shop"), "approver", "alice"), template("t", json!({}))]).await;
    h.apply(vec![json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": "oncall"}, "spec": {"members": ["bob"]}})])
        .await;
    h.apply(vec![template("page", json!({"approval": {"rules": [{"count": 1, "from": {"group": "oncall"}}]}}))]).await;
}

/// The root of the stories, in which everybody is on call.
fn on_call(mut root: Value) -> Value {
    for person in root["principals"].as_array_mut().unwrap() {
        person["groups"] = json!(["oncall"]);
    }
    root
}

async fn check(h: &Harness, who: &str, document: &Value) -> Called<RootCheck> {
    h.client(who).await.post(&format!("{API}/trust/check"), &json!({"document": document})).await
}

/// The findings of these severities: severity, name, and what they are about.
fn told<'a>(check: &'a RootCheck, severities: &[&str]) -> Vec<(&'a str, &'a str, &'a str)> {
    let found = check.findings.iter().filter(|found| severities.contains(&found.severity.as_str()));
    found.map(|found| (found.severity.as_str(), found.name.as_str(), found.about.as_str())).collect()
}

async fn the_server_tells_what_a_draft_would_spoil(h: Harness) {
    shop(&h).await;
    refused(check(&h, "alice", &Value::Null).await, "SYN-3000");
    // The first: a template asks for a group that nobody in the root is in, and another for nothing that any rule is about.
    h.apply(vec![json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "bank"}, "spec": {"title": "The bank"}})])
        .await;
    let mut pay = free("pay", json!({}));
    pay["metadata"]["namespace"] = json!("bank");
    h.apply(vec![pay]).await;
    let first = h.root_json(1, None);
    let found = check(&h, "alice", &first).await.unwrap();
    let errors = told(&found, &["error"]);
    assert!(errors.contains(&("error", "no-rule", "template bank/pay")), "{found:?}");
    assert!(errors.contains(&("error", "nobody", "template shop/page")) && errors.contains(&("error", "unmeetable", "template shop/page")), "{found:?}");
    assert_eq!((errors.len(), found.changes.len()), (3, 0), "{found:?}");
    // Who sees runs sees what matters for the templates they see, and no others.
    let seen = check(&h, "dave", &first).await.unwrap();
    assert!(!seen.findings.iter().any(|found| found.about.contains("bank")), "{seen:?}");
    h.person("mallory").await;
    refused(check(&h, "mallory", &first).await, "SYN-2100");
    let mut unsound = first.clone();
    unsound["threshold"] = json!(9);
    refused(check(&h, "alice", &unsound).await, "SYN-1001");
    refused(check(&h, "alice", &json!({"version": "one"})).await, "SYN-1000");

    let pinned = h.publish(&on_call(first), &["alice", "bob"]).await.unwrap().digest;
    let found = check(&h, "alice", &Value::Null).await.unwrap();
    assert_eq!(told(&found, &["error"]), [("error", "no-rule", "template bank/pay")], "the published one: {found:?}");
    // The next: fewer holders decide, it ends sooner, a rule asks for more than there are, and a key is listed again that was revoked.
    let mut next = on_call(h.root_json(2, Some(&pinned)));
    next["threshold"] = json!(1);
    next["expiresAt"] = json!(h.clock.now().after(synod_domain::Span::secs(86_400)));
    next["rules"][0]["approval"]["rules"][0]["count"] = json!(4);
    let found = check(&h, "alice", &next).await.unwrap();
    let all = told(&found, &["error", "warning"]);
    for wanted in [
        ("error", "unmeetable", "rule shop"),
        ("error", "no-rule", "template bank/pay"),
        ("warning", "threshold", "root"),
        ("warning", "one-holder", "root"),
        ("warning", "expires-earlier", "root"),
        ("warning", "expires-soon", "root"),
    ] {
        assert!(all.contains(&wanted), "{wanted:?}: {found:?}");
    }
    let rank = |severity: &str| ["error", "warning", "note"].iter().position(|known| *known == severity).unwrap();
    assert!(found.findings.is_sorted_by_key(|found| rank(&found.severity)), "the worst first: {found:?}");
    assert!(found.changes.iter().any(|line| line.contains("2 → 1")), "{found:?}");
    // It is said, and not refused: the holders signed it.
    assert_eq!(h.publish(&next, &["alice", "bob"]).await.unwrap().version, 2);
    let found = check(&h, "alice", &Value::Null).await.unwrap();
    assert!(told(&found, &["error"]).contains(&("error", "unmeetable", "rule shop")), "{found:?}");
}

/// alice at a shell, signed in, who trusts the server from then on.
async fn at_a_shell(h: &Harness, name: &str) -> Shell {
    let shell = Shell::new(h.dir.path(), name);
    shell.with_password(&["login", &h.url(), "--user", name]).await.ok();
    shell
}

/// Writes a root signed by these into the home of whoever publishes it, and does.
async fn publish(shell: &Shell, document: &Value, by: &[&str], more: &str) -> Said {
    let signers: Vec<Signer> = by.iter().map(|name| signer(name)).collect();
    let envelope = signed_root(document, &signers.iter().collect::<Vec<_>>());
    std::fs::write(shell.home().join("root.json"), envelope.to_bytes()).unwrap();
    shell.synod(&format!("trust publish root.json {more}")).await
}

async fn newest(h: &Harness) -> Option<u64> {
    let trust: Trust = h.client("alice").await.get(&format!("{API}/trust")).await.unwrap();
    trust.root.map(|root| root.version)
}

async fn publishing_warns_of_what_it_does_not_refuse(h: Harness) {
    shop(&h).await;
    let alice = at_a_shell(&h, "alice").await;
    let said = publish(&alice, &h.root_json(1, None), &["alice", "bob"], "").await.ok();
    assert!(said.out.starts_with("published version 1 of the trust root, signed by alice, bob\ndigest sha256:"), "{said:?}");
    let warnings = |said: &Said| said.err.lines().filter(|line| line.starts_with("warning: ")).map(str::to_owned).collect::<Vec<_>>();
    let lines = warnings(&said);
    assert!(lines.len() == 2 && lines[0].contains("template shop/page: 1 of group oncall: no principal of the root has the group `oncall`"), "{lines:?}");
    assert!(lines[1].contains("template shop/page: all people together cannot meet it"), "{lines:?}");
    let pinned = said.out.trim_end().rsplit_once(' ').unwrap().1.to_owned();
    // One that is well is published without a word of it.
    h.clock.shift(1000);
    let second = on_call(h.root_json(2, Some(&pinned)));
    let said = publish(&alice, &second, &["alice", "bob"], "").await.ok();
    assert_eq!((warnings(&said).len(), newest(&h).await), (0, Some(2)), "{said:?}");
    alice.synod("trust doctor").await.ok();
    // A rule of the root that its people cannot meet; asked for as JSON the warning is left to `trust doctor`.
    let pinned = said.out.trim_end().rsplit_once(' ').unwrap().1.to_owned();
    let mut third = on_call(h.root_json(3, Some(&pinned)));
    third["rules"][0]["approval"]["rules"][0]["count"] = json!(4);
    let said = publish(&alice, &third, &["alice", "bob"], "").await.ok();
    assert_eq!(warnings(&said), ["warning: rule shop: all people together cannot meet it (4 with role approver); add people or ask for fewer"]);
    assert_eq!(newest(&h).await, Some(3));
    alice.synod("trust doctor").await.ends(DIFFERS).says(&["error: rule shop: all people together cannot meet it"]);
    alice.synod("trust doctor root.json").await.ends(DIFFERS).says(&["error: rule shop: "]);
    let found = alice.synod("trust doctor -o json").await.ends(DIFFERS).json();
    assert!(found["findings"].as_array().unwrap().iter().any(|found| found["name"] == "unmeetable" && found["about"] == "rule shop"), "{found}");
    // The same again is no mistake, and as JSON nothing but the answer is written.
    let said = publish(&alice, &third, &["bob", "carol"], "-o json").await.ok();
    assert_eq!((&said.json()["version"], said.err.as_str()), (&json!(3), ""));
}

async fn publishing_refuses_what_does_not_follow(h: Harness) {
    shop(&h).await;
    let alice = at_a_shell(&h, "alice").await;
    // Too few signed it: what would be wrong with it is told all the same, and nothing is published.
    let first = h.root_json(1, None);
    let said = publish(&alice, &first, &["alice"], "").await.ends(CONFLICT).says(&["SYN-4103", "1 of 2"]);
    assert!(said.out.is_empty() && said.err.contains("warning: template shop/page: "), "{said:?}");
    let problem: Value = serde_json::from_str(&publish(&alice, &first, &["alice"], "-o json").await.ends(CONFLICT).err).unwrap();
    assert_eq!(problem["code"], "SYN-4103");
    assert_eq!(newest(&h).await, None);
    let pinned = h.publish(&first, &["alice", "bob"]).await.unwrap().digest;
    // Not the next one, one that takes a revocation back, and one by somebody who may not.
    h.clock.shift(1000);
    let gap = publish(&alice, &h.root_json(3, Some(&pinned)), &["alice", "bob"], "").await.ends(CONFLICT).says(&["SYN-4103"]);
    assert!(gap.out.is_empty(), "{gap:?}");
    let mut second = h.root_json(2, Some(&pinned));
    let lost = signer("carol").key().id().clone();
    second["principals"][2]["keys"] = json!([signer("carol's new one").spec()]);
    second["revoked"] = json!([{"key": lost, "at": h.clock.now(), "reason": "lost"}]);
    let digest = h.publish(&second, &["alice", "bob"]).await.unwrap().digest;
    let again = h.root_json(3, Some(&digest));
    let found = check(&h, "alice", &again).await.unwrap();
    assert!(told(&found, &["error"]).contains(&("error", "unrevoked", "root")), "{found:?}");
    publish(&alice, &again, &["alice", "bob"], "").await.ends(CONFLICT).says(&["SYN-4103", "revoked"]);
    assert_eq!(newest(&h).await, Some(2));
    let bob = at_a_shell(&h, "bob").await;
    let mut third = second.clone();
    third["version"] = json!(3);
    third["previous"] = json!(digest);
    publish(&bob, &third, &["alice", "bob"], "").await.ends(DENIED).says(&["SYN-2100"]);
    assert_eq!(newest(&h).await, Some(2));
}
