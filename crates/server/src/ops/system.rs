//! The server among the others: announced, alive, tidy.

use std::sync::Arc;

use serde_json::json;
use synod_db::{Query, account_key, answer, event, member, meta, session, user};
use synod_domain::event::{NewEvent, types};
use synod_domain::{Result, Span, Timestamp};
use synod_protocol::http::system::{Member, ServerInfo};

use crate::app::App;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::password;

/// A server that has not been heard of for so long is taken for dead.
const DEAD_AFTER_MS: i64 = 15_000;

/// Where the hashes of bootstrap tokens are kept, a line each.
pub const BOOTSTRAP: &str = "bootstrap_hash";

fn alive_since(now: Timestamp) -> Timestamp {
    Timestamp(now.0 - DEAD_AFTER_MS)
}

/// Puts this server on the list, and makes the bootstrap token when nobody has signed up yet.
pub async fn announce(app: &Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    member::heartbeat(&mut tx, &app.member()).await?;
    // An embedded database has one server: streams of its predecessor are gone.
    let since = if app.db.dialect().has_one_writer() { now } else { alive_since(now) };
    member::prune(&mut tx, since).await?;
    synod_db::node::forget_dead_servers(&mut tx, since).await?;
    let joined = NewEvent {
        kind: types::SERVER_JOINED,
        subject: format!("server/{}", app.id),
        namespace: None,
        run: None,
        actor: "system".into(),
        data: json!({"url": app.url, "version": env!("CARGO_PKG_VERSION")}),
    };
    event::append(&mut tx, &[joined], now).await?;
    let path = app.config.state_dir.join("bootstrap.token");
    let token = if user::count(&mut tx).await? == 0 { offer_token(&mut tx, &path).await? } else { None };
    tx.commit().await?;
    match token {
        Some(token) => {
            crate::keys::write_private(&path, token.as_bytes()).map_err(synod_domain::Error::internal)?;
            tracing::info!(token_file = %path.display(), "no user exists yet; run `synod bootstrap` to make the first administrator");
        }
        None if user::count(&mut app.db.reader().await?).await? > 0 => {
            let _ = std::fs::remove_file(&path);
        }
        None => tracing::info!(token_file = %path.display(), "no user exists yet; run `synod bootstrap` to make the first administrator"),
    }
    Ok(())
}

/// Makes a bootstrap token, unless the one in the file is still good. Each server of a cluster has its own.
async fn offer_token(tx: &mut synod_db::Tx, path: &std::path::Path) -> Result<Option<String>> {
    let known = meta::get(tx, BOOTSTRAP).await?.unwrap_or_default();
    let present = std::fs::read_to_string(path).map(|token| password::secret_hash(token.trim())).unwrap_or_default();
    if known.lines().any(|hash| hash == present) {
        return Ok(None);
    }
    let token = password::random_secret("synod_bootstrap");
    meta::set(tx, BOOTSTRAP, format!("{known}\n{}", password::secret_hash(&token)).trim()).await?;
    Ok(Some(token))
}

/// Says that this server lives, and takes over what dead ones left.
pub async fn heartbeat(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    member::heartbeat(&mut tx, &app.member()).await?;
    member::prune(&mut tx, Timestamp(now.0 - 10 * DEAD_AFTER_MS)).await?;
    synod_db::node::forget_dead_servers(&mut tx, alive_since(now)).await?;
    let members = member::count(&mut tx).await?;
    tx.commit().await?;
    app.bell.set_alone(members < 2);
    Ok(())
}

/// A server that has just started waits so long for agents to come back before it counts who is there.
const SETTLED_MS: i64 = 30_000;

/// Notes how many nodes are connected, for the figures of the day.
pub async fn count_nodes(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    if now.0 - app.member().started_at.0 < SETTLED_MS {
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    synod_db::overview::note_nodes(&mut tx, now).await?;
    tx.commit().await
}

/// Forgets what nobody needs any more.
pub async fn prune(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    session::prune(&mut tx, Timestamp(now.0 - Span::secs(7 * 86_400).as_millis())).await?;
    account_key::forget_challenges(&mut tx, now).await?;
    answer::prune(&mut tx, now).await?;
    user::prune_failures(&mut tx, Timestamp(now.0 - super::auth::FORGET_MS)).await?;
    tx.commit().await
}

/// URLs of the servers that live, this one among them.
pub async fn alive_urls(app: &App, db: &mut impl Query) -> Result<Vec<String>> {
    let mut urls: Vec<String> = member::alive(db, alive_since(app.clock.now())).await?.into_iter().map(|m| m.url).collect();
    if !urls.contains(&app.url) {
        urls.push(app.url.clone());
    }
    urls.sort();
    urls.dedup();
    Ok(urls)
}

/// What is known of the installation.
pub async fn info(ctx: &Ctx) -> Result<ServerInfo> {
    ctx.require(Action::ServerRead, &Resource::system())?;
    let mut reader = ctx.app.db.reader().await?;
    let members = member::alive(&mut reader, alive_since(ctx.now)).await?;
    let view =
        |m: member::Member| Member { id: m.id, url: m.url, version: m.version, started_at: m.started_at, heartbeat_at: m.heartbeat_at, agents: m.agents };
    Ok(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: ctx.app.db.dialect().name().to_owned(),
        ca_fingerprint: ctx.app.authority.fingerprint.clone(),
        clock: ctx.now,
        bootstrapped: user::count(&mut reader).await? > 0,
        members: members.into_iter().map(view).collect(),
    })
}

/// Whether the database answers.
pub async fn ready(app: &App) -> Result<()> {
    synod_db::access::version(&mut app.db.reader().await?).await.map(|_| ())
}

/// Records that somebody took a backup, before the first byte of it leaves.
pub async fn backup_begin(ctx: &Ctx) -> Result<()> {
    ctx.require(Action::BackupRead, &Resource::system())?;
    // A backup at night has nobody to confirm it: a service account that was given the role may take it.
    if !ctx.access.people.get(&ctx.caller.user).is_some_and(|p| p.service_account) {
        ctx.require_fresh()?;
    }
    let mut tx = ctx.app.db.begin().await?;
    let taken = NewEvent { kind: types::BACKUP_TAKEN, subject: "server".into(), namespace: None, run: None, actor: ctx.actor(), data: json!({}) };
    event::append(&mut tx, &[taken], ctx.now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    Ok(())
}
