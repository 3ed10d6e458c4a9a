//! Real processes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synod_domain::Span;
use synod_domain::manifest::{Manifest, NodeEntry, NodeSet};
use synod_domain::task::{Outcome, Phase, Segment, Stream};
use synod_worker::executor::CancelSender;
use synod_worker::{Cancel, Clock, OutputSink, Secrets, Why, Work};

use super::*;

fn config() -> AgentConfig {
    AgentConfig { kill_grace: Span::millis(300), ..AgentConfig::default() }
}

fn work(inputs: Value, steps: Value, secrets: &[(&str, &str)], limit: usize) -> (Work, CancelSender, OutputSink) {
    let node = NodeEntry { id: "id-1".into(), name: "web-1".into() };
    let manifest: Manifest = serde_json::from_value(json!({
        "apiVersion": "synod/v1", "kind": "Manifest", "run": "r1", "namespace": "shop",
        "template": {"name": "t", "revision": 1, "digest": "sha256:00", "author": "alice"},
        "requester": "dave", "reason": "why not", "inputs": inputs, "nodes": NodeSet::of(std::slice::from_ref(&node)).unwrap(),
        "strategy": {"type": "allAtOnce"}, "approval": {"rules": []},
        "steps": steps, "timeout": "5s", "startDeadline": "1m", "createdAt": "2026-01-01T00:00:00Z",
        "approveBy": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T00:00:00Z", "nonce": "n",
    }))
    .unwrap();
    let (sender, cancel) = Cancel::new();
    let output = OutputSink::new(limit);
    let secrets = Secrets(secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    let work = Work {
        task: "r1.0".into(),
        digest: "sha256:00".into(),
        manifest: Arc::new(manifest),
        node,
        secrets,
        output: output.clone(),
        cancel,
        clock: Clock::system(),
    };
    (work, sender, output)
}

struct Done {
    outcome: Outcome,
    segments: Vec<Segment>,
}

impl Done {
    fn text(&self, stream: Stream) -> String {
        let bytes: Vec<u8> = self.segments.iter().filter(|s| s.stream == stream).flat_map(Segment::bytes).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn stdout(&self) -> String {
        self.text(Stream::Stdout)
    }

    fn told(&self) -> (Phase, &str) {
        (self.outcome.phase, self.outcome.reason.as_deref().unwrap_or_default())
    }
}

async fn done(inputs: Value, steps: Value, secrets: &[(&str, &str)]) -> Done {
    let (work, _sender, output) = work(inputs, steps, secrets, 1 << 20);
    let outcome = execute(work, &config()).await;
    Done { outcome, segments: output.finish().chunks.into_iter().flat_map(|c| c.segments).collect() }
}

async fn sh(script: &str) -> Done {
    done(json!({}), json!([{"name": "go", "run": script}]), &[]).await
}

fn alive(pid: &str) -> bool {
    // A zombie waits for its new parent and does nothing any more.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Whether a process ends within a second; one that was killed closes its files a little earlier.
async fn ends(pid: &str) -> bool {
    for _ in 0..100 {
        if !alive(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn scripts_end_as_a_shell_says() {
    for (script, phase, code, reason) in [
        ("true", Phase::Succeeded, Some(0), ""),
        ("", Phase::Succeeded, Some(0), ""),
        ("# nothing", Phase::Succeeded, Some(0), ""),
        ("exit 3", Phase::Failed, Some(3), "step `go`: exit code 3"),
        ("false\n", Phase::Failed, Some(1), "step `go`: exit code 1"),
        ("false; true", Phase::Succeeded, Some(0), ""),
        ("set -e\nfalse\ntrue", Phase::Failed, Some(1), "step `go`: exit code 1"),
        ("set -eu; echo $nothing_here", Phase::Failed, Some(2), "step `go`: exit code 2"),
        ("trap 'exit 7' EXIT; true", Phase::Failed, Some(7), "step `go`: exit code 7"),
        ("f() { return 4; }\nf", Phase::Failed, Some(4), "step `go`: exit code 4"),
        ("if then", Phase::Failed, Some(2), "step `go`: exit code 2"),
        ("echo 'open", Phase::Failed, Some(2), "step `go`: exit code 2"),
        ("no-such-command-here", Phase::Failed, Some(127), "step `go`: exit code 127"),
        ("kill -9 $$", Phase::Failed, None, "step `go`: ended by signal 9"),
        ("exec sh -c 'exit 5'", Phase::Failed, Some(5), "step `go`: exit code 5"),
    ] {
        let done = sh(script).await;
        assert_eq!(done.told(), (phase, reason), "{script}");
        assert_eq!(done.outcome.exit_code, code, "{script}");
        assert!(!done.outcome.check_failed);
    }
    let done = sh("true\nif\nthen").await;
    assert!(done.text(Stream::Stderr).contains('3'), "the line of the script is named: {}", done.text(Stream::Stderr));
}

#[tokio::test]
async fn output_keeps_stream_order_and_bytes() {
    let done = sh("echo one; sleep 0.1; echo two >&2; sleep 0.1; printf 'thr\\303\\251e \\377'").await;
    let pieces: Vec<(Stream, Vec<u8>)> = done.segments.iter().map(|s| (s.stream, s.bytes())).collect();
    assert_eq!(pieces[0], (Stream::Stdout, b"one\n".to_vec()));
    assert_eq!(pieces[1], (Stream::Stderr, b"two\n".to_vec()));
    assert_eq!(pieces[2..].iter().flat_map(|(_, b)| b.clone()).collect::<Vec<_>>(), b"thr\xc3\xa9e \xff");
    assert!(done.segments.windows(2).all(|pair| pair[0].at <= pair[1].at));

    let (work, _sender, output) =
        work(json!({}), json!([{"name": "go", "run": "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"}]), &[], 10_000);
    assert_eq!(execute(work, &config()).await.phase, Phase::Succeeded);
    let kept = output.finish();
    let text: Vec<u8> = kept.chunks.iter().flat_map(|c| &c.segments).flat_map(Segment::bytes).collect();
    let text = String::from_utf8(text).unwrap();
    assert!(kept.truncated && text.len() <= 10_000 && text.starts_with("line 0\n") && text.ends_with("line 19999\n"));
}

#[tokio::test]
async fn the_environment_is_clean_and_inputs_arrive() {
    let steps = json!([{"name": "go", "run": "env | sort; pwd; cat", "env": {"EXTRA": "{{ inputs.service }} & co"}}]);
    let done = done(json!({"service": "web; rm -rf /", "max-count": 5, "on": true, "list": [1]}), steps, &[]).await;
    let text = done.stdout();
    let names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).filter(|name| *name != "_").collect();
    let mut wanted = vec![
        "EXTRA",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "PWD",
        "SYNOD_ATTEMPT",
        "SYNOD_INPUT_MAX_COUNT",
        "SYNOD_INPUT_ON",
        "SYNOD_INPUT_SERVICE",
        "SYNOD_NODE",
        "SYNOD_RUN",
        "SYNOD_TASK",
        "USER",
    ];
    wanted.retain(|name| names.contains(name) || *name != "PWD");
    assert_eq!(names, wanted, "{text}");
    for line in [
        "EXTRA=web; rm -rf / & co",
        "SYNOD_INPUT_SERVICE=web; rm -rf /",
        "SYNOD_INPUT_MAX_COUNT=5",
        "SYNOD_INPUT_ON=true",
        "SYNOD_NODE=web-1",
        "SYNOD_TASK=r1.0",
        "LANG=C.UTF-8",
        "/",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
}

#[tokio::test]
async fn values_are_quoted_and_earlier_results_seen() {
    let steps = json!([
        {"name": "make", "run": "printf '%s\\n\\n' {{ inputs.evil }}"},
        {"name": "skip", "run": "exit 9", "when": "steps['make'].exit_code == 7"},
        {"name": "use", "run": "echo got {{ steps['make'].stdout }} {{ node.name }} {{ run.requester }} {{ facts.os }}", "when": "steps['skip'].skipped and steps['make'].ok"}
    ]);
    let done = done(json!({"evil": "it's $(id) `id` \"x\""}), steps, &[]).await;
    assert_eq!(done.told(), (Phase::Succeeded, ""));
    assert!(done.stdout().contains("got it's $(id) `id` \"x\" web-1 dave "), "{}", done.stdout());
    let skipped: Vec<bool> = done.outcome.steps.iter().map(|s| s.skipped).collect();
    assert_eq!(skipped, [false, true, false]);
}

#[tokio::test]
async fn what_cannot_be_filled_in_fails_with_the_steps_name() {
    for (step, wanted) in [
        (json!({"name": "a", "run": "echo {{ inputs.nothing }}"}), "step `a`: it cannot be filled in: line 1"),
        (json!({"name": "a", "run": "true", "when": "inputs.nothing.more"}), "step `a`: `when` cannot be decided"),
        (json!({"name": "a", "run": "true", "env": {"X": "{{ inputs.nothing }}"}}), "step `a`: the variable X cannot be filled in"),
        (json!({"name": "a"}), "step `a`: it cannot be filled in: its kind is not known to this agent, which knows run"),
        (json!({"name": "a", "run": "true", "retry": {"until": "nonsense(", "limit": 2}}), "step `a`: `until` cannot be decided"),
    ] {
        let done = done(json!({}), json!([step]), &[]).await;
        assert_eq!(done.outcome.phase, Phase::Failed);
        assert!(done.told().1.starts_with(wanted), "{}", done.told().1);
    }
    let large = done(json!({"x": "y".repeat(140_000)}), json!([{"name": "a", "run": ": {{ inputs.x }}"}]), &[]).await;
    assert!(large.told().1.contains("131072 is the most"), "{}", large.told().1);
    assert!(large.outcome.warnings[0].contains("$SYNOD_INPUT_X is not set"));
}

#[tokio::test]
async fn checks_retries_and_going_on() {
    let expect = |expect: Value| json!([{"name": "a", "run": "echo up; exit 3", "expect": expect}]);
    let met = done(json!({}), expect(json!({"exitCode": 3, "stdout": {"matches": "^up$"}})), &[]).await;
    assert_eq!(met.told(), (Phase::Succeeded, ""));
    let unmet = done(json!({}), expect(json!({"exitCode": 3, "stdout": {"contains": "down"}})), &[]).await;
    assert_eq!(unmet.told(), (Phase::Failed, "step `a`: stdout does not contain `down`"));
    assert!(unmet.outcome.check_failed && unmet.outcome.steps[0].mismatches.len() == 1);
    let warned = done(json!({}), expect(json!({"onMismatch": "warn"})), &[]).await;
    assert_eq!(warned.told(), (Phase::Succeeded, ""));
    assert_eq!(warned.outcome.warnings, ["step `a`: exit code 3, expected 0"]);

    let on = json!([{"name": "a", "run": "exit 3", "continueOnFailure": true}, {"name": "b", "run": "echo {{ steps.a.exit_code }} {% if not steps.a.ok %}bad{% endif %}"}]);
    let on = done(json!({}), on, &[]).await;
    assert_eq!((on.told(), on.stdout().as_str()), ((Phase::Succeeded, ""), "3 bad\n"));
    assert_eq!(on.outcome.exit_code, Some(0));

    let dir = tempfile::tempdir().unwrap();
    let inputs = json!({"file": dir.path().join("n")});
    let count = "n=$(cat {{ inputs.file }} 2>/dev/null || echo 0); n=$((n+1)); echo $n > {{ inputs.file }}; echo $n";
    let retry = |until: &str, limit: u32| json!([{"name": "a", "run": count, "retry": {"until": until, "every": "10ms", "limit": limit}}]);
    let reached = done(inputs.clone(), retry("result.stdout == '3'", 10), &[]).await;
    assert_eq!((reached.told(), reached.outcome.steps[0].attempts), ((Phase::Succeeded, ""), 3));
    let never = done(inputs, retry("result.exit_code == 5", 2), &[]).await;
    assert_eq!(never.told(), (Phase::Failed, "step `a`: `until` was not true after 2 attempts (exit code 0)"));
    assert!(!never.outcome.check_failed);
}

/// What stood far from the end of much output was not seen, so that checks for what must not be there held.
#[tokio::test]
async fn checks_see_all_of_a_long_stream() {
    let script = "printf 'panic: \\303\\244\\n'; yes 0123456789 | head -c 300000; echo; yes ab | head -c 99999; echo end";
    for (check, holds) in [
        (json!({"notContains": "panic"}), false),
        (json!({"notMatches": "^panic"}), false),
        (json!({"notMatches": "(?m)^panic: \u{e4}$"}), false),
        (json!({"notContains": "no such text", "notMatches": "^[^p]"}), true),
        (json!({"contains": "panic", "matches": "(?m)^end"}), true),
        (json!({"matches": "ab\nend$"}), true),
        (json!({"matches": "^end"}), false),
        (json!({"matches": "9\\n?$"}), false),
    ] {
        let done = done(json!({}), json!([{"name": "much", "run": script, "expect": {"stdout": check}}]), &[]).await;
        assert_eq!(done.outcome.phase == Phase::Succeeded, holds, "{check}: {:?}", done.told());
        assert_eq!(done.outcome.check_failed, !holds, "{check}");
    }
}

#[tokio::test]
async fn a_timeout_kills_all_of_the_group() {
    let begun = Instant::now();
    let script = "trap '' TERM; (trap '' TERM; sleep 60) >/dev/null 2>&1 & echo $!; sleep 60 & echo $!; echo $$; wait";
    let cut = done(json!({}), json!([{"name": "a", "run": script, "timeout": "200ms"}]), &[]).await;
    assert_eq!(cut.told(), (Phase::TimedOut, "step `a`: took longer than 200ms"));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let pids = cut.stdout();
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        assert!(ends(pid).await, "{pid} of {pids}");
    }

    let (mut long, _sender, _) = work(json!({}), json!([{"name": "a", "run": "sleep 60"}, {"name": "b", "run": "true"}]), &[], 1000);
    Arc::get_mut(&mut long.manifest).unwrap().timeout = Span::millis(200);
    let outcome = execute(long, &config()).await;
    assert_eq!((outcome.phase, outcome.reason.as_deref()), (Phase::TimedOut, Some("step `a`: all steps together took longer than 200ms")));
    assert_eq!(outcome.steps.len(), 1);

    let on = json!([{"name": "a", "run": "sleep 60", "timeout": "100ms", "continueOnFailure": true}, {"name": "b", "run": "true"}]);
    assert_eq!(done(json!({}), on, &[]).await.outcome.phase, Phase::Succeeded);
}

#[tokio::test]
async fn cancelling_kills_all_of_the_group() {
    for (why, phase) in [(Why::Cancelled, Phase::Cancelled), (Why::Stopped, Phase::Lost)] {
        let (work, sender, output) = work(json!({}), json!([{"name": "a", "run": "sleep 60 & echo $!; sleep 60"}, {"name": "b", "run": "true"}]), &[], 1000);
        let config = config();
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            sender.cancel(why);
            std::future::pending::<()>().await;
        };
        let outcome = tokio::select! {
            outcome = execute(work, &config) => outcome,
            () = cancel => unreachable!(),
        };
        assert_eq!((outcome.phase, outcome.steps.len()), (phase, 1));
        assert_eq!(outcome.reason.as_deref(), Some(why.reason()));
        let pid = String::from_utf8(output.finish().chunks[0].segments[0].bytes()).unwrap();
        assert!(ends(pid.trim()).await, "{pid}");
    }
}

#[tokio::test]
async fn a_script_that_heeds_its_end_is_not_waited_for() {
    // Its children become nobody's when it ends, and nobody may be there to take note of their end.
    let script = "sleep 60 & sleep 60 >/dev/null 2>&1 & wait";
    let (work, sender, _) = work(json!({}), json!([{"name": "a", "run": script, "timeout": "100ms"}]), &[], 1000);
    let patient = AgentConfig { kill_grace: Span::secs(3600), ..config() };
    let outcome = tokio::time::timeout(Duration::from_secs(60), execute(work, &patient)).await.expect("the grace is not used up");
    assert_eq!(outcome.phase, Phase::TimedOut);
    drop(sender);
}

#[tokio::test]
async fn after_the_grace_comes_the_end() {
    // It heeds nothing and holds the output: what it says while it is asked to end is the last that is heard.
    let script = "trap 'echo asked' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & while :; do sleep 0.05; done";
    let cut = done(json!({}), json!([{"name": "a", "run": script, "timeout": "300ms"}]), &[]).await;
    assert_eq!((cut.told().0, cut.stdout().as_str()), (Phase::TimedOut, "asked\n"));
    assert_eq!(cut.outcome.exit_code, None, "it was killed, and that was seen");
}

#[tokio::test]
async fn what_left_the_group_goes_with_a_script_that_is_killed() {
    // Out of the group, one with an environment of its own, one that does not heed SIGTERM; and one of a step before that ended.
    let left = "setsid sleep 300 >/dev/null 2>&1 & echo $!; setsid env -i sleep 300 >/dev/null 2>&1 & echo $!; \
                setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' >/dev/null 2>&1 & echo $!; echo ready; sleep 60";
    let before = json!({"name": "service", "run": "setsid sleep 300 >/dev/null 2>&1 & echo $!"});
    for (timeout, cancel) in [("500ms", false), ("50s", true)] {
        let (work, sender, output) = work(json!({}), json!([before.clone(), {"name": "a", "run": left, "timeout": timeout}]), &[], 1000);
        let config = config();
        let execution = execute(work, &config);
        let told = async {
            if cancel {
                tokio::time::sleep(Duration::from_millis(500)).await;
                sender.cancel(Why::Cancelled);
            }
            std::future::pending::<()>().await;
        };
        let outcome = tokio::select! {
            outcome = execution => outcome,
            () = told => unreachable!(),
        };
        assert_eq!(outcome.phase, if cancel { Phase::Cancelled } else { Phase::TimedOut });
        let bytes: Vec<u8> = output.finish().chunks.iter().flat_map(|c| &c.segments).flat_map(Segment::bytes).collect();
        let text = String::from_utf8(bytes).unwrap();
        let pids: Vec<&str> = text.lines().collect();
        assert_eq!((pids.len(), pids[4]), (5, "ready"), "{text}");
        for pid in &pids[1..4] {
            assert!(ends(pid).await, "{pid} of {text}");
        }
        assert!(alive(pids[0]), "what a step left that ended by itself stays");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pids[0].parse().unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

#[tokio::test]
async fn leftovers_that_hold_the_output_do_not_hold_the_task() {
    let begun = Instant::now();
    let left = sh("sleep 60 & echo $!").await;
    assert_eq!(left.told(), (Phase::Succeeded, ""));
    assert!(begun.elapsed() < Duration::from_secs(4) && ends(left.stdout().trim()).await);
    // One that let go of the output may stay.
    let begun = Instant::now();
    let stays = sh("sleep 3 >/dev/null 2>&1 & echo $!").await;
    assert!(begun.elapsed() < Duration::from_secs(2) && alive(stays.stdout().trim()));
}

#[tokio::test]
async fn secrets_stay_out_of_sight() {
    let secret = "correct horse 'battery'";
    let script = "grep -lz 'correct horse' /proc/[0-9]*/cmdline 2>/dev/null; echo {{ inputs.password }}; echo \"$SYNOD_INPUT_PASSWORD\" >&2; \
                  printf %s {{ inputs.password }} | cut -c1-13; printf 'correct '; sleep 0.1; printf 'horse %s\\n' \"'battery'\"; exit 1";
    let steps = json!([{"name": "a", "run": script, "continueOnFailure": true}, {"name": "b", "run": "[ {{ inputs.password }} = \"$SYNOD_INPUT_PASSWORD\" ] && echo same"},
        {"name": "c", "run": "true", "expect": {"stdout": {"contains": secret}}}]);
    let done = done(json!({}), steps, &[("password", secret)]).await;
    assert_eq!(done.stdout(), "***\ncorrect horse\n***\nsame\n");
    assert_eq!(done.text(Stream::Stderr), "***\n");
    assert_eq!(done.told().1, "step `c`: stdout does not contain `***`");
    assert!(!serde_json::to_string(&done.outcome).unwrap().contains("battery"));
}

#[tokio::test]
async fn other_accounts() {
    let (mut as_daemon, _sender, output) = work(json!({}), json!([{"name": "a", "run": "id -un; id -G; echo $HOME $USER"}]), &[], 1000);
    Arc::get_mut(&mut as_daemon.manifest).unwrap().run_as = Some("daemon".into());
    let outcome = execute(as_daemon, &config()).await;
    if nix::unistd::geteuid().is_root() {
        assert_eq!((outcome.phase, outcome.reason), (Phase::Succeeded, None));
        let text: Vec<u8> = output.finish().chunks.iter().flat_map(|c| &c.segments).flat_map(Segment::bytes).collect();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("daemon\n1\n") && text.ends_with(" daemon\n"), "{text}");
    } else {
        assert!(outcome.reason.unwrap().contains("only an agent that runs as root"));
    }
    let (refused, _sender, _) = work(json!({}), json!([{"name": "a", "run": "true"}]), &[], 1000);
    let config = AgentConfig { refuse_root: true, ..config() };
    if nix::unistd::geteuid().is_root() {
        let outcome = execute(refused, &config).await;
        assert!(outcome.phase == Phase::Failed && outcome.reason.unwrap().contains("refuse_root"));
    }
}
