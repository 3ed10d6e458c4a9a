//! Whether enough distinct people agree. The one place that decides it, on every machine.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::template::{ApprovalPolicy, ApprovalRule, Approvers};
use crate::time::Timestamp;

/// What one person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Go.
    Approve,
    /// Do not.
    Reject,
}

/// A person's standing at the moment of judgement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The user's name, which is unique and never given to another person.
    pub name: String,
    /// Whether the account is enabled, a person's (not a service account's), and not forbidden to approve by policy.
    pub may_approve: bool,
    /// Roles held in the run's namespace, closed under inclusion.
    pub roles: BTreeSet<Role>,
    /// Groups the person belongs to.
    pub groups: BTreeSet<String>,
}

/// One decision with the rules its person can fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub person: String,
    /// What.
    pub decision: Decision,
    /// Indexes of the rules the person can fill; empty when the vote does not count.
    pub rules: BTreeSet<usize>,
}

/// Why somebody's approval would not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excluded {
    /// The run is their own request.
    Requester,
    /// They wrote the template revision.
    Author,
    /// No rule names them, or they may not approve at all.
    NoRule,
}

/// Whether a person is kept out for being who they are, whatever roles they hold.
pub fn excluded(policy: &ApprovalPolicy, requester: &str, author: &str, person: &str) -> Option<Excluded> {
    if !policy.requester_may_approve && person == requester {
        return Some(Excluded::Requester);
    }
    (!policy.author_may_approve && person == author).then_some(Excluded::Author)
}

/// The rules a person can fill, or why none.
pub fn rules_for(policy: &ApprovalPolicy, requester: &str, author: &str, person: &Standing) -> Result<BTreeSet<usize>, Excluded> {
    if let Some(excluded) = excluded(policy, requester, author, &person.name) {
        return Err(excluded);
    }
    let fills = |rule: &ApprovalRule| match &rule.from {
        Approvers::Role(role) => person.roles.contains(role),
        Approvers::Group(group) => person.groups.contains(group),
        Approvers::User(user) => person.name == *user,
    };
    let rules: BTreeSet<usize> = policy.rules.iter().enumerate().filter(|(_, rule)| person.may_approve && fills(rule)).map(|(n, _)| n).collect();
    if rules.is_empty() { Err(Excluded::NoRule) } else { Ok(rules) }
}

/// How the votes stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every rule is filled, each by these persons.
    Granted(Vec<(usize, String)>),
    /// So many are still missing for each rule, in the rules' order.
    Pending(Vec<u32>),
    /// Enough people said no.
    Rejected(Vec<String>),
    /// Nobody may decide any more.
    Expired,
}

/// Decides from the votes on one digest. Votes of one person count once, whatever is passed in.
pub fn decide(policy: &ApprovalPolicy, votes: &[Vote], now: Timestamp, approve_by: Timestamp) -> Verdict {
    let mut persons: BTreeMap<&str, &Vote> = BTreeMap::new();
    for vote in votes.iter().filter(|vote| !vote.rules.is_empty()) {
        // A person who is passed in twice counts once, and a rejection outweighs an approval.
        let known = persons.entry(&vote.person).or_insert(vote);
        if vote.decision == Decision::Reject {
            *known = vote;
        }
    }
    let against: Vec<String> = persons.values().filter(|v| v.decision == Decision::Reject).map(|v| v.person.clone()).collect();
    if against.len() >= policy.rejections.max(1) as usize {
        return Verdict::Rejected(against);
    }
    let voters: Vec<&Vote> = persons.into_values().filter(|v| v.decision == Decision::Approve).collect();
    let (filled, missing) = fill(&policy.rules, &voters);
    if missing.iter().all(|n| *n == 0) {
        return Verdict::Granted(filled);
    }
    if now >= approve_by { Verdict::Expired } else { Verdict::Pending(missing) }
}

/// Who would fill which rule by the approving votes so far, seated so that those who could still approve
/// (`candidates`) can fill as much of the rest as possible.
pub fn assignment(policy: &ApprovalPolicy, votes: &[Vote], candidates: &[Vote]) -> Vec<(usize, String)> {
    let mut persons: BTreeMap<&str, &Vote> = BTreeMap::new();
    for vote in votes.iter().filter(|vote| vote.decision == Decision::Approve && !vote.rules.is_empty()) {
        persons.entry(&vote.person).or_insert(vote);
    }
    let voted: BTreeSet<&str> = persons.keys().copied().collect();
    // Whoever is seated stays seated while others are added, perhaps at another place: voters come first.
    let mut voters: Vec<&Vote> = persons.into_values().collect();
    voters.extend(candidates.iter().filter(|c| !voted.contains(c.person.as_str())));
    let (filled, _) = fill(&policy.rules, &voters);
    filled.into_iter().filter(|(_, person)| voted.contains(person.as_str())).collect()
}

