//! Tests of signed decisions: the good case, and every attack that can be made of data alone.

use super::*;
use crate::testing::{self, Signer, decision, hour, manifest, root, root_json, signer, yes};
use serde_json::{Value, json};
use synod_domain::strategy::Amount;
use synod_domain::template::Step;

struct Case {
    root: Value,
    manifest: Manifest,
    digest: String,
    envelopes: Vec<Envelope>,
    node: &'static str,
    now: Timestamp,
}

fn good() -> Case {
    let manifest = manifest();
    let digest = manifest.seal().unwrap().1;
    let envelopes = ["ann", "bob", "carol"].iter().map(|name| yes(name, &manifest)).collect();
    Case { root: root_json(), manifest, digest, envelopes, node: "web-1", now: hour(3) }
}

fn judged(change: impl FnOnce(&mut Case)) -> Result<Agreement, Refused> {
    let mut case = good();
    change(&mut case);
    judge(&root(&case.root), &case.manifest, &case.digest, &case.envelopes, case.node, case.now)
}

fn refusal(change: impl FnOnce(&mut Case)) -> Option<&'static str> {
    judged(change).err().map(|refused| {
        assert!(!refused.to_string().is_empty());
        refused.name()
    })
}

/// Changes the manifest after approval; a hostile server also hands over the digest that fits it.
fn altered(change: impl FnOnce(&mut Manifest)) -> Option<&'static str> {
    refusal(|c| {
        change(&mut c.manifest);
        c.digest = c.manifest.seal().unwrap().1;
    })
}

/// Signs anew with a changed statement.
fn said(name: &str, change: impl FnOnce(&mut Statement)) -> Envelope {
    decision(name, &signer(name), &manifest(), Decision::Approve, change)
}

fn no(name: &str) -> Envelope {
    decision(name, &signer(name), &manifest(), Decision::Reject, |_| {})
}

#[test]
fn what_was_agreed_may_run() {
    let agreement = judged(|_| {}).unwrap();
    assert_eq!(agreement.decisions.len(), 3);
    assert_eq!(agreement.root_version, 1);
    assert_eq!(agreement.met.len(), 2);
    assert_eq!(agreement.met[0].rules, "rule shop of the trust root");
    assert_eq!(agreement.met[0].by.len(), 3);
    // Any three of the five, with any kind of key.
    assert_eq!(refusal(|c| c.envelopes = ["carol", "dan", "eve"].iter().map(|n| yes(n, &manifest())).collect()), None);
    assert_eq!(refusal(|c| c.envelopes = ["ann", "bob", "carol", "dan", "eve"].iter().map(|n| yes(n, &manifest())).collect()), None);
}

#[test]
fn nothing_may_change_after_approval() {
    assert_eq!(altered(|m| m.steps[0].run = Some("rm -rf /".into())), Some("wrong-digest"));
    assert_eq!(altered(|m| m.steps.push(serde_json::from_value::<Step>(json!({"name": "more", "run": "id"})).unwrap())), Some("wrong-digest"));
    assert_eq!(altered(|m| m.inputs["service"] = json!("db")), Some("wrong-digest"));
    assert_eq!(altered(|m| m.nodes.count = 4), Some("wrong-digest"));
    assert_eq!(altered(|m| m.nodes.root = "00".repeat(32)), Some("wrong-digest"));
    assert_eq!(altered(|m| m.strategy.max_failures = Amount::Count(9)), Some("wrong-digest"));
    assert_eq!(altered(|m| m.expires_at = hour(500)), Some("wrong-digest"));
    assert_eq!(altered(|m| m.approve_by = hour(500)), Some("wrong-digest"));
    assert_eq!(altered(|m| m.approval.rules.clear()), Some("wrong-digest"));
    assert_eq!(altered(|m| m.requester = "yan".into()), Some("wrong-digest"));
    // The server may also leave the old digest beside it.
    assert_eq!(refusal(|c| c.manifest.inputs["service"] = json!("db")), Some("wrong-digest"));
    assert_eq!(refusal(|c| c.digest = "sha256:00".into()), Some("wrong-digest"));
}

