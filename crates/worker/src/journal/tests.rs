//! Nothing that was begun is forgotten.

use std::fs;

use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;

fn clock(at: i64) -> Clock {
    Clock::from_fn(move || Timestamp(at))
}

fn digest(n: u8) -> String {
    format!("sha256:{}", hex::encode([n; 32]))
}

fn result(task: &str) -> Ended {
    let mut outcome = Outcome::without_steps(Phase::Succeeded, "", Timestamp(5));
    outcome.reason = None;
    Ended { task: task.into(), outcome, output: Vec::new(), signed: None }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_task_is_begun_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    block_on(async {
        let journal = Journal::open(&path, clock(0)).unwrap();
        assert_eq!(journal.begin("r.0", &digest(1), Timestamp(HOUR)).await.unwrap(), Seen::Never);
        assert_eq!(journal.begin("r.0", &digest(1), Timestamp(HOUR)).await.unwrap(), Seen::Running);
        assert_eq!(journal.begin("r.1", &digest(1), Timestamp(HOUR)).await.unwrap(), Seen::Done, "the same work under another name");
        let ended = journal.end(result("r.0")).await;
        assert_eq!(journal.begin("r.0", &digest(1), Timestamp(HOUR)).await.unwrap(), Seen::Ended(ended));
        assert_eq!(journal.begin("r.1", &digest(5), Timestamp(HOUR)).await.unwrap(), Seen::Done, "other work under the run's name");
        assert_eq!(journal.begin("s.0", &digest(2), Timestamp(HOUR)).await.unwrap(), Seen::Never);
        journal.settle(Timestamp(HOUR), result("t.0")).await;
        assert_eq!(journal.journalled(), ["r.0", "s.0", "t.0"]);
    });
    block_on(async {
        let journal = Journal::open(&path, clock(1)).unwrap();
        let pending = journal.pending();
        let phases: Vec<_> = pending.iter().map(|e| (e.task.as_str(), e.outcome.phase)).collect();
        assert_eq!(phases, [("s.0", Phase::Lost), ("r.0", Phase::Succeeded), ("t.0", Phase::Succeeded)]);
        assert_eq!(pending[0].outcome.reason.as_deref(), Some(CRASHED));
        journal.ack(&["r.0".into(), "s.0".into(), "t.0".into(), "unknown.0".into()]);
        journal.flush().await.unwrap();
    });
    block_on(async {
        let journal = Journal::open(&path, clock(2)).unwrap();
        assert!(journal.pending().is_empty() && journal.journalled().is_empty());
        assert_eq!(journal.begin("r.1", &digest(5), Timestamp(HOUR)).await.unwrap(), Seen::Done, "a run has one manifest, after a restart too");
        for task in ["r.0", "s.0", "t.0"] {
            assert_eq!(journal.begin(task, &digest(9), Timestamp(HOUR)).await.unwrap(), Seen::Done);
        }
    });
    block_on(async {
        let journal = Journal::open(&path, clock(3 * HOUR)).unwrap();
        assert_eq!(journal.seen("r.0"), Seen::Never, "forgotten, for verification refuses it now");
        assert_eq!(journal.begin("r.0", &digest(1), Timestamp(HOUR)).await.unwrap(), Seen::Done, "even when the clock is set back");
        assert_eq!(journal.begin("r.1", &digest(5), Timestamp(HOUR)).await.unwrap(), Seen::Done, "its time is over as well");
        assert_eq!(journal.begin("u.0", &digest(7), Timestamp(4 * HOUR)).await.unwrap(), Seen::Never);
    });
}

/// A file, and after which length of it which tasks were promised to be remembered.
fn story(path: &Path) -> (Vec<u8>, Vec<(usize, String)>) {
    let mut promises = Vec::new();
    block_on(async {
        let journal = Journal::open(path, clock(0)).unwrap();
        let length = || fs::metadata(path).unwrap().len() as usize;
        for n in 0..3u8 {
            let task = format!("r{n}.0");
            journal.begin(&task, &digest(n), Timestamp(HOUR)).await.unwrap();
            promises.push((length(), task.clone()));
            if n < 2 {
                journal.end(result(&task)).await;
                journal.ack(&[task]);
            }
            let refused = format!("n{n}.0");
            journal.settle(Timestamp(HOUR), result(&refused)).await;
            promises.push((length(), refused));
        }
    });
    (fs::read(path).unwrap(), promises)
}

#[test]
fn a_file_cut_anywhere_forgets_nothing_that_was_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, promises) = story(&dir.path().join("journal"));
    let path = dir.path().join("cut");
    for end in 0..=bytes.len() {
        fs::write(&path, &bytes[..end]).unwrap();
        let state = State::replay(file::read(&path).unwrap());
        for (length, task) in &promises {
            assert!(*length > end || state.seen(task) != Seen::Never, "{task} was forgotten at {end}");
        }
        // Opening makes things durable, which takes a while.
        if end % 16 == 0 {
            let journal = Journal::open(&path, clock(1)).unwrap();
            for (length, task) in &promises {
                assert!(*length > end || matches!(journal.seen(task), Seen::Ended(_) | Seen::Done), "{task} was forgotten at {end}");
            }
        }
    }
}

