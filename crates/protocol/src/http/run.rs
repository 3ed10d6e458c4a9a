//! Runs: request, decide, watch, cancel, replay.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_domain::Timestamp;
use synod_domain::approval::Decision;
use synod_domain::manifest::{Manifest, NodeEntry};
use synod_domain::run::{Phase, Ratification};
use synod_domain::selector::{Selector, SelectorError};
use synod_domain::task;
use synod_trust::Envelope;

use super::trust::Signing;

/// `POST /api/v1/runs`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunRequest {
    /// The template's namespace.
    pub namespace: String,
    /// The template's name.
    pub template: String,
    /// The revision; the newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The inputs.
    #[serde(default = "no_inputs")]
    #[schema(value_type = Object)]
    pub inputs: Value,
    /// On which nodes, within what the template allows.
    #[serde(default)]
    pub target: Target,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Nothing starts before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Start without waiting for others, by the break-glass rule of this name in the trust root; empty for the one that
    /// fits. The run awaits only the requester's own signed decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
    /// Only tells what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// A label query as it was sent. It is read by the operation, so that a wrong one is refused as such.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(example = "role=web,env!=dev")]
pub struct Target(pub String);

impl Target {
    /// Reads it.
    pub fn selector(&self) -> Result<Selector, SelectorError> {
        self.0.parse()
    }
}

impl From<Selector> for Target {
    fn from(selector: Selector) -> Self {
        Self(selector.to_string())
    }
}

impl std::str::FromStr for Target {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        text.parse::<Selector>().map(Self::from)
    }
}

fn no_inputs() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What a request would do: the answer to a dry run.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunPlan {
    /// The manifest; run id and nonce are placeholders.
    pub manifest: Manifest,
    /// The nodes in rollout order.
    pub nodes: Vec<NodeEntry>,
    /// Nodes the request asked for that the template or namespace keeps out.
    pub kept_out: Vec<String>,
    /// Sizes of the batches.
    pub batches: Vec<u32>,
    /// Each rule and the people who could fill it now.
    pub approvers: Vec<RuleStatus>,
    /// The steps with the inputs filled in.
    pub preview: Vec<StepPreview>,
}

/// One step as people read it before they decide.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepPreview {
    /// The step's name.
    pub name: String,
    /// The script with the inputs filled in; `⟨…⟩` is only known on the node.
    pub script: String,
    /// Whether `raw` lets a value become code.
    pub raw: bool,
}

/// One approval rule and how it stands.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleStatus {
    /// In words: `1 with role approver`.
    pub rule: String,
    /// How many it asks for.
    pub count: u32,
    /// Who fills it.
    pub filled_by: Vec<String>,
    /// How many are missing.
    pub missing: u32,
    /// Who could still fill it.
    pub candidates: Vec<String>,
}

/// A run in listings.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// Its id.
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// Its template.
    pub template: String,
    /// The template's revision.
    pub revision: u64,
    /// The template's title.
    pub title: String,
    /// Who asked.
    pub requester: String,
    /// Why.
    pub reason: String,
    /// Where it stands.
    pub phase: Phase,
    /// How many nodes.
    pub node_count: u32,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When nobody may decide any more.
    pub approve_by: Timestamp,
    /// Nothing starts before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When the first task was given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it ended as it did, or what it waits for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The break-glass rule it is started by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
    /// Where it stands after the fact, when it was started by break-glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratification: Option<Ratification>,
}

/// A run with everything a person needs to decide or to follow it.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// As in listings.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// What is approved: the digest of the manifest.
    pub digest: String,
    /// The manifest.
    pub manifest: Manifest,
    /// The steps with the inputs filled in.
    pub preview: Vec<StepPreview>,
    /// How the rules stand.
    pub rules: Vec<RuleStatus>,
    /// Decisions so far.
    pub approvals: Vec<Approval>,
    /// Tasks by phase.
    pub tasks: TaskCounts,
    /// Batches begun and planned sizes.
    pub batch: u32,
    /// Sizes of the planned batches.
    pub batches: Vec<u32>,
    /// Whether it waits for somebody to proceed.
    pub at_gate: bool,
    /// Whether somebody asked to cancel.
    pub cancelling: bool,
    /// What signatures it takes and has, when the published trust root covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// Whether the caller's approval is awaited.
    pub awaits_me: bool,
    /// What differs from the last run of this template, or from the replayed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// How many tasks are in each phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct TaskCounts {
    pub waiting: u32,
    pub assigned: u32,
    pub started: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub timed_out: u32,
    pub lost: u32,
    pub refused: u32,
    pub skipped: u32,
    pub cancelled: u32,
}

