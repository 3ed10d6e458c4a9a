//! The whole state as a stream of JSON lines, and back: the same form on both databases, so a backup
//! also moves an installation from one to the other.
//!
//! First line: version and schema; then a line a row; last line: the number of rows and the SHA-256 of
//! everything before it. A file that was cut or changed is refused before anything is written.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use synod_domain::error::code;
use synod_domain::{Error, Result};

use crate::{Cell, Db, Param, Query, Tx, event, migrate, params};

const FORMAT: &str = "synod-backup/1";
const PAGE: usize = 1000;

/// A table: its name, its columns as (name, is an integer), and by what it is ordered.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, bool)],
    order: &'static str,
}

macro_rules! tables {
    ($($name:ident by $order:literal { $($column:ident : $type:ident),* $(,)? })*) => {
        const TABLES: &[Table] = &[$(Table { name: stringify!($name), order: $order, columns: &[$((stringify!($column), tables!(@ $type))),*] }),*];
    };
    (@ int) => { true };
    (@ text) => { false };
}

// In an order in which references hold. Members, streams and failed sign-ins belong to processes, not to
// the state, and are left out; so are challenges and kept answers, which live for minutes and hours, and the head of the
// log, which follows from the positions.
tables! {
    meta by "key" { key: text, value: text }
    users by "name" { name: text, display_name: text, service_account: int, enabled: int, password_hash: text, totp_sealed: text, totp_confirmed: int, totp_last_step: int, created_at: int }
    sessions by "id" { id: text, user_name: text, csrf: text, client: text, created_at: int, expires_at: int, stepped_up_at: int, revoked_at: int }
    api_keys by "id" { id: text, hash: text, user_name: text, name: text, created_at: int, expires_at: int, revoked_at: int }
    account_keys by "id" { id: text, user_name: text, kind: text, name: text, key_id: text, spec: text, credential_id: text, transports: text, counter: int, created_at: int, last_used_at: int }
    objects by "kind, namespace, name" { kind: text, namespace: text, name: text, revision: int, labels: text, spec: text, digest: text, author: text, updated_at: int, deleted: int }
    object_revisions by "kind, namespace, name, revision" { kind: text, namespace: text, name: text, revision: int, labels: text, spec: text, digest: text, author: text, updated_at: int, deleted: int }
    join_tokens by "id" { id: text, hash: text, labels: text, uses_left: int, expires_at: int, created_by: text, created_at: int, revoked_at: int }
    nodes by "id" { id: text, name: text, labels: text, facts: text, version: text, age_recipient: text, certificate_serial: text, certificate_expires_at: int, joined_at: int, last_seen_at: int, removed_at: int, trust: text, trust_alarm: text, renewals: int, renewals_since: int }
    runs by "id" { id: text, namespace: text, template: text, revision: int, title: text, requester: text, author: text, reason: text, phase: text, digest: text, manifest: text, node_count: int, created_at: int, approve_by: int, not_before: int, started_at: int, finished_at: int, message: text, batches: int, batch_ended_at: int, gates_opened: int, at_gate: int, cancelling: int, cancelled_by: text, wake_at: int, replay_of: text, idempotency_key: text, idempotency_hash: text, break_glass: text, ratification: text }
    run_nodes by "run_id, idx" { run_id: text, idx: int, node_id: text, node_name: text, sealed_secrets: text }
    approvals by "run_id, person" { run_id: text, person: text, decision: text, digest: text, comment: text, at: int, rules: text, signature: text }
    tasks by "run_id, idx" { run_id: text, idx: int, node_id: text, node_name: text, namespace: text, template: text, phase: text, created_at: int, batch: int, assigned_at: int, deadline_at: int, started_at: int, finished_at: int, exit_code: int, reason: text, check_failed: int, detail: text }
    outputs by "id" { id: int, run_id: text, idx: int, chunk: int, segments: text }
    events by "seq" { seq: int, type: text, subject: text, namespace: text, run_id: text, actor: text, at: int, data: text }
    unsealed by "seq" { seq: int }
    event_positions by "position" { position: int, seq: int }
    trust_roots by "version" { version: int, digest: text, envelope: text, published_at: int, published_by: text }
    node_keys by "digest" { digest: text, node_id: text, spki: text, since: int }
    ratifications by "run_id, person" { run_id: text, person: text, envelope: text, at: int }
    results by "run_id, idx" { run_id: text, idx: int, envelope: text }
    audit_tiles by "level, idx" { level: int, idx: int, hashes: text }
    node_days by "day" { day: int, least: int, most: int, total: int }
    audit_heads by "size" { size: int, note: text, at: int }
}

