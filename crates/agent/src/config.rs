//! The settings of an agent.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use synod_domain::Span;
use synod_domain::node::{check_given, check_name};
use synod_domain::selector::Labels;
use synod_protocol::http::client::Address;
use synod_worker::{Error, Result, TrustMode, TrustOptions, output};

use crate::facts;

/// The `PATH` of steps unless configured.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The settings of an agent; unknown ones are errors.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// URLs of servers.
    pub servers: Vec<String>,
    /// Where identity and journal live.
    pub state_dir: PathBuf,
    /// The node's name; the machine's host name when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The join token; needed once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_token: Option<String>,
    /// SHA-256 of the servers' certificate authority; needed once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
    /// Labels to ask for when joining.
    pub labels: Labels,
    /// `PATH` of the steps.
    pub path: String,
    /// Never run a step as root.
    pub refuse_root: bool,
    /// The accounts `runAs` may name; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_run_as: Option<Vec<String>>,
    /// So many tasks run at once; more wait.
    pub max_parallel: usize,
    /// How much output of a task is kept, in bytes.
    pub max_output_bytes: usize,
    /// How often facts are looked at again.
    pub facts_interval: Span,
    /// How long a step has to end by itself after SIGTERM, before SIGKILL.
    pub kill_grace: Span,
    /// Whether it judges agreements itself: `off`, `observe` or `enforce`.
    pub trust: TrustMode,
    /// The digest of the trust root to begin with; needed unless `trust` is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_root: Option<String>,
    /// The program that calls [`crate::exec_as::if_asked`] first thing: through it steps get the groups of the account they
    /// run as. Without it, the primary group only.
    #[serde(skip)]
    pub exec_helper: Option<PathBuf>,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            state_dir: "/var/lib/synod-agent".into(),
            name: None,
            join_token: None,
            ca_fingerprint: None,
            labels: Labels::new(),
            path: DEFAULT_PATH.to_owned(),
            refuse_root: false,
            allow_run_as: None,
            max_parallel: 64,
            max_output_bytes: output::DEFAULT_LIMIT,
            facts_interval: Span::secs(300),
            kill_grace: Span::secs(5),
            trust: TrustMode::Off,
            trust_root: None,
            exec_helper: None,
        }
    }
}

impl AgentConfig {
    /// Says what is wrong with the settings.
    pub fn check(&self) -> Result<()> {
        let wrong = |why: String| Err(Error::Config(why));
        for url in &self.servers {
            url.parse::<Address>().map_err(Error::Config)?;
        }
        if let Some(name) = &self.name {
            check_name(name).map_err(Error::Config)?;
        }
        if let Some(first) = check_given(&self.labels).into_iter().next() {
            return wrong(first.message);
        }
        if self.max_parallel == 0 {
            return wrong("max_parallel must be at least 1".into());
        }
        if self.max_output_bytes > output::MAX_LIMIT {
            return wrong(format!("max_output_bytes is at most {}", output::MAX_LIMIT));
        }
        if self.path.contains('\0') {
            return wrong("path contains a NUL character".into());
        }
        self.trust().check()
    }

    /// How agreements are judged; what that takes is remembered in the state folder.
    pub fn trust(&self) -> TrustOptions {
        TrustOptions { mode: self.trust, root: self.trust_root.clone(), dir: Some(self.state_dir.join("trust")) }
    }

    /// The name to join with: the configured one, or the machine's.
    pub fn node_name(&self) -> Result<String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let host = facts::hostname().unwrap_or_default().to_lowercase();
        check_name(&host).map_err(|why| Error::Config(format!("the machine's host name does not do: {why}; give a name")))?;
        Ok(host)
    }
}

impl fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentConfig")
            .field("servers", &self.servers)
            .field("state_dir", &self.state_dir)
            .field("name", &self.name)
            .field("join_token", &self.join_token.as_ref().map(|_| "…"))
            .field("labels", &self.labels)
            .field("refuse_root", &self.refuse_root)
            .field("allow_run_as", &self.allow_run_as)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_tokens_not_shown() {
        let read = |text: &str| serde_json::from_str::<AgentConfig>(text);
        assert!(read(r#"{"sever": []}"#).is_err());
        let config = read(r#"{"servers": ["https://hub"], "join_token": "hush", "facts_interval": "1m"}"#).unwrap();
        assert!(config.check().is_ok() && !format!("{config:?}").contains("hush"));
        for wrong in [
            r#"{"servers": ["http://hub"]}"#,
            r#"{"name": "Web 1"}"#,
            r#"{"max_parallel": 0}"#,
            r#"{"max_output_bytes": 99999999}"#,
            r#"{"labels": {"name": "x"}}"#,
            r#"{"trust": "enforce"}"#,
            r#"{"trust": "observe", "trust_root": "sha256:00"}"#,
        ] {
            assert!(read(wrong).unwrap().check().is_err(), "{wrong}");
        }
    }
}
