//! The log of events: appended in the transaction that made them true, then given gap-free positions.
//!
//! PostgreSQL's sequence numbers become visible out of order, so a reader who remembers the last number
//! it saw could miss a slower transaction's rows; readers go by positions. Whoever gives out positions
//! holds the row `log_head` until its commit, so they become visible in their order and none is left out.
//!
//! A transaction that finds the row free, and nobody waiting in `unsealed`, places its events itself. It
//! never waits for the row: what it cannot place it leaves in `unsealed`, to be placed by the sealer once
//! committed. While anything it can see waits there it must not place anything either: an event would come
//! before one that led to it. The sealer waits for the row, holding nothing else, so nobody waits in a circle.

use serde::Serialize;
use serde_json::Value;
use synod_domain::error::code;
use synod_domain::event::{Event, NewEvent, type_matches};
use synod_domain::{Error, Result, Timestamp};

use crate::filter::Select;
use crate::{ColumnType, Query, Recorded, Row, Tx, params, to_records};

#[derive(Serialize)]
struct Record<'a> {
    n: usize,
    kind: &'a str,
    subject: &'a str,
    namespace: Option<&'a str>,
    run_id: Option<&'a str>,
    actor: &'a str,
    data: String,
}

/// The most an event may say, in bytes of JSON: the audit log's files give the length of an entry two bytes.
pub const MAX_DATA: usize = 60_000;

