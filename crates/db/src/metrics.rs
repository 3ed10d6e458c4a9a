//! How much there is of what, for those who watch: each figure by an index, whatever has gathered in the tables.

use synod_domain::Result;

use crate::dialect::Pools;
use crate::{Db, Query, event, params};

/// What there is now.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Runs that have not ended, by phase.
    pub runs: Vec<(String, u64)>,
    /// Tasks that were given out and have not ended, by phase.
    pub tasks: Vec<(String, u64)>,
    /// Nodes.
    pub nodes: u64,
    /// Those of them that are connected to some server.
    pub connected: u64,
    /// The last event's position.
    pub position: u64,
    /// Events that have no position yet.
    pub unsealed: u64,
}

/// The connections of one pool.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Which pool.
    pub name: &'static str,
    /// Open connections.
    pub open: u32,
    /// Those of them that are in use.
    pub busy: u32,
}

/// Counts.
pub async fn figures(db: &mut impl Query) -> Result<Figures> {
    Ok(Figures {
        runs: by_phase(db, "SELECT phase, count(*) FROM runs WHERE phase IN ('pending', 'approved', 'running') GROUP BY phase").await?,
        tasks: by_phase(db, "SELECT phase, count(*) FROM tasks WHERE phase IN ('assigned', 'started') GROUP BY phase").await?,
        nodes: count(db, "SELECT count(*) FROM nodes WHERE removed_at IS NULL").await?,
        connected: count(db, "SELECT count(*) FROM node_sessions s JOIN nodes n ON n.id = s.node_id WHERE n.removed_at IS NULL").await?,
        position: event::last_position(db).await?,
        unsealed: count(db, "SELECT count(*) FROM unsealed").await?,
    })
}

async fn by_phase(db: &mut impl Query, sql: &'static str) -> Result<Vec<(String, u64)>> {
    Ok(db.query(sql, params![]).await?.iter().map(|row| (row.text(0), row.int(1).unsigned_abs())).collect())
}

async fn count(db: &mut impl Query, sql: &'static str) -> Result<u64> {
    Ok(db.first(sql, params![]).await?.map_or(0, |row| row.int(0).unsigned_abs()))
}

/// How busy the connections of this process are.
pub fn pools(db: &Db) -> Vec<Pool> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let pool = |name, (open, idle)| Pool { name, open: number(open), busy: number(open.saturating_sub(idle)) };
    match &*db.pools {
        Pools::Sqlite { writer, readers } => vec![pool("writer", writer.counts()), pool("readers", readers.counts())],
        Pools::Postgres(all) => vec![pool("all", all.counts())],
    }
}
