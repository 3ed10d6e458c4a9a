//! Chores of the house: `cargo xtask tidy` checks its rules, `cargo xtask codegen` writes what is generated.

mod codegen;
mod tidy;

use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::tidy(&root),
        ["codegen"] => codegen::write(&root),
        ["codegen", "--check"] => codegen::check(&root),
        _ => anyhow::bail!("usage: cargo xtask tidy | codegen [--check]"),
    }
}