/// Appends events to the transaction that makes them true. To be done last in it: until it ends, no other
/// transaction on PostgreSQL can place its own. An event that says more than [`MAX_DATA`] is refused.
pub async fn append(tx: &mut Tx, events: &[NewEvent], now: Timestamp) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let rows: Vec<Record<'_>> = events
        .iter()
        .enumerate()
        .map(|(n, e)| Record {
            n,
            kind: e.kind,
            subject: &e.subject,
            namespace: e.namespace.as_deref(),
            run_id: e.run.as_deref(),
            actor: &e.actor,
            data: e.data.to_string(),
        })
        .collect();
    if let Some(long) = rows.iter().find(|row| row.data.len() > MAX_DATA) {
        let what =
            format!("the record of it ({} about {}) would have {} bytes; at most {MAX_DATA} fit. Shorten the texts", long.kind, long.subject, long.data.len());
        return Err(Error::new(code::INVALID_DOCUMENT, what));
    }
    // PostgreSQL's text cannot hold it, and SQLite's would end there.
    if let Some(odd) = events.iter().find(|event| holds_nul(&event.data)) {
        let what = format!("the record of it ({} about {}) would hold a NUL character; leave it out of the texts", odd.kind, odd.subject);
        return Err(Error::new(code::INVALID_DOCUMENT, what));
    }
    let records = tx.dialect().records(
        2,
        &[
            ("n", ColumnType::Int),
            ("kind", ColumnType::Text),
            ("subject", ColumnType::Text),
            ("namespace", ColumnType::Text),
            ("run_id", ColumnType::Text),
            ("actor", ColumnType::Text),
            ("data", ColumnType::Text),
        ],
    );
    let insert = format!(
        "INSERT INTO events (type, subject, namespace, run_id, actor, at, data)
         SELECT r.kind, r.subject, r.namespace, r.run_id, r.actor, $1, r.data FROM {records} AS r ORDER BY r.n RETURNING seq"
    );
    let values = params![now, to_records(&rows)?];
    if !tx.dialect().has_one_writer() {
        // The lock gives the row's newest state, so the position is right even if the statement began before the last commit.
        // What `UPDATE` sets is told by the lock and the number of events alone: it can be worked out again for that state.
        let sql = format!(
            "WITH head AS (SELECT position FROM log_head WHERE NOT EXISTS (SELECT 1 FROM unsealed) FOR UPDATE SKIP LOCKED),
                 added AS ({insert}),
                 placed AS (
                     INSERT INTO event_positions (position, seq)
                     SELECT head.position + row_number() OVER (ORDER BY added.seq), added.seq FROM head CROSS JOIN added),
                 waiting AS (INSERT INTO unsealed (seq) SELECT seq FROM added WHERE NOT EXISTS (SELECT 1 FROM head))
             UPDATE log_head SET position = head.position + {} FROM head RETURNING head.position + 1",
            events.len()
        );
        match tx.query_with_later(sql, values).await?.first() {
            Some(row) => tx.placed(events, row.int(0), now),
            None => tx.recorded(Recorded::Unsealed),
        }
        return Ok(());
    }
    // Rows become visible in the order of their numbers here, so their places are known at once.
    let mut seqs: Vec<i64> = tx.query(insert, values).await?.iter().map(|row| row.int(0)).collect();
    seqs.sort_unstable();
    let first = place(tx, &seqs).await?;
    tx.placed(events, first, now);
    Ok(())
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, item)| name.contains('\0') || holds_nul(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn seq_records(tx: &Tx, param: u32) -> String {
    tx.dialect().records(param, &[("n", ColumnType::Int), ("seq", ColumnType::Int)])
}

fn to_seqs(seqs: &[i64]) -> Result<String> {
    #[derive(Serialize)]
    struct Seq {
        n: usize,
        seq: i64,
    }
    let rows: Vec<Seq> = seqs.iter().enumerate().map(|(n, seq)| Seq { n, seq: *seq }).collect();
    to_records(&rows)
}

/// Gives positions one after the other; returns the first.
async fn place(tx: &mut Tx, seqs: &[i64]) -> Result<i64> {
    let sql = format!(
        "INSERT INTO event_positions (position, seq) SELECT COALESCE((SELECT max(position) FROM event_positions), 0) + 1 + r.n, r.seq FROM {} AS r
         RETURNING position",
        seq_records(tx, 1)
    );
    let rows = tx.query(sql, params![to_seqs(seqs)?]).await?;
    rows.iter().map(|row| row.int(0)).min().ok_or_else(|| Error::internal("no event was placed"))
}

/// Gives events that were left without positions theirs, once committed; returns how many. When two servers do this
/// at once, one waits for the other.
pub async fn seal(tx: &mut Tx, limit: u32) -> Result<usize> {
    if tx.dialect().has_one_writer() {
        // Nothing ever waits there.
        return Ok(0);
    }
    // The row first, and by a statement of its own: the next one then sees all that was placed and taken before.
    let head = tx.first("SELECT position FROM log_head WHERE EXISTS (SELECT 1 FROM unsealed) FOR UPDATE", params![]).await?;
    let Some(head) = head.map(|row| row.int(0)) else { return Ok(0) };
    let sql = format!(
        "WITH taken AS (DELETE FROM unsealed WHERE seq IN (SELECT seq FROM unsealed ORDER BY seq LIMIT {limit}) RETURNING seq)
         INSERT INTO event_positions (position, seq) SELECT $1 + row_number() OVER (ORDER BY seq), seq FROM taken"
    );
    let sealed = tx.execute(sql, params![head]).await?;
    tx.execute("UPDATE log_head SET position = position + $1", params![sealed]).await?;
    Ok(usize::try_from(sealed).unwrap_or(usize::MAX))
}

/// Places what waited in a backup taken from PostgreSQL, for a database where nobody seals.
pub(crate) async fn place_waiting(tx: &mut Tx) -> Result<()> {
    tx.execute(
        "INSERT INTO event_positions (position, seq)
         SELECT COALESCE((SELECT max(position) FROM event_positions), 0) + row_number() OVER (ORDER BY seq), seq FROM unsealed",
        params![],
    )
    .await?;
    tx.execute("DELETE FROM unsealed", params![]).await?;
    Ok(())
}

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this type; with `*` at the end any that begin so.
    pub kind: Option<String>,
    /// Only about this subject.
    pub subject: Option<String>,
    /// Only of this run.
    pub run: Option<String>,
    /// Only in these namespaces (and, when `global`, those of none); `None` for all.
    pub namespaces: Option<Vec<String>>,
    /// Whether events of no namespace are among them.
    pub global: bool,
    /// Only caused by this actor.
    pub actor: Option<String>,
    /// Only recorded at or after.
    pub since: Option<Timestamp>,
    /// Only recorded before.
    pub until: Option<Timestamp>,
    /// Only after this position (before it, when `newest`).
    pub after: Option<u64>,
    /// Newest first.
    pub newest: bool,
    /// At most so many.
    pub limit: u32,
}

