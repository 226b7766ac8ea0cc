//! Memory: what a store is given and not a page more, however many memories a guest spreads it over.

use crate::stage::{Stage, ask, contains, lacks, refused, told};
use coffer_host::Blame;
use coffer_host::limits::{Limits, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use guest_artifacts::written;

guest_artifacts::foreach_memory!(ran);

const MIB: usize = 1 << 20;
const PAGES_OF_A_MIB: usize = MIB / 65_536;

fn megabyte() -> Limits {
    Limits { memory: MIB, ..Limits::default() }
}

#[tokio::test]
async fn memory_grow() {
    let store = Stage::of("memory_grow").limits(megabyte()).open();
    assert_eq!(ask(&store, PAGES_OF_A_MIB.to_string()).await.unwrap(), "grown");
    assert_eq!(ask(&store, (PAGES_OF_A_MIB + 1).to_string()).await.unwrap(), "refused");
}

#[tokio::test]
async fn memory_allocate() {
    let store = Stage::of("memory_allocate").limits(megabyte()).open();
    assert_eq!(ask(&store, (MIB / 2).to_string()).await.unwrap(), (MIB / 2).to_string());
    let text = refused(ask(&store, MIB.to_string()).await, "trap", Blame::Plugin);
    contains(&text, "no memory left");
}

#[tokio::test]
async fn the_memory_that_a_guest_begins_with_counts() {
    let memory = |pages: usize| format!(r#"(memory (export "memory") {pages})"#);
    let check = |pages| Stage::with(written::plugin(&memory(pages))).limits(megabyte()).open();
    assert_eq!(ask(&check(PAGES_OF_A_MIB), "").await.unwrap(), "");
    let text = refused(ask(&check(PAGES_OF_A_MIB + 1), "").await, "limit", Blame::Plugin);
    contains(&text, "limit of memory");
}

#[tokio::test]
async fn all_memories_count_together() {
    let memories =
        |one, other| format!(r#"(memory (export "memory") {one}) (memory $other {other})"#);
    let check = |core: &str| Stage::with(written::plugin(core)).limits(megabyte()).open();
    assert_eq!(ask(&check(&memories(8, 8)), "").await.unwrap(), "");
    let text = refused(ask(&check(&memories(8, 9)), "").await, "limit", Blame::Plugin);
    contains(&text, "limit of memory");
    // Growing one is held against what both have.
    let grows = |pages: usize| {
        memories(8, 4)
            + &format!(
                "(func $start (if (i32.eq (memory.grow $other (i32.const {pages})) (i32.const -1)) (then unreachable)))
                 (start $start)"
            )
    };
    assert_eq!(ask(&check(&grows(4)), "").await.unwrap(), "");
    refused(ask(&check(&grows(5)), "").await, "trap", Blame::Plugin);
}

#[tokio::test]
async fn memories_and_tables_are_counted() {
    let memories = |count: u32| {
        r#"(memory (export "memory") 1)"#.to_owned() + &"(memory 0)".repeat(count as usize - 1)
    };
    let inside = Stage::with(written::plugin(&memories(MEMORIES_MAX))).open();
    assert_eq!(ask(&inside, "").await.unwrap(), "");
    beyond(&memories(MEMORIES_MAX + 1));
    let elements =
        |count: usize| format!(r#"(memory (export "memory") 1) (table {count} funcref)"#);
    let inside = Stage::with(written::plugin(&elements(TABLE_ELEMENTS_MAX))).open();
    assert_eq!(ask(&inside, "").await.unwrap(), "");
    beyond(&elements(TABLE_ELEMENTS_MAX + 1));
    let grown = |count: usize| {
        format!(
            r#"(memory (export "memory") 1) (table $t 1 funcref)
               (func $start (if (i32.eq (table.grow $t (ref.null func) (i32.const {count})) (i32.const -1))
                 (then unreachable)))
               (start $start)"#
        )
    };
    let inside = Stage::with(written::plugin(&grown(TABLE_ELEMENTS_MAX - 1))).open();
    assert_eq!(ask(&inside, "").await.unwrap(), "");
    let outside = Stage::with(written::plugin(&grown(TABLE_ELEMENTS_MAX))).open();
    refused(ask(&outside, "").await, "trap", Blame::Plugin);
}

/// A host for one instance has room for the largest that there may be.
#[tokio::test]
async fn what_is_allowed_has_room() {
    let host = crate::way::host().instances(1).build().unwrap();
    let core = r#"(memory (export "memory") 1)"#.to_owned()
        + &"(memory 1)".repeat(MEMORIES_MAX as usize - 1)
        + &"(table 100 funcref)".repeat(TABLES_MAX as usize);
    let store = Stage::with(written::plugin(&core)).on(host).open();
    let asked: Vec<_> = (0..8).map(|_| told("")).collect();
    for answer in store.resolve(&asked).await {
        assert_eq!(answer.unwrap().expose(), b"");
    }
    beyond(&(core + "(table 1 funcref)"));
}

/// What the pool has no room for is refused when it is loaded.
fn beyond(core: &str) {
    let error = crate::way::load(&crate::stage::host(), &written::plugin(core)).unwrap_err();
    let text = crate::stage::explained(&error, Blame::Plugin);
    lacks(&text, "panic");
}

#[tokio::test]
async fn memory_pieces() {
    let store = Stage::of("memory_pieces").limits(megabyte()).open();
    let text = refused(ask(&store, "").await, "trap", Blame::Plugin);
    contains(&text, "no memory left");
}

/// What is given back can be used again.
#[tokio::test]
async fn memory_again() {
    let store = Stage::of("memory_again").limits(megabyte()).open();
    assert_eq!(ask(&store, "100").await.unwrap(), (100 * MIB / 2).to_string());
}

#[tokio::test]
async fn memory_start() {
    let store = Stage::written("memory_start").limits(megabyte()).open();
    assert_eq!(ask(&store, "").await.unwrap(), "");
}

#[tokio::test]
async fn memory_many() {
    let store = Stage::written("memory_many").limits(megabyte()).open();
    assert_eq!(ask(&store, "").await.unwrap(), "");
}

#[test]
fn memory_4gib() {
    beyond(&written::text("memory_4gib"));
}

#[test]
fn memory_table() {
    beyond(&written::text("memory_table"));
}

#[tokio::test]
async fn memory_data() {
    let text = refused(ask(&Stage::written("memory_data").open(), "").await, "trap", Blame::Plugin);
    contains(&text, "out of bounds memory access");
}

#[tokio::test]
async fn memory_elements() {
    let store = Stage::written("memory_elements").open();
    let text = refused(ask(&store, "").await, "trap", Blame::Plugin);
    contains(&text, "out of bounds table access");
}
