//! Nodes: how they join, how they are labelled, how they go.

use std::sync::Arc;

use serde_json::json;
use synod_db::doorbell::Topic;
use synod_db::node::{self, JoinToken as TokenRow, Node as Row};
use synod_db::{Tx, event, trust};
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::node::{all_labels, check_given, check_name};
use synod_domain::selector::Selector;
use synod_domain::{Error, Problem, Result, Span, Timestamp};
use synod_protocol::http::Page;
use synod_protocol::http::node::{CreatedJoinToken, EnrolRequest, EnrolResponse, JoinToken, NewJoinToken, Node, NodeChange, NodeQuery, NodeTrust};

use crate::app::App;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::ops::answer::Asked;
use crate::password;
use crate::untrusted::{bounded, without_nul};

fn view(row: Row) -> Node {
    Node {
        id: row.id,
        name: row.name,
        labels: row.labels,
        facts: row.facts,
        connected: row.server.is_some(),
        server: row.server,
        version: row.version,
        joined_at: row.joined_at,
        last_seen_at: row.last_seen_at,
        certificate_expires_at: row.certificate_expires_at,
        trust: NodeTrust { alarm: row.trust_alarm, ..serde_json::from_value(row.trust).unwrap_or_default() },
    }
}

fn about(kind: &'static str, actor: &str, name: &str, data: serde_json::Value) -> NewEvent {
    NewEvent { kind, subject: format!("node/{name}"), namespace: None, run: None, actor: actor.to_owned(), data }
}

async fn record(app: &Arc<App>, mut tx: Tx, what: NewEvent) -> Result<()> {
    event::append(&mut tx, &[what], app.clock.now()).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(app);
    Ok(())
}

/// So many nodes are read at a time while those that match are looked for.
const READ: u32 = 500;