#[test]
fn withheld_invented_and_borrowed_approvals() {
    assert_eq!(refusal(|c| drop(c.envelopes.pop())), Some("unmet"));
    assert_eq!(refusal(|c| c.envelopes.clear()), Some("unmet"));
    // Invented: signed by a key the server made up, under its own name and under bob's.
    let mallory = Signer::ed25519("mallory");
    assert_eq!(refusal(|c| c.envelopes[1] = decision("mallory", &mallory, &manifest(), Decision::Approve, |_| {})), Some("unknown-key"));
    assert_eq!(refusal(|c| c.envelopes[1] = decision("bob", &mallory, &manifest(), Decision::Approve, |_| {})), Some("unknown-key"));
    assert_eq!(
        refusal(|c| {
            let mut forged = decision("bob", &mallory, &manifest(), Decision::Approve, |_| {});
            forged.signatures[0].keyid = signer("bob").key().id().0.clone();
            c.envelopes[1] = forged;
        }),
        Some("bad-signature")
    );
    // A person signs in the name of another.
    assert_eq!(refusal(|c| c.envelopes[1] = decision("bob", &signer("eve"), &manifest(), Decision::Approve, |_| {})), Some("wrong-person"));
    // From another run, of the same digest or of another.
    assert_eq!(refusal(|c| c.envelopes[1] = said("bob", |s| s.run = "0k3other".into())), Some("wrong-run"));
    assert_eq!(refusal(|c| c.envelopes[1] = said("bob", |s| s.digest = "sha256:11".into())), Some("wrong-digest"));
    // A signature for another purpose.
    let as_root = |c: &mut Case| {
        let statement = said("bob", |_| {});
        c.envelopes[1] = signer("bob").sign(Purpose::Root, Envelope { signatures: Vec::new(), ..statement });
    };
    assert_eq!(refusal(as_root), Some("bad-signature"));
    assert_eq!(refusal(|c| c.envelopes[1].payload_type = crate::root::PAYLOAD_TYPE.into()), Some("malformed"));
}

#[test]
fn one_person_counts_once() {
    assert_eq!(refusal(|c| c.envelopes[2] = c.envelopes[0].clone()), Some("unmet"));
    // Two keys of one person.
    let second = Signer::sk_p256("ann's second");
    let two_keys = |c: &mut Case| {
        c.root["principals"][0]["keys"].as_array_mut().unwrap().push(json!(second.spec()));
        c.envelopes[2] = decision("ann", &second, &manifest(), Decision::Approve, |_| {});
    };
    assert_eq!(refusal(two_keys), Some("unmet"));
    assert_eq!(
        refusal(|c| {
            two_keys(c);
            c.envelopes.extend([yes("bob", &manifest()), yes("carol", &manifest())]);
        }),
        None,
        "twice does no harm when others suffice"
    );
    // One key under two ids: as a passkey and as an SSH key. The root is refused, so no judgement is made by it.
    let mut twice = root_json();
    twice["principals"][3]["keys"] = json!([testing::p256_line(Signer::passkey_p256("carol").public().material())]);
    assert_eq!(Root::draft(testing::doc(&twice)).unwrap_err().name(), "invalid");
    // The same signature under a second key id.
    assert_eq!(
        refusal(|c| {
            let mut renamed = c.envelopes[0].clone();
            renamed.signatures[0].keyid = signer("dan").key().id().0.clone();
            c.envelopes[2] = renamed;
        }),
        Some("bad-signature")
    );
    // Two signatures in one envelope.
    assert_eq!(refusal(|c| c.envelopes[0] = signer("bob").sign(Purpose::Approval, c.envelopes[0].clone())), Some("malformed"));
    assert_eq!(refusal(|c| c.envelopes[0].signatures.clear()), Some("malformed"));
    assert_eq!(refusal(|c| c.envelopes = vec![c.envelopes[0].clone(); 65]), Some("too-many"));
}

