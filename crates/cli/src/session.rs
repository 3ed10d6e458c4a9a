//! From options and saved logins to a connected client.

use synod_domain::Timestamp;
use synod_protocol::http::auth::SessionToken;
use synod_protocol::http::client::{Address, Client, ClientError};
use synod_protocol::tls::{self, Trust};

use crate::args::Globals;
use crate::context::{Context, Contexts, Store};
use crate::exit::{Exit, Fault, Result};
use crate::output::{Out, note};
use crate::when::now;

/// What every command works with.
pub struct App<'a> {
    /// Options of every command.
    pub globals: Globals,
    /// Where and how to write.
    pub out: &'a Out,
}

/// A server, whom to trust and how to sign in.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server.
    pub address: Address,
    /// Whom to trust.
    pub trust: Trust,
    /// The token, when there is one.
    pub token: Option<String>,
    /// The saved login it came from.
    pub context: Option<String>,
    /// The saved login of another server whose pinned authority is trusted here too: members of a cluster share one.
    pub borrowed: Option<String>,
}

impl App<'_> {
    /// The namespace asked for.
    pub fn namespace(&self) -> Option<&str> {
        self.globals.namespace.as_deref()
    }

    /// A client of the chosen server; renews the session when it has lived half its life.
    pub async fn connect(&self) -> Result<Client> {
        let (target, login) = target(&self.globals, Store::of_user)?;
        let client = Client::new(target.address, &target.trust, target.token)?;
        match (target.context, login) {
            (Some(name), Some(login)) if login.wants_renewal(now()) => renew(client, &name).await,
            _ => Ok(client),
        }
    }
}

async fn renew(client: Client, name: &str) -> Result<Client> {
    let renewed = client.call::<(), SessionToken>(http::Method::POST, "/api/v1/auth/renew", &[], None).await;
    // The old token still works; what is really wrong the command itself will find.
    let Ok(renewed) = renewed else { return Ok(client) };
    Store::of_user()?.update(|all| {
        if let Some(context) = all.contexts.get_mut(name) {
            remember(context, &renewed, now());
        }
        Ok(())
    })?;
    Ok(client.with_token(Some(renewed.token)))
}

/// Keeps a session's token with the saved login.
pub fn remember(context: &mut Context, session: &SessionToken, now: Timestamp) {
    context.user = Some(session.user.clone());
    context.token = Some(session.token.clone());
    context.issued_at = Some(now);
    context.expires_at = Some(session.expires_at);
}

/// Whom the options say to trust.
pub fn given_trust(globals: &Globals) -> Result<Option<Trust>> {
    match (&globals.ca_file, &globals.ca_fingerprint) {
        (Some(file), _) => crate::documents::read_file(file).map(|pem| Some(Trust::Ca(pem))),
        (None, Some(fingerprint)) => Ok(Some(Trust::Fingerprint(fingerprint.clone()))),
        (None, None) => Ok(None),
    }
}

/// Reads a server's URL.
pub fn address(url: &str) -> Result<Address> {
    url.parse().map_err(Fault::usage)
}

/// The server to talk to, and the saved login whose token is used.
pub fn target(globals: &Globals, store: impl FnOnce() -> Result<Store>) -> Result<(Target, Option<Context>)> {
    let given = given_trust(globals)?;
    // With everything given, saved logins do not matter and need not be readable.
    let all = if globals.server.is_some() && given.is_some() && globals.token.is_some() { Contexts::default() } else { store()?.load()? };
    let server = globals.server.as_deref().map(address).transpose()?;
    let chosen = choose(&all, globals.context.as_deref(), server.as_ref())?;
    let address = match (server, chosen) {
        (Some(server), _) => server,
        (None, Some((_, login))) => address(&login.server)?,
        (None, None) => return Err(Fault::new(Exit::Denied, "no server is chosen").help("sign in with `synod login https://HOST:PORT`, or pass --server")),
    };
    // Another member of the cluster has a certificate of the same pinned authority. The client sends nothing, and so no
    // token either, before the handshake has proven that authority.
    let known = all.contexts.values().any(|login| login.is_at(&address));
    let sibling = chosen
        .or_else(|| current(&all))
        .filter(|(_, login)| given.is_none() && !known && login.ca_fingerprint.is_some() && login.ca_pem.is_none());
    let login = chosen.filter(|(_, login)| login.is_at(&address)).or(sibling);
    let pinned = || login.map(|(_, login)| login).into_iter().chain(all.contexts.values().filter(|c| c.is_at(&address))).find_map(Context::trust);
    let trust = given.or_else(pinned).ok_or_else(|| {
        Fault::new(Exit::Denied, format!("no certificate authority is trusted for {address}"))
            .help("pass --ca-fingerprint or --ca-file, or sign in with `synod login`")
    })?;
    let own = globals.token.is_none();
    let token = globals.token.clone().or_else(|| login.and_then(|(_, login)| login.token.clone()));
    let borrowed = sibling.map(|(name, _)| name.clone());
    let target = Target { address, trust, token, context: login.filter(|_| own).map(|(name, _)| name.clone()), borrowed };
    Ok((target, login.filter(|_| own).map(|(_, login)| login.clone())))
}

fn current(all: &Contexts) -> Option<(&String, &Context)> {
    all.current.as_ref().and_then(|name| all.contexts.get_key_value(name))
}

