//! Runs and the nodes they are meant for.

use serde::Serialize;
use synod_domain::manifest::NodeEntry;
use synod_domain::run::{Phase, Ratification};
use synod_domain::{Error, Result, Timestamp, task};

use crate::filter::Select;
use crate::{ColumnType, Query, Row, Tx, params, to_records};

/// A run as stored.
#[derive(Debug, Clone)]
pub struct Run {
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
    /// Who wrote the template revision.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Where it stands.
    pub phase: Phase,
    /// Digest of the manifest.
    pub digest: String,
    /// Canonical manifest.
    pub manifest: String,
    /// How many nodes.
    pub node_count: u32,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When nobody may decide any more.
    pub approve_by: Timestamp,
    /// Nothing starts before.
    pub not_before: Option<Timestamp>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it stands as it does.
    pub message: String,
    /// Batches begun.
    pub batches: u32,
    /// When the last one came to its end.
    pub batch_ended_at: Option<Timestamp>,
    /// Gates people opened.
    pub gates_opened: u32,
    /// Whether it waits at one.
    pub at_gate: bool,
    /// Whether somebody asked to cancel.
    pub cancelling: bool,
    /// Who.
    pub cancelled_by: Option<String>,
    /// When to look at it again without being told.
    pub wake_at: Option<Timestamp>,
    /// The run it replays.
    pub replay_of: Option<String>,
    /// The client's key for this request.
    pub idempotency_key: Option<String>,
    /// By what the request made with that key is known again: a keyed hash, for requests hold secrets.
    pub idempotency_hash: Option<String>,
    /// The break-glass rule it is started by.
    pub break_glass: Option<String>,
    /// Where it stands after the fact, when it was started by break-glass.
    pub ratification: Option<Ratification>,
}

const COLUMNS: &str = "id, namespace, template, revision, title, requester, author, reason, phase, digest, manifest, node_count, created_at, approve_by, \
    not_before, started_at, finished_at, message, batches, batch_ended_at, gates_opened, at_gate, cancelling, cancelled_by, wake_at, replay_of, \
    idempotency_key, idempotency_hash, break_glass, ratification";

fn run(row: &Row) -> Result<Run> {
    Ok(Run {
        id: row.text(0),
        namespace: row.text(1),
        template: row.text(2),
        revision: row.int(3).unsigned_abs(),
        title: row.text(4),
        requester: row.text(5),
        author: row.text(6),
        reason: row.text(7),
        phase: row.word(8)?,
        digest: row.text(9),
        manifest: row.text(10),
        node_count: row.uint(11),
        created_at: row.time(12),
        approve_by: row.time(13),
        not_before: row.time_opt(14),
        started_at: row.time_opt(15),
        finished_at: row.time_opt(16),
        message: row.text(17),
        batches: row.uint(18),
        batch_ended_at: row.time_opt(19),
        gates_opened: row.uint(20),
        at_gate: row.flag(21),
        cancelling: row.flag(22),
        cancelled_by: row.text_opt(23),
        wake_at: row.time_opt(24),
        replay_of: row.text_opt(25),
        idempotency_key: row.text_opt(26),
        idempotency_hash: row.text_opt(27),
        break_glass: row.text_opt(28),
        ratification: row.text_opt(29).map(|text| text.parse().map_err(Error::internal)).transpose()?,
    })
}

/// A node of a run, with its sealed secrets.
#[derive(Debug, Clone, Serialize)]
pub struct RunNode {
    /// Place in rollout order, from 0.
    pub idx: u32,
    /// The node's identity.
    pub node_id: String,
    /// The node's name.
    pub node_name: String,
    /// Secret inputs sealed to it, base64.
    pub sealed_secrets: Option<String>,
}

/// Adds a run with its nodes; `false` when the requester used its idempotency key before.
pub async fn insert(tx: &mut Tx, r: &Run, nodes: &[RunNode]) -> Result<bool> {
    let added = tx
        .execute(
            "INSERT INTO runs (id, namespace, template, revision, title, requester, author, reason, phase, digest, manifest, node_count, created_at,
             approve_by, not_before, wake_at, replay_of, idempotency_key, idempotency_hash, break_glass)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING",
            params![
                &r.id,
                &r.namespace,
                &r.template,
                r.revision,
                &r.title,
                &r.requester,
                &r.author,
                &r.reason,
                r.phase.name(),
                &r.digest,
                &r.manifest,
                r.node_count,
                r.created_at,
                r.approve_by,
                r.not_before,
                r.wake_at,
                r.replay_of.clone(),
                r.idempotency_key.clone(),
                r.idempotency_hash.clone(),
                r.break_glass.clone()
            ],
        )
        .await?;
    if added == 0 {
        return Ok(false);
    }
    let records = tx
        .dialect()
        .records(2, &[("idx", ColumnType::Int), ("node_id", ColumnType::Text), ("node_name", ColumnType::Text), ("sealed_secrets", ColumnType::Text)]);
    let sql = format!(
        "INSERT INTO run_nodes (run_id, idx, node_id, node_name, sealed_secrets) SELECT $1, r.idx, r.node_id, r.node_name, r.sealed_secrets FROM {records} AS r"
    );
    tx.execute(sql, params![&r.id, to_records(nodes)?]).await?;
    Ok(true)
}

