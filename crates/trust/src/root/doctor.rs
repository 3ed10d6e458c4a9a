//! What is odd about a root although it is sound: rules nobody can meet, people everything hangs on. And what changes
//! from one root to the next, in words.

use std::collections::BTreeSet;

use synod_domain::approval::{Standing, meetable, rules_for};
use synod_domain::template::{ApprovalPolicy, Approvers};
use synod_domain::time::Timestamp;

use super::chain::unrevoked;
use super::{Principal, Root};
use crate::key::Key;
use crate::names;

/// So long before its expiry a root should be renewed.
const SOON_MS: i64 = 30 * 86_400_000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Will hurt one day.
    Warning,
    /// Something cannot work.
    Error,
}

/// One thing that is odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// The stable name of what it is.
    pub name: &'static str,
    /// What it is about: `rule shop`, `template shop/restart`, `root`.
    pub about: String,
    /// What is odd and what would help.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.about, self.message)
    }
}

/// Looks a root over, with the templates (`NAMESPACE/NAME` and policy) there are.
pub fn doctor(root: &Root, now: Timestamp, templates: &[(String, ApprovalPolicy)]) -> Vec<Finding> {
    let mut look = Look { root, people: root.doc().principals.iter().map(|p| root.standing(p)).collect(), found: Vec::new() };
    look.itself(now);
    for rule in &root.doc().rules {
        let policy = rule.approval.policy();
        look.policy(&format!("rule {}", rule.name), &policy);
    }
    for rule in root.doc().break_glass.iter().filter(|rule| rule.author_may_start) {
        let message = "whoever it names may write a template and start it alone, which nobody else has looked at".into();
        look.add(Severity::Warning, "author-may-start", &format!("break-glass rule {}", rule.name), message);
    }
    for (name, policy) in templates {
        let about = format!("template {name}");
        let (namespace, template) = name.split_once('/').unwrap_or((name, ""));
        let covering: Vec<&str> = root
            .doc()
            .rules
            .iter()
            .filter(|rule| rule.templates.iter().any(|glob| names::matches_template(glob, namespace, template)))
            .map(|rule| rule.name.as_str())
            .collect();
        if covering.is_empty() {
            look.add(Severity::Error, "no-rule", &about, "no rule of the root is about it, so no node would run it; add a rule or widen one".into());
        } else {
            look.add(Severity::Note, "covered", &about, format!("its own rules and those of {} must be met", covering.join(", ")));
        }
        look.policy(&about, policy);
    }
    look.found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    look.found
}

