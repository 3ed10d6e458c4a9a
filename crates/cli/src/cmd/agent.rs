//! `synod agent`: runs an agent on this machine until it is told to stop. The server and its authority are
//! given by the global options; several servers by the configuration file.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use synod_agent::AgentConfig;
use synod_domain::selector::Labels;

use crate::exit::{Exit, Fault, Result};
use crate::session::App;
use crate::settings;

/// The prefix of the agent's environment variables.
pub const ENV_PREFIX: &str = "SYNOD_AGENT_";

/// Arguments of `agent`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The join token; needed once. Better in the environment or a file than on the command line
    #[arg(long, value_name = "TOKEN")]
    join_token: Option<String>,
    /// A file that holds the join token
    #[arg(long, value_name = "FILE", conflicts_with = "join_token")]
    join_token_file: Option<PathBuf>,
    /// The node's name; the machine's host name when absent
    #[arg(long)]
    name: Option<String>,
    /// Labels to ask for, KEY=VALUE; the join token must grant them
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Where identity and journal live
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// PATH of the steps
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Never run a step as root
    #[arg(long)]
    refuse_root: bool,
    /// Whether to judge agreements by signatures: off believes the server, observe only reports, enforce refuses
    #[arg(long, value_name = "MODE", value_parser = ["off", "observe", "enforce"])]
    trust: Option<String>,
    /// The digest of the trust root to begin with; needed unless trust is off. Ask a holder of the root for it
    #[arg(long, value_name = "sha256:…")]
    trust_root: Option<String>,
    /// Write the log as JSON, a line an entry
    #[arg(long)]
    log_json: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is no label; write KEY=VALUE"))
}

#[derive(Serialize)]
struct Flags {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    join_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_dir: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refuse_root: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_root: Option<String>,
}

/// Runs an agent.
pub async fn agent(args: AgentArgs, app: &App<'_>) -> Result {
    settings::start_logging(args.log_json);
    let join_token = match &args.join_token_file {
        Some(file) => Some(crate::documents::read_file(file)?.trim().to_owned()),
        None => args.join_token,
    };
    let flags = Flags {
        servers: app.globals.server.iter().cloned().collect(),
        join_token,
        ca_fingerprint: app.globals.ca_fingerprint.clone(),
        name: args.name,
        labels: args.label.into_iter().collect(),
        state_dir: args.state_dir,
        path: args.path,
        refuse_root: args.refuse_root,
        trust: args.trust,
        trust_root: args.trust_root,
    };
    let config: AgentConfig = settings::read(args.config.as_deref(), ENV_PREFIX, &flags)?;
    // Itself, also after its file was replaced by a newer one.
    let config = AgentConfig { exec_helper: Some("/proc/self/exe".into()), ..config };
    synod_agent::run(config, settings::told_to_stop()).await.map_err(|e| Fault::new(exit_of(&e), e.to_string()))?;
    Ok(Exit::Ok)
}

fn exit_of(error: &synod_worker::Error) -> Exit {
    match error {
        synod_worker::Error::Refused { .. } => Exit::Denied,
        // The server is not the one that was trusted; other errors of this kind are broken keys.
        synod_worker::Error::Crypto(why) if why.contains("the fingerprint given") => Exit::Denied,
        synod_worker::Error::Unreachable(_) => Exit::Unavailable,
        synod_worker::Error::Config(_) => Exit::Usage,
        _ => Exit::Internal,
    }
}
