//! What signatures a run takes under the published trust root, and which of its decisions count.
//!
//! The server judges nothing that nodes would not judge again; it judges so that it asks people for what nodes will want
//! to see, and hands nodes nothing they would refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use synod_db::approval::Approval;
use synod_db::{Query, run};
use synod_domain::approval::{Decision, rules_for};
use synod_domain::error::code;
use synod_domain::manifest::Manifest;
use synod_domain::verify::DeliveredApproval;
use synod_domain::{Error, Result, Timestamp};
use synod_protocol::http::trust::{RootRuleStatus, Signing};
use synod_trust::approval::{PAYLOAD_TYPE, check_taken_in};
use synod_trust::root::Rule;
use synod_trust::{Envelope, Refused, Root, Standing, judge_break_glass, stand, verify_one};

use crate::access::Access;
use crate::manifests::Document;

/// So many nodes without a rule are named.
const SHOWN: usize = 20;

/// A published root, read.
#[derive(Debug)]
pub struct Published {
    /// As it is stored.
    pub row: synod_db::trust::Root,
    /// As it was signed.
    pub envelope: Envelope,
    /// Read.
    pub root: Root,
}

impl Published {
    /// Reads a stored root. It was checked when it was published.
    pub fn read(row: synod_db::trust::Root) -> Result<Self> {
        let envelope = Envelope::read(row.envelope.as_bytes()).map_err(Error::internal)?;
        let opened = envelope.open(synod_trust::root::PAYLOAD_TYPE).map_err(Error::internal)?;
        let root = Root::read(&opened.payload).map_err(Error::internal)?;
        Ok(Self { row, envelope, root })
    }
}

/// What the root says about one run. It never changes while the root is the same.
#[derive(Debug)]
pub struct Cover {
    /// The root.
    pub published: Arc<Published>,
    /// A node for each distinct set of rules: what holds for it holds for all it stands for.
    nodes: Vec<String>,
    /// Every node, where it is to start by break-glass.
    every: Vec<String>,
    /// Nodes no rule is about, the first of them.
    uncovered: Vec<String>,
}

/// What the published root asks of a run; nothing when none is published or no rule is about any of its nodes.
pub async fn cover(document: &Document, access: &Access, db: &mut impl Query) -> Result<Option<Arc<Cover>>> {
    let Some(published) = &access.trust else { return Ok(None) };
    if let Some(known) = document.cover(published.root.version()) {
        return Ok(known);
    }
    let nodes = run::nodes(db, &document.manifest.run).await?;
    let cover = Cover::of(published, &document.manifest, nodes.iter().map(|node| node.name.as_str())).map(Arc::new);
    document.set_cover(published.root.version(), cover.clone());
    Ok(cover)
}

