//! The ledger by itself: its constraints, its leases, and what a process that was killed leaves.

use super::*;
use serde_json::json;
use std::collections::BTreeMap;

fn ledger() -> (tempfile::TempDir, Ledger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&directory.path().join("ledger.db")).unwrap();
    (directory, ledger)
}

fn secret(key: &str) -> Address {
    Address { store: "filesystem".into(), key: key.into() }
}

fn begin(ledger: &Ledger, run: &str, intents: &[Address]) -> Result<Lease, LedgerError> {
    ledger.begin(&Beginning {
        namespace: "",
        name: "app",
        run,
        action: "install",
        driver: "wasm",
        bundle: &json!({ "name": "app" }),
        bundle_path: "bundle.json",
        bundle_digest: "sha256:0",
        intents,
    })
}

fn finish(ledger: &Ledger, lease: &Lease, outputs: &[(&str, Kept)]) -> Result<(), LedgerError> {
    let outputs: BTreeMap<String, Kept> =
        outputs.iter().map(|(name, kept)| ((*name).to_owned(), kept.clone())).collect();
    ledger.finish(
        lease,
        &Ending { status: Status::Succeeded, exit_code: Some(0), message: None, outputs: &outputs },
    )
}

#[test]
fn a_run_is_told_as_it_was() {
    let (_directory, ledger) = ledger();
    let password = secret("r1-parameter-password");
    let lease = begin(&ledger, "r1", std::slice::from_ref(&password)).unwrap();
    let kept = Kept::Secret(password.clone());
    let inputs = [
        ("parameter", "password".to_owned(), kept.clone()),
        ("parameter", "port".to_owned(), Kept::Plain(json!(80))),
    ];
    let overrides = BTreeMap::from([("password".to_owned(), kept.clone())]);
    let sets = [("parameters", vec!["a".to_owned(), "b".to_owned()])];
    ledger.start(&lease, &inputs, &overrides, &sets).unwrap();
    let output = secret("r1-output-name");
    ledger.intend(&lease, std::slice::from_ref(&output)).unwrap();
    finish(&ledger, &lease, &[("name", Kept::Secret(output.clone()))]).unwrap();

    let installation = ledger.installation("", "app").unwrap();
    assert_eq!(installation.state, State::Active);
    assert_eq!(ledger.overrides(&installation.id).unwrap(), overrides);
    assert_eq!(ledger.installation_sets(&installation.id, "parameters").unwrap(), ["a", "b"]);
    assert_eq!(ledger.inputs("r1", "parameter").unwrap().len(), 2);
    let outputs = ledger.outputs(&installation.id).unwrap();
    assert_eq!(outputs["name"], ("r1".to_owned(), Kept::Secret(output.clone())));
    assert_eq!(ledger.addresses().unwrap(), [output, password]);
    let runs = ledger.runs(&installation.id).unwrap();
    assert_eq!((runs.len(), runs[0].status), (1, Status::Succeeded));
    assert!(ledger.unfinished().unwrap().is_empty());
}

/// What the schema refuses, whoever asks.
#[test]
fn the_schema_refuses_what_would_break_a_promise() {
    let (_directory, ledger) = ledger();
    let lease = begin(&ledger, "r1", &[secret("k")]).unwrap();
    let refused = |sql: &str| {
        let error = ledger.connection().execute(sql, []).expect_err(sql);
        assert!(error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation));
    };
    // A reference to what is not written yet, or to nothing.
    refused("INSERT INTO outputs SELECT 'r1', 'x', NULL, id FROM secrets");
    refused("INSERT INTO outputs VALUES ('r1', 'x', NULL, 999)");
    ledger.start(&lease, &[], &BTreeMap::new(), &[]).unwrap();
    ledger
        .connection()
        .execute("INSERT INTO outputs SELECT 'r1','x',NULL,id FROM secrets", [])
        .unwrap();
    // A value beside a reference, a literal value, a credential in clear, a secret of nobody.
    refused("INSERT INTO outputs SELECT 'r1', 'y', '1', id FROM secrets");
    refused("INSERT INTO outputs VALUES ('r1', 'y', NULL, NULL)");
    refused("INSERT INTO inputs VALUES ('r1','parameter','p',NULL,NULL,'host','value','canary')");
    refused("INSERT INTO inputs VALUES ('r1','credential','c','\"canary\"',NULL,NULL,NULL,NULL)");
    refused("INSERT INTO secrets (store, key, state, run) VALUES ('s', 'k', 'held', 'r1')");
    // A secret that something refers to does not go.
    refused("DELETE FROM secrets");
}

