//! This node as a witness of the audit log: it keeps the last signed head it saw, and notices when the log does anything but
//! grow. That is remembered until a person has looked. A log that is kept back, or stands still while this node works, is
//! noticed as well, and forgotten once it is shown.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use synod_domain::merkle::Hash;
use synod_domain::verify::Refusal;
use synod_domain::{Span, Timestamp};
use synod_protocol::agent::{Alarm, Checkpoint};
use synod_trust::audit::{self, Seen, VerifierKey, Witness};

use super::{not_stored, refusal};
use crate::error::{Error, Result};
use crate::files;

/// So much of a text of the server is kept as evidence, in bytes; true checkpoints are far smaller.
const EVIDENCE: usize = 6 * 1024;

/// What is owed is missed after so many heartbeats at the earliest: an honest server answers each that is due a head.
const BEATS: u32 = 3;
/// After this time people are told of it.
const TELL_AFTER: Span = Span::secs(600);
/// After this time nothing runs where trust is enforced.
const REFUSE_AFTER: Span = Span::secs(3600);

/// The witness and its file.
#[derive(Default)]
pub(super) struct Watch {
    file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The log's key, taken at first sight, and the last head.
    log: Option<(VerifierKey, Witness)>,
    /// Leaves of the last head.
    size: u64,
    raised: Option<Raised>,
    owed: Option<Owed>,
    /// Whether what was seen is not on disk yet; and what people are to be told of that.
    unstored: bool,
    untold: Option<Alarm>,
}

/// A head that a server has yet to show: one at all, or a later one, since what this node did is an event. It is not stored: an
/// agent that begins anew waits anew.
struct Owed {
    /// So many leaves it must have.
    least: u64,
    since: Timestamp,
    /// Heartbeats since.
    beats: u32,
    /// Whether a server took a result in meanwhile; the wait is counted from there, once.
    acknowledged: bool,
    told: bool,
}

impl Owed {
    fn missed(&self, after: Span, now: Timestamp) -> bool {
        self.beats >= BEATS && now.since(self.since) >= after.as_millis()
    }
}

/// What was noticed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raised {
    name: String,
    message: String,
    evidence: String,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    log_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alarm: Option<Raised>,
}

