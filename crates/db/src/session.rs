//! Sessions and API keys: what a caller signs in with.

use synod_domain::{Result, Timestamp};

use crate::{Query, Row, Tx, params};

/// A signed-in session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id, inside the token.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// For requests with a cookie.
    pub csrf: String,
    /// What the client called itself.
    pub client: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When the second factor was last confirmed.
    pub stepped_up_at: Option<Timestamp>,
    /// When it was ended early.
    pub revoked_at: Option<Timestamp>,
}

const SESSION: &str = "id, user_name, csrf, client, created_at, expires_at, stepped_up_at, revoked_at";

fn session(row: &Row) -> Session {
    Session {
        id: row.text(0),
        user: row.text(1),
        csrf: row.text(2),
        client: row.text(3),
        created_at: row.time(4),
        expires_at: row.time(5),
        stepped_up_at: row.time_opt(6),
        revoked_at: row.time_opt(7),
    }
}

/// Adds a session.
pub async fn insert(tx: &mut Tx, s: &Session) -> Result<()> {
    tx.execute(
        "INSERT INTO sessions (id, user_name, csrf, client, created_at, expires_at, stepped_up_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![&s.id, &s.user, &s.csrf, &s.client, s.created_at, s.expires_at, s.stepped_up_at],
    )
    .await?;
    Ok(())
}

/// One session, and the access version at the same moment.
pub async fn get(db: &mut impl Query, id: &str) -> Result<Option<(Session, i64)>> {
    let sql = format!("SELECT {SESSION}, (SELECT value FROM meta WHERE key = 'access_version') FROM sessions WHERE id = $1");
    Ok(db.first(sql, params![id]).await?.map(|row| (session(&row), row.text(8).parse().unwrap_or(0))))
}

/// The live sessions of a user, newest first.
pub async fn of_user(db: &mut impl Query, user: &str, now: Timestamp) -> Result<Vec<Session>> {
    let sql = format!("SELECT {SESSION} FROM sessions WHERE user_name = $1 AND expires_at > $2 AND revoked_at IS NULL ORDER BY created_at DESC, id");
    Ok(db.query(sql, params![user, now]).await?.iter().map(session).collect())
}

/// Moves the end of a session.
pub async fn renew(tx: &mut Tx, id: &str, expires_at: Timestamp) -> Result<()> {
    tx.execute("UPDATE sessions SET expires_at = $2 WHERE id = $1", params![id, expires_at]).await?;
    Ok(())
}

/// Records a fresh second factor.
pub async fn step_up(tx: &mut Tx, id: &str, at: Timestamp) -> Result<()> {
    tx.execute("UPDATE sessions SET stepped_up_at = $2 WHERE id = $1", params![id, at]).await?;
    Ok(())
}

/// Ends one session of a user; `false` when there is none.
pub async fn revoke(tx: &mut Tx, user: &str, id: &str, now: Timestamp) -> Result<bool> {
    Ok(tx
        .execute("UPDATE sessions SET revoked_at = $3 WHERE id = $2 AND user_name = $1 AND revoked_at IS NULL", params![user, id, now])
        .await?
        == 1)
}

/// Ends all sessions of a user.
pub async fn revoke_all(tx: &mut Tx, user: &str, now: Timestamp) -> Result<u64> {
    tx.execute("UPDATE sessions SET revoked_at = $2 WHERE user_name = $1 AND revoked_at IS NULL", params![user, now]).await
}

/// Forgets sessions that ended before `before`.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM sessions WHERE expires_at < $1", params![before]).await
}

/// An API key; only its hash is stored.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// SHA-256 of the key, hexadecimal.
    pub hash: String,
    /// Whose it is.
    pub user: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

const KEY: &str = "id, hash, user_name, name, created_at, expires_at, revoked_at";

fn key(row: &Row) -> ApiKey {
    ApiKey {
        id: row.text(0),
        hash: row.text(1),
        user: row.text(2),
        name: row.text(3),
        created_at: row.time(4),
        expires_at: row.time(5),
        revoked_at: row.time_opt(6),
    }
}

/// Adds a key.
pub async fn insert_key(tx: &mut Tx, k: &ApiKey) -> Result<()> {
    tx.execute(
        "INSERT INTO api_keys (id, hash, user_name, name, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        params![&k.id, &k.hash, &k.user, &k.name, k.created_at, k.expires_at],
    )
    .await?;
    Ok(())
}

/// The key with this hash, and the access version at the same moment.
pub async fn key_by_hash(db: &mut impl Query, hash: &str) -> Result<Option<(ApiKey, i64)>> {
    let sql = format!("SELECT {KEY}, (SELECT value FROM meta WHERE key = 'access_version') FROM api_keys WHERE hash = $1");
    Ok(db.first(sql, params![hash]).await?.map(|row| (key(&row), row.text(7).parse().unwrap_or(0))))
}

/// The key with this id.
pub async fn key_by_id(db: &mut impl Query, id: &str) -> Result<Option<ApiKey>> {
    Ok(db.first(format!("SELECT {KEY} FROM api_keys WHERE id = $1"), params![id]).await?.map(|row| key(&row)))
}

/// All keys, or those of one user, newest first.
pub async fn keys(db: &mut impl Query, user: Option<&str>) -> Result<Vec<ApiKey>> {
    let sql = format!("SELECT {KEY} FROM api_keys WHERE $1 = '' OR user_name = $1 ORDER BY created_at DESC, id");
    Ok(db.query(sql, params![user.unwrap_or_default()]).await?.iter().map(key).collect())
}

/// Revokes a key.
pub async fn revoke_key(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.execute("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", params![id, now]).await?;
    Ok(())
}
