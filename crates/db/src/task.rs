//! Tasks and their output.

use serde::{Deserialize, Serialize};
use synod_domain::strategy::Tally;
use synod_domain::task::{Phase, StepOutcome};
use synod_domain::{Result, Timestamp};

use crate::filter::Select;
use crate::{ColumnType, Param, Query, Row, Tx, params, to_records};

/// A task as stored.
#[derive(Debug, Clone)]
pub struct Task {
    /// The run.
    pub run: String,
    /// Place in rollout order.
    pub idx: u32,
    /// The node's identity.
    pub node_id: String,
    /// The node's name.
    pub node: String,
    /// The run's namespace.
    pub namespace: String,
    /// The run's template.
    pub template: String,
    /// Where it stands.
    pub phase: Phase,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its batch.
    pub batch: Option<u32>,
    /// When it was given out.
    pub assigned_at: Option<Timestamp>,
    /// When to stop waiting.
    pub deadline_at: Option<Timestamp>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The deciding exit code.
    pub exit_code: Option<i32>,
    /// Why it did not succeed.
    pub reason: String,
    /// Steps, warnings, digest.
    pub detail: Detail,
}

/// The less asked-for part of a task's outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Detail {
    /// The steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepOutcome>,
    /// Checks that only warn and did not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether output was dropped beyond the bound.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// SHA-256 over the kept output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_digest: Option<String>,
}

impl Task {
    /// Where it stands in listings.
    pub fn place(&self) -> Place {
        Place { created_at: self.created_at, node: self.node.clone(), phase: self.phase, run: self.run.clone(), idx: self.idx }
    }
}

const COLUMNS: &str = "run_id, idx, node_id, node_name, namespace, template, phase, created_at, batch, assigned_at, deadline_at, started_at, finished_at, exit_code, reason, detail";

fn task(row: &Row) -> Result<Task> {
    Ok(Task {
        run: row.text(0),
        idx: row.uint(1),
        node_id: row.text(2),
        node: row.text(3),
        namespace: row.text(4),
        template: row.text(5),
        phase: row.word(6)?,
        created_at: row.time(7),
        batch: row.int_opt(8).and_then(|n| u32::try_from(n).ok()),
        assigned_at: row.time_opt(9),
        deadline_at: row.time_opt(10),
        started_at: row.time_opt(11),
        finished_at: row.time_opt(12),
        exit_code: row.int_opt(13).and_then(|n| i32::try_from(n).ok()),
        reason: row.text(14),
        detail: row.json(15)?,
    })
}

/// A task that is to go to its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The run.
    pub run: String,
    /// Place in rollout order.
    pub idx: u32,
    /// The node's identity.
    pub node_id: String,
    /// Not to be started after.
    pub start_by: Timestamp,
}

/// Makes the tasks of a run, the first `first` of them assigned, the rest waiting.
pub fn create(tx: &mut Tx, run: &crate::run::Run, first: u32, now: Timestamp, start_by: Timestamp) {
    tx.later(
        "INSERT INTO tasks (run_id, idx, node_id, node_name, namespace, template, phase, created_at, batch, assigned_at, deadline_at)
         SELECT run_id, idx, node_id, node_name, $2, $3,
                CASE WHEN idx < $4 THEN 'assigned' ELSE 'waiting' END, $5,
                CASE WHEN idx < $4 THEN 0 END, CASE WHEN idx < $4 THEN $5 END, CASE WHEN idx < $4 THEN $6 END
         FROM run_nodes WHERE run_id = $1",
        params![&run.id, &run.namespace, &run.template, first, now, start_by],
    );
}

/// Assigns the next `n` waiting tasks of a run as one batch.
pub async fn assign_next(tx: &mut Tx, run: &str, n: u32, batch: u32, now: Timestamp, start_by: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE tasks SET phase = 'assigned', batch = $3, assigned_at = $4, deadline_at = $5
         WHERE run_id = $1 AND idx IN (SELECT idx FROM tasks WHERE run_id = $1 AND phase = 'waiting' ORDER BY idx LIMIT $2)",
        params![run, n, batch, now, start_by],
    )
    .await?;
    Ok(())
}

