//! What concerns oneself: logout, whoami, second factor, password, sessions.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use synod_protocol::http::Page;
use synod_protocol::http::auth::{HeldRole, PasswordChange, Session, StepUpRequest, SteppedUp, TotpConfirm, TotpEnrolment, WhoAmI};
use synod_protocol::http::client::escape;

use super::API;
use crate::context::Store;
use crate::exit::{Exit, Fault, Result};
use crate::output::{Format, count, note};
use crate::session::{App, target};
use crate::table::{Show, Table};
use crate::{prompt, when};

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub struct LogoutArgs {}

/// Ends the session and forgets its token.
pub async fn logout(_: LogoutArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let ended = client.call::<(), Value>(Method::POST, &format!("{API}/auth/logout"), &[], None).await;
    if let Some(name) = target(&app.globals, Store::of_user)?.0.context {
        Store::of_user()?.update(|all| {
            if let Some(login) = all.contexts.get_mut(&name) {
                (login.token, login.issued_at, login.expires_at) = (None, None, None);
            }
            Ok(())
        })?;
    }
    match ended {
        // A session that had ended already is as good as ended.
        Err(e) if !matches!(e.code(), Some("SYN-2000" | "SYN-2002")) => return Err(e.into()),
        _ => note("signed out"),
    }
    Ok(Exit::Ok)
}

/// Arguments of `whoami`.
#[derive(Debug, Args)]
pub struct WhoamiArgs {}

/// Tells who is signed in.
pub async fn whoami(_: WhoamiArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let me: WhoAmI = client.get(&format!("{API}/auth/whoami")).await?;
    if app.out.structured() {
        return app.out.value(&me).map(|()| Exit::Ok);
    }
    if app.out.format() == Format::Name {
        return app.out.line(&me.user).map(|()| Exit::Ok);
    }
    let what = if me.service_account { " (service account)" } else { "" };
    app.out.line(&format!("{}{what} at {}, by {}", me.user, client.address(), me.via))?;
    if !me.groups.is_empty() {
        app.out.line(&format!("groups: {}", me.groups.join(", ")))?;
    }
    for role in &me.roles {
        app.out.line(&format!("role:   {}", role_words(role)))?;
    }
    if me.roles.is_empty() {
        app.out.line("role:   none")?;
    }
    let enrolled = match (me.totp_enrolled, me.passkeys) {
        (false, 0) => "not enrolled".to_owned(),
        (true, 0) => "enrolled".to_owned(),
        (totp, n) => format!("{}{}", if totp { "enrolled, and " } else { "" }, count(n as usize, "passkey")),
    };
    let factor = me.stepped_up_until.map_or(enrolled, |until| format!("confirmed until {}", when::full(until)));
    app.out.line(&format!("second factor: {factor}"))?;
    Ok(Exit::Ok)
}

/// A held role in words.
pub fn role_words(held: &HeldRole) -> String {
    let place = held.namespace.as_ref().map_or_else(|| "everywhere".to_owned(), |namespace| format!("in {namespace}"));
    let until = held.expires.map(|at| format!(", until {at}")).unwrap_or_default();
    format!("{} {place}{until} (by {})", held.role, held.binding)
}

/// Arguments of `step-up`.
#[derive(Debug, Args)]
pub struct StepUpArgs {
    /// The six digits of your authenticator
    #[arg(long, value_name = "CODE")]
    totp: Option<String>,
}

fn code(given: Option<String>) -> Result<String> {
    match given {
        Some(code) => Ok(code),
        None if prompt::interactive() => prompt::ask("Code of your authenticator:"),
        None => Err(Fault::usage("pass the six digits of your authenticator")),
    }
}

/// Confirms the session with the second factor.
pub async fn step_up(args: StepUpArgs, app: &App<'_>) -> Result {
    let totp = code(args.totp)?;
    let up: SteppedUp = app.connect().await?.post(&format!("{API}/auth/step-up"), &StepUpRequest { totp: Some(totp), assertion: None }).await?;
    app.out.either(&up, || format!("confirmed until {}", when::full(up.until)))?;
    Ok(Exit::Ok)
}

