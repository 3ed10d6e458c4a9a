//! A run in words: who wants what where and why, what it does, who must agree, how it stands.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use synod_domain::check::{Expect, OnMismatch};
use synod_domain::manifest::{Manifest, NodeEntry, NodeSet};
use synod_domain::render::{is_plain, preview, uses_raw};
use synod_domain::run::{Phase, Ratification};
use synod_domain::strategy::{Gate, Strategy, StrategyKind};
use synod_domain::template::Step;
use synod_protocol::http::run::{RuleStatus, Run, RunPlan, TaskCounts};
use synod_protocol::http::task::Task;

use crate::exit::{Exit, Fault, Result};
use crate::output::{Colour, Out, clean, clean_lines, count};
use crate::when;

/// Checks that the digest is that of the manifest shown and that the manifest names these nodes:
/// nobody is made to approve one thing while reading another.
pub fn verify(run: &Run, nodes: &[NodeEntry]) -> Result<()> {
    let (_, digest) = run.manifest.seal().map_err(|e| Fault::new(Exit::Internal, e.to_string()))?;
    let set = NodeSet::of(nodes).map_err(|e| Fault::new(Exit::Internal, e.to_string()))?;
    if digest != run.digest {
        return Err(Fault::new(Exit::Denied, format!("the server shows a manifest with the digest {digest} and calls it {}", run.digest))
            .help("do not approve; tell whoever runs the server"));
    }
    if set != run.manifest.nodes {
        return Err(Fault::new(Exit::Denied, "the server shows other nodes than the manifest commits to").help("do not approve; tell whoever runs the server"));
    }
    Ok(())
}

/// A text in the making, with headings and indented lines.
pub struct Page<'a> {
    out: &'a Out,
    text: String,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub fn new(out: &'a Out) -> Self {
        Self { out, text: String::new() }
    }

    /// A heading.
    pub fn head(&mut self, text: &str) {
        let text = self.out.paint(Colour::Bold, &clean(text));
        let _ = writeln!(self.text, "{text}");
    }

    /// `name:      value`; nothing when there is no value.
    pub fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        let value = value.to_string();
        if !value.is_empty() {
            let _ = writeln!(self.text, "{:<13} {}", format!("{name}:"), clean(&value));
        }
    }

    /// An indented line.
    pub fn item(&mut self, text: impl std::fmt::Display) {
        let _ = writeln!(self.text, "  {}", clean(&text.to_string()));
    }

    /// An indented line in a colour.
    pub fn marked(&mut self, colour: Colour, text: &str) {
        let text = self.out.paint(colour, &clean(text));
        let _ = writeln!(self.text, "  {text}");
    }

    /// A script, indented further.
    pub fn script(&mut self, text: &str) {
        for line in clean_lines(text).trim_end().lines() {
            let _ = writeln!(self.text, "      {line}");
        }
    }

    /// What a step's outcome must look like, when that is said.
    pub fn expects(&mut self, step: &Step) {
        if let Some(expect) = &step.expect {
            self.item(format!("    expects {}", expectation(expect, step.continue_on_failure)));
        }
    }

    /// The page as text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Writes the page.
    pub fn print(self) -> Result<()> {
        self.out.text(&self.text)
    }
}

