//! Runs: requested, shown, cancelled, let go on, replayed.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};
use synod_db::object::Stored;
use synod_db::run::{Filter, Run as Row, RunNode};
use synod_db::{Query, event, node, object, run, task};
use synod_domain::approval::rules_for;
use synod_domain::error::code;
use synod_domain::event::types;
use synod_domain::manifest::{self, Manifest, NodeEntry, NodeSet, SealedSecret, TemplateRef, secret_commitment};
use synod_domain::object::Kind;
use synod_domain::run::Phase;
use synod_domain::selector::Selector;
use synod_domain::template::TemplateSpec;
use synod_domain::{Error, Problem, Result, Span, Timestamp, inputs, problem};
use synod_protocol::http::Page;
use synod_protocol::http::run::{CancelRequest, ReplayRequest, Run, RunNode as RunNodeView, RunPlan, RunQuery, RunRequest, RunSummary};

use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::rollout::{Seen, Work, run_event};
use crate::ops::run_view::{brief, preview, rule_statuses, summary, view};
use crate::ops::{Effects, break_glass};
use crate::signing;

/// A run asked for, or what it would be.
pub enum Requested {
    /// It is recorded.
    Run(Box<Run>),
    /// It was a dry run.
    Plan(Box<RunPlan>),
}

/// How far ahead a run may be put off.
const FURTHEST: Span = Span::secs(366 * 86_400);

struct Draft {
    title: String,
    manifest: Manifest,
    chosen: synod_domain::node::Chosen,
    entries: Vec<NodeEntry>,
    secrets: BTreeMap<String, SealedSecret>,
}

/// Asks for a run. With an idempotency key, asking again yields the same run.
pub async fn run_create(ctx: &Ctx, request: &RunRequest, key: Option<&str>) -> Result<Requested> {
    run_create_from(ctx, request, key, None).await
}

