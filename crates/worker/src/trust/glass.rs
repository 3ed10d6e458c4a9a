//! How often break-glass rules were used here on which day, remembered durably.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use synod_domain::Timestamp;

use crate::error::{Error, Result};
use crate::files;

/// So many days are kept, so that a clock that is set back a little finds what it counted.
const DAYS: usize = 7;

/// Day (UTC), rule, digests of the manifests. A run's id is no measure: whoever serves the tasks chooses it.
type Days = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What was started by break-glass.
#[derive(Default)]
pub(super) struct Glass {
    file: Option<PathBuf>,
    days: Mutex<Days>,
}

impl Glass {
    pub(super) fn open(file: Option<PathBuf>) -> Result<Self> {
        let text = file.as_deref().map_or(Ok(None), files::read)?;
        let days = match (&file, text) {
            (Some(file), Some(text)) => serde_json::from_str(&text).map_err(|e| {
                let file = file.display();
                Error::Damaged(format!("{file}: how often break-glass was used cannot be read ({e}); move the file away, and what was used today is forgotten"))
            })?,
            _ => Days::new(),
        };
        Ok(Self { file, days: Mutex::new(days) })
    }

    fn lock(&self) -> MutexGuard<'_, Days> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many other manifests a rule has started on this day.
    pub(super) fn used(&self, rule: &str, digest: &str, now: Timestamp) -> u32 {
        others(&self.lock(), &day(now), rule, digest)
    }

    /// Counts a manifest, durably, unless its rule has started `most` others on this day; says whether it did. The same
    /// manifest counts once.
    pub(super) fn count(&self, rule: &str, digest: &str, most: u32, now: Timestamp) -> Result<bool> {
        let mut days = self.lock();
        let day = day(now);
        if days.get(&day).and_then(|rules| rules.get(rule)).is_some_and(|started| started.contains(digest)) {
            return Ok(true);
        }
        if others(&days, &day, rule, digest) >= most {
            return Ok(false);
        }
        let mut counted = days.clone();
        counted.entry(day).or_default().entry(rule.to_owned()).or_default().insert(digest.to_owned());
        while counted.len() > DAYS {
            counted.pop_first();
        }
        if let Some(file) = &self.file {
            let text = serde_json::to_vec_pretty(&counted).map_err(|e| Error::Damaged(e.to_string()))?;
            files::replace(file, &text)?;
        }
        *days = counted;
        Ok(true)
    }
}

fn day(now: Timestamp) -> String {
    now.to_string().chars().take("2026-01-01".len()).collect()
}

fn others(days: &Days, day: &str, rule: &str, digest: &str) -> u32 {
    let started = days.get(day).and_then(|rules| rules.get(rule));
    let others = started.map_or(0, |started| started.iter().filter(|known| *known != digest).count());
    u32::try_from(others).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn each_manifest_counts_once_a_day_and_is_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("break-glass.json");
        let open = || Glass::open(Some(file.clone())).unwrap();
        let glass = open();
        let today = Timestamp(20_000 * DAY);
        assert!(glass.count("night", "sha256:01", 2, today).unwrap() && glass.count("night", "sha256:01", 2, today).unwrap());
        assert_eq!((glass.used("night", "sha256:01", today), glass.used("night", "sha256:02", today), glass.used("day", "sha256:02", today)), (0, 1, 0));
        assert!(glass.count("night", "sha256:02", 2, today).unwrap() && !glass.count("night", "sha256:03", 2, today).unwrap());
        let glass = open();
        let end = Timestamp(today.0 + DAY - 1);
        assert!(glass.count("night", "sha256:02", 2, end).unwrap() && !glass.count("night", "sha256:03", 2, end).unwrap());
        assert!(glass.count("night", "sha256:03", 2, Timestamp(end.0 + 1)).unwrap(), "another day");
        assert!(!glass.count("night", "sha256:04", 2, today).unwrap(), "a clock set back finds what it counted");
        std::fs::write(&file, "{").unwrap();
        assert!(Glass::open(Some(file)).err().unwrap().to_string().contains("break-glass.json"));
    }

    #[test]
    fn what_cannot_be_written_is_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        let glass = Glass::open(Some(dir.path().join("gone/break-glass.json"))).unwrap();
        assert!(glass.count("night", "sha256:01", 1, Timestamp(0)).is_err());
        assert_eq!(glass.used("night", "sha256:02", Timestamp(0)), 0);
    }
}
