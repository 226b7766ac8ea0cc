//! What Porter asks a plugin for, and what it is told when there is no answer.

use crate::stage::{FILESYSTEM, KINDS, Stage};
use serde_json::json;
use std::fs;

/// Looked for wherever it must not be.
const CANARY: &str = "canary-7d1f";

#[test]
fn what_porter_does_in_one_install_and_upgrade() {
    for kind in KINDS {
        let stage = Stage::new();
        let mut host = stage.connected(kind, "filesystem", "null");
        let value = format!("{CANARY}\u{e4}\n\0");
        // The installation's override, a run that is thrown away, and the one that is used.
        for key in ["INSTID-password", "RUN1-password", "RUN2-password"] {
            host.create(key, &value);
        }
        assert_eq!(host.resolve("RUN2-password"), value);
        host.create("RUN2-name", "output");
        // An upgrade with the parameter again, and a parameter and an output of the same name: one key.
        host.create("INSTID-password", "new");
        host.create("RUN2-password", "the output");
        assert_eq!(host.resolve("INSTID-password"), "new");
        assert_eq!(host.resolve("RUN2-password"), "the output");
        assert_eq!(host.resolve("RUN1-password"), value);
        host.create("empty", "");
        assert_eq!(host.resolve("empty"), "");
        host.done(&json!({ "do": "kill" }));
        let (stderr, log) = host.told();
        assert!(!stderr.contains(CANARY), "{stderr}");
        assert!(!log.contains(CANARY), "{log}");
        // The next command of Porter starts another process.
        let mut host = stage.connected(kind, "filesystem", "null");
        assert_eq!(host.resolve("RUN1-password"), value);
        assert_eq!(stage.names("home/secrets").len(), 5);
    }
}

#[test]
fn the_section_is_nothing_null_or_a_store() {
    for kind in KINDS {
        for section in ["", "null", "{}", "  "] {
            let stage = Stage::new();
            let mut host = stage.connected(kind, "filesystem", section);
            host.create("key", "value");
            assert_eq!(stage.names("home/secrets").len(), 1, "{section:?}");
        }
        let stage = Stage::new();
        let mut host = stage.connected(kind, "anything", FILESYSTEM);
        host.create("key", "value");
        assert_eq!((stage.names("home/kept").len(), stage.names("home/secrets").len()), (1, 0));
    }
}

#[test]
fn the_key_names_a_store_of_coffers_own_configuration() {
    let stage = Stage::new();
    fs::create_dir(stage.path("own")).unwrap();
    let configuration =
        "secrets:\n  - name: prod\n    plugin: filesystem\n    config: { directory: prod }\n";
    fs::write(stage.path("own/config.yaml"), configuration).unwrap();
    let section = json!({ "home": stage.path("own") }).to_string();
    let mut host = stage.connected(KINDS[1], "prod", &section);
    host.create("key", "value");
    assert_eq!(stage.names("own/prod").len(), 1);
    let mut host = stage.connected(KINDS[1], "test", &section);
    let asked = json!({ "do": "resolve", "name": "secret", "key": "key" });
    host.refused(&asked, "FailedPrecondition", &["test", "prod"]);
}

#[test]
fn a_store_has_the_grants_of_the_section_and_no_others() {
    let stage = Stage::new();
    // The bundled plugin asks for its directory. What is written, if only nothing, is all that it has.
    let section = r#"{"plugin":"filesystem","grants":{}}"#;
    let mut host = stage.connected(KINDS[1], "fs", section);
    let asked = json!({ "do": "create", "name": "secret", "key": "key", "value": CANARY });
    let answer = host.ask(&asked);
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("grant") && error.contains("directories"), "{error}");
    assert!(!error.contains(CANARY), "{error}");
    assert!(stage.names("home/secrets").is_empty());
}