#[test]
fn one_process_at_a_time_acts_on_an_installation() {
    let (_directory, ledger) = ledger();
    let lease = begin(&ledger, "r1", &[]).unwrap();
    assert!(matches!(begin(&ledger, "r2", &[]), Err(LedgerError::Busy { run, .. }) if run == "r1"));
    assert!(matches!(ledger.take_over(lease.subject(), "r1"), Err(LedgerError::Busy { .. })));
    // The same, if its holder is gone: a process number that no process has.
    let gone = |ledger: &Ledger| {
        ledger.connection().execute("UPDATE leases SET pid = 999999999", []).unwrap();
    };
    gone(&ledger);
    assert!(
        matches!(begin(&ledger, "r2", &[]), Err(LedgerError::Unfinished { run }) if run == "r1")
    );
    let taken = ledger.take_over(lease.subject(), "r1").unwrap();
    // Whoever was thought to be gone and is not can write nothing any more.
    assert!(matches!(finish(&ledger, &lease, &[]), Err(LedgerError::LostLease)));
    assert!(matches!(ledger.renew(&lease), Err(LedgerError::LostLease)));
    finish(&ledger, &taken, &[]).unwrap();
    drop(begin(&ledger, "r2", &[]).unwrap());
    // Another process that has the same number is not the holder.
    ledger.connection().execute("UPDATE leases SET started = started - 1", []).unwrap();
    assert!(matches!(begin(&ledger, "r3", &[]), Err(LedgerError::Unfinished { .. })));
    // A holder on another machine is believed for as long as it says so.
    ledger.connection().execute("UPDATE leases SET host = 'elsewhere'", []).unwrap();
    assert!(matches!(begin(&ledger, "r3", &[]), Err(LedgerError::Busy { .. })));
    ledger.connection().execute("UPDATE leases SET renewed_ms = renewed_ms - 60000", []).unwrap();
    assert!(matches!(begin(&ledger, "r3", &[]), Err(LedgerError::Unfinished { .. })));
}

#[test]
fn a_run_that_is_taken_back_leaves_nothing_but_what_could_not_be_deleted() {
    let (_directory, ledger) = ledger();
    let lease = begin(&ledger, "r1", &[secret("a"), secret("b")]).unwrap();
    ledger.take_back(&lease, &[secret("b")]).unwrap();
    assert_eq!(ledger.addresses().unwrap(), [secret("b")]);
    assert_eq!(ledger.doomed(None).unwrap(), [secret("b")]);
    assert!(ledger.installation("", "app").is_ok());
    ledger.forget(&secret("b")).unwrap();
    let lease = begin(&ledger, "r2", &[secret("a")]).unwrap();
    ledger.take_back(&lease, &[]).unwrap();
    assert!(matches!(ledger.installation("", "app"), Err(LedgerError::NotFound { .. })));
    assert!(ledger.addresses().unwrap().is_empty());
}

#[test]
fn a_deletion_takes_the_references_first() {
    let (_directory, ledger) = ledger();
    let lease = begin(&ledger, "r1", &[secret("a")]).unwrap();
    let kept = Kept::Secret(secret("a"));
    let overrides = BTreeMap::from([("p".to_owned(), kept.clone())]);
    ledger.start(&lease, &[("parameter", "p".into(), kept)], &overrides, &[]).unwrap();
    finish(&ledger, &lease, &[]).unwrap();
    let installation = ledger.installation("", "app").unwrap().id;
    let lease = ledger.hold_for_deletion(&installation, "d1").unwrap();
    ledger.doom_installation(&lease).unwrap();
    assert_eq!(ledger.installation("", "app").unwrap().state, State::Deleting);
    assert_eq!(ledger.doomed(Some(&installation)).unwrap(), [secret("a")]);
    // Not before its secrets are gone.
    assert!(ledger.forget_installation(&lease).is_err());
    ledger.forget(&secret("a")).unwrap();
    ledger.forget_installation(&lease).unwrap();
    assert!(ledger.installations(None).unwrap().is_empty());
}

#[test]
fn a_set_replaces_what_it_had() {
    let (_directory, ledger) = ledger();
    let apply = |operation: &str, key: &str| {
        let lease = ledger.begin_set("parameters", "", "prod", operation, &[secret(key)]).unwrap();
        let entries = [("password".to_owned(), Kept::Secret(secret(key)))];
        ledger.apply_set(&lease, &BTreeMap::new(), &entries).unwrap();
        ledger.forget_set(&lease).unwrap();
    };
    apply("o1", "k1");
    assert!(ledger.doomed(None).unwrap().is_empty());
    apply("o2", "k2");
    assert_eq!(ledger.doomed(None).unwrap(), [secret("k1")]);
    ledger.forget(&secret("k1")).unwrap();
    let set = ledger.set("parameters", "", "prod").unwrap();
    assert_eq!(set.entries, [("password".to_owned(), Kept::Secret(secret("k2")))]);
    let lease = ledger.doom_set("parameters", "", "prod", "o3").unwrap();
    ledger.forget(&secret("k2")).unwrap();
    ledger.forget_set(&lease).unwrap();
    assert!(ledger.addresses().unwrap().is_empty());
    assert!(matches!(
        ledger.set("parameters", "", "prod"),
        Err(LedgerError::NotFound { what: "parameter set", .. })
    ));
}

#[test]
fn a_newer_ledger_and_a_file_that_is_none_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    drop(Ledger::open(&path).unwrap());
    drop(Ledger::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Newer { found: 99, known: 1 })));
    std::fs::write(&path, "not a database, but long enough to be looked at as one").unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::NotALedger(_))));
}
