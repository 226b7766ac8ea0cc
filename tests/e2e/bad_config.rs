//! Configuration files that are wrong. Each is refused before anything else is looked at, by every command
//! that needs one, and what is stored is there when it was mended.

use crate::bad_input::kept;
use crate::stage::{FILESYSTEM, Stage};
use std::fs;

#[test]
fn configurations() {
    let stage = Stage::installed("pa55word");
    stage.call(&["secrets", "put", "kept"]).stdin("value").run().succeeded();
    let before = kept(&stage);
    for (text, words) in [
        ("default-secret: x\n", &["default-secret", "default-secrets"][..]),
        ("secrets:\n- { name: a, plugin: host, confg: {} }\n", &["confg", "config"]),
        (
            "secrets:\n- { name: a, plugin: host }\n- { name: a, plugin: filesystem }\n",
            &["two stores are named \"a\"", "give each entry its own name"],
        ),
        (
            "default-secrets: gone\nsecrets:\n- { name: a, plugin: host }\n",
            &["secrets \"gone\" not defined", "defined are \"a\""],
        ),
        ("default-secrets: gone\n", &["secrets \"gone\" not defined"]),
        ("default-storage: gone\n", &["storage \"gone\" not defined"]),
        ("default-secrets-plugin: [a]\n", &["default-secrets-plugin"]),
        ("verbosity: loud\n", &["verbosity"]),
        ("secrets: [{ name: a }]\n", &["plugin"]),
        ("secrets: [{ name: '', plugin: host }]\n", &["must not be empty"]),
        ("secrets: [{ name: a, plugin: host, grants: { htp: [] } }]\n", &["htp", "http"]),
        ("secrets: [{ name: a, plugin: host, limits: { memory: much } }]\n", &["memory"]),
        ("secrets: [{ name: a, plugin: host, config: { x: '${env.NOT_SET}' } }]\n", &["NOT_SET"]),
        ("secrets: [{ name: a\n", &["line"]),
        ("secrets: *nobody\n", &["line"]),
        ("- a list\n", &["config.yaml"]),
        ("default-secrets-plugin: a\ndefault-secrets-plugin: b\n", &["config.yaml"]),
        ("schemaVersion: 3.0.0\ncontexts: []\n", &["schemaVersion"]),
        ("contexts: []\n", &["schemaVersion"]),
    ] {
        stage.config(text);
        for arguments in [
            &["config", "check"][..],
            &["config", "show"],
            &["secrets", "get", "kept"],
            &["install", "new", "-b", "bundle", "--param", "password=x"],
            &["uninstall", "sensitive-data", "--delete"],
            &["runs", "recover"],
        ] {
            let answer = stage.coffer(arguments).refused(3, "operator", words);
            assert!(answer.stderr().contains("config.yaml"), "{}", answer.stderr());
        }
        stage.config(FILESYSTEM);
        assert_eq!(kept(&stage), before, "{text}");
    }
    // Where the ledger is concerns only who needs it.
    stage.config(&format!("{FILESYSTEM}default-storage-plugin: oracle\n"));
    for arguments in [&["config", "check"][..], &["installations", "list"], &["runs", "recover"]] {
        let words = ["no storage plugin \"oracle\"", "sqlite"];
        stage.coffer(arguments).refused(3, "operator", &words);
    }
    assert_eq!(stage.secret("kept"), b"value");
    // What a command needs that has no use for a configuration is there all the same.
    stage.config("nonsense: {\n");
    stage.coffer(&["version"]).succeeded();
    stage.coffer(&["completions", "bash"]).succeeded();
    stage.coffer(&["config", "schema"]).succeeded();
}

#[test]
fn where_a_configuration_should_be() {
    let stage = Stage::installed("pa55word");
    let list = ["secrets", "list"];
    stage.coffer(&[&list[..], &["--config", "absent.yaml"]].concat()).refused(
        2,
        "requester",
        &["cannot read absent.yaml", "No such file"],
    );
    stage.coffer(&[&list[..], &["--context", "prod"]].concat()).refused(
        3,
        "operator",
        &["\"prod\"", "has no contexts"],
    );
    stage.file("bytes.yaml", b"a: \xff\n");
    stage.coffer(&[&list[..], &["--config", "bytes.yaml"]].concat()).refused(
        2,
        "requester",
        &["bytes.yaml is no text in UTF-8"],
    );
    fs::remove_file(stage.home().join("config.yaml")).unwrap();
    fs::create_dir(stage.home().join("config.yaml")).unwrap();
    stage.coffer(&list).refused(3, "operator", &["config.yaml"]);
    fs::remove_dir(stage.home().join("config.yaml")).unwrap();
    stage.file("file", "");
    stage.call(&list).variable("COFFER_HOME", stage.path("work/file")).run().refused(
        3,
        "operator",
        &["work/file", "choose another one with --home"],
    );
    stage.config("default-secrets: b\nsecrets:\n- { name: b, plugin: filesystem, config: { directry: x } }\n");
    stage.coffer(&list).refused(3, "operator", &["directry", "directory"]);
    stage.config("default-secrets: b\nsecrets:\n- { name: b, plugin: filesystem, config: { directory: 7 } }\n");
    stage.coffer(&list).refused(3, "operator", &["directory"]);
}
