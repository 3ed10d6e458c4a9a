//! The step kind `run`: a shell script in a process group of its own.
//!
//! The script reaches the shell through its environment, so that no other user sees it (or a secret
//! in it) in the list of processes.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use synod_domain::task::Stream;
use synod_worker::{Cancel, Clock, OutputSink, Why};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::{Instant, sleep, sleep_until};

use crate::account::Account;
use crate::mask::{MaskStream, Masker};

/// Read on one line with the script's first line, so that the shell's line numbers are right.
const SHELL: &str = r#"eval "unset SYNOD_SCRIPT;$SYNOD_SCRIPT""#;
const SCRIPT: &str = "SYNOD_SCRIPT";
/// The kernel takes no longer environment string (MAX_ARG_STRLEN).
pub(super) const LONGEST_STRING: usize = 128 * 1024;
/// How much of each stream later steps and checks see, counted from the end.
pub(super) const CAPTURE: usize = 64 * 1024;
/// How long processes that outlive their script may keep its output open.
const LEFTOVERS: Duration = Duration::from_secs(2);
/// How long to read on after SIGKILL.
const LAST_READ: Duration = Duration::from_millis(500);
const READ: usize = 16 * 1024;

/// What a script is run with.
pub(super) struct Surroundings<'a> {
    pub(super) step: u32,
    pub(super) account: &'a Account,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) masker: &'a Masker,
    pub(super) output: &'a OutputSink,
    pub(super) clock: &'a Clock,
    pub(super) deadline: Instant,
    pub(super) kill_grace: Duration,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exited,
    TimedOut,
    Told(Why),
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) end: End,
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs a script to its end, or to the end it is given. Fails when it cannot be started.
pub(super) async fn run(script: &str, with: &Surroundings<'_>, cancel: &mut Cancel) -> Result<Attempt, String> {
    if script.contains('\0') {
        return Err("the script contains a NUL character".into());
    }
    if script.len() + SCRIPT.len() + 2 > LONGEST_STRING {
        return Err(format!("with its values filled in, the script has {} bytes; {LONGEST_STRING} is the most", script.len()));
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SHELL]).env_clear().envs(with.env).env(SCRIPT, script).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    if let Some((uid, gid)) = with.account.become_ids {
        // The standard library drops all supplementary groups when root sets a uid.
        command.uid(uid).gid(gid);
    }
    let mut child = command.spawn().map_err(|e| why_not(&e))?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let mut stdout = Reader::new(child.stdout.take(), Stream::Stdout, with);
    let mut stderr = Reader::new(child.stderr.take(), Stream::Stderr, with);

    let mut end = End::Exited;
    let mut stage = Stage::Running;
    let mut until = with.deadline;
    let mut status: Option<ExitStatus> = None;
    while status.is_none() || stdout.open() || stderr.open() {
        tokio::select! {
            () = stdout.read() => {}
            () = stderr.read() => {}
            done = child.wait(), if status.is_none() => {
                status = Some(done.map_err(|e| format!("the shell cannot be waited for: {e}"))?);
                if stage == Stage::Running {
                    (stage, until) = (Stage::Leftovers, Instant::now() + LEFTOVERS);
                }
            }
            why = cancel.cancelled(), if stage == Stage::Running => {
                end = End::Told(why);
                group.signal(Signal::SIGTERM);
                (stage, until) = (Stage::Ending, Instant::now() + with.kill_grace);
            }
            () = sleep_until(until) => match stage {
                Stage::Running => {
                    end = End::TimedOut;
                    group.signal(Signal::SIGTERM);
                    (stage, until) = (Stage::Ending, Instant::now() + with.kill_grace);
                }
                Stage::Ending | Stage::Leftovers => {
                    group.signal(Signal::SIGKILL);
                    (stage, until) = (Stage::Killed, Instant::now() + LAST_READ);
                }
                // What still holds the output has left the group.
                Stage::Killed => break,
            },
        }
    }
    if stage == Stage::Ending {
        // The script ended and closed its output, but others of its group may live on.
        while group.alive() && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        group.signal(Signal::SIGKILL);
    }
    group.release();
    Ok(Attempt {
        end,
        exit_code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        stdout: stdout.finish(),
        stderr: stderr.finish(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The script runs.
    Running,
    /// It was asked to end.
    Ending,
    /// It has ended, others keep its output open.
    Leftovers,
    /// All of the group were killed.
    Killed,
}

fn why_not(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::E2BIG) => "script, inputs and environment together are more than the kernel passes to a process".into(),
        _ => format!("the shell cannot be started: {error}"),
    }
}

/// A process group that is killed when the task is given up.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is gone already is as wanted.
            let _ = killpg(group, signal);
        }
    }

    fn alive(&self) -> bool {
        self.0.is_some_and(|group| killpg(group, None).is_ok())
    }

    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Reads one stream: masked, to the task's output and into what later steps see.
struct Reader<'a, R> {
    source: Option<R>,
    stream: Stream,
    with: &'a Surroundings<'a>,
    mask: MaskStream,
    buffer: Vec<u8>,
    captured: Vec<u8>,
}

impl<'a, R: AsyncRead + Unpin> Reader<'a, R> {
    fn new(source: Option<R>, stream: Stream, with: &'a Surroundings<'a>) -> Self {
        Self { source, stream, with, mask: with.masker.stream(), buffer: vec![0; READ], captured: Vec::new() }
    }

    fn open(&self) -> bool {
        self.source.is_some()
    }

    /// Reads once; waits forever when the stream has ended.
    async fn read(&mut self) {
        let Some(source) = &mut self.source else { return std::future::pending().await };
        match source.read(&mut self.buffer).await {
            Ok(n) if n > 0 => {
                let shown = self.mask.feed(&self.buffer[..n]);
                self.keep(&shown);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => self.source = None,
        }
    }

    fn keep(&mut self, shown: &[u8]) {
        if shown.is_empty() {
            return;
        }
        self.with.output.write(self.with.step, self.stream, self.with.clock.now(), shown);
        self.captured.extend_from_slice(shown);
        if self.captured.len() > 2 * CAPTURE {
            self.captured.drain(..self.captured.len() - CAPTURE);
        }
    }

    fn finish(mut self) -> String {
        let rest = self.mask.end();
        self.keep(&rest);
        let start = self.captured.len().saturating_sub(CAPTURE);
        let text = String::from_utf8_lossy(&self.captured[start..]);
        text.trim_end_matches(['\n', '\r']).to_owned()
    }
}
