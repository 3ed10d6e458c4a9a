//! Gives committed events their gap-free positions. One server at a time, by lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use synod_db::doorbell::Topic;
use synod_db::{event, member};
use synod_domain::{Result, Span};

use crate::app::App;

const BATCH: u32 = 5000;
/// How long readers wait for new events when the server that sealed dies: another takes over after this.
const LEASE: Span = Span::secs(3);

/// How long a lease just taken is relied upon before it is taken again.
const RELIED_UPON: Span = Span::secs(1);

/// Seals what is committed, when the lease is ours. `taken_at` remembers when it last was, in milliseconds.
pub async fn tick(app: Arc<App>, taken_at: Arc<AtomicI64>) -> Result<()> {
    loop {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let mut taking = false;
        if !(0..RELIED_UPON.as_millis()).contains(&now.0.saturating_sub(taken_at.load(Ordering::Relaxed))) {
            taking = true;
            if member::lease(&mut tx, "seal", &app.id, now, now.after(LEASE)).await?.is_none() {
                return tx.rollback().await;
            }
        }
        let sealed = event::seal(&mut tx, BATCH).await?;
        tx.commit().await?;
        if taking {
            taken_at.store(now.0, Ordering::Relaxed);
        }
        if sealed > 0 {
            app.bell.ring(Topic::Events);
        }
        if sealed < BATCH as usize {
            return Ok(());
        }
    }
}
