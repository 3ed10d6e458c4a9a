//! The version of everything that decides about access: users, groups, bindings, policies, namespaces.
//!
//! It grows in every transaction that changes one of them, so a server may keep them all in memory
//! and know from one small read whether they are still true.

use synod_domain::Result;

use crate::{Query, Tx, params};

/// The present version.
pub async fn version(db: &mut impl Query) -> Result<i64> {
    let row = db.first("SELECT value FROM meta WHERE key = 'access_version'", params![]).await?;
    Ok(row.and_then(|row| row.text(0).parse().ok()).unwrap_or(0))
}

/// Tells everyone that what decides about access has changed. The row also serialises such changes.
pub async fn changed(tx: &mut Tx) -> Result<()> {
    tx.execute(
        "INSERT INTO meta (key, value) VALUES ('access_version', '1')
         ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
        params![],
    )
    .await?;
    Ok(())
}
