//! `synod server`: runs a server until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use synod_server::{Clock, Config};

use crate::exit::{Exit, Fault, Result};
use crate::settings;

/// The prefix of the server's environment variables.
pub const ENV_PREFIX: &str = "SYNOD_SERVER_";

/// Arguments of `server`.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Write the log as JSON, a line an entry
    #[arg(long)]
    log_json: bool,
}

#[derive(Debug, Args, Serialize)]
struct Flags {
    /// Where to listen, such as 0.0.0.0:8443
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// How people and agents reach this server, such as https://synod.example.org:8443
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// sqlite:PATH or postgres://USER@HOST:PORT/DATABASE
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// Where keys and the embedded database live
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    state_dir: Option<PathBuf>,
    /// The master key, which all servers of a cluster share
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    master_key_file: Option<PathBuf>,
}

/// Runs a server.
pub async fn server(args: ServerArgs) -> Result {
    settings::start_logging(args.log_json);
    let config: Config = settings::read(args.config.as_deref(), ENV_PREFIX, &args.flags)?;
    let mut running = synod_server::start(config, Clock::default()).await.map_err(Fault::from)?;
    tokio::select! {
        () = settings::told_to_stop() => {
            tracing::info!("stopping");
            running.stop().await;
            Ok(Exit::Ok)
        }
        () = running.wait() => Err(Fault::new(Exit::Internal, "a part of the server ended by itself; the log says why")),
    }
}