/// Looks over a root that is proposed to follow `current`, before anybody signs it.
pub fn doctor_next(current: &Root, next: &Root, now: Timestamp, templates: &[(String, ApprovalPolicy)]) -> Vec<Finding> {
    let mut found = doctor(next, now, templates);
    let mut add = |severity, name, message: String| found.push(Finding { severity, name, about: "root".into(), message });
    if next.version() != current.version() + 1 {
        add(Severity::Error, "version", format!("version {} follows {}, not {}", current.version() + 1, current.version(), next.version()));
    }
    if next.doc().previous.as_deref() != Some(current.digest()) {
        add(Severity::Error, "previous", format!("`previous` must be {}", current.digest()));
    }
    if next.doc().created_at < current.doc().created_at {
        add(Severity::Error, "time", "`createdAt` is before that of the root in force".into());
    }
    if next.doc().expires_at < current.doc().expires_at {
        add(Severity::Warning, "expires-earlier", "it expires before the root in force does".into());
    }
    if next.doc().threshold < current.doc().threshold {
        add(
            Severity::Warning,
            "threshold",
            format!("fewer holders ({} instead of {}) would decide about later roots", next.doc().threshold, current.doc().threshold),
        );
    }
    let (old, new) = (current.holders(), next.holders());
    if old.is_disjoint(&new) {
        add(Severity::Warning, "all-holders", "nobody who signs roots today would sign later ones".into());
    }
    for was in unrevoked(current, next) {
        add(Severity::Error, "unrevoked", format!("{} was revoked at {}, and nobody takes a root that takes it back; keep the entry", was.key, was.at));
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

struct Look<'a> {
    root: &'a Root,
    people: Vec<Standing>,
    found: Vec<Finding>,
}

impl Look<'_> {
    fn add(&mut self, severity: Severity, name: &'static str, about: &str, message: String) {
        self.found.push(Finding { severity, name, about: about.to_owned(), message });
    }

    fn itself(&mut self, now: Timestamp) {
        let doc = self.root.doc();
        let left = doc.expires_at.since(now);
        if left <= 0 {
            self.add(Severity::Error, "expired", "root", format!("it expired at {}; nothing is approved until its holders sign a new version", doc.expires_at));
        } else if left < SOON_MS {
            self.add(
                Severity::Warning,
                "expires-soon",
                "root",
                format!("it expires at {}, in {} days; have a new version signed", doc.expires_at, left / 86_400_000),
            );
        }
        let holders = self.root.holders().len();
        if holders == doc.threshold as usize {
            let message = format!("all {holders} holders must sign the next version: if one key is lost, no root can ever follow; add a holder");
            self.add(Severity::Warning, "no-spare", "root", message);
        }
        if doc.threshold == 1 {
            self.add(Severity::Warning, "one-holder", "root", "one person alone can change who decides; raise `threshold`".into());
        }
    }

    fn policy(&mut self, about: &str, policy: &ApprovalPolicy) {
        for rule in &policy.rules {
            let (word, name) = match &rule.from {
                Approvers::Role(role) => ("role", role.name().to_owned()),
                Approvers::Group(group) => ("group", group.clone()),
                Approvers::User(user) => ("name", user.clone()),
            };
            let alone = ApprovalPolicy { rules: vec![rule.clone()], ..policy.clone() };
            let who: Vec<String> = self.people.iter().filter(|p| rules_for(&alone, "", "", p).is_ok()).map(|p| p.name.clone()).collect();
            if who.is_empty() {
                self.add(Severity::Error, "nobody", about, format!("{rule}: no principal of the root has the {word} `{name}`"));
            } else {
                self.add(Severity::Note, "who", about, format!("{rule}: {}", who.join(", ")));
            }
        }
        if !meetable(policy, "", "", &self.people) {
            let rules: Vec<String> = policy.rules.iter().map(ToString::to_string).collect();
            self.add(Severity::Error, "unmeetable", about, format!("all people together cannot meet it ({}); add people or ask for fewer", rules.join("; ")));
            return;
        }
        let names: Vec<String> = self.people.iter().map(|p| p.name.clone()).collect();
        for name in &names {
            let rest: Vec<Standing> = self.people.iter().filter(|p| p.name != *name).cloned().collect();
            if !meetable(policy, "", "", &rest) {
                let own = if policy.requester_may_approve { "" } else { ", or asks for a run themselves" };
                self.add(Severity::Warning, "one-person", about, format!("it cannot be met once {name} leaves or loses their keys{own}"));
            }
        }
    }
}

