//! A run with all its evidence, for those who judge it without this server.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_db::event::{self, Filter};
use synod_db::run::Run;
use synod_db::{Query, approval, audit as stored, run, task, trust};
use synod_domain::event::{Event, types};
use synod_domain::manifest::NodeEntry;
use synod_domain::{Error, Result};
use synod_protocol::http::trust::BundleQuery;
use synod_trust::Envelope;
use synod_trust::bundle::{Bundle, LoggedEvent, Node, NodeResult, VERSION};
use synod_trust::strict::to_base64;

use crate::audit;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::signing::{Cover, Published};

/// So many events are read at once.
const PAGE: u32 = 1000;

/// Puts the evidence about a run together.
pub async fn run_bundle(ctx: &Ctx, id: &str, query: &BundleQuery) -> Result<Bundle> {
    let mut tx = ctx.app.db.snapshot().await?;
    let row = super::run::resolve(&mut tx, id).await?;
    ctx.require(Action::RunRead, &Resource::template(&row.namespace, &row.template))?;
    let document = ctx.app.manifests.of(&row)?;
    let entries = run::nodes(&mut tx, &row.id).await?;
    let after = match &query.pinned {
        None => 0,
        Some(pinned) => trust::by_digest(&mut tx, pinned).await?.ok_or_else(|| Error::not_found("trust root", pinned))?.version - 1,
    };
    let read = |text: &str| Envelope::read(text.as_bytes()).map_err(Error::internal);
    let roots = trust::roots_after(&mut tx, after).await?.iter().map(|root| read(&root.envelope)).collect::<Result<Vec<_>>>()?;
    let Some(head) = stored::head(&mut tx).await? else {
        return Err(audit::behind(&mut tx, "the audit log holds nothing yet; its first events come within moments".into()).await);
    };
    let logged = events(&mut tx, &row, head.size).await?;
    let mut delivered: Vec<_> = approval::list(&mut tx, &row.id).await?.into_iter().map(approval::delivered).collect();
    // By the root that was in force when it began, since later ones may not know the keys any more.
    let cover = |published| Cover::of(&Arc::new(published), &document.manifest, entries.iter().map(|node| node.name.as_str()));
    let began = place(&logged, types::RUN_STARTED).or_else(|| place(&logged, types::RUN_APPROVED));
    if let Some(cover) = in_force(&mut tx, &logged, began).await?.and_then(cover) {
        let counted = cover.counted(&document.manifest, &document.digest, &delivered, row.started_at.unwrap_or(ctx.now));
        delivered.retain(|given| counted.contains(&given.person));
    }
    let approvals = delivered.iter().filter_map(|given| given.signature.as_deref()).map(read).collect::<Result<Vec<_>>>()?;
    let mut ratifications = approval::ratifications(&mut tx, &row.id).await?.iter().map(|given| read(&given.envelope)).collect::<Result<Vec<_>>>()?;
    // One of them may have been lost to a later root before there were enough.
    if let Some(ratified) = place(&logged, types::RUN_RATIFIED)
        && let Some(cover) = in_force(&mut tx, &logged, Some(ratified)).await?.and_then(cover)
        && let Ok(standing) = cover.stand_ratification(&document.manifest, &document.digest, &ratifications, ratified.time)
    {
        ratifications = standing.counted.iter().map(|(n, _)| ratifications[*n].clone()).collect();
    }
    let keys: BTreeMap<String, String> = trust::node_keys_of_run(&mut tx, &row.id).await?.into_iter().map(|key| (key.digest, key.spki)).collect();
    let results = results(&mut tx, &row.id, &keys).await?;
    let tree = document.set_nodes(&entries)?;
    let path = |index: usize| tree.path(index).unwrap_or_default().iter().map(|hash| to_base64(hash)).collect();
    let nodes = entries
        .iter()
        .enumerate()
        .map(|(index, NodeEntry { id, name })| Node { index: u32::try_from(index).unwrap_or(u32::MAX), id: id.clone(), name: name.clone(), path: path(index) })
        .collect();
    let indexes: Vec<u64> = logged.iter().map(|event| event.position - 1).collect();
    let paths = audit::inclusions(&mut tx, &indexes, head.size).await?;
    let events = logged
        .into_iter()
        .zip(paths)
        .map(|(event, path)| {
            let index = event.position - 1;
            let event = serde_json::to_value(event).map_err(Error::internal)?;
            Ok(LoggedEvent { event, index, proof: path.iter().map(|hash| to_base64(hash)).collect() })
        })
        .collect::<Result<_>>()?;
    tx.rollback().await?;
    Ok(Bundle {
        version: VERSION,
        run: row.id.clone(),
        manifest: to_base64(&document.bytes),
        digest: row.digest.clone(),
        phase: row.phase,
        approvals,
        ratifications,
        roots,
        nodes,
        results,
        events,
        checkpoint: head.note,
    })
}

async fn results(db: &mut impl Query, run: &str, keys: &BTreeMap<String, String>) -> Result<Vec<NodeResult>> {
    let mut found = Vec::new();
    for (_, envelope) in task::signed_of_run(db, run).await? {
        let envelope = Envelope::read(envelope.as_bytes()).map_err(Error::internal)?;
        let key = envelope.signatures.first().map(|signature| signature.keyid.clone()).unwrap_or_default();
        // A key nobody knows is shown as none: whoever judges then says so.
        let spki = keys.get(&key).cloned().unwrap_or_default();
        found.push(NodeResult { envelope, spki });
    }
    Ok(found)
}

/// What is logged about the run, which keys its nodes had, and when trust roots were published. What the run has come to must be
/// in the log: a story without its end would look as if somebody had left it out.
async fn events(db: &mut impl Query, run: &Run, size: u64) -> Result<Vec<Event>> {
    let mut found = event::first_of_node_keys(db, &run.id, size).await?;
    found.extend(event::of_roots(db, size).await?);
    let about = all(db, Filter { run: Some(run.id.clone()), global: true, limit: PAGE, ..Filter::default() }).await?;
    // Tasks of a run that goes on end all the time; their last events may follow later.
    let waits = |event: &Event| event.position > size && (run.phase.ended() || !event.kind.starts_with("synod.task."));
    if about.iter().any(waits) || !about.iter().any(|event| event.kind == types::RUN_REQUESTED) {
        return Err(audit::behind(db, "the audit log does not contain the run's last events yet; they come within moments".into()).await);
    }
    found.extend(about);
    found.retain(|event| event.position <= size);
    found.sort_by_key(|event| event.position);
    Ok(found)
}

/// The event that tells so of the run.
fn place<'a>(events: &'a [Event], kind: &str) -> Option<&'a Event> {
    events.iter().find(|event| event.kind == kind && event.run.is_some())
}

/// The root that was in force at an event, or is in force now.
async fn in_force(db: &mut impl Query, events: &[Event], at: Option<&Event>) -> Result<Option<Published>> {
    let before = at.map_or(u64::MAX, |event| event.position);
    let published = events.iter().filter(|event| event.kind == types::TRUST_ROOT_PUBLISHED && event.position < before);
    let Some(digest) = published.filter_map(|event| event.data["digest"].as_str()).next_back() else { return Ok(None) };
    trust::by_digest(db, digest).await?.map(Published::read).transpose()
}

async fn all(db: &mut impl Query, mut filter: Filter) -> Result<Vec<Event>> {
    let mut found = Vec::new();
    loop {
        let page = event::list(db, &filter).await?;
        let Some(last) = page.last() else { return Ok(found) };
        filter.after = Some(last.position);
        found.extend(page);
    }
}
