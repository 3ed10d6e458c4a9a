//! Gives positions to events whose transactions could not. Every server does it for what was left here, and by its
//! timer for what others left; the head of the log is held by one at a time.

use std::sync::Arc;

use synod_db::doorbell::Topic;
use synod_db::event;
use synod_domain::Result;

use crate::app::App;

const BATCH: u32 = 5000;

/// Seals what is committed and waits.
pub async fn tick(app: Arc<App>) -> Result<()> {
    loop {
        let mut tx = app.db.begin().await?;
        let sealed = event::seal(&mut tx, BATCH).await?;
        if sealed == 0 {
            return tx.rollback().await;
        }
        tx.commit().await?;
        app.bell.ring(Topic::Events);
        if sealed < BATCH as usize {
            return Ok(());
        }
    }
}
