//! How a node judges agreements itself: by the trust root it pinned and follows, while it watches that the audit log only
//! grows. A server that lies about who agreed can then start nothing here.

mod alarms;
mod glass;
mod roots;
mod watch;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;
use synod_domain::manifest::Manifest;
use synod_domain::verify::{DeliveredApproval, Refusal};
use synod_protocol::agent::{Alarm, Checkpoint, Welcome};
use synod_trust::{Envelope, Refused, judge, judge_break_glass};

use crate::error::{Error, Result};
use crate::files;

pub(crate) use alarms::Alarms;
use glass::Glass;
use roots::Roots;
use watch::Watch;

/// Whether a node judges agreements itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustMode {
    /// It believes the server.
    #[default]
    Off,
    /// It judges, and only reports what does not suffice.
    Observe,
    /// It judges, and refuses what does not suffice.
    Enforce,
}

impl TrustMode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// How a node judges agreements, and where it remembers what that takes.
#[derive(Debug, Clone, Default)]
pub struct TrustOptions {
    /// Whether it does.
    pub mode: TrustMode,
    /// The digest of the trust root to begin with, `sha256:…`; needed unless the mode is off.
    pub root: Option<String>,
    /// The folder for accepted roots, the last checkpoint of the audit log and break-glass starts; when absent, they are
    /// remembered only as long as the process lives.
    pub dir: Option<PathBuf>,
}

