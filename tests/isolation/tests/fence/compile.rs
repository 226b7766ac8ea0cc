//! Compiling in a worker: within its bounds, and not beyond them.

use crate::stage::{Stage, contains};
use coffer_host::limits::Compiling;
use coffer_host::{Blame, Explain as _, LoadError};
use guest_artifacts::written;
use std::fmt::Write as _;
use std::time::Duration;

/// A plugin with a function that takes the compiler seconds: every sum is used by the next ones, so that
/// more is alive at once than there are registers for.
fn bomb(functions: usize) -> Vec<u8> {
    let mut core = String::from(r#"(memory (export "memory") 1)"#);
    for function in 0..functions {
        core.push_str("(func (param i64) (local");
        core.push_str(&" i64".repeat(LOCALS));
        core.push(')');
        for index in 1..LOCALS * 20 {
            let (from, to) = ((index * 7 + function) % LOCALS, index % LOCALS);
            write!(core, "(local.set {to} (i64.mul (local.get {from}) (i64.add (local.get 0) (i64.load (i32.wrap_i64 (local.get {to}))))))").unwrap();
        }
        core.push(')');
    }
    written::plugin(&core)
}

const LOCALS: usize = 500;

fn load(component: &[u8], compiling: Compiling) -> Result<(), LoadError> {
    let stage = Stage::new();
    stage.builder("plain").compiling(compiling).build().unwrap().load_isolated(component).map(drop)
}

#[test]
fn a_component_that_takes_long_is_given_up() {
    let bomb = bomb(80);
    load(&bomb, Compiling::default()).unwrap();
    let second = Duration::from_secs(1);
    for (compiling, expected) in [
        (Compiling { time: second / 4, ..Compiling::default() }, "within 250ms"),
        (Compiling { processor: second, ..Compiling::default() }, "within 1s of processor time"),
        (Compiling { memory: 64 << 20, ..Compiling::default() }, "within 64.0 MiB of memory"),
    ] {
        let error = load(&bomb, compiling).expect_err(expected);
        assert!(matches!(error, LoadError::CompileLimit { .. }), "{expected}: {error}");
        assert_eq!(error.blame(), Blame::Plugin);
        contains(&error.to_string(), expected);
    }
    // One of the usual size compiles within the same.
    let usual = guest_artifacts::guest("state_memory");
    load(&usual, Compiling { time: 60 * second, processor: second, memory: 64 << 20 }).unwrap();
}

/// What a worker compiled is kept for workers, and never comes into this process.
#[test]
fn its_code_is_for_workers_alone() {
    let stage = Stage::new();
    let component = guest_artifacts::guest("state_memory");
    let host = stage.builder("plain").build().unwrap();
    host.load_isolated(&component).unwrap();
    let kept = stage.code();
    assert_eq!(kept.len(), 1);
    host.load(&component).unwrap();
    assert_eq!(stage.code().len(), 2);
    // The one under the name of the other is not used: it is written anew.
    let other = stage.code().into_iter().find(|path| !kept.contains(path)).unwrap();
    std::fs::copy(&kept[0], &other).unwrap();
    let swapped = std::fs::read(&other).unwrap();
    host.load(&component).unwrap();
    assert!(std::fs::read(&other).unwrap() != swapped);
}

/// What is wrong with a component is told as it is without a worker.
#[test]
fn what_is_no_plugin_is_refused_the_same() {
    let stage = Stage::new();
    let host = stage.builder("plain").build().unwrap();
    for core in [
        r#"(memory (export "memory") 1) (table 100000 funcref)"#,
        r#"(memory (export "memory") 1 1 shared)"#,
    ] {
        let component = written::plugin(core);
        let (here, apart) =
            (host.load(&component).unwrap_err(), host.load_isolated(&component).unwrap_err());
        assert_eq!(here.to_string(), apart.to_string());
        assert_eq!(apart.blame(), Blame::Plugin);
    }
}

/// A program that does not say how its workers are started has none, and is not started as one.
#[test]
fn without_a_program_there_are_no_workers() {
    let host = coffer_host::Host::builder().build().unwrap();
    let error = host.load_isolated(&guest_artifacts::guest("state_memory")).unwrap_err();
    assert!(matches!(error, LoadError::Worker(_)), "{error}");
    assert_eq!(error.blame(), Blame::Host);
}
