//! A test program that runs itself again, for what concerns a whole process.

use std::process::Command;

/// This program again, to run one test of `module` in other surroundings.
pub(crate) fn again(module: &str, test: &str) -> Command {
    let (_, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}"), "--nocapture", "--test-threads=1"]);
    command
}

/// Waits for a test that runs again, which must have been run and passed.
#[track_caller]
pub(crate) fn passed(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{command:?}: {said}");
}
