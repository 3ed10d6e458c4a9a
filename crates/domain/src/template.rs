//! A template: what may be requested, by which inputs, where, with whose consent, and how it rolls out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Role;
use crate::check::Expect;
use crate::problem::Problem;
use crate::selector::Selector;
use crate::span::Span;
use crate::strategy::Strategy;
use crate::{inputs, render};

/// The longest script of one step, in bytes: it travels as one environment string (128 KiB on Linux).
pub const MAX_SCRIPT_BYTES: usize = 64 * 1024;
/// The most steps of one template.
pub const MAX_STEPS: usize = 100;

/// The spec of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateSpec {
    /// A title for people.
    pub title: String,
    /// What it does and what those affected will notice, in a layman's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it may be requested.
    #[serde(default = "crate::defaults::yes")]
    pub enabled: bool,
    /// JSON Schema (2020-12) of the inputs; `writeOnly: true` marks a secret.
    #[serde(default = "inputs::none")]
    #[schema(value_type = Object)]
    pub inputs: Value,
    /// Where it may run.
    #[serde(default)]
    pub targets: Targets,
    /// Who must agree.
    pub approval: ApprovalPolicy,
    /// How it spreads over the nodes.
    #[serde(default)]
    pub strategy: Strategy,
    /// How long one node may take for all steps together.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// How long a node may take to begin before it counts as failed.
    #[serde(default = "default_start_deadline")]
    pub start_deadline: Span,
    /// The account the steps run as; the agent's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// What is done on each node, in order.
    pub steps: Vec<Step>,
}

fn default_timeout() -> Span {
    Span::secs(600)
}

fn default_start_deadline() -> Span {
    Span::secs(120)
}

/// Where a template may run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Targets {
    /// Only nodes that match.
    pub selector: Selector,
    /// Never nodes that match this, when given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Selector>,
    /// At least so many nodes.
    pub min: u32,
    /// At most so many nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

impl Default for Targets {
    fn default() -> Self {
        Self { selector: Selector::default(), exclude: None, min: 1, max: None }
    }
}

/// Who must agree before a run of the template starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalPolicy {
    /// All must be met, by distinct persons. None at all means that a request starts at once.
    pub rules: Vec<ApprovalRule>,
    /// Whether the requester's own approval counts.
    #[serde(default)]
    pub requester_may_approve: bool,
    /// Whether the approval of whoever wrote this revision of the template counts.
    #[serde(default = "crate::defaults::yes")]
    pub author_may_approve: bool,
    /// So many rejections end the run.
    #[serde(default = "crate::defaults::one")]
    pub rejections: u32,
    /// How long a request waits for approval.
    #[serde(default = "a_day")]
    pub expires_after: Span,
    /// How long after that (or after its not-before time) tasks may still start.
    #[serde(default = "a_day")]
    pub runs_within: Span,
}

fn a_day() -> Span {
    Span::secs(86_400)
}

/// So many distinct persons of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalRule {
    /// How many.
    pub count: u32,
    /// Of whom.
    pub from: Approvers,
}

/// The people one rule asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approvers {
    /// Holders of the role in the run's namespace (or of one that includes it).
    Role(Role),
    /// Members of the group.
    Group(String),
    /// This one person.
    User(String),
}

impl std::fmt::Display for ApprovalRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.from {
            Approvers::Role(role) => write!(f, "{} with role {role}", self.count),
            Approvers::Group(group) => write!(f, "{} of group {group}", self.count),
            Approvers::User(user) => write!(f, "user {user}"),
        }
    }
}

/// One thing done on a node. Exactly one kind of work is named; today `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The name later steps refer to: `steps['check'].stdout`.
    pub name: String,
    /// A shell script; `{{ … }}` is filled in on the node and quoted for the shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Skip the step unless this expression is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Extra environment; values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How long this step may take, all attempts together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Try again until an expression is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What the outcome must look like; without it, the exit code must be 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Go on with the next step even when this one failed; the task then does not fail by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_failure: bool,
}

/// When to try a step again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Stop when this is true; it sees `result`, `inputs`, `steps`, `facts`, `node` and `run`.
    pub until: String,
    /// Pause between two attempts.
    #[serde(default = "one_second")]
    pub every: Span,
    /// At most so many attempts.
    #[serde(default = "ten")]
    pub limit: u32,
}

fn one_second() -> Span {
    Span::secs(1)
}

fn ten() -> u32 {
    10
}

