//! Events: search, and what may be followed.

use synod_db::event::{self, Filter};
use synod_domain::error::code;
use synod_domain::event::Event;
use synod_domain::{Error, Result};
use synod_protocol::http::Page;
use synod_protocol::http::event::EventQuery;

use crate::authz::{Action, Resource};
use crate::ctx::Ctx;

/// The filter a query amounts to for this caller: never more than they may see.
pub async fn filter(ctx: &Ctx, query: &EventQuery) -> Result<Filter> {
    let run = match &query.run {
        None => None,
        Some(prefix) => {
            let run = super::run::resolve(&mut ctx.app.db.reader().await?, prefix).await?;
            ctx.require(Action::RunRead, &Resource::template(&run.namespace, &run.template))?;
            Some(run.id)
        }
    };
    let after = match query.cursor.as_deref() {
        None => query.after,
        Some(cursor) => Some(
            cursor
                .strip_prefix('e')
                .and_then(|n| n.parse().ok())
                .ok_or_else(|| Error::new(code::INVALID_CURSOR, "this is no cursor of an event listing"))?,
        ),
    };
    let all = ctx.may(Action::EventReadAll, &Resource::system());
    let namespaces = if run.is_some() { None } else { ctx.scope(Action::EventRead, query.namespace.as_deref())? };
    // Who may see every namespace does not thereby see what is outside of all of them.
    let namespaces = match namespaces {
        None if !all && run.is_none() => Some(ctx.access.namespaces.keys().cloned().collect()),
        other => other,
    };
    Ok(Filter {
        kind: query.kind.clone(),
        subject: query.subject.clone(),
        run,
        namespaces,
        global: all && query.namespace.is_none(),
        actor: query.actor.clone(),
        since: query.since,
        until: query.until,
        after,
        newest: query.newest && !query.follow,
        limit: query.limit.unwrap_or(100).clamp(1, 1000),
    })
}

/// A page of events.
pub async fn event_list(ctx: &Ctx, query: &EventQuery) -> Result<Page<Event>> {
    let filter = filter(ctx, query).await?;
    let items = event::list(&mut ctx.app.db.reader().await?, &filter).await?;
    let next = items.last().filter(|_| items.len() == filter.limit as usize).map(|last| format!("e{}", last.position));
    Ok(Page { items, next })
}
