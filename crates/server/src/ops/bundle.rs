//! A run with all its evidence, for those who judge it without this server.

use std::collections::{BTreeMap, BTreeSet};

use synod_db::event::{self, Filter};
use synod_db::{Query, approval, audit as stored, run, task, trust};
use synod_domain::error::code;
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
use crate::signing;

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
    let mut delivered = approval::delivered(&mut tx, &row.id).await?;
    if let Some(cover) = signing::cover(&document, &ctx.access, &mut tx).await? {
        let counted = cover.counted(&document.manifest, &document.digest, &delivered, row.started_at.unwrap_or(ctx.now));
        delivered.retain(|given| counted.contains(&given.person));
    }
    let approvals = delivered.iter().filter_map(|given| given.signature.as_deref()).map(read).collect::<Result<Vec<_>>>()?;
    let ratifications = approval::ratifications(&mut tx, &row.id).await?.iter().map(|given| read(&given.envelope)).collect::<Result<Vec<_>>>()?;
    let keys: BTreeMap<String, String> = trust::node_keys_of_run(&mut tx, &row.id).await?.into_iter().map(|key| (key.digest, key.spki)).collect();
    let results = results(&mut tx, &row.id, &keys).await?;
    let tree = document.set_nodes(&entries)?;
    let path = |index: usize| tree.path(index).unwrap_or_default().iter().map(|hash| to_base64(hash)).collect();
    let nodes = entries
        .iter()
        .enumerate()
        .map(|(index, NodeEntry { id, name })| Node { index: u32::try_from(index).unwrap_or(u32::MAX), id: id.clone(), name: name.clone(), path: path(index) })
        .collect();
    let head = stored::head(&mut tx)
        .await?
        .ok_or_else(|| Error::new(code::LOG_BEHIND, "the audit log holds nothing yet; its first events come within moments").retry_after(1))?;
    let events = events(&mut tx, &row.id, &entries, head.size).await?;
    let indexes: Vec<u64> = events.iter().map(|event| event.position - 1).collect();
    let paths = audit::inclusions(&mut tx, &indexes, head.size).await?;
    let events = events
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

/// What is logged about the run, and which keys its nodes joined with.
async fn events(db: &mut impl Query, run: &str, nodes: &[NodeEntry], size: u64) -> Result<Vec<Event>> {
    let ids: BTreeSet<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    let mut found = Vec::new();
    for kind in [types::NODE_JOINED, types::NODE_RENEWED] {
        let filter = Filter { kind: Some(kind.to_owned()), global: true, limit: PAGE, ..Filter::default() };
        found.extend(all(db, filter).await?.into_iter().filter(|event| event.data["id"].as_str().is_some_and(|id| ids.contains(id))));
    }
    found.extend(all(db, Filter { run: Some(run.to_owned()), global: true, limit: PAGE, ..Filter::default() }).await?);
    found.retain(|event| event.position <= size);
    found.sort_by_key(|event| event.position);
    Ok(found)
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