impl TrustOptions {
    /// Says what is wrong with the settings.
    pub fn check(&self) -> Result<()> {
        match &self.root {
            Some(root) if !is_digest(root) => Err(Error::Config(format!(
                "trust_root `{}` is not the digest of a trust root; write sha256: and 64 lower-case hexadecimal digits, as `synod trust show` prints it",
                root.escape_debug()
            ))),
            None if self.mode != TrustMode::Off => Err(Error::Config(format!(
                "trust is `{}`, but no trust_root is given; ask a holder of the root for its digest (sha256:…), not the server",
                self.mode.name()
            ))),
            _ => Ok(()),
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn refusal(name: &'static str, why: impl Into<String>) -> Refusal {
    Refusal::Trust { name, why: why.into() }
}

fn refused(why: &Refused) -> Refusal {
    refusal(why.name(), why.to_string())
}

/// That something must not be forgotten and cannot be stored.
fn not_stored(what: &str, file: &Path, error: &Error) -> Alarm {
    let message =
        format!("{what} could not be stored in {}: {error}. It is forgotten when the agent stops; it is tried again with each heartbeat", file.display());
    tracing::error!("{message}");
    Alarm { about: "trust".into(), name: "not-stored".into(), message, task: String::new(), evidence: String::new() }
}

/// A task whose manifest is verified and whose approvals are still only claims.
pub(crate) struct Case<'a> {
    pub(crate) task: &'a str,
    pub(crate) manifest: &'a Manifest,
    pub(crate) digest: &'a str,
    pub(crate) approvals: &'a [DeliveredApproval],
    /// This node's name.
    pub(crate) node: &'a str,
    pub(crate) now: Timestamp,
}

/// What stands between a server's word and this machine.
#[derive(Default)]
pub(crate) struct Guard {
    mode: TrustMode,
    roots: Roots,
    watch: Watch,
    glass: Glass,
    pub(crate) alarms: Alarms,
}

impl Guard {
    /// Reads what was remembered; fails when it does not fit the settings or was damaged.
    pub(crate) fn open(options: &TrustOptions) -> Result<Self> {
        options.check()?;
        if let Some(dir) = &options.dir {
            files::private_dir(dir)?;
        }
        let file = |name: &str| options.dir.as_ref().map(|dir| dir.join(name));
        let pin = options.root.clone().filter(|_| options.mode != TrustMode::Off);
        Ok(Self {
            mode: options.mode,
            roots: pin.map_or_else(|| Ok(Roots::default()), |pin| Roots::open(pin, file("roots.json")))?,
            watch: Watch::open(file("witness.json"))?,
            glass: Glass::open(file("break-glass.json"))?,
            alarms: Alarms::default(),
        })
    }

    pub(crate) fn mode(&self) -> TrustMode {
        self.mode
    }

    /// The digest of the pinned root; empty when none is.
    pub(crate) fn pin(&self) -> &str {
        self.roots.pin()
    }

    /// The newest version of the root; 0 before the first.
    pub(crate) fn version(&self) -> u64 {
        self.roots.newest().map_or(0, |chain| chain.newest().version())
    }

    /// How many leaves the last checkpoint had.
    pub(crate) fn witnessed(&self) -> u64 {
        self.watch.size()
    }

    /// Takes in what a server says first. An alarm about the log is raised again with every stream.
    pub(crate) fn welcome(&self, welcome: &Welcome, now: Timestamp) {
        self.roots(&welcome.roots);
        self.watched(self.watch.greet(&welcome.log_key, welcome.checkpoint.as_ref(), now));
    }

    /// A task ended here.
    pub(crate) fn ended(&self, now: Timestamp) {
        self.watch.ended(now);
    }

    /// A server took results in.
    pub(crate) fn acknowledged(&self, now: Timestamp) {
        self.watch.acknowledged(now);
    }

    /// A heartbeat is due.
    pub(crate) fn beat(&self, now: Timestamp) {
        self.alarm(self.roots.retry());
        self.watch.retry();
        self.watched(self.watch.beat(now));
    }

    /// Takes in roots that were published since; says whether one was new.
    pub(crate) fn roots<B: AsRef<[u8]>>(&self, offered: &[B]) -> bool {
        if self.mode == TrustMode::Off {
            return false;
        }
        let (grew, alarms) = self.roots.take(offered);
        alarms.into_iter().for_each(|alarm| self.alarms.push(alarm));
        grew
    }

    /// Takes in a later checkpoint of the audit log.
    pub(crate) fn checkpoint(&self, checkpoint: &Checkpoint) {
        self.watched(self.watch.consider(checkpoint));
    }

    fn watched(&self, alarm: Option<Alarm>) {
        self.alarm(alarm);
        self.alarm(self.watch.untold());
    }

    fn alarm(&self, alarm: Option<Alarm>) {
        if let Some(alarm) = alarm {
            self.alarms.push(alarm);
        }
    }

    /// Judges a task. What does not suffice is refused in `enforce`, and an alarm in `observe`.
    pub(crate) fn judge(&self, case: &Case<'_>) -> Result<(), Refusal> {
        match self.mode {
            TrustMode::Off => Ok(()),
            TrustMode::Enforce => self.watch.sound(case.now).and_then(|()| self.agreed(case)),
            TrustMode::Observe => {
                if let Err(Refusal::Trust { name, why }) = self.agreed(case) {
                    tracing::warn!(task = case.task, name, "would be refused if trust were enforced: {why}");
                    self.alarms
                        .push(Alarm { about: "trust".into(), name: name.into(), message: why, task: case.task.into(), evidence: String::new() });
                }
                Ok(())
            }
        }
    }

    /// Whether people of the trust root agreed to it. Only signatures count; what was delivered beside them is the server's
    /// word, and so is an approval without one.
    fn agreed(&self, case: &Case<'_>) -> Result<(), Refusal> {
        let Case { manifest, digest, node, now, .. } = *case;
        let chain = self.roots.newest().ok_or_else(|| {
            let pin = self.pin();
            refusal("no-root", format!("this node pins the trust root {pin} and no server has shown it yet; publish it with `synod trust publish`"))
        })?;
        let root = chain.newest();
        let signatures = case.approvals.iter().filter_map(|approval| approval.signature.as_ref());
        let envelopes: Result<Vec<Envelope>, _> = signatures.map(|text| Envelope::read(text.as_bytes())).collect();
        let envelopes = envelopes.map_err(|e| refused(&e.into()))?;
        let Some(rule) = &manifest.break_glass else {
            return judge(root, manifest, digest, &envelopes, node, now).map(drop).map_err(|e| refused(&e));
        };
        let shut = |why: String| refused(&Refused::BreakGlass(why));
        let [envelope] = &envelopes[..] else {
            return Err(shut(format!("{} signed decisions came along; it takes the one of {}", envelopes.len(), manifest.requester)));
        };
        let used = self.glass.used(rule, digest, now);
        let verified = judge_break_glass(root, manifest, digest, rule, envelope, node, used, now).map_err(|e| refused(&e))?;
        if verified.person != manifest.requester {
            return Err(shut(format!("{} asked for it and {} signed; whoever starts it alone signs for it", manifest.requester, verified.person)));
        }
        Ok(())
    }

    /// Counts a start by break-glass, durably; it must come right before the task begins.
    pub(crate) fn count_break_glass(&self, manifest: &Manifest, digest: &str, now: Timestamp) -> Result<(), Refusal> {
        let Some(rule) = manifest.break_glass.as_deref().filter(|_| self.mode != TrustMode::Off) else { return Ok(()) };
        let enforce = self.mode == TrustMode::Enforce;
        let per_day = || {
            let chain = self.roots.newest()?;
            chain.newest().doc().break_glass.iter().find(|known| known.name == rule).map(|known| known.per_day)
        };
        let most = if enforce { per_day().unwrap_or(0) } else { u32::MAX };
        match self.glass.count(rule, digest, most, now) {
            Ok(true) => Ok(()),
            // Another one began since this was judged.
            Ok(false) => Err(refused(&Refused::BreakGlass(format!("rule {rule} may be used {most} times a day and was, in this moment")))),
            Err(error) if enforce => Err(refused(&Refused::BreakGlass(format!("this start cannot be counted: {error}")))),
            Err(error) => {
                tracing::error!(%error, "a start by break-glass could not be counted");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_say_what_is_wrong() {
        let check = |mode, root: Option<&str>| {
            TrustOptions { mode, root: root.map(str::to_owned), dir: None }
                .check()
                .map_err(|error| error.to_string())
                .err()
                .unwrap_or_default()
        };
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(check(TrustMode::Off, None), "");
        assert_eq!(check(TrustMode::Enforce, Some(&digest)), "");
        assert!(check(TrustMode::Observe, None).contains("trust is `observe`, but no trust_root is given"));
        for wrong in ["", "sha256:00", &digest.to_uppercase(), &digest[7..], &format!("{digest} ")] {
            assert!(check(TrustMode::Off, Some(wrong)).contains("is not the digest of a trust root"), "{wrong}");
        }
    }
}
