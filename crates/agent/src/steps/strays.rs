//! Processes that a script put out of its process group (`setsid`, daemons). A script that is killed takes them along; one
//! that ends by itself leaves them, for a service it started is meant to stay.
//!
//! They are known by a variable that all of an attempt inherit, and by their descent. Where there is no `/proc`, none is found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

/// The variable that tells which attempt of which step a process belongs to.
pub(super) const MARK: &str = "SYNOD_ATTEMPT";

/// A mark that no other attempt has, of this agent or another.
pub(super) fn new_mark(task: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("{task}/{}/{}", getpid(), MADE.fetch_add(1, Ordering::Relaxed))
}

/// The strays of one attempt.
pub(super) struct Strays {
    mark: String,
    leader: i32,
    /// Those found so far, each with when it began, by which a number that was given anew is told apart.
    known: BTreeMap<i32, u64>,
}

struct Process {
    parent: i32,
    group: i32,
    began: u64,
}

impl Strays {
    /// Of the attempt with a mark, whose process group is that of its leader.
    pub(super) fn of(mark: &str, leader: i32) -> Self {
        Self { mark: format!("{MARK}={mark}"), leader, known: BTreeMap::new() }
    }

    /// Signals them all; returns whether there were any.
    pub(super) fn signal(&mut self, signal: Signal) -> bool {
        self.look();
        for (pid, began) in &self.known {
            // Looked at once more: between looking and killing lie moments only.
            if process(*pid).is_some_and(|process| process.began == *began) {
                let _ = kill(Pid::from_raw(*pid), signal);
            }
        }
        !self.known.is_empty()
    }

    /// Whether anything of the group or of them lives. What only waits for somebody to take note of its end does not.
    pub(super) fn any_alive(&mut self) -> bool {
        let group = |pid: i32| process(pid).is_some_and(|process| process.group == self.leader);
        pids().into_iter().any(group) || self.look()
    }

    /// Looks for them, and forgets those that are gone.
    pub(super) fn look(&mut self) -> bool {
        let all: BTreeMap<i32, Process> = pids().into_iter().filter_map(|pid| Some((pid, process(pid)?))).collect();
        self.known.retain(|pid, began| all.get(pid).is_some_and(|process| process.began == *began));
        let mut ours: BTreeSet<i32> = self.known.keys().copied().chain([self.leader]).collect();
        ours.extend(all.keys().filter(|pid| self.is_marked(**pid)));
        // The descendants of those, who may have cleared their environment.
        loop {
            let more: Vec<i32> = all.iter().filter(|(pid, process)| !ours.contains(pid) && ours.contains(&process.parent)).map(|(pid, _)| *pid).collect();
            if more.is_empty() {
                break;
            }
            ours.extend(more);
        }
        let me = getpid().as_raw();
        // Whoever is in the group is signalled with it.
        let stray = |pid: &i32| all.get(pid).filter(|process| process.group != self.leader && *pid > 1 && *pid != me).map(|process| (*pid, process.began));
        self.known = ours.iter().filter_map(stray).collect();
        !self.known.is_empty()
    }

    fn is_marked(&self, pid: i32) -> bool {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| all.split(|b| *b == 0).any(|variable| variable == self.mark.as_bytes()))
    }
}

fn pids() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// A process that lives; one that only waits for its parent does not.
fn process(pid: i32) -> Option<Process> {
    read(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `/proc/PID/stat`: the name stands in parentheses and may hold anything.
fn read(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    Some(Process { parent: fields.get(1)?.parse().ok()?, group: fields.get(2)?.parse().ok()?, began: fields.get(19)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_anything() {
        let stat = "42 (a) R 1 (b) S 7 8 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 2";
        let process = read(stat).unwrap();
        assert_eq!((process.parent, process.group, process.began), (7, 8, 12345));
        assert!(read("42 (a) Z 7 8 9 0").is_none() && read("").is_none());
    }

    #[test]
    fn nobody_elses_process_is_a_stray() {
        let mut strays = Strays::of("no such attempt", i32::MAX);
        assert!(!strays.look() && !strays.signal(Signal::SIGKILL));
    }
}
