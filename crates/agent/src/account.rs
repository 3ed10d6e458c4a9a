//! The account steps run as, and whether this machine lets them.

use std::ffi::CString;

use nix::unistd::{Uid, User, geteuid, getgrouplist};

use crate::config::AgentConfig;

/// An account, looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its home folder.
    pub home: String,
    /// What to become; absent when the agent is that user already.
    pub become_ids: Option<Ids>,
}

/// The numbers of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All groups, the primary one among them.
    pub groups: Vec<u32>,
}

impl Ids {
    fn of(user: &User) -> Result<Self, String> {
        let unknown = |why: String| format!("the groups of the account `{}` cannot be looked up: {why}", user.name);
        let name = CString::new(user.name.as_str()).map_err(|e| unknown(e.to_string()))?;
        let groups = getgrouplist(&name, user.gid).map_err(|e| unknown(e.to_string()))?;
        Ok(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups: groups.into_iter().map(|group| group.as_raw()).collect() })
    }

    /// Whether it has groups besides its primary one.
    pub fn has_more_groups(&self) -> bool {
        self.groups.iter().any(|group| *group != self.gid)
    }
}

impl Account {
    /// The account for `run_as`, or the agent's own; or why this machine refuses.
    pub fn resolve(run_as: Option<&str>, config: &AgentConfig) -> Result<Self, String> {
        Self::resolve_as(run_as, config, geteuid())
    }

    fn resolve_as(run_as: Option<&str>, config: &AgentConfig, me: Uid) -> Result<Self, String> {
        let user = match run_as {
            None => User::from_uid(me).ok().flatten(),
            Some(name) => {
                if let Some(allowed) = &config.allow_run_as
                    && !allowed.iter().any(|other| other == name)
                {
                    return Err(format!("steps may not run as `{name}`; allow_run_as names {}", list(allowed)));
                }
                let found = User::from_name(name).map_err(|e| format!("the account `{name}` cannot be looked up: {e}"))?;
                Some(found.ok_or_else(|| format!("there is no account `{name}` on this machine"))?)
            }
        };
        let uid = user.as_ref().map_or(me, |user| user.uid);
        if uid.is_root() && config.refuse_root {
            return Err(match run_as {
                Some(_) => "steps may not run as root here (refuse_root)".to_owned(),
                None => "this agent runs as root and does not run steps as root (refuse_root); name an account with runAs".to_owned(),
            });
        }
        if uid != me && !me.is_root() {
            return Err(format!("only an agent that runs as root can run steps as `{}`", run_as.unwrap_or_default()));
        }
        let become_ids = user.as_ref().filter(|_| uid != me).map(Ids::of).transpose()?;
        let (name, home) = match user {
            Some(user) => (user.name, user.dir.to_string_lossy().into_owned()),
            // An account without an entry, as in many containers.
            None => (me.to_string(), "/".to_owned()),
        };
        Ok(Self { name, home, become_ids })
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_clear_reasons() {
        let config = AgentConfig::default();
        let strict = AgentConfig { refuse_root: true, allow_run_as: Some(vec!["root".into(), "www-data".into()]), ..AgentConfig::default() };
        let (root, other) = (Uid::from_raw(0), Uid::from_raw(4242));
        let refused = |run_as, config, me| Account::resolve_as(run_as, config, me).unwrap_err();
        assert!(refused(None, &strict, root).contains("refuse_root"));
        assert!(refused(Some("root"), &strict, root).contains("refuse_root"));
        assert!(refused(Some("daemon"), &strict, root).contains("allow_run_as names root, www-data"));
        assert!(refused(Some("no-such-account"), &config, root).contains("there is no account"));
        assert!(refused(Some("root"), &config, other).contains("only an agent that runs as root"));
        assert_eq!(Account::resolve_as(None, &config, other).unwrap(), Account { name: "4242".into(), home: "/".into(), become_ids: None });
        assert_eq!(Account::resolve_as(Some("root"), &config, root).unwrap().become_ids, None);
        assert_eq!(Account::resolve_as(Some("daemon"), &config, root).unwrap().become_ids, Some(Ids { uid: 1, gid: 1, groups: vec![1] }));
    }
}
