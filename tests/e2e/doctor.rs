//! `coffer doctor` on a machine where all is well, and on one with each thing that it finds.

use crate::stage::{FILESYSTEM, Stage};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

const PASSWORD: &str = "battery-staple";

/// A machine with an installation, on which nothing is wrong.
fn well() -> Stage {
    let stage = Stage::installed(PASSWORD);
    stage.private();
    stage
}

/// What is found: the weight and what it is about, without what is so on every machine of this build.
fn findings(stage: &Stage) -> Vec<Value> {
    let answer = stage.coffer(&["doctor", "-o", "json"]);
    assert!(matches!(answer.code, Some(0 | 3)), "{answer:?}");
    let examination: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let found = examination["findings"].as_array().unwrap().clone();
    let wrong = found.iter().any(|finding| finding["weight"] == "wrong");
    assert_eq!(answer.code, Some(if wrong { 3 } else { 0 }), "{answer:?}");
    found.into_iter().filter(|finding| !of_the_machine(finding)).collect()
}

/// Notes about the engine and the kernel.
fn of_the_machine(finding: &Value) -> bool {
    let about = finding["about"].as_str().unwrap();
    let machine = ["engine", "isolation", "pagemap-scan", "swap"];
    finding["weight"] == "note" && (machine.contains(&about) || about == "certificates")
}

/// Breaks one thing on a machine where all is well, and expects it, and nothing else, to be found, with these
/// words, in every format, without a value.
#[track_caller]
fn check(spoil: impl FnOnce(&Stage), weight: &str, about: &str, words: &[&str]) {
    let stage = well();
    spoil(&stage);
    let found = findings(&stage);
    assert_eq!(found.len(), 1, "{found:#?}");
    let finding = &found[0];
    assert_eq!(
        (&finding["weight"], &finding["about"]),
        (&weight.into(), &about.into()),
        "{finding}"
    );
    for part in ["what", "why", "fault", "next"] {
        assert!(finding[part].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
    }
    let text = finding.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is missing: {text}");
    }
    for format in ["text", "json", "yaml"] {
        let answer = stage.coffer(&["doctor", "-o", format]);
        for secret in [PASSWORD, "hunter2"] {
            assert!(
                !answer.stdout().contains(secret) && !answer.stderr().contains(secret),
                "{format}"
            );
        }
        match (weight, format) {
            ("wrong", "json") => assert_eq!(answer.code, Some(3)),
            ("wrong", _) => drop(answer.failed(3, "operator", &["must be mended"])),
            _ => drop(answer.succeeded()),
        }
    }
}