impl Filter {
    /// Whether an event that was just recorded is among what is read, wherever reading stands.
    pub fn matches(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        let inside = match (&self.namespaces, &event.namespace) {
            (None, _) => true,
            (Some(_), None) => self.global,
            (Some(names), Some(namespace)) => names.contains(namespace),
        };
        inside
            && self.kind.as_deref().is_none_or(|pattern| type_matches(pattern, &event.kind))
            && is(&self.subject, Some(&event.subject))
            && is(&self.run, event.run.as_deref())
            && is(&self.actor, Some(&event.actor))
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
    }
}

/// Reads events by position.
pub async fn list(db: &mut impl Query, filter: &Filter) -> Result<Vec<Event>> {
    let mut select = Select::from(
        "SELECT p.position, e.type, e.subject, e.namespace, e.run_id, e.actor, e.at, e.data FROM event_positions p JOIN events e ON e.seq = p.seq",
    );
    select.and("e.subject =", filter.subject.as_ref());
    select.and("e.run_id =", filter.run.as_ref());
    select.and("e.actor =", filter.actor.as_ref());
    select.and("e.at >=", filter.since);
    select.and("e.at <", filter.until);
    select.and(if filter.newest { "p.position <" } else { "p.position >" }, filter.after);
    match filter.kind.as_deref().map(|kind| (kind, kind.strip_suffix('*'))) {
        Some((_, Some(prefix))) => {
            select.and("e.type >=", Some(prefix));
            select.and("e.type <", Some(format!("{prefix}\u{7f}")));
        }
        Some((kind, None)) => select.and("e.type =", Some(kind)),
        None => {}
    }
    select.and_among("e.namespace", filter.namespaces.as_deref(), filter.global);
    let order = if filter.newest { "DESC" } else { "ASC" };
    let (sql, values) = select.end(&format!(" ORDER BY p.position {order} LIMIT {}", filter.limit));
    db.query(sql, values).await?.iter().map(event).collect()
}

/// The events by which the keys of a run's nodes were noted first, up to a position: one a key. An event is recorded with the key or a
/// moment later, so that each is found near where it is looked for.
pub async fn first_of_node_keys(db: &mut impl Query, run: &str, until: u64) -> Result<Vec<Event>> {
    let sql = "SELECT p.position, e.type, e.subject, e.namespace, e.run_id, e.actor, e.at, e.data
         FROM run_nodes n JOIN node_keys k ON k.node_id = n.node_id
         JOIN events e ON e.seq = (
             SELECT o.seq FROM events o
             WHERE o.type IN ('synod.node.joined', 'synod.node.certificate_renewed') AND o.subject = 'node/' || n.node_name AND o.at >= k.since
                   AND o.data LIKE '%\"key\":\"' || k.digest || '\"%'
             ORDER BY o.seq LIMIT 1)
         JOIN event_positions p ON p.seq = e.seq
         WHERE n.run_id = $1 AND p.position <= $2 ORDER BY p.position";
    db.query(sql, params![run, until]).await?.iter().map(event).collect()
}

/// The events by which trust roots were published, up to a position.
pub async fn of_roots(db: &mut impl Query, until: u64) -> Result<Vec<Event>> {
    let sql = "SELECT p.position, e.type, e.subject, e.namespace, e.run_id, e.actor, e.at, e.data FROM events e JOIN event_positions p ON p.seq = e.seq
         WHERE e.type = 'synod.trust.root_published' AND p.position <= $1 ORDER BY p.position";
    db.query(sql, params![until]).await?.iter().map(event).collect()
}

fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        kind: row.text(1),
        subject: row.text(2),
        namespace: row.text_opt(3),
        run: row.text_opt(4),
        actor: row.text(5),
        data: row.json(7)?,
        ..Event::empty(row.int(0).unsigned_abs(), row.time(6))
    })
}

/// An event as it is read once it has a position.
pub(crate) fn of(new: &NewEvent, position: u64, now: Timestamp) -> Event {
    let NewEvent { kind, subject, namespace, run, actor, data } = new.clone();
    Event { kind: kind.to_owned(), subject, namespace, run, actor, data, ..Event::empty(position, now) }
}

/// The last position given out; 0 when none is.
pub async fn last_position(db: &mut impl Query) -> Result<u64> {
    Ok(db.first("SELECT max(position) FROM event_positions", params![]).await?.map_or(0, |row| row.int(0).unsigned_abs()))
}
