# What a contributor does with this tree; every step of .ci/run is one of these recipes.
#
# Needs Rust from rustup and a C compiler. Everything that is built goes to cargo's target folder.

set shell := ["bash", "-euo", "pipefail", "-c"]

target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
components := target / "wasm32-unknown-unknown/plugin"

# The packages that become components.
wasm := "-p coffer-plugin-aws-secrets-manager -p coffer-plugin-azure-key-vault -p coffer-plugin-filesystem -p coffer-plugin-gcp-secret-manager -p coffer-plugin-host -p coffer-plugin-kubernetes -p coffer-plugin-vault -p guests -p sensitive-data -p pantry"

# What a change has to pass: format-check, lint, test, docs
default: format-check lint test docs

# Build the plugins, the tests' guests, the examples' plugin and entry point, and put the example's bundle together
plugins:
    #!/usr/bin/env bash
    set -euo pipefail
    toolchain=$(plugins/toolchain.sh)
    eval "$toolchain"
    cargo build --profile plugin --target wasm32-unknown-unknown {{ wasm }}
    mkdir -p "{{ target }}/sensitive-data"
    cp examples/sensitive-data/bundle.json "{{ target }}/sensitive-data/bundle.json"
    cp "{{ components }}/sensitive_data.wasm" "{{ target }}/sensitive-data/installer.wasm"

# Build the plugins and the release binary, target/release/coffer
build: plugins
    cargo build --release -p coffer-cli

# Build the plugins and the release binary of the bridge, target/release/coffer-porter
build-porter: plugins
    cargo build --release -p coffer-porter

# Show the walk-through: what is refused, what is printed, what is kept and where. COFFER_BIN names another binary
demo: plugins
    #!/usr/bin/env bash
    set -euo pipefail
    if [ -z "${COFFER_BIN:-}" ]; then
        cargo build --release -p coffer-cli
        COFFER_BIN="{{ target }}/release/coffer"
    fi
    export COFFER_BIN
    examples/sensitive-data/demo.sh "{{ target }}/sensitive-data"

# Run all tests, or with `-p CRATE` those of one crate; arguments go to cargo test. Counts what hostile guests tried
test *arguments: plugins
    cargo build --quiet -p guest-artifacts
    cargo test {{ if arguments =~ '(^| )(-p|--package)' { "" } else { "--workspace --exclude guests" } }} {{ arguments }} \
        | "{{ target }}/debug/tally" {{ if arguments == "" { "--all" } else { "" } }}

# Fail every call to a file that a command makes, and kill as many processes as told, at moments from a seed
torture cycles="1000" seed="": plugins
    COFFER_TORTURE={{ cycles }} COFFER_SEED={{ if seed == "" { `date +%s` } else { seed } }} \
        cargo test --workspace --exclude guests --test e2e -- faults:: killed:: --nocapture

# Build the fuzzer as it is, without counters: that it builds is what this shows
fuzz-build:
    cargo build --locked --manifest-path tests/fuzz/Cargo.toml --target-dir "{{ target }}"

# Fuzz every target, or those that are named, for so many minutes in all
fuzz minutes *targets: plugins
    tests/fuzz/run.sh {{ minutes }} "{{ target }}" {{ targets }}

# Change decisions here and there and see a test fail: coffer-grants in 30 minutes, or `-p coffer-host -f FILE` in hours; needs cargo-mutants
mutants *arguments: plugins
    nice cargo mutants --output "{{ target }}" {{ if arguments =~ 'coffer-host' { "--in-place --cargo-test-arg=--test=sandbox" } else { "--package coffer-grants" } }} {{ arguments }}

# Change coffer-host here and there, all of it in one program, and see a test fail; takes as many minutes as told and half an hour before, goes on where it was, or with the FILES named
mutants-host minutes *files: plugins
    cargo build --locked --quiet --manifest-path tests/mutants/Cargo.toml --target-dir "{{ target }}"
    nice "{{ target }}/debug/mutants" "{{ justfile_directory() }}" "{{ target }}" {{ minutes }} {{ files }}

# Install the servers that the stores are tested against, start one of each, and stop them at the end of input
backends:
    cargo run --quiet -p backends

# Run the stores and the ledger against real servers, which are installed outside of the tree the first time; needs Go
test-backends *arguments: plugins
    cargo run --quiet -p backends -- install
    # As `just test` selects packages, so that nothing is built twice.
    cargo test --workspace --exclude guests --test stores --test ledgers --test registries {{ arguments }}

# Run the bridge with hosts of go-plugin, which are built outside of the tree the first time; needs Go
test-porter *arguments: plugins
    # As `just test` selects packages, so that nothing is built twice.
    cargo test --workspace --exclude guests --test porter {{ arguments }}

# Run Porter itself, whose program is named, with the stores `filesystem` and `vault`; needs Go for the servers
test-porter-whole porter *arguments: plugins
    cargo run --quiet -p backends -- install
    cargo build --workspace --exclude guests --bins
    COFFER_TEST_PORTER={{ porter }} cargo test --workspace --exclude guests --test porter-whole {{ arguments }}

# Run clippy on everything, as what it is built for
lint:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo clippy --workspace --exclude guests --all-targets -- -D warnings
    # What `just test` leaves out is no part of `--all-targets`.
    cargo clippy --workspace --exclude guests --test porter --test porter-whole --test stores --test ledgers --test registries -- -D warnings
    toolchain=$(plugins/toolchain.sh)
    eval "$toolchain"
    if [ -z "${RUSTC:-}" ]; then
        cargo clippy --profile plugin --target wasm32-unknown-unknown -p coffer-plugin {{ wasm }} -- -D warnings
    else
        # rustup's clippy cannot read the library that another compiler built.
        echo "lint: this toolchain has no clippy for wasm; the guests are looked at as native programs" >&2
        unset RUSTC
        cargo clippy -p guests --bins -- -D warnings
    fi

# Measure calls and commands beside what does the same by hand and what a user would pick instead, into docs/performance.md; ends with an error if a row misses. Uses Go if it is there
bench: plugins
    cargo build --release -p coffer-cli -p bench
    "{{ target }}/release/bench" all "{{ target }}/release/coffer" "{{ components }}" "{{ justfile_directory() }}"

# Count the instructions of commands of the release binary against those that are known; needs valgrind
counts: build
    tests/bench/counts.sh "{{ target }}/release/coffer"

# Measure `porter install` with coffer's files and with Porter's own, with the release binaries; Porter's program is named
bench-porter porter: build build-porter
    mkdir -p "{{ target }}/bench"
    rustc --edition 2024 -O -o "{{ target }}/bench/porter_install" host/coffer-cli/benches/porter_install.rs
    PORTER={{ porter }} FERRETDB=$(cargo run --quiet -p backends -- install | sed -n 's/^ferretdb [^:]*: //p') \
        COFFER_BIN="{{ target }}/release/coffer" "{{ target }}/bench/porter_install"

# Format the tree
format:
    cargo fmt --all

# Check that the tree is formatted
format-check:
    cargo fmt --all --check

# Build the documentation; a broken link is an error
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --exclude guests --exclude sensitive-data

# Check licences, duplicates and sources of the dependencies; needs cargo-deny, and no network once they are fetched
deny:
    cargo fetch --locked --quiet
    cargo deny --offline check bans licenses sources

# Check the dependencies against known holes; needs cargo-deny and the network
deny-advisories:
    cargo deny check advisories

# Check the contract in wit/: it resolves, is documented, and agrees with what was published
wit:
    cargo test -p architecture contract
