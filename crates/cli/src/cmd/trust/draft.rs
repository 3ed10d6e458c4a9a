//! Drafts of trust roots: from options, from a file people wrote, or from the root in force. Pure but for reading key files.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use synod_domain::access::Role;
use synod_domain::problem::Problem;
use synod_domain::template::{ApprovalRule, Approvers};
use synod_domain::{Span, Timestamp};
use synod_trust::key::{Key, KeyId, KeySpec};
use synod_trust::root::{API_VERSION, BreakGlass, KIND, PAYLOAD_TYPE, Principal, Revoked, RootError, Rule, RuleApproval};
use synod_trust::{Envelope, Root, RootDoc};

use crate::documents::read_file;
use crate::exit::{Exit, Fault, Result};
use crate::positions::{Parsed, excerpt, parse_json, parse_yaml};

/// `NAME=PUBKEYFILE[,PUBKEYFILE…]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The person.
    pub name: String,
    /// Files with their public keys, or other names, as the option says.
    pub items: Vec<String>,
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not NAME=A[,B…]");
        let (name, items) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        let items: Vec<String> = items.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect();
        if items.is_empty() { Err(wrong()) } else { Ok(Self { name: name.to_owned(), items }) }
    }
}

/// `NAME:TEMPLATES:NODES:COUNT:ROLE` as a rule of the root; instead of a role `group=NAME` or `user=NAME`.
pub fn rule(text: &str) -> Result<Rule, String> {
    let form = "write NAME:TEMPLATES:NODES:COUNT:WHO, such as `shop:shop/*:web-*:2:approver`; WHO is a role, group=NAME or user=NAME";
    let parts: Vec<&str> = text.split(':').collect();
    let [name, templates, nodes, count, who] = parts[..] else { return Err(format!("`{text}` is not a rule; {form}")) };
    let count = count.parse().map_err(|_| format!("`{count}` is not a number of people; {form}"))?;
    let from = match who.split_once('=') {
        Some(("group", group)) => Approvers::Group(group.to_owned()),
        Some(("user", user)) => Approvers::User(user.to_owned()),
        Some(_) => return Err(format!("`{who}` is nobody; {form}")),
        None => Approvers::Role(who.parse::<Role>()?),
    };
    let approval = RuleApproval { rules: vec![ApprovalRule { count, from }], requester_may_approve: false, author_may_approve: true, rejections: 1 };
    Ok(Rule { name: name.to_owned(), templates: list(templates), nodes: list(nodes), approval })
}

/// `NAME:WHO:TEMPLATES:NODES:PERDAY:MAXNODES` as a break-glass rule; with `:author` at the end authors may start what they wrote.
pub fn break_glass(text: &str) -> Result<BreakGlass, String> {
    let form = "write NAME:WHO,WHO:TEMPLATES:NODES:PERDAY:MAXNODES, such as `night:alice,bob:shop/*:web-*:2:5`; with `:author` at the end they may start what they wrote themselves";
    let (rest, author_may_start) = text.strip_suffix(":author").map_or((text, false), |rest| (rest, true));
    let parts: Vec<&str> = rest.split(':').collect();
    let [name, who, templates, nodes, per_day, max_nodes] = parts[..] else { return Err(format!("`{text}` is not a break-glass rule; {form}")) };
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number; {form}"));
    let (per_day, max_nodes) = (number(per_day)?, number(max_nodes)?);
    Ok(BreakGlass { name: name.to_owned(), who: list(who), templates: list(templates), nodes: list(nodes), per_day, max_nodes, author_may_start })
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The keys in `.pub` files, one a line.
pub fn keys(files: &[String]) -> Result<Vec<KeySpec>> {
    let mut all = Vec::new();
    for name in files {
        let file = at_home(name);
        let text = read_file(&file)?;
        let before = all.len();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.contains("PRIVATE KEY") {
                return Err(Fault::usage(format!("{} is a private key; the trust root takes public ones", file.display()))
                    .help(format!("name the file beside it: {}.pub", file.display())));
            }
            Key::from_openssh(line).map_err(|why| Fault::usage(format!("{}: {why}", file.display())))?;
            all.push(KeySpec::Ssh(line.to_owned()));
        }
        if all.len() == before {
            return Err(Fault::usage(format!("{} has no public key", file.display())));
        }
    }
    Ok(all)
}