/// One run.
pub async fn get(db: &mut impl Query, id: &str) -> Result<Option<Run>> {
    db.first(format!("SELECT {COLUMNS} FROM runs WHERE id = $1"), params![id]).await?.map(|row| run(&row)).transpose()
}

/// One run, locked for change.
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Run>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = $1{}", tx.dialect().for_update());
    tx.first(sql, params![id]).await?.map(|row| run(&row)).transpose()
}

/// Many runs, locked for change in the order of their ids, so that two servers never wait for each other in a circle.
pub async fn lock_many(tx: &mut Tx, ids: &[&str]) -> Result<Vec<Run>> {
    #[derive(Serialize)]
    struct Id<'a> {
        id: &'a str,
    }
    if let [id] = ids {
        return Ok(lock(tx, id).await?.into_iter().collect());
    }
    let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
    let records = tx.dialect().records(1, &[("id", ColumnType::Text)]);
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id IN (SELECT r.id FROM {records} AS r) ORDER BY id{}", tx.dialect().for_update());
    tx.query(sql, params![to_records(&ids)?]).await?.iter().map(run).collect()
}

/// Ids of runs that begin with a text, at most two.
pub async fn by_prefix(db: &mut impl Query, prefix: &str) -> Result<Vec<String>> {
    let end = format!("{prefix}\u{7f}");
    let rows = db.query("SELECT id FROM runs WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2", params![prefix, end]).await?;
    Ok(rows.iter().map(|row| row.text(0)).collect())
}

/// The run a requester made with an idempotency key.
pub async fn by_idempotency_key(db: &mut impl Query, requester: &str, key: &str) -> Result<Option<Run>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE requester = $1 AND idempotency_key = $2");
    db.first(sql, params![requester, key]).await?.map(|row| run(&row)).transpose()
}

/// The last run of a template before a time that was started.
pub async fn previous(db: &mut impl Query, namespace: &str, template: &str, before: Timestamp) -> Result<Option<Run>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM runs WHERE namespace = $1 AND template = $2 AND created_at < $3 AND phase IN ('succeeded', 'failed') ORDER BY created_at DESC LIMIT 1"
    );
    db.first(sql, params![namespace, template, before]).await?.map(|row| run(&row)).transpose()
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in these namespaces; `None` for all.
    pub namespaces: Option<Vec<String>>,
    /// Only of this template.
    pub template: Option<String>,
    /// Only in these phases; empty for all.
    pub phases: Vec<Phase>,
    /// Only by this requester.
    pub requester: Option<String>,
    /// Only those without a decision of this person.
    pub undecided_by: Option<String>,
    /// Only those that await ratification.
    pub unratified: bool,
    /// Only older than this run.
    pub before: Option<(Timestamp, String)>,
    /// At most so many.
    pub limit: u32,
}

/// Lists runs, newest first.
pub async fn list(db: &mut impl Query, filter: &Filter) -> Result<Vec<Run>> {
    let mut select = Select::from(&format!("SELECT {COLUMNS} FROM runs"));
    select.and_among("namespace", filter.namespaces.as_deref(), false);
    select.and("template =", filter.template.as_ref());
    select.and_words("phase", &filter.phases.iter().map(|phase| phase.name()).collect::<Vec<_>>());
    select.and("requester =", filter.requester.as_ref());
    if filter.unratified {
        select.and_text("ratification = 'unratified'");
    }
    if let Some(person) = &filter.undecided_by {
        let person = select.bind(person);
        select.and_text(&format!("NOT EXISTS (SELECT 1 FROM approvals a WHERE a.run_id = runs.id AND a.person = {person})"));
    }
    if let Some((at, id)) = &filter.before {
        let (at, id) = (select.bind(*at), select.bind(id));
        select.and_text(&format!("created_at < {at} OR (created_at = {at} AND id < {id})"));
    }
    let (sql, values) = select.end(&format!(" ORDER BY created_at DESC, id DESC LIMIT {}", filter.limit));
    db.query(sql, values).await?.iter().map(run).collect()
}

