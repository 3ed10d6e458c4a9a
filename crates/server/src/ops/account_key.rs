//! Keys of accounts: passkeys and SSH keys registered, listed and removed, and the challenges passkeys answer.

use serde_json::json;
use synod_db::account_key::{self, AccountKey, Challenge, PASSKEY, SSH};
use synod_db::{Tx, event, session, user};
use synod_domain::error::code;
use synod_domain::event::{NewEvent, types};
use synod_domain::{Error, Problem, Result, Span, Timestamp};
use synod_protocol::http::Page;
use synod_protocol::http::account_key::{
    NewPasskey, NewSshKey, Passkey, PasskeyChallenge, PasskeyOptions, PasskeyUser, RelyingParty, SshKey, UserKey, UserKeys,
};
use synod_trust::crypto::sha256;
use synod_trust::key::{Key, KeySpec, PasskeySpec};
use synod_trust::strict::to_base64url;
use synod_trust::webauthn::{self, Assertion, Creation, Passkeys};

use crate::access::Person;
use crate::app::App;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::ops::Effects;
use crate::ops::auth::session_of;
use crate::password;

/// How long a challenge waits for its answer.
const ANSWER_WITHIN: Span = Span::secs(300);
/// So many keys an account may have.
const MOST_KEYS: usize = 50;
/// So many challenges of one person and purpose may await answers.
const MOST_OF_ONE: u32 = 20;
/// So many challenges for signing in may await answers, of everybody together: anybody can ask for one.
const MOST_LOGINS: u32 = 10_000;
/// The algorithms taken, as COSE numbers them: ES256 and EdDSA.
const ALGORITHMS: [i32; 2] = [-7, -8];

/// What the answer to a challenge is to do. An answer for one purpose is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Register a new passkey.
    Register,
    /// Sign in.
    Login,
    /// Confirm a session.
    StepUp,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::StepUp => "step-up",
        }
    }
}

/// The hash under which a challenge is kept.
fn kept(challenge: &[u8]) -> String {
    hex::encode(sha256(challenge))
}

/// Makes a challenge and keeps its hash.
async fn challenge(app: &App, purpose: Purpose, user: &str, now: Timestamp) -> Result<String> {
    let bytes = rand::random::<[u8; 32]>();
    let kept = Challenge { hash: kept(&bytes), purpose: purpose.name(), user: user.to_owned(), expires_at: now.after(ANSWER_WITHIN) };
    let most = if purpose == Purpose::Login { MOST_LOGINS } else { MOST_OF_ONE };
    let mut tx = app.db.begin().await?;
    let fits = account_key::challenge(&mut tx, &kept, now, most).await?;
    tx.commit().await?;
    if !fits {
        return Err(Error::new(code::LOGIN_THROTTLED, "too many challenges await their answers; try again in a minute").retry_after(60));
    }
    Ok(to_base64url(&bytes))
}

/// Takes the challenge that clientDataJSON says it answers: it was given for this, is not too old, and is taken once.
pub async fn take_challenge(tx: &mut Tx, purpose: Purpose, user: &str, client_data_json: &str, now: Timestamp) -> Result<Vec<u8>> {
    let refused = |why: String| Error::new(code::PASSKEY_REFUSED, why);
    let challenge = webauthn::challenge_of(client_data_json).map_err(refused)?;
    if !account_key::take_challenge(tx, &kept(&challenge), purpose.name(), user, now).await? {
        return Err(refused("its challenge is not one of ours for this, was answered before, or is older than five minutes".into()));
    }
    Ok(challenge)
}

/// The passkey that answers a challenge rightly, and its counter; `None` when it does not.
pub fn answered(known: &AccountKey, passkeys: &Passkeys, challenge: &[u8], assertion: &Assertion) -> Result<Result<u32, String>> {
    let spec: KeySpec = serde_json::from_str(&known.spec).map_err(Error::internal)?;
    let key = Key::read(&spec).map_err(Error::internal)?;
    Ok(webauthn::answers(&key, passkeys, challenge, assertion))
}

