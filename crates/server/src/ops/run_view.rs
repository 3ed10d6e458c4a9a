//! A run as people see it before they decide and while it goes: rules, rendered steps, what differs from last time.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use synod_db::run::Run as Row;
use synod_db::{Query, approval, run, task};
use synod_domain::approval::{Decision, Vote, assignment, rules_for};
use synod_domain::manifest::{Manifest, NodeEntry};
use synod_domain::run::Phase;
use synod_domain::{Error, Result, render};
use synod_protocol::http::run::{Approval, Comparison, RuleStatus, Run, RunSummary, StepPreview, TaskCounts};

use crate::ctx::Ctx;
use crate::ops::approval::counting_rules;
use crate::ops::rollout::Seen;
use crate::signing;

/// The steps with the inputs filled in, as far as they are known before the nodes run them.
pub fn preview(manifest: &Manifest) -> Vec<StepPreview> {
    let mut known = Value::Object(manifest.inputs.clone());
    for name in manifest.secrets.keys() {
        known[name] = json!("⟨secret⟩");
    }
    manifest
        .steps
        .iter()
        .map(|step| {
            let source = step.run.as_deref().unwrap_or_default();
            StepPreview { name: step.name.clone(), script: render::preview(source, &known), raw: render::uses_raw(source) }
        })
        .collect()
}

/// Why a decision fills no rule of the template as things stand.
fn no_rule(ctx: &Ctx, row: &Row, manifest: &Manifest, person: &str) -> String {
    let standing = ctx.access.standing(person, &row.namespace, &row.template, ctx.now);
    let now = rules_for(&manifest.approval, &row.requester, &row.author, &standing);
    let why = match now {
        Ok(_) => "got the role or group it would count by only after deciding",
        Err(_) if ctx.access.people.get(person).is_none_or(|known| !known.enabled) => "was disabled since",
        Err(_) => "no longer has a role or group that a rule asks for",
    };
    format!("{person} {why}")
}

/// Each rule, who fills it, who still could: nobody decides twice. `filled` maps persons to the rule they were matched to.
pub fn rule_statuses(ctx: &Ctx, manifest: &Manifest, filled: &BTreeMap<String, usize>, decided: &[Vote]) -> Vec<RuleStatus> {
    let people = ctx.access.approvers(&manifest.namespace, &manifest.template.name, ctx.now);
    manifest
        .approval
        .rules
        .iter()
        .enumerate()
        .map(|(n, rule)| {
            let filled_by: Vec<String> = filled.iter().filter(|(_, r)| **r == n).map(|(p, _)| p.clone()).collect();
            let candidates = people
                .iter()
                .filter(|p| !decided.iter().any(|vote| vote.person == p.name))
                .filter(|p| rules_for(&manifest.approval, &manifest.requester, &manifest.template.author, p).is_ok_and(|rules| rules.contains(&n)))
                .map(|p| p.name.clone())
                .collect();
            let missing = rule.count.saturating_sub(u32::try_from(filled_by.len()).unwrap_or(u32::MAX));
            RuleStatus { rule: rule.to_string(), count: rule.count, filled_by, missing, candidates }
        })
        .collect()
}

/// A run in listings.
pub fn summary(r: &Row) -> RunSummary {
    RunSummary {
        id: r.id.clone(),
        namespace: r.namespace.clone(),
        template: r.template.clone(),
        revision: r.revision,
        title: r.title.clone(),
        requester: r.requester.clone(),
        reason: r.reason.clone(),
        phase: r.phase,
        node_count: r.node_count,
        created_at: r.created_at,
        approve_by: r.approve_by,
        not_before: r.not_before,
        started_at: r.started_at,
        finished_at: r.finished_at,
        message: r.message.clone(),
        break_glass: r.break_glass.clone(),
        ratification: r.ratification,
    }
}

/// A run with everything a person needs to decide or to follow it.
pub async fn view(ctx: &Ctx, db: &mut impl Query, row: Row) -> Result<Run> {
    let comparison = compare(db, &row).await?;
    Ok(Run { comparison, ..brief(ctx, db, row, Seen::default()).await? })
}

