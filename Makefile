# `make demo` shows the main job; `make test` passes every test. Both need a Rust toolchain and a C compiler; tests and releases
# need Node.js as well, for the web console, without which the demo does.

SHELL := /bin/sh
TARGET := $(or $(CARGO_TARGET_DIR),target)
RUST_MINOR := $(shell sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)

.PHONY: build demo test ci bench bench-console tidy codegen fmt console screenshots clean need-cargo need-cc need-postgres need-browser

build: need-cargo need-cc console ## The release binary: target/release/synod
	cargo build --locked --release -p synod-cli

demo: need-cargo need-cc ## A server, three agents and demo users on this machine
	@scripts/console.sh demo
	cargo build --locked -p synod-cli
	$(TARGET)/debug/synod demo

test: need-cargo need-cc need-postgres need-browser console ## Every test; starts (and if needed installs) what it needs itself
	cargo build --locked --workspace
	$(TARGET)/debug/synod demo --walk
	SYNOD_BIN=$(abspath $(TARGET))/debug/synod scripts/console.sh test
	scripts/with-postgres.sh scripts/test.sh

console: ## The web console, for the server to embed: web/dist
	@scripts/console.sh build

screenshots: need-cargo need-cc need-browser console ## Pictures of every screen, of a phone and a desk, light and dark: web/screenshots
	cargo build --locked -p synod-cli
	SYNOD_BIN=$(abspath $(TARGET))/debug/synod scripts/console.sh screenshots

tidy: need-cargo ## The rules of the house
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo xtask tidy
	cargo xtask codegen --check
	scripts/console.sh check

codegen: need-cargo ## Writes openapi.json, docs/errors.md and the console's types of the API
	cargo xtask codegen
	cd web && npm run --silent codegen

fmt: need-cargo
	cargo fmt --all
	cd web && npx --no-install prettier --write --log-level=warn .

ci: ## What runs for every change
	.ci/run

bench: need-cargo need-cc build ## The figures of bench/RESULTS.md
	cargo build --locked --release -p synod-bench
	scripts/with-postgres.sh $(TARGET)/release/synod-bench --synod $(TARGET)/release/synod

bench-console: need-cargo need-cc need-browser build ## How quick the console is in a browser, and how it scrolls 10,000 nodes
	cargo build --locked --release -p synod-bench
	SYNOD_BIN=$(abspath $(TARGET))/release/synod SYNOD_BENCH_BIN=$(abspath $(TARGET))/release/synod-bench scripts/console.sh bench

clean:
	cargo clean

need-cargo:
	@cargo --version 2>/dev/null | awk -F '[ .]' '$$3 >= $(RUST_MINOR) { ok = 1 } END { exit !ok }' \
		|| { echo "A Rust toolchain (1.$(RUST_MINOR) or newer) is needed: see https://rustup.rs" >&2; exit 1; }

need-cc:
	@command -v cc >/dev/null || { echo "A C compiler is needed: apt-get install build-essential" >&2; exit 1; }

# Before the long build, so that what is missing shows at once.
need-postgres:
	@scripts/with-postgres.sh true

need-browser:
	@scripts/console.sh need