/// Not every shell puts the home folder in for `~` after `NAME=`.
fn at_home(name: &str) -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match (name.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(name),
    }
}

/// A first root, as options tell it.
#[derive(Debug, Default)]
pub struct First {
    /// So many holders sign roots.
    pub threshold: u32,
    /// The people and their keys.
    pub people: Vec<(String, Vec<KeySpec>)>,
    /// Who holds the root; everybody when empty.
    pub holders: Vec<String>,
    /// Groups and their members.
    pub groups: Vec<Named>,
    /// The rules; one about everything when empty.
    pub rules: Vec<Rule>,
    /// So many approvers, when there is no rule.
    pub approvals: u32,
    /// Who may go ahead alone.
    pub break_glass: Vec<BreakGlass>,
}

impl First {
    /// The document.
    pub fn document(self, now: Timestamp, expires: Span) -> Result<RootDoc> {
        let strangers = |names: &[String]| names.iter().find(|name| !self.people.iter().any(|(known, _)| known == *name)).cloned();
        for (option, names) in [("--root-holder", &self.holders)].into_iter().chain(self.groups.iter().map(|group| ("--group", &group.items))) {
            if let Some(name) = strangers(names) {
                return Err(Fault::usage(format!("{option} names {name}, who is no --principal")));
            }
        }
        let principals = self.people.into_iter().map(|(name, keys)| {
            let groups = self.groups.iter().filter(|group| group.items.contains(&name)).map(|group| group.name.clone()).collect();
            Principal { root: self.holders.is_empty() || self.holders.contains(&name), name, roles: vec![Role::Approver], groups, keys }
        });
        let mut rules = self.rules;
        if rules.is_empty() {
            rules.push(rule(&format!("everything:*/*:*:{}:approver", self.approvals)).map_err(Fault::usage)?);
        }
        Ok(RootDoc {
            api_version: API_VERSION.into(),
            kind: KIND.into(),
            version: 1,
            created_at: now,
            expires_at: now.after(expires),
            previous: None,
            threshold: self.threshold,
            principals: principals.collect(),
            rules,
            break_glass: self.break_glass,
            passkeys: None,
            revoked: Vec::new(),
        })
    }
}

/// A root as people wrote it, in YAML or JSON. What only a program knows may be left out: version, times, digests.
#[derive(Debug)]
pub struct Written {
    name: String,
    text: String,
    parsed: Parsed,
}

impl Written {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self> {
        let (name, text) = if path.as_os_str() == "-" {
            ("(standard input)".to_owned(), crate::documents::read_stdin()?)
        } else {
            (path.display().to_string(), read_file(path)?)
        };
        let parsed = if path.extension().is_some_and(|e| e == "json") {
            parse_json(&name, &text)?
        } else {
            parse_yaml(&name, &text)?.into_iter().next().ok_or_else(|| Fault::usage(format!("{name} has no document")))?
        };
        Ok(Self { name, text, parsed })
    }

