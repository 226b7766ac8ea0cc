//! The process keeps what it has in memory to itself: no core of it is dumped, and another process of the
//! same user reads neither its memory nor its environment.

use crate::stage::{FILESYSTEM, Stage, unprivileged};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Whether a process of the user who started `child` can open a file of `/proc` about it.
fn can_open(child: &Child, file: &str) -> bool {
    let mut command = Command::new("head");
    command.args(["-c", "0"]).arg(format!("/proc/{}/{file}", child.id()));
    unprivileged(&mut command);
    command.output().unwrap().status.success()
}

fn core_limit(child: &Child) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ")
}

/// Waits until the process, which is just starting, is as it should be.
fn wait_until(child: &mut Child, what: &str, is: impl Fn(&Child) -> bool) {
    let begun = Instant::now();
    while !is(child) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {what}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} does not come true");
        std::thread::yield_now();
    }
    assert!(child.try_wait().unwrap().is_none(), "it ended before {what}");
}

fn stage() -> Stage {
    let stage = Stage::new();
    stage.config(FILESYSTEM);
    stage
}

#[test]
fn nobody_else_reads_its_memory_and_no_core_is_dumped() {
    // What every process of the user can do to every other one.
    let mut other = Command::new("sleep");
    other.arg("600");
    unprivileged(&mut other);
    let mut other = other.spawn().unwrap();
    wait_until(&mut other, "its program runs", |child| {
        std::fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap().trim() == "sleep"
    });
    assert!(can_open(&other, "environ"), "a user's processes can be looked into at all");
    other.kill().unwrap();
    other.wait().unwrap();

    // It waits for the value.
    let stage = stage();
    let mut child = stage.call(&["secrets", "put", "k"]).unprivileged(&stage).open();
    wait_until(&mut child, "nobody reads its environment", |child| !can_open(child, "environ"));
    for file in ["mem", "maps", "auxv"] {
        assert!(!can_open(&child, file), "{file}");
    }
    assert!(can_open(&child, "status"), "the process is there");
    assert_eq!(core_limit(&child), "0 0");
    kill_process(Pid::from_child(&child), Signal::ABORT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}

#[test]
fn a_user_without_privileges_can_use_it_all_the_same() {
    let stage = stage();
    let mut child = stage.call(&["secrets", "put", "k"]).unprivileged(&stage).open();
    child.stdin.take().unwrap().write_all(b"value").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer = stage.call(&["secrets", "get", "k", "--reveal"]).unprivileged(&stage).run();
    assert_eq!(answer.succeeded().stdout, b"value");
}
