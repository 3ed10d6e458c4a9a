//! Operations: authorize, load, decide, write and record in one transaction, then wake who must know.

pub mod access;
pub mod account_key;
pub mod answer;
pub mod approval;
pub mod audit;
pub mod auth;
pub mod break_glass;
pub mod bundle;
pub mod event;
pub mod metrics;
pub mod node;
pub mod object;
pub mod overview;
pub mod rollout;
pub mod run;
pub mod run_view;
pub mod system;
pub mod task;
pub mod trust;
pub mod user;

use std::collections::BTreeSet;
use std::sync::Arc;

use synod_db::doorbell::Topic;
use synod_domain::error::code;
use synod_domain::{Error, Result};

use crate::app::App;

/// One at a time of the questions that take much computing, so that nobody can keep a server busy by asking them often.
pub(crate) static HARD_WORK: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

/// Reads a filter of several words, such as `failed,lost`; none when it is absent.
pub(crate) fn words<T: std::str::FromStr<Err = String>>(list: Option<&str>) -> Result<Vec<T>> {
    let words = list.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|e| Error::new(code::UNKNOWN_PARAMETER, e))).collect()
}

/// What is to happen after a commit. Losing it costs latency only: loops find the same work by themselves.
#[derive(Debug, Default)]
#[must_use = "carry the effects out after the commit"]
pub struct Effects {
    /// Runs with newly assigned tasks.
    pub assigned: BTreeSet<String>,
    /// Whether tasks under way are to be cancelled.
    pub cancel: bool,
    /// Whether events were recorded.
    pub events: bool,
}

impl Effects {
    /// Joins two.
    pub fn and(mut self, other: Self) -> Self {
        self.assigned.extend(other.assigned);
        self.cancel |= other.cancel;
        self.events |= other.events;
        self
    }

    /// Wakes and delivers, beside the caller.
    pub fn carry_out(self, app: &Arc<App>) {
        if self.events {
            app.ring_events();
        }
        if self.cancel {
            app.bell.ring(Topic::Tasks);
        }
        if self.assigned.is_empty() {
            return;
        }
        let app = app.clone();
        tokio::spawn(async move {
            for run in &self.assigned {
                let delivered = async {
                    let mut reader = app.db.reader().await?;
                    let assigned = synod_db::task::assigned_of_run(&mut reader, run).await?;
                    drop(reader);
                    app.gateway.deliver(&app, assigned).await
                };
                match delivered.await {
                    Ok(elsewhere) if elsewhere && !app.db.dialect().has_one_writer() => app.bell.ring(Topic::Tasks),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(?error, run, "tasks were not delivered; the loop tries again");
                        app.bell.ring(Topic::Tasks);
                    }
                }
            }
        });
    }
}
