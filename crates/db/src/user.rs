//! Users: persons and service accounts.

use synod_domain::{Result, Timestamp};

use crate::{Query, Row, Tx, params};

/// A user as stored. The password hash and the sealed second factor stay inside the server.
#[derive(Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// A name for people.
    pub display_name: String,
    /// Whether it is a machine's.
    pub service_account: bool,
    /// Whether it may do anything.
    pub enabled: bool,
    /// Argon2id, PHC string.
    pub password_hash: Option<String>,
    /// The second factor's secret, sealed with the server's key.
    pub totp_sealed: Option<String>,
    /// Whether the second factor is in force.
    pub totp_confirmed: bool,
    /// The last time step a code was taken for; none is taken twice.
    pub totp_last_step: i64,
    /// Since when.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "name, display_name, service_account, enabled, password_hash, totp_sealed, totp_confirmed, totp_last_step, created_at";

fn user(row: &Row) -> User {
    User {
        name: row.text(0),
        display_name: row.text(1),
        service_account: row.flag(2),
        enabled: row.flag(3),
        password_hash: row.text_opt(4),
        totp_sealed: row.text_opt(5),
        totp_confirmed: row.flag(6),
        totp_last_step: row.int(7),
        created_at: row.time(8),
    }
}

/// All users by name.
pub async fn list(db: &mut impl Query) -> Result<Vec<User>> {
    Ok(db.query(format!("SELECT {COLUMNS} FROM users ORDER BY name"), params![]).await?.iter().map(user).collect())
}

/// One user.
pub async fn get(db: &mut impl Query, name: &str) -> Result<Option<User>> {
    Ok(db.first(format!("SELECT {COLUMNS} FROM users WHERE name = $1"), params![name]).await?.map(|row| user(&row)))
}

/// How many users there are.
pub async fn count(db: &mut impl Query) -> Result<i64> {
    Ok(db.first("SELECT count(*) FROM users", params![]).await?.map_or(0, |row| row.int(0)))
}

/// Adds a user; `false` when the name is taken.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<bool> {
    let added = tx
        .execute(
            "INSERT INTO users (name, display_name, service_account, enabled, password_hash, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
            params![&user.name, &user.display_name, user.service_account, user.enabled, user.password_hash.clone(), user.created_at],
        )
        .await?;
    crate::access::changed(tx).await?;
    Ok(added == 1)
}

/// Writes back everything that may change.
pub async fn update(tx: &mut Tx, user: &User) -> Result<()> {
    tx.execute(
        "UPDATE users SET display_name = $2, enabled = $3, password_hash = $4, totp_sealed = $5, totp_confirmed = $6, totp_last_step = $7 WHERE name = $1",
        params![&user.name, &user.display_name, user.enabled, user.password_hash.clone(), user.totp_sealed.clone(), user.totp_confirmed, user.totp_last_step],
    )
    .await?;
    crate::access::changed(tx).await
}

/// Takes a time step of the second factor, once: `false` when it or a later one was taken before.
pub async fn take_totp_step(tx: &mut Tx, name: &str, step: i64) -> Result<bool> {
    Ok(tx.execute("UPDATE users SET totp_last_step = $2 WHERE name = $1 AND totp_last_step < $2", params![name, step]).await? == 1)
}

/// Failed sign-ins under a key, and when the last was.
pub async fn failures(db: &mut impl Query, key: &str) -> Result<(i64, Timestamp)> {
    let row = db.first("SELECT failures, last_at FROM login_failures WHERE key = $1", params![key]).await?;
    Ok(row.map_or((0, Timestamp(0)), |row| (row.int(0), row.time(1))))
}

/// Counts a failed sign-in; counting starts anew after `forget_ms` without one.
pub async fn failed(tx: &mut Tx, key: &str, now: Timestamp, forget_ms: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO login_failures (key, failures, last_at) VALUES ($1, 1, $2)
         ON CONFLICT (key) DO UPDATE SET failures = CASE WHEN login_failures.last_at < $3 THEN 1 ELSE login_failures.failures + 1 END, last_at = $2",
        params![key, now, now.0 - forget_ms],
    )
    .await?;
    Ok(())
}

/// Forgets failed sign-ins under every key whose last was before a time.
pub async fn prune_failures(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM login_failures WHERE last_at < $1", params![before]).await
}

/// Forgets failed sign-ins.
pub async fn forget_failures(tx: &mut Tx, key: &str) -> Result<()> {
    tx.execute("DELETE FROM login_failures WHERE key = $1", params![key]).await?;
    Ok(())
}