/// A run without the comparison with an earlier one, for answers to those who have just seen it.
pub async fn brief(ctx: &Ctx, db: &mut impl Query, row: Row, seen: Seen) -> Result<Run> {
    let document = ctx.app.manifests.of(&row)?;
    let manifest = &document.manifest;
    let decisions = match seen.decisions {
        Some(decisions) => decisions,
        None => approval::list(db, &row.id).await?,
    };
    let cover = signing::cover(&document, &ctx.access, db).await?;
    let signing = cover.as_ref().map(|cover| cover.view(manifest, &row.digest, &decisions, ctx.now));
    let judged = cover.as_ref().map(|cover| cover.judge(manifest, &row.digest, &decisions, 0, ctx.now));
    let mut votes = Vec::new();
    let mut approvals = Vec::new();
    for decision in decisions {
        let rules = counting_rules(&ctx.access, &row, manifest, &decision, ctx.now);
        let why_not = match (&cover, &judged) {
            _ if decision.digest != row.digest => Some("it is about another manifest".to_owned()),
            (Some(cover), Some(judged)) if !judged.counted.contains(&decision.person) => {
                Some(format!("its signature does not count by version {} of the trust root", cover.published.root.version()))
            }
            (None, _) if rules.is_empty() => Some(no_rule(ctx, &row, manifest, &decision.person)),
            _ => None,
        };
        approvals.push(Approval {
            person: decision.person.clone(),
            decision: decision.decision,
            digest: decision.digest.clone(),
            comment: decision.comment,
            at: decision.at,
            counts: why_not.is_none(),
            why_not,
            key: decision.signature.as_deref().and_then(signing::key_of),
        });
        votes.push(Vote { person: decision.person, decision: decision.decision, rules });
    }
    let people = if row.phase == Phase::Pending { ctx.access.approvers(&row.namespace, &row.template, ctx.now) } else { Vec::new() };
    let candidates: Vec<Vote> = people
        .iter()
        .filter(|person| !approvals.iter().any(|decided| decided.person == person.name))
        .filter_map(|person| {
            let rules = rules_for(&manifest.approval, &row.requester, &row.author, person).ok()?;
            Some(Vote { person: person.name.clone(), decision: Decision::Approve, rules })
        })
        .collect();
    let filled: BTreeMap<String, usize> = assignment(&manifest.approval, &votes, &candidates).into_iter().map(|(rule, person)| (person, rule)).collect();
    let awaits_me = row.phase == Phase::Pending && !approvals.iter().any(|a| a.person == ctx.caller.user) && {
        // The same question as when the decision comes in.
        super::approval::check_counts(ctx, &row, manifest, cover.as_deref()).is_ok()
    };
    let mut counts = seen.tasks.unwrap_or_default();
    if seen.tasks.is_none() && row.started_at.is_some() {
        for (phase, n, _) in task::counts(db, &row.id).await? {
            counts.add(phase, n);
        }
    }
    Ok(Run {
        summary: summary(&row),
        digest: row.digest.clone(),
        preview: document.preview().to_vec(),
        rules: if row.phase == Phase::Pending || !filled.is_empty() { rule_statuses(ctx, manifest, &filled, &votes) } else { Vec::new() },
        approvals,
        tasks: counts,
        batch: row.batches,
        batches: manifest.strategy.batches(row.node_count),
        at_gate: row.at_gate,
        cancelling: row.cancelling,
        signing,
        awaits_me,
        comparison: None,
        manifest: manifest.clone(),
    })
}

async fn compare(db: &mut impl Query, row: &Row) -> Result<Option<Comparison>> {
    let earlier = match &row.replay_of {
        Some(id) => run::get(db, id).await?,
        None => run::previous(db, &row.namespace, &row.template, row.created_at).await?,
    };
    let Some(earlier) = earlier else { return Ok(None) };
    let mut counts = TaskCounts::default();
    for (phase, n, _) in task::counts(db, &earlier.id).await? {
        counts.add(phase, n);
    }
    let document = |row: &Row| serde_json::from_str::<Value>(&row.manifest).map_err(Error::internal);
    let (before, after) = (document(&earlier)?, document(row)?);
    let mut differences = node_differences(&run::nodes(db, &earlier.id).await?, &run::nodes(db, &row.id).await?);
    // What differs in every run says nothing.
    const OWN: [&str; 7] = ["run", "createdAt", "approveBy", "expiresAt", "notBefore", "nonce", "reason"];
    differ(&before, &after, "", &mut |path, old, new| {
        let top = path.split('.').next().unwrap_or_default();
        if !OWN.contains(&top) && top != "nodes" && path != "template.digest" && !path.starts_with("secrets.") {
            differences.push(format!("{path}: {old} → {new}"));
        }
    });
    Ok(Some(Comparison {
        run: earlier.id.clone(),
        replay: row.replay_of.is_some(),
        phase: earlier.phase,
        tasks: counts,
        finished_at: earlier.finished_at,
        differences,
    }))
}

fn differ(old: &Value, new: &Value, path: &str, found: &mut impl FnMut(&str, &str, &str)) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                differ(a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null), &inner, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (x, y)) in a.iter().zip(b).enumerate() {
                differ(x, y, &format!("{path}[{n}]"), found);
            }
        }
        (a, b) if a != b => {
            let word = |v: &Value| if v.is_null() { "nothing".to_owned() } else { v.to_string() };
            found(path, &word(a), &word(b));
        }
        _ => {}
    }
}

/// Which nodes are new and which are gone, by name; so many of them as can be read.
fn node_differences(before: &[NodeEntry], after: &[NodeEntry]) -> Vec<String> {
    const SHOWN: usize = 20;
    let names = |of: &[NodeEntry], without: &[NodeEntry]| -> Vec<String> {
        let known: std::collections::BTreeSet<&str> = without.iter().map(|n| n.id.as_str()).collect();
        of.iter().filter(|n| !known.contains(n.id.as_str())).map(|n| n.name.clone()).collect()
    };
    let line = |word: &str, names: Vec<String>| {
        let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
        (!names.is_empty()).then(|| format!("nodes: {word} {}{more}", names[..names.len().min(SHOWN)].join(", ")))
    };
    [line("not", names(before, after)), line("now", names(after, before))].into_iter().flatten().collect()
}
