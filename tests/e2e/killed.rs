//! The process is killed at moments that are spread over the time that it takes, again and again. Whatever
//! was reached, `coffer runs recover` puts it in order: the ledger refers to what is in the store and to
//! nothing else, and nothing waits anywhere.
//!
//! What is killed where is chance here; that each step can be the last is tested with the runner itself.

use crate::bundles;
use crate::drivers::RECORDER;
use crate::order::{in_order, is};
use crate::stage::{Answer, Call, Stage};
use crate::torture::{self, Chance};
use rustix::io::FdFlags;
use std::fs;
use std::io::{self, Read as _};
use std::time::{Duration, Instant};

/// The commands below that are killed.
const COMMANDS: u32 = 7;

/// Starts `call`, kills it after `delay`, and waits for what it started; whether it was still there.
fn killed(call: Call, delay: Duration) -> bool {
    // Whatever comes of it has the one end of a pipe, so the other one tells when all of it has ended. A look at
    // /proc does not: a process that is about to be another program has no name and no environment there.
    let (mut ended, held) = io::pipe().unwrap();
    rustix::io::fcntl_setfd(&held, FdFlags::empty()).unwrap();
    let begun = Instant::now();
    let mut child = call.start();
    drop(held);
    let there = loop {
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        if begun.elapsed() >= delay {
            child.kill().unwrap();
            break true;
        }
        std::thread::yield_now();
    };
    child.wait_with_output().unwrap();
    assert_eq!(ended.read(&mut [0]).unwrap(), 0);
    there
}

/// Kills what `call` makes at many moments over the time that it takes when it is left alone. Before
/// each, `prepare` makes what it works on. After each, when what it started is gone too and its traces were
/// `cleared`, everything is put in order and looked at, and again when it was `used`.
fn sweep(
    stage: &Stage,
    prepare: impl Fn(&Stage, &str),
    call: impl Fn(&Stage, &str) -> Call,
    cleared: impl Fn(&Stage),
    used: impl Fn(&Stage, &str),
) {
    let times = (0..3).map(|index| {
        let name = format!("timed-{index}");
        prepare(stage, &name);
        let call = call(stage, &name);
        let begun = Instant::now();
        call.run().succeeded();
        begun.elapsed()
    });
    let whole = times.max().unwrap();
    let (kills, mut chance) = (torture::kills(COMMANDS), Chance::new("kills"));
    let only = torture::only();
    let (mut killed_in_time, mut had_ended) = (0, 0);
    // Each in its part of the time, and there by chance. One that had ended before does not count.
    for cycle in 0..kills * 4 {
        let part = f64::from(cycle % kills) + chance.next();
        if only.is_some_and(|only| only != cycle) || killed_in_time == kills {
            continue;
        }
        let delay = whole.mul_f64(part / f64::from(kills));
        let _told = torture::Told(format!(
            "COFFER_CYCLE={cycle} is this cycle alone: killed after {delay:?}"
        ));
        let name = format!("killed-{cycle}");
        prepare(stage, &name);
        let there = killed(call(stage, &name), delay);
        killed_in_time += u32::from(there);
        had_ended += u32::from(!there);
        cleared(stage);
        in_order(stage, &[]);
        used(stage, &name);
        in_order(stage, &[]);
    }
    torture::note(&format!("{killed_in_time} were killed at work, {had_ended} had ended"));
    assert!(only.is_some() || killed_in_time == kills, "too few were killed at work");
}

fn install(stage: &Stage, name: &str) -> Call {
    let arguments = ["install", name, "-b", "bundle", "--param", "password=-"];
    stage.call(&arguments).stdin("a password")
}

/// Ends an installation whatever became of it.
fn delete(stage: &Stage, name: &str) {
    let answer: Answer = stage.coffer(&["uninstall", name, "--delete"]);
    assert!(matches!(answer.code, Some(0 | 2)), "{}", answer.stderr());
    let list = stage.coffer(&["installations", "list", "-o", "json"]).json();
    assert!(list.as_array().unwrap().iter().all(|row| row["name"] != name), "{list}");
}

