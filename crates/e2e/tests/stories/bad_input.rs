//! Documents that are wrong: each defect is found when it is applied, by its code, its place and what would be right.

use serde_json::{Value, json};
use synod_e2e::*;
use synod_protocol::http::object::{Action, ApplyRequest, ApplyResponse};
use synod_protocol::http::problem::ProblemDocument;

stories! {
    defects_of_templates
    defects_inside_optional_parts
    defects_of_other_documents
    references_must_exist
    all_or_nothing
    revisions_are_kept_and_guarded
}

async fn apply(h: &Harness, documents: Vec<Value>) -> Called<ApplyResponse> {
    h.client("alice").await.post(&format!("{API}/apply"), &ApplyRequest { documents, dry_run: false }).await
}

async fn wrong(h: &Harness, document: Value) -> ProblemDocument {
    refused(apply(h, vec![document]).await, "SYN-1001")
}

/// Line and column of the problem at a place.
fn place(problem: &ProblemDocument, pointer: &str) -> (Option<u32>, Option<u32>) {
    let at = problem
        .problems
        .iter()
        .find(|p| p.pointer == pointer)
        .unwrap_or_else(|| panic!("no problem at {pointer}: {:?}", problem.problems));
    (at.line, at.column)
}

async fn defects_of_templates(h: Harness) {
    h.shop("").await;
    let cases: Vec<(Value, &str, &str)> = vec![
        // Unknown fields, with the nearest known one, however deep.
        (json!({"strateggy": {"type": "rolling"}}), "/documents/0/spec/strateggy", "did you mean `strategy`?"),
        (json!({"strategy": {"tpye": "rolling"}}), "/documents/0/spec/strategy/tpye", "did you mean `type`?"),
        (json!({"steps": [{"name": "one", "rum": "true"}]}), "/documents/0/spec/steps/0/rum", "did you mean `run`?"),
        // Wrong types and values.
        (json!({"title": 5}), "/documents/0/spec/title", "string"),
        (json!({"enabled": "yes"}), "/documents/0/spec/enabled", "boolean"),
        (json!({"steps": "true"}), "/documents/0/spec/steps", "array"),
        (json!({"strategy": {"type": "roling"}}), "/documents/0/spec/strategy/type", "did you mean `rolling`?"),
        (json!({"strategy": {"type": "rolling", "size": "0%"}}), "/documents/0/spec/strategy/size", ""),
        (json!({"timeout": "soon"}), "/documents/0/spec/timeout", ""),
        (json!({"title": ""}), "/documents/0/spec/title", "empty"),
        (json!({"targets": {"min": 5, "max": 2}}), "/documents/0/spec/targets/max", "less than min"),
        (
            json!({"approval": {"rules": [{"count": 0, "from": {"role": "approver"}}]}}),
            "/documents/0/spec/approval/rules/0/count",
            "leave the rule out",
        ),
        (json!({"steps": [{"name": "one"}]}), "/documents/0/spec/steps/0", "add `run: COMMAND`"),
        (json!({"steps": [{"name": "one", "run": "true", "env": {"SYNOD_RUN": "x"}}]}), "/documents/0/spec/steps/0/env/SYNOD_RUN", "Synod's own"),
        // Schemas and selectors.
        (json!({"inputs": {"type": "objekt"}}), "/documents/0/spec/inputs/type", ""),
        (json!({"inputs": {"type": "array"}}), "/documents/0/spec/inputs/type", "write `type: object`"),
        (
            json!({"inputs": {"type": "object", "properties": {"p": {"type": "integer", "writeOnly": true}}}}),
            "/documents/0/spec/inputs/properties/p/type",
            "write `type: string`",
        ),
        (json!({"targets": {"selector": "role=web,,env"}}), "/documents/0/spec/targets/selector", "column"),
        (json!({"targets": {"selector": "zone in (a"}}), "/documents/0/spec/targets/selector", "column"),
        (
            json!({"steps": [{"name": "one", "run": "true", "expect": {"stdout": {"matches": "("}}}]}),
            "/documents/0/spec/steps/0/expect/stdout/matches",
            "",
        ),
    ];
    let mut missed = Vec::new();
    for (changes, pointer, words) in cases {
        let found = wrong(&h, template("t", changes)).await.problems;
        let said = found.iter().any(|p| p.pointer == pointer && format!("{} {}", p.message, p.hint.clone().unwrap_or_default()).contains(words));
        if !said {
            missed.push(format!("wanted `{words}` at {pointer}, got {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    // Templates and expressions have a line and a column.
    let steps = json!({"steps": [{"name": "one", "run": "echo a\necho {{ inputs.servise }}"}]});
    let problem = wrong(&h, template("t", steps)).await;
    names(&problem, "/documents/0/spec/steps/0/run", "servise");
    assert_eq!(place(&problem, "/documents/0/spec/steps/0/run").0, Some(2), "{problem:?}");
    let steps = json!({"steps": [{"name": "one", "run": "echo a\n  echo {{ inputs.fake"}]});
    let (line, column) = place(&wrong(&h, template("t", steps)).await, "/documents/0/spec/steps/0/run");
    assert!(line == Some(2) && column.is_some(), "{line:?} {column:?}");
    let steps = json!({"steps": [{"name": "one", "run": "true"}, {"name": "two", "when": "steps['on'].exit_code == 0", "run": "true"}]});
    let problem = wrong(&h, template("t", steps)).await;
    names(&problem, "/documents/0/spec/steps/1/when", "one");
    assert!(place(&problem, "/documents/0/spec/steps/1/when").1.is_some(), "{problem:?}");
    let steps = json!({"steps": [{"name": "one", "run": "true", "retry": {"until": "result.exit_code =="}}]});
    let (line, column) = place(&wrong(&h, template("t", steps)).await, "/documents/0/spec/steps/0/retry/until");
    assert!(line == Some(1) && column.is_some(), "{line:?} {column:?}");
    // Everything at once.
    let problem = wrong(&h, template("t", json!({"titel": "x", "steps": [{"name": "one", "rum": "true"}], "enabled": 3}))).await;
    assert!(problem.problems.len() >= 3, "{:?}", problem.problems);
}

async fn defects_inside_optional_parts(h: Harness) {
    h.shop("").await;
    let expect = json!({"steps": [{"name": "one", "run": "true", "expect": {"exitcode": 0}}]});
    names(&wrong(&h, template("t", expect)).await, "/documents/0/spec/steps/0/expect/exitcode", "did you mean `exitCode`?");
    let retry = json!({"steps": [{"name": "one", "run": "true", "retry": {"untill": "true", "limit": 3}}]});
    names(&wrong(&h, template("t", retry)).await, "/documents/0/spec/steps/0/retry/untill", "did you mean `until`?");
}

async fn defects_of_other_documents(h: Harness) {
    h.shop("").await;
    let mut document = template("t", json!({}));
    document["kind"] = json!("Templat");
    names(&wrong(&h, document.clone()).await, "/documents/0/kind", "did you mean `Template`?");
    document["kind"] = json!("Template");
    document["apiVersion"] = json!("synod/v9");
    names(&wrong(&h, document.clone()).await, "/documents/0/apiVersion", "write `synod/v1`");
    names(&wrong(&h, json!({"title": "x"})).await, "/documents/0", "begin with `apiVersion: synod/v1`");
    document = template("Not A Name", json!({}));
    names(&wrong(&h, document.clone()).await, "/documents/0/metadata/name", "lower-case letters");
    document = template("t", json!({}));
    document["metadata"].as_object_mut().unwrap().remove("namespace");
    names(&wrong(&h, document).await, "/documents/0/metadata", "namespace");
    let group = json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": "g", "namespace": "shop"}, "spec": {"members": []}});
    names(&wrong(&h, group).await, "/documents/0/metadata/namespace", "leave `namespace` out");
    names(&wrong(&h, binding(Some("shop"), "aprover", "alice")).await, "/documents/0/spec/role", "did you mean `approver`?");
    let policy = |cedar: &str| json!({"apiVersion": "synod/v1", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"cedar": cedar}});
    let problem = wrong(&h, policy("permit (principal, action, resource)\nwhen { context.roles.contains( };")).await;
    assert!(problem.problems[0].line == Some(2) && problem.problems[0].column.is_some(), "{problem:?}");
    assert!(problem.problems[0].pointer.ends_with("/spec/cedar"), "{problem:?}");
    let problem = wrong(&h, policy("permit (principal, action == Action::\"run.aprove\", resource);")).await;
    assert!(format!("{problem:?}").contains("did you mean `run.approve`?"), "{problem:?}");
}

async fn references_must_exist(h: Harness) {
    h.shop("bob:approver carol:approver+oncall").await;
    names(&wrong(&h, binding(Some("shop"), "viewer", "bib")).await, "/documents/0/spec/subjects/0/user", "did you mean `bob`?");
    names(&wrong(&h, binding(Some("shpo"), "viewer", "bob")).await, "/documents/0/metadata/namespace", "did you mean `shop`?");
    let rules = json!({"approval": {"rules": [{"count": 1, "from": {"group": "oncal"}}]}});
    names(&wrong(&h, template("t", rules)).await, "/documents/0/spec/approval/rules/0/from/group", "did you mean `oncall`?");
    let group = json!({"apiVersion": "synod/v1", "kind": "Group", "metadata": {"name": "g"}, "spec": {"members": ["nobody-there"]}});
    names(&wrong(&h, group).await, "/documents/0/spec/members/0", "nobody-there");
    let problem = refused(h.client("alice").await.get::<Value>(&format!("{API}/objects/templates/resart?namespace=shop")).await, "SYN-3000");
    assert!(problem.detail.contains("resart"), "{}", problem.detail);
}

async fn all_or_nothing(h: Harness) {
    h.shop("").await;
    let problem = refused(apply(&h, vec![template("good", json!({})), template("bad", json!({"title": 5}))]).await, "SYN-1001");
    names(&problem, "/documents/1/spec/title", "string");
    let problem = refused(apply(&h, vec![template("good", json!({})), template("good", json!({"title": "again"}))]).await, "SYN-1001");
    names(&problem, "/documents/1/metadata/name", "twice");
    let listed: Value = h.client("alice").await.get(&format!("{API}/objects/templates")).await.unwrap();
    assert_eq!(listed["items"], json!([]), "nothing was applied");
}

async fn revisions_are_kept_and_guarded(h: Harness) {
    h.shop("").await;
    let alice = h.client("alice").await;
    let first = h.apply(vec![template("t", json!({}))]).await;
    assert_eq!((first.results[0].action, first.results[0].revision), (Action::Created, 1));
    assert_eq!(h.apply(vec![template("t", json!({}))]).await.results[0].action, Action::Unchanged);
    let request = ApplyRequest { documents: vec![template("t", json!({"title": "new"}))], dry_run: true };
    let dry: ApplyResponse = alice.post(&format!("{API}/apply"), &request).await.unwrap();
    assert!(dry.results[0].diff.contains("+") && dry.results[0].diff.contains("title: new"), "{}", dry.results[0].diff);
    let path = format!("{API}/objects/templates/t");
    let still: Value = alice.get(&format!("{path}?namespace=shop")).await.unwrap();
    assert_eq!(still["metadata"]["revision"], json!(1), "a dry run changes nothing");
    assert_eq!(h.apply(vec![template("t", json!({"title": "new"}))]).await.results[0].revision, 2);
    let old: Value = alice.get(&format!("{path}?namespace=shop&revision=1")).await.unwrap();
    assert_eq!((&old["spec"]["title"], &old["metadata"]["author"]), (&json!("t"), &json!("alice")));
    // What was edited from a revision that is no longer the newest is refused.
    let edit = async |revision: &str, documents: Vec<Value>| -> Called<ApplyResponse> {
        let request = ApplyRequest { documents, dry_run: false };
        alice.call(http::Method::POST, &format!("{API}/apply"), &[("if-match", revision)], Some(&request)).await
    };
    let document = |title: &str| template("t", json!({"title": title}));
    let problem = refused(edit("\"1\"", vec![document("from the first")]).await, "SYN-3003");
    assert!(problem.status == 412 && problem.detail.contains("is at revision 2"), "{problem:?}");
    refused(edit("0", vec![document("as if new")]).await, "SYN-3003");
    refused(edit("1", vec![template("u", json!({}))]).await, "SYN-3003");
    refused(edit("soon", vec![document("x")]).await, "SYN-1008");
    refused(edit("2", vec![document("x"), template("u", json!({}))]).await, "SYN-1008");
    let still: Value = alice.get(&format!("{path}?namespace=shop")).await.unwrap();
    assert_eq!((&still["metadata"]["revision"], &still["spec"]["title"]), (&json!(2), &json!("new")));
    assert_eq!(edit("0", vec![template("u", json!({}))]).await.unwrap().results[0].revision, 1);
    alice.delete(&format!("{API}/objects/templates/u?namespace=shop")).await.unwrap();
    assert_eq!(edit("\"2\"", vec![document("new")]).await.unwrap().results[0].revision, 2, "nothing to change");
    let delete = async |revision: &str| -> Called<Value> {
        alice.call::<(), Value>(http::Method::DELETE, &format!("{path}?namespace=shop"), &[("if-match", revision)], None).await
    };
    let problem = refused(delete("\"1\"").await, "SYN-3003");
    assert!(problem.detail.contains("revision 2"), "{}", problem.detail);
    refused(delete("soon").await, "SYN-1008");
    delete("\"2\"").await.unwrap();
    refused(alice.get::<Value>(&format!("{path}?namespace=shop")).await, "SYN-3000");
    let history: Value = alice.get(&format!("{path}/revisions?namespace=shop")).await.unwrap();
    assert_eq!(history["items"].as_array().unwrap().len(), 3);
    // A namespace with something in it stays.
    h.apply(vec![template("t", json!({}))]).await;
    let problem = refused(alice.delete(&format!("{API}/objects/namespaces/shop")).await, "SYN-3004");
    assert!(problem.detail.to_lowercase().contains("template t"), "{}", problem.detail);
}
