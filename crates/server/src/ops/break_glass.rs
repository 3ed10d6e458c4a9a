//! Starts without waiting for others: who may, and what happens to them after the fact.

use serde_json::json;
use synod_db::approval::Ratification as Given;
use synod_db::run::Run as Row;
use synod_db::{Query, Tx, approval, event, node, run};
use synod_domain::approval::Decision;
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::manifest::{Manifest, NodeEntry};
use synod_domain::run::Ratification;
use synod_domain::{Error, Problem, Result, Span};
use synod_protocol::http::run::Run;
use synod_protocol::http::trust::{IncidentRequest, RatifyRequest};
use synod_trust::approval::{PAYLOAD_TYPE, Statement};
use synod_trust::{Envelope, names, strict};

use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::ops::rollout::{Seen, run_event};
use crate::ops::run_view::brief;
use crate::signing;

/// So long the requester has to sign for it.
const SIGNED_WITHIN: Span = Span::secs(15 * 60);

/// Makes a draft one that starts by break-glass, by the rule of this name or, when it is empty, the one that fits.
pub async fn prepare(ctx: &Ctx, name: &str, manifest: &mut Manifest, nodes: &[NodeEntry], db: &mut impl Query) -> Result<()> {
    manifest.break_glass = Some(rule_for(ctx, name, manifest, nodes, db).await?);
    manifest.approve_by = manifest.created_at.after(SIGNED_WITHIN);
    Ok(())
}

/// The break-glass rule of the root that lets the caller start this.
async fn rule_for(ctx: &Ctx, name: &str, m: &Manifest, nodes: &[NodeEntry], db: &mut impl Query) -> Result<String> {
    let shut = |why: String| Error::new(code::BREAK_GLASS_CLOSED, why);
    let Some(published) = &ctx.access.trust else { return Err(shut("no trust root is published, so nobody may start anything alone".into())) };
    let template = format!("{}/{}", m.namespace, m.template.name);
    let mut why = format!("no break-glass rule of version {} of the trust root names {}", published.root.version(), ctx.caller.user);
    if !name.is_empty() {
        why = format!("version {} of the trust root has no break-glass rule {name} that names {}", published.root.version(), ctx.caller.user);
    }
    for rule in published.root.doc().break_glass.iter().filter(|rule| name.is_empty() || rule.name == name) {
        if !rule.who.contains(&ctx.caller.user) {
            continue;
        }
        let outside = nodes.iter().find(|node| !rule.nodes.iter().any(|glob| names::matches(glob, &node.name)));
        why = if m.template.author == ctx.caller.user && !rule.author_may_start {
            format!("{} wrote this revision of {template}, and rule {} does not say `authorMayStart: true`", ctx.caller.user, rule.name)
        } else if !rule.templates.iter().any(|glob| names::matches_template(glob, &m.namespace, &m.template.name)) {
            format!("rule {} is for {}, not for {template}", rule.name, rule.templates.join(", "))
        } else if let Some(node) = outside {
            format!("rule {} is for nodes {}, not for {}", rule.name, rule.nodes.join(", "), node.name)
        } else if m.nodes.count > rule.max_nodes {
            format!("rule {} is for at most {} nodes, this run has {}", rule.name, rule.max_nodes, m.nodes.count)
        } else {
            let used = run::break_glass_used(db, &rule.name, ctx.now.day_begins(), "").await?;
            if used < rule.per_day {
                return Ok(rule.name.clone());
            }
            format!("rule {} was used {used} times today (UTC); {} is the most", rule.name, rule.per_day)
        };
    }
    Err(shut(why))
}

/// Refuses a draft that nodes which enforce signatures would refuse whoever signed it.
pub async fn check_covered(ctx: &Ctx, m: &Manifest, nodes: &[NodeEntry], db: &mut impl Query) -> Result<()> {
    let Some(published) = ctx.access.trust.as_ref().filter(|_| m.break_glass.is_none()) else { return Ok(()) };
    let covered = |node: &str| published.root.covering(&m.namespace, &m.template.name, node).next().is_some();
    let uncovered: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).filter(|name| !covered(name)).collect();
    if uncovered.is_empty() {
        return Ok(());
    }
    let enforcing = node::enforcing(db).await?;
    let refusing: Vec<&str> = uncovered.into_iter().filter(|name| enforcing.contains(*name)).take(20).collect();
    if refusing.is_empty() {
        return Ok(());
    }
    let (version, template) = (published.root.version(), format!("{}/{}", m.namespace, m.template.name));
    Err(Error::new(
        code::TRUST_UNCOVERED,
        format!("no rule of version {version} of the trust root is about {template} on {}, which enforce it", refusing.join(", ")),
    ))
}