/// Fills rules with persons so that as many places as possible are taken and nobody takes two:
/// a maximum bipartite matching by augmenting paths (Kuhn, 1955).
fn fill(rules: &[ApprovalRule], voters: &[&Vote]) -> (Vec<(usize, String)>, Vec<u32>) {
    let places: Vec<usize> = rules.iter().enumerate().flat_map(|(n, rule)| std::iter::repeat_n(n, (rule.count as usize).min(voters.len() + 1))).collect();
    let mut taken_by: Vec<Option<usize>> = vec![None; places.len()];
    for voter in 0..voters.len() {
        let mut tried = vec![false; places.len()];
        seat(voter, voters, &places, &mut taken_by, &mut tried);
    }
    let mut missing: Vec<u32> = rules.iter().map(|rule| rule.count).collect();
    let mut filled = Vec::new();
    for (place, voter) in taken_by.iter().enumerate() {
        if let Some(voter) = voter {
            missing[places[place]] -= 1;
            filled.push((places[place], voters[*voter].person.clone()));
        }
    }
    (filled, missing)
}

fn seat(voter: usize, voters: &[&Vote], places: &[usize], taken_by: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for place in 0..places.len() {
        if tried[place] || !voters[voter].rules.contains(&places[place]) {
            continue;
        }
        tried[place] = true;
        let free = match taken_by[place] {
            None => true,
            Some(other) => seat(other, voters, places, taken_by, tried),
        };
        if free {
            taken_by[place] = Some(voter);
            return true;
        }
    }
    false
}

