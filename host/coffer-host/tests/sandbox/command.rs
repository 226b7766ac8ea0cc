//! Commands: the granted argv and no other, without a shell, a terminal or the host's environment, and
//! never for longer than the call.

use crate::stage::{Stage, ask, contains, lacks, refused};
use coffer_host::limits::{COMMAND_OUTPUT_BYTES_MAX, Limits};
use coffer_host::{Blame, Store};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

guest_artifacts::foreach_command!(ran);

fn store(commands: &Value) -> Store {
    Stage::of("command_run").grants(json!({ "commands": commands })).open()
}

#[tokio::test]
async fn command_run() {
    let nothing = store(&json!([]));
    let text = refused(ask(&nothing, "echo|hello").await, "other", Blame::Operator);
    contains(&text, "no grant allows the command echo hello");
    contains(&text, "commands:\n        - [echo, hello]");

    let store = store(&json!([["echo", "*"], ["false"], ["no-such-program-anywhere"]]));
    assert_eq!(ask(&store, "echo|hello").await.unwrap(), "hello\n");
    assert_eq!(ask(&store, "echo|$HOME; $(id) `id` | *").await.err().map(|_| ()), Some(()));
    assert_eq!(
        ask(&store, "echo|$HOME; $(id) `id` > x *").await.unwrap(),
        "$HOME; $(id) `id` > x *\n"
    );
    assert_eq!(ask(&store, "false").await.unwrap(), "failed 1");
    assert_eq!(ask(&store, "no-such-program-anywhere").await.unwrap(), "no such program");
    for argv in [
        "echo",
        "echo|a|b",
        "echo|-e",
        "/bin/echo|hello",
        "./echo|hello",
        "Echo|hello",
        "false|x",
        "",
        "echo|a\0b",
    ] {
        refused(ask(&store, argv).await, "other", Blame::Operator);
    }
}

/// What a guest wants to run is told to the operator, as YAML to copy: it must not be able to say more
/// than that.
#[tokio::test]
async fn what_is_denied_is_quoted_safely() {
    let nothing = store(&json!([]));
    for argv in [
        "echo|\u{1b}]0;owned\u{7}",
        "echo|\u{9b}31m\u{7f}",
        "echo|\u{202e}gpj.exe",
        "echo|zero\u{200b}width\u{2028}line",
        "echo|a\n    commands:\n      - [rm, -rf, /]",
        "echo|\"]\n- [\"sh\", \"-c\", \"*",
        &format!("echo|{}", "x".repeat(1 << 20)),
        &["echo"; 10_000].join("|"),
    ] {
        let text = refused(ask(&nothing, argv).await, "other", Blame::Operator);
        contains(&text, "no grant allows the command echo");
        lacks(&text, "\n    commands:\n      - [rm");
    }
}

#[tokio::test]
async fn a_command_sees_nothing_of_the_host() {
    let store = Stage::of("command_run")
        .grants(json!({
            "commands": [["env"], ["cat"], ["sh", "-c", "echo out; echo err >&2"], ["readlink", "*"]],
            "environment": ["CARGO_PKG_NAME"],
        }))
        .open();
    let seen = ask(&store, "env").await.unwrap();
    let mut names: Vec<&str> =
        seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    names.retain(|name| *name != "HOME");
    assert_eq!(names, ["CARGO_PKG_NAME", "PATH"]);
    // Standard input is empty, and standard error is no part of the value.
    assert_eq!(ask(&store, "cat").await.unwrap(), "");
    assert_eq!(ask(&store, "sh|-c|echo out; echo err >&2").await.unwrap(), "out\n");
    // Neither is the host's own: what a command says there can quote a secret.
    for stream in [0, 2] {
        let asked = format!("readlink|/proc/self/fd/{stream}");
        assert_eq!(ask(&store, asked).await.unwrap(), "/dev/null\n");
    }
}

/// As shells count.
#[tokio::test]
async fn a_command_that_is_killed_has_failed() {
    let store = store(&json!([["sh", "-c", "kill -9 $$"], ["sh", "-c", "exit 3"]]));
    assert_eq!(ask(&store, "sh|-c|kill -9 $$").await.unwrap(), "failed 137");
    assert_eq!(ask(&store, "sh|-c|exit 3").await.unwrap(), "failed 3");
}

/// The time that is spent after a command was waited for is the plugin's own.
#[tokio::test]
async fn command_then_endless() {
    let limits = Limits { call: Duration::from_millis(500), ..Limits::default() };
    let commands = json!({ "commands": [["echo", "*"]] });
    let store = Stage::of("command_then_endless").grants(commands).limits(limits).open();
    refused(ask(&store, "echo|hello").await, "deadline", Blame::Plugin);
}

