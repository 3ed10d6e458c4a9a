//! What `synod` understands: global options and the list of commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cmd;
use crate::output::Format;

/// Operations by consensus: nothing runs until enough people agree.
#[derive(Debug, Parser)]
#[command(
    name = "synod",
    version,
    propagate_version = false,
    max_term_width = 100,
    after_help = "Exit codes: `synod help exit-codes`. An error code in words: `synod explain SYN-1001`."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// How to write the answer: table, wide, json, yaml, csv or name
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// The namespace
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// The saved login to use, or for `login` the name to save it under
    #[arg(long, global = true, env = "SYNOD_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// The server, instead of that of the saved login
    #[arg(long, global = true, env = "SYNOD_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// A session token or API key, instead of that of the saved login
    #[arg(long, global = true, env = "SYNOD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// SHA-256 of the certificate authority to trust
    #[arg(long, global = true, env = "SYNOD_CA_FINGERPRINT", value_name = "SHA256")]
    pub ca_fingerprint: Option<String>,
    /// A file with the certificate authority to trust (PEM)
    #[arg(long, global = true, env = "SYNOD_CA_FILE", value_name = "FILE", conflicts_with = "ca_fingerprint")]
    pub ca_file: Option<PathBuf>,
}

/// The commands. Each has its own file in `cmd/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    // Signing in.
    /// Sign in to a server and save it
    Login(cmd::login::LoginArgs),
    /// End the session and forget its token
    Logout(cmd::account::LogoutArgs),
    /// Tell who is signed in, with which roles
    Whoami(cmd::account::WhoamiArgs),
    /// Confirm the session with the second factor, for changes to who may do what
    StepUp(cmd::account::StepUpArgs),
    /// Enrol an authenticator as second factor
    #[command(subcommand)]
    Totp(cmd::account::TotpCommand),
    /// Change your password
    Passwd(cmd::account::PasswdArgs),
    /// Your sessions
    #[command(subcommand)]
    Session(cmd::account::SessionCommand),
    /// Saved logins
    #[command(subcommand)]
    Context(cmd::context::ContextCommand),

    // What is declared.
    /// List things, or show one
    Get(cmd::get::GetArgs),
    /// Tell all about one thing, for people
    Describe(cmd::describe::DescribeArgs),
    /// Create or change what files declare
    Apply(cmd::apply::ApplyArgs),
    /// Show what applying files would change; exits 1 when something differs
    Diff(cmd::apply::DiffArgs),
    /// Delete things
    Delete(cmd::delete::DeleteArgs),
    /// List the revisions of a declared thing
    History(cmd::history::HistoryArgs),

    // What is done.
    /// Request a run of a template
    Run(cmd::run::RunArgs),
    /// Approve a run: exactly what is shown
    Approve(cmd::decide::ApproveArgs),
    /// Reject a run
    Reject(cmd::decide::RejectArgs),
    /// Cancel a run, before or while it runs
    Cancel(cmd::decide::CancelArgs),
    /// Let a run that waits at a gate go on with its next batch
    Proceed(cmd::decide::ProceedArgs),
    /// Request the same revision and inputs on other nodes
    Replay(cmd::replay::ReplayArgs),
    /// Follow a run to its end; the exit code tells how it ended
    Watch(cmd::watch::WatchArgs),
    /// Show the output of a run's nodes
    Logs(cmd::logs::LogsArgs),
    /// Search and follow what happened
    Events(cmd::events::EventsArgs),

    /// Start a run at once, alone, by a break-glass rule of the trust root
    BreakGlass(Box<cmd::break_glass::BreakGlassArgs>),
    /// Approve after the fact what was started by break-glass
    Ratify(cmd::break_glass::RatifyArgs),
    /// Record an incident for what was started by break-glass, instead of ratifying it
    Incident(cmd::break_glass::IncidentArgs),

    // Trust.
    /// The trust root: whose signatures count, and how many of whom it takes
    #[command(subcommand)]
    Trust(cmd::trust::TrustCommand),
    /// Check what happened by its evidence, believing no server
    #[command(subcommand)]
    Verify(cmd::verify::VerifyCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(cmd::audit::AuditCommand),

    // Access.
    /// Tell whether you may do something; exits 1 when not
    CanI(cmd::access::CanIArgs),
    /// Tell who may do something
    WhoCan(cmd::access::WhoCanArgs),
    /// Users and service accounts
    #[command(subcommand)]
    User(cmd::user::UserCommand),
    /// API keys
    #[command(subcommand)]
    ApiKey(cmd::api_key::ApiKeyCommand),

    // Nodes.
    /// Join tokens, by which machines become nodes
    #[command(subcommand)]
    Token(cmd::token::TokenCommand),
    /// Set and remove labels of a node
    Label(cmd::label::LabelArgs),

    // Running Synod itself.
    /// Run a server
    Server(cmd::server::ServerArgs),
    /// Run an agent on this machine
    Agent(cmd::agent::AgentArgs),
    /// Make the first administrator of a new server; refused once one exists
    Bootstrap(cmd::bootstrap::BootstrapArgs),
    /// Check configuration files
    #[command(subcommand)]
    Config(cmd::config::ConfigCommand),
    /// Put a backup into an empty database
    Restore(cmd::restore::RestoreArgs),
    /// Run a server, three agents and demo users on this machine, to try things out
    Demo(cmd::demo::DemoArgs),
    /// Save a consistent copy of everything the server knows
    Backup(cmd::backup::BackupArgs),

    // The program.
    /// Explain an error code, such as SYN-1001
    Explain(cmd::explain::ExplainArgs),
    /// List the exit codes
    #[command(long_about = long_exit_codes())]
    ExitCodes,
    /// Write the completion script of a shell
    Completion(cmd::program::CompletionArgs),
    /// Write the man pages to a folder
    Man(cmd::program::ManArgs),
    /// Tell the version of the program and of the server
    Version(cmd::program::VersionArgs),
}

