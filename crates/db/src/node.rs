//! Nodes, the tokens they join with, and which server holds their streams.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use synod_domain::node::{Candidate, all_labels};
use synod_domain::selector::Labels;
use synod_domain::{Result, Timestamp};

use crate::{ColumnType, Query, Row, Tx, params, to_records};

/// A node as stored.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Labels given.
    pub labels: Labels,
    /// Facts found.
    pub facts: serde_json::Value,
    /// Version of its agent.
    pub version: String,
    /// Where secrets are sealed to.
    pub age_recipient: String,
    /// Serial number of its newest certificate, hexadecimal.
    pub certificate_serial: String,
    /// When that ends.
    pub certificate_expires_at: Timestamp,
    /// When it joined.
    pub joined_at: Timestamp,
    /// When it was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// The server that holds its stream.
    pub server: Option<String>,
    /// How it judges agreements, by what its agent said last.
    pub trust: serde_json::Value,
    /// The last alarm it raised about the audit log or the trust root; empty when there is none. One that goes on
    /// witnessing has none.
    pub trust_alarm: String,
}

const COLUMNS: &str = "n.id, n.name, n.labels, n.facts, n.version, n.age_recipient, n.certificate_serial, n.certificate_expires_at, n.joined_at, n.last_seen_at, s.server_id, n.trust, n.trust_alarm";
const FROM: &str = "FROM nodes n LEFT JOIN node_sessions s ON s.node_id = n.id WHERE n.removed_at IS NULL";

fn node(row: &Row) -> Result<Node> {
    Ok(Node {
        id: row.text(0),
        name: row.text(1),
        labels: row.json(2)?,
        facts: row.json(3)?,
        version: row.text(4),
        age_recipient: row.text(5),
        certificate_serial: row.text(6),
        certificate_expires_at: row.time(7),
        joined_at: row.time(8),
        last_seen_at: row.time_opt(9),
        server: row.text_opt(10),
        trust: row.json(11)?,
        trust_alarm: row.text(12),
    })
}

/// Nodes by name, after one.
pub async fn list_after(db: &mut impl Query, after: &str, limit: u32) -> Result<Vec<Node>> {
    db.query(format!("SELECT {COLUMNS} {FROM} AND n.name > $1 ORDER BY n.name LIMIT {limit}"), params![after])
        .await?
        .iter()
        .map(node)
        .collect()
}

/// To whom secrets are sealed: nodes' identities and their public keys.
pub async fn recipients(db: &mut impl Query) -> Result<BTreeMap<String, String>> {
    let rows = db.query("SELECT id, age_recipient FROM nodes WHERE removed_at IS NULL", params![]).await?;
    Ok(rows.iter().map(|row| (row.text(0), row.text(1))).collect())
}

/// Names of the nodes that refuse what is not signed.
pub async fn enforcing(db: &mut impl Query) -> Result<BTreeSet<String>> {
    let rows = db.query("SELECT name, trust FROM nodes WHERE removed_at IS NULL AND trust <> '{}'", params![]).await?;
    let enforces = |row: &&Row| row.json::<serde_json::Value>(1).is_ok_and(|trust| trust["mode"] == "enforce");
    Ok(rows.iter().filter(enforces).map(|row| row.text(0)).collect())
}

/// How each node judges agreements, by what its agent said last, and whether it raised an alarm.
pub async fn trust(db: &mut impl Query) -> Result<Vec<(serde_json::Value, bool)>> {
    let rows = db.query("SELECT trust, trust_alarm FROM nodes WHERE removed_at IS NULL", params![]).await?;
    rows.iter().map(|row| Ok((row.json(0)?, !row.text(1).is_empty()))).collect()
}

/// All nodes as targets are chosen from.
pub async fn candidates(db: &mut impl Query) -> Result<Vec<Candidate>> {
    let rows = db.query("SELECT id, name, labels, facts FROM nodes WHERE removed_at IS NULL", params![]).await?;
    rows.iter()
        .map(|row| {
            let name = row.text(1);
            Ok(Candidate { id: row.text(0), labels: all_labels(&name, &row.json(2)?, &row.json(3)?), name })
        })
        .collect()
}

/// The node of this name.
pub async fn by_name(db: &mut impl Query, name: &str) -> Result<Option<Node>> {
    db.first(format!("SELECT {COLUMNS} {FROM} AND n.name = $1"), params![name]).await?.map(|row| node(&row)).transpose()
}

/// The node with this identity.
pub async fn by_id(db: &mut impl Query, id: &str) -> Result<Option<Node>> {
    db.first(format!("SELECT {COLUMNS} {FROM} AND n.id = $1"), params![id]).await?.map(|row| node(&row)).transpose()
}

