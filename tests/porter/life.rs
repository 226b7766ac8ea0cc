//! How the plugin ends, and by what it does not.

use crate::stage::{FILESYSTEM, KINDS, Process, Stage};
use rustix::process::{Signal, getpgid, kill_process};
use serde_json::json;
use std::fs;

#[test]
fn it_ends_when_the_host_says_so_and_leaves_nothing() {
    for kind in KINDS {
        let stage = Stage::new();
        let mut host = stage.connected(kind, "x", FILESYSTEM);
        host.create("key", "value");
        assert_eq!(stage.names("tmp").len(), 1);
        // A host that waits two seconds in vain kills, which leaves the socket behind.
        host.done(&json!({ "do": "kill" }));
        assert!(host.plugin().ends_within(0));
        let (_, log) = host.told();
        assert!(!log.contains("failed to exit gracefully"), "{log}");
        assert!(stage.names("tmp").is_empty());
    }
}

#[test]
fn ctrl_c_is_the_hosts() {
    for kind in KINDS {
        let stage = Stage::new();
        let mut host = stage.connected(kind, "x", FILESYSTEM);
        for key in ["a", "b"] {
            // The store is not open yet, and then it is.
            kill_process(host.plugin().id, Signal::INT).unwrap();
            host.create(key, "output");
        }
        assert_eq!((host.resolve("a"), host.resolve("b")), ("output".into(), "output".into()));
        kill_process(host.plugin().id, Signal::TERM).unwrap();
        assert!(host.plugin().ends_within(20));
        assert!(stage.names("tmp").is_empty());
    }
}

#[test]
fn it_ends_with_the_host() {
    for kind in KINDS {
        let stage = Stage::new();
        // Connected or not: what a host has not come to use is not left either.
        let mut host = stage.host(kind, &[], "x", FILESYSTEM);
        host.child.kill().unwrap();
        assert!(host.plugin().ends_within(20));
        let mut host = stage.connected(kind, "x", FILESYSTEM);
        host.create("key", "value");
        host.child.kill().unwrap();
        assert!(host.plugin().ends_within(20));
        assert!(stage.names("tmp").is_empty());
    }
}

#[test]
fn a_plugin_of_others_has_a_process_that_ends_too() {
    let stage = Stage::new();
    let component = stage.path("theirs.wasm");
    fs::write(&component, guest_artifacts::plugin("filesystem")).unwrap();
    let section = json!({
        "plugin": component,
        "grants": { "directories": [
            { "host": "kept", "guest": "/secrets", "access": "read-write", "create": true },
        ] },
    });
    let mut host = stage.connected(KINDS[1], "x", &section.to_string());
    host.create("key", "value");
    assert_eq!(host.resolve("key"), "value");
    assert_eq!(stage.names("home/kept").len(), 1);
    let workers = host.plugin().children();
    assert!(!workers.is_empty());
    // Who presses Ctrl-C presses it for every process of the host's group.
    let group = |process: &Process| getpgid(Some(process.id)).unwrap();
    assert!(workers.iter().all(|worker| group(worker) != group(host.plugin())));
    host.child.kill().unwrap();
    assert!(workers.iter().chain([host.plugin()]).all(|process| process.ends_within(20)));
}

#[test]
fn it_ends_when_the_host_has_no_connection_any_more() {
    let stage = Stage::new();
    let mut host = stage.connected(KINDS[1], "x", FILESYSTEM);
    host.create("key", "value");
    host.done(&json!({ "do": "disconnect" }));
    assert!(host.plugin().ends_within(30));
    assert!(stage.names("tmp").is_empty());
}