/// Notes the use of a passkey. One whose counter fell behind was copied: it is refused, and that is recorded.
pub async fn note_use(tx: &mut Tx, known: &AccountKey, counter: u32, now: Timestamp) -> Result<bool> {
    if account_key::used(tx, &known.id, counter, now).await? {
        return Ok(true);
    }
    let data = json!({"keyId": known.key_id, "name": known.name, "counter": counter, "known": known.counter});
    event::append(tx, &[about(types::KEY_SUSPECT, &known.user, "system", data)], now).await?;
    Ok(false)
}

fn about(kind: &'static str, user: &str, actor: &str, data: serde_json::Value) -> NewEvent {
    NewEvent { kind, subject: format!("user/{user}"), namespace: None, run: None, actor: actor.to_owned(), data }
}

fn key_event(kind: &'static str, ctx: &Ctx, key: &AccountKey) -> NewEvent {
    about(kind, &key.user, &ctx.actor(), json!({"kind": key.kind, "name": key.name, "keyId": key.key_id}))
}

/// What a challenge for signing in takes: nothing, and it tells nothing about who exists.
pub async fn passkey_login_options(app: &App) -> Result<PasskeyChallenge> {
    let rp_id = app.site.for_passkeys()?.rp_id.clone();
    let challenge = challenge(app, Purpose::Login, "", app.clock.now()).await?;
    Ok(PasskeyChallenge { challenge, rp_id, allow: Vec::new() })
}

/// A challenge for the caller's passkeys, to confirm the session.
pub async fn step_up_options(ctx: &Ctx) -> Result<PasskeyChallenge> {
    session_of(ctx)?;
    let rp_id = ctx.app.site.for_passkeys()?.rp_id.clone();
    let keys = account_key::of_user(&mut ctx.app.db.reader().await?, &ctx.caller.user).await?;
    let allow: Vec<String> = keys.into_iter().filter_map(|key| key.credential_id).collect();
    if allow.is_empty() {
        return Err(Error::not_found("passkey of", &ctx.caller.user));
    }
    let challenge = challenge(&ctx.app, Purpose::StepUp, &ctx.caller.user, ctx.now).await?;
    Ok(PasskeyChallenge { challenge, rp_id, allow })
}

/// Changing what one signs in or signs with asks for the second factor, once there is one.
fn require_confirmed(ctx: &Ctx) -> Result<()> {
    session_of(ctx)?;
    let has = ctx.access.people.get(&ctx.caller.user).is_some_and(Person::second_factor);
    if !has || ctx.is_fresh() {
        return Ok(());
    }
    Err(Error::new(code::STEP_UP_REQUIRED, "this changes what you sign in or sign with; confirm with your second factor first"))
}

/// What the browser needs to make a passkey for the caller.
pub async fn passkey_options(ctx: &Ctx) -> Result<PasskeyOptions> {
    require_confirmed(ctx)?;
    let rp_id = ctx.app.site.for_passkeys()?.rp_id.clone();
    let mut reader = ctx.app.db.reader().await?;
    let me = user::get(&mut reader, &ctx.caller.user).await?.ok_or_else(|| Error::not_found("user", &ctx.caller.user))?;
    let exclude = account_key::of_user(&mut reader, &me.name).await?.into_iter().filter_map(|key| key.credential_id).collect();
    drop(reader);
    let challenge = challenge(&ctx.app, Purpose::Register, &me.name, ctx.now).await?;
    // The handle stays on the authenticator, where it must tell nothing about whose it is.
    let handle = to_base64url(&sha256(format!("synod user {rp_id} {}", me.name).as_bytes()));
    let display_name = if me.display_name.is_empty() { me.name.clone() } else { me.display_name };
    let user = PasskeyUser { id: handle, name: me.name, display_name };
    Ok(PasskeyOptions { challenge, rp: RelyingParty { name: format!("Synod at {rp_id}"), id: rp_id }, user, algorithms: ALGORITHMS.to_vec(), exclude })
}

