//! `synod bootstrap`: the first administrator of a new server.

use std::path::{Path, PathBuf};

use clap::Args;
use synod_protocol::http::client::{Address, Client};
use synod_protocol::http::user::{Bootstrap, User};
use synod_protocol::tls::{self, Trust};

use super::API;
use crate::exit::{Exit, Fault, Result};
use crate::output::note;
use crate::prompt;
use crate::session::{self, App};

/// Arguments of `bootstrap`.
#[derive(Debug, Args)]
pub struct BootstrapArgs {
    /// The server's URL
    #[arg(default_value = "https://localhost:8443")]
    url: String,
    /// The administrator's name
    #[arg(long)]
    user: String,
    /// Read the password from the standard input
    #[arg(long)]
    password_stdin: bool,
    /// The file with the bootstrap token, which the server made in its state folder
    #[arg(long, value_name = "FILE", default_value = "/var/lib/synod/bootstrap.token")]
    token_file: PathBuf,
}

/// Without the token nobody can be made administrator, and only the token's absence can be told.
fn no_token(file: &Path, address: &Address) -> Fault {
    Fault::usage(format!(
        "there is no bootstrap token: {} does not exist\nEither the server has an administrator already, or its state folder is another.",
        file.display()
    ))
    .help(format!("sign in with `synod login {address}`, or name the file bootstrap.token in the server's state folder with --token-file"))
}

/// Makes the first administrator.
pub async fn bootstrap(args: BootstrapArgs, app: &App<'_>) -> Result {
    let address = session::address(&args.url)?;
    if !args.token_file.exists() {
        return Err(no_token(&args.token_file, &address));
    }
    let token = crate::documents::read_file(&args.token_file)?.trim().to_owned();
    let trust = match session::given_trust(&app.globals)? {
        Some(trust) => trust,
        None => {
            // Whoever can read the token file stands at the server; what it shows is then trusted this once.
            let shown = tls::shown_authority(&address.host, address.port).await.map_err(|e| Fault::new(Exit::Unavailable, e))?;
            note(&format!("{address} shows the certificate authority\n  {shown}"));
            Trust::Fingerprint(shown)
        }
    };
    let password = if args.password_stdin { prompt::password(true, "")? } else { prompt::new_password("pass it with --password-stdin")? };
    let client = Client::new(address.clone(), &trust, None)?;
    let user: User = client.post(&format!("{API}/bootstrap"), &Bootstrap { name: args.user, password, token }).await?;
    app.out
        .either(&user, || format!("{} is owner and administrator. Next:\n  synod login {address} --user {}\n  synod totp enrol", user.name, user.name))?;
    Ok(Exit::Ok)
}