#[test]
fn requesters_and_authors() {
    let asked_by_ann = |c: &mut Case| {
        c.manifest.requester = "ann".into();
        resign(c, &["ann", "bob", "carol"]);
    };
    assert_eq!(refusal(asked_by_ann), Some("requester"));
    // Both must allow it: the template and the root.
    assert_eq!(
        refusal(|c| {
            c.manifest.approval.requester_may_approve = true;
            asked_by_ann(c);
        }),
        Some("requester")
    );
    assert_eq!(
        refusal(|c| {
            c.root["rules"][0]["approval"]["requesterMayApprove"] = json!(true);
            asked_by_ann(c);
        }),
        Some("requester")
    );
    assert_eq!(
        refusal(|c| {
            c.root["rules"][0]["approval"]["requesterMayApprove"] = json!(true);
            c.manifest.approval.requester_may_approve = true;
            asked_by_ann(c);
        }),
        None
    );
    let written_by_bob = |c: &mut Case| {
        c.manifest.template.author = "bob".into();
        resign(c, &["ann", "bob", "carol"]);
    };
    assert_eq!(refusal(written_by_bob), None);
    assert_eq!(
        refusal(|c| {
            c.root["rules"][0]["approval"]["authorMayApprove"] = json!(false);
            written_by_bob(c);
        }),
        Some("author")
    );
    // A requester's no still counts.
    assert_eq!(
        refusal(|c| {
            c.manifest.requester = "ann".into();
            resign(c, &["bob", "carol", "dan"]);
            c.envelopes.push(decision("ann", &signer("ann"), &c.manifest, Decision::Reject, |_| {}));
        }),
        Some("rejected")
    );
}

fn resign(c: &mut Case, names: &[&str]) {
    c.digest = c.manifest.seal().unwrap().1;
    c.envelopes = names.iter().map(|name| yes(name, &c.manifest)).collect();
}

#[test]
fn rejections() {
    assert_eq!(refusal(|c| c.envelopes.push(no("eve"))), Some("rejected"));
    assert_eq!(refusal(|c| c.envelopes.push(no("ann"))), Some("rejected"), "who said both yes and no said no");
    let patient = |c: &mut Case| {
        c.root["rules"][0]["approval"]["rejections"] = json!(2);
        c.manifest.approval.rejections = 2;
        resign(c, &["ann", "bob", "carol"]);
    };
    let no_to = |c: &Case, name: &str| decision(name, &signer(name), &c.manifest, Decision::Reject, |_| {});
    assert_eq!(
        refusal(|c| {
            patient(c);
            c.envelopes.push(no_to(c, "eve"));
        }),
        None
    );
    assert_eq!(
        refusal(|c| {
            patient(c);
            c.envelopes.extend([no_to(c, "eve"), no_to(c, "dan")]);
        }),
        Some("rejected")
    );
    // Of a person no rule asks for, neither yes nor no counts.
    assert_eq!(
        refusal(|c| {
            c.root["principals"][4]["groups"] = json!([]);
            c.root["principals"][4]["roles"] = json!(["viewer"]);
            c.envelopes.push(no("eve"));
        }),
        None
    );
}

#[test]
fn rules_of_the_root() {
    assert_eq!(refusal(|c| c.node = "db-1"), Some("no-rule"));
    assert_eq!(
        refusal(|c| {
            c.manifest.namespace = "bank".into();
            resign(c, &["ann", "bob", "carol"]);
        }),
        Some("no-rule")
    );
    // Every rule that is about it must be met, and a person may fill one of each.
    let second = |from: Value| json!({"name": "second", "templates": ["*/restart"], "nodes": ["*"], "approval": {"rules": [{"count": 1, "from": from}]}});
    let with = |from: Value| move |c: &mut Case| c.root["rules"].as_array_mut().unwrap().push(second(from));
    assert_eq!(refusal(with(json!({"user": "ann"}))), None);
    assert_eq!(refusal(with(json!({"user": "dan"}))), Some("unmet"));
    assert_eq!(refusal(with(json!({"role": "owner"}))), Some("unmet"));
    // The manifest's own rules may be stricter than the root's.
    assert_eq!(
        refusal(|c| {
            c.manifest.approval.rules[0].count = 4;
            resign(c, &["ann", "bob", "carol"]);
        }),
        Some("unmet")
    );
    // Or ask for nobody: the root's still hold.
    assert_eq!(
        refusal(|c| {
            c.manifest.approval.rules.clear();
            resign(c, &["ann", "bob"]);
        }),
        Some("unmet")
    );
    // Groups are those of the root, whatever the server thinks.
    assert_eq!(refusal(|c| c.root["principals"][1]["groups"] = json!([])), Some("unmet"));
    let words = judged(|c| c.envelopes.truncate(1)).unwrap_err().to_string();
    assert!(words.contains("2 missing for rule shop of the trust root (3 of group oncall)"), "{words}");
    assert!(words.contains("1 missing for the template's own rules (2 with role approver)"), "{words}");
}

