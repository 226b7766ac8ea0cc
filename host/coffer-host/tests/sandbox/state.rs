//! State: an instance lives for one call, and nothing of it is seen by the next, by another store, or after
//! a crash, except for the cache, which belongs to one store.

use crate::stage::{Stage, ask, refused, secret, told, value};
use coffer_host::limits::{
    CACHE_BYTES_MAX, CACHE_ENTRIES_MAX, CACHE_ENTRY_BYTES_MAX, Limits, MEMORIES_MAX, TABLES_MAX,
};
use coffer_host::{Blame, Existing, Host, Store};
use guest_artifacts::written::plugin;
use serde_json::json;
use std::time::Duration;

guest_artifacts::foreach_state!(ran);

/// A host that runs one instance at a time, so that every instance gets what the one before it had.
fn one_place() -> Host {
    crate::way::host().instances(1).build().unwrap()
}

#[tokio::test]
async fn state_memory() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let store = Stage::of("state_memory").limits(limits).open();
    for _ in 0..3 {
        assert_eq!(ask(&store, "").await.unwrap(), "1");
    }
    // References of one chunk share an instance; chunks do not.
    let references: Vec<_> = (0..40).map(|_| told("")).collect();
    let mut counts: Vec<u32> = Vec::new();
    for answer in store.resolve(&references).await {
        counts.push(answer.unwrap().expose_text().unwrap().parse().unwrap());
    }
    let expected: Vec<u32> = (1..=16).chain(1..=16).chain(1..=8).collect();
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn state_cache() {
    let (one, other) = (Stage::of("state_cache").open(), Stage::of("state_cache").open());
    assert_eq!(ask(&one, "first").await.unwrap(), "");
    assert_eq!(ask(&one, "second").await.unwrap(), "first");
    assert_eq!(ask(&one.clone(), "third").await.unwrap(), "second");
    assert_eq!(ask(&other, "x").await.unwrap(), "");
    let elsewhere = Stage::of("state_cache").on(one_place()).open();
    assert_eq!(ask(&elsewhere, "x").await.unwrap(), "");
    // A store that is opened again, under the same name, begins with nothing.
    drop((one, other));
    assert_eq!(ask(&Stage::of("state_cache").open(), "x").await.unwrap(), "");
}

#[tokio::test]
async fn state_settings() {
    let with = |greeting: &str| {
        Stage::of("state_settings").settings(&json!({ "greeting": greeting })).open()
    };
    let (one, other) = (with("one"), with("other"));
    for _ in 0..2 {
        assert_eq!(ask(&one, "").await.unwrap(), "one");
        assert_eq!(ask(&other, "").await.unwrap(), "other");
    }
    assert_eq!(ask(&Stage::of("state_settings").open(), "").await.unwrap(), "hello");
}

#[tokio::test]
async fn variables_of_one_store_are_not_in_another() {
    let host = one_place();
    let with = |name: &str| {
        let grants = json!({ "environment": [name] });
        Stage::of("env_all").on(host.clone()).grants(grants).open()
    };
    let (one, other) = (with("CARGO_PKG_NAME"), with("CARGO_PKG_LICENSE"));
    for _ in 0..2 {
        let seen = ask(&one, "").await.unwrap();
        assert!(seen.contains("CARGO_PKG_NAME") && !seen.contains("LICENSE"), "{seen}");
        let seen = ask(&other, "").await.unwrap();
        assert!(seen.contains("CARGO_PKG_LICENSE") && !seen.contains("NAME"), "{seen}");
    }
}

/// The key that tells `state_leave` how to end, and what becomes of the call.
const ENDINGS: [(&str, &str); 5] =
    [("answer", ""), ("crash", "trap"), ("error", "other"), ("exit", "trap"), ("loop", "deadline")];

#[tokio::test]
async fn state_leave() {
    for (ending, kind) in ENDINGS {
        let host = one_place();
        let scan = Stage::of("state_scan").on(host.clone()).open();
        // As many plugins as there are memories, since the pool gives a plugin that it has not seen a memory
        // that nobody has had, for as long as there is one.
        for _ in 0..=MEMORIES_MAX {
            let store = leaving(&host);
            let left = ask(&store, ending).await;
            match kind {
                "" => assert_eq!(left.unwrap(), (1 << 20).to_string()),
                kind => {
                    refused(left, kind, Blame::Plugin);
                }
            }
            // Neither the plugin's own next call, which gets the same memory, nor another plugin's.
            assert_eq!(ask(&store, "answer").await.unwrap(), (1 << 20).to_string());
            let _ = ask(&store, ending).await;
        }
        assert_eq!(ask(&scan, "40").await.unwrap(), "0", "after {ending}");
    }
}

