//! What a root can bear to lose: how many people each rule could do without, and what would be wrong without each of them.

use synod_domain::approval::{Decision, Standing, Verdict, Vote, decide, rules_for};
use synod_domain::template::ApprovalPolicy;
use synod_domain::time::Timestamp;

use super::doctor::{Finding, Severity, doctor};
use super::{Root, RootError};
use crate::key::{Form, Key, KeyId};
use crate::order::keys_of;

/// One rule and who can fill it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleOutlook {
    /// Its name; `root` for the signing of later roots.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// What it asks for, in words.
    pub needs: Vec<String>,
    /// Who can fill any of it.
    pub holders: Vec<String>,
    /// So many of them may be gone, whoever they are; below 0, so many are missing now.
    pub spare: i64,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonOutlook {
    /// Their name.
    pub name: String,
    /// Their keys that count: ids and kinds.
    pub keys: Vec<(KeyId, &'static str)>,
    /// What would be wrong without them that is not wrong now.
    pub if_gone: Vec<Finding>,
}

/// The root itself and its rules.
pub fn rules(root: &Root) -> Vec<RuleOutlook> {
    let doc = root.doc();
    let people: Vec<Standing> =
        doc.principals.iter().filter(|p| keys_of(root, &p.name).is_some_and(|keys| !keys.is_empty())).map(|p| root.standing(p)).collect();
    let holders: Vec<String> = root.holders().into_iter().filter(|name| people.iter().any(|p| p.name == *name)).map(str::to_owned).collect();
    let itself = RuleOutlook {
        name: "root".into(),
        about: "later trust roots".into(),
        needs: vec![format!("{} of the root's holders", doc.threshold)],
        spare: holders.len() as i64 - i64::from(doc.threshold),
        holders,
    };
    let rule = |rule: &super::Rule| {
        let policy = rule.approval.policy();
        let votes = votes(&policy, &people);
        RuleOutlook {
            name: rule.name.clone(),
            about: format!("{} on {}", rule.templates.join(", "), rule.nodes.join(", ")),
            needs: policy.rules.iter().map(ToString::to_string).collect(),
            holders: votes.iter().map(|vote| vote.person.clone()).collect(),
            spare: spare(&policy, &votes),
        }
    };
    std::iter::once(itself).chain(doc.rules.iter().map(rule)).collect()
}

/// Everybody's yes, with the rules it could fill.
fn votes(policy: &ApprovalPolicy, people: &[Standing]) -> Vec<Vote> {
    let vote = |p: &Standing| Some(Vote { person: p.name.clone(), decision: Decision::Approve, rules: rules_for(policy, "", "", p).ok()? });
    people.iter().filter_map(vote).collect()
}

/// How many may be gone, whoever they are. By Hall's theorem (1935) rules can be met by distinct people exactly when every
/// choice of them has at least as many people as it asks for. So any k people can be spared exactly when each rule by
/// itself could ask for k more beside all the others.
fn spare(policy: &ApprovalPolicy, votes: &[Vote]) -> i64 {
    let missing = |policy: &ApprovalPolicy| match decide(policy, votes, Timestamp(0), Timestamp(1)) {
        Verdict::Pending(missing) => missing.iter().map(|n| i64::from(*n)).sum(),
        _ => 0,
    };
    let short: i64 = missing(policy);
    if short > 0 {
        return -short;
    }
    let more = |n: usize, k: u32| {
        let mut asking = policy.clone();
        asking.rules[n].count += k;
        missing(&asking) == 0
    };
    let most = u32::try_from(votes.len()).unwrap_or(u32::MAX);
    let of = |n: usize| (1..=most).take_while(|k| more(n, *k)).count() as i64;
    (0..policy.rules.len()).map(of).min().unwrap_or_else(|| i64::from(most))
}

/// The people, and what would be wrong without each of them: [`doctor`] of the root as it would be then, less what it says
/// today.
pub fn people(root: &Root, now: Timestamp, templates: &[(String, ApprovalPolicy)]) -> Vec<PersonOutlook> {
    let same = |a: &Finding, b: &Finding| (a.name, &a.about) == (b.name, &b.about);
    let today: Vec<Finding> = doctor(root, now, templates).into_iter().filter(|f| f.severity > Severity::Note).collect();
    let one = |name: &str| {
        let if_gone = match without(root, name) {
            Ok(rest) => doctor(&rest, now, templates)
                .into_iter()
                .filter(|f| f.severity > Severity::Note && !today.iter().any(|known| same(known, f)))
                .collect(),
            Err(why) => {
                vec![Finding { severity: Severity::Error, name: "unsound", about: "root".into(), message: format!("no sound root would be left: {why}") }]
            }
        };
        PersonOutlook {
            name: name.to_owned(),
            keys: keys_of(root, name).unwrap_or_default().iter().map(|key| (key.id().clone(), kind(key))).collect(),
            if_gone,
        }
    };
    root.doc().principals.iter().map(|person| one(&person.name)).collect()
}

/// The root as it would be without somebody.
fn without(root: &Root, name: &str) -> Result<Root, RootError> {
    let mut doc = root.doc().clone();
    doc.principals.retain(|p| p.name != name);
    for rule in &mut doc.break_glass {
        rule.who.retain(|who| who != name);
    }
    doc.break_glass.retain(|rule| !rule.who.is_empty());
    Root::draft(doc)
}

fn kind(key: &Key) -> &'static str {
    match key.form() {
        Form::Ssh { algorithm, .. } => algorithm,
        Form::Passkey { .. } => "passkey",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hour, root, root_json};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn tells_whom_it_can_spare() {
        let found = rules(&root(&root_json()));
        let of = |name: &str| found.iter().find(|r| r.name == name).map(|r| (r.holders.len(), r.spare)).unwrap();
        assert_eq!((of("root"), of("shop")), ((3, 1), (5, 2)));
        let mut json = root_json();
        json["rules"][0]["approval"]["rules"] = json!([{"count": 6, "from": {"group": "oncall"}}]);
        assert_eq!(rules(&root(&json))[1].spare, -1);
        let gone = people(&root(&root_json()), hour(1), &[]);
        assert_eq!(gone.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["ann", "bob", "carol", "dan", "eve"]);
        assert_eq!((gone[2].keys[0].1, gone[4].keys[0].1), ("passkey", "sk-ssh-ed25519@openssh.com"));
        // Ann is one of three holders of whom two must sign.
        assert!(gone[0].if_gone.iter().any(|f| f.name == "no-spare"), "{:?}", gone[0]);
        assert!(gone[4].if_gone.is_empty(), "{:?}", gone[4]);
        json["rules"][0]["approval"]["rules"] = json!([{"count": 5, "from": {"group": "oncall"}}]);
        let gone = people(&root(&json), hour(1), &[]);
        assert!(gone[4].if_gone.iter().any(|f| f.name == "unmeetable" && f.about == "rule shop"), "{:?}", gone[4]);
        let mut json = root_json();
        json["threshold"] = json!(3);
        let gone = people(&root(&json), hour(1), &[]);
        assert!(gone[0].if_gone.iter().any(|f| f.name == "unsound"), "{:?}", gone[0]);
    }

    proptest! {
        /// What can be spared is what is left when everybody is tried: no set of that many people is needed, some larger is.
        #[test]
        fn what_can_be_spared_is_found(counts in prop::collection::vec(1u32..3, 1..4), fills in prop::collection::vec(1u8..8, 1..7)) {
            let rules: Vec<_> = counts.iter().enumerate().map(|(n, count)| json!({"count": count, "from": {"group": format!("g{n}")}})).collect();
            let policy: ApprovalPolicy = serde_json::from_value(json!({"rules": rules})).unwrap();
            let all: Vec<Vote> = fills
                .iter()
                .enumerate()
                .map(|(n, mask)| Vote {
                    person: format!("p{n}"),
                    decision: Decision::Approve,
                    rules: (0..counts.len()).filter(|r| mask >> r & 1 == 1).collect(),
                })
                .filter(|vote| !vote.rules.is_empty())
                .collect();
            let met = |left: &[Vote]| matches!(decide(&policy, left, Timestamp(0), Timestamp(1)), Verdict::Granted(_));
            let found = spare(&policy, &all);
            let fewest = (0u32..1 << all.len())
                .filter(|gone| !met(&all.iter().enumerate().filter(|(n, _)| gone >> n & 1 == 0).map(|(_, v)| v.clone()).collect::<Vec<_>>()))
                .map(u32::count_ones)
                .min();
            match fewest {
                Some(0) => prop_assert!(found < 0),
                Some(n) => prop_assert_eq!(found, i64::from(n) - 1),
                None => prop_assert!(false, "rules that ask for nobody"),
            }
        }
    }
}