#[test]
fn revoked_and_removed_people() {
    let revoke = |c: &mut Case| {
        c.root["principals"][0]["keys"] = json!([Signer::ed25519("ann's new").spec()]);
        c.root["revoked"] = json!([{"key": signer("ann").key().id(), "at": hour(2), "reason": "lost"}]);
    };
    assert_eq!(refusal(revoke), Some("revoked"));
    assert_eq!(
        refusal(|c| {
            c.root["principals"].as_array_mut().unwrap().remove(1);
        }),
        Some("unknown-key")
    );
}

#[test]
fn times() {
    assert_eq!(refusal(|c| c.envelopes[0] = said("ann", |s| s.at = hour(0))), Some("too-early"));
    assert_eq!(refusal(|c| c.envelopes[0] = said("ann", |s| s.at = Timestamp(hour(1).0 - MAX_SKEW_MS))), None);
    assert_eq!(refusal(|c| c.envelopes[0] = said("ann", |s| s.at = Timestamp(hour(1).0 - MAX_SKEW_MS - 1))), Some("too-early"));
    assert_eq!(refusal(|c| c.envelopes[0] = said("ann", |s| s.at = hour(4))), Some("too-early"), "in the future");
    // To the millisecond: a server takes in what is signed 30 s ahead of its clock, and a node 30 s behind it counts it.
    assert_eq!(MAX_AHEAD_MS, 60_000);
    let ahead = |by: i64| said("ann", move |s| s.at = Timestamp(hour(3).0 + by));
    let taken_in = |by: i64| check_taken_in(&verify_one(&root(&root_json()), &ahead(by)).unwrap(), hour(3)).map_err(|e| e.name());
    assert_eq!((taken_in(MAX_SKEW_MS), taken_in(MAX_SKEW_MS + 1)), (Ok(()), Err("too-early")));
    assert_eq!(refusal(|c| c.envelopes[0] = ahead(MAX_AHEAD_MS)), None);
    assert_eq!(refusal(|c| c.envelopes[0] = ahead(MAX_AHEAD_MS + 1)), Some("too-early"));
    // No end is moved by it: what was signed after the time for it stays too late.
    assert_eq!(
        refusal(|c| {
            c.envelopes[0] = said("ann", |s| s.at = Timestamp(hour(25).0 + 1));
            c.now = hour(25);
        }),
        Some("too-late")
    );
    assert_eq!(refusal(|c| c.now = Timestamp(hour(49).0 + MAX_SKEW_MS)), None);
    assert_eq!(refusal(|c| c.now = Timestamp(hour(49).0 + MAX_SKEW_MS + 1)), Some("expired"));
    assert_eq!(
        refusal(|c| {
            c.envelopes[0] = said("ann", |s| s.at = hour(26));
            c.now = hour(27);
        }),
        Some("too-late")
    );
    assert_eq!(refusal(|c| c.now = hour(48)), None);
    assert_eq!(refusal(|c| c.now = hour(50)), Some("expired"));
    assert_eq!(refusal(|c| c.root["expiresAt"] = json!(hour(2))), Some("root-expired"));
}