/// Adds a node; `false` when the name is taken.
pub async fn insert(tx: &mut Tx, n: &Node) -> Result<bool> {
    let added = tx
        .execute(
            "INSERT INTO nodes (id, name, labels, facts, version, age_recipient, certificate_serial, certificate_expires_at, joined_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            params![
                &n.id,
                &n.name,
                serde_json::json!(n.labels).to_string(),
                n.facts.to_string(),
                &n.version,
                &n.age_recipient,
                &n.certificate_serial,
                n.certificate_expires_at,
                n.joined_at
            ],
        )
        .await?;
    Ok(added == 1)
}

/// Sets the labels people gave.
pub async fn set_labels(tx: &mut Tx, id: &str, labels: &Labels) -> Result<()> {
    tx.execute("UPDATE nodes SET labels = $2 WHERE id = $1", params![id, serde_json::json!(labels).to_string()]).await?;
    Ok(())
}

/// Records a renewed certificate.
pub async fn set_certificate(tx: &mut Tx, id: &str, serial: &str, expires_at: Timestamp) -> Result<()> {
    tx.execute("UPDATE nodes SET certificate_serial = $2, certificate_expires_at = $3 WHERE id = $1", params![id, serial, expires_at])
        .await?;
    Ok(())
}

/// Counts a renewal of a node's certificate, unless so many were counted since `since`; says whether it did. What was counted
/// before that is forgotten.
pub async fn count_renewal(tx: &mut Tx, id: &str, most: u32, since: Timestamp, now: Timestamp) -> Result<bool> {
    let counted = tx
        .execute(
            "UPDATE nodes SET renewals = CASE WHEN renewals_since < $2 THEN 1 ELSE renewals + 1 END,
                    renewals_since = CASE WHEN renewals_since < $2 THEN $3 ELSE renewals_since END
             WHERE id = $1 AND removed_at IS NULL AND (renewals_since < $2 OR renewals < $4)",
            params![id, since, now, most],
        )
        .await?;
    Ok(counted == 1)
}

/// When the renewals of a node's certificate that count began.
pub async fn renewals_since(db: &mut impl Query, id: &str) -> Result<Timestamp> {
    Ok(db.first("SELECT renewals_since FROM nodes WHERE id = $1", params![id]).await?.map_or(Timestamp(0), |row| row.time(0)))
}

/// Removes a node: its certificate is no longer accepted. The row stays for the record.
pub async fn remove(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.execute("UPDATE nodes SET removed_at = $2 WHERE id = $1", params![id, now]).await?;
    tx.execute("DELETE FROM node_sessions WHERE node_id = $1", params![id]).await?;
    Ok(())
}

/// Which of some nodes were removed.
pub async fn removed_among(db: &mut impl Query, ids: &[String]) -> Result<Vec<String>> {
    #[derive(Serialize)]
    struct Id<'a> {
        id: &'a str,
    }
    let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
    let records = db.dialect().records(1, &[("id", ColumnType::Text)]);
    let sql = format!("SELECT n.id FROM {records} AS r JOIN nodes n ON n.id = r.id WHERE n.removed_at IS NOT NULL");
    Ok(db.query(sql, params![to_records(&ids)?]).await?.iter().map(|row| row.text(0)).collect())
}

/// Notes what a node called out last, beside what else is known of how it judges.
pub async fn set_alarm(tx: &mut Tx, id: &str, alarm: &str) -> Result<()> {
    tx.execute("UPDATE nodes SET trust_alarm = $1 WHERE id = $2", params![alarm, id]).await?;
    Ok(())
}

/// Something heard of a node.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// Its identity.
    pub id: String,
    /// When.
    pub at: i64,
    /// New facts as JSON text, when they changed.
    pub facts: Option<String>,
    /// Version of its agent, when told.
    pub version: Option<String>,
    /// JSON of how it judges agreements, when told.
    pub trust: Option<String>,
    /// How alarms begin that are over: `log:`, `root:`; empty when none is.
    pub healed: String,
}

/// Records many signs of life at once.
pub async fn seen(tx: &mut Tx, seen: &[Seen]) -> Result<()> {
    let text = |name| (name, ColumnType::Text);
    let records = tx.dialect().records(1, &[text("id"), ("at", ColumnType::Int), text("facts"), text("version"), text("trust"), text("healed")]);
    let sql = format!(
        "UPDATE nodes SET last_seen_at = r.at, facts = COALESCE(r.facts, nodes.facts), version = COALESCE(r.version, nodes.version),
         trust = COALESCE(r.trust, nodes.trust),
         trust_alarm = CASE WHEN r.healed <> '' AND nodes.trust_alarm LIKE r.healed || '%' THEN '' ELSE nodes.trust_alarm END
         FROM {records} AS r WHERE nodes.id = r.id"
    );
    tx.execute(sql, params![to_records(seen)?]).await?;
    Ok(())
}

