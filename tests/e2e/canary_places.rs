//! The value where a value does not belong: in the wrong place of a command line, a set, a configuration
//! and a bundle. Whatever is said about the place, the value is not.

use crate::bundles;
use crate::scan::{CANARY, Scanner};
use crate::stage::{FILESYSTEM, Stage};
use serde_json::{Value, json};

/// Calls the binary, which fails, as text and as JSON, and looks at everything but `written`.
#[track_caller]
fn check(stage: &Stage, scanner: &Scanner, arguments: &[&str], written: &[&str]) {
    for format in ["text", "json"] {
        let arguments = [arguments, &["--verbosity", "debug", "-o", format]].concat();
        let answer = stage.call(&arguments).stdin(CANARY).run();
        assert_ne!(answer.code, Some(0), "{}", answer.asked);
        assert!(!answer.stderr.is_empty());
        scanner.answer_is_clean(&answer);
    }
    scanner.machine_is_clean(stage, written);
}

#[test]
fn parameters_of_the_wrong_type() {
    let scanner = Scanner::new();
    for (definition, sensitive) in [
        (json!({ "type": "integer" }), true),
        (json!({ "type": "integer" }), false),
        (json!({ "type": "boolean" }), true),
        (json!({ "type": "object" }), false),
        (json!({ "type": "array", "items": { "type": "integer" } }), true),
        (json!({ "type": "string", "enum": ["a", "b"] }), true),
        (json!({ "type": "string", "maxLength": 3 }), false),
        (json!({ "type": "string", "pattern": "^[a-z]*$" }), true),
        (json!({ "type": "string", "const": "other" }), false),
    ] {
        let stage = Stage::keeping();
        let mut definition = definition;
        definition["writeOnly"] = json!(sensitive);
        stage.bundle(&bundles::with("/definitions/password-parameter", definition));
        check(&stage, &scanner, &["install", "-b", "bundle", "--param", "password=-"], &[]);
        stage.file("set.yaml", json!({
            "name": "mine", "parameters": [{ "name": "password", "source": { "value": CANARY } }]
        }).to_string());
        stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
        let written = ["work/set.yaml", "home/secrets"];
        check(&stage, &scanner, &["install", "-b", "bundle", "-p", "mine"], &written);
    }
}

#[test]
fn command_lines() {
    let scanner = Scanner::new();
    let stage = Stage::keeping();
    let named = format!("password={CANARY}");
    let flag = format!("--parm={named}");
    for arguments in [
        &["install", "-b", "bundle", "--param", CANARY][..],
        &["install", "-b", "bundle", "--param", &named, "--param", &named],
        &["install", "-b", "bundle", "x", &named],
        &["install", "-b", "bundle", &flag],
        &["install", "-b", "bundle", "--output", CANARY],
        &["install", "-b", "bundle", "--param", &named, "--param", "unknown=1"],
        &["secrets", "put", "k", CANARY],
        &["secrets", "get", "k", "--source", CANARY],
        &["secrets", "list", "", CANARY],
        &["plugins", "grants", "filesystem", "--set", CANARY],
        &[CANARY],
        &["secrets", CANARY],
        &["completions", CANARY],
        &["version", "--verbosity", CANARY],
    ] {
        check(&stage, &scanner, arguments, &[]);
    }
}

#[test]
fn sets() {
    let scanner = Scanner::new();
    let set = |entry: Value| json!({ "name": "mine", "parameters": [entry] }).to_string();
    let quoted = serde_json::to_string(CANARY).unwrap();
    for text in [
        set(json!(CANARY)),
        set(json!({ "name": "p", "source": CANARY })),
        set(json!({ "name": "p", "source": { CANARY: "value" } })),
        set(json!({ "name": "p", "source": { "value": CANARY, "env": "X" } })),
        set(json!({ "name": "p", "source": { "secret": [CANARY] } })),
        set(json!({ "name": "p", "source": { "secret": "k", "store": CANARY } })),
        set(json!({ "name": "p", "value": CANARY })),
        set(json!({ "name": "p", "source": { "env": CANARY } })),
        json!({ "name": "mine", "parameters": CANARY }).to_string(),
        json!({ "name": "mine", "parameters": [], "schemaVersion": CANARY }).to_string(),
        json!({ "name": "mine", "parameters": [], "schemaType": CANARY }).to_string(),
        json!({ "name": CANARY, "parameters": [] }).to_string(),
        json!(CANARY).to_string(),
        format!("name: mine\nparameters:\n- name: p\n  source: {{ value: {quoted}\n"),
        format!("name: mine\nparameters:\n- name: p\n  source:\n    value: {quoted} : {quoted}\n"),
        format!("name: mine\n\tparameters: {quoted}\n"),
        format!("name: *{CANARY}\n"),
        format!("name: mine\nname: {quoted}\n"),
    ] {
        let stage = Stage::keeping();
        stage.file("set.yaml", &text);
        check(&stage, &scanner, &["parameters", "apply", "set.yaml"], &["work/set.yaml"]);
        assert_eq!(stage.ledger()["sets"], json!([]), "{text}");
    }
}

