//! Becoming another account with all its groups. The standard library sets a user and a group and drops the rest, and
//! groups can only be changed for all threads of a process at once. So this program starts itself anew, takes the
//! account's groups and ids there, where nothing else runs yet, and becomes the command.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::account::Ids;

/// The first argument of a program that is asked to become another one.
pub const WORD: &str = "internal-exec";
/// Before the name of each variable on its way through this program: still being root, its loader must not heed those
/// that a step sets (`LD_PRELOAD`).
const HIDDEN: &str = "_";

/// The command that becomes `program` with these ids, and with the variables that [`hidden`] makes.
pub fn command(helper: &Path, ids: &Ids, program: &str) -> Command {
    let groups: Vec<String> = ids.groups.iter().map(u32::to_string).collect();
    let mut command = Command::new(helper);
    command.args([WORD, &ids.uid.to_string(), &ids.gid.to_string(), &groups.join(","), program]);
    command
}

/// A variable's name on its way through.
pub fn hidden(name: &str) -> String {
    format!("{HIDDEN}{name}")
}

/// Becomes another program when the arguments (without the program's own name) ask for it. Called before anything else, by
/// a process with one thread; returns how to end when that fails, and nothing when nobody asked.
pub fn if_asked(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if args.next()? != WORD {
        return None;
    }
    eprintln!("the account cannot be taken: {}", become_it(args));
    // As a shell says it: found, but not to be executed.
    Some(ExitCode::from(126))
}

fn become_it(mut args: impl Iterator<Item = OsString>) -> String {
    let mut next = || args.next().and_then(|arg| arg.into_string().ok()).unwrap_or_default();
    let (uid, gid, groups, program) = (next(), next(), next(), next());
    let ids = (|| -> Option<Ids> {
        let groups = groups.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Ids { uid: uid.parse().ok()?, gid: gid.parse().ok()?, groups })
    })();
    let Some(ids) = ids else { return format!("this is called by the agent only, as {WORD} UID GID GID,… PROGRAM ARGUMENTS…") };
    let groups: Vec<Gid> = ids.groups.iter().copied().map(Gid::from_raw).collect();
    // Groups first: who has given up being root may not set them any more.
    if let Err(errno) = setgroups(&groups).and_then(|()| setgid(Gid::from_raw(ids.gid))).and_then(|()| setuid(Uid::from_raw(ids.uid))) {
        return errno.desc().to_owned();
    }
    let shown = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.as_bytes().strip_prefix(HIDDEN.as_bytes())?.to_owned();
        Some((OsStr::from_bytes(&name).to_owned(), value))
    });
    Command::new(program).args(args).env_clear().envs(shown.collect::<Vec<_>>()).exec().to_string()
}
