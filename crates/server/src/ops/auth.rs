//! Signing in: passwords, second factors, sessions, API keys.

use std::sync::Arc;

use serde_json::json;
use synod_db::account_key::{self, PASSKEY};
use synod_db::event;
use synod_db::session::{self, ApiKey as KeyRow, Session as Row};
use synod_db::user::{self, User};
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::object::check_name;
use synod_domain::{Error, Problem, Result, Span, Timestamp};
use synod_protocol::http::Page;
use synod_protocol::http::account_key::PasskeyLogin;
use synod_protocol::http::auth::{
    ApiKey, AuthMethods, CreatedApiKey, LoginRequest, NewApiKey, PasswordChange, Session, SessionToken, StepUpRequest, SteppedUp, TotpConfirm, TotpEnrolment,
    WhoAmI,
};
use synod_trust::webauthn::Assertion;

use crate::access::{Access, Person};
use crate::app::App;
use crate::authz::{Action, Resource};
use crate::ctx::{Caller, Ctx, Via};
use crate::ops::Effects;
use crate::ops::account_key::{Purpose, answered, note_use, take_challenge};
use crate::ops::answer::Asked;
use crate::password;

/// After so many failures a name must wait, each time twice as long.
const FREE_FAILURES: i64 = 5;
/// After so long without a failure a name begins anew.
pub const FORGET_MS: i64 = 3_600_000;
const LONGEST_WAIT_S: i64 = 900;

fn event_about(kind: &'static str, user: &str, data: serde_json::Value) -> NewEvent {
    NewEvent { kind, subject: format!("user/{user}"), namespace: None, run: None, actor: format!("user:{user}"), data }
}