/// Tables whose number column the database itself hands out.
const NUMBERED: [(&str, &str); 2] = [("outputs", "id"), ("events", "seq")];

/// What a backup is written into: pieces, or why it broke off.
pub type Sink = tokio::sync::mpsc::Sender<std::io::Result<Vec<u8>>>;

async fn pass(sink: &Sink, piece: Vec<u8>) -> Result<()> {
    sink.send(Ok(piece)).await.map_err(|_| Error::internal("the receiver of the backup went away"))
}

/// Writes a consistent copy of everything, piece by piece.
pub async fn write(db: &Db, sink: &Sink) -> Result<()> {
    let mut tx = db.snapshot().await?;
    let mut hash = Sha256::new();
    let mut rows = 0u64;
    let mut piece = line(&json!({"format": FORMAT, "schema": migrate::VERSION, "version": env!("CARGO_PKG_VERSION")}));
    for table in TABLES {
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        for page in 0.. {
            let sql = format!("SELECT {} FROM {} ORDER BY {} LIMIT {PAGE} OFFSET {}", columns.join(", "), table.name, table.order, page * PAGE);
            let found = tx.query(sql, params![]).await?;
            for row in &found {
                let cells: Vec<Value> = row
                    .0
                    .iter()
                    .map(|cell| match cell {
                        Cell::Null => Value::Null,
                        Cell::Int(n) => json!(n),
                        Cell::Text(text) => json!(text),
                    })
                    .collect();
                piece.extend(line(&json!([table.name, cells])));
                rows += 1;
            }
            hash.update(&piece);
            pass(sink, std::mem::take(&mut piece)).await?;
            if found.len() < PAGE {
                break;
            }
        }
    }
    let last = line(&json!({"rows": rows, "sha256": hex::encode(hash.finalize())}));
    pass(sink, last).await?;
    tx.rollback().await
}

fn line(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// What a backup says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// How many rows it holds.
    pub rows: u64,
    /// The program that wrote it.
    pub version: String,
}

/// Checks a backup whole: form, schema, number of rows, digest.
pub fn check(bytes: &[u8]) -> Result<Checked> {
    let refuse = |why: &str| Error::new(code::INVALID_DOCUMENT, format!("this is no whole backup: {why}"));
    let body = bytes.strip_suffix(b"\n").ok_or_else(|| refuse("it breaks off in the middle of a line"))?;
    let start = body.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let last: Value = serde_json::from_slice(&body[start..]).map_err(|_| refuse("its last line is missing"))?;
    let first_end = body.iter().position(|b| *b == b'\n').unwrap_or(0);
    let first: Value = serde_json::from_slice(&body[..first_end]).map_err(|_| refuse("its first line is not ours"))?;
    if first["format"] != FORMAT {
        return Err(refuse("its first line is not ours"));
    }
    let schema = first["schema"].as_u64().unwrap_or_default();
    let (ours, writer) = (migrate::VERSION as u64, first["version"].as_str().unwrap_or("unknown"));
    if schema != ours {
        let remedy = if schema < ours {
            "restore it into an empty database with the program that wrote it, then start the server of this one on that: it brings the schema up to date"
        } else {
            "restore it with the program that wrote it, or a newer one"
        };
        return Err(Error::new(
            code::SCHEMA_VERSION,
            format!("the backup has schema version {schema} and was written by Synod {writer}, this program restores version {ours}; {remedy}"),
        ));
    }
    let Some(digest) = last["sha256"].as_str() else { return Err(refuse("its last line is missing")) };
    if hex::encode(Sha256::digest(&bytes[..start])) != digest {
        return Err(refuse("its content does not have the recorded digest"));
    }
    let rows = body[..start].iter().filter(|b| **b == b'\n').count() as u64 - 1;
    if last["rows"] != rows {
        return Err(refuse("it does not have as many rows as recorded"));
    }
    Ok(Checked { rows, version: first["version"].as_str().unwrap_or_default().to_owned() })
}

