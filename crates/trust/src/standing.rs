//! How the signed decisions on a run stand, for whoever still waits for more. Unlike [`crate::judge`], which refuses
//! everything for one bad decision, what does not count is left out here; what is left is what may be handed to nodes.

use std::collections::BTreeMap;

use synod_domain::approval::{self, Verdict, Vote};
use synod_domain::manifest::Manifest;
use synod_domain::template::ApprovalPolicy;
use synod_domain::time::Timestamp;

use crate::approval::{Refused, Sort, Verified, check_excluded, check_manifest, check_statement, standings, verify_one, vote};
use crate::envelope::Envelope;
use crate::root::{Root, Rule};

/// How the decisions stand under every rule of the root that is about one of the run's nodes.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Decisions that count, with their places in what was handed in.
    pub counted: Vec<(usize, Verified)>,
    /// Decisions that do not, and why.
    pub dropped: Vec<(usize, Refused)>,
    /// Each rule of the root, and of the template where it is judged by signatures.
    pub rules: Vec<RuleStanding>,
    /// Who rejected, when that ends it.
    pub rejected: Vec<String>,
    /// Nodes that no rule is about.
    pub uncovered: Vec<String>,
}

/// One rule and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStanding {
    /// The rule's name in the root.
    pub name: String,
    /// What it asks for, in words.
    pub rule: String,
    /// Who fills it.
    pub filled_by: Vec<String>,
    /// How many are missing.
    pub missing: u32,
}

impl Standing {
    /// Whether every node that a rule is about would find the agreement sufficient.
    pub fn met(&self) -> bool {
        self.rejected.is_empty() && self.rules.iter().all(|rule| rule.missing == 0)
    }
}

/// Looks at decisions before the start of a run on nodes of these names.
pub fn stand(
    root: &Root,
    manifest: &Manifest,
    digest: &str,
    envelopes: &[Envelope],
    nodes: impl IntoIterator<Item = impl AsRef<str>>,
    now: Timestamp,
) -> Result<Standing, Refused> {
    look(root, manifest, digest, envelopes, nodes, now, Sort::Ordinary)
}

/// Looks at approvals after the fact of a run that was started by break-glass.
pub fn stand_ratification(
    root: &Root,
    manifest: &Manifest,
    digest: &str,
    envelopes: &[Envelope],
    nodes: impl IntoIterator<Item = impl AsRef<str>>,
    now: Timestamp,
) -> Result<Standing, Refused> {
    look(root, manifest, digest, envelopes, nodes, now, Sort::Ratification)
}

fn look(
    root: &Root,
    manifest: &Manifest,
    digest: &str,
    envelopes: &[Envelope],
    nodes: impl IntoIterator<Item = impl AsRef<str>>,
    now: Timestamp,
    sort: Sort,
) -> Result<Standing, Refused> {
    check_manifest(root, manifest, digest, now)?;
    let mut standing = Standing::default();
    let nodes: Vec<_> = nodes.into_iter().collect();
    let mut covering: BTreeMap<&str, &Rule> = BTreeMap::new();
    for node in &nodes {
        let node = node.as_ref();
        let rules: Vec<&Rule> = root.covering(&manifest.namespace, &manifest.template.name, node).collect();
        if rules.is_empty() {
            standing.uncovered.push(node.to_owned());
        }
        covering.extend(rules.into_iter().map(|rule| (rule.name.as_str(), rule)));
    }
    let policies: Vec<(&str, ApprovalPolicy)> = covering.values().map(|rule| (rule.name.as_str(), rule.approval.policy())).collect();
    let own = [manifest.approval.clone()];
    for (n, envelope) in envelopes.iter().enumerate() {
        let counts = verify_one(root, envelope).and_then(|verified| {
            check_statement(manifest, digest, &verified, now, sort)?;
            check_excluded(policies.iter().map(|(_, policy)| policy).chain(&own), manifest, &verified, sort)?;
            Ok(verified)
        });
        match counts {
            Ok(verified) => standing.counted.push((n, verified)),
            Err(why) => standing.dropped.push((n, why)),
        }
    }
    let people = standings(root, standing.counted.iter().map(|(_, verified)| verified));
    let named = policies.iter().map(|(name, policy)| (*name, policy)).chain(own.iter().map(|policy| ("the template's own rules", policy)));
    for (name, policy) in named {
        let votes: Vec<Vote> = standing.counted.iter().map(|(_, verified)| vote(policy, verified, &people)).collect();
        let (filled, missing) = match approval::decide(policy, &votes, Timestamp(i64::MIN), Timestamp(i64::MAX)) {
            Verdict::Granted(by) => (by, vec![0; policy.rules.len()]),
            Verdict::Rejected(by) => {
                standing.rejected.extend(by);
                continue;
            }
            Verdict::Pending(missing) => (approval::assignment(policy, &votes, &[]), missing),
            Verdict::Expired => continue,
        };
        for (n, rule) in policy.rules.iter().enumerate() {
            let filled_by = filled.iter().filter(|(r, _)| *r == n).map(|(_, person)| person.clone()).collect();
            standing.rules.push(RuleStanding {
                name: name.to_owned(),
                rule: rule.to_string(),
                filled_by,
                missing: missing.get(n).copied().unwrap_or(rule.count),
            });
        }
    }
    standing.rejected.sort();
    standing.rejected.dedup();
    Ok(standing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, hour, yes};
    use synod_domain::approval::Decision;

    #[test]
    fn what_stands_is_what_nodes_accept() {
        let root = testing::root(&testing::root_json());
        let manifest = testing::manifest();
        let (_, digest) = manifest.seal().unwrap();
        let names: Vec<String> = testing::nodes().into_iter().map(|node| node.name).collect();
        let now = hour(3);
        let people = testing::people();
        let mut given: Vec<Envelope> = Vec::new();
        let mut reached = false;
        for (name, _) in &people {
            given.push(yes(name, &manifest));
            let standing = stand(&root, &manifest, &digest, &given, &names, now).unwrap();
            let kept: Vec<Envelope> = standing.counted.iter().map(|(n, _)| given[*n].clone()).collect();
            let accepted = names.iter().all(|node| crate::judge(&root, &manifest, &digest, &kept, node, now).is_ok());
            assert_eq!(standing.met() && standing.uncovered.is_empty(), accepted, "with {name}: {standing:?}");
            reached |= accepted;
        }
        assert!(reached, "everybody together suffices");
        // One that does not count is left out, and the rest goes on counting.
        given.push(testing::decision("ann", &testing::signer("ann"), &manifest, Decision::Approve, |statement| statement.run = "other".into()));
        let standing = stand(&root, &manifest, &digest, &given, &names, now).unwrap();
        assert!(standing.met());
        assert_eq!(standing.dropped.iter().map(|(n, why)| (*n, why.name())).collect::<Vec<_>>(), [(given.len() - 1, "wrong-run")]);
    }
}