#[test]
fn odd_documents() {
    let bend = |from: &str, to: &str| {
        // Signed as it is: it is the person's own tool that writes oddly.
        let payload = String::from_utf8(crate::strict::from_base64(&said("ann", |_| {}).payload).unwrap()).unwrap();
        assert!(payload.contains(from), "{payload}");
        let odd = Envelope::new(PAYLOAD_TYPE, payload.replacen(from, to, 1).as_bytes());
        let odd = signer("ann").sign(Purpose::Approval, odd);
        refusal(|c| c.envelopes[0] = odd)
    };
    assert_eq!(bend("{", "{"), None);
    assert_eq!(bend("\"kind\"", "\"decision\":\"reject\",\"kind\""), Some("malformed"), "a key twice");
    assert_eq!(bend("\"person\"", "\"n\":1,\"person\""), Some("malformed"), "an unknown key");
    assert_eq!(bend("\"kind\":", "\"kind\": "), Some("malformed"), "a space");
    assert_eq!(bend("\"decision\":\"approve\"", "\"decision\":\"\\u0061pprove\""), Some("malformed"), "an escape");
    assert_eq!(bend("\"decision\":\"approve\"", "\"decision\":\"Approve\""), Some("malformed"));
    assert_eq!(bend("\"apiVersion\"", "\"apiVersion\":\"synod/v1\",\"apiVersion\""), Some("malformed"));
    assert_eq!(bend("synod/v1", "synod/v2"), Some("malformed"));
    assert_eq!(bend("2026-01-01T02:00:00.000Z", "2026-01-01T02:00:00Z"), Some("malformed"), "another spelling of a time");
    assert_eq!(bend("\"person\":\"ann\"", "\"person\":\"\u{430}nn\""), Some("wrong-person"), "a look-alike");
    assert_eq!(refusal(|c| c.envelopes[0] = said("ann", |s| s.comment = "x".repeat(5000))), Some("malformed"));
    // Look-alikes in the manifest: the requester `ann` in other letters would not be excluded.
    let spelt = |change: fn(&mut Manifest)| {
        refusal(|c| {
            change(&mut c.manifest);
            resign(c, &["ann", "bob", "carol"]);
        })
    };
    assert_eq!(spelt(|m| m.requester = "\u{430}nn".into()), Some("manifest"));
    assert_eq!(spelt(|m| m.namespace = "sh\u{43e}p".into()), Some("manifest"));
    assert_eq!(spelt(|m| m.template.name = "restart\u{200b}".into()), Some("manifest"));
    assert_eq!(spelt(|m| m.template.author = "Fay".into()), Some("manifest"));
    assert_eq!(spelt(|m| m.kind = "Template".into()), Some("manifest"));
    assert_eq!(spelt(|m| m.inputs["share"] = json!(0.25)), None);
}

#[test]
fn passkeys_sign_for_this_decision_only() {
    use crate::testing::ClientData;
    let with = |change: &dyn Fn(&mut ClientData)| {
        let carol = signer("carol");
        let bare = Envelope { signatures: Vec::new(), ..yes("carol", &manifest()) };
        let payload = crate::strict::from_base64(&bare.payload).unwrap();
        let mut client = ClientData::new(&crate::envelope::pae(PAYLOAD_TYPE, &payload));
        change(&mut client);
        let signed = bare.with(&carol.key().id().0, &carol.assertion(&client).to_bytes());
        refusal(|c| c.envelopes[2] = signed)
    };
    assert_eq!(with(&|_| {}), None);
    assert_eq!(with(&|c| c.json["origin"] = json!("https://synod.example.org")), Some("bad-signature"));
    assert_eq!(with(&|c| c.flags = 0x01), Some("bad-signature"));
    assert_eq!(with(&|c| c.json["challenge"] = ClientData::new(b"yesterday").json["challenge"].clone()), Some("bad-signature"));
    assert_eq!(with(&|c| c.rp_id = "example.com".into()), Some("bad-signature"));
    let words = judged(|c| {
        let eve = signer("eve").untouched();
        c.envelopes[2] = decision("eve", &eve, &manifest(), Decision::Approve, |_| {});
    })
    .unwrap_err()
    .to_string();
    assert!(words.contains("eve") && words.contains("touch"), "{words}");
}

