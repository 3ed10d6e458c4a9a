//! The step kind `run`: a shell script in a process group of its own.
//!
//! The script reaches the shell through its environment, so that no other user sees it (or a secret
//! in it) in the list of processes.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use synod_domain::check::{Looker, Piece};
use synod_domain::task::Stream;
use synod_worker::{Cancel, Clock, OutputSink, Why};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::{Instant, sleep, sleep_until};

use super::strays::Strays;
use crate::account::Account;
use crate::exec_as;
use crate::mask::{MaskStream, Masker};

/// Read on one line with the script's first line, so that the shell's line numbers are right.
const SHELL: &str = r#"eval "unset SYNOD_SCRIPT;$SYNOD_SCRIPT""#;
const SCRIPT: &str = "SYNOD_SCRIPT";
/// The kernel takes no longer environment string (MAX_ARG_STRLEN): name, value, `=`, NUL, and what hides it on its way.
pub(super) const LONGEST_STRING: usize = 128 * 1024;
/// How much of each stream later steps see, counted from the end. Checks see all of it; a match may be as long as this.
pub(super) const CAPTURE: usize = 64 * 1024;
/// How long processes that outlive their script may keep its output open.
const LEFTOVERS: Duration = Duration::from_secs(2);
/// How long to read on after SIGKILL.
const LAST_READ: Duration = Duration::from_millis(500);
/// So often processes that left the group are looked for, each time after those found were killed.
const ROUNDS: u32 = 50;
const READ: usize = 16 * 1024;

/// What a script is run with.
pub(super) struct Surroundings<'a> {
    pub(super) step: u32,
    /// What all processes of this attempt carry.
    pub(super) mark: &'a str,
    pub(super) exec_helper: Option<&'a Path>,
    pub(super) account: &'a Account,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) masker: &'a Masker,
    pub(super) output: &'a OutputSink,
    pub(super) clock: &'a Clock,
    pub(super) deadline: Instant,
    pub(super) kill_grace: Duration,
    /// What is looked for in standard output and standard error.
    pub(super) looked_for: [Looker; 2],
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
    /// What was found in standard output and standard error.
    pub(super) found: [Looker; 2],
}

