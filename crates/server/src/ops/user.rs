//! Users, and the very first of them.

use std::sync::Arc;

use serde_json::json;
use synod_db::object::{self, Stored};
use synod_db::{event, meta, session, user};
use synod_domain::access::{Role, RoleBindingSpec, Subject};
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::object::{Kind, Object, Spec, check_name};
use synod_domain::{Error, Problem, Result};
use synod_protocol::http::Page;
use synod_protocol::http::user::{Bootstrap, NewUser, User, UserChange};

use crate::app::App;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::ops::answer::Asked;
use crate::password;

fn view(row: user::User) -> User {
    User {
        name: row.name,
        display_name: row.display_name,
        service_account: row.service_account,
        enabled: row.enabled,
        totp_enrolled: row.totp_confirmed,
        created_at: row.created_at,
    }
}

fn about(kind: &'static str, actor: &str, name: &str, data: serde_json::Value) -> NewEvent {
    NewEvent { kind, subject: format!("user/{name}"), namespace: None, run: None, actor: actor.to_owned(), data }
}

/// All users.
pub async fn user_list(ctx: &Ctx) -> Result<Page<User>> {
    ctx.require(Action::UserRead, &Resource::system())?;
    let rows = user::list(&mut ctx.app.db.reader().await?).await?;
    Ok(Page { items: rows.into_iter().map(view).collect(), next: None })
}

/// One user; everyone may see themselves.
pub async fn user_get(ctx: &Ctx, name: &str) -> Result<User> {
    if name != ctx.caller.user {
        ctx.require(Action::UserRead, &Resource::system())?;
    }
    user::get(&mut ctx.app.db.reader().await?, name).await?.map(view).ok_or_else(|| Error::not_found("user", name))
}

fn check_display_name(name: &str) -> Result<()> {
    if name.chars().count() <= 200 && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/displayName", "a name for people is one line of at most 200 characters")]))
}

