//! `synod user`: persons and service accounts.

use clap::Subcommand;
use synod_protocol::http::client::escape;
use synod_protocol::http::user::{NewUser, User, UserChange};

use super::API;
use super::listing::{self, Paging};
use super::run::submit;
use crate::exit::{Exit, Result};
use crate::output::Colour;
use crate::session::App;
use crate::table::{Cell, Show, Table};
use crate::{prompt, when};

/// `user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List users
    #[command(alias = "ls")]
    List,
    /// Create a person, or a service account
    Create {
        /// The name
        name: String,
        /// A name for people
        #[arg(long, value_name = "TEXT", default_value = "")]
        display_name: String,
        /// Make it a machine's: no password, and it never approves
        #[arg(long)]
        service_account: bool,
        /// Read the first password from the first line of the standard input
        #[arg(long, conflicts_with = "service_account")]
        password_stdin: bool,
    },
    /// Keep a user from signing in; decisions no longer count
    Disable {
        /// The name
        name: String,
    },
    /// Let a disabled user in again
    Enable {
        /// The name
        name: String,
    },
    /// Set a user's password and end all sessions
    Passwd {
        /// The name
        name: String,
        /// Read the new password from the first line of the standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a user's second factor
    ResetTotp {
        /// The name
        name: String,
    },
}

/// Persons and service accounts.
pub async fn user(command: UserCommand, app: &App<'_>) -> Result {
    let path = format!("{API}/users");
    let (name, change, done) = match command {
        UserCommand::List => return list(app).await,
        UserCommand::Create { name, display_name, service_account, password_stdin } => {
            let client = app.connect().await?;
            let password = match (service_account, password_stdin) {
                (true, _) => None,
                (false, true) => Some(prompt::password(true, "")?),
                (false, false) => Some(prompt::new_password("pass it with --password-stdin")?),
            };
            let made: User = submit(&client, &path, &NewUser { name, display_name, password, service_account }).await?;
            app.out.either(&made, || format!("user {} created", made.name))?;
            return Ok(Exit::Ok);
        }
        UserCommand::Disable { name } => (name, UserChange { enabled: Some(false), ..UserChange::default() }, "disabled"),
        UserCommand::Enable { name } => (name, UserChange { enabled: Some(true), ..UserChange::default() }, "enabled"),
        UserCommand::Passwd { name, password_stdin } => {
            let password = if password_stdin { prompt::password(true, "")? } else { prompt::new_password("pass it with --password-stdin")? };
            (name, UserChange { password: Some(password), ..UserChange::default() }, "has a new password")
        }
        UserCommand::ResetTotp { name } => (name, UserChange { reset_totp: Some(true), ..UserChange::default() }, "has no second factor any more"),
    };
    let changed: User = app.connect().await?.patch(&format!("{path}/{}", escape(&name)), &change).await?;
    app.out.either(&changed, || format!("user {} {done}", changed.name))?;
    Ok(Exit::Ok)
}

async fn list(app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let page = listing::pages(&client, &format!("{API}/users"), &Paging { all: true, limit: None }).await?;
    show(&page, app)
}

/// Shows a page of users.
pub fn show(page: &listing::Found<User>, app: &App<'_>) -> Result {
    page.print(
        app,
        |user| user.name.clone(),
        || {
            let mut table = Table::new(&[
                ("NAME", Show::Always),
                ("DISPLAY NAME", Show::Always),
                ("KIND", Show::Always),
                ("STATE", Show::Always),
                ("SECOND FACTOR", Show::Always),
                ("AGE", Show::Short),
                ("CREATED", Show::Wide),
            ]);
            for user in &page.items {
                let state = if user.enabled { Cell::coloured("enabled", Some(Colour::Green)) } else { Cell::coloured("disabled", Some(Colour::Red)) };
                let kind = if user.service_account { "service account" } else { "person" };
                table.row(vec![
                    (&user.name).into(),
                    (&user.display_name).into(),
                    kind.into(),
                    state,
                    if user.totp_enrolled { "yes" } else { "no" }.into(),
                    when::age(user.created_at).into(),
                    user.created_at.into(),
                ]);
            }
            table
        },
        "no users",
    )?;
    Ok(Exit::Ok)
}
