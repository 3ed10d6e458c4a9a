//! Policies that an owner applies: they change who may do what, everywhere at once, and are named where they did.

use serde_json::{Value, json};
use synod_domain::run::Phase;
use synod_e2e::*;
use synod_protocol::http::access::{CanI, WhoCan};
use synod_protocol::http::client::Client;
use synod_protocol::http::object::{ApplyRequest, ApplyResponse};
use synod_protocol::http::problem::ProblemDocument;

stories! {
    a_policy_forbids_what_a_role_allows
    a_policy_permits_what_a_role_lacks
    a_policy_keeps_its_hours
    a_policy_that_cannot_be_read_is_not_applied
    a_policy_that_cannot_be_judged_refuses
    a_changed_policy_counts_from_the_next_request
    only_owners_write_policies
    a_policy_locks_nobody_out
}

fn policy(name: &str, cedar: &str) -> Value {
    json!({"apiVersion": "synod/v1", "kind": "Policy", "metadata": {"name": name}, "spec": {"cedar": cedar}})
}

async fn can_i(who: &Client, action: &str, template: &str) -> CanI {
    who.get(&format!("{API}/access/can-i?action={action}&namespace=shop&template={template}")).await.unwrap()
}

/// The names of those who may, with the policies that let them.
async fn who_can(h: &Harness, action: &str, template: &str) -> Vec<(String, Vec<String>)> {
    let path = format!("{API}/access/who-can?action={action}&namespace=shop&template={template}");
    let found: WhoCan = h.client("alice").await.get(&path).await.unwrap();
    found.people.into_iter().map(|entry| (entry.user, entry.policies)).collect()
}

async fn names_of_those_who_can(h: &Harness, action: &str, template: &str) -> Vec<String> {
    who_can(h, action, template).await.into_iter().map(|(user, _)| user).collect()
}

async fn delete_policy(h: &Harness, name: &str) {
    h.client("alice").await.delete(&format!("{API}/objects/policies/{name}")).await.unwrap();
}