async fn run_create_from(ctx: &Ctx, request: &RunRequest, key: Option<&str>, replay_of: Option<&Row>) -> Result<Requested> {
    let action = if request.break_glass.is_some() { Action::RunBreakGlass } else { Action::RunRequest };
    ctx.require(action, &Resource::template(&request.namespace, &request.template))?;
    let mut reader = ctx.app.db.reader().await?;
    if let Some(key) = key
        && let Some(known) = run::by_idempotency_key(&mut reader, &ctx.caller.user, key).await?
    {
        return again(ctx, &mut reader, known, request).await;
    }
    let stored = load_template(&mut reader, request).await?;
    let candidates = node::candidates(&mut reader).await?;
    let recipients: BTreeMap<String, String> = match inputs::secrets(&stored.spec["inputs"]).is_empty() {
        true => BTreeMap::new(),
        false => node::recipients(&mut reader).await?,
    };
    let mut draft = draft(ctx, request, &stored, candidates)?;
    if let Some(name) = &request.break_glass {
        break_glass::prepare(ctx, name, &mut draft.manifest, &draft.entries, &mut reader).await?;
    }
    break_glass::check_covered(ctx, &draft.manifest, &draft.entries, &mut reader).await?;
    if request.dry_run {
        return Ok(Requested::Plan(Box::new(plan(ctx, draft))));
    }
    let (bytes, digest) = draft.manifest.seal()?;
    let sealed = seal_secrets(&draft.secrets, &draft.entries, &recipients)?;
    let nodes: Vec<RunNode> = draft
        .entries
        .iter()
        .zip(sealed)
        .enumerate()
        .map(|(n, (entry, sealed_secrets))| RunNode {
            idx: u32::try_from(n).unwrap_or(u32::MAX),
            node_id: entry.id.clone(),
            node_name: entry.name.clone(),
            sealed_secrets,
        })
        .collect();
    let m = &draft.manifest;
    let mut row = Row {
        id: m.run.clone(),
        namespace: m.namespace.clone(),
        template: m.template.name.clone(),
        revision: m.template.revision,
        title: draft.title.clone(),
        requester: m.requester.clone(),
        author: m.template.author.clone(),
        reason: m.reason.clone(),
        phase: Phase::Pending,
        digest,
        manifest: String::from_utf8(bytes).map_err(Error::internal)?,
        node_count: m.nodes.count,
        created_at: m.created_at,
        approve_by: m.approve_by,
        not_before: m.not_before,
        started_at: None,
        finished_at: None,
        message: String::new(),
        batches: 0,
        batch_ended_at: None,
        gates_opened: 0,
        at_gate: false,
        cancelling: false,
        cancelled_by: None,
        wake_at: Some(m.approve_by),
        replay_of: replay_of.map(|r| r.id.clone()),
        idempotency_key: key.map(str::to_owned),
        idempotency_hash: key.map(|_| mark(ctx, request, m)).transpose()?,
        break_glass: m.break_glass.clone(),
        ratification: None,
    };
    drop(reader);
    let document = ctx.app.manifests.of(&row)?;
    document.set_nodes(&draft.entries)?;
    let mut tx = ctx.app.db.begin().await?;
    if !run::insert(&mut tx, &row, &nodes).await? {
        tx.rollback().await?;
        let mut reader = ctx.app.db.reader().await?;
        return match run::by_idempotency_key(&mut reader, &ctx.caller.user, key.unwrap_or_default()).await? {
            Some(known) => again(ctx, &mut reader, known, request).await,
            None => Err(Error::internal("a new run's id was taken")),
        };
    }
    let access = ctx.app.access.current(&mut tx).await?;
    let mut effects = Effects { events: true, ..Effects::default() };
    let data = json!({"template": row.template, "revision": row.revision, "digest": row.digest, "nodes": row.node_count, "reason": row.reason, "replayOf": row.replay_of});
    let mut events = vec![run_event(types::RUN_REQUESTED, &row, &ctx.actor(), data)];
    let mut seen = Seen { decisions: Some(Vec::new()), ..Seen::default() };
    let mut work = Work { run: &mut row, document: &document, access: &access, now: ctx.now, events: &mut events, effects: &mut effects, seen: &mut seen };
    work.settle(&mut tx).await?;
    run::update(&mut tx, &row);
    let shown = match replay_of {
        Some(_) => view(ctx, &mut tx, row).await?,
        None => brief(ctx, &mut tx, row, seen).await?,
    };
    event::append(&mut tx, &events, ctx.now).await?;
    tx.commit().await?;
    effects.carry_out(&ctx.app);
    Ok(Requested::Run(Box::new(shown)))
}

/// By what a request is known when it comes again: first what it says openly, then its secrets, which are forgotten with them.
fn mark(ctx: &Ctx, request: &RunRequest, manifest: &Manifest) -> Result<String> {
    let mut open = request.clone();
    let of = |value: &Value| serde_json::to_vec(value).map(|bytes| ctx.app.keys.mark(&bytes)).map_err(Error::internal);
    let hidden: BTreeMap<&String, Option<Value>> =
        manifest.secrets.keys().map(|name| (name, open.inputs.as_object_mut().and_then(|all| all.remove(name)))).collect();
    let secrets = if hidden.is_empty() { String::new() } else { of(&json!(hidden))? };
    Ok(of(&json!(open))? + &secrets)
}

async fn again(ctx: &Ctx, db: &mut impl Query, known: Row, request: &RunRequest) -> Result<Requested> {
    let conflict = |why: &str| Error::new(code::IDEMPOTENCY_CONFLICT, format!("this idempotency key was used for run {}, {why}", known.id));
    let document = ctx.app.manifests.of(&known)?;
    match known.idempotency_hash.as_deref() {
        Some(hash) if mark(ctx, request, &document.manifest)?.starts_with(hash) => {}
        Some(_) => return Err(conflict("which asks for something else")),
        None => return Err(conflict("of which is no longer known whether it asks for the same")),
    }
    Ok(Requested::Run(Box::new(view(ctx, db, known).await?)))
}

