//! Brings the schema up to date, step by step, each in a transaction.

use synod_domain::error::code;
use synod_domain::{Error, Result};

use crate::{Db, Query, params};

const STEPS: &[&str] = &[
    include_str!("../migrations/0001_foundation.sql"),
    include_str!("../migrations/0002_log_head.sql"),
    include_str!("../migrations/0003_trust.sql"),
    include_str!("../migrations/0004_account_keys.sql"),
    include_str!("../migrations/0005_renewals.sql"),
    include_str!("../migrations/0006_kept_rights.sql"),
    include_str!("../migrations/0007_node_days.sql"),
];

/// The schema version this program needs.
pub(crate) const VERSION: usize = STEPS.len();

pub(crate) async fn migrate(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    if let Some(key) = lock(db) {
        tx.query(key, params![]).await?;
    }
    let exists = tx.first(db.dialect().tables_exist(), params![]).await?.is_some_and(|row| row.int(0) > 0);
    let current = if exists { version(&mut tx).await? } else { 0 };
    if current > VERSION {
        return Err(Error::new(
            code::SCHEMA_VERSION,
            format!(
                "the database has schema version {current}, this program knows versions up to {VERSION}; run the newer program, \
                 or this one on a database restored from a backup of before"
            ),
        ));
    }
    for step in &STEPS[current..] {
        tx.script(db.dialect().schema(step)).await?;
    }
    if current < VERSION {
        tx.execute(
            "INSERT INTO meta (key, value) VALUES ('schema_version', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![VERSION.to_string()],
        )
        .await?;
        tracing::info!(from = current, to = VERSION, database = db.dialect().name(), "the schema is up to date");
    }
    tx.commit().await
}

/// Two servers that start at once must not both migrate; SQLite's write transaction says so already.
fn lock(db: &Db) -> Option<&'static str> {
    db.postgres().map(|_| "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7305816)) AS held")
}

async fn version(tx: &mut crate::Tx) -> Result<usize> {
    let row = tx.first("SELECT value FROM meta WHERE key = 'schema_version'", params![]).await?;
    Ok(row.and_then(|row| row.text(0).parse().ok()).unwrap_or(0))
}
