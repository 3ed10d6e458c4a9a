//! What must hold for a trust root's document, told with the place of each defect.

use std::collections::{BTreeMap, BTreeSet};

use synod_domain::problem::Problem;
use synod_domain::template::{ApprovalRule, Approvers};

use super::{API_VERSION, BreakGlass, KIND, RootDoc, Rule};
use crate::key::{Key, KeyId};
use crate::{names, webauthn};

/// The most people, rules, revoked keys and the like.
const MAX_ITEMS: usize = 1000;
/// The most keys of one person, patterns of one rule, and groups of one person.
const MAX_EACH: usize = 100;
/// The longest reason, in bytes.
const MAX_REASON: usize = 1000;
/// The largest number of anything that is counted.
const MAX_COUNT: u32 = 1_000_000;

/// Checks a document and indexes its keys.
pub(super) fn check(doc: &RootDoc) -> (Vec<Problem>, BTreeMap<KeyId, (usize, Key)>) {
    let mut at = Check { problems: Vec::new() };
    at.head(doc);
    let keys = at.principals(doc);
    at.rules(doc);
    at.break_glass(doc);
    if let Some(passkeys) = &doc.passkeys {
        for (place, words) in webauthn::check(passkeys) {
            at.wrong(format!("/passkeys{place}"), words);
        }
    }
    (at.problems, keys)
}

struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn wrong(&mut self, at: impl Into<String>, words: impl Into<String>) {
        self.problems.push(Problem::at(at, words));
    }

    fn hint(&mut self, at: impl Into<String>, words: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::at(at, words).hint(hint));
    }

    fn check(&mut self, at: impl Into<String>, outcome: Result<(), String>) {
        if let Err(words) = outcome {
            self.wrong(at, words);
        }
    }

    fn some(&mut self, at: &str, what: &str, count: usize, most: usize) {
        if count == 0 || count > most {
            self.wrong(at, format!("{count} {what}; there are 1 to {most}"));
        }
    }

    fn head(&mut self, doc: &RootDoc) {
        if doc.api_version != API_VERSION {
            self.hint("/apiVersion", format!("`{}` is not a version of ours", doc.api_version.escape_debug()), format!("write `{API_VERSION}`"));
        }
        if doc.kind != KIND {
            self.hint("/kind", format!("`{}` is not a trust root", doc.kind.escape_debug()), format!("write `{KIND}`"));
        }
        if doc.version == 0 {
            self.wrong("/version", "versions count from 1");
        }
        match (&doc.previous, doc.version) {
            (Some(_), 1) => self.hint("/previous", "version 1 has none before it", "leave `previous` out"),
            (None, version) if version > 1 => {
                self.hint("/previous", format!("version {version} must name the digest of version {}", version - 1), "write `sha256:…`");
            }
            (Some(digest), _) => {
                let hash = digest.strip_prefix("sha256:").unwrap_or_default();
                if hash.len() != 64 || !hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
                    self.hint("/previous", "not a digest", "write `sha256:` and 64 lower-case hexadecimal digits");
                }
            }
            (None, _) => {}
        }
        if doc.expires_at <= doc.created_at {
            self.hint("/expiresAt", "it expires before it was created", "choose a time after `createdAt`, such as a year later");
        }
    }

    fn principals(&mut self, doc: &RootDoc) -> BTreeMap<KeyId, (usize, Key)> {
        self.some("/principals", "principals", doc.principals.len(), MAX_ITEMS);
        let mut keys: BTreeMap<KeyId, (usize, Key)> = BTreeMap::new();
        let mut materials: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        let mut persons: BTreeMap<&str, usize> = BTreeMap::new();
        let revoked = self.revoked(doc);
        let holders: BTreeSet<&str> = doc.principals.iter().filter(|p| p.root).map(|p| p.name.as_str()).collect();
        if doc.threshold == 0 {
            self.hint("/threshold", "a root nobody signs protects nothing", "ask for at least 1");
        } else if doc.threshold as usize > holders.len() {
            let words = format!("{} signatures are asked for, but {} people have `root: true`", doc.threshold, holders.len());
            self.hint("/threshold", words, "lower it, or let more people sign roots");
        }
        for (n, person) in doc.principals.iter().enumerate().take(MAX_ITEMS) {
            let at = format!("/principals/{n}");
            self.check(format!("{at}/name"), names::check_name(&person.name));
            if let Some(first) = persons.insert(&person.name, n) {
                self.hint(format!("{at}/name"), format!("`{}` stands at /principals/{first} too", person.name.escape_debug()), "name each person once");
            }
            if person.groups.len() > MAX_EACH {
                self.wrong(format!("{at}/groups"), format!("{} groups; at most {MAX_EACH}", person.groups.len()));
            }
            for (g, group) in person.groups.iter().enumerate() {
                self.check(format!("{at}/groups/{g}"), names::check_name(group));
                if person.groups[..g].contains(group) {
                    self.wrong(format!("{at}/groups/{g}"), "the group stands twice");
                }
            }
            for (r, role) in person.roles.iter().enumerate() {
                if person.roles[..r].contains(role) {
                    self.wrong(format!("{at}/roles/{r}"), "the role stands twice");
                }
            }
            self.some(&format!("{at}/keys"), "keys", person.keys.len(), MAX_EACH);
            for (k, spec) in person.keys.iter().enumerate().take(MAX_EACH) {
                let at = format!("{at}/keys/{k}");
                let key = match Key::read(spec) {
                    Ok(key) => key,
                    Err(words) => {
                        self.wrong(at, words);
                        continue;
                    }
                };
                if key.is_passkey() && doc.passkeys.is_none() {
                    self.hint(&at, "a passkey needs to know its site", "add `passkeys: {rpId, origins}`");
                }
                if revoked.contains(key.id()) {
                    self.hint(&at, format!("{} is revoked", key.id()), "give the person a new key");
                }
                let owner = format!("{} at {at}", person.name);
                if let Some(first) = materials.insert(key.public().material().to_vec(), owner) {
                    self.hint(&at, format!("the same key is {first}, whatever its label or form"), "a key belongs to one person, once");
                }
                keys.insert(key.id().clone(), (n, key));
            }
        }
        keys
    }

    fn revoked<'a>(&mut self, doc: &'a RootDoc) -> BTreeSet<&'a KeyId> {
        if doc.revoked.len() > MAX_ITEMS {
            self.wrong("/revoked", format!("{} revoked keys; at most {MAX_ITEMS}", doc.revoked.len()));
        }
        let mut seen = BTreeSet::new();
        for (n, entry) in doc.revoked.iter().enumerate() {
            self.check(format!("/revoked/{n}/key"), entry.key.check());
            if !seen.insert(&entry.key) {
                self.wrong(format!("/revoked/{n}/key"), format!("{} is revoked twice", entry.key));
            }
            if entry.reason.len() > MAX_REASON {
                self.wrong(format!("/revoked/{n}/reason"), format!("{} bytes; at most {MAX_REASON}", entry.reason.len()));
            }
        }
        seen
    }

    fn rules(&mut self, doc: &RootDoc) {
        if doc.rules.is_empty() {
            self.hint("/rules", "without a rule nothing could ever be approved", "add a rule with `templates`, `nodes` and `approval`");
        } else {
            self.some("/rules", "rules", doc.rules.len(), MAX_ITEMS);
        }
        for (n, rule) in doc.rules.iter().enumerate() {
            let at = format!("/rules/{n}");
            self.check(format!("{at}/name"), names::check_name(&rule.name));
            if doc.rules[..n].iter().any(|r| r.name == rule.name) {
                self.wrong(format!("{at}/name"), format!("there is another rule `{}`", rule.name.escape_debug()));
            }
            self.globs(&at, &rule.templates, &rule.nodes);
            self.approval(&format!("{at}/approval"), doc, rule);
        }
    }

    fn globs(&mut self, at: &str, templates: &[String], nodes: &[String]) {
        self.some(&format!("{at}/templates"), "patterns of templates", templates.len(), MAX_EACH);
        self.some(&format!("{at}/nodes"), "patterns of nodes", nodes.len(), MAX_EACH);
        for (g, glob) in templates.iter().enumerate() {
            self.check(format!("{at}/templates/{g}"), names::check_template_glob(glob));
        }
        for (g, glob) in nodes.iter().enumerate() {
            self.check(format!("{at}/nodes/{g}"), names::check_glob(glob));
        }
    }

    fn approval(&mut self, at: &str, doc: &RootDoc, rule: &Rule) {
        if rule.approval.rules.is_empty() {
            self.hint(format!("{at}/rules"), "a rule of the root asks for at least one approval", "add `{count: 1, from: {role: approver}}`");
        }
        if rule.approval.rules.len() > MAX_EACH {
            self.wrong(format!("{at}/rules"), format!("{} rules; at most {MAX_EACH}", rule.approval.rules.len()));
        }
        for (r, part) in rule.approval.rules.iter().enumerate() {
            self.approval_rule(&format!("{at}/rules/{r}"), doc, part);
        }
        if rule.approval.rejections == 0 {
            self.wrong(format!("{at}/rejections"), "at least one rejection ends a run");
        }
    }

    fn approval_rule(&mut self, at: &str, doc: &RootDoc, part: &ApprovalRule) {
        if part.count == 0 || part.count as usize > MAX_ITEMS {
            self.wrong(format!("{at}/count"), format!("{} approvals; a rule of the root asks for 1 to {MAX_ITEMS}", part.count));
        }
        match &part.from {
            Approvers::User(user) => {
                if part.count > 1 {
                    self.hint(format!("{at}/count"), "one user is one person", "write `count: 1`");
                }
                self.check(format!("{at}/from/user"), names::check_name(user));
                if !doc.principals.iter().any(|p| p.name == *user) {
                    self.wrong(format!("{at}/from/user"), format!("no principal is named `{}`", user.escape_debug()));
                }
            }
            Approvers::Group(group) => self.check(format!("{at}/from/group"), names::check_name(group)),
            Approvers::Role(_) => {}
        }
    }

    fn break_glass(&mut self, doc: &RootDoc) {
        if doc.break_glass.len() > MAX_EACH {
            self.wrong("/breakGlass", format!("{} rules; at most {MAX_EACH}", doc.break_glass.len()));
        }
        for (n, rule) in doc.break_glass.iter().enumerate() {
            let at = format!("/breakGlass/{n}");
            self.check(format!("{at}/name"), names::check_name(&rule.name));
            if doc.break_glass[..n].iter().any(|r| r.name == rule.name) {
                self.wrong(format!("{at}/name"), format!("there is another rule `{}`", rule.name.escape_debug()));
            }
            self.globs(&at, &rule.templates, &rule.nodes);
            self.some(&format!("{at}/who"), "persons", rule.who.len(), MAX_EACH);
            self.who(&at, doc, rule);
            for (name, value) in [("perDay", rule.per_day), ("maxNodes", rule.max_nodes)] {
                if value == 0 || value > MAX_COUNT {
                    self.wrong(format!("{at}/{name}"), format!("{value}; write 1 to {MAX_COUNT}"));
                }
            }
        }
    }

    fn who(&mut self, at: &str, doc: &RootDoc, rule: &BreakGlass) {
        for (w, who) in rule.who.iter().enumerate() {
            if !doc.principals.iter().any(|p| p.name == *who) {
                self.wrong(format!("{at}/who/{w}"), format!("no principal is named `{}`", who.escape_debug()));
            }
            if rule.who[..w].contains(who) {
                self.wrong(format!("{at}/who/{w}"), format!("`{}` stands twice", who.escape_debug()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Signer, doc, root_json};
    use serde_json::{Value, json};

    fn places(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut json = root_json();
        change(&mut json);
        check(&doc(&json)).0.into_iter().map(|p| p.to_string()).collect()
    }

    #[test]
    fn the_sample_is_sound() {
        assert_eq!(places(|_| {}), [""; 0]);
    }

    #[test]
    fn every_defect_is_told_with_its_place() {
        let ann = || json!(Signer::ed25519("ann").spec());
        type Change = Box<dyn FnOnce(&mut Value)>;
        let cases: Vec<(&str, &str, Change)> = vec![
            ("/apiVersion", "synod/v1", Box::new(|j| j["apiVersion"] = json!("synod/v2"))),
            ("/kind", "TrustRoot", Box::new(|j| j["kind"] = json!("Root"))),
            ("/version", "from 1", Box::new(|j| j["version"] = json!(0))),
            ("/previous", "leave `previous` out", Box::new(|j| j["previous"] = json!("sha256:00"))),
            ("/previous", "must name the digest of version 1", Box::new(|j| j["version"] = json!(2))),
            (
                "/previous",
                "64 lower-case",
                Box::new(|j| {
                    j["version"] = json!(2);
                    j["previous"] = json!("sha256:XY");
                }),
            ),
            ("/expiresAt", "before it was created", Box::new(|j| j["expiresAt"] = j["createdAt"].clone())),
            ("/threshold", "protects nothing", Box::new(|j| j["threshold"] = json!(0))),
            ("/threshold", "3 people", Box::new(|j| j["threshold"] = json!(4))),
            ("/principals", "0 principals", Box::new(|j| j["principals"] = json!([]))),
            ("/principals/1/name", "U+0430", Box::new(|j| j["principals"][1]["name"] = json!("b\u{430}b"))),
            ("/principals/1/name", "/principals/0 too", Box::new(|j| j["principals"][1]["name"] = json!("ann"))),
            ("/principals/0/groups/0", "U+200B", Box::new(|j| j["principals"][0]["groups"] = json!(["on\u{200b}call"]))),
            ("/principals/0/groups/1", "twice", Box::new(|j| j["principals"][0]["groups"] = json!(["a", "a"]))),
            ("/principals/0/roles/1", "twice", Box::new(|j| j["principals"][0]["roles"] = json!(["viewer", "viewer"]))),
            ("/principals/0/keys", "0 keys", Box::new(|j| j["principals"][0]["keys"] = json!([]))),
            ("/principals/0/keys/0", "paste one line", Box::new(|j| j["principals"][0]["keys"] = json!(["ssh-dss AAAA"]))),
            ("/principals/1/keys/0", "ann at /principals/0/keys/0", Box::new(move |j| j["principals"][1]["keys"] = json!([ann()]))),
            ("/principals/0/keys/1", "one person, once", Box::new(move |j| j["principals"][0]["keys"] = json!([ann(), ann()]))),
            (
                "/principals/3/keys/1",
                "carol at /principals/2/keys/0",
                Box::new(|j| {
                    let line = testing::p256_line(Signer::passkey_p256("carol").key().public().material());
                    j["principals"][3]["keys"].as_array_mut().unwrap().push(json!(line));
                }),
            ),
            ("/principals/2/keys/0", "passkeys: {rpId", Box::new(|j| drop(j.as_object_mut().unwrap().remove("passkeys")))),
            (
                "/principals/0/keys/0",
                "is revoked",
                Box::new(|j| j["revoked"] = json!([{"key": Signer::ed25519("ann").key().id(), "at": testing::hour(0), "reason": "lost"}])),
            ),
            ("/revoked/0/key", "not a key id", Box::new(|j| j["revoked"] = json!([{"key": "SHA256:abc", "at": testing::hour(0), "reason": ""}]))),
            ("/rules", "without a rule", Box::new(|j| j["rules"] = json!([]))),
            ("/rules/0/name", "not a name", Box::new(|j| j["rules"][0]["name"] = json!("Shop"))),
            (
                "/rules/1/name",
                "another rule",
                Box::new(|j| {
                    let rule = j["rules"][0].clone();
                    j["rules"].as_array_mut().unwrap().push(rule);
                }),
            ),
            ("/rules/0/templates", "0 patterns", Box::new(|j| j["rules"][0]["templates"] = json!([]))),
            ("/rules/0/templates/0", "NAMESPACE/TEMPLATE", Box::new(|j| j["rules"][0]["templates"] = json!(["*"]))),
            ("/rules/0/nodes/0", "`web-*`", Box::new(|j| j["rules"][0]["nodes"] = json!(["web-[0-9]"]))),
            ("/rules/0/approval/rules", "at least one approval", Box::new(|j| j["rules"][0]["approval"]["rules"] = json!([]))),
            ("/rules/0/approval/rules/0/count", "1 to", Box::new(|j| j["rules"][0]["approval"]["rules"][0]["count"] = json!(0))),
            (
                "/rules/0/approval/rules/0/from/user",
                "no principal",
                Box::new(|j| j["rules"][0]["approval"]["rules"][0] = json!({"count": 1, "from": {"user": "zoe"}})),
            ),
            (
                "/rules/0/approval/rules/0/count",
                "one user",
                Box::new(|j| j["rules"][0]["approval"]["rules"][0] = json!({"count": 2, "from": {"user": "ann"}})),
            ),
            ("/rules/0/approval/rejections", "at least one", Box::new(|j| j["rules"][0]["approval"]["rejections"] = json!(0))),
            ("/breakGlass/0/who/0", "no principal", Box::new(|j| j["breakGlass"][0]["who"] = json!(["zoe"]))),
            ("/breakGlass/0/perDay", "write 1", Box::new(|j| j["breakGlass"][0]["perDay"] = json!(0))),
            ("/breakGlass/0/maxNodes", "write 1", Box::new(|j| j["breakGlass"][0]["maxNodes"] = json!(0))),
            ("/passkeys/origins/0", "not an origin", Box::new(|j| j["passkeys"]["origins"] = json!(["http://synod.example.com"]))),
        ];
        for (place, words, change) in cases {
            let found = places(change);
            assert!(found.iter().any(|p| p.starts_with(&format!("{place}: ")) && p.contains(words)), "wanted {place} {words}, got {found:?}");
        }
    }

    #[test]
    fn all_defects_are_told_at_once() {
        let found = places(|j| {
            j["threshold"] = json!(9);
            j["rules"][0]["name"] = json!("");
            j["principals"][4]["keys"] = json!([]);
        });
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