#[test]
fn configurations() {
    let scanner = Scanner::new();
    let store = |rest: Value| {
        let mut store = json!({ "name": "s", "plugin": "filesystem" });
        store.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "default-secrets": "s", "secrets": [store] }).to_string()
    };
    let quoted = serde_json::to_string(CANARY).unwrap();
    for text in [
        json!({ "secrets": CANARY }).to_string(),
        json!({ "secrets": [CANARY] }).to_string(),
        json!({ "verbosity": CANARY }).to_string(),
        json!({ "default-secrets": [CANARY] }).to_string(),
        json!({ "namespace": { "a": CANARY } }).to_string(),
        json!({ "schemaVersion": CANARY }).to_string(),
        json!(CANARY).to_string(),
        store(json!({ "config": CANARY })),
        store(json!({ "config": { "directory": [CANARY] } })),
        store(json!({ "config": { "unknown": CANARY } })),
        store(json!({ "unknown": CANARY })),
        store(json!({ "limits": { "memory": CANARY } })),
        store(json!({ "limits": { "call": [CANARY] } })),
        store(json!({ "grants": CANARY })),
        store(json!({ "grants": { "http": [{
            "url": "https://localhost/", "methods": ["GET"], "headers": { "X-Token": CANARY }
        }] } })),
        store(json!({ "grants": { "http": [{ "url": CANARY, "methods": ["GET"] }] } })),
        store(json!({ "grants": { "commands": CANARY } })),
        format!("secrets: [{{ name: s, plugin: filesystem, config: {{ token: {quoted} }}\n"),
        format!("secrets:\n- name: s\n\tplugin: {quoted}\n"),
        format!("namespace: {quoted} {quoted}\n"),
        format!("namespace: *x{CANARY}\n"),
        format!("{FILESYSTEM}{FILESYSTEM}x: {quoted}\n"),
    ] {
        let stage = Stage::new();
        stage.config(&text);
        check(&stage, &scanner, &["config", "check"], &["home/config.yaml"]);
        check(&stage, &scanner, &["secrets", "get", "k"], &["home/config.yaml"]);
    }
}

#[test]
fn bundles_that_are_wrong() {
    let scanner = Scanner::new();
    for (pointer, value) in [
        ("/schemaVersion", json!([CANARY])),
        ("/invocationImages", json!(CANARY)),
        ("/invocationImages/0/contentDigest", json!(CANARY)),
        ("/definitions/password-parameter", json!(CANARY)),
        ("/definitions/password-parameter", json!({ "type": CANARY })),
        (
            "/definitions/password-parameter",
            json!({ "type": "integer", "writeOnly": true, "default": CANARY }),
        ),
        (
            "/definitions/password-parameter",
            json!({ "type": "string", "pattern": format!("({CANARY}") }),
        ),
        ("/parameters/password", json!(CANARY)),
        ("/parameters/password/required", json!(CANARY)),
        ("/parameters/password/destination", json!(CANARY)),
        ("/parameters/password/applyTo", json!({ "a": CANARY })),
        ("/outputs/name/path", json!({ "a": CANARY })),
        ("/custom/io.cnab.parameter-sources", json!(CANARY)),
    ] {
        let stage = Stage::keeping();
        stage.bundle(&bundles::with(pointer, value));
        let install = ["install", "-b", "bundle", "--param", "password=x"];
        check(&stage, &scanner, &install, &["work/bundle"]);
    }
    let quoted = serde_json::to_string(CANARY).unwrap();
    for text in
        [quoted.clone(), format!("{{\"name\": {quoted} {quoted}}}"), format!("{{\"a\": {quoted}")]
    {
        let stage = Stage::keeping();
        stage.file("bundle/bundle.json", text);
        check(&stage, &scanner, &["install", "-b", "bundle"], &["work/bundle"]);
    }
}

#[test]
fn a_sensitive_default_is_not_in_the_ledger() {
    let (stage, scanner) = (Stage::keeping(), Scanner::new());
    let definition = json!({ "type": "string", "writeOnly": true, "default": CANARY });
    stage.bundle(&bundles::with("/definitions/password-parameter", definition));
    let answer = stage.coffer(&["install", "-b", "bundle", "--verbosity", "debug"]).succeeded();
    scanner.answer_is_clean(&answer);
    scanner.answer_is_clean(&stage.coffer(&["ledger", "dump"]));
    scanner.machine_is_clean(&stage, &["home/secrets", "work/bundle"]);
}
