//! Time: a guest that computes dies at its deadline, and does not keep others from running.

use crate::stage::{Stage, ask, contains, refused};
use crate::written;
use coffer_host::Blame;
use coffer_host::limits::Limits;
use std::time::{Duration, Instant};

guest_artifacts::foreach_cpu!(ran);

fn within(call: Duration) -> Limits {
    Limits { call, ..Limits::default() }
}

#[tokio::test]
async fn cpu_endless() {
    let call = Duration::from_millis(300);
    let store = Stage::of("cpu_endless").limits(within(call)).open();
    let begun = Instant::now();
    let text = refused(ask(&store, "").await, "deadline", Blame::Plugin);
    contains(&text, "was still computing after 300ms");
    assert!(begun.elapsed() >= call);
    // It dies a few ticks later; the rest is for a machine that has other things to do.
    assert!(begun.elapsed() < call + Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn cpu_inside() {
    let store = Stage::of("cpu_inside").limits(within(Duration::from_secs(60))).open();
    assert_eq!(ask(&store, "50").await.unwrap(), "done");
}

/// On one thread: whoever computes lets the others in.
#[tokio::test]
async fn a_guest_that_computes_does_not_keep_others_waiting() {
    let endless = Stage::of("cpu_endless").limits(within(Duration::from_secs(3))).open();
    let quick = Stage::of("cpu_inside").open();
    let begun = Instant::now();
    let (ended, took) = tokio::join!(ask(&endless, ""), async {
        ask(&quick, "1").await.unwrap();
        begun.elapsed()
    });
    refused(ended, "deadline", Blame::Plugin);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_start_function_has_the_same_deadline() {
    let core =
        r#"(memory (export "memory") 1) (func $start (loop $again (br $again))) (start $start)"#;
    let limits = within(Duration::from_millis(100));
    let store = Stage::with(written::plugin(core)).limits(limits).open();
    refused(ask(&store, "").await, "deadline", Blame::Plugin);
}
