//! Trust roots as they were published, and the public keys of nodes.

use synod_domain::{Result, Timestamp};

use crate::{Query, Row, Tx, params};

/// A root as stored.
#[derive(Debug, Clone)]
pub struct Root {
    /// Its version.
    pub version: u64,
    /// Its digest.
    pub digest: String,
    /// JSON of the signed envelope.
    pub envelope: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// By whom.
    pub published_by: String,
}

fn root(row: &Row) -> Root {
    Root { version: row.int(0).unsigned_abs(), digest: row.text(1), envelope: row.text(2), published_at: row.time(3), published_by: row.text(4) }
}

/// The roots above a version, oldest first.
pub async fn roots_after(db: &mut impl Query, version: u64) -> Result<Vec<Root>> {
    let rows = db
        .query("SELECT version, digest, envelope, published_at, published_by FROM trust_roots WHERE version > $1 ORDER BY version", params![version])
        .await?;
    Ok(rows.iter().map(root).collect())
}

/// The newest root.
pub async fn newest(db: &mut impl Query) -> Result<Option<Root>> {
    let row = db
        .first("SELECT version, digest, envelope, published_at, published_by FROM trust_roots ORDER BY version DESC LIMIT 1", params![])
        .await?;
    Ok(row.as_ref().map(root))
}

/// Holds the newest root until the transaction ends, so that those who count starts by one of its rules do it one by one.
pub async fn hold(tx: &mut Tx) -> Result<()> {
    let sql = format!("SELECT version FROM trust_roots ORDER BY version DESC LIMIT 1{}", tx.dialect().for_update());
    tx.first(sql, params![]).await?;
    Ok(())
}

/// The root with this digest.
pub async fn by_digest(db: &mut impl Query, digest: &str) -> Result<Option<Root>> {
    let row = db
        .first("SELECT version, digest, envelope, published_at, published_by FROM trust_roots WHERE digest = $1", params![digest])
        .await?;
    Ok(row.as_ref().map(root))
}

/// Adds a root; `false` when its version is there already.
pub async fn insert(tx: &mut Tx, r: &Root) -> Result<bool> {
    let added = tx
        .execute(
            "INSERT INTO trust_roots (version, digest, envelope, published_at, published_by) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            params![r.version, &r.digest, &r.envelope, r.published_at, &r.published_by],
        )
        .await?;
    Ok(added == 1)
}

/// The public key of a node.
#[derive(Debug, Clone)]
pub struct NodeKey {
    /// `sha256:…` of the key.
    pub digest: String,
    /// Whose it is.
    pub node_id: String,
    /// The DER of its SubjectPublicKeyInfo in base64.
    pub spki: String,
}

/// Notes a node's key; one that is known stays as it is.
pub async fn add_node_key(tx: &mut Tx, key: &NodeKey, now: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO node_keys (digest, node_id, spki, since) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        params![&key.digest, &key.node_id, &key.spki, now],
    )
    .await?;
    Ok(())
}

/// The key a node joined with; absent for one that joined before keys were kept.
pub async fn key_of_node(db: &mut impl Query, node_id: &str) -> Result<Option<String>> {
    let row = db.first("SELECT digest FROM node_keys WHERE node_id = $1 ORDER BY since, digest LIMIT 1", params![node_id]).await?;
    Ok(row.map(|row| row.text(0)))
}

/// The keys that the nodes of a run ever had.
pub async fn node_keys_of_run(db: &mut impl Query, run: &str) -> Result<Vec<NodeKey>> {
    let rows = db
        .query(
            "SELECT k.digest, k.node_id, k.spki FROM run_nodes n JOIN node_keys k ON k.node_id = n.node_id WHERE n.run_id = $1 ORDER BY n.idx, k.since",
            params![run],
        )
        .await?;
    Ok(rows.iter().map(|row| NodeKey { digest: row.text(0), node_id: row.text(1), spki: row.text(2) }).collect())
}
