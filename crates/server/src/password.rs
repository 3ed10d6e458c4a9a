//! Passwords (Argon2id) and other secrets people and machines present.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use synod_domain::error::code;
use synod_domain::{Error, Problem, Result};

/// One password at a time: each takes 19 MiB and some tens of milliseconds, and nobody should be able to make the
/// server spend more than that at once.
static ONE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

/// The shortest password taken.
pub const MIN_LENGTH: usize = 10;

/// The longest.
const MAX_LENGTH: usize = 1024;

/// Hashes a password. Takes tens of milliseconds by design; runs beside the event loop.
pub async fn hash(password: String) -> Result<String> {
    if password.chars().count() < MIN_LENGTH || password.len() > MAX_LENGTH {
        let problem = Problem::at("/password", format!("a password has {MIN_LENGTH} to {MAX_LENGTH} characters"));
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![problem]));
    }
    let _turn = ONE.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
        .await
        .map_err(Error::internal)?
        .map_err(|e| Error::internal(e.to_string()))
}

/// A hash nobody has the password of, with the parameters of all others: checking against it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXRoaW5ncmFuZG9t$DHfF7tYvNQ0yJQ0mPkH6dNf1YbQvVbY0eS8Xc1m1e7E";

/// Whether a password fits a hash. Without a hash it takes as long and says no, so that names cannot be probed.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool> {
    let _turn = ONE.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || {
        let known = hash.is_some() && password.len() <= MAX_LENGTH;
        let password = if known { password } else { String::new() };
        let Ok(parsed) = PasswordHash::new(hash.as_deref().unwrap_or(NOBODY)) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known
    })
    .await
    .map_err(Error::internal)
}

/// A random secret with a prefix that tells what it is: 256 bits in hexadecimal.
pub fn random_secret(prefix: &str) -> String {
    format!("{prefix}_{}", hex::encode(rand::random::<[u8; 32]>()))
}

/// How random secrets are stored: they have enough entropy for a plain hash.
pub fn secret_hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// A short random id, sortable by time: 6 characters of seconds, 6 of chance, in Crockford's base 32.
pub fn short_id(now: synod_domain::Timestamp) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    // Seconds since 2025 in 30 bits last until 2059.
    let seconds = u64::try_from(now.0 / 1000 - 1_735_689_600).unwrap_or_default() & 0x3fff_ffff;
    let bits = (seconds << 30) | (rand::random::<u64>() & 0x3fff_ffff);
    (0..12).rev().map(|n| DIGITS[(bits >> (5 * n)) as usize & 31] as char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passwords_fit_their_own_hash_only() {
        let hash = hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!verify("correct horse batterz".into(), Some(hash)).await.unwrap());
        assert!(!verify("anything".into(), None).await.unwrap());
        assert!(PasswordHash::new(NOBODY).is_ok(), "an unreadable one would answer at once and so tell that there is no such user");
        assert!(super::hash("short".into()).await.is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let early = short_id(synod_domain::Timestamp(1_800_000_000_000));
        let late = short_id(synod_domain::Timestamp(1_800_000_002_000));
        assert!(early < late && early.len() == 12, "{early} {late}");
    }
}
