//! `coffer.lock`: what does not run because of it, and how another version of a plugin gets into it.

use crate::inspect::{component, section};
use crate::stage::Stage;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const STORES: &str = "\
default-secrets: ours
secrets:
  - { name: ours, plugin: filesystem }
  - name: theirs
    plugin: ./theirs.wasm
    grants: { directories: [{ host: ./theirs, guest: /secrets, access: read-write, create: true }] }
";

/// A machine with a plugin that is a file, and a lock of it.
fn locked() -> Stage {
    let stage = Stage::new();
    stage.config(STORES);
    put(&stage, &guest_artifacts::plugin("filesystem"));
    stage.coffer(&["plugins", "lock"]).succeeded();
    stage
}

fn put(stage: &Stage, component: &[u8]) {
    fs::write(stage.home().join("theirs.wasm"), component).unwrap();
}

/// The same plugin in another file.
fn other() -> Vec<u8> {
    section(&guest_artifacts::plugin("filesystem"), "other", b"")
}

/// The same plugin with a manifest that asks for less, of the same length.
fn narrow() -> Vec<u8> {
    let mut bytes = guest_artifacts::plugin("filesystem");
    let (wide, narrow) = (b"\"access\":\"read-write\"", b"\"access\":\"read-only\" ");
    // A copy of it is in the plugin's data as well.
    while let Some(at) = bytes.windows(wide.len()).position(|window| window == wide) {
        bytes[at..at + wide.len()].copy_from_slice(narrow);
    }
    bytes
}

fn lock(stage: &Stage) -> Value {
    serde_json::from_slice(&fs::read(stage.home().join("coffer.lock")).unwrap()).unwrap()
}

#[track_caller]
fn works(stage: &Stage, store: &str) {
    stage.call(&["secrets", "put", "k", "--store", store]).stdin("v").run().succeeded();
}

#[track_caller]
fn does_not_run(stage: &Stage, words: &[&str]) {
    let answer = stage.call(&["secrets", "put", "k", "--store", "theirs"]).stdin("v").run();
    answer.refused(3, "operator", words);
    // What comes with the program is part of it.
    works(stage, "ours");
}

