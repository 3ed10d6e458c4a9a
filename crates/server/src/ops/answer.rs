//! The same request sent twice makes one thing: first answers are kept for a day under the caller's idempotency key.
//!
//! Answers may hold a secret that is shown once and requests a password, so both are sealed with the master key.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use synod_db::answer::{self, Answer};
use synod_domain::error::code;
use synod_domain::{Error, Result, Span};

use crate::ctx::Ctx;

/// How long an answer is kept.
const KEPT_FOR: Span = Span::secs(86_400);

/// A request as it was asked, with the caller's key for it when there is one.
pub struct Asked {
    operation: &'static str,
    key: Option<String>,
    hash: String,
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    hash: String,
    answer: T,
}

impl Asked {
    /// Notes what is asked.
    pub fn new(operation: &'static str, key: Option<&str>, request: &impl Serialize) -> Result<Self> {
        let hash = hex::encode(Sha256::digest(serde_json::to_vec(request).map_err(Error::internal)?));
        Ok(Self { operation, key: key.map(str::to_owned), hash })
    }

    /// The first answer to the same request. Ask after the caller's rights were looked at: they may have gone meanwhile.
    pub async fn answered<T: DeserializeOwned>(&self, ctx: &Ctx) -> Result<Option<T>> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some(sealed) = answer::get(&mut ctx.app.db.reader().await?, &ctx.caller.user, self.operation, key, ctx.now).await? else { return Ok(None) };
        let kept: Kept<T> = serde_json::from_slice(&ctx.app.keys.unseal(&sealed)?).map_err(Error::internal)?;
        if kept.hash != self.hash {
            return Err(Error::new(code::IDEMPOTENCY_CONFLICT, "this idempotency key was used within the last day for a request that asks for something else"));
        }
        Ok(Some(kept.answer))
    }

    /// Keeps the answer, in the transaction that makes it true.
    pub async fn keep(&self, ctx: &Ctx, tx: &mut synod_db::Tx, answer: &impl Serialize) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let plain = serde_json::to_vec(&Kept { hash: self.hash.clone(), answer }).map_err(Error::internal)?;
        let kept = Answer {
            user: ctx.caller.user.clone(),
            operation: self.operation,
            key: key.clone(),
            sealed: ctx.app.keys.seal(&plain),
            expires_at: ctx.now.after(KEPT_FOR),
        };
        if answer::insert(tx, &kept, ctx.now).await? {
            return Ok(());
        }
        Err(Error::new(code::IDEMPOTENCY_CONFLICT, "a request with this idempotency key was just being carried out; send it again for its answer")
            .retry_after(1))
    }
}
