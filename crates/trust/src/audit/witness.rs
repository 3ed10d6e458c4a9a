//! A witness remembers the last head of a log it saw and notices when the log does anything but grow.

use synod_domain::merkle::Hash;

use super::note::{Checkpoint, NoteError, VerifierKey};
use super::proof::{ProofError, check_consistency};

/// What a witness is about and has seen. Pure: the caller keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    key: VerifierKey,
    last: Option<String>,
}

/// What a head was that gave no alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The first one; everything later must follow from it.
    First(Checkpoint),
    /// The same as before.
    Same(Checkpoint),
    /// The log grew.
    Grew {
        /// From so many leaves.
        from: u64,
        /// To this head.
        to: Checkpoint,
    },
}

/// What must not be, each with a stable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// Not a head signed by the log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The log lost leaves.
    #[error("the log shows {found} leaves and had shown {known}: it was rolled back")]
    RollBack {
        /// The size shown now.
        found: u64,
        /// The size seen before.
        known: u64,
    },
    /// Two heads of one size.
    #[error("the log shows another root for the same {size} leaves than before: it was forked. Keep both checkpoints as evidence")]
    Fork {
        /// The size.
        size: u64,
    },
    /// A later head does not contain the earlier one.
    #[error("the log of {found} leaves does not begin with the {known} seen before: an event was altered or dropped ({why})")]
    Inconsistent {
        /// The size shown now.
        found: u64,
        /// The size seen before.
        known: u64,
        /// What the proof lacks.
        why: ProofError,
    },
}

impl Alarm {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Note(error) => error.name(),
            Self::RollBack { .. } => "roll-back",
            Self::Fork { .. } => "fork",
            Self::Inconsistent { .. } => "inconsistent",
        }
    }
}

impl Witness {
    /// A witness of one log that has seen nothing yet.
    pub fn new(key: VerifierKey) -> Self {
        Self { key, last: None }
    }

    /// A witness that goes on from the signed head it kept.
    pub fn resume(key: VerifierKey, last: &str) -> Result<Self, NoteError> {
        Checkpoint::open(last, &key)?;
        Ok(Self { key, last: Some(last.to_owned()) })
    }

    /// The last signed head, to be kept.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Looks at a signed head, with the proof that it contains the last one. After an alarm it still remembers what it saw
    /// before.
    pub fn consider(&mut self, note: &str, consistency: &[Hash]) -> Result<Seen, Alarm> {
        let head = Checkpoint::open(note, &self.key)?;
        let Some(last) = &self.last else {
            self.last = Some(note.to_owned());
            return Ok(Seen::First(head));
        };
        let known = Checkpoint::open(last, &self.key)?;
        if head.size < known.size {
            return Err(Alarm::RollBack { found: head.size, known: known.size });
        }
        if head.size == known.size {
            return if head.root == known.root { Ok(Seen::Same(head)) } else { Err(Alarm::Fork { size: head.size }) };
        }
        check_consistency(known.size, &known.root, head.size, &head.root, consistency).map_err(|why| Alarm::Inconsistent {
            found: head.size,
            known: known.size,
            why,
        })?;
        self.last = Some(note.to_owned());
        Ok(Seen::Grew { from: known.size, to: head })
    }
}