async fn a_policy_forbids_what_a_role_allows(h: Harness) {
    h.shop("bob:approver+contractors carol:approver dave:requester erin:owner").await;
    h.apply(vec![template("t", json!({})), template("u", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    let before = names_of_those_who_can(&h, "run.approve", "t").await;
    assert_eq!(before, ["alice", "bob", "carol", "dave"]);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let forbid = r#"@id("outsiders")
forbid (principal in Group::"contractors", action == Action::"run.approve", resource == Template::"shop/t");"#;
    h.apply(vec![policy("no-outsiders", forbid)]).await;
    let problem = refused(approve(&bob, &run).await, "SYN-2100");
    assert!(problem.detail.contains("no-outsiders/outsiders"), "the refusal does not name the policy: {}", problem.detail);
    refused(reject(&bob, &run).await, "SYN-2100");
    let answer = can_i(&bob, "run.approve", "t").await;
    assert_eq!((answer.allowed, answer.policies), (false, vec!["no-outsiders/outsiders".to_owned()]));
    assert_eq!(names_of_those_who_can(&h, "run.approve", "t").await, ["alice", "carol", "dave"]);
    // Neither another template nor another person nor another action.
    assert!(can_i(&bob, "run.approve", "u").await.allowed && can_i(&carol, "run.approve", "t").await.allowed && can_i(&bob, "run.read", "t").await.allowed);
    assert_eq!(names_of_those_who_can(&h, "run.approve", "u").await, before);
    // Who is not asked is not shown as one who could decide.
    let shown = show(&dave, &run.summary.id).await.unwrap();
    assert!(!shown.rules[0].candidates.contains(&"bob".to_owned()), "{:?}", shown.rules);
    // Without it everything is as before.
    delete_policy(&h, "no-outsiders").await;
    assert!(can_i(&bob, "run.approve", "t").await.allowed);
    assert_eq!(names_of_those_who_can(&h, "run.approve", "t").await, before);
    approve(&bob, &run).await.unwrap();
    assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
}

async fn a_policy_permits_what_a_role_lacks(h: Harness) {
    h.shop("bob:approver carol:viewer+oncall dave:requester").await;
    h.apply(vec![template("t", json!({})), template("u", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (carol, dave) = (h.client("carol").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let other = request(&dave, &ask("u", json!({}))).await.unwrap();
    let problem = refused(cancel(&carol, &run.summary.id).await, "SYN-2100");
    assert!(problem.detail.contains("requester"), "{}", problem.detail);
    let permit = r#"permit (principal in Group::"oncall", action in [Action::"run.cancel", Action::"run.request"], resource == Template::"shop/t");"#;
    h.apply(vec![policy("oncall-may-stop", permit)]).await;
    let answer = can_i(&carol, "run.cancel", "t").await;
    assert_eq!((answer.allowed, answer.policies), (true, vec!["oncall-may-stop/0".to_owned()]));
    let may = who_can(&h, "run.cancel", "t").await;
    assert!(may.contains(&("carol".to_owned(), vec!["oncall-may-stop/0".to_owned()])), "{may:?}");
    assert!(!names_of_those_who_can(&h, "run.cancel", "u").await.contains(&"carol".to_owned()));
    refused(cancel(&carol, &other.summary.id).await, "SYN-2100");
    assert_eq!(cancel(&carol, &run.summary.id).await.unwrap().summary.phase, Phase::Cancelled);
    let own = request(&carol, &ask("t", json!({}))).await.unwrap();
    assert_eq!(own.summary.requester, "carol");
    // What is left after it is gone: nobody may by it, and what was done stays done.
    delete_policy(&h, "oncall-may-stop").await;
    assert!(!can_i(&carol, "run.request", "t").await.allowed);
    refused(request(&carol, &ask("t", json!({}))).await, "SYN-2100");
    assert_eq!(show(&carol, &own.summary.id).await.unwrap().summary.phase, Phase::Pending);
}

async fn a_policy_keeps_its_hours(h: Harness) {
    h.shop("bob:approver+oncall carol:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    let now = h.clock.now().0;
    let (from, to) = (now + 3_600_000, now + 2 * 3_600_000);
    let cedar = format!(
        "@id(\"on-duty\")\nforbid (principal in Group::\"oncall\", action == Action::\"run.approve\", resource in Namespace::\"shop\")\n\
         unless {{ context.now >= {from} && context.now < {to} }};"
    );
    h.apply(vec![policy("hours", &cedar)]).await;
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    for on_duty in [false, true, false] {
        let answer = can_i(&bob, "run.approve", "t").await;
        let may = names_of_those_who_can(&h, "run.approve", "t").await;
        assert_eq!((answer.allowed, may.contains(&"bob".to_owned())), (on_duty, on_duty), "{answer:?} {may:?}");
        assert_eq!(answer.policies.contains(&"hours/on-duty".to_owned()), !on_duty, "{answer:?}");
        assert!(may.contains(&"carol".to_owned()), "it is about one group");
        let run = request(&dave, &ask("t", json!({}))).await.unwrap();
        if on_duty {
            approve(&bob, &run).await.unwrap();
            assert_eq!(ended(&dave, &run.summary.id).await.summary.phase, Phase::Succeeded);
        } else {
            let problem = refused(approve(&bob, &run).await, "SYN-2100");
            assert!(problem.detail.contains("hours/on-duty"), "{}", problem.detail);
        }
        h.clock.shift(3_600_000 + 60_000);
    }
    approve(&carol, &run).await.unwrap();
}

async fn a_policy_that_cannot_be_read_is_not_applied(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    let good = "forbid (principal, action == Action::\"run.approve\", resource);";
    let alice = h.client("alice").await;
    let cases = [
        ("forbid (principal, action, resource)\nwhen { context.roles.contains( };", 2, 32, "unexpected token `}`"),
        ("forbid (principal, action, resource)", 1, 37, "unexpected end"),
        ("// So it is.\nforbid (principal, action,\n    resource) if true;", 3, 18, "unexpected token `true`"),
        ("permit (principal, action, resource) when { context.now < };", 1, 59, "unexpected token"),
        ("forbid (principal,\n  action == Action::\"run.aprove\",\n  resource);", 2, 21, "there is no action `run.aprove`"),
        ("forbid (principal, action in [Action::\"run.read\", Action::\"run.reed\"], resource);", 1, 59, "there is no action `run.reed`"),
    ];
    let mut missed = Vec::new();
    for (cedar, line, column, words) in cases {
        let request = ApplyRequest { documents: vec![policy("good", good), policy("bad", cedar)], dry_run: false };
        let problem: ProblemDocument = refused(alice.post::<_, ApplyResponse>(&format!("{API}/apply"), &request).await, "SYN-1001");
        let at = &problem.problems[0];
        // An action is found where its name or its type begins.
        let near = at.column.is_some_and(|found| found == column || words.contains("no action") && (column - 8..=column).contains(&found));
        if at.pointer != "/documents/1/spec/cedar" || at.line != Some(line) || !near || !at.message.contains(words) {
            missed.push(format!("wanted `{words}` at {line}:{column}, got {at:?}"));
        }
        if words.contains("no action") && !at.hint.as_deref().unwrap_or_default().starts_with("did you mean `run.") {
            missed.push(format!("no nearest action: {at:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    // Nothing of it counts, not even the good one that came along.
    let listed: Value = alice.get(&format!("{API}/objects/policies")).await.unwrap();
    assert_eq!(listed["items"], json!([]));
    assert!(names_of_those_who_can(&h, "run.approve", "t").await.contains(&"bob".to_owned()));
}

async fn a_policy_that_cannot_be_judged_refuses(h: Harness) {
    h.shop("bob:approver dave:requester").await;
    h.apply(vec![template("t", json!({}))]).await;
    let _agents = h.webs(1).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    // Cedar skips what it cannot evaluate; skipping this would be to permit.
    let broken = "forbid (principal, action == Action::\"run.approve\", resource) when { principal.height > 2 };";
    h.apply(vec![policy("broken", broken)]).await;
    let problem = refused(approve(&bob, &run).await, "SYN-2100");
    assert!(problem.detail.contains("broken/0"), "the refusal does not name the policy: {}", problem.detail);
    assert!(!can_i(&bob, "run.approve", "t").await.allowed);
    assert!(names_of_those_who_can(&h, "run.approve", "t").await.is_empty());
    assert!(can_i(&bob, "run.read", "t").await.allowed, "it is about one action only");
    delete_policy(&h, "broken").await;
    approve(&bob, &run).await.unwrap();
}

async fn a_changed_policy_counts_from_the_next_request(h: Harness) {
    h.shop("bob:approver carol:approver dave:requester").await;
    h.apply(vec![template("t", json!({"approval": {"rules": [{"count": 2, "from": {"role": "approver"}}]}}))]).await;
    let _agents = h.webs(1).await;
    let (bob, carol, dave) = (h.client("bob").await, h.client("carol").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    approve(&bob, &run).await.unwrap();
    // Bob's approval was given in time, and counts no more: it is judged when the run would begin.
    let forbid = |name: &str| format!("forbid (principal == User::\"{name}\", action == Action::\"run.approve\", resource in Namespace::\"shop\");");
    h.apply(vec![policy("one-less", &forbid("bob"))]).await;
    let shown = approve(&carol, &run).await.unwrap();
    assert_eq!(shown.summary.phase, Phase::Pending, "an approval by one who may not approve counted");
    let counts = |run: &synod_protocol::http::run::Run| -> Vec<(String, bool)> { run.approvals.iter().map(|a| (a.person.clone(), a.counts)).collect() };
    assert_eq!(counts(&shown), [("bob".to_owned(), false), ("carol".to_owned(), true)]);
    // The same policy about somebody else.
    h.apply(vec![policy("one-less", &forbid("alice"))]).await;
    assert!(can_i(&bob, "run.approve", "t").await.allowed && !can_i(&h.client("alice").await, "run.approve", "t").await.allowed);
    assert_eq!(counts(&show(&dave, &run.summary.id).await.unwrap()), [("bob".to_owned(), true), ("carol".to_owned(), true)]);
}

async fn only_owners_write_policies(h: Harness) {
    h.shop("bob:administrator erin:owner dave:requester").await;
    h.apply(vec![binding(None, "administrator", "bob")]).await;
    let mine = policy("mine", "permit (principal, action == Action::\"policy.read\", resource);");
    // An owner of one namespace owns no policy: they are about the installation.
    for name in ["bob", "erin", "dave"] {
        let client = h.client(name).await;
        let request = ApplyRequest { documents: vec![mine.clone()], dry_run: false };
        let problem = refused(client.post::<_, ApplyResponse>(&format!("{API}/apply"), &request).await, "SYN-2100");
        assert!(problem.detail.contains("policies") && problem.detail.contains("owner"), "{name}: {}", problem.detail);
    }
    h.apply(vec![mine]).await;
    for name in ["bob", "erin"] {
        refused(h.client(name).await.delete(&format!("{API}/objects/policies/mine")).await, "SYN-2100");
    }
}

async fn a_policy_locks_nobody_out(h: Harness) {
    h.shop("bob:approver").await;
    let alice = h.client("alice").await;
    let mut missed = Vec::new();
    for cedar in [
        "forbid (principal, action, resource);",
        "forbid (principal, action == Action::\"rolebinding.write\", resource);",
        "forbid (principal, action, resource) when { principal.height > 2 };",
        // A policy that nobody could take back.
        "forbid (principal, action == Action::\"policy.write\", resource);",
    ] {
        let request = ApplyRequest { documents: vec![policy("for-ever", cedar)], dry_run: false };
        match alice.post::<_, ApplyResponse>(&format!("{API}/apply"), &request).await {
            Err(synod_protocol::http::client::ClientError::Problem(problem)) if problem.code == "SYN-3004" => {}
            other => missed.push(format!("`{cedar}` is not refused for locking everybody out: {other:?}")),
        }
        if alice.delete(&format!("{API}/objects/policies/for-ever")).await.is_ok() {
            missed.push(format!("`{cedar}` was applied"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(can_i(&alice, "policy.write", "t").await.allowed);
}
