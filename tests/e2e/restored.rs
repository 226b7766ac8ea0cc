//! A ledger that was restored from an older backup: nothing is guessed, nothing is deleted, and what is missing
//! is told by its name.

use crate::order::{is, kept, rows};
use crate::stage::Stage;
use std::fs;

/// Installs, keeps a copy of the ledger, does something, and puts the copy back.
fn restored(after: &[&str]) -> (Stage, Vec<String>) {
    let stage = Stage::installed("old");
    let ledger = stage.home().join("ledger.db");
    let backup = fs::read(&ledger).unwrap();
    stage.call(after).stdin("new").run().succeeded();
    fs::write(ledger, backup).unwrap();
    let store = stage.names("home/secrets");
    (stage, store)
}

#[test]
fn what_was_written_since_is_left_alone() {
    let (stage, store) = restored(&["upgrade", "sensitive-data", "--param", "password=-"]);
    let password = store.iter().filter(|key| key.ends_with("-parameter-password"));
    let values: Vec<String> = password.map(|key| kept(&stage, key).unwrap()).collect();
    assert_eq!(values, ["old", "new"]);
    // The ledger does not know it, and nobody deletes what may be somebody's only copy.
    stage.coffer(&["runs", "recover"]).printed("there is nothing to put right\n");
    assert_eq!(stage.names("home/secrets"), store);
    assert!(is(&stage, "sensitive-data", "active"));
    // Everything goes on from what the ledger has.
    stage.coffer(&["upgrade", "sensitive-data"]).succeeded();
    stage.coffer(&["uninstall", "sensitive-data", "--delete"]).succeeded();
    let left: Vec<String> = stage.names("home/secrets");
    assert!(left.iter().all(|key| store.contains(key)), "{left:?}");
    assert!(left.iter().any(|key| kept(&stage, key).as_deref() == Some("new")), "{left:?}");
}

#[test]
fn what_was_deleted_since_is_missed_by_name() {
    let (stage, store) = restored(&["uninstall", "sensitive-data", "--delete"]);
    assert_eq!(store, [""; 0]);
    stage.coffer(&["runs", "recover"]).printed("there is nothing to put right\n");
    let (before, secrets) = (rows(&stage, "runs"), rows(&stage, "secrets"));
    let refused = stage.coffer(&["upgrade", "sensitive-data"]);
    refused.refused(2, "requester", &["parameter `password`", "there is no such secret"]);
    assert_eq!((rows(&stage, "runs"), rows(&stage, "secrets")), (before, secrets));
    // With a new value, and the rest deleted to the end, nothing is left to miss.
    let upgrade = ["upgrade", "sensitive-data", "--param", "password=-", "--param", "name=me"];
    stage.call(&upgrade).stdin("newer").run().succeeded();
    stage.coffer(&["uninstall", "sensitive-data", "--delete"]).succeeded();
    assert_eq!(stage.names("home/secrets"), [""; 0]);
    assert!(rows(&stage, "installations").is_empty());
}
