//! Porter itself with coffer's stores: installations from the first command to the last, on a database that
//! speaks MongoDB's protocol, with the stores `filesystem` and `vault`. Porter cannot be had by its module
//! where this is tested, so `COFFER_TEST_PORTER` names the program; `just test-porter-whole PORTER` does.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests look at files, processes and databases behind the programs' backs, and what they \
              stand on is theirs"
)]

// The machine of the tests of the binary. Not everything of it is needed here.
#[path = "../e2e/bundles.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod bundles;
#[path = "../e2e/scan.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod scan;
#[path = "../e2e/stage.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod stage;

mod operator;

use operator::{Filesystem, Kept, Operator, Vault};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use scan::CANARY;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;

/// From the first command to the last.
fn a_life<S: Kept>() {
    let operator = Operator::<S>::new("");
    let listed = operator.porter(&["plugins", "list", "-o", "json"]).succeeded();
    assert!(listed.stdout().contains("\"coffer\""), "{}", listed.stdout());
    operator.apply_sets();
    operator.ended(operator.install()).succeeded();
    let runs = operator.runs();
    assert_eq!(runs.len(), 1);
    // What Porter asks for, in its order: where its database is, what the sets have, the parameter for the
    // installation, for a run that is thrown away and for the one that is run, and that one's output.
    let calls: Vec<String> =
        operator.calls().iter().map(|call| call.replace(&runs[0], "RUN")).collect();
    let places = |part: &str| -> Vec<usize> {
        let places = calls.iter().enumerate().filter(|(_, call)| call.ends_with(part));
        places.map(|(place, _)| place).collect()
    };
    let puts = calls.iter().filter(|call| call.starts_with("put ")).count();
    let passwords =
        calls.iter().filter(|call| call.starts_with("put ") && call.ends_with("-password"));
    assert_eq!(passwords.count(), 3, "{calls:#?}");
    let order: Vec<usize> = [
        "resolve secret storage",
        "put secret RUN-password",
        "resolve secret token",
        "put secret RUN-name",
    ]
    .iter()
    .map(|call| *places(call).first().unwrap_or_else(|| panic!("{call}: {calls:#?}")))
    .collect();
    assert!(order.is_sorted(), "{calls:#?}");
    assert!(places("resolve secret RUN-password")[0] > order[1], "{calls:#?}");
    assert!(!places("resolve secret answer").is_empty(), "{calls:#?}");
    // Each of them is there, and what was there before.
    let keys = operator.keys();
    assert_eq!(keys.len(), puts + 3, "{keys:#?}");
    operator.machine_is_clean();

    // Shown when it is asked for, and by no other command.
    operator.output_is(CANARY);
    operator.porter(&["installation", "show", "demo"]).succeeded();
    operator.upgrade(&[]);
    // The installation's parameter is put again under the same key.
    operator.upgrade(&["--param", &format!("password={CANARY}")]);
    assert_eq!(operator.runs().len(), 3);
    operator.output_is(CANARY);
    operator.machine_is_clean();

    // Porter deletes no secret. Of each install and upgrade a value is left that nothing refers to; what is newer than
    // a day is not touched unless that is asked for, and nothing is without `--yes`.
    let all = operator.keys();
    assert_eq!(operator.prune(&["--yes"]), [""; 0]);
    let unused = operator.prune(&["--older-than", "0s"]);
    assert_eq!(operator.keys(), all);
    assert!(unused.iter().filter(|key| key.ends_with("-password")).count() >= 3, "{unused:#?}");
    assert_eq!(operator.prune(&["--older-than", "0s", "--yes"]), unused);
    let left = operator.keys();
    let expected: Vec<&String> = all.iter().filter(|key| !unused.contains(key)).collect();
    assert_eq!(left.iter().collect::<Vec<_>>(), expected);
    // Everything that Porter needs is there.
    operator.output_is(CANARY);
    operator.porter(&["installation", "show", "demo"]).succeeded();
    operator.upgrade(&[]);
    operator.output_is(CANARY);

    operator.uninstall();
    assert!(operator.keys().len() > 3);
    operator.prune(&["--older-than", "0s", "--yes"]);
    assert_eq!(operator.keys(), ["answer", "storage", "token"]);
    operator.machine_is_clean();
    operator.nothing_runs();
}

#[test]
fn with_files() {
    a_life::<Filesystem>();
}

#[test]
fn with_vault() {
    a_life::<Vault>();
}

/// The driver has left its outputs, says so, and waits to be stopped. Of one that fails then, Porter keeps no output; of
/// one that ends before Porter itself has seen the signal, none either, and it prints the parameters in an error of
/// its own. So this takes a second for its end.
const WAITS: &str =
    "trap 'sleep 1; exit 0' INT TERM\n: >\"$here/left\"\nwhile :; do sleep 0.1; done\n";

#[test]
fn outputs_are_saved_when_somebody_presses_ctrl_c() {
    let operator = Operator::<Filesystem>::new(WAITS);
    operator.apply_sets();
    let child = operator.install();
    operator.wait_for("left");
    // The terminal sends it to Porter, to its plugin and to the driver.
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    let answer = operator.ended(child);
    assert_ne!(answer.code, Some(0), "{}", answer.stderr());
    let calls = operator.calls();
    let saved = calls.iter().any(|call| call.starts_with("put ") && call.ends_with("-name"));
    assert!(saved, "{calls:#?}\n{}", answer.stderr());
    operator.output_is(CANARY);
    operator.machine_is_clean();
    operator.nothing_runs();
}

#[test]
fn nothing_of_coffer_outlives_porter() {
    let operator = Operator::<Filesystem>::new(WAITS);
    operator.apply_sets();
    let mut child = operator.install();
    operator.wait_for("left");
    assert!(!operator.bridges().is_empty(), "it is there while the bundle runs");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    operator.nothing_runs();
    // The driver is Porter's, and outlives it.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    fs::remove_file(operator.stage.path("left")).unwrap();
}
