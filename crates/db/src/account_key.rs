//! Keys of accounts, and the challenges passkeys answer.

use synod_domain::{Result, Timestamp};

use crate::{Query, Row, Tx, params};

/// A key as stored.
#[derive(Debug, Clone)]
pub struct AccountKey {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// [`PASSKEY`] or [`SSH`].
    pub kind: String,
    /// What its owner calls it.
    pub name: String,
    /// Its id in trust roots.
    pub key_id: String,
    /// The key as trust roots write it, JSON.
    pub spec: String,
    /// The authenticator's name for a passkey, base64url.
    pub credential_id: Option<String>,
    /// How a passkey's authenticator is reached, JSON.
    pub transports: String,
    /// A passkey's counter.
    pub counter: u32,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When a passkey was last used here.
    pub last_used_at: Option<Timestamp>,
}

/// The kind of passkeys.
pub const PASSKEY: &str = "passkey";
/// The kind of SSH keys.
pub const SSH: &str = "ssh";

const COLUMNS: &str = "id, user_name, kind, name, key_id, spec, credential_id, transports, counter, created_at, last_used_at";

fn key(row: &Row) -> AccountKey {
    AccountKey {
        id: row.text(0),
        user: row.text(1),
        kind: row.text(2),
        name: row.text(3),
        key_id: row.text(4),
        spec: row.text(5),
        credential_id: row.text_opt(6),
        transports: row.text(7),
        counter: row.uint(8),
        created_at: row.time(9),
        last_used_at: row.time_opt(10),
    }
}

/// Adds a key; `false` when the user has it already, or anybody has a passkey with its credential id.
pub async fn insert(tx: &mut Tx, k: &AccountKey) -> Result<bool> {
    let added = tx
        .execute(
            "INSERT INTO account_keys (id, user_name, kind, name, key_id, spec, credential_id, transports, counter, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            params![&k.id, &k.user, &k.kind, &k.name, &k.key_id, &k.spec, k.credential_id.clone(), &k.transports, k.counter, k.created_at],
        )
        .await?;
    // A passkey is a second factor, and whether somebody has one is part of what decides about access.
    crate::access::changed(tx).await?;
    Ok(added == 1)
}

/// The keys of a user, oldest first.
pub async fn of_user(db: &mut impl Query, user: &str) -> Result<Vec<AccountKey>> {
    let sql = format!("SELECT {COLUMNS} FROM account_keys WHERE user_name = $1 ORDER BY created_at, id");
    Ok(db.query(sql, params![user]).await?.iter().map(key).collect())
}

/// The passkey with this credential id.
pub async fn by_credential(db: &mut impl Query, credential_id: &str) -> Result<Option<AccountKey>> {
    let sql = format!("SELECT {COLUMNS} FROM account_keys WHERE credential_id = $1");
    Ok(db.first(sql, params![credential_id]).await?.map(|row| key(&row)))
}

/// How many passkeys each user has who has any.
pub async fn passkeys(db: &mut impl Query) -> Result<Vec<(String, u32)>> {
    let rows = db.query("SELECT user_name, count(*) FROM account_keys WHERE kind = 'passkey' GROUP BY user_name", params![]).await?;
    Ok(rows.iter().map(|row| (row.text(0), row.uint(1))).collect())
}

/// Notes that a passkey was used; `false` when its counter did not grow although it counts, which a copy would cause.
pub async fn used(tx: &mut Tx, id: &str, counter: u32, now: Timestamp) -> Result<bool> {
    let noted = tx
        .execute(
            "UPDATE account_keys SET counter = $2, last_used_at = $3 WHERE id = $1 AND (counter < $2 OR (counter = 0 AND $2 = 0))",
            params![id, counter, now],
        )
        .await?;
    Ok(noted == 1)
}

/// Removes one key of a user; `false` when there is none of that kind.
pub async fn remove(tx: &mut Tx, user: &str, kind: &str, id: &str) -> Result<bool> {
    let gone = tx.execute("DELETE FROM account_keys WHERE user_name = $1 AND kind = $2 AND id = $3", params![user, kind, id]).await?;
    crate::access::changed(tx).await?;
    Ok(gone == 1)
}

/// A challenge that awaits an answer.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The hash of it.
    pub hash: String,
    /// What the answer is to do.
    pub purpose: &'static str,
    /// Who is to answer; empty when that is not known yet.
    pub user: String,
    /// When no answer is taken any more.
    pub expires_at: Timestamp,
}

/// Notes a challenge, and forgets those whose time is over; `false` when `most` of the same purpose await answers already.
pub async fn challenge(tx: &mut Tx, c: &Challenge, now: Timestamp, most: u32) -> Result<bool> {
    forget_challenges(tx, now).await?;
    let added = tx
        .execute(
            "INSERT INTO challenges (hash, purpose, user_name, expires_at)
             SELECT r.hash, r.purpose, r.user_name, r.expires_at
             FROM (SELECT CAST($1 AS TEXT) AS hash, CAST($2 AS TEXT) AS purpose, CAST($3 AS TEXT) AS user_name, CAST($4 AS BIGINT) AS expires_at) AS r
             WHERE (SELECT count(*) FROM challenges c WHERE c.purpose = $2 AND c.user_name = $3) < $5",
            params![&c.hash, c.purpose, &c.user, c.expires_at, most],
        )
        .await?;
    Ok(added == 1)
}

/// Takes a challenge, once: `false` when there is none like it, or its time is over.
pub async fn take_challenge(tx: &mut Tx, hash: &str, purpose: &str, user: &str, now: Timestamp) -> Result<bool> {
    let taken = tx
        .execute("DELETE FROM challenges WHERE hash = $1 AND purpose = $2 AND user_name = $3 AND expires_at > $4", params![hash, purpose, user, now])
        .await?;
    Ok(taken == 1)
}

/// Forgets challenges whose time is over.
pub async fn forget_challenges(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM challenges WHERE expires_at <= $1", params![now]).await
}
