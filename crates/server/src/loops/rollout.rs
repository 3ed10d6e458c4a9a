//! Keeps runs going: what is due begins, expires or goes on; what took too long is given up; what was
//! assigned elsewhere reaches the agents here; who was removed elsewhere is sent off here.

use std::sync::Arc;

use synod_db::doorbell::Topic;
use synod_db::{node, run, task};
use synod_domain::Result;
use synod_domain::error::code;

use crate::app::App;
use crate::ops;

const BATCH: u32 = 200;
/// So long after its start a server gives no task up: agents that were cut off must be able to come back first.
const SETTLE_MS: i64 = 10_000;

/// Looks at every run whose time has come, and at every task that is overdue.
pub async fn tick(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let (due, overdue) = {
        let mut reader = app.db.reader().await?;
        let settled = now.since(app.started_at) >= SETTLE_MS;
        let overdue = if settled { task::overdue(&mut reader, now, 5000).await? } else { Vec::new() };
        (run::due(&mut reader, now, BATCH).await?, overdue)
    };
    for id in &due {
        ops::rollout::look(&app, id).await?;
    }
    if !overdue.is_empty() {
        let effects = ops::task::give_up(&app, overdue, now).await?;
        effects.carry_out(&app);
    }
    if due.len() == BATCH as usize {
        app.bell.ring(Topic::Runs);
    }
    Ok(())
}

/// Hands what is assigned to the agents here to them, and passes cancellations on.
pub async fn deliver(app: Arc<App>) -> Result<()> {
    let (assigned, cancelled, removed) = {
        let mut reader = app.db.reader().await?;
        let removed = node::removed_among(&mut reader, &app.gateway.nodes()).await?;
        (task::assigned_to_server(&mut reader, &app.id).await?, task::to_cancel(&mut reader, &app.id).await?, removed)
    };
    // Whoever was removed by way of another server must not stay connected to this one.
    for id in removed {
        app.gateway.dismiss(&id, code::NODE_REVOKED.id, "this node was removed", false);
    }
    app.gateway.deliver(&app, assigned).await?;
    app.gateway.cancel(cancelled);
    Ok(())
}