/// What changes from one root to the next, in words, for those who are to sign.
pub fn diff(old: &Root, new: &Root) -> Vec<String> {
    let (a, b) = (old.doc(), new.doc());
    let mut words = Vec::new();
    let mut say = |line: String| words.push(line);
    say(format!("version {} → {}", a.version, b.version));
    if a.threshold != b.threshold {
        say(format!("holders who must sign a root: {} → {}", a.threshold, b.threshold));
    }
    if a.expires_at != b.expires_at {
        say(format!("expires {} → {}", a.expires_at, b.expires_at));
    }
    for person in &a.principals {
        match new.principal(&person.name) {
            None => say(format!("{} is removed", person.name)),
            Some(other) => person_diff(person, other).into_iter().for_each(&mut say),
        }
    }
    for person in b.principals.iter().filter(|p| old.principal(&p.name).is_none()) {
        let may = if person.root { ", may sign roots" } else { "" };
        say(format!("{} is added{may}; roles: {}; groups: {}; keys: {}", person.name, join(&roles(person)), join(&person.groups), join(&keys(person))));
    }
    named("rule", &a.rules, &b.rules, |r| &r.name, |r| r, &mut say);
    named("break-glass rule", &a.break_glass, &b.break_glass, |r| &r.name, |r| r, &mut say);
    if a.passkeys != b.passkeys {
        let text = |p: &Option<crate::webauthn::Passkeys>| p.as_ref().map_or("none".to_owned(), |p| format!("{} at {}", p.rp_id, p.origins.join(", ")));
        say(format!("passkeys count for {} → {}", text(&a.passkeys), text(&b.passkeys)));
    }
    for revoked in b.revoked.iter().filter(|r| !a.revoked.contains(r)) {
        say(format!("{} is revoked since {}: {}", revoked.key, revoked.at, revoked.reason.escape_debug()));
    }
    for revoked in a.revoked.iter().filter(|r| !b.revoked.iter().any(|n| n.key == r.key)) {
        say(format!("{} is NO LONGER listed as revoked", revoked.key));
    }
    words
}

fn join(items: &[String]) -> String {
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

fn roles(person: &Principal) -> Vec<String> {
    person.roles.iter().map(|r| r.name().to_owned()).collect()
}

fn keys(person: &Principal) -> Vec<String> {
    person.keys.iter().filter_map(|spec| Key::read(spec).ok()).map(|key| key.id().to_string()).collect()
}

fn person_diff(a: &Principal, b: &Principal) -> Vec<String> {
    let mut words = Vec::new();
    if a.root != b.root {
        words.push(format!("{} may {} sign roots", a.name, if b.root { "from now on" } else { "no longer" }));
    }
    for (what, old, new) in [("role", roles(a), roles(b)), ("group", a.groups.clone(), b.groups.clone()), ("key", keys(a), keys(b))] {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.into_iter().collect(), new.into_iter().collect());
        words.extend(new.difference(&old).map(|x| format!("{} gains the {what} {x}", a.name)));
        words.extend(old.difference(&new).map(|x| format!("{} loses the {what} {x}", a.name)));
    }
    words
}

