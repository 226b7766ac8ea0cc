//! Where plugins run: those that come with the binary in its own process, any other in one of its own.

use crate::stage::Stage;
use crate::without::without_landlock;
use serde_json::Value;

/// A store of each kind, of the same component: a file of this name is nobody's but the operator's.
const STORES: &str = "\
default-secrets: ours
secrets:
  - { name: ours, plugin: filesystem }
  - { name: ours-apart, plugin: filesystem, isolation: process }
  - name: theirs
    plugin: ./theirs.wasm
    grants: { directories: [{ host: ./theirs, guest: /secrets, access: read-write, create: true }] }
  - name: theirs-within
    plugin: ./theirs.wasm
    isolation: none
    grants: { directories: [{ host: ./theirs, guest: /secrets, access: read-write, create: true }] }
";

fn stage() -> Stage {
    let stage = Stage::new();
    stage.config(STORES);
    std::fs::write(stage.home().join("theirs.wasm"), guest_artifacts::plugin("filesystem"))
        .unwrap();
    stage
}

/// Where stores run, by what the binary says is in effect.
#[track_caller]
fn isolation(stage: &Stage, expected: [(&str, &str); 5]) {
    let shown = stage.coffer(&["config", "show", "-o", "json"]).json();
    for (store, expected) in expected {
        let stores = shown["stores"].as_array().unwrap();
        let found = stores.iter().find(|found| found["name"] == store).unwrap();
        assert_eq!(found["isolation"], expected, "{store}");
    }
}

#[test]
fn a_plugin_that_is_not_bundled_runs_in_a_process_of_its_own() {
    let stage = stage();
    isolation(
        &stage,
        [
            ("ours", "none"),
            ("ours-apart", "process"),
            ("theirs", "process"),
            ("theirs-within", "none"),
            ("host", "none"),
        ],
    );
    let inspected = |plugin: &str| {
        let inspected: Value = stage.coffer(&["plugins", "inspect", plugin, "-o", "json"]).json();
        inspected["isolation"].as_str().unwrap().to_owned()
    };
    assert_eq!(inspected("filesystem"), "none");
    assert_eq!(inspected(stage.home().join("theirs.wasm").to_str().unwrap()), "process");
}

#[test]
fn every_store_works_wherever_it_runs() {
    let stage = stage();
    for store in ["ours", "ours-apart", "theirs", "theirs-within"] {
        let put = ["secrets", "put", "k", "--store", store];
        stage.call(&put).stdin(store).run().succeeded();
        let get = ["secrets", "get", "k", "--store", store, "--reveal"];
        assert_eq!(stage.coffer(&get).succeeded().stdout().trim(), store);
        stage.coffer(&["secrets", "delete", "k", "--store", store]).succeeded();
    }
}

/// Also for whoever is not root, and cannot look into coffer's process.
#[test]
fn a_process_of_its_own_takes_no_privileges() {
    let stage = stage();
    let put = ["secrets", "put", "k", "--store", "theirs"];
    stage.call(&put).stdin("v").unprivileged(&stage).run().succeeded();
    let get = ["secrets", "get", "k", "--store", "theirs", "--reveal"];
    let answer = stage.call(&get).unprivileged(&stage).run().succeeded();
    assert_eq!(answer.stdout().trim(), "v");
}

/// Without Landlock what insists on a process of its own is refused, and what does not runs all the same;
/// and each time it is said. The system call is taken from this thread and what it starts.
#[test]
fn a_system_that_lacks_it_is_told_of() {
    const LACKS: &str = "this system lacks Landlock";
    let stage = stage();
    let put = ["secrets", "put", "k", "--store", "theirs"];
    stage.call(&put).stdin("v").run().succeeded();
    without_landlock(move || {
        let get = |store| stage.call(&["secrets", "get", "k", "--store", store, "--reveal"]);
        let answer = get("theirs").run();
        assert_eq!((answer.code, answer.stdout().trim()), (Some(0), "v"), "{answer:?}");
        for words in ["WARN", "./theirs.wasm runs in coffer's own process", LACKS] {
            assert!(answer.stderr().contains(words), "{answer:?}");
        }
        assert_eq!(get("theirs-within").run().stderr(), "");
        get("ours-apart").run().refused(3, "operator", &[LACKS, "isolation: none"]);
        stage.config(&STORES.replace(", isolation: process", ""));
        isolation(
            &stage,
            [
                ("ours", "none"),
                ("ours-apart", "none"),
                ("theirs", "none"),
                ("theirs-within", "none"),
                ("host", "none"),
            ],
        );
        let text = stage.coffer(&["doctor"]).stdout();
        for words in ["plugins that are not bundled run in coffer's own process", LACKS] {
            assert!(text.contains(words), "{text}");
        }
    });
}