fn assigned(row: &Row) -> Assigned {
    Assigned { run: row.text(0), idx: row.uint(1), node_id: row.text(2), start_by: row.time(3) }
}

/// Assigned tasks of one run.
pub async fn assigned_of_run(db: &mut impl Query, run: &str) -> Result<Vec<Assigned>> {
    let rows = db.query("SELECT run_id, idx, node_id, deadline_at FROM tasks WHERE run_id = $1 AND phase = 'assigned'", params![run]).await?;
    Ok(rows.iter().map(assigned).collect())
}

/// Assigned tasks of the nodes whose streams a server holds.
pub async fn assigned_to_server(db: &mut impl Query, server: &str) -> Result<Vec<Assigned>> {
    let rows = db
        .query(
            "SELECT t.run_id, t.idx, t.node_id, t.deadline_at FROM node_sessions s JOIN tasks t ON t.node_id = s.node_id
             WHERE s.server_id = $1 AND t.phase = 'assigned'",
            params![server],
        )
        .await?;
    Ok(rows.iter().map(assigned).collect())
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

/// Assigned and started tasks of some nodes; started ones say so.
pub async fn open_of_nodes(db: &mut impl Query, nodes: &[String]) -> Result<Vec<(Assigned, Phase)>> {
    let ids: Vec<Id<'_>> = nodes.iter().map(|id| Id { id }).collect();
    let records = db.dialect().records(1, &[("id", ColumnType::Text)]);
    let sql = format!(
        "SELECT t.run_id, t.idx, t.node_id, t.deadline_at, t.phase FROM {records} AS r JOIN tasks t ON t.node_id = r.id WHERE t.phase IN ('assigned', 'started')"
    );
    db.query(sql, params![to_records(&ids)?]).await?.iter().map(|row| Ok((assigned(row), row.word(4)?))).collect()
}

/// Tasks under way in runs that are being cancelled, on the nodes a server holds: their ids and nodes.
pub async fn to_cancel(db: &mut impl Query, server: &str) -> Result<Vec<(String, u32, String)>> {
    let rows = db
        .query(
            "SELECT t.run_id, t.idx, t.node_id FROM runs r JOIN tasks t ON t.run_id = r.id JOIN node_sessions s ON s.node_id = t.node_id
             WHERE r.phase = 'running' AND r.cancelling = 1 AND t.phase IN ('assigned', 'started') AND s.server_id = $1",
            params![server],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.text(0), row.uint(1), row.text(2))).collect())
}

/// How the tasks of a run stand, by phase: how many, and how many of them an explicit check failed. Whether one did is read of
/// those only that did not succeed: of all others the index tells all there is to know.
pub async fn counts(db: &mut impl Query, run: &str) -> Result<Vec<(Phase, u32, u32)>> {
    let rows = db
        .query(
            "SELECT t.phase, count(*), CASE WHEN t.phase IN ('failed', 'timed_out', 'lost', 'refused')
                 THEN (SELECT count(*) FROM tasks f WHERE f.run_id = $1 AND f.phase = t.phase AND f.check_failed = 1) ELSE 0 END
             FROM tasks t WHERE t.run_id = $1 GROUP BY t.phase",
            params![run],
        )
        .await?;
    rows.iter().map(|row| Ok((row.word(0)?, row.uint(1), row.uint(2)))).collect()
}

/// Whether tasks of a run are under way and none waits: then there is nothing to decide about it.
pub async fn all_under_way(db: &mut impl Query, run: &str) -> Result<bool> {
    let sql = "SELECT 1 WHERE EXISTS (SELECT 1 FROM tasks WHERE run_id = $1 AND phase IN ('assigned', 'started'))
               AND NOT EXISTS (SELECT 1 FROM tasks WHERE run_id = $1 AND phase = 'waiting')";
    Ok(db.first(sql, params![run]).await?.is_some())
}

