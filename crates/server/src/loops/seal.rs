//! Gives committed events their gap-free positions. One server at a time, by lease.

use std::sync::Arc;

use synod_db::doorbell::Topic;
use synod_db::{event, member};
use synod_domain::{Result, Span};

use crate::app::App;

const BATCH: u32 = 5000;
/// How long readers wait for new events when the server that sealed dies: another takes over after this.
const LEASE: Span = Span::secs(3);

/// Seals what is committed, when the lease is ours.
pub async fn tick(app: Arc<App>) -> Result<()> {
    loop {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        if member::lease(&mut tx, "seal", &app.id, now, now.after(LEASE)).await?.is_none() {
            return tx.rollback().await;
        }
        let sealed = event::seal(&mut tx, BATCH).await?;
        tx.commit().await?;
        if sealed > 0 {
            app.bell.ring(Topic::Events);
        }
        if sealed < BATCH as usize {
            return Ok(());
        }
    }
}