/// Ids of runs whose time to be looked at has come.
pub async fn due(db: &mut impl Query, now: Timestamp, limit: u32) -> Result<Vec<String>> {
    let sql = format!("SELECT id FROM runs WHERE phase IN ('pending', 'approved', 'running') AND wake_at <= $1 ORDER BY wake_at LIMIT {limit}");
    Ok(db.query(sql, params![now]).await?.iter().map(|row| row.text(0)).collect())
}

/// Has every pending run looked at again now, because what it takes has changed.
pub async fn wake_pending(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.execute("UPDATE runs SET wake_at = $1 WHERE phase = 'pending'", params![now]).await?;
    Ok(())
}

/// Writes back everything about a run that may change.
pub fn update(tx: &mut Tx, r: &Run) {
    tx.later(
        "UPDATE runs SET phase = $2, started_at = $3, finished_at = $4, message = $5, batches = $6, batch_ended_at = $7, gates_opened = $8, at_gate = $9,
         cancelling = $10, cancelled_by = $11, wake_at = $12, ratification = $13 WHERE id = $1",
        params![
            &r.id,
            r.phase.name(),
            r.started_at,
            r.finished_at,
            &r.message,
            r.batches,
            r.batch_ended_at,
            r.gates_opened,
            r.at_gate,
            r.cancelling,
            r.cancelled_by.clone(),
            r.wake_at,
            r.ratification.map(|state| state.name().to_owned())
        ],
    );
}

/// How many other runs began by a break-glass rule since a time, by the server's clock.
pub async fn break_glass_used(db: &mut impl Query, rule: &str, since: Timestamp, except: &str) -> Result<u32> {
    let sql = "SELECT count(*) FROM runs WHERE break_glass = $1 AND started_at >= $2 AND id <> $3";
    Ok(db.first(sql, params![rule, since, except]).await?.map_or(0, |row| row.uint(0)))
}

/// How many runs await ratification.
pub async fn unratified(db: &mut impl Query) -> Result<u32> {
    let sql = "SELECT count(*) FROM runs WHERE break_glass IS NOT NULL AND ratification = 'unratified'";
    Ok(db.first(sql, params![]).await?.map_or(0, |row| row.uint(0)))
}

/// The nodes of a run in rollout order.
pub async fn nodes(db: &mut impl Query, id: &str) -> Result<Vec<NodeEntry>> {
    let rows = db.query("SELECT node_id, node_name FROM run_nodes WHERE run_id = $1 ORDER BY idx", params![id]).await?;
    Ok(rows.iter().map(|row| NodeEntry { id: row.text(0), name: row.text(1) }).collect())
}

/// A node of a run, and its task as far as there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Place in rollout order, from 0.
    pub idx: u32,
    /// The node.
    pub node: NodeEntry,
    /// Where its task stands.
    pub phase: Option<task::Phase>,
    /// The deciding exit code.
    pub exit_code: Option<i32>,
}

/// The nodes of a run in rollout order, with how their tasks stand.
pub async fn node_states(db: &mut impl Query, id: &str) -> Result<Vec<NodeState>> {
    let sql = "SELECT n.idx, n.node_id, n.node_name, t.phase, t.exit_code
        FROM run_nodes n LEFT JOIN tasks t ON t.run_id = n.run_id AND t.idx = n.idx WHERE n.run_id = $1 ORDER BY n.idx";
    let state = |row: &Row| {
        Ok(NodeState {
            idx: row.uint(0),
            node: NodeEntry { id: row.text(1), name: row.text(2) },
            phase: row.text_opt(3).map(|word| word.parse().map_err(Error::internal)).transpose()?,
            exit_code: row.int_opt(4).and_then(|n| i32::try_from(n).ok()),
        })
    };
    db.query(sql, params![id]).await?.iter().map(state).collect()
}

/// The sealed secrets of some nodes of a run, by index.
pub async fn sealed_secrets(db: &mut impl Query, id: &str) -> Result<Vec<(u32, String)>> {
    let rows = db.query("SELECT idx, sealed_secrets FROM run_nodes WHERE run_id = $1 AND sealed_secrets IS NOT NULL", params![id]).await?;
    Ok(rows.iter().map(|row| (row.uint(0), row.text(1))).collect())
}

/// Forgets the sealed secrets of a run that has ended.
pub async fn forget_secrets(tx: &mut Tx, id: &str) -> Result<()> {
    tx.execute("UPDATE run_nodes SET sealed_secrets = NULL WHERE run_id = $1 AND sealed_secrets IS NOT NULL", params![id]).await?;
    // The second half of the request's hash is about them.
    tx.execute("UPDATE runs SET idempotency_hash = substr(idempotency_hash, 1, 64) WHERE id = $1 AND idempotency_hash IS NOT NULL", params![id])
        .await?;
    Ok(())
}
