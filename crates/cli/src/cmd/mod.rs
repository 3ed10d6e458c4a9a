//! The commands, one file a noun or verb.

pub mod access;
pub mod account;
pub mod agent;
pub mod api_key;
pub mod apply;
pub mod audit;
pub mod backup;
pub mod bootstrap;
pub mod break_glass;
pub mod config;
pub mod context;
pub mod decide;
pub mod delete;
pub mod demo;
pub mod describe;
pub mod describe_run;
pub mod events;
pub mod explain;
pub mod get;
pub mod history;
pub mod kinds;
pub mod label;
pub mod listing;
pub mod login;
pub mod logs;
pub mod program;
pub mod replay;
pub mod restore;
pub mod run;
pub mod server;
pub mod sign_run;
pub mod token;
pub mod trust;
pub mod user;
pub mod verify;
pub mod watch;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Result};
use crate::output::Out;
use crate::session::{App, explain as explain_trust};

/// The root of the HTTP API.
pub const API: &str = "/api/v1";

/// Runs a command.
pub async fn dispatch(cli: Cli, out: &Out) -> Result {
    let app = App { globals: cli.globals, out };
    let ended = perform(cli.command, &app).await;
    match ended {
        Ok(exit) => Ok(exit),
        Err(fault) => Err(explain_trust(fault, &app.globals).await),
    }
}

async fn perform(command: Command, app: &App<'_>) -> Result {
    match command {
        Command::Login(args) => login::login(args, app).await,
        Command::Logout(args) => account::logout(args, app).await,
        Command::Whoami(args) => account::whoami(args, app).await,
        Command::StepUp(args) => account::step_up(args, app).await,
        Command::Totp(command) => account::totp(command, app).await,
        Command::Passwd(args) => account::passwd(args, app).await,
        Command::Session(command) => account::session(command, app).await,
        Command::Context(command) => context::context(command, app),
        Command::Get(args) => get::get(args, app).await,
        Command::Describe(args) => describe::describe(args, app).await,
        Command::Apply(args) => apply::apply(args, app).await,
        Command::Diff(args) => apply::diff(args, app).await,
        Command::Delete(args) => delete::delete(args, app).await,
        Command::History(args) => history::history(args, app).await,
        Command::Run(args) => run::run(args, app).await,
        Command::Approve(args) => decide::approve(args, app).await,
        Command::Reject(args) => decide::reject(args, app).await,
        Command::BreakGlass(args) => break_glass::break_glass(*args, app).await,
        Command::Ratify(args) => break_glass::ratify(args, app).await,
        Command::Incident(args) => break_glass::incident(args, app).await,
        Command::Cancel(args) => decide::cancel(args, app).await,
        Command::Proceed(args) => decide::proceed(args, app).await,
        Command::Replay(args) => replay::replay(args, app).await,
        Command::Watch(args) => watch::watch(args, app).await,
        Command::Logs(args) => logs::logs(args, app).await,
        Command::Events(args) => events::events(args, app).await,
        Command::CanI(args) => access::can_i(args, app).await,
        Command::WhoCan(args) => access::who_can(args, app).await,
        Command::User(command) => user::user(command, app).await,
        Command::ApiKey(command) => api_key::api_key(command, app).await,
        Command::Trust(command) => trust::trust(command, app).await,
        Command::Verify(command) => verify::verify(command, app).await,
        Command::Audit(command) => audit::audit(command, app).await,
        Command::Token(command) => token::token(command, app).await,
        Command::Label(args) => label::label(args, app).await,
        Command::Server(args) => server::server(args).await,
        Command::Agent(args) => agent::agent(args, app).await,
        Command::Bootstrap(args) => bootstrap::bootstrap(args, app).await,
        Command::Config(command) => config::config(command, app),
        Command::Restore(args) => restore::restore(args, app).await,
        Command::Demo(args) => demo::demo(args, app).await,
        Command::Backup(args) => backup::backup(args, app).await,
        Command::Explain(args) => explain::explain(args, app),
        Command::ExitCodes => app.out.text(&crate::exit::listing()).map(|()| Exit::Ok),
        Command::Completion(args) => program::completion(args, app),
        Command::Man(args) => program::man(args, app),
        Command::Version(args) => program::version(args, app).await,
    }
}