    /// The document; follows `current` when there is one.
    pub fn document(&self, current: Option<&Root>, now: Timestamp, expires: Option<Span>) -> Result<RootDoc> {
        let mut value = self.parsed.value.clone();
        let fields = value.as_object_mut().ok_or_else(|| Fault::usage(format!("{}: a trust root is written as fields with values", self.name)))?;
        fields.insert("version".into(), json!(current.map_or(1, |root| root.version() + 1)));
        fields.insert("createdAt".into(), json!(now));
        match current {
            Some(root) => fields.insert("previous".into(), json!(root.digest())),
            None => fields.remove("previous"),
        };
        for (name, text) in [("apiVersion", API_VERSION), ("kind", KIND)] {
            fields.entry(name).or_insert_with(|| json!(text));
        }
        let told = fields.get("expiresAt").and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok()).filter(|at| *at > now);
        if expires.is_some() || told.is_none() {
            fields.insert("expiresAt".into(), json!(now.after(expires.unwrap_or(super::A_YEAR))));
        }
        serde_json::from_value(value)
            .map_err(|e| Fault::usage(format!("{}: not a trust root: {e}", self.name)).help("`synod trust show -o yaml` shows what one looks like"))
    }

    /// The root of a document from this file; defects are told at their places in it.
    pub fn sound(&self, document: RootDoc) -> Result<Root> {
        Root::draft(document).map_err(|error| match error {
            RootError::Invalid(problems) => Fault::usage(problems.iter().map(|one| self.place(one)).collect::<Vec<_>>().join("\n")),
            other => Fault::usage(format!("{}: {other}", self.name)),
        })
    }

    fn place(&self, problem: &Problem) -> String {
        let place = self.parsed.positions.locate(&self.text, problem);
        let hint = problem.hint.as_ref().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
        format!("{}:{}:{}: {}{}{hint}", self.name, place.line, place.column, problem.message, excerpt(&self.text, place))
    }
}

/// What is to change from one root to the next.
#[derive(Debug, Default)]
pub struct Edits {
    /// People to add, with their keys.
    pub add: Vec<(String, Vec<KeySpec>)>,
    /// People to remove.
    pub remove: Vec<String>,
    /// Keys to add to people who are there.
    pub add_keys: Vec<(String, Vec<KeySpec>)>,
    /// Groups and the people to put into them.
    pub groups: Vec<Named>,
    /// So many holders sign roots.
    pub threshold: Option<u32>,
    /// People who are to hold the root.
    pub holders: Vec<String>,
    /// People who are to hold it no more.
    pub no_holders: Vec<String>,
}

/// The next root after `current`, with nothing but its version and dates changed.
pub fn next(current: &Root, now: Timestamp, expires: Option<Span>) -> RootDoc {
    let old = current.doc();
    // As long as the one before was meant to last, unless told otherwise.
    let lasts = u64::try_from(old.expires_at.since(old.created_at)).map_or(super::A_YEAR, Span::millis);
    RootDoc {
        version: old.version + 1,
        previous: Some(current.digest().to_owned()),
        // Never before the root it follows, should the clock here be behind.
        created_at: now.max(old.created_at),
        expires_at: now.max(old.created_at).after(expires.unwrap_or(lasts)),
        ..old.clone()
    }
}

impl Edits {
    /// Makes the changes. Names that do not fit are errors.
    pub fn apply(self, doc: &mut RootDoc) -> Result<()> {
        for name in &self.remove {
            remove(doc, name)?;
        }
        for (name, keys) in self.add {
            if doc.principals.iter().any(|p| p.name == name) {
                return Err(Fault::usage(format!("{name} is a principal already")).help(format!("add a key: --add-key {name}=FILE")));
            }
            doc.principals.push(Principal { name, root: false, roles: vec![Role::Approver], groups: Vec::new(), keys });
        }
        for (name, keys) in self.add_keys {
            person(doc, &name)?.keys.extend(keys);
        }
        for group in self.groups {
            for name in &group.items {
                let person = person(doc, name)?;
                if !person.groups.contains(&group.name) {
                    person.groups.push(group.name.clone());
                }
            }
        }
        for (names, root) in [(self.holders, true), (self.no_holders, false)] {
            for name in names {
                person(doc, &name)?.root = root;
            }
        }
        doc.threshold = self.threshold.unwrap_or(doc.threshold);
        Ok(())
    }
}

fn person<'a>(doc: &'a mut RootDoc, name: &str) -> Result<&'a mut Principal> {
    let names: Vec<String> = doc.principals.iter().map(|p| p.name.clone()).collect();
    doc.principals
        .iter_mut()
        .find(|p| p.name == name)
        .ok_or_else(|| Fault::usage(format!("the trust root has no principal `{name}`")).help(format!("it has {}", names.join(", "))))
}

