//! The `synod` program: reads the arguments, runs the command, turns its end into an exit code.

use clap::Parser as _;
use synod_cli::args::Cli;
use synod_cli::{cmd, diagnose, exit::Exit, output::Out};

fn main() -> std::process::ExitCode {
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
