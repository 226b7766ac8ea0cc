#!/bin/sh
# rustc for `just fuzz`: what a target reaches of ours, and the readers of files, count which branches were
# taken, which is what the fuzzer goes by. The engine and the rest are taken as they were compiled for the
# workspace.
rustc=$1
shift
case " $* " in
*" --crate-name coffer_grants "* | *" --crate-name coffer_host "* | *" --crate-name coffer_bundle "* | \
*" --crate-name fuzz_targets "* | *" --crate-name serde_saphyr "* | *" --crate-name toml "*)
    exec "$rustc" "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$rustc" "$@" ;;
esac