fn mode(stage: &Stage, path: &str, mode: u32) {
    fs::set_permissions(stage.home().join(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn all_is_well() {
    let stage = well();
    let before = (stage.state(), stage.ledger());
    assert_eq!(findings(&stage), [Value::Null; 0]);
    let text = stage.coffer(&["doctor"]).succeeded().stdout();
    for word in ["wasmtime 48.0.", "advisories", "core file", "isolation", "nothing is wrong"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!((stage.state(), stage.ledger()), before, "it changes nothing");
}

#[test]
fn where_coffer_never_ran_nothing_is_made() {
    let stage = Stage::cold();
    fs::remove_dir(stage.home()).unwrap();
    assert_eq!(findings(&stage), [Value::Null; 0]);
    assert!(!stage.home().exists());
    let homeless = stage.call(&["doctor"]).without("COFFER_HOME").without("HOME").run();
    homeless.refused(2, "requester", &["neither --home nor COFFER_HOME nor HOME"]);
}

#[test]
fn modes_owners_and_links() {
    check(|stage| mode(stage, "", 0o755), "wrong", "modes", &["can read . (0755)", "chmod -R go="]);
    check(|stage| mode(stage, "keys/spool", 0o640), "wrong", "modes", &["keys/spool (0640)"]);
    check(|stage| mode(stage, "secrets", 0o711), "wrong", "modes", &["secrets (0711)"]);
    check(
        |stage| mode(stage, "ledger.db", 0o620),
        "wrong",
        "modes",
        &["write to ledger.db (0620)"],
    );
    check(|stage| mode(stage, "config.yaml", 0o602), "wrong", "modes", &["write to config.yaml"]);
    let link = |stage: &Stage| symlink("/etc/hostname", stage.home().join("keys/linked")).unwrap();
    check(link, "wrong", "links", &["keys/linked"]);
    // Only root can give a file away, and for root every file of another user is one.
    if rustix::process::geteuid().is_root() {
        let give = |stage: &Stage| chown(stage.home().join("audit.jsonl"), Some(7), None).unwrap();
        check(give, "wrong", "owners", &["audit.jsonl"]);
    }
}

#[test]
fn a_plugin_and_a_configuration_may_be_read() {
    let stage = well();
    fs::write(stage.home().join("own.wasm"), "").unwrap();
    mode(&stage, "own.wasm", 0o644);
    mode(&stage, "config.yaml", 0o644);
    assert_eq!(findings(&stage), [Value::Null; 0]);
}

/// The configuration, with a store that has these lines.
fn store(lines: &str) -> String {
    format!("{FILESYSTEM}secrets:\n- name: other\n  plugin: ./absent.wasm\n{lines}")
}

#[test]
fn the_configuration() {
    let config = |text: String, mode_bits: u32| {
        move |stage: &Stage| {
            stage.config(&text);
            mode(stage, "config.yaml", mode_bits);
        }
    };
    let literal = store("  config: { token: hunter2 }\n");
    let words = ["secrets[0].config.token", "${env.NAME}"];
    check(config(literal.clone(), 0o600), "note", "credentials", &words);
    check(
        config(literal, 0o644),
        "wrong",
        "credentials",
        &["secrets[0].config.token", "chmod go="],
    );
    let http = |rest: &str| store(&format!("  grants:\n    http:\n    - {{ {rest} }}\n"));
    let private = http("url: https://127.0.0.1/**, methods: [GET], private-addresses: true");
    check(config(private, 0o600), "note", "private-addresses", &["`other`", "HTTP grant 1"]);
    let header = "methods: [GET], headers: { X-Token: { env: TOKEN } }";
    let clear = http(&format!("url: http://vault.internal/**, {header}"));
    check(config(clear, 0o600), "wrong", "clear-credential", &["`other`", "https://"]);
    let here = http(&format!("url: http://127.0.0.1/**, {header}"));
    check(config(here, 0o600), "note", "clear-credential", &["`other`"]);
    let commands = store("  grants: { commands: [[pass, show, \"*\"]] }\n");
    check(config(commands, 0o600), "note", "commands", &["`other`"]);
    let broken = store("  config: { token: hunter2 }\n  grant: {}\n");
    check(config(broken, 0o600), "wrong", "configuration", &["secrets[0].grant"]);
}

#[test]
fn no_certificate_authority() {
    let stage = well();
    let with = |stage: &Stage| {
        let call = stage.call(&["doctor", "-o", "json"]);
        call.variable("SSL_CERT_FILE", "/dev/null").variable("SSL_CERT_DIR", "/nonexistent").run()
    };
    let about = |bytes: &[u8]| {
        let examination: Value = serde_json::from_slice(bytes).unwrap();
        let found = examination["findings"].as_array().unwrap().clone();
        found.into_iter().find(|finding| finding["about"] == "certificates").unwrap()["weight"]
            .clone()
    };
    assert_eq!(about(&with(&stage).succeeded().stdout), "note");
    stage.config(&store("  grants:\n    http:\n    - { url: https://v/**, methods: [GET] }\n"));
    let answer = with(&stage);
    assert_eq!((answer.code, about(&answer.stdout)), (Some(3), "wrong".into()));
}

#[test]
fn the_ledger() {
    let ledger = |stage: &Stage| stage.home().join("ledger.db");
    let sql = |stage: &Stage, text: &str| {
        rusqlite::Connection::open(ledger(stage)).unwrap().execute_batch(text).unwrap();
    };
    let garbage = |stage: &Stage| fs::write(ledger(stage), "no ledger".repeat(1000)).unwrap();
    check(garbage, "wrong", "ledger", &["damaged"]);
    let newer = |stage: &Stage| sql(stage, "PRAGMA user_version = 99");
    check(newer, "wrong", "ledger", &["newer coffer", "99"]);
    // An index that has not what its table has.
    let torn = |stage: &Stage| {
        sql(stage, "PRAGMA wal_checkpoint(TRUNCATE)");
        let connection = rusqlite::Connection::open(ledger(stage)).unwrap();
        let page = |name: &str| -> i64 {
            let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
            connection.query_row(root, [name], |row| row.get(0)).unwrap()
        };
        let at = usize::try_from((page("secrets_of_run") - 1) * 4096).unwrap();
        drop(connection);
        let mut bytes = fs::read(ledger(stage)).unwrap();
        // The number of cells of the index's only page.
        bytes[at + 3..at + 5].copy_from_slice(&[0, 0]);
        fs::write(ledger(stage), bytes).unwrap();
    };
    check(torn, "wrong", "ledger", &["the ledger is damaged", "put a copy of `ledger.db` back"]);
    let begun = "UPDATE runs SET finished_ms = NULL, status = 'running'";
    check(|stage| sql(stage, begun), "wrong", "runs", &["run 0", "coffer runs recover"]);
    let set = "INSERT INTO sets VALUES ('x', 'parameters', '', 'mine', '{}', NULL)";
    check(|stage| sql(stage, set), "wrong", "runs", &["set x"]);
    let deleting = "UPDATE installations SET state = 'deleting'";
    check(|stage| sql(stage, deleting), "wrong", "runs", &["deletion of "]);
}

#[test]
fn the_spool() {
    let spooled = |stage: &Stage, name: &str| {
        let path = stage.home().join("spool").join(name);
        fs::write(&path, "sealed").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let orphan = |stage: &Stage| spooled(stage, "nobodys");
    check(orphan, "wrong", "spool", &["knows none", "nobodys"]);
    let waiting = |stage: &Stage| {
        let run = stage.ledger()["runs"][0]["id"].as_str().unwrap().to_owned();
        spooled(stage, &run);
    };
    check(waiting, "wrong", "spool", &["wait for their store", "coffer runs recover"]);
}
