//! Small facts about the installation: keys of the cluster, versions, counters.

use synod_domain::Result;

use crate::{Query, Tx, params};

/// Reads a value.
pub async fn get(db: &mut impl Query, key: &str) -> Result<Option<String>> {
    Ok(db.first("SELECT value FROM meta WHERE key = $1", params![key]).await?.map(|row| row.text(0)))
}

/// Writes a value.
pub async fn set(tx: &mut Tx, key: &str, value: &str) -> Result<()> {
    tx.execute("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", params![key, value])
        .await?;
    Ok(())
}

/// Writes a value unless there is one, and returns the one that stands.
pub async fn set_once(tx: &mut Tx, key: &str, value: &str) -> Result<String> {
    tx.execute("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING", params![key, value]).await?;
    Ok(get(tx, key).await?.unwrap_or_else(|| value.to_owned()))
}