#[test]
fn install_is_killed() {
    let stage = Stage::keeping();
    let again = |stage: &Stage, name: &str| {
        let code = install(stage, name).run().code;
        assert!(matches!(code, Some(0 | 2)), "{name}: {code:?}");
        assert!(is(stage, name, "active"));
        delete(stage, name);
    };
    sweep(&stage, |_, _| {}, install, |_| {}, again);
}

#[test]
fn install_with_a_native_driver_is_killed() {
    let stage = Stage::keeping();
    stage.bundle(&bundles::native());
    stage.program("cnab-recorder", RECORDER);
    let install = |stage: &Stage, name: &str| {
        let driver = ["install", name, "-b", "bundle", "-d", "command:recorder", "--param"];
        stage.call(&[&driver[..], &["password=-"]].concat()).stdin("a password")
    };
    // Nobody kills the driver, and a recorder whose coffer is gone ends where it cannot write any more.
    let cleared = |stage: &Stage| drop(fs::remove_file(stage.path("tmp/operation")));
    sweep(&stage, |_, _| {}, install, cleared, |_, _| {});
}

#[test]
fn upgrade_is_killed() {
    let stage = Stage::keeping();
    install(&stage, "one").run().succeeded();
    let upgrade = |stage: &Stage, _: &str| {
        stage.call(&["upgrade", "one", "--param", "password=-"]).stdin("another password")
    };
    let usable = |stage: &Stage, _: &str| {
        assert!(is(stage, "one", "active"));
        // The password is one or the other, and never neither.
        let show = ["installations", "show", "one", "--reveal", "-o", "json"];
        let shown = stage.coffer(&show).json()["parameters"]["password"]["value"].clone();
        assert!(shown == "a password" || shown == "another password", "{shown}");
    };
    sweep(&stage, |_, _| {}, upgrade, |_| {}, usable);
}

#[test]
fn uninstall_is_killed() {
    let stage = Stage::keeping();
    let prepare = |stage: &Stage, name: &str| drop(install(stage, name).run().succeeded());
    let uninstall =
        |stage: &Stage, name: &str| stage.call(&["uninstall", name, "--delete"]).stdin("");
    sweep(&stage, prepare, uninstall, |_| {}, delete);
    // Every one of them could be deleted to the end.
    assert_eq!(stage.keys(), [""; 0]);
    assert_eq!(stage.hidden("home/secrets/.pending"), [""; 0]);
}

#[test]
fn sets_are_killed() {
    let stage = Stage::keeping();
    let write = |stage: &Stage, name: &str| {
        let entries = (0..4).map(|at| format!("- {{ name: p{at}, source: {{ value: v{at} }} }}\n"));
        let text = format!("name: {name}\nparameters:\n{}", entries.collect::<String>());
        stage.file("set.yaml", text);
    };
    let apply = |stage: &Stage, _: &str| stage.call(&["parameters", "apply", "set.yaml"]);
    let forget = |stage: &Stage, name: &str| stage.call(&["parameters", "delete", name]);
    let whole = |stage: &Stage, name: &str| {
        // All of it, or nothing.
        let list = stage.coffer(&["parameters", "list", "-o", "json"]).json();
        let sets = list.as_array().unwrap();
        if let Some(set) = sets.iter().find(|set| set["name"] == name) {
            assert_eq!(set["parameters"].as_array().unwrap().len(), 4);
            forget(stage, name).run().succeeded();
        }
    };
    sweep(&stage, write, apply, |_| {}, whole);
    // The same name over and over: a set in the place of another one.
    let same = |stage: &Stage, _: &str| write(stage, "same");
    let kept = |stage: &Stage, _: &str| {
        let list = stage.coffer(&["parameters", "show", "same", "-o", "json"]).json();
        assert_eq!(list["parameters"].as_array().unwrap().len(), 4);
    };
    write(&stage, "same");
    apply(&stage, "").run().succeeded();
    sweep(&stage, same, apply, |_| {}, kept);
    let prepare = |stage: &Stage, name: &str| {
        write(stage, name);
        apply(stage, name).run().succeeded();
    };
    sweep(&stage, prepare, forget, |_| {}, whole);
}
