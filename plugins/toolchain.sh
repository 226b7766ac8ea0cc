#!/bin/sh
# Finds, or makes, a way to compile Rust to components of wasm32-unknown-unknown.
#
#   eval "$(plugins/toolchain.sh)"        then plain `cargo build --target wasm32-unknown-unknown`
#
# Tried in this order:
#   rustup   the target of the toolchain in use, added by rustup if it is not there yet
#   debian   Debian's rustc-web and rust-web-src, with the standard library built once into a sysroot
#            in the user's cache (about a minute, 90 MB); for machines that reach Debian's packages
#            but not rustup's server
#
# COFFER_WASM_TOOLCHAIN=rustup|debian skips the other. Standard output is shell code for eval and
# nothing else; what was found is said on standard error.
set -eu

target=wasm32-unknown-unknown
wanted=${COFFER_WASM_TOOLCHAIN:-}

say() { printf 'plugin toolchain: %s\n' "$*" >&2; }

# wasm-component-ld and the linker it calls come with every rustup toolchain, beside rustc's own tools.
tools() {
    sysroot=$(rustc --print sysroot)
    host=$(rustc -vV | sed -n 's/^host: //p')
    printf '%s/lib/rustlib/%s/bin' "$sysroot" "$host"
}

from_rustup() {
    if [ ! -d "$(rustc --print target-libdir --target "$target" 2>/dev/null)" ]; then
        command -v rustup >/dev/null 2>&1 || return 1
        say "adding the target $target to the rustup toolchain"
        # RUSTUP_MAX_RETRIES: a machine that cannot reach the server should find out in seconds.
        RUSTUP_MAX_RETRIES=1 rustup target add "$target" >/dev/null 2>&1 || return 1
    fi
    say "rustup's $target, $(rustc --version)"
}

install_debian() {
    [ -x /usr/bin/rustc ] && [ -d /usr/lib/rustlib/src/rust/library ] && return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
    say "installing Debian's rustc-web and rust-web-src"
    apt-get update >/dev/null 2>&1 || true
    apt-get install -y --no-install-recommends rustc-web rust-web-src >/dev/null 2>&1
}

from_debian() {
    tools=$(tools)
    [ -x "$tools/wasm-component-ld" ] || return 1
    install_debian || return 1
    compiler=/usr/bin/rustc
    # The compiler's whole version is part of the name: a sysroot fits one compiler exactly.
    version=$("$compiler" -vV | sed -n -e 's/^release: //p' -e 's/^commit-hash: \(.........\).*/\1/p' | tr '\n' '-')
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/coffer/wasm-sysroot-${version%-}
    lib=$cache/lib/rustlib/$target/lib
    if [ ! -d "$lib" ]; then
        say "building the standard library for $target once, into $cache"
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        mkdir -p "$work/src" "$work/out"
        : >"$work/src/lib.rs"
        printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
        # RUSTC_BOOTSTRAP lets a stable compiler take -Zbuild-std, which builds the library from
        # source; embed-bitcode lets plugins use link-time optimisation with it.
        (cd "$work" && RUSTC="$compiler" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Cembed-bitcode=yes" \
            CARGO_TARGET_DIR="$work/target" cargo build --quiet --release --target "$target" \
            -Zbuild-std=std,panic_abort) >&2 || return 1
        cp "$work/target/$target/release/deps/"*.rlib "$work/out/"
        rm -f "$work/out/libempty"*
        # Moved into place as a whole, so that an interrupted build leaves nothing that looks done.
        mkdir -p "$(dirname "$lib")"
        mv "$work/out" "$lib"
    fi
    printf 'export RUSTC=%s\n' "$compiler"
    printf 'export PATH="%s:%s/gcc-ld:$PATH"\n' "$tools" "$tools"
    printf 'export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--sysroot %s"\n' "$cache"
    say "Debian's $("$compiler" --version) with a sysroot in $cache"
}

command -v rustc >/dev/null 2>&1 || {
    say "no rustc on PATH; install Rust with rustup (rustup.rs) and run this again"
    exit 1
}
case $wanted in
'') from_rustup || from_debian ;;
rustup) from_rustup ;;
debian) from_debian ;;
*) say "COFFER_WASM_TOOLCHAIN is '$wanted'; it takes 'rustup' or 'debian'" && exit 1 ;;
esac || {
    say "no way found to compile for $target. Do one of these and run this again:"
    say "  rustup target add $target                            (needs rustup's server)"
    say "  apt-get install rustc-web rust-web-src                (Debian 12 with its security suite, as root)"
    exit 1
}
