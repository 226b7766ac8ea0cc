//! The escape: code that took a worker over tries what a plugin must not, and finds nothing. Each attempt
//! is made by the same code without the fence as well, where it succeeds: so it is the fence that it fails
//! for.

use crate::stage::{Stage, ask, contains, granted, refused, runs, until};
use coffer_host::Blame;
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What becomes of an attempt: it ends the worker, or is refused in so many words.
#[derive(Clone, Copy)]
enum Becomes {
    /// seccomp: it is no system call that a worker makes.
    TheEnd,
    /// Landlock, or that there is no such call for it.
    Refused(&'static str),
}

use Becomes::{Refused, TheEnd};

const ABSENT: Becomes = Refused("Function not implemented");
const DENIED: Becomes = Refused("Permission denied");

/// The same code in a process that is not closed in.
fn unfenced(stage: &Stage, asked: &str) -> String {
    let output = Command::new(stage.program("unfenced")).arg(asked).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn check(stage: &Stage, grants: &serde_json::Value, asked: &str, becomes: Becomes) {
    // One that executes another program says nothing any more.
    let control = unfenced(stage, asked);
    let replaced = asked.starts_with("exec") && control.is_empty();
    assert!(replaced || control == "done", "without a fence, {asked}: {control}");
    let store = stage.escaped(grants.clone());
    let answer = ask(&store, asked).await;
    match becomes {
        TheEnd => {
            let text = refused(answer, "trap", Blame::Plugin);
            contains(&text, "its worker was ended by the fence");
        }
        Refused(expected) => contains(&answer.unwrap(), expected),
    }
    // What was done to the worker is over with it.
    assert_eq!(ask(&store, "environment").await.unwrap(), "0", "after {asked}");
}

#[tokio::test]
async fn nothing_is_found_beside_the_worker() {
    let stage = Stage::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let outside = TempDir::new().unwrap();
    let socket = outside.path().join("socket");
    let _unix = UnixListener::bind(&socket).unwrap();
    let file = outside.path().join("file");
    fs::write(&file, "outside").unwrap();
    let (file, socket) = (file.display(), socket.display());
    // With no stream of ours: should this fail, nobody waits for its end.
    let mut victim = Command::new("sleep")
        .arg("1000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let us = victim.id();
    for (asked, becomes) in [
        (format!("read {file}"), ABSENT),
        ("read /etc/passwd".into(), ABSENT),
        ("openat2 /etc/passwd".into(), TheEnd),
        (format!("thread {file}"), ABSENT),
        (format!("write {file}"), ABSENT),
        (format!("make {}", outside.path().join("made").display()), ABSENT),
        (format!("list {}", outside.path().display()), ABSENT),
        (format!("read /proc/{us}/mem"), ABSENT),
        (format!("read /proc/{us}/environ"), ABSENT),
        (format!("tcp {}", tcp.local_addr().unwrap()), TheEnd),
        (format!("unix {socket}"), TheEnd),
        ("raw".into(), TheEnd),
        ("exec".into(), TheEnd),
        ("execfd".into(), TheEnd),
        ("fork".into(), TheEnd),
        (format!("ptrace {us}"), TheEnd),
        (format!("kill {us}"), TheEnd),
        ("mmap".into(), TheEnd),
        ("mprotect".into(), TheEnd),
        ("unshare".into(), TheEnd),
        ("dumpable".into(), TheEnd),
        ("outlive".into(), TheEnd),
        ("uring".into(), TheEnd),
    ] {
        check(&stage, &json!({}), &asked, becomes).await;
    }
    assert_eq!(fs::read_to_string(outside.path().join("file")).unwrap(), "xutside");
    tcp.set_nonblocking(true).unwrap();
    // The control's connection is all there was.
    assert!(tcp.accept().is_ok() && tcp.accept().is_err());
    victim.kill().unwrap();
    victim.wait().unwrap();
}

/// With directories, files are opened; but none beside them, and none for what was not granted.
#[tokio::test]
async fn nothing_is_found_beside_the_granted_directories() {
    let stage = Stage::new();
    let tree = TempDir::new().unwrap();
    let at = |path: &str| tree.path().join(path).display().to_string();
    fs::create_dir(at("granted")).unwrap();
    fs::write(at("granted/file"), "inside").unwrap();
    fs::write(at("outside"), "outside").unwrap();
    let parent = std::process::id();
    let read_only = granted(&tree.path().join("granted"), "read-only");
    let read_write = granted(&tree.path().join("granted"), "read-write");
    // What was granted works, so the rest does not fail for want of files.
    let store = stage.escaped(read_only.clone());
    assert_eq!(ask(&store, format!("read {}", at("granted/file"))).await.unwrap(), "done");
    assert_eq!(ask(&store, format!("list {}", at("granted"))).await.unwrap(), "done");
    let store = stage.escaped(read_write.clone());
    assert_eq!(ask(&store, format!("make {}", at("granted/made"))).await.unwrap(), "done");
    assert_eq!(ask(&store, format!("remove {}", at("granted/made"))).await.unwrap(), "done");
    for grants in [&read_only, &read_write] {
        for (asked, becomes) in [
            (format!("read {}", at("outside")), DENIED),
            (format!("thread {}", at("outside")), DENIED),
            (format!("write {}", at("outside")), DENIED),
            (format!("truncate {}", at("outside")), DENIED),
            (format!("list {}", at("")), DENIED),
            ("read /etc/passwd".into(), DENIED),
            ("openat2 /etc/passwd".into(), DENIED),
            (format!("read /proc/{parent}/environ"), DENIED),
            (format!("read /proc/{parent}/mem"), DENIED),
            ("exec".into(), TheEnd),
            ("fork".into(), TheEnd),
            ("unix /none".into(), TheEnd),
        ] {
            if asked.starts_with("unix") {
                let store = stage.escaped(grants.clone());
                refused(ask(&store, asked).await, "trap", Blame::Plugin);
                continue;
            }
            check(&stage, grants, &asked, becomes).await;
        }
    }
    check(&stage, &read_write, &format!("fifo {}", at("granted/fifo")), TheEnd).await;
    fs::write(at("granted/file"), "inside").unwrap();
    for asked in ["write", "truncate", "make"] {
        let store = stage.escaped(read_only.clone());
        contains(&ask(&store, format!("{asked} {}", at("granted/file"))).await.unwrap(), "denied");
    }
    let store = stage.escaped(read_only);
    let removed = ask(&store, format!("remove {}", at("granted/file"))).await;
    contains(&refused(removed, "trap", Blame::Plugin), "ended by the fence");
    assert_eq!(fs::read_to_string(at("granted/file")).unwrap(), "inside");
}

/// What it can write to is bounded, whatever the engine has reserved.
#[tokio::test]
async fn memory_is_bounded() {
    let stage = Stage::new();
    let store = stage.escaped(json!({}));
    assert_eq!(ask(&store, format!("memory {}", 64_u64 << 20)).await.unwrap(), "done");
    contains(&ask(&store, format!("memory {}", 8_u64 << 30)).await.unwrap(), "Cannot allocate");
    assert_eq!(unfenced(&stage, &format!("memory {}", 8_u64 << 30)), "done");
}

/// What keeps it in cannot be taken off by a program with more rights, either.
#[tokio::test]
async fn it_can_get_no_privileges() {
    let stage = Stage::new();
    let store = stage.escaped(json!({}));
    let worker = ask(&store, "pid").await.unwrap();
    let status = |id: &str, name: &str| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let mut lines = status.lines().filter_map(|line| line.split_once(":\t"));
        lines.find(|line| line.0 == name).unwrap().1.parse::<u32>().unwrap()
    };
    assert_eq!(status(&worker, "NoNewPrivs"), 1);
    // What is absent, what is allowed, and that nothing becomes executable; besides what is held of this.
    let filters = status("self", "Seccomp_filters");
    assert_eq!((status(&worker, "Seccomp"), status(&worker, "Seccomp_filters")), (2, filters + 3));
}

/// It ends with its store, although it listens to nobody.
#[tokio::test]
async fn it_ends_with_its_store() {
    let stage = Stage::new();
    let store = stage.escaped(json!({}));
    let worker = ask(&store, "pid").await.unwrap();
    assert!(runs(&worker));
    drop(store);
    until("the worker ends", || !runs(&worker)).await;
}

/// And with coffer, however that ends.
#[tokio::test]
async fn it_ends_with_its_parent() {
    let stage = Stage::new();
    let mut parent = Command::new(stage.program("parent"))
        .arg(stage.program("escaped"))
        .arg("state_memory")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let worker = {
        use std::io::BufRead as _;
        let mut lines = std::io::BufReader::new(parent.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap()
    };
    assert!(runs(&worker), "{worker}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("the worker ends", || !runs(&worker)).await;
}