fn named<T: PartialEq + serde::Serialize>(what: &str, a: &[T], b: &[T], name: impl Fn(&T) -> &String, show: impl Fn(&T) -> &T, say: &mut impl FnMut(String)) {
    let text = |item: &T| synod_domain::canonical::canonical(show(item)).ok().and_then(|b| String::from_utf8(b).ok()).unwrap_or_default();
    for old in a {
        match b.iter().find(|new| name(new) == name(old)) {
            None => say(format!("{what} {} is removed; it was {}", name(old), text(old))),
            Some(new) if new != old => say(format!("{what} {} changes from {} to {}", name(old), text(old), text(new))),
            Some(_) => {}
        }
    }
    for new in b.iter().filter(|new| !a.iter().any(|old| name(old) == name(new))) {
        say(format!("{what} {} is added: {}", name(new), text(new)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Signer, hour, root, root_json};
    use serde_json::{Value, json};

    fn names(change: impl FnOnce(&mut Value), templates: Value) -> Vec<(&'static str, String)> {
        let mut json = root_json();
        change(&mut json);
        let templates: Vec<(String, ApprovalPolicy)> = serde_json::from_value(templates).unwrap();
        doctor(&root(&json), hour(1), &templates)
            .into_iter()
            .filter(|f| f.severity > Severity::Note)
            .map(|f| (f.name, f.to_string()))
            .collect()
    }

    #[test]
    fn a_good_root_has_no_warnings() {
        assert_eq!(names(|_| {}, json!([["shop/restart", {"rules": [{"count": 2, "from": {"role": "approver"}}]}]])), []);
    }

    #[test]
    fn tells_who_could_fill_a_rule() {
        let notes = doctor(&root(&root_json()), hour(1), &[]);
        assert!(notes.iter().any(|f| f.name == "who" && f.message.contains("ann, bob, carol, dan, eve")), "{notes:?}");
    }

    #[test]
    fn oddities() {
        type Change = Box<dyn FnOnce(&mut Value)>;
        let rule = |count: u32, from: Value| -> Change { Box::new(move |j| j["rules"][0]["approval"]["rules"] = json!([{"count": count, "from": from}])) };
        let cases: Vec<(&str, &str, Change, Value)> = vec![
            ("unmeetable", "rule shop", rule(6, json!({"group": "oncall"})), json!([])),
            ("one-person", "once eve leaves", rule(5, json!({"group": "oncall"})), json!([])),
            ("nobody", "role `owner`", rule(1, json!({"role": "owner"})), json!([])),
            ("nobody", "group `dba`", Box::new(|_| {}), json!([["shop/restart", {"rules": [{"count": 1, "from": {"group": "dba"}}]}]])),
            ("no-rule", "template bank/pay", Box::new(|_| {}), json!([["bank/pay", {"rules": []}]])),
            ("no-spare", "all 3 holders", Box::new(|j| j["threshold"] = json!(3)), json!([])),
            ("one-holder", "one person alone", Box::new(|j| j["threshold"] = json!(1)), json!([])),
            ("expires-soon", "days", Box::new(|j| j["expiresAt"] = json!(hour(48))), json!([])),
            (
                "expired",
                "it expired",
                Box::new(|j| {
                    j["createdAt"] = json!(hour(-2));
                    j["expiresAt"] = json!(hour(0));
                }),
                json!([]),
            ),
        ];
        for (name, words, change, templates) in cases {
            let found = names(change, templates);
            assert!(found.iter().any(|(n, text)| *n == name && text.contains(words)), "wanted {name} {words}, got {found:?}");
        }
    }

    #[test]
    fn a_proposal_is_looked_over_and_told() {
        let current = root(&root_json());
        let mut json = root_json();
        json["version"] = json!(2);
        json["previous"] = json!(current.digest());
        json["createdAt"] = json!(hour(1));
        json["threshold"] = json!(1);
        json["principals"][0]["root"] = json!(false);
        json["principals"][1]["groups"] = json!([]);
        json["principals"][3]["keys"] = json!([Signer::ed25519("dan").spec()]);
        json["principals"].as_array_mut().unwrap().pop();
        json["rules"][0]["nodes"] = json!(["*"]);
        json["revoked"] = json!([{"key": Signer::passkey_ed25519("dan").key().id(), "at": hour(1), "reason": "lost"}]);
        let next = root(&json);
        let found = doctor_next(&current, &next, hour(1), &[]);
        assert!(found.iter().any(|f| f.name == "threshold"));
        assert!(found.iter().any(|f| f.name == "one-person"), "three are left for a rule of three: {found:?}");
        let words = diff(&current, &next);
        for part in [
            "version 1 → 2",
            "2 → 1",
            "ann may no longer sign roots",
            "bob loses the group oncall",
            "dan gains the key SHA256:",
            "dan loses the key passkey:",
            "eve is removed",
            "rule shop changes",
            "is revoked since",
        ] {
            assert!(words.iter().any(|w| w.contains(part)), "{part} in {words:#?}");
        }
        assert!(doctor_next(&current, &current, hour(1), &[]).iter().any(|f| f.name == "version"));
        // Dan's lost key once more.
        let mut third = json.clone();
        third["version"] = json!(3);
        third["previous"] = json!(next.digest());
        third["revoked"] = json!([]);
        let found = doctor_next(&next, &root(&third), hour(1), &[]);
        assert!(found.iter().any(|f| f.name == "unrevoked" && f.severity == Severity::Error), "{found:?}");
    }
}
