//! How runs went lately: each figure by one statement over the runs of a few weeks.

use synod_domain::run::Phase;
use synod_domain::{Result, Timestamp};

use crate::filter::Select;
use crate::{Query, params};

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

/// How long runs took from request to last approval: how many were approved by people, and the times in milliseconds that
/// a half and nine tenths of them took at most.
pub async fn approval_times(db: &mut impl Query, namespaces: Option<&[String]>, since: Timestamp) -> Result<Option<(u32, i64, i64)>> {
    let mut select =
        Select::from("SELECT r.id, max(a.at) - min(r.created_at) AS took FROM runs r JOIN approvals a ON a.run_id = r.id AND a.decision = 'approve'");
    select.and("r.created_at >=", Some(since));
    select.and_text("r.started_at IS NOT NULL OR r.phase = 'approved'");
    select.and_among("r.namespace", namespaces, false);
    let (inner, values) = select.end(" GROUP BY r.id");
    let sql = format!(
        "SELECT n, min(CASE WHEN place * 10 >= n * 5 THEN took END), min(CASE WHEN place * 10 >= n * 9 THEN took END)
         FROM (SELECT took, row_number() OVER (ORDER BY took) AS place, count(*) OVER () AS n FROM ({inner}) AS each) AS placed GROUP BY n"
    );
    Ok(db.first(sql, values).await?.map(|row| (row.uint(0), row.int(1), row.int(2))))
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