/// Puts a checked backup into an empty database, in one transaction. A database that holds anything is refused.
pub async fn restore(db: &Db, bytes: &[u8]) -> Result<Checked> {
    let checked = check(bytes)?;
    let mut tx = db.begin().await?;
    for table in TABLES.iter().filter(|table| table.name != "meta") {
        if tx.first(format!("SELECT 1 FROM {} LIMIT 1", table.name), params![]).await?.is_some() {
            return Err(Error::new(code::IN_USE, format!("the database is not empty (table {}); restore into a new one", table.name)));
        }
    }
    tx.execute("DELETE FROM meta", params![]).await?;
    let mut current: Option<&Table> = None;
    let mut batch: Vec<Vec<Value>> = Vec::new();
    for text in bytes.split(|b| *b == b'\n').skip(1) {
        let Ok(Value::Array(parts)) = serde_json::from_slice::<Value>(text) else { continue };
        let [Value::String(name), Value::Array(cells)] = parts.as_slice() else { continue };
        let table = TABLES
            .iter()
            .find(|table| table.name == name)
            .ok_or_else(|| Error::new(code::INVALID_DOCUMENT, format!("the backup names a table `{name}` that is not ours")))?;
        if current.is_none_or(|known| known.name != table.name) || batch.len() >= PAGE {
            flush(&mut tx, current, &mut batch).await?;
            current = Some(table);
        }
        batch.push(cells.clone());
    }
    flush(&mut tx, current, &mut batch).await?;
    for (table, column) in NUMBERED {
        if !tx.dialect().has_one_writer() {
            let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', '{column}'), COALESCE((SELECT max({column}) FROM {table}), 0) + 1, false)");
            tx.query(sql, params![]).await?;
        }
    }
    if tx.dialect().has_one_writer() {
        event::place_waiting(&mut tx).await?;
    }
    tx.execute("UPDATE log_head SET position = (SELECT COALESCE(max(position), 0) FROM event_positions)", params![]).await?;
    tx.commit().await?;
    Ok(checked)
}

async fn flush(tx: &mut Tx, table: Option<&Table>, batch: &mut Vec<Vec<Value>>) -> Result<()> {
    let rows = std::mem::take(batch);
    let Some(table) = table.filter(|_| !rows.is_empty()) else { return Ok(()) };
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let overriding = if tx.dialect().has_one_writer() || !NUMBERED.iter().any(|(name, _)| *name == table.name) { "" } else { " OVERRIDING SYSTEM VALUE" };
    // As many rows a statement as SQLite's bound of 32,766 parameters allows.
    for rows in rows.chunks((30_000 / columns.len()).min(200)) {
        let mut values: Vec<Param> = Vec::new();
        let mut tuples = Vec::new();
        for cells in rows {
            let mut marks = Vec::new();
            for (n, (_, is_int)) in table.columns.iter().enumerate() {
                let cell = cells.get(n).unwrap_or(&Value::Null);
                values.push(if *is_int { Param::Int(cell.as_i64()) } else { Param::Text(cell.as_str().map(str::to_owned)) });
                marks.push(format!("${}", values.len()));
            }
            tuples.push(format!("({})", marks.join(", ")));
        }
        tx.execute(format!("INSERT INTO {} ({}){overriding} VALUES {}", table.name, columns.join(", "), tuples.join(", ")), values)
            .await?;
    }
    Ok(())
}
