//! How runs went lately: each figure by one statement over the runs of a few weeks.

use synod_domain::run::Phase;
use synod_domain::{Result, Timestamp};

use crate::filter::Select;
use crate::{Query, Tx, params};

const DAY_MS: i64 = 86_400_000;

/// So many runs in a phase were requested on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayPhase {
    /// Days since the Unix epoch.
    pub day: i64,
    /// The phase they are in now.
    pub phase: Phase,
    /// How many.
    pub runs: u32,
}

/// Runs by the day of their request and the phase they are in now.
pub async fn days(db: &mut impl Query, namespaces: Option<&[String]>, since: Timestamp) -> Result<Vec<DayPhase>> {
    let mut select = Select::from(&format!("SELECT created_at / {DAY_MS}, phase, count(*) FROM runs"));
    select.and("created_at >=", Some(since));
    select.and_among("namespace", namespaces, false);
    let (sql, values) = select.end(&format!(" GROUP BY created_at / {DAY_MS}, phase ORDER BY 1, 2"));
    let rows = db.query(sql, values).await?;
    rows.iter().map(|row| Ok(DayPhase { day: row.int(0), phase: row.word(1)?, runs: row.uint(2) })).collect()
}

/// How long the runs of a while took from the request to the last approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalTimes {
    /// How many were approved by people.
    pub runs: u32,
    /// Half of them took at most so many milliseconds.
    pub p50_ms: i64,
    /// Nine of ten took at most so many milliseconds.
    pub p90_ms: i64,
}

/// How long all runs took that people approved; nothing without any.
pub async fn approval_times(db: &mut impl Query, namespaces: Option<&[String]>, since: Timestamp) -> Result<Option<ApprovalTimes>> {
    Ok(approval_places(db, namespaces, since, "0").await?.pop().map(|(_, times)| times))
}

/// The same for the runs requested on each day (days since the Unix epoch), oldest first; days without any are left out.
pub async fn approval_days(db: &mut impl Query, namespaces: Option<&[String]>, since: Timestamp) -> Result<Vec<(i64, ApprovalTimes)>> {
    approval_places(db, namespaces, since, &format!("min(r.created_at) / {DAY_MS}")).await
}

/// Runs of one `part` are put in order among themselves.
async fn approval_places(db: &mut impl Query, namespaces: Option<&[String]>, since: Timestamp, part: &str) -> Result<Vec<(i64, ApprovalTimes)>> {
    let mut select = Select::from(&format!(
        "SELECT {part} AS part, max(a.at) - min(r.created_at) AS took FROM runs r JOIN approvals a ON a.run_id = r.id AND a.decision = 'approve'"
    ));
    select.and("r.created_at >=", Some(since));
    select.and_text("r.started_at IS NOT NULL OR r.phase = 'approved'");
    select.and_among("r.namespace", namespaces, false);
    let (inner, values) = select.end(" GROUP BY r.id");
    let sql = format!(
        "SELECT part, n, min(CASE WHEN place * 10 >= n * 5 THEN took END), min(CASE WHEN place * 10 >= n * 9 THEN took END)
         FROM (SELECT part, took, row_number() OVER (PARTITION BY part ORDER BY took) AS place, count(*) OVER (PARTITION BY part) AS n
               FROM ({inner}) AS each) AS placed
         GROUP BY part, n ORDER BY part"
    );
    let rows = db.query(sql, values).await?;
    Ok(rows.iter().map(|row| (row.int(0), ApprovalTimes { runs: row.uint(1), p50_ms: row.int(2), p90_ms: row.int(3) })).collect())
}

/// The templates with most runs: namespace, name, how many.
pub async fn busiest(db: &mut impl Query, namespaces: Option<&[String]>, since: Timestamp, limit: u32) -> Result<Vec<(String, String, u32)>> {
    let mut select = Select::from("SELECT namespace, template, count(*) FROM runs");
    select.and("created_at >=", Some(since));
    select.and_among("namespace", namespaces, false);
    let (sql, values) = select.end(&format!(" GROUP BY namespace, template ORDER BY count(*) DESC, namespace, template LIMIT {limit}"));
    Ok(db.query(sql, values).await?.iter().map(|row| (row.text(0), row.text(1), row.uint(2))).collect())
}

/// How many runs await decisions, whenever they were requested.
pub async fn pending(db: &mut impl Query, namespaces: Option<&[String]>) -> Result<u32> {
    let mut select = Select::from("SELECT count(*) FROM runs");
    // As the index of open runs says it, so that SQLite takes it.
    select.and_text("phase IN ('pending', 'approved', 'running')");
    select.and_text("phase = 'pending'");
    select.and_among("namespace", namespaces, false);
    let (sql, values) = select.end("");
    Ok(db.first(sql, values).await?.map_or(0, |row| row.uint(0)))
}

/// How many runs await ratification.
pub async fn unratified(db: &mut impl Query, namespaces: Option<&[String]>) -> Result<u32> {
    let mut select = Select::from("SELECT count(*) FROM runs");
    select.and_text("break_glass IS NOT NULL AND ratification = 'unratified'");
    select.and_among("namespace", namespaces, false);
    let (sql, values) = select.end("");
    Ok(db.first(sql, values).await?.map_or(0, |row| row.uint(0)))
}

/// Nodes that are connected, and all.
pub async fn nodes(db: &mut impl Query) -> Result<(u32, u32)> {
    let sql = "SELECT count(s.node_id), count(*) FROM nodes n LEFT JOIN node_sessions s ON s.node_id = n.id WHERE n.removed_at IS NULL";
    Ok(db.first(sql, params![]).await?.map_or((0, 0), |row| (row.uint(0), row.uint(1))))
}

/// How many nodes were connected on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeDay {
    /// Days since the Unix epoch.
    pub day: i64,
    /// The fewest that were seen connected at once.
    pub least: u32,
    /// The most.
    pub most: u32,
    /// How many there were when it was looked at last.
    pub total: u32,
}

/// Adds what is seen now to the figures of the day.
pub async fn note_nodes(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let (connected, total) = nodes(tx).await?;
    let sql = "INSERT INTO node_days (day, least, most, total) VALUES ($1, $2, $2, $3)
         ON CONFLICT (day) DO UPDATE SET least = CASE WHEN excluded.least < node_days.least THEN excluded.least ELSE node_days.least END,
           most = CASE WHEN excluded.most > node_days.most THEN excluded.most ELSE node_days.most END, total = excluded.total";
    tx.execute(sql, params![now.day_begins().0 / DAY_MS, connected, total]).await.map(|_| ())
}

/// What was seen of the nodes since then, day by day; days on which no server ran are left out.
pub async fn node_days(db: &mut impl Query, since: Timestamp) -> Result<Vec<NodeDay>> {
    let rows = db.query("SELECT day, least, most, total FROM node_days WHERE day >= $1 ORDER BY day", params![since.0 / DAY_MS]).await?;
    Ok(rows.iter().map(|row| NodeDay { day: row.int(0), least: row.uint(1), most: row.uint(2), total: row.uint(3) }).collect())
}
