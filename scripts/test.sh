#!/bin/sh
# Runs the Rust tests: by cargo-nextest where it is installed, else by cargo itself.
set -eu
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --locked --workspace --no-fail-fast "$@"
fi
exec cargo test --locked --workspace --no-fail-fast "$@"