/// A stream that has begun.
#[derive(Debug, Clone, Serialize)]
pub struct Connected {
    /// The node.
    pub node_id: String,
    /// Number of the stream on its server.
    pub session: i64,
    /// When.
    pub at: i64,
}

/// Records many streams that a server now holds.
pub async fn connected(tx: &mut Tx, server: &str, streams: &[Connected]) -> Result<()> {
    let records = tx.dialect().records(2, &[("node_id", ColumnType::Text), ("session", ColumnType::Int), ("at", ColumnType::Int)]);
    // `WHERE true` keeps SQLite's parser from reading ON CONFLICT as a join condition.
    let sql = format!(
        "INSERT INTO node_sessions (node_id, server_id, session, connected_at) SELECT r.node_id, $1, r.session, r.at FROM {records} AS r WHERE true
         ON CONFLICT (node_id) DO UPDATE SET server_id = excluded.server_id, session = excluded.session, connected_at = excluded.connected_at"
    );
    tx.execute(sql, params![server, to_records(streams)?]).await?;
    Ok(())
}

/// Records streams that have ended, unless the node has begun another meanwhile.
pub async fn disconnected(tx: &mut Tx, server: &str, streams: &[Connected]) -> Result<()> {
    let records = tx.dialect().records(2, &[("node_id", ColumnType::Text), ("session", ColumnType::Int)]);
    let sql = format!(
        "DELETE FROM node_sessions WHERE server_id = $1 AND EXISTS (SELECT 1 FROM {records} AS r WHERE r.node_id = node_sessions.node_id AND r.session = node_sessions.session)"
    );
    tx.execute(sql, params![server, to_records(streams)?]).await?;
    Ok(())
}

/// Forgets the streams of servers that are not among the living.
pub async fn forget_dead_servers(tx: &mut Tx, alive_since: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM node_sessions WHERE server_id NOT IN (SELECT id FROM members WHERE heartbeat_at >= $1)", params![alive_since])
        .await
}

/// A join token; only its hash is stored.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// Its id.
    pub id: String,
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    /// Labels it gives.
    pub labels: Labels,
    /// How many more nodes may join with it.
    pub uses_left: u32,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

const TOKEN: &str = "id, hash, labels, uses_left, expires_at, created_by, created_at, revoked_at";

fn token(row: &Row) -> Result<JoinToken> {
    Ok(JoinToken {
        id: row.text(0),
        hash: row.text(1),
        labels: row.json(2)?,
        uses_left: row.uint(3),
        expires_at: row.time(4),
        created_by: row.text(5),
        created_at: row.time(6),
        revoked_at: row.time_opt(7),
    })
}

/// Adds a token.
pub async fn insert_token(tx: &mut Tx, t: &JoinToken) -> Result<()> {
    tx.execute(
        "INSERT INTO join_tokens (id, hash, labels, uses_left, expires_at, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![&t.id, &t.hash, serde_json::json!(t.labels).to_string(), t.uses_left, t.expires_at, &t.created_by, t.created_at],
    )
    .await?;
    Ok(())
}

/// All tokens, newest first.
pub async fn tokens(db: &mut impl Query) -> Result<Vec<JoinToken>> {
    db.query(format!("SELECT {TOKEN} FROM join_tokens ORDER BY created_at DESC, id"), params![]).await?.iter().map(token).collect()
}

/// Uses a token once, when it is valid: its labels.
pub async fn use_token(tx: &mut Tx, hash: &str, now: Timestamp) -> Result<Option<JoinToken>> {
    let used = tx
        .execute(
            "UPDATE join_tokens SET uses_left = uses_left - 1 WHERE hash = $1 AND uses_left > 0 AND expires_at > $2 AND revoked_at IS NULL",
            params![hash, now],
        )
        .await?;
    if used != 1 {
        return Ok(None);
    }
    tx.first(format!("SELECT {TOKEN} FROM join_tokens WHERE hash = $1"), params![hash]).await?.map(|row| token(&row)).transpose()
}

/// Revokes a token; `false` when there is none.
pub async fn revoke_token(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool> {
    Ok(tx.execute("UPDATE join_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", params![id, now]).await? == 1)
}
