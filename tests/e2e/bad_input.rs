//! Plugins, bundles, parameters, keys and a ledger that are not what they should be: each is told what, why,
//! whose fault and what next, and nothing is lost. The configuration is in [`crate::bad_config`], the disk in
//! [`crate::disk`].

use crate::bundles;
use crate::stage::{FILESYSTEM, Stage};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;

/// A machine with a secret, a set and an installation.
fn stage() -> Stage {
    let stage = Stage::installed("pa55word");
    stage.call(&["secrets", "put", "kept"]).stdin("value").run().succeeded();
    stage.file("set.yaml", "name: mine\nparameters: [{ name: p, source: { value: v } }]\n");
    stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
    stage
}

/// What must be as it was, after the command that failed.
#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    ledger: Value,
    keys: Vec<String>,
    files: Vec<(std::path::PathBuf, Vec<u8>)>,
}

/// Everything that may not be lost, read with a configuration that is good.
pub(crate) fn kept(stage: &Stage) -> Kept {
    let broken = fs::read(stage.home().join("config.yaml")).unwrap();
    stage.config(FILESYSTEM);
    let kept = Kept { ledger: stage.ledger(), keys: stage.keys(), files: stage.state() };
    assert_eq!(stage.secret("kept"), b"value");
    assert!(stage.scratch().is_empty() && stage.names("tmp").is_empty());
    fs::write(stage.home().join("config.yaml"), broken).unwrap();
    kept
}

/// `component` with every occurrence of `from` replaced by `to`, which is as long.
fn renamed(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "{from} is not in the component");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn plugins() {
    let stage = stage();
    let guest = guest_artifacts::guest("trap_panic");
    let filesystem = guest_artifacts::plugin("filesystem");
    let wat = |text: &str| wat::parse_str(text).unwrap();
    // What the file is, its bytes, the exit code, whose fault it is, and words of what is said.
    type Row = (&'static str, Vec<u8>, i32, &'static str, &'static [&'static str]);
    let rows: Vec<Row> = vec![
        ("empty", Vec::new(), 3, "operator", &["is not WebAssembly", "check the path"]),
        ("a text", b"#!/bin/sh\n".to_vec(), 3, "operator", &["is not WebAssembly"]),
        (
            "a core module",
            wat("(module)"),
            4,
            "plugin",
            &["core module", "wasm-tools component new"],
        ),
        ("cut off", guest[..guest.len() / 2].to_vec(), 4, "plugin", &["malformed", "at byte"]),
        ("nothing in it", wat("(component)"), 4, "plugin", &["no manifest"]),
        (
            "another world",
            wat(r#"(component (@custom "coffer:manifest"
                "{\"name\":\"x\",\"version\":\"1.0.0\",\"description\":\"x\"}"))"#),
            4,
            "plugin",
            &["coffer:secrets/resolver@0.1", "check that this is a secrets plugin"],
        ),
        (
            "an export of another version",
            renamed(&guest, "coffer:secrets/resolver@0.1.0", "coffer:secrets/resolver@7.1.0"),
            4,
            "plugin",
            &["does not export"],
        ),
        (
            "an unknown import",
            renamed(&filesystem, "wasi:random/random", "acme:random/random"),
            4,
            "plugin",
            &["imports `acme:random/random", "nothing can be granted here"],
        ),
        (
            "no manifest",
            renamed(&guest, "coffer:manifest", "coffer:manifesT"),
            4,
            "plugin",
            &["has no manifest", "coffer_plugin::build::plugin()"],
        ),
        (
            "a manifest that is no JSON",
            renamed(&guest, "{\"name\":", "[\"name\":"),
            4,
            "plugin",
            &["manifest", "coffer_plugin::build::plugin()"],
        ),
        (
            "a manifest with an unknown key",
            renamed(&guest, "\"description\":\"A guest", "\"descriptiom\":\"A guest"),
            4,
            "plugin",
            &["manifest", "descriptiom"],
        ),
        // It imports what only a grant of a directory gives, and the operator wrote none.
        (
            "no grants",
            filesystem.clone(),
            3,
            "operator",
            &[
                "no grant allows the directory /secrets, which the plugin asks for",
                "the plugin says: no grant covers this path",
                "add to the store `bad`",
            ],
        ),
    ];
    let before = kept(&stage);
    for (what, bytes, code, fault, words) in rows {
        fs::write(stage.path("plugin.wasm"), bytes).unwrap();
        let path = stage.path("plugin.wasm");
        stage.config(&format!("{FILESYSTEM}secrets: [{{ name: bad, plugin: {path:?} }}]\n"));
        let get = ["secrets", "get", "k", "--store", "bad"];
        let answer = stage.coffer(&get).refused(code, fault, words);
        assert!(!answer.stderr().contains("panicked"), "{what}");
        // A store that is not asked is in nobody's way.
        assert_eq!(stage.secret("kept"), b"value", "{what}");
        assert_eq!(kept(&stage), before, "{what}");
        if what != "no grants" {
            let inspected = stage.coffer(&["plugins", "inspect", path.to_str().unwrap()]);
            inspected.refused(code, fault, words);
        }
    }
    fs::remove_file(stage.path("plugin.wasm")).unwrap();
    stage.coffer(&["secrets", "get", "k", "--store", "bad"]).refused(
        3,
        "operator",
        &["cannot read the plugin", "No such file", "mend the path"],
    );
    stage.config(&format!("{FILESYSTEM}secrets: [{{ name: bad, plugin: filesistem }}]\n"));
    stage.coffer(&["secrets", "get", "k", "--store", "bad"]).refused(
        3,
        "operator",
        &[
            "there is no plugin `filesistem`",
            "bundled are aws-secrets-manager, azure-key-vault, filesystem, gcp-secret-manager, host, kubernetes, vault",
        ],
    );
    stage.coffer(&["secrets", "get", "k", "--store", "bed"]).refused(
        2,
        "requester",
        &["there is no store `bed`", "add it to `secrets`"],
    );
}