#[test]
fn damage_is_told_and_not_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, promises) = story(&dir.path().join("journal"));
    let path = dir.path().join("bent");
    let last = promises[promises.len() - 2].0;
    for at in (0..bytes.len()).step_by(3) {
        let mut bent = bytes.clone();
        bent[at] ^= 0x11;
        fs::write(&path, &bent).unwrap();
        match Journal::open(&path, clock(1)) {
            Err(error) => assert!(error.to_string().contains("bent: line"), "{error}"),
            Ok(journal) => {
                // Damage that looks like a crash can only cost what was written last.
                let lost: Vec<_> = promises.iter().filter(|(_, task)| journal.seen(task) == Seen::Never).collect();
                assert!(lost.iter().all(|(length, _)| *length >= last), "at {at}: {lost:?}");
            }
        }
    }
    let mut bent = bytes.clone();
    bent[5] ^= 0x11;
    fs::write(&path, &bent).unwrap();
    assert!(Journal::open(&path, clock(1)).unwrap_err().to_string().contains("line 1 is damaged"));
}

#[test]
fn many_at_once_share_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let journal = Journal::open(&path, clock(0)).unwrap();
        let tasks: Vec<_> = (0..200u8)
            .map(|n| {
                let journal = journal.clone();
                tokio::spawn(async move { journal.begin(&format!("r{n}.0"), &digest(n), Timestamp(HOUR)).await.unwrap() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Seen::Never);
        }
    });
    drop(runtime);
    assert_eq!(Journal::open(&path, clock(1)).unwrap().pending().len(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    /// Whatever happens in whatever order, with restarts in between, no task begins twice.
    #[test]
    fn nothing_runs_twice(acts in proptest::collection::vec((0u8..5, 0u8..4), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut begun = std::collections::HashSet::new();
        block_on(async {
            let mut journal = Journal::open(&path, clock(0)).unwrap();
            for (act, n) in acts {
                let task = format!("r{n}.0");
                match act {
                    0 | 1 => {
                        let seen = journal.begin(&task, &digest(n), Timestamp(HOUR)).await.unwrap();
                        assert!(seen != Seen::Never || begun.insert(n), "{task} begins twice");
                    }
                    2 if journal.seen(&task) == Seen::Running => drop(journal.end(result(&task)).await),
                    3 => journal.ack(&[task]),
                    4 => {
                        drop(journal);
                        journal = Journal::open(&path, clock(1)).unwrap();
                    }
                    _ => {}
                }
            }
        });
    }
}

#[test]
fn one_result_of_one_manifest_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let sign = |ended: &Ended| Some(format!("signed {}", ended.task));
    let until = Timestamp(HOUR);
    block_on(async {
        let journal = Journal::open(&path, clock(0)).unwrap();
        let settle = |task: &str, digest: &str, until| journal.settle_signed(digest, until, Timestamp(HOUR), result(task), &sign);
        assert_eq!(settle("r.0", &digest(1), until).await.signed.as_deref(), Some("signed r.0"));
        assert_eq!(settle("r.1", &digest(1), until).await.signed, None, "the same under another name");
        assert_eq!(journal.begin("r.2", &digest(1), until).await.unwrap(), Seen::Done, "what is signed as not begun never begins");
        assert_eq!(settle("r.3", &digest(9), until).await.signed, None, "another manifest of its run");
        assert_eq!(settle("s.0", &digest(2), Timestamp(HOUR + 1)).await.signed, None, "it would be forgotten too early");
        assert_eq!(settle("s.1", "", until).await.signed, None, "of nothing certain");
        assert_eq!(journal.begin("t.0", &digest(3), until).await.unwrap(), Seen::Never);
        assert_eq!(settle("t.1", &digest(3), until).await.signed, None, "it runs");
        assert_eq!(journal.begin("u.0", &digest(4), until).await.unwrap(), Seen::Never);
        journal.end(result("u.0")).await;
    });
    // What a crash ended, and what an older program left, is signed later, and stays as it is then.
    let signed = |journal: &Journal| {
        let signed = |ended: &Arc<Ended>| ended.signed.clone().map(|_| ended.task.clone());
        let mut names: Vec<String> = journal.pending().iter().filter_map(signed).collect();
        names.sort();
        names
    };
    block_on(async {
        let journal = Journal::open(&path, clock(1)).unwrap();
        assert_eq!(signed(&journal), ["r.0"]);
        assert!(journal.sign_pending(|digest, ended| Some(format!("{digest} {}", ended.task))));
        assert!(!journal.sign_pending(|_, _| Some("again".into())));
        journal.flush().await.unwrap();
    });
    let journal = Journal::open(&path, clock(2)).unwrap();
    assert_eq!(signed(&journal), ["r.0", "t.0", "u.0"]);
    assert!(journal.pending().iter().any(|ended| ended.signed == Some(format!("{} t.0", digest(3)))));
}
