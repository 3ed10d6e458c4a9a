//! The trust roots this node has accepted, from the pinned one to the newest.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use synod_domain::canonical::digest;
use synod_protocol::agent::Alarm;
use synod_trust::root::{PAYLOAD_TYPE, RootError};
use synod_trust::{Chain, Envelope};

use super::not_stored;
use crate::error::{Error, Result};
use crate::files;

/// After so many different roots that were refused, no more alarms are raised about them.
const TOLD: usize = 256;

/// The chain of roots, kept beside the node's identity.
#[derive(Default)]
pub(super) struct Roots {
    pin: String,
    file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    envelopes: Vec<Envelope>,
    /// Absent until a server has shown the pinned root.
    chain: Option<Arc<Chain>>,
    /// What was refused and told.
    told: HashSet<String>,
    /// Whether what was accepted is not on disk yet.
    unstored: bool,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    pinned: String,
    roots: Vec<Envelope>,
}

impl Roots {
    /// Walks what was stored from the pinned root on, trusting the file no more than a server.
    pub(super) fn open(pin: String, file: Option<PathBuf>) -> Result<Self> {
        let text = file.as_deref().map_or(Ok(None), files::read)?;
        let (Some(path), Some(text)) = (&file, text) else { return Ok(Self { pin, file, state: Mutex::default() }) };
        let path = path.display();
        let damaged = |why: String| Error::Damaged(format!("{path}: {why}; move the file away, and the agent begins at the pinned root again"));
        let stored: Stored = serde_json::from_str(&text).map_err(|e| damaged(format!("the stored roots cannot be read: {e}")))?;
        if stored.pinned != pin {
            return Err(Error::Config(format!(
                "{path}: this node has pinned the trust root {}, and its settings now say {pin}. Put the old digest back; \
                 only if the root's holders themselves gave out another one, move the file away",
                stored.pinned.escape_debug()
            )));
        }
        let chain = Chain::walk(&stored.roots, &pin).map_err(|e| damaged(format!("the stored roots do not follow from the pinned one: {e}")))?;
        let state = State { envelopes: stored.roots, chain: Some(Arc::new(chain)), ..State::default() };
        Ok(Self { pin, file, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pin(&self) -> &str {
        &self.pin
    }

    /// What is accepted by now.
    pub(super) fn newest(&self) -> Option<Arc<Chain>> {
        self.lock().chain.clone()
    }

    /// Takes roots in order, until one is refused; says whether one was new, and raises each refusal once.
    pub(super) fn take<B: AsRef<[u8]>>(&self, offered: &[B]) -> (bool, Vec<Alarm>) {
        let mut state = self.lock();
        // What came before the pinned one is not ours to judge.
        let first = if state.chain.is_some() { None } else { offered.iter().position(|bytes| is(bytes.as_ref(), &self.pin)) };
        let (mut grew, mut alarms) = (false, Vec::new());
        for bytes in &offered[first.unwrap_or(0)..] {
            match state.accept(bytes.as_ref(), &self.pin) {
                Ok(new) => grew |= new,
                Err(error) => {
                    alarms.extend(state.refused(bytes.as_ref(), &error));
                    break;
                }
            }
        }
        if grew {
            if let Some(chain) = &state.chain {
                tracing::info!(version = chain.newest().version(), digest = chain.newest().digest(), "a trust root was accepted");
            }
            alarms.extend(self.keep(&mut state));
        }
        (grew, alarms)
    }

    /// Stores what could not be stored before.
    pub(super) fn retry(&self) -> Option<Alarm> {
        let mut state = self.lock();
        if state.unstored { self.keep(&mut state) } else { None }
    }

    /// Stores what was accepted. That it cannot be is told once: a node that forgot a root would go back to an older one.
    fn keep(&self, state: &mut State) -> Option<Alarm> {
        let error = match self.store(state) {
            Ok(()) => {
                state.unstored = false;
                return None;
            }
            Err(error) => error,
        };
        if std::mem::replace(&mut state.unstored, true) {
            return None;
        }
        let version = state.chain.as_ref().map_or(0, |chain| chain.newest().version());
        Some(not_stored(&format!("version {version} of the trust root, which this node accepted,"), self.file.as_deref()?, &error))
    }

    fn store(&self, state: &State) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let stored = Stored { pinned: self.pin.clone(), roots: state.envelopes.clone() };
        files::replace(file, &serde_json::to_vec_pretty(&stored).map_err(|e| Error::Damaged(e.to_string()))?)
    }
}

impl State {
    fn accept(&mut self, bytes: &[u8], pin: &str) -> Result<bool, RootError> {
        let envelope = Envelope::read(bytes)?;
        let new = match &mut self.chain {
            Some(chain) => Arc::make_mut(chain).accept_next(&envelope)?,
            none => {
                *none = Some(Arc::new(Chain::first(&envelope, pin)?));
                true
            }
        };
        if new {
            self.envelopes.push(envelope);
        }
        Ok(new)
    }

    fn refused(&mut self, bytes: &[u8], error: &RootError) -> Option<Alarm> {
        let known = format!("{} {}", error.name(), digest(bytes));
        if self.told.len() >= TOLD || !self.told.insert(known) {
            return None;
        }
        tracing::error!(name = error.name(), "a trust root was refused: {error}");
        Some(Alarm { about: "root".into(), name: error.name().into(), message: error.to_string(), task: String::new(), evidence: String::new() })
    }
}

/// Whether these bytes are the root of this digest.
fn is(bytes: &[u8], wanted: &str) -> bool {
    let opened = Envelope::read(bytes).and_then(|envelope| envelope.open(PAYLOAD_TYPE));
    opened.is_ok_and(|opened| digest(&opened.payload) == wanted)
}