/// Everything about a run.
pub fn whole(run: &Run, nodes: &[NodeEntry], troubled: &[Task], out: &Out) -> Result<()> {
    let mut page = Page::new(out);
    let summary = &run.summary;
    page.head(&format!("Run {}: {} — {}", summary.id, summary.title, summary.phase));
    break_glass(&mut page, run);
    what(&mut page, &run.manifest, nodes);
    page.field("Digest", &run.digest);
    page.field("Requested", when::full(summary.created_at));
    if let Some(at) = summary.not_before {
        page.field("Not before", when::full(at));
    }
    if summary.phase == Phase::Pending {
        page.field("Approve by", when::full(summary.approve_by));
    }
    if let Some(at) = summary.started_at {
        page.field("Started", when::full(at));
    }
    if let Some(at) = summary.finished_at {
        page.field("Finished", when::full(at));
    }
    page.field("Message", &summary.message);
    steps(&mut page, &run.manifest);
    rules(&mut page, &run.rules, run.manifest.approval.rejections);
    signing(&mut page, run);
    approvals(&mut page, run);
    comparison(&mut page, run);
    if matches!(summary.phase, Phase::Pending | Phase::Approved) {
        page.field("Tasks", format!("{} planned, in batches of {}", summary.node_count, batches(&run.batches)));
    } else {
        page.field("Tasks", counts(&run.tasks));
        page.field("Batches", format!("{} of {} begun ({})", run.batch, run.batches.len(), batches(&run.batches)));
    }
    for task in troubled {
        page.marked(Colour::Red, &format!("{}: {} {}", task.node, task.phase, task.reason));
    }
    page.field("Next", next(run));
    page.print()
}

/// What stands for a rule's name in the trust root when it is the template's.
pub const OWN_RULES: &str = "the template's own rules";

/// How a dry run begins.
pub const DRY_RUN: &str = "Nothing is requested: this is a dry run";

/// What a person reads before deciding.
pub fn short(run: &Run, nodes: &[NodeEntry], out: &Out) -> Result<()> {
    let mut page = Page::new(out);
    page.head(&format!("Run {}: {}", run.summary.id, run.summary.title));
    break_glass(&mut page, run);
    what(&mut page, &run.manifest, nodes);
    page.field("Digest", &run.digest);
    // From what is signed, not from what the server says about it.
    if let Some(at) = run.manifest.not_before {
        page.field("Not before", when::full(at));
    }
    page.field("Not after", when::full(run.manifest.expires_at));
    steps(&mut page, &run.manifest);
    rules(&mut page, &run.rules, run.manifest.approval.rejections);
    signing(&mut page, run);
    approvals(&mut page, run);
    comparison(&mut page, run);
    page.print()
}

/// What a request would do.
pub fn plan(plan: &RunPlan, title: &str, out: &Out) -> Result<()> {
    let mut page = Page::new(out);
    page.head(title);
    what(&mut page, &plan.manifest, &plan.nodes);
    if !plan.kept_out.is_empty() {
        page.field("Kept out", format!("{} (asked for, but the template or the namespace does not allow them)", plan.kept_out.join(", ")));
    }
    page.field("Batches", batches(&plan.batches));
    steps(&mut page, &plan.manifest);
    match &plan.manifest.break_glass {
        Some(rule) => page.marked(Colour::Red, &format!("break-glass by rule {rule}: it waits for nobody but {}", plan.manifest.requester)),
        None => rules(&mut page, &plan.approvers, plan.manifest.approval.rejections),
    }
    page.print()
}

fn what(page: &mut Page<'_>, manifest: &Manifest, nodes: &[NodeEntry]) {
    page.field("Who", &manifest.requester);
    page.field(
        "What",
        format!("{}/{}, revision {} by {}", manifest.namespace, manifest.template.name, manifest.template.revision, manifest.template.author),
    );
    let names: Vec<&str> = nodes.iter().take(12).map(|node| node.name.as_str()).collect();
    let more = nodes.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    page.field("Where", format!("{}: {}{more}", count(nodes.len(), "node"), names.join(", ")));
    page.field("Why", if manifest.reason.is_empty() { "(no reason given)" } else { &manifest.reason });
    page.field("Inputs", inputs(manifest));
    page.field("How", format!("{}; at most {} a node", strategy(&manifest.strategy), manifest.timeout));
    page.field("As", manifest.run_as.as_deref().unwrap_or("the agent's own account"));
}

fn inputs(manifest: &Manifest) -> String {
    let plain = manifest.inputs.iter().map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    let secret = manifest.secrets.keys().map(|name| format!("{name}=(secret)"));
    let all: Vec<String> = plain.chain(secret).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(" ") }
}

