#!/usr/bin/env bash
# Fuzzes each target for its share of some minutes, and says how often each ran, what it reached and what it
# found.
#
#   tests/fuzz/run.sh MINUTES TARGET_FOLDER [TARGET..]
#
# What the fuzzer learns stays in TARGET_FOLDER/fuzz/corpus, and what it finds in TARGET_FOLDER/fuzz/found.
# Ours is compiled a second time, with counters, under settings of its own so that nothing else takes it for
# what it is not; everything else is what `just test` compiled. There is no address sanitizer: no crate of ours
# has unsafe code in what is fuzzed, and it would compile the engine once more. A panic, an overflow, a
# timeout of 20 s and more than 2 GB of memory are findings.
set -euo pipefail
cd "$(dirname "$0")"

minutes=$1
target=$2
shift 2
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls corpus)
seconds=$((minutes * 60 / ${#targets[@]}))
[ "$seconds" -ge 1 ] || seconds=1

settings=()
for crate in coffer-bundle coffer-grants coffer-host fuzz-targets serde-saphyr toml; do
    # One more than what the workspace compiles anything with, and so nobody else's.
    settings+=(--config "profile.dev.package.$crate.codegen-units=7"
        --config "profile.dev.package.$crate.opt-level=1")
done
RUSTC_WRAPPER=$PWD/instrument.sh cargo build --locked --manifest-path Cargo.toml --target-dir "$target" \
    "${settings[@]}" >&2
mkdir -p "$target/fuzz"
# The next ordinary build puts another program there.
cp "$target/debug/fuzz" "$target/fuzz/fuzz"

found=0
printf '%-10s %8s %10s %8s %8s  %s\n' target seconds runs runs/s coverage found
for name in "${targets[@]}"; do
    learnt=$target/fuzz/corpus/$name
    finds=$target/fuzz/found/$name
    log=$target/fuzz/$name.log
    mkdir -p "$learnt" "$finds"
    begun=$SECONDS
    COFFER_FUZZ_TARGET=$name "$target/fuzz/fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=20 \
        -print_final_stats=1 -artifact_prefix="$finds/" "$learnt" "corpus/$name" >"$log" 2>&1 || found=1
    stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    took=$((SECONDS - begun))
    runs=$(stat number_of_executed_units)
    printf '%-10s %8s %10s %8s %8s  %s\n' "$name" "$took" "${runs:-?}" \
        "$((${runs:-0} / (took > 0 ? took : 1)))" "${coverage:-?}" "$(ls "$finds" | tr '\n' ' ')"
done
[ "$found" = 0 ] || {
    echo "fuzz: something was found; the input is below $target/fuzz/found and what it did in $target/fuzz/*.log" >&2
    exit 1
}
