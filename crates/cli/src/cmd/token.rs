//! `synod token`: join tokens.

use clap::Subcommand;
use synod_domain::Span;
use synod_domain::selector::{Labels, check_key, check_value};
use synod_protocol::http::client::escape;
use synod_protocol::http::node::{CreatedJoinToken, JoinToken, NewJoinToken};

use super::API;
use super::api_key::state;
use super::listing::{self, Paging};
use super::run::submit;
use crate::exit::{Exit, Fault, Result};
use crate::output::note;
use crate::session::App;
use crate::table::{Show, Table};
use crate::when;

/// `token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a join token; it is shown this once
    CreateJoin {
        /// Labels a node gets that joins with it, such as role=web,zone=a
        #[arg(short, long, value_delimiter = ',', value_name = "K=V,…")]
        labels: Vec<String>,
        /// How many nodes may join with it
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How long it is valid
        #[arg(long, default_value = "1h", value_name = "SPAN")]
        expires: Span,
    },
    /// List join tokens
    #[command(alias = "ls")]
    List,
    /// Revoke a join token
    Revoke {
        /// Its id
        id: String,
    },
}

/// Join tokens.
pub async fn token(command: TokenCommand, app: &App<'_>) -> Result {
    let path = format!("{API}/join-tokens");
    match command {
        TokenCommand::CreateJoin { labels, uses, expires } => {
            let labels = read_labels(&labels)?;
            let client = app.connect().await?;
            let made: CreatedJoinToken = submit(&client, &path, &NewJoinToken { labels, uses, expires_in: expires }).await?;
            app.out.either(&made, || made.token.clone())?;
            if !app.out.structured() {
                note(&format!("ends {}, for {} machines; it is not shown again. On the machine:", when::full(made.info.expires_at), made.info.uses_left));
                note(&format!("  synod agent --server {} --join-token {} --ca-fingerprint {}", client.address(), made.token, made.ca_fingerprint));
            }
        }
        TokenCommand::List => {
            let client = app.connect().await?;
            let page: listing::Found<JoinToken> = listing::pages(&client, &path, &Paging { all: true, limit: None }).await?;
            show(&page, app)?;
        }
        TokenCommand::Revoke { id } => {
            app.connect().await?.delete(&format!("{path}/{}", escape(&id))).await?;
            note(&format!("join token {id} is revoked"));
        }
    }
    Ok(Exit::Ok)
}

/// Shows a page of join tokens.
pub fn show(page: &listing::Found<JoinToken>, app: &App<'_>) -> Result {
    page.print(
        app,
        |token| token.id.clone(),
        || {
            let mut table = Table::new(&[
                ("ID", Show::Always),
                ("LABELS", Show::Always),
                ("USES LEFT", Show::Always),
                ("STATE", Show::Always),
                ("BY", Show::Always),
                ("ENDS", Show::Wide),
            ]);
            for token in &page.items {
                let state = state(token.revoked_at, token.expires_at);
                table.row(vec![
                    (&token.id).into(),
                    label_words(&token.labels).into(),
                    token.uses_left.into(),
                    state.into(),
                    (&token.created_by).into(),
                    token.expires_at.into(),
                ]);
            }
            table
        },
        "no join tokens",
    )?;
    Ok(Exit::Ok)
}

/// Labels as `a=b,c=d`.
pub fn label_words(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn read_labels(texts: &[String]) -> Result<Labels> {
    texts
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| {
            let (key, value) = text.split_once('=').ok_or_else(|| Fault::usage(format!("`{text}` is not a label; write name=value")))?;
            check_key(key).and_then(|()| check_value(value)).map_err(Fault::usage)?;
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect()
}