async fn load_template(db: &mut impl Query, request: &RunRequest) -> Result<Stored> {
    let (namespace, name) = (Some(request.namespace.as_str()), request.template.as_str());
    let newest = object::get(db, Kind::Template, namespace, name)
        .await?
        .ok_or_else(|| Error::not_found("template", format!("{}/{name}", request.namespace)))?;
    // Whether it may be requested at all is said by the newest revision, whatever revision is asked for.
    if newest.spec["enabled"] == Value::Bool(false) {
        return Err(Error::new(
            code::TEMPLATE_DISABLED,
            format!("template {}/{name} is disabled since revision {}, by {}", request.namespace, newest.revision, newest.author),
        ));
    }
    match request.revision.filter(|r| *r != newest.revision) {
        None => Ok(newest),
        Some(revision) => object::revision(db, Kind::Template, namespace, name, revision)
            .await?
            .ok_or_else(|| Error::not_found("template", format!("{}/{name} revision {revision}", request.namespace))),
    }
}

fn draft(ctx: &Ctx, request: &RunRequest, stored: &Stored, candidates: Vec<synod_domain::node::Candidate>) -> Result<Draft> {
    let prepared = ctx.app.templates.of(stored)?;
    let template = &prepared.spec;
    let namespace = ctx.access.namespaces.get(&request.namespace).ok_or_else(|| Error::not_found("namespace", &request.namespace))?;
    if namespace.frozen {
        return Err(Error::new(code::FROZEN, format!("namespace {} is frozen", request.namespace)));
    }
    let accepted = prepared
        .inputs
        .accept(request.inputs.clone())
        .map_err(|problems| Error::problems(code::INVALID_INPUTS, problems.into_iter().map(|p| p.under("/inputs")).collect()))?;
    if request.reason.len() > 2000 || request.reason.contains('\0') {
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/reason", "a reason is at most 2000 bytes of text")]));
    }
    if let Some(at) = request.not_before
        && (at <= ctx.now || at > ctx.now.after(FURTHEST))
    {
        return Err(Error::new(code::INVALID_TIME, format!("`notBefore` {at} is not within the next year; it is now {}", ctx.now)));
    }
    let target = request.target.selector().map_err(|e| {
        let problem = Problem::at("/target", e.message.clone()).place(1, e.column);
        Error::problems(code::INVALID_SELECTOR, vec![problem])
    })?;
    let chosen = synod_domain::node::choose(candidates, &target, &template.targets, &namespace.nodes);
    check_count(&target, template, &chosen)?;
    let entries: Vec<NodeEntry> = chosen.nodes.iter().map(|n| NodeEntry { id: n.id.clone(), name: n.name.clone() }).collect();
    let people = ctx.access.approvers(&request.namespace, &request.template, ctx.now);
    if request.break_glass.is_none() && !synod_domain::approval::meetable(&template.approval, &ctx.caller.user, &stored.author, &people) {
        let rules: Vec<String> = template.approval.rules.iter().map(ToString::to_string).collect();
        return Err(Error::new(
            code::UNMEETABLE,
            format!("as things stand nobody could approve this: it takes {}, by distinct people other than those excluded", rules.join(" and ")),
        ));
    }
    let secrets: BTreeMap<String, SealedSecret> = accepted
        .secrets
        .into_iter()
        .map(|(name, value)| (name, SealedSecret { salt: hex::encode(rand::random::<[u8; 16]>()), value }))
        .collect();
    let commitments = secrets
        .iter()
        .map(|(name, secret)| (name.clone(), secret_commitment(&hex::decode(&secret.salt).unwrap_or_default(), &secret.value)))
        .collect();
    let approve_by = ctx.now.after(template.approval.expires_after);
    let manifest = Manifest {
        api_version: manifest::API_VERSION.to_owned(),
        kind: manifest::KIND.to_owned(),
        run: crate::password::short_id(ctx.now),
        namespace: request.namespace.clone(),
        template: TemplateRef { name: request.template.clone(), revision: stored.revision, digest: stored.digest.clone(), author: stored.author.clone() },
        requester: ctx.caller.user.clone(),
        reason: request.reason.clone(),
        inputs: accepted.plain,
        secrets: commitments,
        nodes: NodeSet::of(&entries)?,
        strategy: template.strategy.clone(),
        approval: template.approval.clone(),
        steps: template.steps.clone(),
        timeout: template.timeout,
        start_deadline: template.start_deadline,
        run_as: template.run_as.clone(),
        created_at: ctx.now,
        not_before: request.not_before,
        approve_by,
        expires_at: request.not_before.map_or(approve_by, |at| at.max(approve_by)).after(template.approval.runs_within),
        break_glass: None,
        nonce: hex::encode(rand::random::<[u8; 16]>()),
    };
    Ok(Draft { title: template.title.clone(), manifest, chosen, entries, secrets })
}

