#!/usr/bin/env bash
# Counts the instructions of commands of a release binary and holds them against `counts`, which has so many
# thousands for each: 10 % more is an error, and 10 % less a reason to write the new number there. Instructions do not
# depend on what else a machine does, as times do. Needs valgrind.
set -euo pipefail
coffer=$(realpath "$1")
counts=$(dirname "$(realpath "$0")")/counts
command -v valgrind >/dev/null || { echo "counts: valgrind is not there; apt-get install valgrind" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export COFFER_HOME=$work/home
mkdir "$COFFER_HOME"
echo 'default-secrets-plugin: filesystem' >"$COFFER_HOME/config.yaml"
printf 'a value of usual length' >"$work/value"

count() {
    valgrind --tool=callgrind --callgrind-out-file="$work/out" "$coffer" "$@" 2>"$work/said" >/dev/null
    sed -n 's/,//g; s/.*I *refs: *//p' "$work/said"
}

# The processor that valgrind shows has fewer features, so code is compiled for it; the second time it is there.
count secrets put benchmark "@$work/value" >/dev/null
failed=0
while read -r most command; do
    # shellcheck disable=SC2086
    found=$(($(count $command) / 1000))
    echo "$command: $found thousand instructions, $most are known"
    if [ $((found * 10)) -gt $((most * 11)) ]; then
        failed=1
    fi
done <"$counts"
exit $failed