/// How the tasks of a run stand, as the strategy sees them.
pub async fn tally(db: &mut impl Query, run: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    for (phase, n, checks) in counts(db, run).await? {
        tally.check_failed += checks;
        match phase {
            Phase::Waiting => tally.waiting += n,
            Phase::Assigned | Phase::Started => tally.active += n,
            Phase::Succeeded => tally.succeeded += n,
            Phase::Skipped => tally.skipped += n,
            Phase::Cancelled => tally.cancelled += n,
            Phase::Failed | Phase::TimedOut | Phase::Lost | Phase::Refused => tally.failed += n,
        }
    }
    Ok(tally)
}

/// Ends all waiting tasks of a run in a phase.
pub async fn end_waiting(tx: &mut Tx, run: &str, phase: Phase, reason: &str, now: Timestamp) -> Result<u64> {
    tx.execute(
        "UPDATE tasks SET phase = $2, reason = $3, finished_at = $4 WHERE run_id = $1 AND phase = 'waiting'",
        params![run, phase.name(), reason, now],
    )
    .await
}

/// Brings the deadlines of a run's tasks forward, because nobody wants them any more.
pub async fn hasten(tx: &mut Tx, run: &str, assigned: Timestamp, started: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE tasks SET deadline_at = CASE WHEN phase = 'assigned' THEN $2 ELSE $3 END
         WHERE run_id = $1 AND phase IN ('assigned', 'started') AND deadline_at > CASE WHEN phase = 'assigned' THEN $2 ELSE $3 END",
        params![run, assigned, started],
    )
    .await?;
    Ok(())
}

/// A task that a statement changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Touched {
    /// The run.
    pub run: String,
    /// Place in rollout order.
    pub idx: u32,
    /// The run's namespace.
    pub namespace: String,
    /// The node's name.
    pub node: String,
    /// The node's identity.
    pub node_id: String,
}

const TOUCHED: &str = "RETURNING tasks.run_id, tasks.idx, tasks.namespace, tasks.node_name, tasks.node_id";

fn touched(row: &Row) -> Touched {
    Touched { run: row.text(0), idx: row.uint(1), namespace: row.text(2), node: row.text(3), node_id: row.text(4) }
}

/// A task that has begun.
#[derive(Debug, Clone, Serialize)]
pub struct Started {
    /// The run.
    pub run_id: String,
    /// Place in rollout order.
    pub idx: u32,
    /// The node that says so.
    pub node_id: String,
    /// When, by the node's clock.
    pub at: i64,
    /// When to stop waiting for its end.
    pub deadline_at: i64,
}

/// Records tasks that have begun; those that were assigned to that node.
pub async fn started(tx: &mut Tx, tasks: &[Started]) -> Result<Vec<Touched>> {
    let records = tx.dialect().records(
        1,
        &[("run_id", ColumnType::Text), ("idx", ColumnType::Int), ("node_id", ColumnType::Text), ("at", ColumnType::Int), ("deadline_at", ColumnType::Int)],
    );
    let sql = format!(
        "UPDATE tasks SET phase = 'started', started_at = r.at, deadline_at = r.deadline_at FROM {records} AS r
         WHERE tasks.run_id = r.run_id AND tasks.idx = r.idx AND tasks.node_id = r.node_id AND tasks.phase = 'assigned'
         {TOUCHED}"
    );
    Ok(tx.query(sql, params![to_records(tasks)?]).await?.iter().map(touched).collect())
}

/// A task that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct Ended {
    /// The run.
    pub run_id: String,
    /// Place in rollout order.
    pub idx: u32,
    /// The node that says so.
    pub node_id: String,
    /// How.
    pub phase: String,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: i64,
    /// The deciding exit code.
    pub exit_code: Option<i32>,
    /// Why it did not succeed.
    pub reason: String,
    /// Whether an explicit check failed it.
    pub check_failed: u8,
    /// [`Detail`] as JSON text.
    pub detail: String,
}