fn check_name(name: &str) -> Result<()> {
    let fits = !name.trim().is_empty() && name.len() <= 100 && !name.chars().any(char::is_control);
    fits.then_some(())
        .ok_or_else(|| Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/name", "a key has a name of 1 to 100 bytes of text")]))
}

/// Registers a passkey that was made for a challenge of [`passkey_options`].
pub async fn passkey_create(ctx: &Ctx, request: &NewPasskey) -> Result<Passkey> {
    require_confirmed(ctx)?;
    check_name(&request.name)?;
    let known = |transport: &String| transport.len() <= 20 && transport.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if request.transports.len() > 10 || !request.transports.iter().all(known) {
        return Err(Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/transports", "transports are at most 10 words such as `internal` or `usb`")]));
    }
    let passkeys = ctx.app.site.for_passkeys()?;
    let mut tx = ctx.app.db.begin().await?;
    let challenge = take_challenge(&mut tx, Purpose::Register, &ctx.caller.user, &request.client_data_json, ctx.now).await?;
    let creation =
        Creation { credential_id: &request.credential_id, authenticator_data: &request.authenticator_data, client_data_json: &request.client_data_json };
    let created = match webauthn::register(passkeys, &challenge, &creation) {
        Ok(created) => created,
        Err(why) => {
            // The challenge was answered, if wrongly.
            tx.commit().await?;
            return Err(Error::new(code::PASSKEY_REFUSED, why));
        }
    };
    let row = AccountKey {
        id: password::short_id(ctx.now),
        user: ctx.caller.user.clone(),
        kind: PASSKEY.into(),
        name: request.name.clone(),
        key_id: created.key.id().to_string(),
        credential_id: Some(created.spec.credential_id.clone()),
        spec: serde_json::to_string(&KeySpec::Passkey(created.spec)).map_err(Error::internal)?,
        transports: serde_json::to_string(&request.transports).map_err(Error::internal)?,
        counter: created.counter,
        created_at: ctx.now,
        last_used_at: None,
    };
    // Whoever makes a first passkey has just been verified by it.
    let first = !ctx.access.people.get(&ctx.caller.user).is_some_and(Person::second_factor);
    add(ctx, tx, &row, first).await?;
    passkey(row)
}

/// Registers an SSH public key.
pub async fn ssh_key_create(ctx: &Ctx, request: &NewSshKey) -> Result<SshKey> {
    require_confirmed(ctx)?;
    check_name(&request.name)?;
    let line = request.public_key.trim();
    if line.contains("PRIVATE KEY") {
        return Err(Error::problems(
            code::INVALID_DOCUMENT,
            vec![Problem::at("/publicKey", "this is a private key; keep it to yourself and send the line of the .pub file")],
        ));
    }
    let key = Key::from_openssh(line).map_err(|why| Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/publicKey", why)]))?;
    let row = AccountKey {
        id: password::short_id(ctx.now),
        user: ctx.caller.user.clone(),
        kind: SSH.into(),
        name: request.name.clone(),
        key_id: key.id().to_string(),
        spec: serde_json::to_string(&KeySpec::Ssh(line.to_owned())).map_err(Error::internal)?,
        credential_id: None,
        transports: "[]".into(),
        counter: 0,
        created_at: ctx.now,
        last_used_at: None,
    };
    let tx = ctx.app.db.begin().await?;
    add(ctx, tx, &row, false).await?;
    ssh_key(row)
}

async fn add(ctx: &Ctx, mut tx: Tx, row: &AccountKey, confirmed: bool) -> Result<()> {
    if account_key::of_user(&mut tx, &row.user).await?.len() >= MOST_KEYS {
        return Err(Error::new(code::IN_USE, format!("an account has at most {MOST_KEYS} keys; remove one that is not used any more")));
    }
    if !account_key::insert(&mut tx, row).await? {
        return Err(Error::new(code::ALREADY_EXISTS, format!("the key {} is registered already", row.key_id)));
    }
    if confirmed {
        session::step_up(&mut tx, &session_of(ctx)?, ctx.now).await?;
    }
    event::append(&mut tx, &[key_event(types::KEY_ADDED, ctx, row)], ctx.now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    Ok(())
}

/// Removes a key of the caller's.
pub async fn remove(ctx: &Ctx, kind: &'static str, id: &str) -> Result<()> {
    require_confirmed(ctx)?;
    let mut tx = ctx.app.db.begin().await?;
    let known = account_key::of_user(&mut tx, &ctx.caller.user).await?.into_iter().find(|key| key.id == id && key.kind == kind);
    let what = if kind == PASSKEY { "passkey of yours" } else { "SSH key of yours" };
    let known = known.ok_or_else(|| Error::not_found(what, id))?;
    account_key::remove(&mut tx, &known.user, kind, id).await?;
    event::append(&mut tx, &[key_event(types::KEY_REMOVED, ctx, &known)], ctx.now).await?;
    tx.commit().await?;
    Effects { events: true, ..Effects::default() }.carry_out(&ctx.app);
    Ok(())
}

/// Removes all passkeys of somebody, inside a change of the user; the events of it.
pub async fn remove_passkeys(ctx: &Ctx, tx: &mut Tx, name: &str) -> Result<Vec<NewEvent>> {
    let mut events = Vec::new();
    for key in account_key::of_user(tx, name).await?.into_iter().filter(|key| key.kind == PASSKEY) {
        account_key::remove(tx, name, PASSKEY, &key.id).await?;
        events.push(key_event(types::KEY_REMOVED, ctx, &key));
    }
    Ok(events)
}

/// The caller's passkeys.
pub async fn passkey_list(ctx: &Ctx) -> Result<Page<Passkey>> {
    let keys = account_key::of_user(&mut ctx.app.db.reader().await?, &ctx.caller.user).await?;
    let items: Result<Vec<Passkey>> = keys.into_iter().filter(|key| key.kind == PASSKEY).map(passkey).collect();
    Ok(Page { items: items?, next: None })
}

/// The caller's SSH keys.
pub async fn ssh_key_list(ctx: &Ctx) -> Result<Page<SshKey>> {
    let keys = account_key::of_user(&mut ctx.app.db.reader().await?, &ctx.caller.user).await?;
    let items: Result<Vec<SshKey>> = keys.into_iter().filter(|key| key.kind == SSH).map(ssh_key).collect();
    Ok(Page { items: items?, next: None })
}

/// All keys of an account, as trust roots write them; everyone may see their own.
pub async fn user_keys(ctx: &Ctx, name: &str) -> Result<UserKeys> {
    if name != ctx.caller.user {
        ctx.require(Action::UserRead, &Resource::system())?;
    }
    let mut reader = ctx.app.db.reader().await?;
    if user::get(&mut reader, name).await?.is_none() {
        return Err(Error::not_found("user", name));
    }
    let view = |key: AccountKey| {
        let spec = serde_json::from_str(&key.spec).map_err(Error::internal)?;
        Ok(UserKey { kind: key.kind, name: key.name, key_id: key.key_id, spec, created_at: key.created_at })
    };
    let keys: Result<Vec<UserKey>> = account_key::of_user(&mut reader, name).await?.into_iter().map(view).collect();
    Ok(UserKeys { keys: keys? })
}

fn passkey(key: AccountKey) -> Result<Passkey> {
    let spec: PasskeySpec = serde_json::from_str(&key.spec).map_err(Error::internal)?;
    Ok(Passkey {
        id: key.id,
        name: key.name,
        credential_id: spec.credential_id,
        public_key: spec.public_key,
        key_id: key.key_id,
        transports: serde_json::from_str(&key.transports).map_err(Error::internal)?,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
    })
}

fn ssh_key(key: AccountKey) -> Result<SshKey> {
    let public_key: String = serde_json::from_str(&key.spec).map_err(Error::internal)?;
    Ok(SshKey { id: key.id, name: key.name, public_key, key_id: key.key_id, created_at: key.created_at })
}