/// The rollout in words.
pub fn strategy(strategy: &Strategy) -> String {
    let amount = |amount: Option<synod_domain::strategy::Amount>| {
        amount
            .and_then(|a| serde_json::to_value(a).ok())
            .map_or_else(|| "1".to_owned(), |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
    };
    let mut words = match strategy.kind {
        StrategyKind::OneThenRest => "one node first, then the rest".to_owned(),
        StrategyKind::AllAtOnce => "all at once".to_owned(),
        StrategyKind::Rolling => format!("rolling, {} at a time", amount(strategy.size)),
        StrategyKind::Exponential => format!("{} first, then twice as many each time", amount(strategy.size)),
    };
    let _ = match amount(Some(strategy.max_failures)).as_str() {
        "0" => write!(words, "; stops at the first failure"),
        most => write!(words, "; stops when more than {most} failed"),
    };
    if strategy.pause.as_millis() > 0 {
        let _ = write!(words, "; pause of {}", strategy.pause);
    }
    if strategy.gate == Gate::Manual {
        words.push_str("; somebody lets each further batch go");
    }
    words
}

fn steps(page: &mut Page<'_>, manifest: &Manifest) {
    // Rendered here from the manifest that the digest covers, not taken from the server's own rendering.
    let mut inputs: Map<String, Value> = manifest.inputs.clone();
    inputs.extend(manifest.secrets.keys().map(|name| (name.clone(), Value::String(format!("⟨secret {name}⟩")))));
    let inputs = Value::Object(inputs);
    page.head("Steps:");
    for (n, step) in manifest.steps.iter().enumerate() {
        step_words(page, n, step, &inputs);
    }
}

fn step_words(page: &mut Page<'_>, n: usize, step: &Step, inputs: &Value) {
    let mut title = format!("{}. {}", n + 1, step.name);
    if let Some(condition) = &step.when {
        let _ = write!(title, ", when {condition}");
    }
    if let Some(retry) = &step.retry {
        let _ = write!(title, ", again every {} until {}, at most {}", retry.every, retry.until, count(retry.limit as usize, "time"));
    }
    if let Some(limit) = step.timeout {
        let _ = write!(title, ", at most {limit}");
    }
    if step.continue_on_failure {
        title.push_str(", failing or not");
    }
    page.item(title);
    if let Some(source) = &step.run {
        page.script(&preview(source, inputs));
        if !is_plain(source) {
            // What a node fills in may choose another branch than was chosen here.
            page.marked(Colour::Yellow, "    mind: nodes decide what this becomes; as it is written, and as you sign it:");
            page.script(source);
        }
        if uses_raw(source) {
            page.marked(Colour::Yellow, "    mind: `raw` lets a value become code here");
        }
    }
    for (name, value) in &step.env {
        page.item(format!("    {name}={}", preview(value, inputs)));
    }
    page.expects(step);
}

/// How many people can call a run off: `1 rejection ends it`.
pub fn rejections(n: u32) -> String {
    if n == 1 { "1 rejection ends it".to_owned() } else { format!("{n} rejections end it") }
}

/// What a step's outcome must look like, in words: `exit code 0, standard error without "failed"`.
fn expectation(expect: &Expect, goes_on: bool) -> String {
    let mut words = vec![format!("exit code {}", expect.exit_code.unwrap_or(0))];
    for (name, check) in [("standard output", &expect.stdout), ("standard error", &expect.stderr)] {
        let Some(check) = check else { continue };
        let all = [("with", &check.contains), ("without", &check.not_contains), ("matching", &check.matches), ("not matching", &check.not_matches)];
        words.extend(all.into_iter().filter_map(|(how, text)| text.as_ref().map(|text| format!("{name} {how} \"{text}\""))));
    }
    let otherwise = match expect.on_mismatch {
        OnMismatch::Fail if goes_on => "otherwise it fails",
        OnMismatch::Fail => "otherwise it fails and the rollout stops",
        OnMismatch::Warn => "otherwise it warns",
    };
    format!("{}; {otherwise}", words.join(", "))
}

fn rules(page: &mut Page<'_>, rules: &[RuleStatus], most_rejections: u32) {
    if rules.is_empty() {
        page.field("Approval", "none is needed");
        return;
    }
    page.head("Approval:");
    for rule in rules {
        let filled = if rule.filled_by.is_empty() { String::new() } else { format!(" — by {}", rule.filled_by.join(", ")) };
        if rule.missing == 0 {
            page.marked(Colour::Green, &format!("✓ {}{filled}", rule.rule));
        } else {
            let could = if rule.candidates.is_empty() { "nobody could".to_owned() } else { format!("could: {}", rule.candidates.join(", ")) };
            page.marked(Colour::Yellow, &format!("· {}{filled} — {} missing, {could}", rule.rule, rule.missing));
        }
    }
    page.item(rejections(most_rejections));
}

/// Where a run stands that was started by break-glass, in words.
pub fn ratification(state: Ratification) -> &'static str {
    match state {
        Ratification::Unratified => "not ratified yet",
        Ratification::Ratified => "ratified after the fact",
        Ratification::Incident => "closed by an incident",
    }
}