#[test]
fn bundles_on_the_disk() {
    let stage = stage();
    let before = kept(&stage);
    let check = |words: &[&str]| {
        let install = ["install", "new", "-b", "bundle", "--param", "password=x"];
        stage.coffer(&install).refused(2, "requester", words);
        assert_eq!(kept(&stage), before, "{words:?}");
    };
    for (pointer, value, words) in [
        ("/name", Value::Null, &["name"][..]),
        ("/version", json!(1), &["at `version`"]),
        ("/invocationImages", Value::Null, &["invocationImages"]),
        ("/invocationImages", json!([]), &["invocationImages"]),
        ("/invocationImages/0/image", json!("missing.wasm"), &["missing.wasm", "No such file"]),
        ("/invocationImages/0/image", json!("../set.yaml"), &["not beside it"]),
        ("/invocationImages/0/image", json!("bundle.json"), &["not WebAssembly"]),
        (
            "/invocationImages/0/contentDigest",
            json!(format!("sha256:{}", "0".repeat(64))),
            &["digest"],
        ),
        ("/parameters/password/definition", json!("nothing"), &["nothing"]),
        ("/parameters/password/destination", Value::Null, &["password"]),
        ("/definitions/password-parameter/type", json!("number?"), &["password-parameter"]),
        ("/outputs/name/path", json!("/etc/passwd"), &["/cnab/app/outputs/"]),
        ("/custom/io.cnab.parameter-sources/name/sources/output/name", json!("no"), &["no"]),
        ("/requiredExtensions/0", json!("com.example.unknown"), &["com.example.unknown"]),
    ] {
        stage.bundle(&bundles::with(pointer, value));
        check(words);
    }
    for (text, words) in [
        ("", &["bundle.json"][..]),
        ("{", &["line 1"]),
        ("{\n  \"name\": \"x\",\n  \"name\": }", &["line 3"]),
        ("[]", &["bundle.json"]),
        ("\u{feff}{}", &["bundle.json"]),
    ] {
        stage.file("bundle/bundle.json", text);
        check(words);
    }
    stage.file("bundle/bundle.json", [b"{\n\"name\": \"\xff\"}".as_slice()].concat());
    check(&["UTF-8", "line 2"]);
    fs::remove_file(stage.path("work/bundle/bundle.json")).unwrap();
    check(&["bundle.json", "No such file", "--bundle"]);
    fs::remove_dir_all(stage.path("work/bundle")).unwrap();
    check(&["No such file"]);
}

#[test]
fn parameters() {
    let stage = stage();
    let mut bundle = bundles::sensitive_data();
    bundle["definitions"]["count"] = json!({ "type": "integer", "minimum": 1 });
    bundle["parameters"]["count"] =
        json!({ "definition": "count", "destination": { "env": "COUNT" }, "applyTo": ["install"] });
    stage.bundle(&bundle);
    let before = kept(&stage);
    for (action, parameters, words) in [
        ("install", &[][..], &["requires the parameter `password`", "--param password=VALUE"][..]),
        ("install", &["password=x", "count=seven"], &["the parameter `count`", "whole number"]),
        ("install", &["password=x", "count=1.5"], &["the parameter `count`", "whole number"]),
        ("install", &["password=x", "count=0"], &["the parameter `count`", "minimum"]),
        ("install", &["password=x", "count="], &["the parameter `count`"]),
        (
            "install",
            &["password=x", "passwort=y"],
            &["no parameter `passwort`", "did you mean `password`"],
        ),
        ("upgrade", &["count=1"], &["`count` is not for the action `upgrade`"]),
    ] {
        let name = if action == "install" { "new" } else { "sensitive-data" };
        let mut arguments = vec![action, name, "-b", "bundle"];
        for parameter in parameters {
            arguments.extend(["--param", parameter]);
        }
        stage.coffer(&arguments).refused(2, "requester", words);
        assert_eq!(kept(&stage), before, "{parameters:?}");
    }
}