async fn record(app: &Arc<App>, mut tx: synod_db::Tx, events: &[NewEvent], now: Timestamp) -> Result<()> {
    event::append(&mut tx, events, now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(app);
    Ok(())
}

/// Begins a session with name and password, and the second factor where one is enrolled.
pub async fn login(app: &Arc<App>, request: LoginRequest, client: &str) -> Result<SessionToken> {
    let now = app.clock.now();
    let key = login_key(app, &request.user);
    throttle(app, &key, now).await?;
    app.pace.take(now)?;
    // What can be nobody's name is not even looked up; all else goes as for a name that nobody has.
    let known = match check_name(&request.user) {
        Ok(()) => user::get(&mut app.db.reader().await?, &request.user).await?,
        Err(_) => None,
    };
    let usable = known.filter(|u| u.enabled && !u.service_account);
    let fits = password::verify(request.password, usable.as_ref().and_then(|u| u.password_hash.clone())).await?;
    let Some(user) = usable.filter(|_| fits) else {
        return Err(failed(app, &request.user, &key, now).await?);
    };
    app.pace.give_back();
    let mut stepped_up_at = None;
    let mut tx = app.db.begin().await?;
    if user.totp_confirmed {
        match request.totp.as_deref() {
            None => return Err(Error::new(code::SECOND_FACTOR_REQUIRED, "the second factor is missing")),
            Some(digits) => {
                if !take_code(app, &mut tx, &user, digits, now).await? {
                    tx.rollback().await?;
                    return Err(failed(app, &request.user, &key, now).await?);
                }
                stepped_up_at = Some(now);
            }
        }
    }
    begin(app, tx, &user, &key, client, stepped_up_at, now).await
}

/// Under what failures for a name are counted. What was typed as a name may be a password, so it is not kept.
fn login_key(app: &App, name: &str) -> String {
    format!("login:{}", app.keys.mark(name.as_bytes()))
}

/// Makes who failed too often wait.
async fn throttle(app: &App, key: &str, now: Timestamp) -> Result<()> {
    let (failures, last_at) = user::failures(&mut app.db.reader().await?, key).await?;
    if failures < FREE_FAILURES {
        return Ok(());
    }
    let exponent = u32::try_from(failures - FREE_FAILURES).unwrap_or(u32::MAX).min(20);
    let wait = 2i64.saturating_pow(exponent).min(LONGEST_WAIT_S) * 1000;
    let left = last_at.0 + wait - now.0;
    if left <= 0 {
        return Ok(());
    }
    let seconds = u32::try_from(left / 1000 + 1).unwrap_or(1);
    Err(Error::new(code::LOGIN_THROTTLED, format!("too many failed sign-ins for this name; try again in {seconds} s")).retry_after(seconds))
}

/// Begins the session of somebody who has shown who they are.
async fn begin(
    app: &Arc<App>,
    mut tx: synod_db::Tx,
    user: &User,
    key: &str,
    client: &str,
    stepped_up_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<SessionToken> {
    user::forget_failures(&mut tx, key).await?;
    let row = Row {
        id: hex::encode(rand::random::<[u8; 16]>()),
        user: user.name.clone(),
        csrf: hex::encode(rand::random::<[u8; 16]>()),
        client: client.chars().filter(|c| !c.is_control()).take(200).collect(),
        created_at: now,
        expires_at: now.after(app.config.security.session_for),
        stepped_up_at,
        revoked_at: None,
    };
    session::insert(&mut tx, &row).await?;
    let passkey = account_key::of_user(&mut tx, &user.name).await?.iter().any(|key| key.kind == PASSKEY);
    record(app, tx, &[event_about(types::SESSION_STARTED, &user.name, json!({"client": row.client}))], now).await?;
    Ok(token(app, &row, user.totp_confirmed || passkey))
}

/// Begins a session with a passkey, which verified who holds it: it stands for name, password and second factor.
pub async fn passkey_login(app: &Arc<App>, request: &PasskeyLogin, client: &str) -> Result<SessionToken> {
    let now = app.clock.now();
    let passkeys = app.site.for_passkeys()?;
    let assertion = &request.assertion;
    let key = format!("passkey:{}", password::secret_hash(&assertion.credential_id));
    throttle(app, &key, now).await?;
    let mut tx = app.db.begin().await?;
    let challenge = take_challenge(&mut tx, Purpose::Login, "", &assertion.client_data_json, now).await?;
    app.pace.take(now)?;
    let known = account_key::by_credential(&mut tx, &assertion.credential_id).await?;
    let Some(known) = known else {
        // The challenge was answered, if wrongly.
        tx.commit().await?;
        return Err(failed(app, "", &key, now).await?);
    };
    let usable = user::get(&mut tx, &known.user).await?.filter(|u| u.enabled && !u.service_account);
    let counter = answered(&known, passkeys, &challenge, assertion)?;
    let (Some(user), Ok(counter)) = (usable, counter) else {
        tx.commit().await?;
        return Err(failed(app, &known.user, &key, now).await?);
    };
    if !note_use(&mut tx, &known, counter, now).await? {
        tx.commit().await?;
        return Err(failed(app, &known.user, &key, now).await?);
    }
    app.pace.give_back();
    begin(app, tx, &user, &key, client, Some(now), now).await
}

/// What a page for signing in must know beforehand.
pub async fn auth_methods(app: &App) -> Result<AuthMethods> {
    let bootstrapped = user::count(&mut app.db.reader().await?).await? > 0;
    Ok(AuthMethods { bootstrapped, passkeys: app.site.passkeys.clone(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

fn token(app: &App, row: &Row, totp_enrolled: bool) -> SessionToken {
    SessionToken { token: app.keys.session_token(&row.id), expires_at: row.expires_at, csrf_token: row.csrf.clone(), user: row.user.clone(), totp_enrolled }
}

async fn failed(app: &Arc<App>, name: &str, key: &str, now: Timestamp) -> Result<Error> {
    let mut tx = app.db.begin().await?;
    user::failed(&mut tx, key, now, FORGET_MS).await?;
    // The name as it was typed may be a password in the wrong field: it is recorded only when it is a user's.
    let known = check_name(name).is_ok() && user::get(&mut tx, name).await?.is_some();
    let event = if known { Some(event_about(types::SESSION_FAILED, name, json!({}))) } else { strangers(app.pace.stranger_failed(now)) };
    record(app, tx, event.as_slice(), now).await?;
    Ok(Error::new(code::BAD_CREDENTIALS, "name, password or code is wrong"))
}

/// What is recorded of sign-ins under names that nobody has: one event for many, so that strangers do not fill the log.
fn strangers(times: u32) -> Option<NewEvent> {
    (times > 0).then(|| event_about(types::SESSION_FAILED, "unknown", json!({"times": times})))
}

/// Records failures of strangers that were not told yet.
pub async fn tell_strangers(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    match strangers(app.pace.untold(now)) {
        Some(event) => record(&app, app.db.begin().await?, &[event], now).await,
        None => Ok(()),
    }
}

/// Who a token or key belongs to, and by which access state: the only way to become a caller.
pub async fn authenticate(app: &Arc<App>, token: &str, via_cookie: bool, now: Timestamp) -> Result<(Caller, Arc<Access>, Option<String>)> {
    let ended = || Error::new(code::SESSION_ENDED, "the session has ended");
    let mut reader = app.db.reader().await?;
    let (caller, version, csrf) = if token.starts_with("synod_key_") {
        let (key, version) = session::key_by_hash(&mut reader, &password::secret_hash(token)).await?.ok_or_else(ended)?;
        if key.revoked_at.is_some() || key.expires_at <= now {
            return Err(ended());
        }
        (Caller { user: key.user, via: Via::ApiKey, session: None, api_key: Some(key.id), stepped_up_at: None }, version, None)
    } else {
        let id = app.keys.session_id(token).ok_or_else(ended)?;
        let (row, version) = session::get(&mut reader, &id).await?.ok_or_else(ended)?;
        if row.revoked_at.is_some() || row.expires_at <= now {
            return Err(ended());
        }
        let via = if via_cookie { Via::Cookie } else { Via::Session };
        (Caller { user: row.user, via, session: Some(row.id), api_key: None, stepped_up_at: row.stepped_up_at }, version, Some(row.csrf))
    };
    let access = app.access.at(version, &mut reader).await?;
    if !access.people.get(&caller.user).is_some_and(|p| p.enabled) {
        return Err(ended());
    }
    Ok((caller, access, csrf))
}

/// The caller's session; an API key has none.
pub fn session_of(ctx: &Ctx) -> Result<String> {
    ctx.caller.session.clone().ok_or_else(|| Error::new(code::FORBIDDEN, "this is for sessions of people; an API key has none"))
}

/// Moves the session's end to a full lifetime from now. The token stays the same.
pub async fn renew(ctx: &Ctx) -> Result<SessionToken> {
    let id = session_of(ctx)?;
    let mut tx = ctx.app.db.begin().await?;
    let (mut row, _) = session::get(&mut tx, &id).await?.ok_or_else(|| Error::new(code::SESSION_ENDED, "the session has ended"))?;
    row.expires_at = ctx.now.after(ctx.app.config.security.session_for);
    session::renew(&mut tx, &id, row.expires_at).await?;
    tx.commit().await?;
    Ok(token(&ctx.app, &row, ctx.access.people.get(&ctx.caller.user).is_some_and(Person::second_factor)))
}

/// Ends the session.
pub async fn logout(ctx: &Ctx) -> Result<()> {
    session_revoke(ctx, &session_of(ctx)?).await
}

/// The caller's live sessions.
pub async fn session_list(ctx: &Ctx) -> Result<Page<Session>> {
    let rows = session::of_user(&mut ctx.app.db.reader().await?, &ctx.caller.user, ctx.now).await?;
    let view = |row: Row| Session {
        current: ctx.caller.session.as_deref() == Some(&row.id),
        id: row.id,
        created_at: row.created_at,
        expires_at: row.expires_at,
        client: row.client,
    };
    Ok(Page { items: rows.into_iter().map(view).collect(), next: None })
}

/// Ends one of the caller's sessions.
pub async fn session_revoke(ctx: &Ctx, id: &str) -> Result<()> {
    let mut tx = ctx.app.db.begin().await?;
    if !session::revoke(&mut tx, &ctx.caller.user, id, ctx.now).await? {
        return Err(Error::not_found("session of yours", id));
    }
    record(&ctx.app, tx, &[event_about(types::SESSION_ENDED, &ctx.caller.user, json!({}))], ctx.now).await
}

/// Who the caller is.
pub async fn whoami(ctx: &Ctx) -> Result<WhoAmI> {
    let mut reader = ctx.app.db.reader().await?;
    let known = user::get(&mut reader, &ctx.caller.user).await?;
    let session = match &ctx.caller.session {
        Some(id) => session::get(&mut reader, id).await?.map(|(row, _)| row),
        None => None,
    };
    let person = ctx.access.people.get(&ctx.caller.user);
    Ok(WhoAmI {
        user: ctx.caller.user.clone(),
        service_account: person.is_some_and(|p| p.service_account),
        groups: ctx.access.groups_of(&ctx.caller.user).into_iter().collect(),
        roles: ctx.access.held(&ctx.caller.user, None, true, ctx.now),
        totp_enrolled: person.is_some_and(|p| p.totp),
        stepped_up_until: ctx.stepped_up_until().filter(|until| ctx.now < *until),
        via: match ctx.caller.via {
            Via::Session => "session",
            Via::Cookie => "cookie",
            Via::ApiKey => "api-key",
        }
        .to_owned(),
        display_name: known.map(|user| user.display_name).unwrap_or_default(),
        passkeys: person.map_or(0, |p| p.passkeys),
        session_expires_at: session.as_ref().map(|row| row.expires_at),
        csrf_token: session.filter(|_| ctx.caller.via == Via::Cookie).map(|row| row.csrf),
    })
}

/// Takes a code of the second factor: right, and of a time step none was taken for before.
async fn take_code(app: &App, tx: &mut synod_db::Tx, user: &User, digits: &str, now: Timestamp) -> Result<bool> {
    let Some(sealed) = &user.totp_sealed else { return Ok(false) };
    let secret = app.keys.unseal(sealed)?;
    let totp = totp(&user.name, secret)?;
    let seconds = u64::try_from(now.0 / 1000).unwrap_or_default();
    match totp.check(digits, seconds) {
        Some(step) => user::take_totp_step(tx, &user.name, i64::try_from(step).unwrap_or(i64::MAX)).await,
        None => Ok(false),
    }
}

fn totp(user: &str, secret: Vec<u8>) -> Result<totp_rs::Totp> {
    totp_rs::Builder::new()
        .with_secret(secret)
        .with_account_name(user)
        .with_issuer(Some("Synod"))
        .build()
        .map_err(|e| Error::internal(e.to_string()))
}

async fn me(ctx: &Ctx, tx: &mut synod_db::Tx) -> Result<User> {
    user::get(tx, &ctx.caller.user).await?.ok_or_else(|| Error::not_found("user", &ctx.caller.user))
}

/// Confirms the session once more, for what asks for a fresh second factor: by a code or by a passkey.
pub async fn step_up(ctx: &Ctx, request: &StepUpRequest) -> Result<SteppedUp> {
    let session = session_of(ctx)?;
    let (digits, assertion) = (request.totp.as_deref(), request.assertion.as_ref());
    if digits.is_some() == assertion.is_some() {
        let problem = Problem::at("", "give either `totp`, six digits, or `assertion`, a passkey's answer to a challenge of /auth/step-up/options");
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![problem]));
    }
    let key = format!("totp:{}", ctx.caller.user);
    let (failures, last_at) = user::failures(&mut ctx.app.db.reader().await?, &key).await?;
    if failures >= FREE_FAILURES && ctx.now.since(last_at) < 30_000 {
        return Err(Error::new(code::LOGIN_THROTTLED, "too many wrong codes; try again in 30 s").retry_after(30));
    }
    let mut tx = ctx.app.db.begin().await?;
    let user = me(ctx, &mut tx).await?;
    let wrong = match (digits, assertion) {
        (Some(_), _) if !user.totp_confirmed => {
            return Err(Error::new(code::STEP_UP_REQUIRED, "no authenticator with codes is enrolled; enrol one with `synod totp enrol`, or use a passkey"));
        }
        (Some(digits), _) => (!take_code(&ctx.app, &mut tx, &user, digits, ctx.now).await?).then(|| "the code is wrong, or was used before".to_owned()),
        (None, Some(assertion)) => confirm(ctx, &mut tx, assertion).await?.err(),
        (None, None) => None,
    };
    let by = json!({"by": if digits.is_some() { "code" } else { "passkey" }});
    if let Some(why) = wrong {
        user::failed(&mut tx, &key, ctx.now, FORGET_MS).await?;
        record(&ctx.app, tx, &[event_about(types::STEP_UP_FAILED, &ctx.caller.user, by)], ctx.now).await?;
        return Err(Error::new(code::BAD_CREDENTIALS, why));
    }
    user::forget_failures(&mut tx, &key).await?;
    session::step_up(&mut tx, &session, ctx.now).await?;
    record(&ctx.app, tx, &[event_about(types::STEPPED_UP, &ctx.caller.user, by)], ctx.now).await?;
    Ok(SteppedUp { until: ctx.now.after(ctx.app.config.security.step_up_for) })
}

/// Whether one of the caller's passkeys answers the challenge rightly, or why not.
async fn confirm(ctx: &Ctx, tx: &mut synod_db::Tx, assertion: &Assertion) -> Result<Result<(), String>> {
    let passkeys = ctx.app.site.for_passkeys()?;
    let challenge = take_challenge(tx, Purpose::StepUp, &ctx.caller.user, &assertion.client_data_json, ctx.now).await?;
    let known = account_key::by_credential(tx, &assertion.credential_id).await?.filter(|key| key.user == ctx.caller.user);
    let Some(known) = known else { return Ok(Err("the passkey is none of yours here".into())) };
    let counter = match answered(&known, passkeys, &challenge, assertion)? {
        Ok(counter) => counter,
        Err(why) => return Ok(Err(why)),
    };
    let sound = note_use(tx, &known, counter, ctx.now).await?;
    Ok(if sound { Ok(()) } else { Err("the passkey's counter fell behind, as that of a copy does; remove it and make a new one".into()) })
}

/// Makes a second factor; it is not in force until confirmed. An enrolled one must be confirmed freshly to be replaced.
pub async fn totp_enrol(ctx: &Ctx) -> Result<TotpEnrolment> {
    session_of(ctx)?;
    let mut tx = ctx.app.db.begin().await?;
    let mut user = me(ctx, &mut tx).await?;
    if user.totp_confirmed {
        return Err(Error::new(code::ALREADY_EXISTS, "a second factor is enrolled already; an owner can reset it with `synod user reset-totp NAME`"));
    }
    let secret: [u8; 20] = rand::random();
    let totp = totp(&user.name, secret.to_vec())?;
    let url = totp.to_url().map_err(|e| Error::internal(e.to_string()))?;
    let qr = qrcode::QrCode::new(url.as_bytes()).map_err(Error::internal)?;
    let qr_svg = qr.render::<qrcode::render::svg::Color<'_>>().min_dimensions(200, 200).build();
    user.totp_sealed = Some(ctx.app.keys.seal(&secret));
    user::update(&mut tx, &user).await?;
    tx.commit().await?;
    Ok(TotpEnrolment { secret: totp_rs::Secret::from(secret.to_vec()).to_base32(), url, qr_svg })
}

/// Puts the new second factor in force; the session counts as freshly confirmed.
pub async fn totp_confirm(ctx: &Ctx, request: &TotpConfirm) -> Result<SteppedUp> {
    let session = session_of(ctx)?;
    let mut tx = ctx.app.db.begin().await?;
    let mut user = me(ctx, &mut tx).await?;
    if user.totp_confirmed || user.totp_sealed.is_none() {
        return Err(Error::new(code::NOT_FOUND, "no second factor awaits confirmation; begin with `synod totp enrol`"));
    }
    if !take_code(&ctx.app, &mut tx, &user, &request.totp, ctx.now).await? {
        return Err(Error::new(code::BAD_CREDENTIALS, "the code is wrong; check the clock of the device that made it"));
    }
    user = me(ctx, &mut tx).await?;
    user.totp_confirmed = true;
    user::update(&mut tx, &user).await?;
    session::step_up(&mut tx, &session, ctx.now).await?;
    record(&ctx.app, tx, &[event_about(types::TOTP_ENROLLED, &user.name, json!({}))], ctx.now).await?;
    Ok(SteppedUp { until: ctx.now.after(ctx.app.config.security.step_up_for) })
}

/// Changes the caller's password; all other sessions end.
pub async fn password_change(ctx: &Ctx, request: PasswordChange) -> Result<()> {
    let current = session_of(ctx)?;
    // Whoever took over a session is kept from trying passwords as at the sign-in.
    let key = login_key(&ctx.app, &ctx.caller.user);
    throttle(&ctx.app, &key, ctx.now).await?;
    let known = user::get(&mut ctx.app.db.reader().await?, &ctx.caller.user).await?.ok_or_else(|| Error::not_found("user", &ctx.caller.user))?;
    if !password::verify(request.current, known.password_hash).await? {
        failed(&ctx.app, &ctx.caller.user, &key, ctx.now).await?;
        return Err(Error::new(code::BAD_CREDENTIALS, "the present password is wrong"));
    }
    let hash = password::hash(request.new).await?;
    let mut tx = ctx.app.db.begin().await?;
    let mut user = me(ctx, &mut tx).await?;
    user.password_hash = Some(hash);
    user::update(&mut tx, &user).await?;
    for row in session::of_user(&mut tx, &user.name, ctx.now).await?.into_iter().filter(|row| row.id != current) {
        session::revoke(&mut tx, &user.name, &row.id, ctx.now).await?;
    }
    record(&ctx.app, tx, &[event_about(types::USER_CHANGED, &user.name, json!({"changed": ["password"]}))], ctx.now).await
}

/// Makes an API key for oneself, or for a service account when one may change users.
pub async fn api_key_create(ctx: &Ctx, request: &NewApiKey, key: Option<&str>) -> Result<CreatedApiKey> {
    let owner = request.user.clone().unwrap_or_else(|| ctx.caller.user.clone());
    if owner == ctx.caller.user {
        session_of(ctx)?;
    } else {
        ctx.require(Action::UserWrite, &Resource::system())?;
        ctx.require_fresh()?;
        let target = ctx.access.people.get(&owner).ok_or_else(|| Error::not_found("user", &owner))?;
        if !target.service_account {
            return Err(Error::new(code::FORBIDDEN, format!("{owner} is a person; people make their own keys")));
        }
    }
    let lifetime = request.expires_in.unwrap_or(Span::secs(365 * 86_400));
    if request.name.trim().is_empty() || request.name.chars().count() > 100 || lifetime == Span::default() {
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/name", "a key has a name of 1 to 100 characters and lives for some time")]));
    }
    let asked = Asked::new("api_key_create", key, request)?;
    if let Some(known) = asked.answered(ctx).await? {
        return Ok(known);
    }
    let key = password::random_secret("synod_key");
    let row = KeyRow {
        id: password::short_id(ctx.now),
        hash: password::secret_hash(&key),
        user: owner.clone(),
        name: request.name.clone(),
        created_at: ctx.now,
        expires_at: ctx.now.after(lifetime),
        revoked_at: None,
    };
    let mut tx = ctx.app.db.begin().await?;
    session::insert_key(&mut tx, &row).await?;
    let made = NewEvent {
        kind: types::API_KEY_CREATED,
        subject: format!("api-key/{}", row.id),
        namespace: None,
        run: None,
        actor: ctx.actor(),
        data: json!({"user": owner, "name": row.name}),
    };
    let created = CreatedApiKey { key, info: key_view(row) };
    asked.keep(ctx, &mut tx, &created).await?;
    record(&ctx.app, tx, &[made], ctx.now).await?;
    Ok(created)
}

fn key_view(row: KeyRow) -> ApiKey {
    ApiKey { id: row.id, user: row.user, name: row.name, created_at: row.created_at, expires_at: row.expires_at, revoked_at: row.revoked_at }
}

/// The caller's keys, or all keys when the caller may see users.
pub async fn api_key_list(ctx: &Ctx) -> Result<Page<ApiKey>> {
    let all = ctx.may(Action::UserRead, &Resource::system());
    let only = (!all).then_some(ctx.caller.user.as_str());
    let rows = session::keys(&mut ctx.app.db.reader().await?, only).await?;
    Ok(Page { items: rows.into_iter().map(key_view).collect(), next: None })
}

/// Revokes a key: one's own, or any when one may change users.
pub async fn api_key_revoke(ctx: &Ctx, id: &str) -> Result<()> {
    let mut tx = ctx.app.db.begin().await?;
    let row = session::key_by_id(&mut tx, id).await?.ok_or_else(|| Error::not_found("API key", id))?;
    if row.user != ctx.caller.user {
        ctx.require(Action::UserWrite, &Resource::system())?;
    }
    session::revoke_key(&mut tx, id, ctx.now).await?;
    let gone = NewEvent {
        kind: types::API_KEY_REVOKED,
        subject: format!("api-key/{id}"),
        namespace: None,
        run: None,
        actor: ctx.actor(),
        data: json!({"user": row.user}),
    };
    record(&ctx.app, tx, &[gone], ctx.now).await
}
