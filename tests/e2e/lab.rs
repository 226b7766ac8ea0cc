//! The lab from outside: a stranger's plugin in a process of its own, reports, and what CI is told.

use crate::stage::Stage;
use serde_json::{Value, json};

fn stage() -> Stage {
    let stage = Stage::new();
    stage.file("theirs.wasm", guest_artifacts::plugin("filesystem"));
    stage.file("bad.wasm", guest_artifacts::guest("lab_bad"));
    let wrong = json!({ "settings": { "directory": "x", "lab": "keep" } });
    stage.file("bad.yaml", wrong.to_string());
    stage
}

#[test]
fn a_strangers_plugin_is_judged_in_a_process_of_its_own() {
    let stage = stage();
    let profile = "{ calls: 40, listed: 12 }";
    stage.file("profile.yaml", profile);
    let test = ["plugins", "test", "theirs.wasm", "--profile", "profile.yaml", "--seed", "4"];
    let json = |more: &[&str]| {
        stage.coffer(&[&test[..], &["--format", "json"], more].concat()).succeeded().json()
    };
    let report: Value = json(&[]);
    assert_eq!(report["verdict"], "pass", "{report}");
    assert_eq!(report["isolation"], "process");
    // What a process of its own used is known here, and is what it uses in this one.
    let within = json(&["--isolation", "none"]);
    for (what, most) in [("instructions", 1000), ("memory-bytes", 1)] {
        let of = |report: &Value| report["measured"]["delete"][what].as_u64().unwrap();
        assert!(of(&report) > 0 && of(&report).abs_diff(of(&within)) < most, "{report} {within}");
    }
    // Nothing is left of it, wherever temporary files are.
    assert!(stage.names("tmp").is_empty());
}

#[test]
fn the_exit_code_says_what_came_of_it() {
    let stage = stage();
    let case = |plugin: &'static str, case: &'static str| {
        ["plugins", "test", plugin, "--profile", "bad.yaml", "--case", case]
    };
    stage.coffer(&case("bad.wasm", "put/text")).succeeded();
    let failed = stage.coffer(&case("bad.wasm", "put/keep"));
    assert!(failed.stdout().contains("`put` with `keep` of what is there succeeded"));
    failed.failed(1, "plugin", &["fails 1 case", "docs/lab.md"]);
    let vault = ["plugins", "test", "vault", "--case", "put/text"];
    stage.coffer(&vault).failed(2, "requester", &["could not be judged in 1 case"]);
    let unknown = ["plugins", "test", "theirs.wasm", "--case", "put/everything"];
    stage.coffer(&unknown).failed(2, "requester", &["there is no case `put/everything`"]);
    stage.file("bad.yaml", "colour: red");
    stage.coffer(&case("bad.wasm", "put/text")).failed(2, "requester", &["unknown field `colour`"]);
}

#[test]
fn a_report_goes_to_a_file_in_the_form_that_is_asked_for() {
    let stage = stage();
    for (form, beginning) in [
        ("html", "<!doctype html>"),
        ("json", "{"),
        ("junit", "<?xml"),
        ("sarif", "{"),
        ("text", "filesystem "),
    ] {
        let test = ["plugins", "test", "theirs.wasm", "--case", "put/text", "--format", form];
        let printed = stage.coffer(&test).succeeded().stdout();
        assert!(printed.starts_with(beginning), "{form}: {printed}");
        let to_file = [&test[..], &["--report", "report"]].concat();
        assert_eq!(stage.coffer(&to_file).succeeded().stdout(), "");
        let written = std::fs::read_to_string(stage.path("work/report")).unwrap();
        assert!(written.starts_with(beginning), "{form}: {written}");
    }
}
