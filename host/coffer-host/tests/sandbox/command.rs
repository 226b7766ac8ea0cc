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
            "commands": [["env"], ["cat"], ["sh", "-c", "echo out; echo err >&2"]],
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

/// Whether the process is there and is not only waiting for its parent to take notice of its end.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}
