//! Entry points: as much time and memory as they are given, and nothing of the machine.

use crate::stage::{contains, explained, host};
use coffer_host::limits::{MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use coffer_host::{Blame, EntryPoint, Files, Finished, LoadError, Run, RunError};
use std::io;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// A WASI command whose code is `core`: a core module's fields, among them `run`, which returns 0 if it
/// succeeded.
fn command(core: &str) -> EntryPoint {
    host().entry_point(&written(core)).unwrap()
}

fn written(core: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (core module $m {core})
          (core instance $i (instantiate $m))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (component $named
            (import "import-func-run" (func $f (result (result))))
            (export "run" (func $f)))
          (instance $r (instantiate $named (with "import-func-run" (func $run))))
          (export "wasi:cli/run@0.2.0" (instance $r)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

async fn run(
    core: &str,
    memory_bytes_max: usize,
    deadline: Duration,
) -> Result<Finished, RunError> {
    let run = Run {
        arguments: vec!["run".into()],
        environment: Vec::new(),
        files: Files::new(),
        stdout: Box::new(io::sink()),
        stderr: Box::new(io::sink()),
        deadline,
        memory_bytes_max,
    };
    command(core).run(run).await
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_entry_point_says_how_it_ended() {
    let returns = |code: u32| format!(r#"(func (export "run") (result i32) (i32.const {code}))"#);
    assert_eq!(run(&returns(0), MIB, MINUTE).await.unwrap().exit_code, 0);
    assert_eq!(run(&returns(1), MIB, MINUTE).await.unwrap().exit_code, 1);
    let crashes = r#"(func (export "run") (result i32) unreachable)"#;
    let error = run(crashes, MIB, MINUTE).await.unwrap_err();
    contains(&error.to_string(), "the entry point crashed: it gave up");
    let deep = r#"(func $f (export "run") (result i32) (i32.add (call $f) (i32.const 1)))"#;
    assert!(matches!(run(deep, MIB, MINUTE).await, Err(RunError::Crashed(_))));
}

#[tokio::test]
async fn an_entry_point_ends_at_its_deadline() {
    let deadline = Duration::from_millis(200);
    let endless = r#"(func (export "run") (result i32) (loop $again (br $again)) unreachable)"#;
    assert_eq!(run(endless, MIB, deadline).await.unwrap_err(), RunError::Deadline(deadline));
    let start = r#"(func $s (loop $again (br $again))) (start $s)
        (func (export "run") (result i32) (i32.const 0))"#;
    assert_eq!(run(start, MIB, deadline).await.unwrap_err(), RunError::Deadline(deadline));
}

#[tokio::test]
async fn an_entry_points_memories_count_together() {
    let memories = |pages: &[u32]| {
        let memories: String = pages.iter().map(|pages| format!("(memory {pages})")).collect();
        memories + r#"(func (export "run") (result i32) (i32.const 0))"#
    };
    for pages in [&[16][..], &[8, 8], &[4; MEMORIES_MAX as usize]] {
        assert_eq!(run(&memories(pages), MIB, MINUTE).await.unwrap().exit_code, 0, "{pages:?}");
    }
    for pages in [&[17][..], &[8, 9], &[16, 1], &[1; MEMORIES_MAX as usize + 1]] {
        let error = run(&memories(pages), MIB, MINUTE).await.unwrap_err();
        assert!(matches!(error, RunError::Crashed(_)), "{pages:?}: {error}");
    }
    // Growing is refused, and the guest is told.
    let grows = |pages: u32| {
        format!(
            r#"(memory 8) (memory $other 4) (func (export "run") (result i32)
                (i32.eq (memory.grow $other (i32.const {pages})) (i32.const -1)))"#
        )
    };
    assert_eq!(run(&grows(4), MIB, MINUTE).await.unwrap().exit_code, 0);
    assert_eq!(run(&grows(5), MIB, MINUTE).await.unwrap().exit_code, 1);
}

#[tokio::test]
async fn an_entry_points_tables_are_counted() {
    let tables = |count: u32| {
        let tables = "(table 1 funcref)".repeat(count as usize);
        tables + r#"(func (export "run") (result i32) (i32.const 0))"#
    };
    assert_eq!(run(&tables(TABLES_MAX), MIB, MINUTE).await.unwrap().exit_code, 0);
    let error = run(&tables(TABLES_MAX + 1), MIB, MINUTE).await.unwrap_err();
    assert!(matches!(error, RunError::Crashed(_)), "{error}");
    // Growing is refused, and the guest is told.
    let grows = |elements: usize| {
        format!(
            r#"(table 8 funcref) (func (export "run") (result i32)
                (i32.eq (table.grow 0 (ref.null func) (i32.const {elements})) (i32.const -1)))"#
        )
    };
    assert_eq!(run(&grows(TABLE_ELEMENTS_MAX - 8), MIB, MINUTE).await.unwrap().exit_code, 0);
    assert_eq!(run(&grows(TABLE_ELEMENTS_MAX - 7), MIB, MINUTE).await.unwrap().exit_code, 1);
}

#[test]
fn what_is_no_entry_point_is_refused() {
    let load = |bytes: &[u8]| host().entry_point(bytes).map(|_| ()).unwrap_err();
    assert!(matches!(load(b""), LoadError::NotWasm));
    assert!(matches!(load(&wat::parse_str("(module)").unwrap()), LoadError::CoreModule));
    assert!(matches!(load(b"\0asm\x0d\0\x01\0\xff"), LoadError::Malformed(..)));
    assert!(matches!(load(&wat::parse_str("(component)").unwrap()), LoadError::Contract(_)));
    // A plugin is none, and it gets no network by being run as one.
    let plugin = load(&guest_artifacts::guest("import_sockets"));
    assert!(matches!(plugin, LoadError::Contract(_)));
    explained(&plugin, Blame::Plugin);
    let socket = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance
        (export "tcp-socket" (type (sub resource))))))"#;
    contains(&load(&wat::parse_str(socket).unwrap()).to_string(), "wasi:sockets/tcp");
}
