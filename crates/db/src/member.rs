//! Servers of the cluster.

use synod_domain::{Result, Timestamp};

use crate::{Query, Row, Tx, params};

/// A server.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its id, new at every start.
    pub id: String,
    /// Where agents and people reach it.
    pub url: String,
    /// Its program's version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last said that it lives.
    pub heartbeat_at: Timestamp,
    /// How many agents it holds.
    pub agents: u32,
}

fn member(row: &Row) -> Member {
    Member { id: row.text(0), url: row.text(1), version: row.text(2), started_at: row.time(3), heartbeat_at: row.time(4), agents: row.uint(5) }
}

/// Says that a server lives.
pub async fn heartbeat(tx: &mut Tx, m: &Member) -> Result<()> {
    tx.execute(
        "INSERT INTO members (id, url, version, started_at, heartbeat_at, agents) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, agents = excluded.agents, url = excluded.url",
        params![&m.id, &m.url, &m.version, m.started_at, m.heartbeat_at, m.agents],
    )
    .await?;
    Ok(())
}

/// Servers that said so since a time.
pub async fn alive(db: &mut impl Query, since: Timestamp) -> Result<Vec<Member>> {
    let sql = "SELECT id, url, version, started_at, heartbeat_at, agents FROM members WHERE heartbeat_at >= $1 ORDER BY started_at, id";
    Ok(db.query(sql, params![since]).await?.iter().map(member).collect())
}

/// How many servers are on the list, living or not yet forgotten.
pub async fn count(db: &mut impl Query) -> Result<u32> {
    Ok(db.first("SELECT count(*) FROM members", params![]).await?.map_or(0, |row| row.uint(0)))
}

/// Takes a server off the list.
pub async fn leave(tx: &mut Tx, id: &str) -> Result<()> {
    tx.execute("DELETE FROM node_sessions WHERE server_id = $1", params![id]).await?;
    tx.execute("DELETE FROM members WHERE id = $1", params![id]).await?;
    Ok(())
}

/// Forgets servers that have been silent since before a time.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM members WHERE heartbeat_at < $1", params![before]).await
}
