//! The audit log's tree and its signed head.
//!
//! Only the newest head is kept. Tiles prove that the log grew from any size, so no witness needs an earlier head; and its
//! root can be worked out again from the tiles, its signature from the key, byte for byte.

use serde::Serialize;
use synod_domain::{Result, Timestamp};

use crate::{ColumnType, Query, Tx, params, to_records};

/// A tile: up to 256 hashes of one level.
#[derive(Debug, Clone, Serialize)]
pub struct Tile {
    /// Its level; 0 holds the leaves.
    pub level: u8,
    /// Its place in the level.
    pub idx: u64,
    /// Its hashes one after the other, in base64.
    pub hashes: String,
}

/// A signed head.
#[derive(Debug, Clone)]
pub struct Head {
    /// Number of leaves.
    pub size: u64,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub at: Timestamp,
}

/// Stores tiles; a wider one replaces a narrower one of the same place.
pub async fn put_tiles(tx: &mut Tx, tiles: &[Tile]) -> Result<()> {
    if tiles.is_empty() {
        return Ok(());
    }
    let records = tx.dialect().records(1, &[("level", ColumnType::Int), ("idx", ColumnType::Int), ("hashes", ColumnType::Text)]);
    // `WHERE true` keeps SQLite's parser from reading ON CONFLICT as a join condition.
    let sql = format!(
        "INSERT INTO audit_tiles (level, idx, hashes) SELECT r.level, r.idx, r.hashes FROM {records} AS r WHERE true
         ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes WHERE length(excluded.hashes) > length(audit_tiles.hashes)"
    );
    tx.execute(sql, params![to_records(tiles)?]).await?;
    Ok(())
}

/// Reads tiles by level and place; those that are not there are left out.
pub async fn tiles(db: &mut impl Query, places: &[(u8, u64)]) -> Result<Vec<Tile>> {
    #[derive(Serialize)]
    struct Place {
        level: u8,
        idx: u64,
    }
    let places: Vec<Place> = places.iter().map(|(level, idx)| Place { level: *level, idx: *idx }).collect();
    let records = db.dialect().records(1, &[("level", ColumnType::Int), ("idx", ColumnType::Int)]);
    let sql = format!("SELECT t.level, t.idx, t.hashes FROM {records} AS r JOIN audit_tiles t ON t.level = r.level AND t.idx = r.idx");
    let rows = db.query(sql, params![to_records(&places)?]).await?;
    Ok(rows
        .iter()
        .map(|row| Tile { level: u8::try_from(row.int(0)).unwrap_or(u8::MAX), idx: row.int(1).unsigned_abs(), hashes: row.text(2) })
        .collect())
}

/// Whether this transaction alone may move the head: on PostgreSQL it then holds the row of the log's key until its end,
/// and `false` says that another one does.
pub async fn lock(tx: &mut Tx) -> Result<bool> {
    if tx.dialect().has_one_writer() {
        return Ok(true);
    }
    Ok(tx.first("SELECT 1 FROM meta WHERE key = $1 FOR UPDATE SKIP LOCKED", params![LOG_KEY]).await?.is_some())
}

/// Under which name of `meta` the sealed key of the log is; the row is there before anything is appended.
pub const LOG_KEY: &str = "log_key";

/// Puts a head in place of the one with `from` leaves (0 when there is none yet); `false` when that is not the newest any
/// more, and then nothing of the transaction may stay. To be called under [`lock`].
pub async fn move_head(tx: &mut Tx, from: u64, head: &Head) -> Result<bool> {
    let sql = if from == 0 {
        "INSERT INTO audit_heads (size, note, at) SELECT $1, $2, $3 WHERE $4 = 0 AND NOT EXISTS (SELECT 1 FROM audit_heads) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE audit_heads SET size = $1, note = $2, at = $3 WHERE size = $4"
    };
    Ok(tx.execute(sql, params![head.size, &head.note, head.at, from]).await? == 1)
}

/// The newest head.
pub async fn head(db: &mut impl Query) -> Result<Option<Head>> {
    let row = db.first("SELECT size, note, at FROM audit_heads ORDER BY size DESC LIMIT 1", params![]).await?;
    Ok(row.map(|row| Head { size: row.int(0).unsigned_abs(), note: row.text(1), at: row.time(2) }))
}
