//! `synod config check`: reads a configuration file as its role would.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::exit::{Exit, Fault, Result};
use crate::session::App;
use crate::settings;

/// What can be done with configuration files.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read a file as its role would and say what is wrong
    Check {
        /// The role the file is for
        #[arg(long, value_enum, default_value = "server")]
        role: Role,
        /// The file (TOML)
        file: PathBuf,
    },
}

/// The roles that have a configuration file.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Role {
    /// `synod server`
    Server,
    /// `synod agent`
    Agent,
}

/// Checks a file.
pub fn config(command: ConfigCommand, app: &App<'_>) -> Result {
    let ConfigCommand::Check { role, file } = command;
    match role {
        Role::Server => {
            let config: synod_server::Config = settings::read(Some(&file), super::server::ENV_PREFIX, json!({}))?;
            config.check().map_err(|e| Fault::new(Exit::Usage, e.to_string()))?;
        }
        Role::Agent => {
            let config: synod_agent::AgentConfig = settings::read(Some(&file), super::agent::ENV_PREFIX, json!({}))?;
            config.check().map_err(|e| Fault::new(Exit::Usage, e.to_string()))?;
        }
    }
    app.out.either(&json!({"file": file, "ok": true}), || format!("{}: ok", file.display()))?;
    Ok(Exit::Ok)
}