/// Whether these people together could ever meet the rules, all of them saying yes.
pub fn meetable(policy: &ApprovalPolicy, requester: &str, author: &str, people: &[Standing]) -> bool {
    let votes: Vec<Vote> = people
        .iter()
        .filter_map(|person| {
            let rules = rules_for(policy, requester, author, person).ok()?;
            Some(Vote { person: person.name.clone(), decision: Decision::Approve, rules })
        })
        .collect();
    matches!(decide(policy, &votes, Timestamp(0), Timestamp(1)), Verdict::Granted(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOON: Timestamp = Timestamp(10);

    fn policy(counts: &[u32]) -> ApprovalPolicy {
        let rules: Vec<_> = counts.iter().enumerate().map(|(n, count)| serde_json::json!({"count": count, "from": {"group": format!("g{n}")}})).collect();
        serde_json::from_value(serde_json::json!({"rules": rules})).unwrap()
    }

    fn yes(person: &str, rules: &[usize]) -> Vote {
        Vote { person: person.into(), decision: Decision::Approve, rules: rules.iter().copied().collect() }
    }

    #[test]
    fn distinct_persons_fill_every_rule() {
        let two = policy(&[1, 1]);
        // ann could fill either; only the matching finds that bob must take the first.
        assert!(matches!(decide(&two, &[yes("ann", &[0, 1]), yes("bob", &[0])], Timestamp(0), SOON), Verdict::Granted(_)));
        assert_eq!(decide(&two, &[yes("ann", &[0, 1])], Timestamp(0), SOON), Verdict::Pending(vec![0, 1]));
        assert_eq!(decide(&two, &[yes("ann", &[0, 1]), yes("ann", &[0, 1])], Timestamp(0), SOON), Verdict::Pending(vec![0, 1]));
        assert_eq!(decide(&two, &[yes("ann", &[0]), yes("bob", &[0])], Timestamp(0), SOON), Verdict::Pending(vec![0, 1]));
        assert!(matches!(decide(&policy(&[]), &[], Timestamp(0), SOON), Verdict::Granted(_)));
    }

    #[test]
    fn rejection_and_expiry() {
        let no = Vote { decision: Decision::Reject, ..yes("carol", &[0]) };
        let two = policy(&[2]);
        assert_eq!(decide(&two, &[yes("ann", &[0]), no.clone()], Timestamp(0), SOON), Verdict::Rejected(vec!["carol".into()]));
        let not_counted = Vote { rules: BTreeSet::new(), ..no };
        assert_eq!(decide(&two, &[not_counted], Timestamp(0), SOON), Verdict::Pending(vec![2]));
        assert_eq!(decide(&two, &[], SOON, SOON), Verdict::Expired);
    }

    #[test]
    fn who_is_excluded_and_why() {
        let mut one: ApprovalPolicy =
            serde_json::from_value(serde_json::json!({"rules": [{"count": 1, "from": {"role": "approver"}}], "authorMayApprove": false})).unwrap();
        let person = |name: &str| Standing { name: name.into(), may_approve: true, roles: [Role::Approver].into(), ..Standing::default() };
        assert_eq!(rules_for(&one, "dave", "alice", &person("dave")), Err(Excluded::Requester));
        assert_eq!(rules_for(&one, "dave", "alice", &person("alice")), Err(Excluded::Author));
        assert_eq!(rules_for(&one, "dave", "alice", &person("bob")), Ok([0].into()));
        assert_eq!(rules_for(&one, "dave", "alice", &Standing { may_approve: false, ..person("bob") }), Err(Excluded::NoRule));
        one.requester_may_approve = true;
        assert_eq!(rules_for(&one, "dave", "alice", &person("dave")), Ok([0].into()));
    }

    #[test]
    fn voters_are_seated_so_that_others_can_join() {
        // carol can fill either rule, alice only the first: carol must not be shown at alice's place.
        let two = policy(&[1, 1]);
        let carol = [yes("carol", &[0, 1])];
        assert_eq!(assignment(&two, &carol, &[yes("alice", &[0])]), [(1, "carol".to_owned())]);
        assert_eq!(assignment(&two, &carol, &[yes("dan", &[1])]), [(0, "carol".to_owned())]);
        assert_eq!(assignment(&two, &[], &[yes("dan", &[1])]), []);
    }

    /// Tries every way to seat people: slow and plainly right.
    fn brute(counts: &mut Vec<u32>, votes: &[(String, BTreeSet<usize>)]) -> bool {
        if counts.iter().all(|n| *n == 0) {
            return true;
        }
        let Some(((_, rules), rest)) = votes.split_first() else { return false };
        for rule in rules {
            if counts[*rule] > 0 {
                counts[*rule] -= 1;
                let found = brute(counts, rest);
                counts[*rule] += 1;
                if found {
                    return true;
                }
            }
        }
        brute(counts, rest)
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(
            counts in proptest::collection::vec(1u32..3, 1..4),
            people in proptest::collection::vec((0u8..6, proptest::collection::btree_set(0usize..3, 0..4)), 0..7),
        ) {
            let votes: Vec<Vote> = people.iter().map(|(who, rules)| {
                Vote { person: format!("p{who}"), decision: Decision::Approve, rules: rules.iter().copied().filter(|r| *r < counts.len()).collect() }
            }).collect();
            let granted = matches!(decide(&policy(&counts), &votes, Timestamp(0), SOON), Verdict::Granted(_));
            let mut distinct: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
            for vote in votes.iter().filter(|v| !v.rules.is_empty()) {
                distinct.entry(vote.person.clone()).or_insert_with(|| vote.rules.clone());
            }
            let distinct: Vec<_> = distinct.into_iter().collect();
            prop_assert_eq!(granted, brute(&mut counts.clone(), &distinct));
            if granted {
                let need: u32 = counts.iter().sum();
                prop_assert!(distinct.len() >= need as usize, "fewer persons than places");
            }
        }

        #[test]
        fn nobody_takes_two_places(people in proptest::collection::vec(proptest::collection::btree_set(0usize..3, 1..4), 3..6)) {
            let votes: Vec<Vote> = people.iter().enumerate().map(|(n, rules)| Vote { person: format!("p{n}"), decision: Decision::Approve, rules: rules.clone() }).collect();
            if let Verdict::Granted(filled) = decide(&policy(&[1, 1, 1]), &votes, Timestamp(0), SOON) {
                let persons: BTreeSet<_> = filled.iter().map(|(_, p)| p).collect();
                prop_assert_eq!(persons.len(), filled.len());
                for (rule, person) in &filled {
                    prop_assert!(votes.iter().any(|v| v.person == *person && v.rules.contains(rule)));
                }
            }
        }
    }
}
