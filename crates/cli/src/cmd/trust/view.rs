//! A trust root in words: who, with which keys, how many of whom for what, what changes, what is odd.

use synod_domain::Timestamp;
use synod_domain::approval::rules_for;
use synod_protocol::http::trust::{RootCheck, RootFinding, Trust};
use synod_trust::key::Purpose;
use synod_trust::root::{PAYLOAD_TYPE, Severity, diff, doctor, doctor_next};
use synod_trust::{Envelope, Key, KeyId, Root};

use crate::cmd::describe_run::Page;
use crate::output::{Colour, count};
use crate::when;

/// Everything a root says.
pub fn whole(page: &mut Page<'_>, root: &Root) {
    let doc = root.doc();
    page.field("Digest", root.digest());
    page.field("Follows", doc.previous.as_deref().unwrap_or_default());
    page.field("Made", when::full(doc.created_at));
    page.field("Expires", when::full(doc.expires_at));
    page.field("Threshold", format!("{} of {} must sign a root", doc.threshold, count(root.holders().len(), "holder")));
    page.head("People:");
    for person in &doc.principals {
        let mut words = vec![if person.root { "holds the root".to_owned() } else { "does not hold the root".to_owned() }];
        if !person.roles.is_empty() {
            words.push(format!("role {}", person.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")));
        }
        if !person.groups.is_empty() {
            words.push(format!("of {}", person.groups.join(", ")));
        }
        page.item(format!("{}: {}", person.name, words.join("; ")));
        for key in person.keys.iter().filter_map(|spec| Key::read(spec).ok()) {
            page.item(format!("    {}", key.id()));
        }
    }
    page.head("Rules:");
    for rule in &doc.rules {
        let policy = rule.approval.policy();
        page.item(format!("{}: {} on {}", rule.name, rule.templates.join(", "), rule.nodes.join(", ")));
        for (n, one) in rule.approval.rules.iter().enumerate() {
            let fills = |person: &&synod_trust::root::Principal| rules_for(&policy, "", "", &root.standing(person)).is_ok_and(|rules| rules.contains(&n));
            let could: Vec<&str> = doc.principals.iter().filter(fills).map(|person| person.name.as_str()).collect();
            page.item(format!("    {one}; could: {}", if could.is_empty() { "nobody".to_owned() } else { could.join(", ") }));
        }
        let may = |yes: bool| if yes { "may" } else { "may not" };
        page.item(format!(
            "    the requester {} approve, the author {}; {}",
            may(rule.approval.requester_may_approve),
            may(rule.approval.author_may_approve),
            crate::cmd::describe_run::rejections(rule.approval.rejections)
        ));
    }
    if !doc.break_glass.is_empty() {
        page.head("Break-glass:");
    }
    for rule in &doc.break_glass {
        page.marked(
            Colour::Yellow,
            &format!(
                "{}: {} may start {} on {} alone{}, {} a day, on at most {}",
                rule.name,
                rule.who.join(", "),
                rule.templates.join(", "),
                rule.nodes.join(", "),
                if rule.author_may_start { ", even what they wrote themselves" } else { "" },
                count(rule.per_day as usize, "run"),
                count(rule.max_nodes as usize, "node")
            ),
        );
    }
    if let Some(passkeys) = &doc.passkeys {
        page.field("Passkeys", format!("of {} at {}", passkeys.rp_id, passkeys.origins.join(", ")));
    }
    if !doc.revoked.is_empty() {
        page.head("Revoked:");
    }
    for one in &doc.revoked {
        page.item(format!("{} since {}: {}", one.key, when::full(one.at), one.reason));
    }
}

/// What changes against the root in force.
pub fn changes(page: &mut Page<'_>, current: Option<&Root>, next: &Root) {
    if let Some(current) = current {
        changed(page, &diff(current, next));
    }
}

/// Changes, a line each.
pub fn changed(page: &mut Page<'_>, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    page.head("Changes against the published root:");
    for line in lines {
        page.marked(Colour::Yellow, line);
    }
}

/// What is found without a server, so without its templates.
pub fn look(root: &Root, current: Option<&Root>, now: Timestamp) -> RootCheck {
    let found = current.map_or_else(|| doctor(root, now, &[]), |current| doctor_next(current, root, now, &[]));
    let severity = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let findings =
        found
            .into_iter()
            .map(|one| RootFinding { severity: severity(one.severity).into(), name: one.name.into(), about: one.about, message: one.message });
    RootCheck { findings: findings.collect(), changes: current.map(|current| diff(current, root)).unwrap_or_default() }
}

/// What is odd, the worst first.
pub fn findings(page: &mut Page<'_>, check: &RootCheck) {
    if check.findings.is_empty() {
        page.field("Findings", "none: nothing is odd about it");
        return;
    }
    page.head("Findings:");
    for one in &check.findings {
        let text = format!("{}: {}: {}", one.severity, one.about, one.message);
        match one.severity.as_str() {
            "error" => page.marked(Colour::Red, &text),
            "warning" => page.marked(Colour::Yellow, &text),
            _ => page.item(text),
        }
    }
}

/// Who signed, by these roots, and whether the signatures are theirs.
pub fn signatures(page: &mut Page<'_>, envelope: &Envelope, roots: &[Option<&Root>]) {
    let opened = envelope.open(PAYLOAD_TYPE);
    let Some(opened) = opened.ok().filter(|opened| !opened.signatures.is_empty()) else {
        page.field("Signed by", "nobody yet");
        return;
    };
    page.head("Signatures:");
    for (keyid, signature) in &opened.signatures {
        let key = KeyId(keyid.clone());
        let found = roots.iter().flatten().find_map(|root| root.holder(&key).map(|(person, public)| (root, person, public)));
        let Some((root, person, public)) = found else {
            page.marked(Colour::Red, &format!("✗ {key}: a key of nobody in this root or the one before"));
            continue;
        };
        match public.verify(Purpose::Root, root.doc().passkeys.as_ref(), &opened.pae, signature) {
            Ok(()) if person.root => page.marked(Colour::Green, &format!("✓ {} with {key}", person.name)),
            Ok(()) => page.marked(Colour::Red, &format!("✗ {} with {key}, who does not hold the root", person.name)),
            Err(why) => page.marked(Colour::Red, &format!("✗ {} with {key}: {why}", person.name)),
        }
    }
}

/// How the nodes judge.
pub fn nodes(page: &mut Page<'_>, trust: &Trust) {
    let nodes = &trust.nodes;
    page.field("Nodes", format!("{} enforce, {} observe, {} believe the server", nodes.enforcing, nodes.observing, nodes.off));
    if nodes.behind > 0 {
        page.marked(Colour::Yellow, &format!("{} have not accepted this version yet", nodes.behind));
    }
    if nodes.alarmed > 0 {
        page.marked(Colour::Red, &format!("{} raised an alarm: synod get nodes -o wide", nodes.alarmed));
    }
    if trust.unratified > 0 {
        page.marked(Colour::Red, &format!("{} by break-glass not ratified: synod get runs --unratified", count(trust.unratified as usize, "run")));
    }
    page.field("Audit log", &trust.log_key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Out};
    use serde_json::json;
    use synod_trust::testing::{doc, hour, root, root_json, signed_root, signer};

    #[test]
    fn a_root_reads_as_words() {
        let one = root(&root_json());
        let mut json = root_json();
        json["version"] = json!(2);
        json["previous"] = json!(doc(&root_json()).seal().1);
        json["threshold"] = json!(1);
        let two = root(&json);
        let out = Out::plain(Format::Table);
        let mut page = Page::new(&out);
        whole(&mut page, &two);
        changes(&mut page, Some(&one), &two);
        let found = look(&two, Some(&one), hour(1));
        findings(&mut page, &found);
        signatures(&mut page, &Envelope::new("x", b""), &[Some(&two)]);
        signatures(&mut page, &signed_root(&json, &[&signer("ann"), &signer("dan")]), &[Some(&two)]);
        signatures(&mut page, &Envelope { payload: signed_root(&json, &[]).payload, ..signed_root(&root_json(), &[&signer("bob")]) }, &[Some(&two)]);
        let text = page.into_text();
        for words in [
            "1 of 3 holders must sign a root",
            "ann: holds the root; role approver; of oncall",
            "dan: does not hold the root",
            "shop: shop/* on web-*",
            "3 of group oncall; could: ann, bob, carol, dan, eve",
            "night: ann may start shop/restart on web-* alone, 2 runs a day, on at most 5 nodes",
            "holders who must sign a root: 2 → 1",
            "warning: root: fewer holders",
            "nobody yet",
            "✓ ann with SHA256:",
            "dan with passkey:",
            "who does not hold the root",
            "✗ bob with SHA256:",
        ] {
            assert!(text.contains(words), "{words}:\n{text}");
        }
        assert!(!found.changes.is_empty());
    }
}
