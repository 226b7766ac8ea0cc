#!/bin/sh
# The walk-through: installs the bundle `sensitive-data` the way an operator would, and looks after every
# step at what was printed and what was kept. It ends with an error as soon as something does not hold.
#
#   COFFER_BIN=target/release/coffer examples/sensitive-data/demo.sh target/sensitive-data
#
# `just demo` builds both. Everything happens in a temporary directory that is gone at the end.
set -eu

bundle=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
COFFER_HOME=$work/home
export COFFER_HOME
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')

heading() { printf '\n== %s\n\n' "$*"; }

fail() {
    printf '\nthe walk-through failed: %s\n' "$*" >&2
    exit 1
}

# Runs coffer with the words after the first, and shows the command and what it says. The first word is
# what goes to its standard input, where a secret is seen by nobody else. The exit code is in $code.
coffer() {
    input=$1
    shift
    if [ -n "$input" ]; then
        printf "$ printf %%s \"\$password\" | coffer %s\n" "$*"
    else
        printf '$ coffer %s\n' "$*"
    fi
    code=0
    printf '%s' "$input" | "$COFFER_BIN" "$@" >"$work/stdout" 2>"$work/stderr" || code=$?
    cat "$work/stdout" "$work/stderr"
    if grep -qF "$password" "$work/stdout" "$work/stderr"; then
        fail "the password was printed"
    fi
}

succeeded() { [ "$code" = 0 ] || fail "the command ended with $code"; }

# Standard output is exactly what is on standard input.
printed() {
    cat >"$work/expected"
    cmp -s "$work/expected" "$work/stdout" || {
        printf '\nexpected on standard output:\n' >&2
        cat "$work/expected" >&2
        fail "something else was printed"
    }
}

said() { grep -qF "$1" "$work/stderr" || fail "this was not said: $1"; }

# No file but those under secrets/ has the password.
only_in_store() {
    if grep -rlF --exclude-dir=secrets "$password" "$COFFER_HOME" >"$work/found"; then
        fail "the password is in $(cat "$work/found")"
    fi
}

stored() { find "$COFFER_HOME/secrets" -type f 2>/dev/null | sort; }

heading "1. The default plugin cannot keep secrets, so the bundle does not run"
coffer "$password" install --bundle "$bundle" --param password=-
[ "$code" != 0 ] || fail "it was not refused"
said "the default secrets plugin, secrets.porter.host, does not support persisting secrets: not implemented"
said 'default-secrets-plugin: "filesystem"'
printed </dev/null
[ -z "$(stored)" ] || fail "a secret was written"

heading "2. With the line that it asks for, the same command succeeds"
mkdir -p "$COFFER_HOME"
line='default-secrets-plugin: "filesystem"'
printf '%s\n' "$line" >"$COFFER_HOME/config.yaml"
printf "$ echo '%s' > %s\n" "$line" "\$COFFER_HOME/config.yaml"
coffer "$password" install --bundle "$bundle" --param password=-
succeeded
printed <<'END'
executing install action from sensitive-data (installation: /sensitive-data)
Install Hello World
Hello, installing example-bundle with password: *******
execution completed successfully!
END
only_in_store

heading "3. The ledger holds references only"
coffer "" ledger dump
succeeded
grep -qF password "$work/stdout" || fail "the ledger does not mention the parameter"
only_in_store

heading "4. The values are files under secrets/, which only their owner can read"
printf '$ ls -l %s\n' "\$COFFER_HOME/secrets"
ls -l "$COFFER_HOME/secrets"
[ -n "$(stored)" ] || fail "nothing was stored"
grep -rqF "$password" "$COFFER_HOME/secrets" || fail "the password was not stored"
[ -z "$(find "$COFFER_HOME/secrets" -type f ! -perm 0600)" ] || fail "somebody else can read a secret"
[ -z "$(find "$COFFER_HOME/secrets" -type d ! -perm 0700)" ] || fail "somebody else can look into secrets/"

heading "5. Upgrade is given the name that install left, which is sensitive and stays masked"
coffer "" upgrade --bundle "$bundle"
succeeded
printed <<'END'
executing upgrade action from sensitive-data (installation: /sensitive-data)
World 2.0
Hello, upgrading *******
execution completed successfully!
END
only_in_store

heading "6. Uninstall with --delete leaves no secret behind"
coffer "" uninstall --bundle "$bundle" --delete
succeeded
printed <<'END'
executing uninstall action from sensitive-data (installation: /sensitive-data)
Uninstall Hello World
Goodbye, *******
execution completed successfully!
END
printf '$ find %s -type f\n' "\$COFFER_HOME/secrets"
[ -z "$(stored)" ] || fail "these secrets are left: $(stored)"
only_in_store

heading "Everything held"
