//! `synod api-key`: keys for programs.

use clap::Subcommand;
use synod_domain::Span;
use synod_protocol::http::auth::{ApiKey, CreatedApiKey, NewApiKey};
use synod_protocol::http::client::escape;

use super::API;
use super::listing::{self, Paging};
use super::run::submit;
use crate::exit::{Exit, Result};
use crate::output::note;
use crate::session::App;
use crate::table::{Show, Table};
use crate::when;

/// `api-key …`
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key; it is shown this once
    Create {
        /// What it is for
        name: String,
        /// A service account to make it for, instead of yourself
        #[arg(long)]
        user: Option<String>,
        /// How long it lives, such as 90d; a year when absent
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
    },
    /// List keys
    #[command(alias = "ls")]
    List,
    /// Revoke a key
    Revoke {
        /// Its id
        id: String,
    },
}

/// Keys for programs.
pub async fn api_key(command: ApiKeyCommand, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let path = format!("{API}/api-keys");
    match command {
        ApiKeyCommand::Create { name, user, expires } => {
            let made: CreatedApiKey = submit(&client, &path, &NewApiKey { name, user, expires_in: expires }).await?;
            app.out.either(&made, || made.key.clone())?;
            if !app.out.structured() {
                note(&format!("key {} of {} ends {}; it is not shown again", made.info.id, made.info.user, when::full(made.info.expires_at)));
            }
        }
        ApiKeyCommand::List => {
            let page: listing::Found<ApiKey> = listing::pages(&client, &path, &Paging { all: true, limit: None }).await?;
            page.print(
                app,
                |key| key.id.clone(),
                || {
                    let mut table = Table::new(&[
                        ("ID", Show::Always),
                        ("USER", Show::Always),
                        ("NAME", Show::Always),
                        ("STATE", Show::Always),
                        ("AGE", Show::Short),
                        ("CREATED", Show::Wide),
                        ("ENDS", Show::Wide),
                    ]);
                    for key in &page.items {
                        let state = state(key.revoked_at, key.expires_at);
                        table.row(vec![
                            (&key.id).into(),
                            (&key.user).into(),
                            (&key.name).into(),
                            state.into(),
                            when::age(key.created_at).into(),
                            key.created_at.into(),
                            key.expires_at.into(),
                        ]);
                    }
                    table
                },
                "no API keys",
            )?;
        }
        ApiKeyCommand::Revoke { id } => {
            client.delete(&format!("{path}/{}", escape(&id))).await?;
            note(&format!("key {id} is revoked"));
        }
    }
    Ok(Exit::Ok)
}

/// Revoked, ended, or until when.
pub fn state(revoked_at: Option<synod_domain::Timestamp>, expires_at: synod_domain::Timestamp) -> String {
    match revoked_at {
        Some(_) => "revoked".into(),
        None if expires_at < when::now() => "ended".into(),
        None => format!("ends {}", when::age(expires_at)),
    }
}