fn leaving(host: &Host) -> Store {
    let limits = Limits { call: Duration::from_millis(500), ..Limits::default() };
    Stage::of("state_leave").on(host.clone()).limits(limits).open()
}

#[tokio::test]
async fn state_scan() {
    let store = Stage::of("state_scan").on(one_place()).open();
    // It finds what is there. A vector of 1600 bytes has it a hundred times.
    let found: usize = ask(&store, "own").await.unwrap().parse().unwrap();
    assert!(found >= 100, "{found}");
    for _ in 0..2 {
        assert_eq!(ask(&store, "1").await.unwrap(), "0");
        refused(ask(&store, "100000").await, "other", Blame::Plugin);
    }
}

/// What a plugin of [`marked`] does first.
#[derive(Clone, Copy)]
enum First {
    Look,
    Mark,
}

/// A plugin that marks its global, its memories and its tables, where it declared them and where it grew
/// them, and answers with a digit: `0` if it saw no mark, and with 1, 2 and 4 in it for what had one.
fn marked(memories: u32, tables: u32, first: First) -> Vec<u8> {
    let mut core =
        String::from(r#"(memory (export "memory") 1) (global $marked (mut i32) (i32.const 0))"#);
    let mut grow = String::new();
    let mut look = String::from(
        "(local.set $found (i32.or (global.get $marked) (i32.load8_u (i32.const 50000))))",
    );
    let mut mark = String::from(
        "(global.set $marked (i32.const 1)) (i32.store8 (i32.const 50000) (i32.const 1))",
    );
    for index in 1..memories {
        core += &format!("(memory $m{index} 1)");
        grow += &format!("(drop (memory.grow $m{index} (i32.const 1)))");
        for at in [7, 70_000] {
            look += &format!(
                "(local.set $found (i32.or (local.get $found) (i32.load8_u $m{index} (i32.const {at}))))"
            );
            mark += &format!("(i32.store8 $m{index} (i32.const {at}) (i32.const 2))");
        }
    }
    for index in 0..tables {
        core += &format!("(table $t{index} 8 funcref)");
        grow += &format!("(drop (table.grow $t{index} (ref.null func) (i32.const 8)))");
        for at in [3, 12] {
            look += &format!(
                "(local.set $found (i32.or (local.get $found)
                   (select (i32.const 0) (i32.const 4) (ref.is_null (table.get $t{index} (i32.const {at}))))))"
            );
            mark += &format!("(table.set $t{index} (i32.const {at}) (ref.func $mark))");
        }
    }
    let acts = match first {
        First::Look => [look, mark],
        First::Mark => [mark, look],
    };
    // One answer, a value of one byte, which is at 1024.
    core += &format!(
        r#"(func $mark) (elem declare func $mark)
           (func (export "resolve") (param i32 i32) (result i32) (local $found i32)
             {grow} {}
             (i32.store8 (i32.const 1024) (i32.add (i32.const 48) (local.get $found)))
             (i32.store (i32.const 72) (i32.const 1024)) (i32.store (i32.const 76) (i32.const 1))
             (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1))
             (i32.const 0))"#,
        acts.join(" ")
    );
    plugin(&core)
}

#[tokio::test]
async fn memories_tables_and_globals_are_as_declared_in_each_call() {
    let host = one_place();
    let with = |component: Vec<u8>| Stage::with(component).on(host.clone()).open();
    let all = |first| marked(MEMORIES_MAX, TABLES_MAX, first);
    let (one, other) = (with(all(First::Look)), with(all(First::Look)));
    // The marks are seen by the call that makes them.
    let marking = with(all(First::Mark));
    for _ in 0..3 {
        assert_eq!(ask(&one, "").await.unwrap(), "0");
        assert_eq!(ask(&marking, "").await.unwrap(), "7");
        assert_eq!(ask(&other, "").await.unwrap(), "0");
    }
    // A smaller plugin, in the places of a larger one.
    assert_eq!(ask(&with(marked(1, 1, First::Look)), "").await.unwrap(), "0");
}