fn break_glass(page: &mut Page<'_>, run: &Run) {
    let Some(rule) = &run.manifest.break_glass else { return };
    let state = run.summary.ratification.map(|state| format!("; {}", ratification(state))).unwrap_or_default();
    let colour = if run.summary.ratification == Some(Ratification::Unratified) { Colour::Red } else { Colour::Yellow };
    page.marked(colour, &format!("break-glass by rule {rule}: {} starts it without waiting for others{state}", run.manifest.requester));
}

/// What signatures it takes under the trust root, and which count.
fn signing(page: &mut Page<'_>, run: &Run) {
    // A start by break-glass takes its requester's signature alone, which is told above.
    let Some(signing) = run.signing.as_ref().filter(|signing| !signing.rules.is_empty() || !signing.uncovered.is_empty()) else { return };
    page.head(&format!("Signatures, by version {} of the trust root:", signing.root_version));
    for rule in &signing.rules {
        let filled = if rule.filled_by.is_empty() { String::new() } else { format!(" — signed by {}", rule.filled_by.join(", ")) };
        match rule.missing {
            0 => page.marked(Colour::Green, &format!("✓ {}: {}{filled}", rule.name, rule.rule)),
            missing => page.marked(Colour::Yellow, &format!("· {}: {}{filled} — {missing} missing", rule.name, rule.rule)),
        }
    }
    if !signing.uncovered.is_empty() {
        page.marked(Colour::Red, &format!("no rule is about {}: nodes that enforce will refuse", signing.uncovered.join(", ")));
    }
}

fn approvals(page: &mut Page<'_>, run: &Run) {
    if run.approvals.is_empty() {
        return;
    }
    page.head("Decisions:");
    for one in &run.approvals {
        let what = if one.decision == synod_domain::approval::Decision::Approve { "approved" } else { "rejected" };
        let comment = if one.comment.is_empty() { String::new() } else { format!(": {}", one.comment) };
        let mut mind = String::new();
        if one.digest != run.digest {
            mind.push_str(" (another manifest)");
        } else if !one.counts {
            let why = one.why_not.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            mind = format!(" (does not count{why})");
        }
        let key = one.key.as_ref().map(|key| format!(" with {key}")).unwrap_or_default();
        page.item(format!("{} {what} {}{key}{mind}{comment}", one.person, when::full(one.at)));
    }
}

fn comparison(page: &mut Page<'_>, run: &Run) {
    let Some(before) = &run.comparison else { return };
    let what = if before.replay { "Replay of" } else { "Last time" };
    let ended = before.finished_at.map(|at| format!(" {}", when::full(at))).unwrap_or_default();
    page.field(what, format!("{} {}{ended}: {}", before.run, before.phase, counts(&before.tasks)));
    if before.differences.is_empty() {
        page.item("no differences");
    }
    for line in &before.differences {
        page.marked(Colour::Yellow, line);
    }
}

