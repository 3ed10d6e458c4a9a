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
    /// SHA-256 of what was asked.
    pub request_hash: String,
    /// The answer, sealed.
    pub sealed: String,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

/// The hash of what was asked with a key before, and the sealed answer.
pub async fn get(db: &mut impl Query, user: &str, operation: &str, key: &str, now: Timestamp) -> Result<Option<(String, String)>> {
    let sql = "SELECT request_hash, sealed FROM answers WHERE user_name = $1 AND operation = $2 AND idempotency_key = $3 AND expires_at > $4";
    Ok(db.first(sql, params![user, operation, key, now]).await?.map(|row| (row.text(0), row.text(1))))
}

/// Keeps an answer; `false` when one is kept under the same key.
pub async fn insert(tx: &mut Tx, a: &Answer, now: Timestamp) -> Result<bool> {
    prune(tx, now).await?;
    let added = tx
        .execute(
            "INSERT INTO answers (user_name, operation, idempotency_key, request_hash, sealed, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING",
            params![&a.user, a.operation, &a.key, &a.request_hash, &a.sealed, a.expires_at],
        )
        .await?;
    Ok(added == 1)
}

/// Forgets answers whose time is over.
pub async fn prune(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM answers WHERE expires_at <= $1", params![now]).await
}
