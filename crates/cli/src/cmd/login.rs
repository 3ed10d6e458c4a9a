//! `synod login`: sign in, pin the server's authority, save both.

use clap::Args;
use serde_json::json;
use synod_protocol::http::auth::{LoginRequest, SessionToken};
use synod_protocol::http::client::{Address, Client, ClientError};
use synod_protocol::tls::{self, Trust};

use super::API;
use crate::context::{Context, Contexts, Store};
use crate::exit::{Exit, Fault, Result};
use crate::output::note;
use crate::session::{App, address, changed, given_trust, normal, remember, tell_pinned};
use crate::{prompt, when};

/// Arguments of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The server, such as https://synod.example:8443; that of the current login when absent
    url: Option<String>,
    /// Who signs in
    #[arg(short, long)]
    user: Option<String>,
    /// Read the password from the first line of the standard input
    #[arg(long)]
    password_stdin: bool,
    /// The six digits of your authenticator
    #[arg(long, value_name = "CODE")]
    totp: Option<String>,
    /// Trust the authority the server shows without asking
    #[arg(short, long)]
    yes: bool,
}

/// Signs in.
pub async fn login(args: LoginArgs, app: &App<'_>) -> Result {
    let store = Store::of_user()?;
    let all = store.load()?;
    let again = previous(&all, app.globals.context.as_deref());
    let url = args.url.as_deref().or(app.globals.server.as_deref()).or(again.map(|login| login.server.as_str()));
    let address = address(url.ok_or_else(|| Fault::usage("say where to sign in: `synod login https://HOST:PORT`"))?)?;
    let trust = trust(&args, app, &all, &address).await?;
    let client = Client::new(address.clone(), &trust, None)?;
    let user = match args
        .user
        .clone()
        .or_else(|| again.filter(|login| args.url.is_none() && login.is_at(&address)).and_then(|login| login.user.clone()))
    {
        Some(user) => user,
        None if prompt::interactive() => prompt::ask("User:")?,
        None => return Err(Fault::usage("say who signs in: `--user NAME`")),
    };
    let password = prompt::password(args.password_stdin, &format!("Password of {user}:"))?;
    let request = LoginRequest { user, password, totp: args.totp.clone(), cookie: false };
    let session = match sign_in(&client, request).await {
        Err(Fault::Client(ClientError::Transport(message))) => {
            let fault = changed(&address, &trust).await;
            return Err(fault.unwrap_or(Fault::Client(ClientError::Transport(message))));
        }
        other => other?,
    };
    let name = app.globals.context.clone().unwrap_or_else(|| format!("{}@{}", session.user, short(&address)));
    let mut context = Context { server: address.to_string(), ..Context::default() };
    match trust {
        Trust::Ca(pem) => context.ca_pem = Some(pem),
        Trust::Fingerprint(fingerprint) => context.ca_fingerprint = Some(normal(&fingerprint)),
    }
    remember(&mut context, &session, when::now());
    let shown =
        json!({"context": name, "server": context.server, "user": session.user, "expiresAt": session.expires_at, "caFingerprint": context.ca_fingerprint});
    store.update(|all| {
        // Signing in again, or as somebody else, is no reason to believe another trust root.
        let known = all
            .contexts
            .values()
            .filter(|login| login.is_at(&address) && (&login.ca_pem, &login.ca_fingerprint) == (&context.ca_pem, &context.ca_fingerprint));
        if let Some(pins) = known.map(|login| &login.pins).find(|pins| !pins.is_empty()) {
            context.pins = pins.clone();
        }
        all.contexts.insert(name.clone(), context);
        all.current = Some(name.clone());
        Ok(())
    })?;
    app.out.either(&shown, || format!("signed in to {address} as {} until {} (saved as {name})", session.user, session.expires_at))?;
    Ok(Exit::Ok)
}

fn previous<'a>(all: &'a Contexts, name: Option<&str>) -> Option<&'a Context> {
    all.contexts.get(name.or(all.current.as_deref())?)
}

fn short(address: &Address) -> String {
    address.to_string().trim_start_matches("https://").to_owned()
}

async fn sign_in(client: &Client, mut request: LoginRequest) -> Result<SessionToken> {
    let path = format!("{API}/auth/login");
    match client.post(&path, &request).await {
        Err(e) if e.code() == Some("SYN-2003") && request.totp.is_none() && prompt::interactive() => {
            request.totp = Some(prompt::ask("Code of your authenticator:")?);
            Ok(client.post(&path, &request).await?)
        }
        other => Ok(other?),
    }
}

/// Whom to trust: as told, as pinned before, or as the server shows and the person accepts.
async fn trust(args: &LoginArgs, app: &App<'_>, all: &Contexts, address: &Address) -> Result<Trust> {
    if let Some(given) = given_trust(&app.globals)? {
        return Ok(given);
    }
    if let Some(pinned) = all.contexts.values().filter(|login| login.is_at(address)).find_map(Context::trust) {
        return Ok(pinned);
    }
    let shown = tls::shown_authority(&address.host, address.port).await.map_err(|e| Fault::Client(ClientError::Transport(e)))?;
    tell_pinned(address, &shown);
    if prompt::interactive() && !args.yes {
        if !prompt::confirm("Compare it with what the server's administrator says. Trust it?")? {
            return Err(Fault::new(Exit::Denied, "the server is not trusted; nothing was sent"));
        }
    } else {
        note("It is trusted from now on, and a later change is refused.");
    }
    Ok(Trust::Fingerprint(shown))
}
