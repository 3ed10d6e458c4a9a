//! The page of figures: what was counted, and what is there now.

use std::sync::Arc;
use std::time::Duration;

use synod_db::event::{self, Filter};
use synod_db::metrics;
use synod_domain::Result;
use tokio::time::Instant;

use crate::app::App;
use crate::metrics::{Page, Told, resident_bytes};

/// So many events are read at once.
const BATCH: u32 = 1000;
/// Nobody needs a newer page than one of this age, and anybody may ask.
const FRESH: Duration = Duration::from_secs(1);

/// Reads what happened since the last look, so that the next one has little to read.
pub async fn catch_up(app: Arc<App>) -> Result<()> {
    read(&app, &mut *app.counters.told.lock().await).await
}

async fn read(app: &App, told: &mut Told) -> Result<()> {
    let mut reader = app.db.reader().await?;
    let mut after = match told.position {
        Some(position) => position,
        None => event::last_position(&mut reader).await?,
    };
    loop {
        told.position = Some(after);
        let found = event::list(&mut reader, &Filter { after: Some(after), global: true, limit: BATCH, ..Filter::default() }).await?;
        found.iter().for_each(|event| told.hear(event));
        let Some(last) = found.last() else { return Ok(()) };
        after = last.position;
    }
}

/// The page. Without the database it tells what is known without.
pub async fn page(app: &App) -> String {
    let mut told = app.counters.told.lock().await;
    if let Some((at, page)) = &told.page
        && at.elapsed() < FRESH
    {
        return page.clone();
    }
    let mut page = Page::default();
    page.build(env!("CARGO_PKG_VERSION"), app.db.dialect().name());
    let uptime = app.clock.now().since(app.started_at) / 1000;
    page.one("synod_uptime_seconds", "gauge", "Since when this server runs.", u64::try_from(uptime).unwrap_or_default());
    if let Some(bytes) = resident_bytes() {
        page.one("synod_process_resident_memory_bytes", "gauge", "Memory this server holds.", bytes);
    }
    page.one("synod_agents_connected", "gauge", "Agents connected to this server.", app.gateway.count().into());
    app.counters.write(&mut page);
    // Before this page uses one itself.
    let pools = metrics::pools(&app.db);
    let found = async {
        read(app, &mut told).await?;
        metrics::figures(&mut app.db.reader().await?).await
    }
    .await;
    page.one("synod_database_up", "gauge", "Whether the database answers; without it, what lies there is left out.", found.is_ok().into());
    let open = pools.iter().map(|pool| (pool.name.to_owned(), pool.open.into()));
    page.labelled("synod_database_connections", "gauge", "Open connections to the database, by pool.", "pool", open);
    let busy = pools.iter().map(|pool| (pool.name.to_owned(), pool.busy.into()));
    page.labelled("synod_database_connections_busy", "gauge", "Connections to the database that are in use, by pool.", "pool", busy);
    told.write(&mut page);
    if let Ok(found) = found {
        let of = |all: &[(String, u64)], phase: &str| all.iter().find(|(name, _)| name == phase).map_or(0, |(_, n)| *n);
        let runs = ["pending", "approved", "running"].map(|phase| (phase.to_owned(), of(&found.runs, phase)));
        page.labelled("synod_runs", "gauge", "Runs that have not ended, by phase.", "phase", runs);
        let tasks = ["assigned", "started"].map(|phase| (phase.to_owned(), of(&found.tasks, phase)));
        page.labelled("synod_tasks", "gauge", "Tasks given to nodes that have not ended, by phase.", "phase", tasks);
        let nodes = [("connected", found.connected), ("offline", found.nodes.saturating_sub(found.connected))];
        page.labelled("synod_nodes", "gauge", "Nodes, by state.", "state", nodes.map(|(state, n)| (state.to_owned(), n)));
        page.one("synod_events_last_position", "gauge", "The position of the newest event.", found.position);
        page.one("synod_events_unsealed", "gauge", "Events that were recorded and have no position yet.", found.unsealed);
    }
    let text = page.end();
    told.page = Some((Instant::now(), text.clone()));
    text
}
