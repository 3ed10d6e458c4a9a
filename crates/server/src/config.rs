//! What a server can be told. The command line fills it from file, environment and flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use synod_domain::{Result, Span};

use crate::site::Site;

/// The configuration of `synod server`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How people and agents reach this server; made from `listen` when absent.
    pub url: Option<String>,
    /// More names and addresses for the server's certificate.
    pub names: Vec<String>,
    /// `sqlite:PATH` or `postgres://…`; `sqlite:STATE_DIR/synod.db` when absent.
    pub database: Option<String>,
    /// Where keys and the embedded database live.
    pub state_dir: PathBuf,
    /// The key that seals secrets in the database; `STATE_DIR/master.key` when absent. All servers of a cluster share it.
    pub master_key_file: Option<PathBuf>,
    /// A certificate chain of one's own for people (PEM); agents go by Synod's own authority all the same.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// How sign-ins and agents are secured.
    pub security: Security,
}

/// How sign-ins and agents are secured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// When a fresh second factor is asked for before access changes.
    pub step_up: StepUp,
    /// How long a confirmed second factor counts as fresh.
    pub step_up_for: Span,
    /// How long a session lives unless renewed.
    pub session_for: Span,
    /// How long an agent's certificate lives; it is renewed at two thirds.
    pub agent_certificate_for: Span,
    /// How far an agent's clock may be off.
    pub max_clock_skew: Span,
}

/// When a fresh second factor is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepUp {
    /// Always: who has none enrolled must enrol first.
    Always,
    /// Only of those who have one enrolled.
    Enrolled,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            url: None,
            names: Vec::new(),
            database: None,
            state_dir: PathBuf::from("/var/lib/synod"),
            master_key_file: None,
            certificate_file: None,
            key_file: None,
            security: Security::default(),
        }
    }
}

impl Default for Security {
    fn default() -> Self {
        Self {
            step_up: StepUp::Always,
            step_up_for: Span::secs(600),
            session_for: Span::secs(86_400),
            agent_certificate_for: Span::secs(7 * 86_400),
            max_clock_skew: Span::secs(30),
        }
    }
}

impl Config {
    /// Refuses what can be told to be wrong before anything is started.
    pub fn check(&self) -> Result<()> {
        self.url.as_deref().map(Site::of).transpose().map(drop)
    }

    /// The database, with the default filled in.
    pub fn database_url(&self) -> String {
        self.database.clone().unwrap_or_else(|| format!("sqlite:{}", self.state_dir.join("synod.db").display()))
    }

    /// The URL that others use, with the default filled in.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        self.url.clone().unwrap_or_else(|| {
            let host = if bound.ip().is_unspecified() { hostname() } else { bound.ip().to_string() };
            if host.contains(':') { format!("https://[{host}]:{}", bound.port()) } else { format!("https://{host}:{}", bound.port()) }
        })
    }
}

/// This machine's name.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_lowercase())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into())
}
