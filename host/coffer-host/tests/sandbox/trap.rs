//! Crashes: the plugin's fault, told in the host's words, and over with the call.

use crate::stage::{Stage, ask, contains, lacks, refused, secret, told, value};
use coffer_host::limits::Limits;
use coffer_host::{Blame, Existing};
use guest_artifacts::written;

guest_artifacts::foreach_trap!(ran);

#[tokio::test]
async fn trap_panic() {
    let store = Stage::of("trap_panic").open();
    let text = refused(ask(&store, "hunter2").await, "trap", Blame::Plugin);
    contains(&text, "the plugin crashed");
    lacks(&text, "hunter2");
}

#[tokio::test]
async fn trap_put() {
    let store = Stage::of("trap_put").open();
    let put = store.put(&secret("k"), &value("hunter2"), Existing::Replace).await;
    let text = refused(put, "trap", Blame::Plugin);
    contains(&text, "the plugin crashed");
    lacks(&text, "hunter2");
    store.delete(&secret("k")).await.unwrap();
}

#[tokio::test]
async fn trap_unreachable() {
    let limits = Limits { concurrency: 2, ..Limits::default() };
    let store = Stage::of("trap_unreachable").limits(limits).open();
    refused(ask(&store, "crash").await, "trap", Blame::Plugin);
    assert_eq!(ask(&store, "x").await.unwrap(), "alive");
    // The instance takes down what was asked of it and nothing else.
    let mut answers = store.resolve(&[told("crash"), told("x")]).await.into_iter();
    refused(answers.next().unwrap(), "trap", Blame::Plugin);
    assert_eq!(answers.next().unwrap().unwrap().expose(), b"alive");
}

#[tokio::test]
async fn trap_stack() {
    let store = Stage::of("trap_stack").open();
    let error = ask(&store, "").await.unwrap_err();
    // Which of the two stacks is used up first is the compiler's affair.
    assert!(matches!(error.cause().kind(), "limit" | "trap"), "{error}");
    let kind = error.cause().kind();
    refused::<()>(Err(error), kind, Blame::Plugin);
}

#[tokio::test]
async fn the_engines_stack_is_bounded() {
    let core = r#"(memory (export "memory") 1)
        (func $deeper (param i64) (result i64)
          (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
        (func $start (drop (call $deeper (i64.const 0)))) (start $start)"#;
    let store = Stage::with(written::plugin(core)).open();
    let text = refused(ask(&store, "").await, "limit", Blame::Plugin);
    contains(&text, "524288 bytes of stack");
}

/// A plugin that goes as deep as its key is long, and asks the host for some bytes there. What it is given
/// is taken by a `realloc` that goes a thousand deeper itself, unless `shallow`.
fn asks_from_below(shallow: bool) -> Vec<u8> {
    let imports = r#"
        (import "wasi:random/random@0.2.0" (instance $random
          (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (core module $taken
          (memory (export "memory") 1)
          (func $deeper (param i32) (result i32)
            (if (result i32) (local.get 0)
              (then (i32.add (call $deeper (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
              (else (i32.const 0))))
          (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (i32.add (i32.const 8192) (call $deeper (i32.const DEPTH)))))
        (core instance $t (instantiate $taken))
        (core func $get (canon lower (func $random "get-random-bytes")
          (memory $t "memory") (realloc (func $t "realloc"))))"#;
    let core = r#"
        (import "host" "get" (func $get (param i64 i32)))
        (memory (export "memory") 1)
        (func $deeper (param i32) (result i32)
          (if (result i32) (local.get 0)
            (then (i32.add (call $deeper (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
            (else (call $get (i64.const 8) (i32.const 16)) (i32.const 0))))
        (func (export "resolve") (param $references i32) (param $count i32) (result i32)
          (drop (call $deeper (i32.mul (i32.const 16) (i32.load offset=12 (local.get $references)))))
          (i32.store (i32.const 0) (i32.const 64))
          (i32.store (i32.const 4) (i32.const 1))
          (i32.const 0))"#;
    let imports = imports.replace("DEPTH", if shallow { "0" } else { "1000000" });
    written::with_imports(core, &imports, r#"(with "host" (instance (export "get" (func $get))))"#)
}

/// The host's own code has room below the deepest that a plugin's can come, and what it calls of the plugin
/// from there has no more than the plugin had.
#[tokio::test]
async fn the_host_has_room_below_a_plugins_stack() {
    let ask_from = async |shallow, depth: usize| {
        let store = Stage::with(asks_from_below(shallow)).open();
        ask(&store, &"x".repeat(depth)).await
    };
    let (mut inside, mut outside) = (1, 1024);
    while outside - inside > 1 {
        let depth = usize::midpoint(inside, outside);
        match ask_from(true, depth).await {
            Ok(_) => inside = depth,
            Err(_) => outside = depth,
        }
    }
    assert_eq!(ask_from(true, inside).await.unwrap(), "");
    for (shallow, depth) in [(true, outside), (false, inside)] {
        let text = refused(ask_from(shallow, depth).await, "limit", Blame::Plugin);
        contains(&text, "524288 bytes of stack");
    }
}

#[tokio::test]
async fn trap_bounds() {
    let store = Stage::of("trap_bounds").open();
    let text = refused(ask(&store, "").await, "trap", Blame::Plugin);
    contains(&text, "out of bounds memory access");
}

/// What a plugin kept in its store's cache before it crashed is there afterwards: the cache is the one thing
/// that outlives an instance, however that ends.
#[tokio::test]
async fn trap_cache() {
    let store = Stage::of("trap_cache").open();
    assert_eq!(ask(&store, "x").await.unwrap(), "");
    refused(ask(&store, "crash").await, "trap", Blame::Plugin);
    assert_eq!(ask(&store, "x").await.unwrap(), "half");
    assert_eq!(ask(&Stage::of("trap_cache").open(), "x").await.unwrap(), "");
}

/// A component that is written by hand, and what is said of its end.
async fn crashes(component: Vec<u8>, expected: &str) {
    let store = Stage::with(component).open();
    contains(&refused(ask(&store, "x").await, "trap", Blame::Plugin), expected);
    // It is over with the call; another begins as the first one did.
    refused(ask(&store, "x").await, "trap", Blame::Plugin);
}

macro_rules! crashes {
    ($($name:ident $expected:literal)*) => { $(
        #[tokio::test]
        async fn $name() {
            crashes(written::named(stringify!($name)), $expected).await;
        }
    )* };
}

crashes! {
    trap_conversion "invalid conversion to integer"
    trap_divide "integer divide by zero"
    trap_null "uninitialized element"
    trap_overflow "integer overflow"
    trap_post_return "it gave up"
    trap_realloc "it gave up"
    trap_signature "indirect call type mismatch"
    trap_start "it gave up"
    trap_table "out of bounds table access"
}

#[tokio::test]
async fn trap_realloc_calls() {
    let component = crate::import::with_handles("trap_realloc_calls");
    crashes(component, "cannot leave component instance").await;
}

#[tokio::test]
async fn trap_pointer() {
    crashes(guest_artifacts::guest("trap_pointer"), "undefined element").await;
}

#[tokio::test]
async fn trap_list() {
    let store = Stage::of("trap_list").open();
    let text = refused(store.list("canary").await, "trap", Blame::Plugin);
    lacks(&text, "canary");
}