#[test]
fn breaking_the_glass() {
    let manifest = manifest();
    let digest = manifest.seal().unwrap().1;
    let start = |name: &str, change: &dyn Fn(&mut Statement)| {
        decision(name, &signer(name), &manifest, Decision::Approve, |s| {
            s.break_glass = true;
            change(s);
        })
    };
    let shut = |rule: &str, envelope: &Envelope, node: &str, used: u32| {
        judge_break_glass(&root(&root_json()), &manifest, &digest, rule, envelope, node, used, hour(3)).err().map(|e| e.name())
    };
    let ann = start("ann", &|_| {});
    assert_eq!(shut("night", &ann, "web-1", 0), None);
    assert_eq!(shut("night", &ann, "web-1", 1), None);
    assert_eq!(shut("night", &ann, "web-1", 2), Some("break-glass"));
    assert_eq!(shut("day", &ann, "web-1", 0), Some("break-glass"));
    assert_eq!(shut("night", &ann, "db-1", 0), Some("break-glass"));
    assert_eq!(shut("night", &start("bob", &|_| {}), "web-1", 0), Some("break-glass"));
    assert_eq!(shut("night", &start("ann", &|s| s.decision = Decision::Reject), "web-1", 0), Some("break-glass"));
    assert_eq!(shut("night", &start("ann", &|s| s.break_glass = false), "web-1", 0), Some("wrong-sort"));
    assert_eq!(shut("night", &start("ann", &|s| s.ratifies = true), "web-1", 0), Some("wrong-sort"));
    assert_eq!(shut("night", &start("ann", &|s| s.run = "other".into()), "web-1", 0), Some("wrong-run"));
    assert_eq!(shut("night", &start("ann", &|s| s.at = hour(26)), "web-1", 0), Some("too-early"));
    let judge_with = |change: &dyn Fn(&mut Value)| {
        let mut json = root_json();
        change(&mut json);
        judge_break_glass(&root(&json), &manifest, &digest, "night", &ann, "web-1", 0, hour(3)).err().map(|e| e.name())
    };
    assert_eq!(judge_with(&|j| j["breakGlass"][0]["maxNodes"] = json!(2)), Some("break-glass"));
    assert_eq!(judge_with(&|j| j["breakGlass"][0]["templates"] = json!(["shop/stop"])), Some("break-glass"));
    assert_eq!(judge_with(&|j| j["expiresAt"] = json!(hour(2))), Some("root-expired"));
    assert_eq!(judge_break_glass(&root(&root_json()), &manifest, &digest, "night", &ann, "web-1", 0, hour(50)).unwrap_err().name(), "expired");
    // Nobody starts alone what they wrote themselves, unless the root says so.
    let mut own = testing::manifest();
    own.template.author = "ann".into();
    let (_, own_digest) = own.seal().unwrap();
    let own_start = decision("ann", &signer("ann"), &own, Decision::Approve, |s| s.break_glass = true);
    let by_author =
        |json: &Value| judge_break_glass(&root(json), &own, &own_digest, "night", &own_start, "web-1", 0, hour(3)).map_err(|e| (e.name(), e.to_string()));
    let (name, words) = by_author(&root_json()).unwrap_err();
    assert!(name == "break-glass" && words.contains("ann wrote this revision") && words.contains("authorMayStart: true"), "{words}");
    let mut open = root_json();
    open["breakGlass"][0]["authorMayStart"] = json!(true);
    assert!(by_author(&open).is_ok());
    // Absent means no, and is the only spelling of it.
    open["breakGlass"][0]["authorMayStart"] = json!(false);
    assert_eq!(testing::doc(&open).seal(), testing::doc(&root_json()).seal());
    let spelt = synod_domain::canonical::canonical(&open).unwrap();
    assert_eq!(Root::read(&spelt).unwrap_err().name(), "malformed");
    // A break-glass start is no ordinary approval, nor the reverse.
    assert_eq!(refusal(|c| c.envelopes[0] = ann.clone()), Some("wrong-sort"));
}

#[test]
fn approval_after_the_fact() {
    let manifest = manifest();
    let digest = manifest.seal().unwrap().1;
    let late = |name: &str| {
        decision(name, &signer(name), &manifest, Decision::Approve, |s| {
            s.ratifies = true;
            s.at = hour(60);
        })
    };
    let envelopes: Vec<Envelope> = ["ann", "bob", "carol"].into_iter().map(late).collect();
    let judged = |envelopes: &[Envelope]| judge_ratification(&root(&root_json()), &manifest, &digest, envelopes, "web-1", hour(61)).map_err(|e| e.name());
    assert!(judged(&envelopes).is_ok());
    assert_eq!(judged(&envelopes[..2]).unwrap_err(), "unmet");
    assert_eq!(judged(&good().envelopes).unwrap_err(), "wrong-sort");
    assert_eq!(judge(&root(&root_json()), &manifest, &digest, &envelopes, "web-1", hour(3)).unwrap_err().name(), "wrong-sort");
}
