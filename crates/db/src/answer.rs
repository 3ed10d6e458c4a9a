//! First answers to requests with an idempotency key.

use synod_domain::{Result, Timestamp};

use crate::{Query, Tx, params};

/// A kept answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who asked.
    pub user: String,
    /// For what.
    pub operation: &'static str,
    /// By which key.
    pub key: String,
    /// What was asked and answered, sealed.
    pub sealed: String,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

/// What was asked and answered with a key before, sealed.
pub async fn get(db: &mut impl Query, user: &str, operation: &str, key: &str, now: Timestamp) -> Result<Option<String>> {
    let sql = "SELECT sealed FROM answers WHERE user_name = $1 AND operation = $2 AND idempotency_key = $3 AND expires_at > $4";
    Ok(db.first(sql, params![user, operation, key, now]).await?.map(|row| row.text(0)))
}

/// Keeps an answer; `false` when one is kept under the same key.
pub async fn insert(tx: &mut Tx, a: &Answer, now: Timestamp) -> Result<bool> {
    prune(tx, now).await?;
    let added = tx
        .execute(
            "INSERT INTO answers (user_name, operation, idempotency_key, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
            params![&a.user, a.operation, &a.key, &a.sealed, a.expires_at],
        )
        .await?;
    Ok(added == 1)
}

/// Forgets answers whose time is over.
pub async fn prune(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM answers WHERE expires_at <= $1", params![now]).await
}