#[test]
fn what_is_configured_is_locked_and_runs() {
    let stage = locked();
    let file = stage.home().join("coffer.lock");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let lock = lock(&stage);
    let plugins = lock["plugins"].as_object().unwrap();
    assert_eq!(plugins.keys().collect::<Vec<_>>(), ["./theirs.wasm"]);
    let inspected = stage.coffer(&["plugins", "inspect", "filesystem", "-o", "json"]).json();
    let entry = &plugins["./theirs.wasm"];
    assert_eq!(entry["digest"], inspected["digest"]);
    assert_eq!(entry["manifest-digest"], inspected["manifest-digest"]);
    assert_eq!(entry["wit-version"], "0.1.0");
    assert_eq!(entry["granted"]["theirs"]["directories"][0]["access"], "read-write");
    for store in ["ours", "theirs"] {
        works(&stage, store);
    }
    // Locked once more, it is the same.
    let before = fs::read(&file).unwrap();
    stage.coffer(&["plugins", "lock"]).printed("coffer.lock is written\n");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn what_is_not_locked_does_not_run() {
    let stage = locked();
    fs::copy(stage.home().join("theirs.wasm"), stage.home().join("new.wasm")).unwrap();
    let added = STORES.replace("theirs.wasm", "new.wasm");
    stage.config(&added);
    does_not_run(
        &stage,
        &["the plugin ./new.wasm is not in coffer.lock", "coffer plugins lock --accept"],
    );
    stage.coffer(&["config", "check"]).refused(
        3,
        "operator",
        &["./new.wasm is not in coffer.lock"],
    );
    stage.coffer(&["plugins", "lock"]).refused(3, "operator", &["the plugin ./new.wasm may run"]);
    does_not_run(&stage, &["not in coffer.lock"]);
    stage.coffer(&["plugins", "lock", "--accept"]).succeeded();
    works(&stage, "theirs");
    // A store of a locked plugin is locked itself.
    stage.config(&added.replace("name: theirs", "name: others"));
    let get = stage.coffer(&["secrets", "list", "--store", "others"]);
    get.refused(3, "operator", &["the store others is not in coffer.lock"]);
    // As a default, it is a store as well.
    stage.config("default-secrets-plugin: ./theirs.wasm\n");
    stage.coffer(&["secrets", "list"]).refused(
        3,
        "operator",
        &["./theirs.wasm is not in coffer.lock"],
    );
    // It is about running; without a lock anything does.
    stage.coffer(&["plugins", "inspect", "filesystem"]).succeeded();
    fs::remove_file(stage.home().join("coffer.lock")).unwrap();
    stage.config(STORES);
    works(&stage, "theirs");
}

#[test]
fn a_file_that_changed_does_not_run_until_it_is_upgraded() {
    let stage = locked();
    let before = lock(&stage)["plugins"]["./theirs.wasm"]["digest"].as_str().unwrap().to_owned();
    put(&stage, &other());
    stage.file("other.wasm", other());
    let now = stage.coffer(&["plugins", "inspect", "./other.wasm", "-o", "json"]).json();
    let now = now["digest"].as_str().unwrap().to_owned();
    assert_ne!(before, now);
    does_not_run(&stage, &[&before, &now, "coffer plugins upgrade STORE FILE"]);
    // Locking what is configured is no way around it.
    stage.coffer(&["plugins", "lock", "--accept"]).refused(3, "operator", &[&before, &now]);
    does_not_run(&stage, &[&before]);
    let upgraded =
        stage.coffer(&["plugins", "upgrade", "theirs", "other.wasm"]).succeeded().stdout();
    assert!(upgraded.contains(&format!("is {now} now, and was {before}")), "{upgraded}");
    works(&stage, "theirs");
}

#[test]
fn a_wider_version_takes_a_yes_and_a_narrower_one_goes_through() {
    let stage = locked();
    stage.file("narrow.wasm", narrow());
    stage.file("wide.wasm", other());
    let narrower =
        stage.coffer(&["plugins", "upgrade", "theirs", "narrow.wasm"]).succeeded().stdout();
    assert!(
        narrower.contains("Narrower:\n  it no longer asks for changing and deleting files below"),
        "{narrower}"
    );
    assert!(!narrower.contains("Wider"), "{narrower}");
    assert_eq!(fs::read(stage.home().join("theirs.wasm")).unwrap(), narrow());
    let state = || (fs::read(stage.home().join("theirs.wasm")).unwrap(), lock(&stage));
    let before = state();
    let refused = stage.coffer(&["plugins", "upgrade", "./theirs.wasm", "wide.wasm"]);
    refused.refused(
        3,
        "operator",
        &[
            "wide.wasm is wider than the plugin ./theirs.wasm",
            "changing and deleting files below secrets",
            "--accept",
        ],
    );
    assert!(state() == before, "nothing changed");
    let accepted = stage
        .coffer(&["plugins", "upgrade", "theirs", "wide.wasm", "--accept", "-o", "json"])
        .json();
    assert_eq!(
        accepted["wider"],
        json!(["it asks for changing and deleting files below secrets, seen as /secrets"])
    );
    assert_eq!(fs::read(stage.home().join("theirs.wasm")).unwrap(), other());
    assert_eq!(lock(&stage)["plugins"]["./theirs.wasm"]["digest"], accepted["to"]);
    works(&stage, "theirs");
}

#[test]
fn what_another_version_imports_and_shows_counts() {
    let stage = Stage::cold();
    let version = |version: &str, credential: bool, imports: &[&str]| {
        let settings = json!({ "type": "object", "properties": {
            "token": { "type": "string", "credential": credential },
        } });
        let manifest = json!({ "name": "p", "version": version, "description": "d", "settings": settings,
            "asks": { "http": [{ "url": if credential { "https://a.example/**" } else { "https://b.example/{{token}}" },
                "methods": ["GET"] }] } });
        component(&manifest, imports)
    };
    const HTTP: &str = "coffer:host/http@0.1.0";
    put(&stage, &version("1", true, &[HTTP]));
    stage
        .config("secrets: [{ name: theirs, plugin: ./theirs.wasm, config: { token: hunter2 } }]\n");
    stage.coffer(&["plugins", "lock"]).succeeded();
    let check = |component: &[u8], words: &[&str]| {
        stage.file("new.wasm", component);
        let answer = stage.coffer(&["plugins", "upgrade", "theirs", "new.wasm"]);
        assert!(!answer.stderr().contains("hunter2"), "{}", answer.stderr());
        answer.refused(3, "operator", words);
    };
    check(
        &version("2", true, &[HTTP, "coffer:host/commands@0.1.0"]),
        &["it imports coffer:host/commands"],
    );
    check(
        &version("2", false, &[HTTP]),
        &[
            "it is shown the setting token, which was a credential that stays in the host",
            "cannot be compared",
        ],
    );
    let manifest = json!({ "name": "q", "version": "1", "description": "d" });
    check(&component(&manifest, &[]), &["it is the plugin q, and not p", "cannot be told"]);
    // One that is the same but for its version goes through, and so does one of fewer imports.
    stage.file("new.wasm", version("2", true, &[]));
    let upgraded = stage.coffer(&["plugins", "upgrade", "theirs", "new.wasm"]).succeeded().stdout();
    assert!(
        upgraded.contains("Narrower:\n  it no longer imports coffer:host/http\n"),
        "{upgraded}"
    );
    assert!(upgraded.contains("Other:\n  it is version 2, and was 1\n"), "{upgraded}");
    let none = stage.coffer(&["plugins", "upgrade", "ours", "new.wasm"]);
    none.refused(3, "operator", &["the plugin ours is not in coffer.lock"]);
    stage.file("new.wasm", "#!/bin/sh");
    stage.coffer(&["plugins", "upgrade", "theirs", "new.wasm"]).refused(
        3,
        "operator",
        &["not WebAssembly"],
    );
}

#[test]
fn grants_that_are_wider_than_locked_are_not_used() {
    let stage = locked();
    let wider = STORES.replace("create: true }]", "create: true }], environment: [HOME]");
    stage.config(&wider);
    let words = [
        "the store theirs is granted more than coffer.lock has: the environment variable HOME",
        "--accept",
    ];
    does_not_run(&stage, &words);
    stage.coffer(&["plugins", "lock"]).refused(3, "operator", &["the environment variable HOME"]);
    stage.coffer(&["plugins", "lock", "--accept"]).succeeded();
    works(&stage, "theirs");
    // Less than is locked needs nobody's yes.
    stage.config(STORES);
    works(&stage, "theirs");
    let locked = stage.coffer(&["plugins", "lock"]).succeeded().stdout();
    assert!(locked.contains("no longer granted the environment variable HOME"), "{locked}");
    stage.config(&wider);
    does_not_run(&stage, &["the environment variable HOME"]);
}

#[test]
fn a_lock_that_cannot_be_read_lets_nothing_run() {
    let stage = locked();
    let good = lock(&stage);
    let write =
        |value: &Value| fs::write(stage.home().join("coffer.lock"), value.to_string()).unwrap();
    let get = || stage.coffer(&["secrets", "list", "--store", "theirs"]);
    let mut unknown = good.clone();
    unknown["plugins"]["./theirs.wasm"]["sha"] = json!("x");
    write(&unknown);
    get().refused(3, "operator", &["coffer.lock cannot be used: unknown field `sha`"]);
    let mut later = good.clone();
    later["version"] = json!(2);
    write(&later);
    get().refused(
        3,
        "operator",
        &["its `version` is not 1", "the version of coffer that wrote it"],
    );
    write(&json!({ "version": 1, "plugins": {} }));
    get().refused(3, "operator", &["is not in coffer.lock"]);
    fs::write(stage.home().join("coffer.lock"), "").unwrap();
    get().refused(3, "operator", &["coffer.lock cannot be used"]);
    stage.coffer(&["plugins", "lock"]).refused(3, "operator", &["coffer.lock cannot be used"]);
    write(&good);
    works(&stage, "theirs");
}

#[test]
fn the_lock_is_beside_the_configuration_file() {
    let stage = locked();
    stage.file("elsewhere/config.yaml", STORES);
    let elsewhere = ["--config", "elsewhere/config.yaml"];
    put(&stage, &other());
    let list = ["secrets", "list", "--store", "theirs"];
    // The lock in coffer's directory is not about this file.
    stage.coffer(&[&list[..], &elsewhere].concat()).succeeded();
    stage.coffer(&[&["plugins", "lock"][..], &elsewhere].concat()).succeeded();
    assert_eq!(stage.names("work/elsewhere"), ["coffer.lock", "config.yaml"]);
    put(&stage, &guest_artifacts::plugin("filesystem"));
    stage.coffer(&[&list[..], &elsewhere].concat()).refused(3, "operator", &["coffer.lock has"]);
    stage.coffer(&list).succeeded();
}