fn choose<'c>(all: &'c Contexts, name: Option<&str>, server: Option<&Address>) -> Result<Option<(&'c String, &'c Context)>> {
    if let Some(name) = name {
        return all.contexts.get_key_value(name).map(Some).ok_or_else(|| {
            let near = synod_domain::problem::nearest(name, all.contexts.keys().map(String::as_str));
            let fault = Fault::usage(format!("there is no saved login `{name}`"));
            fault.help(near.map_or_else(|| "`synod context list` shows them".to_owned(), |near| format!("did you mean `{near}`?")))
        });
    }
    let current = current(all);
    let Some(server) = server else { return Ok(current) };
    let mut there = all.contexts.iter().filter(|(_, login)| login.is_at(server));
    let only = there.next().filter(|_| there.next().is_none());
    Ok(current.filter(|(_, login)| login.is_at(server)).or(only))
}

/// Looks what a server shows when a pinned one could not be reached, and says so when it is another.
pub async fn explain(fault: Fault, globals: &Globals) -> Fault {
    let Fault::Client(ClientError::Transport(message)) = &fault else { return fault };
    if !message.contains("certificate") && !message.contains("UnknownIssuer") {
        return fault;
    }
    let Ok((target, _)) = target(globals, Store::of_user) else { return fault };
    match (changed(&target.address, &target.trust).await, target.borrowed) {
        (None, _) => fault,
        (Some(changed), None) => changed,
        (Some(_), Some(login)) => {
            let address = &target.address;
            let message = format!("no certificate authority is trusted for {address}\nIt shows another one than the login `{login}` pins. Nothing was sent.");
            Fault::new(Exit::Denied, message)
                .help(format!("if it is another installation, sign in with `synod login {address}`, or pass --ca-fingerprint or --ca-file"))
        }
    }
}

/// The refusal when a server shows another authority than the trusted one.
pub async fn changed(address: &Address, trust: &Trust) -> Option<Fault> {
    let chain = tls::shown_chain(&address.host, address.port).await.ok()?;
    let trusted = match trust {
        Trust::Ca(pem) => tls::fingerprint_of_pem(pem).ok()?,
        Trust::Fingerprint(text) => normal(text),
    };
    let shown = chain.last()?;
    (!chain.contains(&trusted)).then(|| {
        let message = format!("{address} shows another certificate authority than the trusted one\n  trusted {trusted}\n  shown   {shown}\nNothing was sent. Somebody may be in between.");
        Fault::new(Exit::Denied, message).help("ask whoever runs the server; if it was set up anew: `synod login URL --ca-fingerprint` with the new fingerprint")
    })
}

/// A fingerprint as it is compared.
pub fn normal(fingerprint: &str) -> String {
    let hex = fingerprint.strip_prefix("sha256:").unwrap_or(fingerprint);
    format!("sha256:{}", hex.to_lowercase())
}

/// Says who is asked, once, when it matters.
pub fn tell_pinned(address: &Address, fingerprint: &str) {
    note(&format!("{address} shows the certificate authority\n  {fingerprint}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let login = |server: &str, token: &str| Context {
            server: server.into(),
            token: Some(token.into()),
            ca_fingerprint: Some("sha256:aa".into()),
            ..Context::default()
        };
        store
            .update(|all| {
                all.current = Some("a".into());
                all.contexts.insert("a".into(), login("https://a:1", "ta"));
                all.contexts.insert("b".into(), login("https://b:1", "tb"));
                Ok(())
            })
            .unwrap();
        (folder, store)
    }

    fn find(globals: &Globals) -> Result<Target> {
        let (_folder, store) = store();
        target(globals, || Ok(store)).map(|(target, _)| target)
    }

    #[test]
    fn options_win_over_saved_logins() {
        let found = find(&Globals::default()).unwrap();
        assert_eq!((found.address.host.as_str(), found.token.as_deref()), ("a", Some("ta")));
        let found = find(&Globals { context: Some("b".into()), ..Globals::default() }).unwrap();
        assert_eq!(found.token.as_deref(), Some("tb"));
        let found = find(&Globals { server: Some("https://b:1".into()), ..Globals::default() }).unwrap();
        assert_eq!(found.token.as_deref(), Some("tb"));
        let found = find(&Globals { token: Some("mine".into()), ..Globals::default() }).unwrap();
        assert_eq!((found.token.as_deref(), found.context), (Some("mine"), None));
    }

    #[test]
    fn a_token_never_goes_to_another_server() {
        let globals = Globals { server: Some("https://c:1".into()), ca_fingerprint: Some("sha256:bb".into()), ..Globals::default() };
        assert_eq!(find(&globals).unwrap().token, None);
        let globals = Globals { context: Some("a".into()), ..globals };
        assert_eq!(find(&globals).unwrap().token, None);
        // Saved logins of the server itself are never mixed with those of another.
        let globals = Globals { server: Some("https://b:1".into()), context: Some("a".into()), ..Globals::default() };
        assert_eq!(find(&globals).unwrap().token, None);
        assert_eq!(find(&Globals { context: Some("x".into()), ..Globals::default() }).unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn another_member_is_trusted_by_the_same_pinned_authority_only() {
        let globals = Globals { server: Some("https://c:1".into()), ..Globals::default() };
        let found = find(&globals).unwrap();
        assert_eq!((found.token.as_deref(), found.borrowed.as_deref()), (Some("ta"), Some("a")));
        assert!(matches!(&found.trust, Trust::Fingerprint(pinned) if pinned == "sha256:aa"), "{:?}", found.trust);
        let found = find(&Globals { context: Some("b".into()), ..globals.clone() }).unwrap();
        assert_eq!((found.token.as_deref(), found.context.as_deref()), (Some("tb"), Some("b")));
        // A login that pins nothing vouches for no other server.
        let (_folder, store) = store();
        store
            .update(|all| {
                all.contexts.values_mut().for_each(|login| login.ca_fingerprint = None);
                Ok(())
            })
            .unwrap();
        assert_eq!(target(&globals, || Ok(store)).unwrap_err().exit(), Exit::Denied);
    }
}