#[test]
fn keys() {
    let stage = stage();
    let before = kept(&stage);
    let text = |text: &str| OsString::from(text);
    for (key, words) in [
        (text(""), &["is empty"][..]),
        (text("."), &["a segment `.` or `..`"]),
        (text(".."), &["a segment `.` or `..`"]),
        (text("a/../../b"), &["a segment `.` or `..`"]),
        (text("/etc/passwd"), &["begins with `/`"]),
        (text("a\nb"), &["a\\u{a}b", "control character"]),
        (text("a\u{1b}[2Jb"), &["a\\u{1b}[2Jb", "control character"]),
        (text(&"k".repeat(10 * 1024)), &["10240 bytes", "at most 1024"]),
        (OsString::from_vec(b"a\xffb".to_vec()), &["UTF-8"]),
    ] {
        for verb in ["get", "put", "delete"] {
            let arguments = [text("secrets"), text(verb), key.clone()];
            let answer = stage.call(&arguments).stdin("x").run().refused(2, "requester", words);
            assert!(answer.stderr.len() < 1000, "{}", answer.stderr());
        }
        assert_eq!(kept(&stage), before);
    }
    // Keys that differ by their case are two secrets, also where they would be one name.
    let alike =
        ["key", "Key", "KEY", "k\u{e9}y", "ke\u{301}y", "key.", "key/x", "key%2fx", ".pending"];
    for key in alike {
        stage.call(&["secrets", "put", key, "--keep"]).stdin(key).run().succeeded();
    }
    for key in alike {
        assert_eq!(stage.secret(key), key.as_bytes());
    }
    stage.coffer(&["secrets", "delete", "Key"]).succeeded();
    stage.coffer(&["secrets", "get", "Key"]).refused(2, "requester", &["no such secret"]);
    assert_eq!(stage.secret("key"), b"key");
    assert!(!stage.path("etc").exists() && stage.names("").contains(&"home".to_owned()));
}

#[test]
fn a_locked_ledger() {
    let stage = stage();
    let before = kept(&stage);
    let ledger = Connection::open(stage.home().join("ledger.db")).unwrap();
    ledger.execute_batch("PRAGMA locking_mode = NORMAL; BEGIN EXCLUSIVE").unwrap();
    let install = ["install", "new", "-b", "bundle", "--param", "password=x"];
    let set = ["parameters", "apply", "set.yaml"];
    // Both wait as long as one of them would.
    let waiting = [&install[..], &set].map(|arguments| stage.call(arguments).start());
    for child in waiting {
        let answer = crate::stage::Answer::of(child, "with a locked ledger".into());
        answer.refused(
            3,
            "operator",
            &[
                "another process has kept the ledger locked",
                "see which process has `ledger.db` open",
            ],
        );
    }
    // What needs no ledger goes on, and what only reads it too.
    assert_eq!(stage.secret("kept"), b"value");
    stage.coffer(&["installations", "list"]).succeeded();
    ledger.execute_batch("ROLLBACK").unwrap();
    assert_eq!(kept(&stage), before);
    stage.coffer(&install).succeeded();
}

#[test]
fn a_ledger_that_is_none_or_of_the_future() {
    let stage = stage();
    let path = stage.home().join("ledger.db");
    let good = {
        Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        fs::read(&path).unwrap()
    };
    let list = ["installations", "list"];
    fs::write(&path, "this is no database, but a text that is long enough to be looked at")
        .unwrap();
    stage.coffer(&list).refused(3, "operator", &["is no ledger", "put a copy of it back"]);
    fs::write(&path, &good).unwrap();
    stage.coffer(&list).succeeded();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    stage.coffer(&list).refused(3, "operator", &["a newer coffer made the ledger", "99"]);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();
    stage.coffer(&list).succeeded();
    assert_eq!(stage.secret("kept"), b"value");
}

/// What is printed as the grant to add is the grant that was missing.
#[test]
fn a_directory_that_is_not_granted_is_granted_by_what_is_printed() {
    let stage = Stage::keeping();
    let path = stage.path("plugin.wasm");
    fs::write(&path, guest_artifacts::plugin("filesystem")).unwrap();
    let config = format!("secrets:\n  - name: files\n    plugin: {path:?}\n");
    stage.config(&config);
    let put = ["secrets", "put", "k", "--store", "files"];
    let answer = stage.call(&put).stdin("value").run().refused(3, "operator", &["directories:"]);
    let error = answer.stderr();
    let (_, printed) = error.split_once("    grants:\n").unwrap();
    let (printed, _) = printed.split_once("\n\n").unwrap_or((printed, ""));
    stage.config(&format!("{config}    grants:\n{printed}\n"));
    stage.call(&put).stdin("value").run().succeeded();
    let get = ["secrets", "get", "k", "--store", "files", "--reveal"];
    assert_eq!(stage.coffer(&get).succeeded().stdout, b"value");
}