impl TaskCounts {
    /// Adds `n` tasks in a phase.
    pub fn add(&mut self, phase: task::Phase, n: u32) {
        *match phase {
            task::Phase::Waiting => &mut self.waiting,
            task::Phase::Assigned => &mut self.assigned,
            task::Phase::Started => &mut self.started,
            task::Phase::Succeeded => &mut self.succeeded,
            task::Phase::Failed => &mut self.failed,
            task::Phase::TimedOut => &mut self.timed_out,
            task::Phase::Lost => &mut self.lost,
            task::Phase::Refused => &mut self.refused,
            task::Phase::Skipped => &mut self.skipped,
            task::Phase::Cancelled => &mut self.cancelled,
        } += n;
    }

    /// All tasks.
    pub fn total(&self) -> u32 {
        self.waiting + self.assigned + self.started + self.ended()
    }

    /// Tasks that have come to their end.
    pub fn ended(&self) -> u32 {
        self.succeeded + self.failed + self.timed_out + self.lost + self.refused + self.skipped + self.cancelled
    }
}

/// An earlier run beside this one.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The earlier run.
    pub run: String,
    /// Whether this run is a replay of it.
    pub replay: bool,
    /// How it ended.
    pub phase: Phase,
    /// Its tasks.
    pub tasks: TaskCounts,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What differs, one line each: `inputs.service: "web" → "worker"`.
    pub differences: Vec<String>,
}

/// A decision.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who.
    pub person: String,
    /// What.
    pub decision: Decision,
    /// On which digest.
    pub digest: String,
    /// Their words.
    pub comment: String,
    /// When.
    pub at: Timestamp,
    /// Whether it counts as things stand.
    pub counts: bool,
    /// Why it does not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// The key it was signed with; absent when it was not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `POST /api/v1/runs/{run}/approvals`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalRequest {
    /// The digest decided on; must be the run's.
    pub digest: String,
    /// Approve or reject.
    pub decision: Decision,
    /// Words for the record; the same as those signed.
    #[serde(default)]
    pub comment: String,
    /// The signed decision; needed when the published trust root covers the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Envelope>,
}

/// `POST /api/v1/runs/{run}/cancel`
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CancelRequest {
    /// Why.
    pub reason: String,
}

/// `POST /api/v1/runs/{run}/replay`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    /// On which nodes this time.
    pub target: Target,
    /// Why; the first run's reason when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Secret inputs, which are not kept and must be given again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub secrets: Option<Value>,
    /// Nothing starts before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Only tells what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// Filters of `GET /api/v1/runs`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunQuery {
    /// Only in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only of this template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Only in these phases, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Only by this requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Only those that await the caller's decision.
    #[serde(default)]
    pub awaiting_me: bool,
    /// Only those started by break-glass that nobody has ratified yet.
    #[serde(default)]
    pub unratified: bool,
    /// At most so many (1 to 500, default 50).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// From `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The nodes of a run, in rollout order.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunNodes {
    /// The nodes.
    pub nodes: Vec<RunNode>,
}

/// A node of a run and how its task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunNode {
    /// The node's identity.
    pub id: String,
    /// The node's name.
    pub name: String,
    /// Its task: `RUN.INDEX`.
    #[serde(default)]
    pub task: String,
    /// Where the task stands; absent while the run has not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<task::Phase>,
    /// The exit code of the deciding step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

impl RunNode {
    /// As the manifest counts it.
    pub fn entry(&self) -> NodeEntry {
        NodeEntry { id: self.id.clone(), name: self.name.clone() }
    }
}