fn long_exit_codes() -> String {
    format!("The exit codes of synod; their meaning never changes:\n\n{}", crate::exit::listing())
}

impl Command {
    /// Whether the command does so much at once that it wants all cores; the others are quicker with one thread.
    pub fn wants_threads(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Demo(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_read_as_documented() {
        for line in [
            "login https://127.0.0.1:8443 --user dave --password-stdin",
            "get templates -n shop",
            "run restart-service -n shop --input service=web --target role=web --reason x --wait",
            "get runs --awaiting-me",
            "approve 0k3 --comment ok -y",
            "logs 0k3 --node web-1 --raw",
            "events --follow --type synod.run.*",
            "get tasks --phase failed -o json",
            "token create-join --labels role=web --uses 5 --expires 1h",
            "label node web-1 role=web draining-",
            "who-can run template/restart-service -n shop",
            "replay 0k3 --target env=prod --secret k=-",
            "apply -f a.yaml -f b --dry-run",
            "delete node web-1",
            "totp confirm 123456",
            "approve 0k3 --key ~/.ssh/id_ed25519",
            "reject 0k3 -c no --key k.pub",
            "trust init --root-threshold 2 --principal alice=a.pub,b.pub --principal bob=b.pub --root-holder alice,bob --rule shop:shop/*:web-*:2:approver --expires 365d --out r.json",
            "trust init -f root.yaml",
            "trust init --root-threshold 1 --principal a=a.pub --approvals 1 --group oncall=a --break-glass night:a:shop/*:web-*:2:5",
            "trust sign root-1.json --key k -y --against root-0.json",
            "trust publish root-1.json copy.json",
            "trust show --version 2 -o yaml",
            "trust show root-1.json",
            "trust propose --add-principal zoe=z.pub --remove-principal bob --add-key alice=n.pub --threshold 3",
            "trust propose -f root.yaml --base root-1.json --out root-2.json",
            "trust rotate --expires 90d",
            "trust revoke SHA256:abc --reason stolen",
            "trust doctor root-2.json --local",
            "verify run 0k3 --save b.json",
            "verify run 0k3 --offline b.json --trust-root sha256:00 --log-key n+00+k",
            "audit verify --from old --save new",
            "audit verify --offline folder --log-key n+00+k --allow-missing 7,12-15",
            "audit prove 17 -o json",
            "audit export folder",
            "break-glass restart-service -n shop --input service=web --target role=web --reason fire --rule night --watch -y",
            "ratify 0k3 -c fine",
            "incident 0k3 --reference INC-7 --comment fire",
            "get runs --unratified",
        ] {
            Cli::try_parse_from(std::iter::once("synod").chain(line.split(' '))).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "trust init",
            "trust init --root-threshold 1",
            "trust init -f root.yaml --principal a=a.pub",
            "trust init --root-threshold 1 --principal a=a.pub --approvals 1 --rule shop:shop/*:*:1:approver",
            "trust init --root-threshold 1 --principal a=a.pub --rule shop",
            "trust show root-1.json --version 2",
            "trust revoke alice",
            "trust publish",
            "trust doctor --local",
            "verify run 0k3 --offline b.json --save c.json",
            "audit prove 0",
            "incident 0k3",
        ] {
            assert!(Cli::try_parse_from(std::iter::once("synod").chain(line.split(' '))).is_err(), "{line}");
        }
    }
}