/// Runs a script to its end, or to the end it is given. Fails when it cannot be started.
pub(super) async fn run(script: &str, with: &Surroundings<'_>, cancel: &mut Cancel) -> Result<Attempt, String> {
    if script.contains('\0') {
        return Err("the script contains a NUL character".into());
    }
    if script.len() + SCRIPT.len() + 3 > LONGEST_STRING {
        return Err(format!("with its values filled in, the script has {} bytes; {LONGEST_STRING} is the most", script.len()));
    }
    let mut command = shell(script, with);
    let mut child = command.spawn().map_err(|e| why_not(&e))?;
    let mut group = Group::of(child.id(), with.mark);
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
                group.ask_to_end();
                (stage, until) = (Stage::Ending, Instant::now() + with.kill_grace);
            }
            () = sleep_until(until) => match stage {
                Stage::Running => {
                    end = End::TimedOut;
                    group.ask_to_end();
                    (stage, until) = (Stage::Ending, Instant::now() + with.kill_grace);
                }
                Stage::Ending | Stage::Leftovers => {
                    group.kill(stage == Stage::Ending).await;
                    (stage, until) = (Stage::Killed, Instant::now() + LAST_READ);
                }
                // What still holds the output has left the group, after a normal end.
                Stage::Killed => break,
            },
        }
    }
    if stage == Stage::Ending {
        // The script ended and closed its output, but others of its own may live on.
        while group.alive() && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        group.kill(true).await;
    }
    group.release();
    let ((stdout, out), (stderr, err)) = (stdout.finish(), stderr.finish());
    Ok(Attempt {
        end,
        exit_code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        stdout,
        stderr,
        found: [out, err],
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

/// The shell, in a group of its own, as the account the steps run as.
fn shell(script: &str, with: &Surroundings<'_>) -> Command {
    let variables = with.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([(SCRIPT, script)]);
    let mut command = match (&with.account.become_ids, with.exec_helper) {
        (Some(ids), Some(helper)) if ids.has_more_groups() => {
            let mut command = exec_as::command(helper, ids, "/bin/sh");
            command.env_clear().envs(variables.map(|(name, value)| (exec_as::hidden(name), value)));
            Command::from(command)
        }
        (ids, _) => {
            let mut command = Command::new("/bin/sh");
            command.env_clear().envs(variables);
            if let Some(ids) = ids {
                // The standard library drops all supplementary groups when root sets a uid.
                command.uid(ids.uid).gid(ids.gid);
            }
            command
        }
    };
    command.args(["-c", SHELL]).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn why_not(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::E2BIG) => "script, inputs and environment together are more than the kernel passes to a process".into(),
        _ => format!("the shell cannot be started: {error}"),
    }
}

/// A script's process group, and what left it; killed when the task is given up.
struct Group {
    leader: Option<Pid>,
    strays: Strays,
}

impl Group {
    fn of(leader: Option<u32>, mark: &str) -> Self {
        let leader = leader.and_then(|id| i32::try_from(id).ok());
        Self { leader: leader.map(Pid::from_raw), strays: Strays::of(mark, leader.unwrap_or_default()) }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.leader {
            // A group that is gone already is as wanted.
            let _ = killpg(group, signal);
        }
    }

    fn ask_to_end(&mut self) {
        // Strays first: as long as the script lives, its descendants are known.
        self.strays.signal(Signal::SIGTERM);
        self.signal(Signal::SIGTERM);
    }

    /// Kills the group and, unless its script ended by itself, what left it.
    async fn kill(&mut self, with_strays: bool) {
        self.signal(Signal::SIGKILL);
        // One that was just making another is found in the next round.
        for _ in 0..ROUNDS {
            if !with_strays || !self.strays.signal(Signal::SIGKILL) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn alive(&mut self) -> bool {
        let may_be = self.leader.is_some_and(|group| killpg(group, None).is_ok());
        // Without `/proc`, dead processes that nobody took note of cannot be told from others.
        if Path::new("/proc/self/stat").exists() { self.strays.any_alive() } else { may_be }
    }

    fn release(mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.leader.is_some() {
            self.strays.signal(Signal::SIGKILL);
            self.signal(Signal::SIGKILL);
        }
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
    /// Whether something came before what is captured.
    cut: bool,
    looker: Looker,
}

impl<'a, R: AsyncRead + Unpin> Reader<'a, R> {
    fn new(source: Option<R>, stream: Stream, with: &'a Surroundings<'a>) -> Self {
        let looker = with.looked_for[usize::from(stream == Stream::Stderr)].clone();
        Self { source, stream, with, mask: with.masker.stream(), buffer: vec![0; READ], captured: Vec::new(), cut: false, looker }
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
            self.look(false);
            // What goes on begins with a whole character, which was seen.
            let mut start = self.captured.len() - CAPTURE - 4;
            while start < self.captured.len() - CAPTURE - 1 && self.captured[start] & 0xc0 == 0x80 {
                start += 1;
            }
            self.captured.drain(..start);
            self.cut = true;
        }
    }

    fn look(&mut self, last: bool) {
        let text = String::from_utf8_lossy(&self.captured);
        let text = if last { text.trim_end_matches(['\n', '\r']) } else { &text };
        let seen = text.chars().next().filter(|_| self.cut).map_or(0, char::len_utf8);
        self.looker.look(Piece { text, seen, again: (!last).then_some(CAPTURE) });
    }

    fn finish(mut self) -> (String, Looker) {
        let rest = self.mask.end();
        self.keep(&rest);
        self.look(true);
        let start = self.captured.len().saturating_sub(CAPTURE);
        let text = String::from_utf8_lossy(&self.captured[start..]);
        (text.trim_end_matches(['\n', '\r']).to_owned(), self.looker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Ids;

    /// How a shell would be started for an account with these groups: the program, its arguments, its variables.
    fn started(helper: Option<&Path>, groups: &[u32]) -> (String, Vec<String>, Vec<String>) {
        let ids = Ids { uid: 33, gid: 33, groups: groups.to_vec() };
        let account = Account { name: "www".into(), home: "/".into(), become_ids: Some(ids) };
        let env = BTreeMap::from([("LD_PRELOAD".to_owned(), "/evil.so".to_owned())]);
        let (masker, output, clock) = (Masker::new(std::iter::empty()), OutputSink::new(10), Clock::system());
        let with = Surroundings {
            step: 0,
            mark: "m",
            exec_helper: helper,
            account: &account,
            env: &env,
            masker: &masker,
            output: &output,
            clock: &clock,
            deadline: Instant::now(),
            kill_grace: Duration::ZERO,
            looked_for: Default::default(),
        };
        let command = shell("true", &with);
        let command = command.as_std();
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        (text(command.get_program()), command.get_args().map(text).collect(), command.get_envs().map(|(name, _)| text(name)).collect())
    }

    #[test]
    fn more_groups_take_a_way_on_which_no_variable_counts() {
        let helper = Path::new("/proc/self/exe");
        let (program, args, env) = started(Some(helper), &[33, 4]);
        assert_eq!((program.as_str(), args[..6].join(" ").as_str()), ("/proc/self/exe", "internal-exec 33 33 33,4 /bin/sh -c"));
        assert_eq!(env, ["_LD_PRELOAD", "_SYNOD_SCRIPT"], "what is still root heeds none of the step's");
        for (helper, groups) in [(Some(helper), &[33][..]), (None, &[33, 4])] {
            let (program, args, env) = started(helper, groups);
            assert_eq!((program.as_str(), args[0].as_str(), env.len()), ("/bin/sh", "-c", 2));
        }
    }
}
