//! `synod context`: saved logins.

use clap::Subcommand;
use serde_json::json;

use crate::context::Store;
use crate::exit::{Exit, Fault, Result};
use crate::output::note;
use crate::session::App;
use crate::table::{Show, Table};
use crate::when;

/// `context …`
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// List the saved logins
    #[command(alias = "ls")]
    List,
    /// Make a saved login the current one
    Use {
        /// Its name
        name: String,
    },
    /// Forget a saved login (its session goes on; see `synod logout`)
    #[command(alias = "rm")]
    Delete {
        /// Its name
        name: String,
    },
}

/// Saved logins.
pub fn context(command: ContextCommand, app: &App<'_>) -> Result {
    let store = Store::of_user()?;
    let missing = |name: &str| Fault::new(Exit::NotFound, format!("there is no saved login `{name}`")).help("`synod context list` shows them");
    match command {
        ContextCommand::List => {
            let all = store.load()?;
            if app.out.structured() {
                // Tokens stay in their file.
                let items = all.contexts.iter().map(|(name, login)| {
                    json!({"name": name, "current": all.current.as_ref() == Some(name), "server": login.server, "user": login.user, "caFingerprint": login.ca_fingerprint, "expiresAt": login.expires_at})
                });
                return app.out.value(&json!({"items": items.collect::<Vec<_>>()})).map(|()| Exit::Ok);
            }
            let mut table = Table::new(&[
                ("CURRENT", Show::Always),
                ("NAME", Show::Always),
                ("SERVER", Show::Always),
                ("USER", Show::Always),
                ("SESSION", Show::Always),
                ("AUTHORITY", Show::Wide),
            ]);
            for (name, login) in &all.contexts {
                let session = match login.expires_at.filter(|_| login.token.is_some()) {
                    None => "signed out".to_owned(),
                    Some(at) if at < when::now() => "ended".to_owned(),
                    Some(at) => format!("ends {}", when::age(at)),
                };
                let mark = if all.current.as_ref() == Some(name) { "*" } else { "" };
                let authority = login.ca_fingerprint.as_deref().unwrap_or("certificate");
                table.row(vec![
                    mark.into(),
                    name.into(),
                    (&login.server).into(),
                    login.user.as_deref().unwrap_or_default().into(),
                    session.into(),
                    authority.into(),
                ]);
            }
            table.print(app.out, "no saved logins; begin with `synod login https://HOST:PORT`")?;
        }
        ContextCommand::Use { name } => {
            store.update(|all| {
                if !all.contexts.contains_key(&name) {
                    return Err(missing(&name));
                }
                all.current = Some(name.clone());
                Ok(())
            })?;
            note(&format!("{name} is the current login"));
        }
        ContextCommand::Delete { name } => {
            store.update(|all| {
                all.contexts.remove(&name).ok_or_else(|| missing(&name))?;
                if all.current.as_ref() == Some(&name) {
                    all.current = None;
                }
                Ok(())
            })?;
            note(&format!("{name} is forgotten"));
        }
    }
    Ok(Exit::Ok)
}