impl Cover {
    /// Looks up the rules about a run's nodes.
    pub fn of<'a>(published: &Arc<Published>, manifest: &Manifest, nodes: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut by_rules: BTreeMap<Vec<&str>, String> = BTreeMap::new();
        let (mut uncovered, mut every) = (Vec::new(), Vec::new());
        for node in nodes {
            if manifest.break_glass.is_some() {
                every.push(node.to_owned());
            }
            let rules: Vec<&str> = published.root.covering(&manifest.namespace, &manifest.template.name, node).map(|rule| rule.name.as_str()).collect();
            if !rules.is_empty() {
                by_rules.entry(rules).or_insert_with(|| node.to_owned());
            } else if uncovered.len() < SHOWN {
                uncovered.push(node.to_owned());
            }
        }
        let nodes: Vec<String> = by_rules.into_values().collect();
        // A start by break-glass has rules of its own.
        (!nodes.is_empty() || manifest.break_glass.is_some()).then(|| Self { published: published.clone(), nodes, every, uncovered })
    }

    /// Whether one of the root's rules about the run could be filled by this person.
    pub fn asks(&self, manifest: &Manifest, person: &str) -> bool {
        let root = &self.published.root;
        let Some(principal) = root.principal(person) else { return false };
        let standing = root.standing(principal);
        let covering = self.nodes.iter().flat_map(|node| root.covering(&manifest.namespace, &manifest.template.name, node));
        let fills = |rule: &Rule| rules_for(&rule.approval.policy(), &manifest.requester, &manifest.template.author, &standing).is_ok();
        covering.into_iter().any(fills)
    }

    /// Whether rules of the root are about every node of the run.
    pub fn covers_all(&self) -> bool {
        !self.nodes.is_empty() && self.uncovered.is_empty()
    }

    /// How signed decisions stand.
    pub fn stand(&self, manifest: &Manifest, digest: &str, envelopes: &[Envelope], now: Timestamp) -> Result<Standing, Refused> {
        stand(&self.published.root, manifest, digest, envelopes, &self.nodes, now)
    }

    /// How approvals after the fact stand.
    pub fn stand_ratification(&self, manifest: &Manifest, digest: &str, envelopes: &[Envelope], now: Timestamp) -> Result<Standing, Refused> {
        synod_trust::stand_ratification(&self.published.root, manifest, digest, envelopes, &self.nodes, now)
    }

    /// The people whose decisions count, and whether all rules are met. `used` is how often the break-glass rule was used today.
    pub fn judge(&self, manifest: &Manifest, digest: &str, decisions: &[Approval], used: u32, now: Timestamp) -> Judged {
        let signed = signed(decisions.iter().map(|given| (&given.person, given.signature.as_ref())));
        let envelopes: Vec<Envelope> = signed.iter().map(|(_, envelope)| envelope.clone()).collect();
        if let Some(rule) = &manifest.break_glass {
            let granted = match (envelopes.as_slice(), signed.as_slice()) {
                ([envelope], [(person, _)]) => {
                    let open = |node: &String| judge_break_glass(&self.published.root, manifest, digest, rule, envelope, node, used, now).is_ok();
                    (!self.every.is_empty() && self.every.iter().all(open)).then(|| person.clone())
                }
                _ => None,
            };
            return Judged { met: granted.is_some(), counted: granted.into_iter().collect(), rejected: Vec::new() };
        }
        match self.stand(manifest, digest, &envelopes, now) {
            Ok(standing) => {
                Judged { met: standing.met(), counted: standing.counted.iter().map(|(n, _)| signed[*n].0.clone()).collect(), rejected: standing.rejected }
            }
            // The root's or the manifest's time is over, or the manifest was altered: nothing counts.
            Err(_) => Judged::default(),
        }
    }

    /// Whose decisions count, of those that are to be handed to nodes.
    pub fn counted(&self, manifest: &Manifest, digest: &str, delivered: &[DeliveredApproval], now: Timestamp) -> BTreeSet<String> {
        let signed = signed(delivered.iter().map(|given| (&given.person, given.signature.as_ref())));
        if manifest.break_glass.is_some() {
            return signed.into_iter().map(|(person, _)| person).collect();
        }
        let envelopes: Vec<Envelope> = signed.iter().map(|(_, envelope)| envelope.clone()).collect();
        let standing = self.stand(manifest, digest, &envelopes, now).unwrap_or_default();
        standing.counted.iter().map(|(n, _)| signed[*n].0.clone()).collect()
    }

    /// What people see of it.
    pub fn view(&self, manifest: &Manifest, digest: &str, decisions: &[Approval], now: Timestamp) -> Signing {
        let signed = signed(decisions.iter().map(|given| (&given.person, given.signature.as_ref())));
        let envelopes: Vec<Envelope> = signed.into_iter().map(|(_, envelope)| envelope).collect();
        let rules = match self.stand(manifest, digest, &envelopes, now) {
            Ok(standing) if manifest.break_glass.is_none() => standing.rules,
            _ => Vec::new(),
        };
        Signing {
            root_version: self.published.root.version(),
            root_digest: self.published.root.digest().to_owned(),
            rules: rules
                .into_iter()
                .map(|rule| RootRuleStatus { name: rule.name, rule: rule.rule, filled_by: rule.filled_by, missing: rule.missing })
                .collect(),
            uncovered: self.uncovered.clone(),
        }
    }

    /// Checks one signed decision as it comes in; the answer says what does not count.
    pub fn check(&self, manifest: &Manifest, given: &Given<'_>, now: Timestamp) -> Result<()> {
        let root = &self.published.root;
        if root.live(now).is_err() {
            return Err(Error::new(code::TRUST_EXPIRED, format!("version {} of the trust root expired at {}", root.version(), root.doc().expires_at)));
        }
        let refuse = |why: String| Error::new(code::SIGNATURE_INVALID, why);
        let verified = verify_one(root, given.envelope).map_err(|why| refuse(why.to_string()))?;
        if verified.person != given.person {
            return Err(refuse(format!("it is {}'s signature, and you are {}", verified.person, given.person)));
        }
        if verified.decision != given.decision || verified.statement.comment != given.comment {
            return Err(refuse("what was signed is not what was sent: decision and comment must be the same".into()));
        }
        check_taken_in(&verified, now).map_err(|why| refuse(why.to_string()))?;
        if let Some(rule) = manifest.break_glass.as_ref().filter(|_| !given.ratifies) {
            // How often the rule was used today is judged with the run.
            for node in &self.every {
                judge_break_glass(root, manifest, given.digest, rule, given.envelope, node, 0, now).map_err(|why| refuse(why.to_string()))?;
            }
            return Ok(());
        }
        let one = std::slice::from_ref(given.envelope);
        let looked = match given.ratifies {
            true => self.stand_ratification(manifest, given.digest, one, now),
            false => self.stand(manifest, given.digest, one, now),
        };
        let standing = looked.map_err(|why| refuse(why.to_string()))?;
        match standing.dropped.first() {
            Some((_, why)) => Err(refuse(why.to_string())),
            None => Ok(()),
        }
    }
}

/// A signed decision as it comes in.
pub struct Given<'a> {
    /// Who sends it.
    pub person: &'a str,
    /// The digest it is to be about.
    pub digest: &'a str,
    /// What was decided.
    pub decision: Decision,
    /// The words sent along.
    pub comment: &'a str,
    /// Whether it is an approval after the fact.
    pub ratifies: bool,
    /// The envelope.
    pub envelope: &'a Envelope,
}

/// What came of judging signed decisions.
#[derive(Debug, Default)]
pub struct Judged {
    /// Whether every rule is met.
    pub met: bool,
    /// Whose decisions count.
    pub counted: BTreeSet<String>,
    /// Who rejected, when that ends it.
    pub rejected: Vec<String>,
}

/// The decisions that were signed, with whose they are; what cannot be read is none.
fn signed<'a>(given: impl Iterator<Item = (&'a String, Option<&'a String>)>) -> Vec<(String, Envelope)> {
    given.filter_map(|(person, text)| Some((person.clone(), Envelope::read(text?.as_bytes()).ok()?))).collect()
}

/// The key a stored decision was signed with.
pub fn key_of(signature: &str) -> Option<String> {
    let opened = Envelope::read(signature.as_bytes()).ok()?.open(PAYLOAD_TYPE).ok()?;
    opened.signatures.into_iter().next().map(|(key, _)| key)
}
