//! Declared things and their immutable revisions.

use std::collections::BTreeMap;

use synod_domain::object::{Document, Kind, Metadata};
use synod_domain::{Result, Timestamp};

use crate::{Query, Row, Tx, params};

/// A declared thing at one revision.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it is.
    pub kind: Kind,
    /// Where it lives.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// From 1, never used twice, not even after deletion.
    pub revision: u64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The content in normal form.
    pub spec: serde_json::Value,
    /// SHA-256 of the canonical content.
    pub digest: String,
    /// Who wrote this revision.
    pub author: String,
    /// When.
    pub updated_at: Timestamp,
    /// Whether this revision is a deletion.
    pub deleted: bool,
}

impl Stored {
    /// As people read it.
    pub fn document(&self) -> Document {
        Document {
            api_version: synod_domain::object::API_VERSION.to_owned(),
            kind: self.kind,
            metadata: Metadata {
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                labels: self.labels.clone(),
                revision: Some(self.revision),
                author: Some(self.author.clone()),
                updated_at: Some(self.updated_at),
            },
            spec: self.spec.clone(),
        }
    }
}

const COLUMNS: &str = "kind, namespace, name, revision, labels, spec, digest, author, updated_at, deleted";

fn stored(row: &Row) -> Result<Stored> {
    let namespace = row.text(1);
    Ok(Stored {
        kind: row.word(0)?,
        namespace: (!namespace.is_empty()).then_some(namespace),
        name: row.text(2),
        revision: row.int(3).unsigned_abs(),
        labels: row.json(4)?,
        spec: row.json(5)?,
        digest: row.text(6),
        author: row.text(7),
        updated_at: row.time(8),
        deleted: row.flag(9),
    })
}

/// The newest revision, a deletion among them, locked for change.
pub async fn lock(tx: &mut Tx, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND namespace = $2 AND name = $3{}", tx.dialect().for_update());
    tx.first(sql, params![kind.name(), namespace.unwrap_or_default(), name]).await?.map(|row| stored(&row)).transpose()
}

/// The newest revision, unless it is deleted.
pub async fn get(db: &mut impl Query, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND namespace = $2 AND name = $3 AND deleted = 0");
    db.first(sql, params![kind.name(), namespace.unwrap_or_default(), name]).await?.map(|row| stored(&row)).transpose()
}

/// One revision.
pub async fn revision(db: &mut impl Query, kind: Kind, namespace: Option<&str>, name: &str, revision: u64) -> Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM object_revisions WHERE kind = $1 AND namespace = $2 AND name = $3 AND revision = $4 AND deleted = 0");
    db.first(sql, params![kind.name(), namespace.unwrap_or_default(), name, revision]).await?.map(|row| stored(&row)).transpose()
}

/// All revisions, newest first.
pub async fn revisions(db: &mut impl Query, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Vec<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM object_revisions WHERE kind = $1 AND namespace = $2 AND name = $3 ORDER BY revision DESC");
    db.query(sql, params![kind.name(), namespace.unwrap_or_default(), name]).await?.iter().map(stored).collect()
}

/// All things of a kind, by namespace and name.
pub async fn list(db: &mut impl Query, kind: Kind) -> Result<Vec<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE kind = $1 AND deleted = 0 ORDER BY namespace, name");
    db.query(sql, params![kind.name()]).await?.iter().map(stored).collect()
}

/// Whether anything lives in a namespace.
pub async fn any_in(db: &mut impl Query, namespace: &str) -> Result<Option<(Kind, String)>> {
    let row = db
        .first("SELECT kind, name FROM objects WHERE namespace = $1 AND deleted = 0 ORDER BY kind, name LIMIT 1", params![namespace])
        .await?;
    row.map(|row| Ok((row.word(0)?, row.text(1)))).transpose()
}

/// Writes a revision and makes it the newest.
pub async fn put(tx: &mut Tx, s: &Stored) -> Result<()> {
    let values = params![
        s.kind.name(),
        s.namespace.as_deref().unwrap_or_default(),
        &s.name,
        s.revision,
        serde_json::json!(s.labels).to_string(),
        s.spec.to_string(),
        &s.digest,
        &s.author,
        s.updated_at,
        s.deleted
    ];
    tx.execute(format!("INSERT INTO object_revisions ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"), values.clone())
        .await?;
    let sql = format!(
        "INSERT INTO objects ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (kind, namespace, name) DO UPDATE SET revision = excluded.revision, labels = excluded.labels, spec = excluded.spec,
         digest = excluded.digest, author = excluded.author, updated_at = excluded.updated_at, deleted = excluded.deleted"
    );
    tx.execute(sql, values).await?;
    if s.kind != Kind::Template {
        crate::access::changed(tx).await?;
    }
    Ok(())
}