#[test]
fn what_is_required_of_registries_holds_for_a_section_as_well() {
    let stage = Stage::new();
    // A key that is not there, so that nobody has to be asked.
    let configuration = "registries: [{ registry: 127.0.0.1:1, require-signature: ours.pub }]\n";
    fs::create_dir_all(stage.path("home")).unwrap();
    fs::write(stage.path("home/config.yaml"), configuration).unwrap();
    let section = format!(r#"{{"plugin":"oci://127.0.0.1:1/a@sha256:{}"}}"#, "0".repeat(64));
    let mut host = stage.connected(KINDS[1], "fs", &section);
    let asked = json!({ "do": "resolve", "name": "secret", "key": "key" });
    host.refused(&asked, "FailedPrecondition", &["ours.pub cannot be used", "next: "]);
}

#[test]
fn a_plugin_that_is_not_locked_does_not_run_for_porter_either() {
    let stage = Stage::new();
    fs::create_dir(stage.path("home")).unwrap();
    fs::write(stage.path("home/coffer.lock"), r#"{"version":1,"plugins":{}}"#).unwrap();
    fs::write(stage.path("home/theirs.wasm"), "").unwrap();
    let mut host = stage.connected(KINDS[1], "theirs", r#"{"plugin":"./theirs.wasm"}"#);
    let asked = json!({ "do": "resolve", "name": "secret", "key": "key" });
    let parts = ["./theirs.wasm is not in coffer.lock", "next: look at the plugin"];
    host.refused(&asked, "FailedPrecondition", &parts);
    // What comes with the program is part of it.
    let mut host = stage.connected(KINDS[1], "filesystem", "");
    host.create("key", "value");
    // One that cannot be read lets nothing run.
    fs::write(stage.path("home/coffer.lock"), "").unwrap();
    let mut host = stage.connected(KINDS[1], "filesystem", "");
    host.refused(&asked, "FailedPrecondition", &["coffer.lock cannot be used", "next: "]);
}

#[test]
fn what_is_refused_has_a_code_and_says_what_to_do() {
    for kind in KINDS {
        let stage = Stage::new();
        fs::write(stage.path("user/file"), CANARY).unwrap();
        let mut host = stage.connected(kind, "filesystem", "");
        let resolve = |name: &str, key: &str| json!({ "do": "resolve", "name": name, "key": key });
        host.refused(&resolve("secret", "absent"), "NotFound", &["absent", "filesystem", "next: "]);
        host.refused(&resolve("secret", "../x"), "InvalidArgument", &["next: "]);
        // What Porter before 1.2 sent to plugins. Nothing of the machine is read.
        let file = stage.path("user/file").display().to_string();
        let others =
            [("env", "HOME"), ("path", &file), ("command", "cat file"), ("value", "x"), ("", "x")];
        for (source, key) in others {
            host.refused(&resolve(source, key), "InvalidArgument", &["source `secret` only"]);
        }
        let create = json!({ "do": "create", "name": "env", "key": "HOME", "value": CANARY });
        host.refused(&create, "InvalidArgument", &["source `secret` only"]);

        let mut host = stage.connected(kind, "host", "");
        let create = json!({ "do": "create", "name": "secret", "key": "key", "value": CANARY });
        host.refused(&create, "Unimplemented", &["cannot put", "next: "]);

        for (section, part) in [
            (r#"{"plugin":"no-such"}"#, "no-such"),
            (r#"{"plugin":"filesystem","grant":{"x":"canary-7d1f"}}"#, "grants"),
            (r#"{"plugin":"filesystem","config":{"token":"canary-7d1f"}}"#, "token"),
            ("canary-7d1f", "not JSON"),
            ("[]", "keys and values"),
        ] {
            let mut host = stage.connected(kind, "x", section);
            for _ in 0..2 {
                host.refused(&resolve("secret", "key"), "FailedPrecondition", &[part, "next: "]);
            }
            let (stderr, log) = host.told();
            assert!(!stderr.contains(CANARY) && !log.contains(CANARY), "{section}: {stderr}{log}");
        }
    }
}

#[test]
fn large_values_are_carried_or_refused() {
    for kind in KINDS {
        let stage = Stage::new();
        let create = |times: usize| json!({ "do": "create", "name": "secret", "key": "key", "value": "x", "times": times });
        const MIB: usize = 1 << 20;
        let mut host = stage.connected(kind, "filesystem", "");
        host.done(&create(MIB));
        host.refused(
            &create(MIB + 1),
            "ResourceExhausted",
            &["larger than 1048576 bytes", "next: "],
        );
        assert_eq!(host.resolve("key").len(), MIB);
        host.refused(&create(40 * MIB), "OutOfRange", &["too large"]);

        // More than the 4 MiB that servers of gRPC take unless they are told otherwise.
        let section = r#"{"plugin":"filesystem","limits":{"answer":"6MiB","call":"1m"}}"#;
        let mut host = stage.connected(kind, "x", section);
        host.done(&create(6 * MIB));
        assert_eq!(host.resolve("key").len(), 6 * MIB);
    }
}

#[test]
fn a_value_that_is_no_text_is_refused() {
    let stage = Stage::new();
    let mut host = stage.connected(KINDS[1], "filesystem", "");
    host.create("key", CANARY);
    let file = stage.path("home/secrets").join(&stage.names("home/secrets")[0]);
    fs::write(file, [b'c', 0xff]).unwrap();
    let asked = json!({ "do": "resolve", "name": "secret", "key": "key" });
    host.refused(&asked, "FailedPrecondition", &["not text in UTF-8"]);
}