fn remove(doc: &mut RootDoc, name: &str) -> Result<()> {
    person(doc, name)?;
    doc.principals.retain(|p| p.name != name);
    for rule in &mut doc.break_glass {
        rule.who.retain(|who| who != name);
    }
    doc.break_glass.retain(|rule| !rule.who.is_empty());
    Ok(())
}

/// Revokes one key, or all keys of a person; whoever has none left is removed. Returns the keys.
pub fn revoke(doc: &mut RootDoc, what: &str, reason: &str, now: Timestamp) -> Result<Vec<KeyId>> {
    let id = |spec: &KeySpec| Key::read(spec).ok().map(|key| key.id().clone());
    let revoked: Vec<KeyId> =
        if KeyId(what.to_owned()).check().is_ok() { vec![KeyId(what.to_owned())] } else { person(doc, what)?.keys.iter().filter_map(id).collect() };
    if let Some(known) = doc.revoked.iter().find(|one| revoked.contains(&one.key)) {
        return Err(Fault::new(Exit::Conflict, format!("{} was revoked at {}", known.key, known.at)));
    }
    for person in &mut doc.principals {
        person.keys.retain(|spec| id(spec).is_none_or(|id| !revoked.contains(&id)));
    }
    let gone: Vec<String> = doc.principals.iter().filter(|p| p.keys.is_empty()).map(|p| p.name.clone()).collect();
    for name in gone {
        remove(doc, &name)?;
    }
    doc.revoked.extend(revoked.iter().map(|key| Revoked { key: key.clone(), at: now, reason: reason.to_owned() }));
    Ok(revoked)
}

/// Checks a document that was made here; defects are told as they are.
pub fn sound(document: RootDoc) -> Result<Root> {
    Root::draft(document).map_err(|error| match error {
        RootError::Invalid(problems) => {
            let lines: Vec<String> = problems.iter().map(|one| format!("  {one}")).collect();
            Fault::usage(format!("this would not be a sound trust root:\n{}", lines.join("\n")))
        }
        other => Fault::usage(other.to_string()),
    })
}

/// The envelope of a root nobody has signed yet.
pub fn unsigned(root: &Root) -> Envelope {
    Envelope::new(PAYLOAD_TYPE, root.payload())
}

/// Reads a draft or a signed root from its file. Spacing does not matter there: nothing of the envelope is signed but its
/// payload.
pub fn read_envelope(path: &Path) -> Result<(Envelope, Root)> {
    let text = read_file(path)?;
    let wrong = |why: String| {
        Fault::usage(format!("{}: {why}", path.display()))
            .help("it takes a file made by `synod trust init` or `propose`; one that people wrote goes there first: `-f FILE`")
    };
    let value = synod_trust::strict::without_duplicates(text.as_bytes()).map_err(|e| wrong(format!("not a draft of a trust root: {e}")))?;
    let envelope: Envelope = serde_json::from_value(value).map_err(|e| wrong(format!("not a draft of a trust root: {e}")))?;
    let opened = envelope.open(PAYLOAD_TYPE).map_err(|e| wrong(e.to_string()))?;
    let root = Root::read(&opened.payload).map_err(|e| wrong(e.to_string()))?;
    Ok((envelope, root))
}

/// Puts the signatures of copies together that were signed one by one.
pub fn merge(copies: Vec<(PathBuf, Envelope)>) -> Result<Envelope> {
    let mut copies = copies.into_iter();
    let Some((first, mut all)) = copies.next() else { return Err(Fault::usage("name the file to publish")) };
    for (path, copy) in copies {
        if copy.payload != all.payload {
            return Err(Fault::usage(format!("{} is another root than {}; only copies of one root go together", path.display(), first.display())));
        }
        for signature in copy.signatures {
            if !all.signatures.iter().any(|known| known.keyid == signature.keyid) {
                all.signatures.push(signature);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