const ENDED: [(&str, ColumnType); 10] = [
    ("run_id", ColumnType::Text),
    ("idx", ColumnType::Int),
    ("node_id", ColumnType::Text),
    ("phase", ColumnType::Text),
    ("started_at", ColumnType::Int),
    ("finished_at", ColumnType::Int),
    ("exit_code", ColumnType::Int),
    ("reason", ColumnType::Text),
    ("check_failed", ColumnType::Int),
    ("detail", ColumnType::Text),
];

/// Records the ends of tasks under way; returns those that were.
pub async fn ended(tx: &mut Tx, tasks: &[Ended]) -> Result<Vec<Touched>> {
    let records = tx.dialect().records(1, &ENDED);
    let sql = format!(
        "UPDATE tasks SET phase = r.phase, started_at = COALESCE(r.started_at, tasks.started_at), finished_at = r.finished_at, exit_code = r.exit_code,
                reason = r.reason, check_failed = r.check_failed, detail = r.detail, deadline_at = NULL
         FROM {records} AS r
         WHERE tasks.run_id = r.run_id AND tasks.idx = r.idx AND tasks.node_id = r.node_id AND tasks.phase IN ('assigned', 'started')
         {TOUCHED}"
    );
    Ok(tx.query(sql, params![to_records(tasks)?]).await?.iter().map(touched).collect())
}

/// A result as its node signed it.
#[derive(Debug, Clone, Serialize)]
pub struct SignedResult {
    /// The run.
    pub run_id: String,
    /// Place in rollout order.
    pub idx: u32,
    /// The node that says so.
    pub node_id: String,
    /// JSON of the signed envelope.
    pub envelope: String,
}

/// Keeps signed results of tasks that are the node's own and have ended; the first of each stands.
pub fn add_signed(tx: &mut Tx, results: &[SignedResult]) -> Result<()> {
    if results.is_empty() {
        return Ok(());
    }
    let records = tx
        .dialect()
        .records(1, &[("run_id", ColumnType::Text), ("idx", ColumnType::Int), ("node_id", ColumnType::Text), ("envelope", ColumnType::Text)]);
    let sql = format!(
        "INSERT INTO results (run_id, idx, envelope) SELECT r.run_id, r.idx, r.envelope FROM {records} AS r
         JOIN tasks t ON t.run_id = r.run_id AND t.idx = r.idx AND t.node_id = r.node_id WHERE t.finished_at IS NOT NULL
         ON CONFLICT DO NOTHING"
    );
    tx.later(sql, params![to_records(results)?]);
    Ok(())
}

/// The signed results of a run, by index.
pub async fn signed_of_run(db: &mut impl Query, run: &str) -> Result<Vec<(u32, String)>> {
    let rows = db.query("SELECT idx, envelope FROM results WHERE run_id = $1 ORDER BY idx", params![run]).await?;
    Ok(rows.iter().map(|row| (row.uint(0), row.text(1))).collect())
}

/// Records results that came after the server had given the tasks up: what the node says is the truth about
/// the node, whatever was decided meanwhile. Returns those that were given up and are now known.
pub async fn ended_late(tx: &mut Tx, tasks: &[Ended]) -> Result<Vec<Touched>> {
    let records = tx.dialect().records(1, &ENDED);
    let sql = format!(
        "UPDATE tasks SET phase = r.phase, started_at = COALESCE(r.started_at, tasks.started_at), finished_at = r.finished_at, exit_code = r.exit_code,
                reason = CASE WHEN r.reason = '' THEN 'the result came late' ELSE r.reason || ' (the result came late)' END, detail = r.detail
         FROM {records} AS r
         WHERE tasks.run_id = r.run_id AND tasks.idx = r.idx AND tasks.node_id = r.node_id AND tasks.detail = $2
         {TOUCHED}"
    );
    Ok(tx.query(sql, params![to_records(tasks)?, GIVEN_UP]).await?.iter().map(touched).collect())
}

