//! Two processes at one home, at the same time: one acts on an installation, and the other is told who does.

use crate::bundles;
use crate::drivers::RECORDER;
use crate::order::{in_order, is, rows};
use crate::stage::{Answer, Stage};
use std::fs;
use std::process::Command;

/// Says that it runs, and waits until it is told to go on.
const WAITS: &str = r#"
[ "${1-}" = --handles ] || { echo here >"$here/started"; read -r _ <"$here/go"; }
"#;

#[test]
fn one_installation_is_acted_on_by_one_process() {
    let stage = Stage::keeping();
    stage.bundle(&bundles::native());
    stage.program("cnab-waits", &[WAITS, RECORDER].concat());
    for pipe in ["started", "go"] {
        assert!(Command::new("mkfifo").arg(stage.path(pipe)).status().unwrap().success());
    }
    let install = |name| {
        let arguments = ["install", name, "-b", "bundle", "-d", "command:waits", "--param"];
        stage.call(&[&arguments[..], &["password=-"]].concat()).stdin("pa55word")
    };
    let first = install("one").start();
    fs::read(stage.path("started")).unwrap();
    let run = rows(&stage, "runs")[0]["id"].as_str().unwrap().to_owned();
    let words = [&*format!("run {run} of process "), "is acting on it", "wait until it has ended"];
    install("one").run().refused(3, "operator", &words);
    for arguments in [&["upgrade", "one"][..], &["uninstall", "one", "--delete"]] {
        assert!(matches!(stage.coffer(arguments).code, Some(2 | 3)), "{arguments:?}");
    }
    // What is somebody's is not put right.
    stage.coffer(&["runs", "recover"]).printed("there is nothing to put right\n");
    let runs = rows(&stage, "runs");
    assert_eq!((runs.len(), &runs[0]["status"]), (1, &"running".into()));
    // Another installation is nobody's.
    stage.file("set.yaml", "name: mine\nparameters: [{ name: p, source: { value: v } }]\n");
    stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
    fs::write(stage.path("go"), "\n").unwrap();
    Answer::of(first, "the first".into()).succeeded();
    assert!(is(&stage, "one", "active"));
    in_order(&stage, &[]);
}