/// Adds a person with a first password, or a service account without one.
pub async fn user_create(ctx: &Ctx, request: NewUser, key: Option<&str>) -> Result<User> {
    ctx.require(Action::UserWrite, &Resource::system())?;
    ctx.require_fresh()?;
    let asked = Asked::new("user_create", key, &request)?;
    if let Some(known) = asked.answered(ctx).await? {
        return Ok(known);
    }
    check_name(&request.name).map_err(|message| Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/name", message)]))?;
    let password_hash = match (request.password, request.service_account) {
        (Some(_), true) => {
            return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/password", "a service account has no password; make it an API key")]));
        }
        (None, false) => return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/password", "a person needs a first password")])),
        (Some(password), false) => Some(password::hash(password).await?),
        (None, true) => None,
    };
    check_display_name(&request.display_name)?;
    let row = user::User {
        name: request.name,
        display_name: request.display_name,
        service_account: request.service_account,
        enabled: true,
        password_hash,
        totp_sealed: None,
        totp_confirmed: false,
        totp_last_step: 0,
        created_at: ctx.now,
    };
    let mut tx = ctx.app.db.begin().await?;
    if !user::insert(&mut tx, &row).await? {
        return Err(Error::new(code::ALREADY_EXISTS, format!("a user `{}` exists already; names are never given twice", row.name)));
    }
    event::append(&mut tx, &[about(types::USER_CREATED, &ctx.actor(), &row.name, json!({"serviceAccount": row.service_account}))], ctx.now).await?;
    let created = view(row);
    asked.keep(ctx, &mut tx, &created).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    Ok(created)
}

/// Changes a user. Disabling and new passwords end all sessions at once.
pub async fn user_update(ctx: &Ctx, name: &str, change: UserChange) -> Result<User> {
    ctx.require(Action::UserWrite, &Resource::system())?;
    ctx.require_fresh()?;
    let hash = match change.password {
        Some(password) => Some(password::hash(password).await?),
        None => None,
    };
    let mut tx = ctx.app.db.begin().await?;
    let mut row = user::get(&mut tx, name).await?.ok_or_else(|| Error::not_found("user", name))?;
    let mut changed = Vec::new();
    if let Some(enabled) = change.enabled.filter(|enabled| *enabled != row.enabled) {
        row.enabled = enabled;
        changed.push(if enabled { "enabled" } else { "disabled" });
    }
    if let Some(hash) = hash {
        if row.service_account {
            return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/password", "a service account has no password")]));
        }
        row.password_hash = Some(hash);
        changed.push("password");
    }
    if change.reset_totp == Some(true) {
        row.totp_sealed = None;
        row.totp_confirmed = false;
        changed.push("totp reset");
    }
    let mut events = Vec::new();
    if change.remove_passkeys == Some(true) {
        events = super::account_key::remove_passkeys(ctx, &mut tx, name).await?;
        changed.push("passkeys removed");
    }
    if let Some(display_name) = change.display_name {
        check_display_name(&display_name)?;
        row.display_name = display_name;
        changed.push("display name");
    }
    user::update(&mut tx, &row).await?;
    if !row.enabled || changed.iter().any(|c| matches!(*c, "password" | "totp reset" | "passkeys removed")) {
        session::revoke_all(&mut tx, name, ctx.now).await?;
    }
    super::object::check_not_locked_out(ctx, &crate::access::Access::read(&mut tx).await?)?;
    events.push(about(types::USER_CHANGED, &ctx.actor(), name, json!({"changed": changed})));
    event::append(&mut tx, &events, ctx.now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    Ok(view(row))
}

/// Makes the first administrator: once, and only for who holds the token that the server wrote to its state folder.
pub async fn bootstrap(app: &Arc<App>, request: Bootstrap) -> Result<User> {
    let now = app.clock.now();
    check_name(&request.name).map_err(|message| Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/name", message)]))?;
    let hash = password::hash(request.password).await?;
    let mut tx = app.db.begin().await?;
    if user::count(&mut tx).await? > 0 {
        return Err(Error::new(code::ALREADY_BOOTSTRAPPED, "a first administrator exists already"));
    }
    let offered = meta::get(&mut tx, super::system::BOOTSTRAP).await?.unwrap_or_default();
    let shown = password::secret_hash(&request.token);
    if !offered.lines().any(|hash| hash == shown) {
        return Err(Error::new(code::BAD_CREDENTIALS, "the bootstrap token is wrong; it stands in the file bootstrap.token in the server's state folder"));
    }
    let row = user::User {
        name: request.name.clone(),
        display_name: String::new(),
        service_account: false,
        enabled: true,
        password_hash: Some(hash),
        totp_sealed: None,
        totp_confirmed: false,
        totp_last_step: 0,
        created_at: now,
    };
    if !user::insert(&mut tx, &row).await? {
        return Err(Error::new(code::ALREADY_BOOTSTRAPPED, "a first administrator exists already"));
    }
    for role in [Role::Owner, Role::Administrator] {
        let spec = RoleBindingSpec { role, subjects: vec![Subject::User(request.name.clone())], expires: None };
        let normal = serde_json::to_value(&spec).map_err(Error::internal)?;
        let object = Object {
            kind: Kind::RoleBinding,
            namespace: None,
            name: format!("first-{role}"),
            labels: Default::default(),
            spec: Spec::RoleBinding(spec),
            normal,
        };
        let stored = Stored {
            kind: object.kind,
            namespace: None,
            name: object.name.clone(),
            revision: 1,
            labels: Default::default(),
            digest: object.digest()?,
            spec: object.normal,
            author: request.name.clone(),
            updated_at: now,
            deleted: false,
        };
        object::put(&mut tx, &stored).await?;
    }
    event::append(&mut tx, &[about(types::BOOTSTRAPPED, "system", &row.name, json!({}))], now).await?;
    tx.commit().await?;
    let _ = std::fs::remove_file(app.config.state_dir.join("bootstrap.token"));
    Effects { events: true, ..Effects::default() }.carry_out(app);
    Ok(view(row))
}
