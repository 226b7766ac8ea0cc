//! Loading what is no plugin: each is refused with what is wrong with it, before anything of it runs.

use crate::stage::{Stage, ask, contains, explained, host};
use crate::written::{MANIFEST, plugin, renamed, with_section};
use coffer_host::limits::{COMPONENT_BYTES_MAX, INTERFACES_MAX};
use coffer_host::{Blame, LoadError};

#[track_caller]
fn unloadable(component: &[u8], blame: Blame, expected: &str) -> LoadError {
    let error = host().load(component).expect_err("this is no plugin");
    contains(&explained(&error, blame), expected);
    error
}

fn written(text: &str) -> Vec<u8> {
    let component = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    with_section(&component, "coffer:manifest", MANIFEST.as_bytes())
}

#[tokio::test]
async fn a_component_that_is_written_by_hand_is_a_plugin() {
    let store = Stage::with(plugin(r#"(memory (export "memory") 1)"#)).open();
    assert_eq!(ask(&store, "").await.unwrap(), "");
}

#[test]
fn what_is_no_component_is_refused() {
    unloadable(b"", Blame::Operator, "not WebAssembly");
    unloadable(b"#!/bin/sh\necho hello\n", Blame::Operator, "not WebAssembly");
    unloadable(b"\x7fELF", Blame::Operator, "not WebAssembly");
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(unloadable(&module, Blame::Plugin, "core module"), LoadError::CoreModule));
    unloadable(b"\0asm\x0d\0\x7f\0", Blame::Plugin, "malformed");
}

#[test]
fn what_is_cut_short_or_changed_is_refused() {
    let component = guest_artifacts::guest("state_memory");
    for length in (0..component.len()).step_by(997).chain([4, 7, 8, 9, component.len() - 1]) {
        let error = host().load(&component[..length]).expect_err("it is cut short");
        explained(&error, error_blame(&error));
    }
    // One byte in a hundred places: refused or another plugin, and never a panic.
    for at in (8..component.len()).step_by(component.len() / 100) {
        let mut changed = component.clone();
        changed[at] ^= 0x55;
        if let Err(error) = host().load(&changed) {
            explained(&error, error_blame(&error));
        }
    }
    let mut longer = component;
    longer.extend_from_slice(b"trailing");
    unloadable(&longer, Blame::Plugin, "malformed");
}

fn error_blame(error: &LoadError) -> Blame {
    if matches!(error, LoadError::NotWasm) { Blame::Operator } else { Blame::Plugin }
}

#[test]
fn what_is_too_large_is_refused() {
    let component = guest_artifacts::guest("state_memory");
    // The section's own head is 2 bytes of name and 6 of lengths.
    let filler = |bytes: usize| with_section(&component, "x", &vec![0; bytes]);
    let head = filler(COMPONENT_BYTES_MAX / 2).len() - component.len() - COMPONENT_BYTES_MAX / 2;
    let room = COMPONENT_BYTES_MAX - component.len() - head;
    assert_eq!(filler(room).len(), COMPONENT_BYTES_MAX);
    host().load(&filler(room)).unwrap();
    let error = unloadable(&filler(room + 1), Blame::Plugin, "at most 33554432 are allowed");
    assert!(matches!(error, LoadError::TooLarge { bytes } if bytes == COMPONENT_BYTES_MAX + 1));
}

#[test]
fn a_component_of_another_world_is_refused() {
    let nothing = written("(component)");
    assert!(matches!(
        unloadable(&nothing, Blame::Plugin, "it exports nothing"),
        LoadError::NoResolver { .. }
    ));
    let export = |name: &str| {
        written(&format!("(component (instance $e) (export \"{name}\" (instance $e)))"))
    };
    unloadable(&export("wasi:cli/run@0.2.12"), Blame::Plugin, "it exports wasi:cli/run@0.2.12");
    for name in [
        "coffer:secrets/resolver@0.2.0",
        "coffer:secrets/resolver@1.0.0",
        "coffer:secrets/resolver",
        "coffer:secrets/writer@0.1.0",
        "evil:secrets/resolver@0.1.0",
    ] {
        unloadable(&export(name), Blame::Plugin, "does not export `coffer:secrets/resolver@0.1`");
    }
    // A function of the right name is no interface.
    let function = r#"(component
        (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f"))) (export "resolver" (func $f)))"#;
    unloadable(&written(function), Blame::Plugin, "it exports nothing");
    // The right name with nothing in it, and a writer with nothing in it.
    let empty = export("coffer:secrets/resolver@0.1.0");
    assert!(matches!(
        unloadable(&empty, Blame::Plugin, "does not keep to the interfaces"),
        LoadError::Contract(_)
    ));
    // More exports than anybody reads.
    let exports: String = (0..=INTERFACES_MAX)
        .map(|n| format!("(export \"a:b/c{n}@0.1.0\" (instance $e))"))
        .collect();
    let many = written(&format!("(component (instance $e) {exports})"));
    assert!(matches!(
        unloadable(&many, Blame::Plugin, "more than 256 imports or exports"),
        LoadError::TooManyInterfaces
    ));
}

#[test]
fn an_import_that_nobody_offers_is_refused() {
    let guest = guest_artifacts::guest("import_random");
    for (from, to) in [
        ("wasi:random/random@0.2.12", "evil:random/random@0.2.12"),
        ("wasi:random/random@0.2.12", "wasi:random/randon@0.2.12"),
        ("wasi:random/random@0.2.12", "wasi:random/random@0.3.12"),
        ("wasi:random/random@0.2.12", "wasi:random/random@1.2.12"),
    ] {
        let error = unloadable(&renamed(&guest, from, to), Blame::Plugin, to);
        assert!(matches!(error, LoadError::UnknownImport { .. }));
    }
    let import = |import: &str| {
        written(&format!(
            "(component {import} (instance $e) (export \"coffer:secrets/resolver@0.1.0\" (instance $e)))"
        ))
    };
    for name in ["host-function", "wasi:cli/run@0.2.0", "coffer:host/everything@0.1.0"] {
        let error = unloadable(
            &import(&format!("(import \"{name}\" (instance))")),
            Blame::Plugin,
            &format!("imports `{name}`, which coffer does not offer"),
        );
        assert!(matches!(error, LoadError::UnknownImport { .. }));
    }
    unloadable(&import(r#"(import "f" (func))"#), Blame::Plugin, "imports `f`");
    unloadable(&import(r#"(import "m" (core module))"#), Blame::Plugin, "imports `m`");
    // A known interface with a function that it does not have, and with one of another type.
    for interface in [
        r#"(import "wasi:random/random@0.2.12" (instance (export "steal" (func))))"#,
        r#"(import "coffer:host/commands@0.1.0" (instance (export "run" (func (param "argv" string)))))"#,
        r#"(import "wasi:cli/exit@0.2.12" (instance (export "exit" (core module))))"#,
    ] {
        let error =
            unloadable(&import(interface), Blame::Plugin, "does not keep to the interfaces");
        assert!(matches!(error, LoadError::Contract(_)));
    }
}

#[test]
fn what_the_engine_has_switched_off_is_refused() {
    for (core, expected) in [
        (r#"(memory (export "memory") i64 1)"#, "memory64"),
        (r#"(memory (export "memory") 1 1 shared)"#, "shared"),
        (r#"(memory (export "memory") 1) (type (struct))"#, "gc"),
        (r#"(memory (export "memory") 1) (tag)"#, "exceptions"),
        (r#"(memory (export "memory") 1 (pagesize 1))"#, "page"),
    ] {
        let error = host().load(&plugin(core)).expect_err(expected);
        assert!(matches!(error, LoadError::Compile(_)), "{expected}: {error}");
        explained(&error, Blame::Plugin);
    }
}
