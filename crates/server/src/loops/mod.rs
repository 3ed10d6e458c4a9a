//! Reconcilers: they take no input, run on a timer and on the doorbell, and look only at the database.

mod audit;
pub mod presence;
pub mod reports;
mod rollout;
mod seal;

use std::sync::Arc;
use std::time::Duration;

use synod_db::doorbell::Topic;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;

/// Starts every loop.
pub fn spawn(tasks: &mut JoinSet<()>, app: &Arc<App>, stop: &watch::Receiver<bool>) {
    tasks.spawn(repeat(app.clone(), stop.clone(), "rollout", Some(Topic::Runs), Duration::from_millis(500), rollout::tick));
    tasks.spawn(repeat(app.clone(), stop.clone(), "deliver", Some(Topic::Tasks), Duration::from_secs(5), rollout::deliver));
    tasks.spawn(audit::run(app.clone(), stop.clone()));
    tasks.spawn(repeat(app.clone(), stop.clone(), "member", None, Duration::from_secs(3), crate::ops::system::heartbeat));
    tasks.spawn(repeat(app.clone(), stop.clone(), "trust", None, Duration::from_secs(2), |app| async move { crate::ops::trust::push(&app).await }));
    tasks.spawn(repeat(app.clone(), stop.clone(), "prune", None, Duration::from_secs(600), crate::ops::system::prune));
    tasks.spawn(repeat(app.clone(), stop.clone(), "nodes", None, Duration::from_secs(60), crate::ops::system::count_nodes));
    tasks.spawn(repeat(app.clone(), stop.clone(), "strangers", None, Duration::from_secs(60), crate::ops::auth::tell_strangers));
    tasks.spawn(repeat(app.clone(), stop.clone(), "metrics", None, Duration::from_secs(10), crate::ops::metrics::catch_up));
    if !app.db.dialect().has_one_writer() {
        tasks.spawn(repeat(app.clone(), stop.clone(), "seal", Some(Topic::Unsealed), Duration::from_secs(1), seal::tick));
    }
}

/// Runs a step again and again: at every ring, and at the latest after `every`. A step that fails is
/// tried again; nothing it does depends on its having run before.
async fn repeat<F>(app: Arc<App>, mut stop: watch::Receiver<bool>, name: &'static str, topic: Option<Topic>, every: Duration, step: impl Fn(Arc<App>) -> F)
where
    F: Future<Output = synod_domain::Result<()>> + Send,
{
    let mut rings = topic.map(|topic| app.bell.listen(topic));
    loop {
        if let Err(error) = step(app.clone()).await {
            tracing::warn!(name, ?error, "a loop's step failed; it is tried again");
        }
        let ring = async {
            match &mut rings {
                Some(rings) => {
                    let _ = rings.changed().await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ring => {}
            () = tokio::time::sleep(every) => {}
            _ = stop.changed() => return,
        }
    }
}
