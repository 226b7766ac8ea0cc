//! A host for a few calls has no pool; what an instance may have and finds is the same.

use crate::stage::{Stage, ask, refused};
use coffer_host::limits::{Limits, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use coffer_host::{Blame, Host};
use guest_artifacts::written;

fn host() -> Host {
    Host::builder().once().build().unwrap()
}

#[tokio::test]
async fn no_instance_finds_what_another_left() {
    let store = Stage::of("state_memory").on(host()).open();
    for _ in 0..3 {
        assert_eq!(ask(&store, "").await.unwrap(), "1");
    }
}

#[tokio::test]
async fn an_instance_has_as_much_and_no_more() {
    let host = host();
    let megabyte = Limits { memory: 1 << 20, ..Limits::default() };
    let check = async |core: String, limits: Limits, kind: Option<&str>| {
        let store = Stage::with(written::plugin(&core)).limits(limits).on(host.clone()).open();
        let answer = ask(&store, "").await;
        match kind {
            None => assert_eq!(answer.unwrap(), ""),
            Some(kind) => drop(refused(answer, kind, Blame::Plugin)),
        }
    };
    let pages = |count: usize| format!(r#"(memory (export "memory") {count})"#);
    check(pages(16), megabyte, None).await;
    check(pages(17), megabyte, Some("limit")).await;
    let one = pages(1);
    let several = |what: &str, count: u32| one.clone() + &what.repeat(count as usize);
    let usual = Limits::default();
    check(several("(memory 0)", MEMORIES_MAX - 1), usual, None).await;
    check(several("(memory 0)", MEMORIES_MAX), usual, Some("trap")).await;
    check(several("(table 1 funcref)", TABLES_MAX), usual, None).await;
    check(several("(table 1 funcref)", TABLES_MAX + 1), usual, Some("trap")).await;
    let elements = |count: usize| format!("{one} (table {count} funcref)");
    check(elements(TABLE_ELEMENTS_MAX), usual, None).await;
    check(elements(TABLE_ELEMENTS_MAX + 1), usual, Some("trap")).await;
}