fn check_count(target: &Selector, template: &TemplateSpec, chosen: &synod_domain::node::Chosen) -> Result<()> {
    let n = u32::try_from(chosen.nodes.len()).unwrap_or(u32::MAX);
    let asked = if target.is_empty() { "no selector".to_owned() } else { format!("`{target}`") };
    if n < template.targets.min.max(1) {
        let kept_out = match chosen.kept_out.as_slice() {
            [] => String::new(),
            some => format!("; {} more match but the template or namespace keeps them out: {}", some.len(), sample(some)),
        };
        return Err(Error::new(code::NO_NODES, format!("{asked} yields {n} nodes, the template asks for at least {}{kept_out}", template.targets.min.max(1))));
    }
    if let Some(max) = template.targets.max
        && n > max
    {
        return Err(Error::new(code::TOO_MANY_NODES, format!("{asked} yields {n} nodes, the template allows at most {max}")));
    }
    Ok(())
}

fn sample(names: &[String]) -> String {
    let some: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = if names.len() > 5 { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}

fn seal_secrets(secrets: &BTreeMap<String, SealedSecret>, nodes: &[NodeEntry], recipients: &BTreeMap<String, String>) -> Result<Vec<Option<String>>> {
    if secrets.is_empty() {
        return Ok(vec![None; nodes.len()]);
    }
    let plain = serde_json::to_vec(secrets).map_err(Error::internal)?;
    nodes
        .iter()
        .map(|entry| {
            let recipient: age::x25519::Recipient = recipients
                .get(&entry.id)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Error::new(code::NO_NODES, format!("node {} has no key to seal secrets to; enrol it again", entry.name)))?;
            let sealed = age::encrypt(&recipient, &plain).map_err(|e| Error::internal(e.to_string()))?;
            Ok(Some(base64::engine::general_purpose::STANDARD.encode(sealed)))
        })
        .collect()
}

fn plan(ctx: &Ctx, draft: Draft) -> RunPlan {
    let batches = draft.manifest.strategy.batches(draft.manifest.nodes.count);
    let approvers = rule_statuses(ctx, &draft.manifest, &BTreeMap::new(), &[]);
    RunPlan { preview: preview(&draft.manifest), nodes: draft.entries, kept_out: draft.chosen.kept_out, batches, approvers, manifest: draft.manifest }
}

/// The run whose id is this or begins so.
pub async fn resolve(db: &mut impl Query, id: &str) -> Result<Row> {
    if let Some(found) = run::get(db, id).await? {
        return Ok(found);
    }
    let usable = id.len() >= 4 && id.chars().all(|c| c.is_ascii_alphanumeric());
    let ids = if usable { run::by_prefix(db, id).await? } else { Vec::new() };
    match ids.as_slice() {
        [one] => run::get(db, one).await?.ok_or_else(|| Error::not_found("run", id)),
        [] => Err(Error::not_found("run", id)),
        _ => Err(Error::new(code::AMBIGUOUS, format!("more than one run begins with `{id}`"))),
    }
}

/// A run by its id or the unique beginning of it, locked for change. Nearly always the id is whole.
pub async fn lock(tx: &mut synod_db::Tx, id: &str) -> Result<Row> {
    if let Some(found) = run::lock(tx, id).await? {
        return Ok(found);
    }
    let whole = resolve(tx, id).await?.id;
    run::lock(tx, &whole).await?.ok_or_else(|| Error::not_found("run", &whole))
}

/// One run.
pub async fn run_get(ctx: &Ctx, id: &str) -> Result<Run> {
    let mut reader = ctx.app.db.reader().await?;
    let row = resolve(&mut reader, id).await?;
    ctx.require(Action::RunRead, &Resource::template(&row.namespace, &row.template))?;
    view(ctx, &mut reader, row).await
}