impl TemplateSpec {
    /// Everything that is wrong beyond the shape of the document.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.title.trim().is_empty() {
            problems.push(Problem::at("/spec/title", "the title is empty"));
        }
        if let Err(found) = inputs::compile(&self.inputs) {
            problems.extend(found.into_iter().map(|p| p.under("/spec/inputs")));
        }
        if let Some(max) = self.targets.max
            && max < self.targets.min
        {
            problems.push(Problem::at("/spec/targets/max", format!("max {max} is less than min {}", self.targets.min)));
        }
        self.check_approval(&mut problems);
        problems.extend(self.strategy.check().into_iter().map(|p| p.under("/spec/strategy")));
        for (field, span) in [("timeout", self.timeout), ("startDeadline", self.start_deadline)] {
            if span == Span::default() {
                problems.push(Problem::at(format!("/spec/{field}"), "must be longer than nothing"));
            }
        }
        if let Some(account) = &self.run_as
            && !is_account(account)
        {
            problems.push(Problem::at("/spec/runAs", format!("`{account}` is not an account name")));
        }
        self.check_steps(&mut problems);
        problems
    }

    fn check_approval(&self, problems: &mut Vec<Problem>) {
        for (n, rule) in self.approval.rules.iter().enumerate() {
            let at = format!("/spec/approval/rules/{n}/count");
            if rule.count == 0 {
                problems.push(Problem::at(at, "a rule asks for at least one person").hint("leave the rule out"));
            } else if rule.count > 100 {
                problems.push(Problem::at(at, "a rule asks for at most 100 persons"));
            } else if rule.count > 1 && matches!(rule.from, Approvers::User(_)) {
                problems.push(Problem::at(at, "one user is one person").hint("write `count: 1`"));
            }
        }
        if self.approval.rejections == 0 {
            problems.push(Problem::at("/spec/approval/rejections", "at least one rejection ends a run"));
        }
        if self.approval.expires_after == Span::default() {
            problems.push(Problem::at("/spec/approval/expiresAfter", "a request must live for some time"));
        }
    }

    fn check_steps(&self, problems: &mut Vec<Problem>) {
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            problems.push(Problem::at("/spec/steps", format!("a template has 1 to {MAX_STEPS} steps, this one {}", self.steps.len())));
        }
        let names = inputs::names(&self.inputs);
        let mut earlier: Vec<&str> = Vec::new();
        for (n, step) in self.steps.iter().enumerate() {
            let at = format!("/spec/steps/{n}");
            if step.name.trim().is_empty() || step.name.len() > 100 || step.name.contains(['\'', '"', '\n']) {
                problems.push(Problem::at(format!("{at}/name"), "a step's name has 1 to 100 characters, no quotes and no line breaks"));
            }
            if earlier.contains(&step.name.as_str()) {
                problems.push(Problem::at(format!("{at}/name"), format!("an earlier step is named `{}` too", step.name)));
            }
            let scope = render::Scope { inputs: &names, steps: &earlier };
            match &step.run {
                None => problems.push(Problem::at(&at, "the step does nothing").hint("add `run: COMMAND`")),
                Some(script) if script.len() > MAX_SCRIPT_BYTES => {
                    problems.push(Problem::at(format!("{at}/run"), format!("the script is longer than {MAX_SCRIPT_BYTES} bytes")));
                }
                Some(script) => problems.extend(scope.check_script(script).into_iter().map(|p| p.under(&format!("{at}/run")))),
            }
            if let Some(when) = &step.when {
                problems.extend(scope.check_expression(when, false).into_iter().map(|p| p.under(&format!("{at}/when"))));
            }
            for (name, value) in &step.env {
                let at = format!("{at}/env{}", crate::problem::segment(name));
                if !is_variable(name) || name.starts_with("SYNOD_") {
                    problems.push(
                        Problem::at(&at, format!("`{name}` cannot be a variable of a step"))
                            .hint("use letters, digits and `_`; names beginning with SYNOD_ are Synod's own"),
                    );
                }
                problems.extend(scope.check_text(value).into_iter().map(|p| p.under(&at)));
            }
            if let Some(retry) = &step.retry {
                problems.extend(scope.check_expression(&retry.until, true).into_iter().map(|p| p.under(&format!("{at}/retry/until"))));
                if retry.limit == 0 || retry.limit > 10_000 {
                    problems.push(Problem::at(format!("{at}/retry/limit"), "between 1 and 10000 attempts"));
                }
            }
            if let Some(expect) = &step.expect {
                problems.extend(expect.check().into_iter().map(|p| p.under(&format!("{at}/expect"))));
            }
            earlier.push(&step.name);
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_account(name: &str) -> bool {
    !name.is_empty() && name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut value = json!({
            "title": "t", "approval": {"rules": [{"count": 1, "from": {"role": "approver"}}]},
            "inputs": {"type": "object", "properties": {"service": {"type": "string"}}, "additionalProperties": false},
            "steps": [{"name": "one", "run": "echo {{ inputs.service }}"}, {"name": "two", "run": "true", "when": "steps['one'].exit_code == 0"}]
        });
        change(&mut value);
        let spec: TemplateSpec = serde_json::from_value(value).unwrap();
        spec.check().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_template_has_no_problems() {
        assert_eq!(spec(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn each_defect_is_named_with_its_place() {
        type Case = (fn(&mut Value), &'static str);
        let cases: [Case; 12] = [
            (|v| v["steps"][0]["run"] = json!("echo {{ inputs.servise }}"), "/spec/steps/0/run"),
            (|v| v["steps"][0]["run"] = json!("a\nb {{ inputs.service"), "line 2"),
            (|v| v["steps"][0]["run"] = json!("echo {{ nonsense }}"), "nonsense"),
            (|v| v["steps"][1]["when"] = json!("steps['three'].exit_code == 0"), "three"),
            (|v| v["steps"][1]["name"] = json!("one"), "/spec/steps/1/name"),
            (|v| v["steps"] = json!([]), "/spec/steps"),
            (|v| v["steps"][0] = json!({"name": "x"}), "does nothing"),
            (|v| v["approval"]["rules"][0]["count"] = json!(0), "/spec/approval/rules/0/count"),
            (|v| v["targets"] = json!({"min": 3, "max": 2}), "/spec/targets/max"),
            (|v| v["strategy"] = json!({"type": "rolling", "size": "0%"}), "/spec/strategy/size"),
            (|v| v["steps"][0]["expect"] = json!({"stdout": {"matches": "("}}), "/spec/steps/0/expect/stdout/matches"),
            (|v| v["inputs"] = json!({"type": "objekt"}), "/spec/inputs/type"),
        ];
        for (change, wanted) in cases {
            let found = spec(change);
            assert!(found.iter().any(|p| p.contains(wanted)), "{wanted}: {found:?}");
        }
    }
}