/// A run that was started by break-glass and that nobody has looked at yet, locked.
async fn unratified(ctx: &Ctx, tx: &mut Tx, id: &str) -> Result<(Row, Ctx)> {
    let row = super::run::lock(tx, id).await?;
    let access = ctx.app.access.current(tx).await?;
    let fresh = Ctx { access, ..ctx.clone() };
    fresh.require(Action::RunApprove, &Resource::template(&row.namespace, &row.template))?;
    match row.ratification {
        Some(Ratification::Unratified) => Ok((row, fresh)),
        Some(state) => Err(Error::new(code::NOT_UNRATIFIED, format!("run {} is {} already", row.id, state.name()))),
        None => Err(Error::new(code::NOT_UNRATIFIED, format!("run {} was not started by break-glass", row.id))),
    }
}

async fn finish(ctx: &Ctx, mut tx: Tx, row: Row, events: Vec<NewEvent>) -> Result<Run> {
    run::update(&mut tx, &row);
    let shown = brief(ctx, &mut tx, row, Seen::default()).await?;
    event::append(&mut tx, &events, ctx.now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    Ok(shown)
}

/// Takes a signed approval after the fact; with enough of them the run is ratified.
pub async fn run_ratify(ctx: &Ctx, id: &str, request: &RatifyRequest) -> Result<Run> {
    let mut tx = ctx.app.db.begin().await?;
    let (mut row, ctx) = unratified(ctx, &mut tx, id).await?;
    let document = ctx.app.manifests.of(&row)?;
    let manifest = &document.manifest;
    let invalid = |why: &str| Error::new(code::SIGNATURE_INVALID, why.to_owned());
    let Some(cover) = signing::cover(&document, &ctx.access, &mut tx).await?.filter(|cover| cover.covers_all()) else {
        return Err(invalid(
            "no rule of the trust root is about this template on each of the run's nodes, so nobody can ratify it; record an incident instead",
        ));
    };
    let opened = request.signature.open(PAYLOAD_TYPE).map_err(|e| invalid(&e.to_string()))?;
    let said: Statement = strict::read(&opened.payload).map_err(|e| invalid(&e))?;
    if said.decision == Decision::Reject {
        return Err(invalid("a run that should not have been started is not rejected after the fact; record an incident instead"));
    }
    let given = signing::Given {
        person: &ctx.caller.user,
        digest: &row.digest,
        decision: Decision::Approve,
        comment: &said.comment,
        ratifies: true,
        envelope: &request.signature,
    };
    cover.check(manifest, &given, ctx.now)?;
    let envelope = String::from_utf8(request.signature.to_bytes()).map_err(Error::internal)?;
    let key = signing::key_of(&envelope);
    let ratification = Given { person: ctx.caller.user.clone(), envelope, at: ctx.now };
    if !approval::ratify(&mut tx, &row.id, &ratification).await? {
        return Err(Error::new(code::ALREADY_VOTED, format!("{} has ratified run {} already", ctx.caller.user, row.id)));
    }
    let mut events = vec![run_event(types::RATIFICATION_GIVEN, &row, &ctx.actor(), json!({"digest": row.digest, "comment": said.comment, "key": key}))];
    let envelopes: Vec<Envelope> = approval::ratifications(&mut tx, &row.id)
        .await?
        .iter()
        .filter_map(|given| Envelope::read(given.envelope.as_bytes()).ok())
        .collect();
    let standing = cover.stand_ratification(manifest, &row.digest, &envelopes, ctx.now).map_err(|e| invalid(&e.to_string()))?;
    if standing.met() {
        row.ratification = Some(Ratification::Ratified);
        let by: Vec<&str> = standing.counted.iter().map(|(_, verified)| verified.person.as_str()).collect();
        events.push(run_event(types::RUN_RATIFIED, &row, "system", json!({"digest": row.digest, "by": by})));
    }
    finish(&ctx, tx, row, events).await
}

/// Records an incident instead of a ratification.
pub async fn run_incident(ctx: &Ctx, id: &str, request: &IncidentRequest) -> Result<Run> {
    let mut problems = Vec::new();
    for (at, text, most) in [("/reference", &request.reference, 500), ("/comment", &request.comment, 2000)] {
        if text.len() > most || text.contains('\0') {
            problems.push(Problem::at(at, format!("at most {most} bytes of text")));
        }
    }
    if request.reference.trim().is_empty() {
        problems.push(Problem::at("/reference", "say where the incident is kept: a ticket, an address"));
    }
    if !problems.is_empty() {
        return Err(Error::problems(code::INVALID_DOCUMENT, problems));
    }
    let mut tx = ctx.app.db.begin().await?;
    let (mut row, ctx) = unratified(ctx, &mut tx, id).await?;
    if row.requester == ctx.caller.user {
        return Err(Error::new(code::OWN_REQUEST, format!("{} started run {} and may not close it; somebody else must", ctx.caller.user, row.id)));
    }
    row.ratification = Some(Ratification::Incident);
    let data = json!({"digest": row.digest, "reference": request.reference, "comment": request.comment});
    let events = vec![run_event(types::RUN_INCIDENT, &row, &ctx.actor(), data)];
    finish(&ctx, tx, row, events).await
}