/// Marks tasks whose own node now tells another end than it told before, and changes nothing else. Returns those that were
/// not marked yet. What never was the node's to end is none of these; nor is that it refuses to do it again, as it must
/// when two servers hand it out.
pub async fn contradicted(tx: &mut Tx, tasks: &[Ended]) -> Result<Vec<Touched>> {
    let records = tx.dialect().records(1, &ENDED);
    let sql = format!(
        "UPDATE tasks SET detail = CASE WHEN tasks.detail = '{{}}' THEN '{{\"contradicted\":true}}' ELSE '{{\"contradicted\":true,' || substr(tasks.detail, 2) END
         FROM {records} AS r
         WHERE tasks.run_id = r.run_id AND tasks.idx = r.idx AND tasks.node_id = r.node_id AND tasks.assigned_at IS NOT NULL
           AND tasks.phase NOT IN ('assigned', 'started') AND tasks.detail <> $2 AND tasks.detail NOT LIKE '{{\"contradicted\":true%'
           AND (tasks.phase <> r.phase OR tasks.exit_code <> r.exit_code) AND NOT (r.phase = 'refused' AND r.reason LIKE 'replay:%')
         {TOUCHED}"
    );
    Ok(tx.query(sql, params![to_records(tasks)?, GIVEN_UP]).await?.iter().map(touched).collect())
}

/// The detail of a task the server gave up without hearing from its node.
pub const GIVEN_UP: &str = "{\"givenUp\":true}";

/// Tasks whose deadline has passed: run, index, node, phase.
pub async fn overdue(db: &mut impl Query, now: Timestamp, limit: u32) -> Result<Vec<(String, u32, String, Phase)>> {
    let sql = format!(
        "SELECT run_id, idx, node_id, phase FROM tasks WHERE phase IN ('assigned', 'started') AND deadline_at <= $1 ORDER BY deadline_at LIMIT {limit}"
    );
    db.query(sql, params![now]).await?.iter().map(|row| Ok((row.text(0), row.uint(1), row.text(2), row.word(3)?))).collect()
}

/// What to list, and how.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this run.
    pub run: Option<String>,
    /// Only in these namespaces; `None` for all.
    pub namespaces: Option<Vec<String>>,
    /// Only of this template.
    pub template: Option<String>,
    /// Only on this node, by name.
    pub node: Option<String>,
    /// Only in these phases; empty for all.
    pub phases: Vec<Phase>,
    /// Only made at or after.
    pub since: Option<Timestamp>,
    /// Only made before.
    pub until: Option<Timestamp>,
    /// In which order.
    pub sort: Sort,
    /// Only what comes after this task in that order.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u32,
}

/// Where a task stands in any of the orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// When it was made.
    pub created_at: Timestamp,
    /// Its node's name.
    pub node: String,
    /// Its phase.
    pub phase: Phase,
    /// Its run.
    pub run: String,
    /// Its place in rollout order.
    pub idx: u32,
}

/// The order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// By node's name.
    Node,
    /// By node's name, backwards.
    NodeBackwards,
    /// By phase.
    Phase,
    /// In rollout order.
    Rollout,
}

impl Sort {
    /// Its columns, and which of them go down.
    fn columns(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Newest => &[("created_at", true), ("run_id", true), ("idx", false)],
            Self::Oldest => &[("created_at", false), ("run_id", false), ("idx", false)],
            Self::Node => &[("node_name", false), ("created_at", true), ("run_id", false), ("idx", false)],
            Self::NodeBackwards => &[("node_name", true), ("created_at", true), ("run_id", false), ("idx", false)],
            Self::Phase => &[("phase", false), ("created_at", true), ("run_id", false), ("idx", false)],
            Self::Rollout => &[("run_id", false), ("idx", false)],
        }
    }
}

impl Place {
    fn value(&self, column: &str) -> Param {
        match column {
            "created_at" => self.created_at.into(),
            "node_name" => (&self.node).into(),
            "phase" => self.phase.name().into(),
            "run_id" => (&self.run).into(),
            _ => self.idx.into(),
        }
    }
}