/// `totp …`
#[derive(Debug, Subcommand)]
pub enum TotpCommand {
    /// Make a new second factor; it counts once it is confirmed
    Enrol,
    /// Confirm the new second factor with a code made from it
    Confirm {
        /// The six digits
        code: Option<String>,
    },
}

/// The second factor.
pub async fn totp(command: TotpCommand, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    match command {
        TotpCommand::Enrol => {
            let new: TotpEnrolment = client.call::<(), _>(Method::POST, &format!("{API}/auth/totp"), &[], None).await?;
            if app.out.structured() {
                return app.out.value(&new).map(|()| Exit::Ok);
            }
            if app.out.terminal
                && let Some(picture) = qr(&new.url)
            {
                app.out.text(&picture)?;
            }
            app.out.line(&new.url)?;
            app.out.line(&format!("secret: {}", new.secret))?;
            note("Add it to your authenticator, then confirm: synod totp confirm CODE");
        }
        TotpCommand::Confirm { code: given } => {
            let totp = code(given)?;
            let _: Value = client.post(&format!("{API}/auth/totp/confirm"), &TotpConfirm { totp }).await?;
            note("the second factor is enrolled");
        }
    }
    Ok(Exit::Ok)
}

/// A QR code for dark and light terminals, two rows of modules a line.
fn qr(text: &str) -> Option<String> {
    let code = qrcode::QrCode::new(text).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let dark = |x: usize, y: usize| {
        let inside = (2..width + 2).contains(&x) && (2..width + 2).contains(&y);
        inside && colors[(y - 2) * width + x - 2] == qrcode::Color::Dark
    };
    let mut all = String::new();
    for y in (0..width + 4).step_by(2) {
        all.push_str("\x1b[30;47m");
        for x in 0..width + 4 {
            all.push(match (dark(x, y), dark(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        all.push_str("\x1b[0m\n");
    }
    Some(all)
}

/// Arguments of `passwd`.
#[derive(Debug, Args)]
pub struct PasswdArgs {
    /// Read the present and the new password from two lines of the standard input
    #[arg(long)]
    password_stdin: bool,
}

/// Changes the own password.
pub async fn passwd(args: PasswdArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let (current, new) = if args.password_stdin {
        let mut lines = prompt::stdin_lines(2, "present and new password on two lines")?;
        (lines.remove(0), lines.remove(0))
    } else {
        let otherwise = "pass both with --password-stdin";
        (prompt::secret("Present password:", otherwise)?, prompt::new_password(otherwise)?)
    };
    let _: Value = client.post(&format!("{API}/auth/password"), &PasswordChange { current, new }).await?;
    note("the password is changed");
    Ok(Exit::Ok)
}

/// `session …`
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List your sessions
    #[command(alias = "ls")]
    List,
    /// End one of your sessions
    Revoke {
        /// Its id
        id: String,
    },
}

/// The own sessions.
pub async fn session(command: SessionCommand, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let path = format!("{API}/auth/sessions");
    match command {
        SessionCommand::List => {
            let page: Page<Session> = client.get(&path).await?;
            if app.out.structured() {
                return app.out.value(&page).map(|()| Exit::Ok);
            }
            let mut table = Table::new(&[
                ("ID", Show::Always),
                ("CURRENT", Show::Always),
                ("AGE", Show::Short),
                ("CREATED", Show::Wide),
                ("ENDS", Show::Always),
                ("CLIENT", Show::Always),
            ]);
            for one in &page.items {
                let ends = if app.out.format() == Format::Table { when::age(one.expires_at) } else { one.expires_at.to_string() };
                table.row(vec![
                    (&one.id).into(),
                    if one.current { "*" } else { "" }.into(),
                    when::age(one.created_at).into(),
                    one.created_at.into(),
                    ends.into(),
                    (&one.client).into(),
                ]);
            }
            table.print(app.out, "no sessions")?;
        }
        SessionCommand::Revoke { id } => {
            client.delete(&format!("{path}/{}", escape(&id))).await?;
            note(&format!("session {id} is revoked"));
        }
    }
    Ok(Exit::Ok)
}