#[tokio::test]
async fn an_instance_that_crashed_gives_its_place_back() {
    let host = one_place();
    let limits = Limits { call: Duration::from_millis(100), ..Limits::default() };
    let store = Stage::of("state_leave").on(host).limits(limits).open();
    for (ending, kind) in ENDINGS.into_iter().cycle().take(20) {
        if let Err(error) = ask(&store, ending).await {
            assert!([kind, "deadline"].contains(&error.cause().kind()), "{ending}: {error}");
        }
    }
}

#[tokio::test]
async fn state_pages() {
    let host = one_place();
    let stores = [Stage::of("state_pages").on(host.clone()), Stage::of("state_pages").on(host)];
    let stores = stores.map(Stage::open);
    let first = ask(&stores[0], "").await.unwrap();
    assert!(first.starts_with("0 of pages from "), "{first}");
    for store in stores.iter().cycle().take(6) {
        assert_eq!(ask(store, "").await.unwrap(), first);
    }
}

#[tokio::test]
async fn state_trap() {
    let limits = Limits { call: Duration::from_millis(200), ..Limits::default() };
    let store = Stage::of("state_trap").on(one_place()).limits(limits).open();
    for (key, kind) in [("crash", "trap"), ("endless", "deadline")] {
        refused(ask(&store, key).await, kind, Blame::Plugin);
        assert_eq!(ask(&store, "x").await.unwrap(), "0");
    }
}

#[tokio::test]
async fn state_put() {
    let store = Stage::of("state_put").on(one_place()).open();
    store.put(&secret("k"), &value("hunter2"), Existing::Replace).await.unwrap();
    assert_eq!(ask(&store, "k").await.unwrap(), "");
}

#[tokio::test]
async fn state_globals() {
    let store = Stage::written("state_globals").on(one_place()).open();
    for _ in 0..3 {
        assert_eq!(ask(&store, "").await.unwrap(), "");
    }
}

/// The cache has room for so much; what is beyond takes the place of what is there.
#[tokio::test]
async fn state_cache_full() {
    // A key has eight bytes.
    for (count, bytes, there, refused) in [
        (1, CACHE_ENTRY_BYTES_MAX - 8, 1, 0),
        (1, CACHE_ENTRY_BYTES_MAX - 7, 0, 1),
        (CACHE_ENTRIES_MAX, 1, CACHE_ENTRIES_MAX, 0),
        (CACHE_ENTRIES_MAX + 5, 1, CACHE_ENTRIES_MAX, 0),
        (CACHE_BYTES_MAX / CACHE_ENTRY_BYTES_MAX + 3, CACHE_ENTRY_BYTES_MAX - 8, 16, 0),
    ] {
        let store = Stage::of("state_cache_full").open();
        let said = ask(&store, format!("{count}x{bytes}")).await.unwrap();
        assert_eq!(said, format!("{there} there, {refused} refused"), "{count}x{bytes}");
    }
}

#[tokio::test]
async fn state_handles() {
    let store = Stage::of("state_handles").on(one_place()).open();
    for _ in 0..4 {
        assert_eq!(ask(&store, "").await.unwrap(), "open");
    }
}

/// A host has so many places and no more: who comes next waits until one is free.
#[tokio::test]
async fn instances_of_a_host_are_bounded() {
    // None of them ends at its deadline, however slow the machine is.
    let limits = Limits { call: Duration::from_secs(60), ..Limits::default() };
    let host = one_place();
    let waits = Stage::of("time_wait").on(host.clone()).limits(limits).open();
    let other = Stage::of("state_memory").on(host).limits(limits).open();
    let begun = std::time::Instant::now();
    let (waited, counted) = tokio::join!(ask(&waits, "200"), ask(&other, ""));
    assert_eq!((waited.unwrap().as_str(), counted.unwrap().as_str()), ("waited", "1"));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let narrow = Stage::of("time_wait").on(one_place()).limits(limits).open();
    let begun = std::time::Instant::now();
    let asked = ["100"; 4].map(told);
    assert!(narrow.resolve(&asked).await.iter().all(Result::is_ok));
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
}