#[tokio::test]
async fn a_commands_output_is_bounded() {
    let inside = format!("head -c {COMMAND_OUTPUT_BYTES_MAX} /dev/zero");
    let outside = format!("head -c {} /dev/zero", COMMAND_OUTPUT_BYTES_MAX + 1);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let store = store(&json!([words(&inside), words(&outside), ["yes"]]));
    let said = ask(&store, inside.replace(' ', "|")).await.unwrap();
    assert_eq!(said.len(), COMMAND_OUTPUT_BYTES_MAX);
    let expected = format!("more than {COMMAND_OUTPUT_BYTES_MAX}");
    assert_eq!(ask(&store, outside.replace(' ', "|")).await.unwrap(), expected);
    assert_eq!(ask(&store, "yes").await.unwrap(), expected);
}

/// The command ends with the call, and so does whatever it started.
#[tokio::test]
async fn a_command_ends_with_the_call() {
    let directory = tempfile::TempDir::new().unwrap();
    let pids = directory.path().join("pids");
    let script = format!("sleep 1000 & echo $! $$ > {}; wait", pids.display());
    let store = Stage::of("command_run")
        .grants(json!({ "commands": [["sh", "-c", script]] }))
        .limits(Limits { call: Duration::from_millis(500), ..Limits::default() })
        .open();
    let text = refused(ask(&store, format!("sh|-c|{script}")).await, "deadline", Blame::Backend);
    contains(&text, "after 500ms");
    let pids = std::fs::read_to_string(pids).unwrap();
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2);
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        while pids.iter().any(|pid| runs(pid)) {
            tokio::task::yield_now().await;
        }
    });
    ended.await.expect("both processes end");
}

/// Waits until the processes whose numbers are in the file are gone.
async fn gone(pids: &Path) {
    let pids = std::fs::read_to_string(pids).unwrap();
    assert!(!pids.trim().is_empty());
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        while pids.split_whitespace().any(runs) {
            tokio::task::yield_now().await;
        }
    });
    ended.await.unwrap_or_else(|_| panic!("these should have ended: {pids}"));
}

/// Whatever a command does to live on, it ends with the call, and with it what it started.
#[tokio::test]
async fn a_command_that_will_not_end_is_ended() {
    for script in [
        // It does not listen.
        "trap '' TERM INT HUP; echo $$ > PIDS; while :; do sleep 1; done",
        // It has nothing more to say, and goes on.
        "echo $$ > PIDS; exec >&- 2>&-; while :; do sleep 1; done",
        // It talks where nobody listens.
        "echo $$ > PIDS; while :; do echo x >&2; done",
        // Somebody else holds the pipe.
        "sleep 1000 & echo $! > PIDS; exit 0",
        // It forks and forks.
        "for i in 1 2 3 4 5 6 7 8; do (sleep 1000; :) & echo $! >> PIDS; done; wait",
    ] {
        let directory = tempfile::TempDir::new().unwrap();
        let pids = directory.path().join("pids");
        let script = script.replace("PIDS", pids.to_str().unwrap());
        let store = Stage::of("command_run")
            .grants(json!({ "commands": [["sh", "-c", script]] }))
            .limits(Limits { call: Duration::from_millis(1_500), ..Limits::default() })
            .open();
        let begun = std::time::Instant::now();
        refused(ask(&store, format!("sh|-c|{script}")).await, "deadline", Blame::Backend);
        assert!(begun.elapsed() < Duration::from_secs(10), "{script}: {:?}", begun.elapsed());
        gone(&pids).await;
    }
}

/// A command that ends by itself leaves nobody behind.
#[tokio::test]
async fn what_a_command_leaves_behind_is_ended() {
    let directory = tempfile::TempDir::new().unwrap();
    let pids = directory.path().join("pids");
    for end in ["echo done", "exit 3"] {
        let script = format!("sleep 1000 >&- 2>&- & echo $! > {}; {end}", pids.display());
        let store = store(&json!([["sh", "-c", script]]));
        let said = ask(&store, format!("sh|-c|{script}")).await.unwrap();
        assert_eq!(said, if end == "exit 3" { "failed 3" } else { "done\n" });
        gone(&pids).await;
    }
}

#[tokio::test]
async fn command_again() {
    let store = Stage::of("command_again")
        .grants(json!({ "commands": [["true"]] }))
        .limits(Limits { call: Duration::from_millis(500), ..Limits::default() })
        .open();
    let begun = std::time::Instant::now();
    let error = ask(&store, "true").await.unwrap_err();
    assert_eq!(error.cause().kind(), "deadline", "{error}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

/// Whether the process is there and is not only waiting for its parent to take notice of its end.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}