/// Tasks by phase in words: `3 succeeded, 1 failed`.
pub fn counts(tasks: &TaskCounts) -> String {
    let all = [
        (tasks.waiting, "waiting"),
        (tasks.assigned, "assigned"),
        (tasks.started, "started"),
        (tasks.succeeded, "succeeded"),
        (tasks.failed, "failed"),
        (tasks.timed_out, "timed out"),
        (tasks.lost, "lost"),
        (tasks.refused, "refused"),
        (tasks.skipped, "skipped"),
        (tasks.cancelled, "cancelled"),
    ];
    let words: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Sizes of batches, equal ones taken together: `1, 3 × 5`.
pub fn batches(sizes: &[u32]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = sizes;
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|size| *size == first).count();
        words.push(if same > 1 { format!("{same} × {first}") } else { first.to_string() });
        rest = &rest[same..];
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// What happens next, and by whose hand.
pub fn next(run: &Run) -> String {
    let id = &run.summary.id;
    if run.summary.phase.ended() && run.summary.ratification == Some(Ratification::Unratified) {
        return format!("others look at it afterwards: synod ratify {id}, or synod incident {id} --reference WHERE");
    }
    match run.summary.phase {
        Phase::Pending if run.awaits_me => format!("your decision: synod approve {id}, or synod reject {id} --comment WHY"),
        Phase::Pending => "others decide; it expires unless enough people agree".to_owned(),
        Phase::Approved => match run.summary.not_before {
            Some(at) if at > when::now() => format!("it starts at {}", when::full(at)),
            _ => "it starts at once".to_owned(),
        },
        Phase::Running if run.cancelling => "it is being cancelled".to_owned(),
        Phase::Running if run.at_gate => format!("it waits at a gate: synod proceed {id}, or synod cancel {id}"),
        Phase::Running => format!("it goes on by itself; follow it: synod watch {id}"),
        Phase::Succeeded => "nothing, it is done".to_owned(),
        Phase::Failed => format!("nothing; see synod logs {id} and synod get tasks --run {id}"),
        Phase::Cancelled | Phase::Rejected | Phase::Expired => "nothing; request it again if it is still wanted".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn sample() -> (Run, Vec<NodeEntry>) {
        let nodes = vec![NodeEntry { id: "1".into(), name: "web-1".into() }, NodeEntry { id: "2".into(), name: "web-2".into() }];
        let manifest: Manifest = serde_json::from_value(json!({
            "apiVersion": "synod/v1", "kind": "Manifest", "run": "r1", "namespace": "shop",
            "template": {"name": "restart", "revision": 3, "digest": "sha256:00", "author": "alice"},
            "requester": "dave", "reason": "stuck\u{1b}[2J", "inputs": {"service": "web"}, "secrets": {"token": "sha256:11"},
            "nodes": NodeSet::of(&nodes).unwrap(),
            "strategy": {"type": "oneThenRest"}, "approval": {"rules": [{"count": 1, "from": {"role": "approver"}}]},
            "steps": [{"name": "go", "run": "restart {{ inputs.service }} {{ inputs.token }} on {{ node.name }}"}], "timeout": "1m", "startDeadline": "2m",
            "createdAt": "2026-01-01T00:00:00Z", "approveBy": "2026-01-02T00:00:00Z", "expiresAt": "2026-01-03T00:00:00Z", "nonce": "n"
        }))
        .unwrap();
        let (_, digest) = manifest.seal().unwrap();
        let run = serde_json::from_value(json!({
            "id": "r1", "namespace": "shop", "template": "restart", "revision": 3, "title": "Restart", "requester": "dave", "reason": "stuck", "phase": "pending",
            "nodeCount": 2, "createdAt": "2026-01-01T00:00:00Z", "approveBy": "2026-01-02T00:00:00Z", "digest": digest, "manifest": manifest, "preview": [],
            "rules": [{"rule": "1 with role approver", "count": 1, "filledBy": [], "missing": 1, "candidates": ["bob"]}], "approvals": [],
            "tasks": TaskCounts::default(), "batch": 0, "batches": [1, 1], "atGate": false, "cancelling": false, "awaitsMe": true
        }))
        .unwrap();
        (run, nodes)
    }

    #[test]
    fn a_page_says_who_what_where_why_and_what_next() {
        let (run, nodes) = sample();
        let out = Out::plain(crate::output::Format::Table);
        let mut page = Page::new(&out);
        what(&mut page, &run.manifest, &nodes);
        steps(&mut page, &run.manifest);
        rules(&mut page, &run.rules, 1);
        for words in [
            "Who:          dave",
            "shop/restart, revision 3 by alice",
            "2 nodes: web-1, web-2",
            "stuck\\u{1b}[2J",
            "service=web token=(secret)",
            "restart web '⟨secret token⟩' on",
            "could: bob",
            "one node first",
        ] {
            assert!(page.text.contains(words), "{words}: {}", page.text);
        }
        assert!(next(&run).contains("synod approve r1"));
    }

    #[test]
    fn signatures_and_break_glass_are_shown() {
        let (mut run, _) = sample();
        run.manifest.break_glass = Some("night".into());
        run.summary.ratification = Some(Ratification::Unratified);
        run.signing = serde_json::from_value(json!({"rootVersion": 2, "rootDigest": "sha256:00", "uncovered": ["db-1"], "rules": [
            {"name": "shop", "rule": "2 with role approver", "filledBy": ["bob"], "missing": 1}, {"name": "all", "rule": "1 of group x", "filledBy": ["eve"], "missing": 0}]}))
        .unwrap();
        run.approvals = serde_json::from_value(json!([{"person": "bob", "decision": "approve", "digest": run.digest, "comment": "", "at": "2026-01-01T00:00:00Z", "counts": true, "key": "SHA256:abc"}])).unwrap();
        let out = Out::plain(crate::output::Format::Table);
        let mut page = Page::new(&out);
        break_glass(&mut page, &run);
        signing(&mut page, &run);
        approvals(&mut page, &run);
        for words in [
            "break-glass by rule night: dave starts it without waiting for others; not ratified yet",
            "by version 2 of the trust root",
            "· shop: 2 with role approver — signed by bob — 1 missing",
            "✓ all: 1 of group x — signed by eve",
            "no rule is about db-1",
            " with SHA256:abc",
        ] {
            assert!(page.text.contains(words), "{words}: {}", page.text);
        }
        run.summary.phase = Phase::Succeeded;
        assert!(next(&run).contains("synod ratify r1"));
    }

    #[test]
    fn a_manifest_that_is_not_what_the_digest_says_is_noticed() {
        let (run, nodes) = sample();
        assert!(verify(&run, &nodes).is_ok());
        assert!(verify(&run, &nodes[..1]).is_err());
        let mut other = run;
        other.manifest.steps[0].run = Some("rm -rf /".into());
        assert_eq!(verify(&other, &nodes).unwrap_err().exit(), Exit::Denied);
    }

    #[test]
    fn expectations_are_plain_words() {
        let expect: Expect = serde_json::from_value(json!({"exitCode": 0, "stderr": {"notContains": "did not start"}, "onMismatch": "fail"})).unwrap();
        assert_eq!(expectation(&expect, false), "exit code 0, standard error without \"did not start\"; otherwise it fails and the rollout stops");
        let expect: Expect = serde_json::from_value(json!({"stdout": {"contains": "ok", "matches": "^up"}, "onMismatch": "warn"})).unwrap();
        assert_eq!(expectation(&expect, false), "exit code 0, standard output with \"ok\", standard output matching \"^up\"; otherwise it warns");
        assert_eq!((rejections(1), rejections(2)), ("1 rejection ends it".to_owned(), "2 rejections end it".to_owned()));
    }

    #[test]
    fn counts_and_batches_read_well() {
        assert_eq!(batches(&[1, 5, 5, 5, 2]), "1, 3 × 5, 2");
        assert_eq!(counts(&TaskCounts { succeeded: 3, timed_out: 1, ..TaskCounts::default() }), "3 succeeded, 1 timed out");
    }
}
