//! Where plugins run: those that come with the binary in its own process, any other in one of its own.

use crate::stage::Stage;
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

#[test]
fn a_plugin_that_is_not_bundled_runs_in_a_process_of_its_own() {
    let stage = stage();
    let shown = stage.coffer(&["config", "show", "-o", "json"]).json();
    for (store, expected) in [
        ("ours", "none"),
        ("ours-apart", "process"),
        ("theirs", "process"),
        ("theirs-within", "none"),
        ("host", "none"),
    ] {
        let stores = shown["stores"].as_array().unwrap();
        let found = stores.iter().find(|found| found["name"] == store).unwrap();
        assert_eq!(found["isolation"], expected, "{store}");
    }
    let isolation = |plugin: &str| {
        let inspected: Value = stage.coffer(&["plugins", "inspect", plugin, "-o", "json"]).json();
        inspected["isolation"].as_str().unwrap().to_owned()
    };
    assert_eq!(isolation("filesystem"), "none");
    assert_eq!(isolation(stage.home().join("theirs.wasm").to_str().unwrap()), "process");
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