/// Lists nodes by name.
pub async fn node_list(ctx: &Ctx, query: &NodeQuery) -> Result<Page<Node>> {
    ctx.require(Action::NodeRead, &Resource::system()).or_else(|refused| if sees_nodes(ctx) { Ok(()) } else { Err(refused) })?;
    let selector: Selector = query
        .selector
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(|e: synod_domain::selector::SelectorError| Error::new(code::INVALID_SELECTOR, e.to_string()))?;
    let limit = query.limit.unwrap_or(100).clamp(1, 500) as usize;
    let mut reader = ctx.app.db.reader().await?;
    let mut after = query.cursor.clone().unwrap_or_default();
    let mut items: Vec<Node> = Vec::new();
    while items.len() <= limit {
        let rows = node::list_after(&mut reader, &after, READ).await?;
        let last = (rows.len() == READ as usize).then(|| rows.last().map(|row| row.name.clone())).flatten();
        items.extend(rows.into_iter().filter(|row| selector.matches(&all_labels(&row.name, &row.labels, &row.facts))).map(view));
        match last {
            Some(name) => after = name,
            None => break,
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.name.clone());
    Ok(Page { items, next })
}

/// Whoever may see some namespace may see the nodes its templates reach, and so the list.
fn sees_nodes(ctx: &Ctx) -> bool {
    ctx.access.namespaces.keys().any(|name| ctx.may(Action::NodeRead, &Resource::namespace(name)))
}

async fn by_name(db: &mut impl synod_db::Query, name: &str) -> Result<Row> {
    node::by_name(db, name).await?.ok_or_else(|| Error::not_found("node", name))
}

/// One node.
pub async fn node_get(ctx: &Ctx, name: &str) -> Result<Node> {
    ctx.require(Action::NodeRead, &Resource::system()).or_else(|refused| if sees_nodes(ctx) { Ok(()) } else { Err(refused) })?;
    Ok(view(by_name(&mut ctx.app.db.reader().await?, name).await?))
}

/// Sets and removes labels. Pending runs keep the nodes they were made with.
pub async fn node_update(ctx: &Ctx, name: &str, change: &NodeChange) -> Result<Node> {
    ctx.require(Action::NodeWrite, &Resource::system())?;
    let mut tx = ctx.app.db.begin().await?;
    let mut row = by_name(&mut tx, name).await?;
    for (key, value) in &change.labels {
        match value {
            Some(value) => row.labels.insert(key.clone(), value.clone()),
            None => row.labels.remove(key),
        };
    }
    let wrong = check_given(&row.labels);
    if !wrong.is_empty() {
        return Err(Error::problems(code::INVALID_DOCUMENT, wrong));
    }
    node::set_labels(&mut tx, &row.id, &row.labels).await?;
    record(&ctx.app, tx, about(types::NODE_CHANGED, &ctx.actor(), name, json!({"labels": row.labels}))).await?;
    Ok(view(row))
}

/// Removes a node: its certificate counts no more, its stream ends.
pub async fn node_delete(ctx: &Ctx, name: &str) -> Result<()> {
    ctx.require(Action::NodeWrite, &Resource::system())?;
    let mut tx = ctx.app.db.begin().await?;
    let row = by_name(&mut tx, name).await?;
    node::remove(&mut tx, &row.id, ctx.now).await?;
    record(&ctx.app, tx, about(types::NODE_REMOVED, &ctx.actor(), name, json!({"id": row.id}))).await?;
    // The server that holds the stream may be another.
    ctx.app.bell.ring(Topic::Tasks);
    ctx.app.gateway.dismiss(&row.id, code::NODE_REVOKED.id, "this node was removed", false);
    Ok(())
}

fn token_view(row: TokenRow) -> JoinToken {
    JoinToken { id: row.id, labels: row.labels, uses_left: row.uses_left, expires_at: row.expires_at, created_by: row.created_by, revoked_at: row.revoked_at }
}

/// Makes a join token; it is shown this once.
pub async fn join_token_create(ctx: &Ctx, request: &NewJoinToken, key: Option<&str>) -> Result<CreatedJoinToken> {
    ctx.require(Action::JoinTokenWrite, &Resource::system())?;
    ctx.require_fresh()?;
    let mut problems = check_given(&request.labels);
    if request.uses == 0 || request.uses > 100_000 {
        problems.push(Problem::at("/uses", "between 1 and 100000 uses"));
    }
    if request.expires_in == Span::default() || request.expires_in > Span::secs(30 * 86_400) {
        problems.push(Problem::at("/expiresIn", "a join token lives for at most 30 days"));
    }
    if !problems.is_empty() {
        return Err(Error::problems(code::INVALID_DOCUMENT, problems));
    }
    let asked = Asked::new("join_token_create", key, request)?;
    if let Some(known) = asked.answered(ctx).await? {
        return Ok(known);
    }
    let token = password::random_secret("synod_join");
    let row = TokenRow {
        id: password::short_id(ctx.now),
        hash: password::secret_hash(&token),
        labels: request.labels.clone(),
        uses_left: request.uses,
        expires_at: ctx.now.after(request.expires_in),
        created_by: ctx.caller.user.clone(),
        created_at: ctx.now,
        revoked_at: None,
    };
    let mut tx = ctx.app.db.begin().await?;
    node::insert_token(&mut tx, &row).await?;
    let made = NewEvent {
        kind: types::JOIN_TOKEN_CREATED,
        subject: format!("join-token/{}", row.id),
        namespace: None,
        run: None,
        actor: ctx.actor(),
        data: json!({"labels": row.labels, "uses": row.uses_left, "expiresAt": row.expires_at}),
    };
    let created = CreatedJoinToken { token, ca_fingerprint: ctx.app.authority.fingerprint.clone(), info: token_view(row) };
    asked.keep(ctx, &mut tx, &created).await?;
    record(&ctx.app, tx, made).await?;
    Ok(created)
}

/// All join tokens, without the tokens themselves.
pub async fn join_token_list(ctx: &Ctx) -> Result<Page<JoinToken>> {
    ctx.require(Action::JoinTokenRead, &Resource::system())?;
    let rows = node::tokens(&mut ctx.app.db.reader().await?).await?;
    Ok(Page { items: rows.into_iter().map(token_view).collect(), next: None })
}

/// Revokes a join token. Nodes that joined with it stay.
pub async fn join_token_revoke(ctx: &Ctx, id: &str) -> Result<()> {
    ctx.require(Action::JoinTokenWrite, &Resource::system())?;
    let mut tx = ctx.app.db.begin().await?;
    if !node::revoke_token(&mut tx, id, ctx.now).await? {
        return Err(Error::not_found("join token in force", id));
    }
    let gone =
        NewEvent { kind: types::JOIN_TOKEN_REVOKED, subject: format!("join-token/{id}"), namespace: None, run: None, actor: ctx.actor(), data: json!({}) };
    record(&ctx.app, tx, gone).await
}

/// Takes a machine in that holds a join token.
pub async fn enrol(app: &Arc<App>, request: &EnrolRequest) -> Result<EnrolResponse> {
    let now = app.clock.now();
    let skew = request.clock.since(now).saturating_abs();
    if skew > app.config.security.max_clock_skew.as_millis() {
        return Err(Error::new(code::CLOCK_SKEW, format!("the clocks of this machine and the server differ by {} s; set the machine's clock", skew / 1000)));
    }
    let problem = |at: &str, message: String| Error::problems(code::INVALID_DOCUMENT, vec![Problem::at(at, message)]);
    check_name(&request.name).map_err(|message| problem("/name", message))?;
    request
        .age_recipient
        .parse::<age::x25519::Recipient>()
        .map_err(|e| problem("/ageRecipient", format!("not an age recipient: {e}")))?;
    if !request.facts.is_object() || request.facts.to_string().len() > 64 * 1024 {
        return Err(problem("/facts", "facts are an object of at most 64 KiB".into()));
    }
    let node_id = format!("n{}", hex::encode(rand::random::<[u8; 10]>()));
    let issued = app.authority.issue_node(&request.csr_pem, &node_id, now, app.config.security.agent_certificate_for)?;
    let mut tx = app.db.begin().await?;
    let token = node::use_token(&mut tx, &password::secret_hash(&request.token), now)
        .await?
        .ok_or_else(|| Error::new(code::JOIN_TOKEN_INVALID, "the join token is wrong, expired, revoked or used up"))?;
    if let Some((key, _)) = request.labels.iter().find(|(key, value)| token.labels.get(*key) != Some(value)) {
        return Err(Error::new(code::LABEL_NOT_GRANTED, format!("the join token does not grant the label `{key}={}`", request.labels[key])));
    }
    let facts = serde_json::from_str(&without_nul(&request.facts)?).map_err(Error::internal)?;
    let row = Row {
        id: node_id.clone(),
        name: request.name.clone(),
        labels: token.labels.clone(),
        facts,
        version: bounded(&request.version, 100),
        age_recipient: request.age_recipient.clone(),
        certificate_serial: issued.serial.clone(),
        certificate_expires_at: issued.expires_at,
        joined_at: now,
        last_seen_at: None,
        server: None,
        trust: json!({}),
        trust_alarm: String::new(),
    };
    if !node::insert(&mut tx, &row).await? {
        return Err(Error::new(code::NODE_EXISTS, format!("a node named {} exists already", request.name)));
    }
    let servers = super::system::alive_urls(app, &mut tx).await?;
    let key = note_key(&mut tx, &node_id, &issued.spki, now).await?;
    let data = json!({"id": node_id, "labels": row.labels, "token": token.id, "key": key});
    let joined = about(types::NODE_JOINED, &format!("node:{}", request.name), &request.name, data);
    record(app, tx, joined).await?;
    Ok(EnrolResponse { node_id, certificate_pem: issued.certificate_pem, ca_pem: app.authority.pem.clone(), servers })
}

/// Keeps a node's public key, by which its results are verified; returns the key's id.
async fn note_key(tx: &mut Tx, node_id: &str, spki: &[u8], now: Timestamp) -> Result<String> {
    let digest = synod_trust::result::key_id(spki);
    let key = trust::NodeKey { digest: digest.clone(), node_id: node_id.to_owned(), spki: synod_trust::strict::to_base64(spki) };
    trust::add_node_key(tx, &key, now).await?;
    Ok(digest)
}

/// So often a certificate is renewed in the time it lives. Agents ask once in two thirds of it; more is for those whose answer was lost.
pub const MAX_RENEWALS: u32 = 8;

/// Issues a new certificate for the key of a node that shows a valid one. Each is an event that is kept for ever, so a node gets so many only.
pub async fn renew(app: &Arc<App>, node_id: &str, csr_pem: &str) -> Result<String> {
    let (now, lifetime) = (app.clock.now(), app.config.security.agent_certificate_for);
    let issued = app.authority.issue_node(csr_pem, node_id, now, lifetime)?;
    let mut tx = app.db.begin().await?;
    let row = node::by_id(&mut tx, node_id).await?.ok_or_else(|| Error::new(code::NODE_REVOKED, "this node was removed"))?;
    // By a second key nobody could tell any more which one of them is the node's.
    if let Some(known) = trust::key_of_node(&mut tx, node_id).await?.filter(|known| *known != synod_trust::result::key_id(&issued.spki)) {
        let what = format!("it is for another key than the node's ({known}); a node keeps its key, and a machine that lost it joins anew");
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/csrPem", what)]));
    }
    if !node::count_renewal(&mut tx, node_id, MAX_RENEWALS, Timestamp(now.0.saturating_sub(lifetime.as_millis())), now).await? {
        let again = node::renewals_since(&mut tx, node_id).await?.after(lifetime);
        let wait = u32::try_from(again.since(now).max(0) / 1000 + 1).unwrap_or(u32::MAX);
        let what = format!("the certificate of {} was renewed {MAX_RENEWALS} times, the most in its {lifetime}; it can be again after {again}", row.name);
        return Err(Error::new(code::RENEWED_OFTEN, what).retry_after(wait));
    }
    node::set_certificate(&mut tx, node_id, &issued.serial, issued.expires_at).await?;
    let key = note_key(&mut tx, node_id, &issued.spki, now).await?;
    let data = json!({"id": node_id, "serial": issued.serial, "expiresAt": issued.expires_at, "key": key});
    let renewed = about(types::NODE_RENEWED, &format!("node:{}", row.name), &row.name, data);
    record(app, tx, renewed).await?;
    Ok(issued.certificate_pem)
}