/// The nodes of a run in rollout order, with how their tasks stand.
pub async fn run_nodes(ctx: &Ctx, id: &str) -> Result<Vec<RunNodeView>> {
    let mut reader = ctx.app.db.reader().await?;
    let row = resolve(&mut reader, id).await?;
    ctx.require(Action::RunRead, &Resource::template(&row.namespace, &row.template))?;
    let view =
        |s: run::NodeState| RunNodeView { id: s.node.id, name: s.node.name, task: format!("{}.{}", row.id, s.idx), phase: s.phase, exit_code: s.exit_code };
    Ok(run::node_states(&mut reader, &row.id).await?.into_iter().map(view).collect())
}

/// Lists runs, newest first.
pub async fn run_list(ctx: &Ctx, query: &RunQuery) -> Result<Page<RunSummary>> {
    let mut phases: Vec<Phase> = super::words(query.phase.as_deref())?;
    if query.awaiting_me {
        phases = vec![Phase::Pending];
    }
    let before = match query.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(
            cursor
                .split_once('.')
                .and_then(|(at, id)| Some((Timestamp(at.parse().ok()?), id.to_owned())))
                .ok_or_else(|| Error::new(code::INVALID_CURSOR, "this is no cursor of a run listing"))?,
        ),
    };
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let mut filter = Filter {
        namespaces: ctx.scope(Action::RunRead, query.namespace.as_deref())?,
        template: query.template.clone(),
        phases,
        requester: query.requester.clone(),
        unratified: query.unratified,
        undecided_by: query.awaiting_me.then(|| ctx.caller.user.clone()),
        before,
        limit: limit + 1,
    };
    let mut reader = ctx.app.db.reader().await?;
    let mut items = Vec::new();
    loop {
        let found = run::list(&mut reader, &filter).await?;
        let last_page = found.len() <= limit as usize;
        for row in found.iter().take(limit as usize) {
            filter.before = Some((row.created_at, row.id.clone()));
            if query.awaiting_me {
                let document = ctx.app.manifests.of(row)?;
                let me = ctx.access.standing(&ctx.caller.user, &row.namespace, &row.template, ctx.now);
                let asked = match &row.break_glass {
                    Some(_) => ctx.caller.user == row.requester,
                    None => {
                        let cover = signing::cover(&document, &ctx.access, &mut reader).await?;
                        cover.is_some_and(|cover| cover.asks(&document.manifest, &ctx.caller.user))
                            || rules_for(&document.manifest.approval, &row.requester, &row.author, &me).is_ok()
                    }
                };
                if !asked {
                    continue;
                }
            }
            items.push(summary(row));
            if items.len() == limit as usize {
                break;
            }
        }
        if last_page || items.len() == limit as usize {
            let next = filter.before.filter(|_| !last_page || items.len() == limit as usize && found.len() > limit as usize);
            return Ok(Page { items, next: next.map(|(at, id)| format!("{}.{id}", at.0)) });
        }
    }
}

/// Cancels a run: before it began at once, while it runs by ending its tasks.
pub async fn run_cancel(ctx: &Ctx, id: &str, request: &CancelRequest) -> Result<Run> {
    change(ctx, id, async |work, tx| {
        let resource = Resource::template(&work.run.namespace, &work.run.template);
        // Whoever asked for it may call it off.
        if work.run.requester != ctx.caller.user {
            ctx.require(Action::RunCancel, &resource)?;
        }
        let by = ctx.caller.user.clone();
        match work.run.phase {
            Phase::Pending | Phase::Approved => {
                work.enter(Phase::Cancelled, format!("cancelled by {by}"))?;
                work.run.cancelled_by = Some(by.clone());
                work.events.push(run_event(types::RUN_CANCELLED, work.run, &ctx.actor(), json!({"by": by, "reason": request.reason})));
                work.forget_secrets(tx).await
            }
            Phase::Running => {
                if !work.run.cancelling {
                    work.run.cancelling = true;
                    work.run.cancelled_by = Some(by.clone());
                    work.run.message = format!("{by} cancels it");
                    work.events.push(run_event(types::RUN_CANCEL_REQUESTED, work.run, &ctx.actor(), json!({"reason": request.reason})));
                    task::hasten(tx, &work.run.id, ctx.now.after(Span::secs(15)), ctx.now.after(Span::secs(30))).await?;
                    work.effects.cancel = true;
                }
                work.advance(tx).await
            }
            ended => Err(Error::new(code::RUN_ENDED, format!("run {} has ended: {ended}", work.run.id))),
        }
    })
    .await
}