impl Watch {
    pub(super) fn open(file: Option<PathBuf>) -> Result<Self> {
        let text = file.as_deref().map_or(Ok(None), files::read)?;
        let (Some(path), Some(text)) = (&file, text) else { return Ok(Self { file, state: Mutex::default() }) };
        let damaged = |why: &dyn std::fmt::Display| {
            let path = path.display();
            Error::Damaged(format!(
                "{path}: what this node witnessed of the audit log cannot be read ({why}); keep the file for those who look into it, and move it away"
            ))
        };
        let stored: Stored = serde_json::from_str(&text).map_err(|e| damaged(&e))?;
        let key: VerifierKey = stored.log_key.parse().map_err(|e: String| damaged(&e))?;
        if let Some(raised) = &stored.alarm {
            tracing::error!(file = %path.display(), name = raised.name, "an alarm about the audit log stands: {}", raised.message);
        }
        let mut state = State { raised: stored.alarm, ..State::default() };
        let witness = match &stored.checkpoint {
            Some(note) => {
                state.size = audit::Checkpoint::open(note, &key).map_err(|e| damaged(&e))?.size;
                Witness::resume(key.clone(), note).map_err(|e| damaged(&e))?
            }
            None => Witness::new(key.clone()),
        };
        state.log = Some((key, witness));
        Ok(Self { file, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves of the last head; 0 before the first.
    pub(super) fn size(&self) -> u64 {
        self.lock().size
    }

    /// Refuses when the log did anything but grow, or has been kept back for too long.
    pub(super) fn sound(&self, now: Timestamp) -> Result<(), Refusal> {
        let state = self.lock();
        if let Some(owed) = state.owed.as_ref().filter(|owed| state.raised.is_none() && owed.missed(REFUSE_AFTER, now)) {
            return Err(refusal("log-withheld", format!("{}; nothing runs here until it is shown", state.withheld(owed))));
        }
        let Some(raised) = &state.raised else { return Ok(()) };
        let until = self
            .file
            .as_ref()
            .map_or_else(|| "until this agent is started anew".to_owned(), |file| format!("until a person has looked and removed {}", file.display()));
        Err(refusal(
            "log-forked",
            format!("the audit log did something else than grow ({}: {}); nothing runs here {until}", raised.name, raised.message),
        ))
    }

    /// Takes in what a server shows when a stream begins. An alarm that stands is returned again.
    pub(super) fn greet(&self, key: &str, shown: Option<&Checkpoint>, now: Timestamp) -> Option<Alarm> {
        let mut state = self.lock();
        if let Some(owed) = &mut state.owed {
            owed.told = false;
        }
        if let Some(raised) = &state.raised {
            return Some(raised.alarm());
        }
        match &state.log {
            _ if key.is_empty() => {}
            Some((known, _)) if known.to_string() == key => {}
            Some((known, _)) => {
                let message = format!("the server shows another key of the audit log than before ({known}): another log was put in its place");
                return Some(self.raise(&mut state, "log-key", message, key));
            }
            None => match key.parse::<VerifierKey>() {
                Ok(key) => {
                    tracing::info!(log = key.name(), "the audit log is watched from now on");
                    state.log = Some((key.clone(), Witness::new(key)));
                    self.store(&mut state);
                }
                Err(why) => tracing::warn!("the audit log cannot be watched: {why}"),
            },
        }
        match shown {
            Some(checkpoint) => self.look(&mut state, checkpoint),
            None => {
                if state.size > 0 {
                    tracing::warn!(witnessed = state.size, "the server shows no checkpoint of the audit log, though it did before");
                    let least = state.size;
                    state.owe(least, now);
                }
                None
            }
        }
    }

    /// A task ended here. The server makes an event of it, so a later head than the last must follow.
    pub(super) fn ended(&self, now: Timestamp) {
        let mut state = self.lock();
        if state.size > 0 {
            let least = state.size + 1;
            state.owe(least, now);
        }
    }

    /// A server took results in. One that could not for long has its time from there, but only once.
    pub(super) fn acknowledged(&self, now: Timestamp) {
        if let Some(owed) = self.lock().owed.as_mut().filter(|owed| !owed.acknowledged) {
            *owed = Owed { least: owed.least, since: now, beats: 0, acknowledged: true, told: false };
        }
    }

    /// Counts a heartbeat; people are told once of what is missed then.
    pub(super) fn beat(&self, now: Timestamp) -> Option<Alarm> {
        let mut state = self.lock();
        let silent = state.raised.is_some();
        let owed = state.owed.as_mut()?;
        owed.beats = owed.beats.saturating_add(1);
        if silent || owed.told || !owed.missed(TELL_AFTER, now) {
            return None;
        }
        owed.told = true;
        let message = state.owed.as_ref().map(|owed| state.withheld(owed)).unwrap_or_default();
        tracing::error!("{message}");
        let seen = state.log.as_ref().and_then(|(_, witness)| witness.last()).unwrap_or_default();
        let evidence = format!("seen before:\n{}\n", cut(seen));
        Some(Alarm { about: "log".into(), name: "withheld".into(), message, task: String::new(), evidence })
    }

    /// Takes in a later head.
    pub(super) fn consider(&self, checkpoint: &Checkpoint) -> Option<Alarm> {
        let mut state = self.lock();
        if state.raised.is_some() {
            return None;
        }
        self.look(&mut state, checkpoint)
    }

    fn look(&self, state: &mut State, shown: &Checkpoint) -> Option<Alarm> {
        let Some((_, witness)) = &mut state.log else {
            tracing::warn!("the server shows a checkpoint of the audit log and no key to check it with");
            return None;
        };
        let proof: Result<Vec<Hash>, _> = shown.proof.iter().map(|hash| Hash::try_from(hash.as_slice())).collect();
        let Ok(proof) = proof else {
            let message = "the proof that the audit log grew holds something that is no hash".to_owned();
            return Some(self.raise(state, "malformed", message, &shown.note));
        };
        match witness.consider(&shown.note, &proof) {
            Ok(Seen::Same(head)) => {
                state.shown(head.size);
                None
            }
            Ok(Seen::First(head) | Seen::Grew { to: head, .. }) => {
                state.size = head.size;
                state.shown(head.size);
                self.store(state);
                None
            }
            Err(alarm) => Some(self.raise(state, alarm.name(), alarm.to_string(), &shown.note)),
        }
    }

    fn raise(&self, state: &mut State, name: &str, message: String, shown: &str) -> Alarm {
        let last = state.log.as_ref().and_then(|(_, witness)| witness.last()).unwrap_or("nothing\n");
        let evidence = format!("seen before:\n{}\nshown now:\n{}\n", cut(last), cut(shown));
        tracing::error!(name, "the audit log: {message}");
        let raised = Raised { name: name.to_owned(), message, evidence };
        let alarm = raised.alarm();
        state.raised = Some(raised);
        self.store(state);
        alarm
    }

    /// Stores what was seen. That it cannot be is told once: a node that forgot it would believe another history.
    fn store(&self, state: &mut State) {
        let (Some(file), Some((key, witness))) = (&self.file, &state.log) else { return };
        let stored = Stored { log_key: key.to_string(), checkpoint: witness.last().map(str::to_owned), alarm: state.raised.clone() };
        let written = serde_json::to_vec_pretty(&stored).map_err(|e| Error::Damaged(e.to_string())).and_then(|text| files::replace(file, &text));
        let failed = written.err();
        if let Some(error) = failed.as_ref().filter(|_| !state.unstored) {
            state.untold = Some(not_stored(&format!("the audit log of {} events, as this node saw it,", state.size), file, error));
        }
        state.unstored = failed.is_some();
    }

    /// Stores what could not be stored before.
    pub(super) fn retry(&self) {
        let mut state = self.lock();
        if state.unstored {
            self.store(&mut state);
        }
    }

    /// What people are to be told besides.
    pub(super) fn untold(&self) -> Option<Alarm> {
        self.lock().untold.take()
    }
}

impl State {
    /// Waits for a head from now on, unless one is waited for already.
    fn owe(&mut self, least: u64, now: Timestamp) {
        self.owed.get_or_insert(Owed { least, since: now, beats: 0, acknowledged: false, told: false });
    }

    fn shown(&mut self, size: u64) {
        self.owed.take_if(|owed| owed.least <= size);
    }

    fn withheld(&self, owed: &Owed) -> String {
        format!(
            "since {} no server has shown a checkpoint of the audit log with {} events or more, and this node saw one with {}: the log is kept back, or it stands still",
            owed.since, owed.least, self.size
        )
    }
}

impl Raised {
    fn alarm(&self) -> Alarm {
        let Self { name, message, evidence } = self.clone();
        Alarm { about: "log".into(), name, message, task: String::new(), evidence }
    }
}

fn cut(text: &str) -> &str {
    let end = (0..=EVIDENCE.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}
