#!/bin/sh
# Fuzzes the readers and judges of crates/trust for SECONDS each (60 by default): scripts/fuzz.sh [SECONDS] [TARGET…]
# Needs a C++ compiler for libFuzzer; the stable toolchain is enough. It begins with what `seeds` writes and with what
# crates/trust/fuzz/corpus kept of earlier runs; new inputs stay in the target folder, what broke in crates/trust/fuzz/artifacts.
# To keep new ones: run the target with `-merge=1 -max_len=6000 NEW FOUND…` and pack the files of NEW as corpus/TARGET.tar.gz (tar --format=ustar);
# a test in crates/trust/src/fuzzing.rs replays what is kept.
set -eu
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- judge sshsig webauthn note
cd "$(dirname "$0")/../crates/trust/fuzz"
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}/fuzz

# What cargo-fuzz passes, less the sanitizer, which only nightly has. With --target, build scripts are left alone.
RUSTFLAGS="--cfg fuzzing -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
-C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
-C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1" \
    cargo build --locked --release --target "$host" --target-dir "$target" --bins
"$target/$host/release/seeds" "$target/seeds"
for name in "$@"; do
    echo "== $name, $seconds seconds"
    mkdir -p "artifacts/$name" "$target/found/$name" "$target/corpus/$name"
    if [ -f "corpus/$name.tar.gz" ]; then
        tar -xzf "corpus/$name.tar.gz" -C "$target/corpus/$name"
    fi
    "$target/$host/release/$name" -max_total_time="$seconds" -timeout=10 -max_len=32768 -print_final_stats=1 \
        -artifact_prefix="artifacts/$name/" "$target/found/$name" "$target/corpus/$name" "$target/seeds/$name"
done