/// Lists tasks.
pub async fn list(db: &mut impl Query, filter: &Filter) -> Result<Vec<Task>> {
    let mut select = Select::from(&format!("SELECT {COLUMNS} FROM tasks"));
    select.and("run_id =", filter.run.as_ref());
    select.and("template =", filter.template.as_ref());
    select.and("node_name =", filter.node.as_ref());
    select.and("created_at >=", filter.since);
    select.and("created_at <", filter.until);
    select.and_among("namespace", filter.namespaces.as_deref(), false);
    select.and_words("phase", &filter.phases.iter().map(|phase| phase.name()).collect::<Vec<_>>());
    let columns = filter.sort.columns();
    if let Some(place) = &filter.after {
        select.and_after(&columns.iter().map(|(column, down)| (*column, *down, place.value(column))).collect::<Vec<_>>());
    }
    let order: Vec<String> = columns.iter().map(|(column, down)| format!("{column}{}", if *down { " DESC" } else { "" })).collect();
    let (sql, values) = select.end(&format!(" ORDER BY {} LIMIT {}", order.join(", "), filter.limit));
    db.query(sql, values).await?.iter().map(task).collect()
}

/// One task.
pub async fn get(db: &mut impl Query, run: &str, idx: u32) -> Result<Option<Task>> {
    let sql = format!("SELECT {COLUMNS} FROM tasks WHERE run_id = $1 AND idx = $2");
    db.first(sql, params![run, idx]).await?.map(|row| task(&row)).transpose()
}

/// A piece of output to store.
#[derive(Debug, Clone, Serialize)]
pub struct NewOutput {
    /// The run.
    pub run_id: String,
    /// Place in rollout order.
    pub idx: u32,
    /// The node that sent it.
    pub node_id: String,
    /// Number within the task.
    pub chunk: u32,
    /// JSON array of segments.
    pub segments: String,
}

/// Once so much output of a task is stored, in bytes of JSON, no more is taken.
const MAX_OUTPUT: usize = 6 * 1024 * 1024;

/// Stores output; pieces known already stay as they are, and only the task's own node may add any.
pub async fn add_output(tx: &mut Tx, output: &[NewOutput]) -> Result<u64> {
    let records = tx.dialect().records(
        1,
        &[("run_id", ColumnType::Text), ("idx", ColumnType::Int), ("node_id", ColumnType::Text), ("chunk", ColumnType::Int), ("segments", ColumnType::Text)],
    );
    let sql = format!(
        "INSERT INTO outputs (run_id, idx, chunk, segments)
         SELECT r.run_id, r.idx, r.chunk, r.segments FROM {records} AS r JOIN tasks t ON t.run_id = r.run_id AND t.idx = r.idx AND t.node_id = r.node_id
         WHERE (t.phase IN ('assigned', 'started') OR t.detail = $2)
           AND (SELECT COALESCE(sum(octet_length(o.segments)), 0) FROM outputs o WHERE o.run_id = r.run_id AND o.idx = r.idx) < {MAX_OUTPUT}
         ON CONFLICT (run_id, idx, chunk) DO NOTHING"
    );
    tx.execute(sql, params![to_records(output)?, GIVEN_UP]).await
}

/// A stored piece of output.
#[derive(Debug, Clone)]
pub struct Output {
    /// Grows with time within a run.
    pub id: i64,
    /// Place of its task in rollout order.
    pub idx: u32,
    /// The node's name.
    pub node: String,
    /// Number within the task.
    pub chunk: u32,
    /// JSON array of segments.
    pub segments: String,
}

/// Output of a run after a piece, in the order it was stored.
pub async fn output(db: &mut impl Query, run: &str, node: Option<&str>, after: i64, limit: u32) -> Result<Vec<Output>> {
    let sql = format!(
        "SELECT o.id, o.idx, n.node_name, o.chunk, o.segments FROM outputs o JOIN run_nodes n ON n.run_id = o.run_id AND n.idx = o.idx
         WHERE o.run_id = $1 AND o.id > $2 AND ($3 = '' OR n.node_name = $3) ORDER BY o.id LIMIT {limit}"
    );
    let rows = db.query(sql, params![run, after, node.unwrap_or_default()]).await?;
    Ok(rows
        .iter()
        .map(|row| Output { id: row.int(0), idx: row.uint(1), node: row.text(2), chunk: row.uint(3), segments: row.text(4) })
        .collect())
}