/// Lets a run go on that waits at its gate.
pub async fn run_proceed(ctx: &Ctx, id: &str, if_match: Option<u64>) -> Result<Run> {
    change(ctx, id, async |work, tx| {
        ctx.require(Action::RunProceed, &Resource::template(&work.run.namespace, &work.run.template))?;
        if work.run.phase != Phase::Running || !work.run.at_gate {
            return Err(Error::new(code::NO_GATE, format!("run {} waits at no gate; it is {}", work.run.id, work.run.phase)));
        }
        if let Some(batch) = if_match.filter(|batch| *batch != u64::from(work.run.batches)) {
            return Err(Error::new(code::REVISION_CONFLICT, format!("run {} waits after batch {}, not after batch {batch}", work.run.id, work.run.batches)));
        }
        work.run.gates_opened = work.run.batches;
        work.run.at_gate = false;
        work.run.message.clear();
        work.events.push(run_event(types::RUN_PROCEEDED, work.run, &ctx.actor(), json!({"batch": work.run.batches})));
        work.advance(tx).await
    })
    .await
}

async fn change(ctx: &Ctx, id: &str, step: impl AsyncFnOnce(&mut Work<'_>, &mut synod_db::Tx) -> Result<()>) -> Result<Run> {
    let mut tx = ctx.app.db.begin().await?;
    let mut row = lock(&mut tx, id).await?;
    let document = ctx.app.manifests.of(&row)?;
    let access = ctx.app.access.current(&mut tx).await?;
    let fresh = Ctx { access, ..ctx.clone() };
    let mut events = Vec::new();
    let mut effects = Effects::default();
    let (document, access) = (&*document, &fresh.access);
    let mut work = Work { run: &mut row, document, access, now: ctx.now, events: &mut events, effects: &mut effects, seen: &mut Seen::default() };
    step(&mut work, &mut tx).await?;
    run::update(&mut tx, &row);
    let shown = brief(&fresh, &mut tx, row, Seen::default()).await?;
    event::append(&mut tx, &events, ctx.now).await?;
    tx.commit().await?;
    effects.events |= !events.is_empty();
    effects.carry_out(&ctx.app);
    Ok(shown)
}

/// Asks for the same revision and inputs elsewhere; the first run's result and the differences go with the request.
pub async fn run_replay(ctx: &Ctx, id: &str, request: &ReplayRequest, key: Option<&str>) -> Result<Requested> {
    let mut reader = ctx.app.db.reader().await?;
    let first = resolve(&mut reader, id).await?;
    ctx.require(Action::RunRead, &Resource::template(&first.namespace, &first.template))?;
    drop(reader);
    let document = ctx.app.manifests.of(&first)?;
    let manifest = &document.manifest;
    let mut inputs = Value::Object(manifest.inputs.clone());
    match &request.secrets {
        Some(Value::Object(secrets)) => {
            for (name, value) in secrets {
                if !manifest.secrets.contains_key(name) {
                    let at = format!("/secrets{}", problem::segment(name));
                    return Err(Error::problems(code::INVALID_INPUTS, vec![Problem::at(at, format!("the first run had no secret input `{name}`"))]));
                }
                inputs[name] = value.clone();
            }
        }
        Some(_) => return Err(Error::problems(code::INVALID_INPUTS, vec![Problem::at("/secrets", "secrets are an object")])),
        None => {}
    }
    let again = RunRequest {
        namespace: first.namespace.clone(),
        template: first.template.clone(),
        revision: Some(first.revision),
        inputs,
        target: request.target.clone(),
        reason: request.reason.clone().unwrap_or_else(|| first.reason.clone()),
        not_before: request.not_before,
        break_glass: None,
        dry_run: request.dry_run,
    };
    run_create_from(ctx, &again, key, Some(&first)).await
}
