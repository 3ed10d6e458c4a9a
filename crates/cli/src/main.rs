//! The `synod` program: reads the arguments, runs the command, turns its end into an exit code.

use clap::Parser as _;
use synod_cli::args::Cli;
use synod_cli::{cmd, diagnose, exit::Exit, output::Out};

/// From how many bytes on an allocation gets pages of its own, which go back to the system when it is freed.
#[cfg(target_env = "gnu")]
const OWN_PAGES: i32 = 1 << 20;

/// Left to itself, glibc raises that bound to the largest block that was ever freed, and then keeps such a block for every
/// thread: hashing a few passwords, 19 MiB each, would make a server hold 100 MiB for good.
#[cfg(target_env = "gnu")]
fn bound_memory() {
    // SAFETY: changes a number inside the allocator, before any other thread is there.
    #[allow(unsafe_code)]
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, OWN_PAGES);
    }
}

fn main() -> std::process::ExitCode {
    if let Some(exit) = synod_agent::exec_as::if_asked(std::env::args_os().skip(1)) {
        return exit;
    }
    #[cfg(target_env = "gnu")]
    bound_memory();
    let cli = Cli::parse();
    let out = Out::new(cli.globals.output);
    let mut builder = if cli.command.wants_threads() { tokio::runtime::Builder::new_multi_thread() } else { tokio::runtime::Builder::new_current_thread() };
    let ended = match builder.enable_all().build() {
        Ok(runtime) => runtime.block_on(cmd::dispatch(cli, &out)),
        Err(e) => Err(synod_cli::exit::Fault::new(Exit::Internal, format!("cannot start: {e}"))),
    };
    let exit = ended.unwrap_or_else(|fault| diagnose::report(&fault, &out));
    exit.into()
}
