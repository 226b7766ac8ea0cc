//! Time: a guest that computes dies at its deadline, and does not keep others from running.

use crate::stage::{Stage, ask, contains, refused};
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

/// Whatever a guest does without end, it dies at its deadline.
async fn dies(stage: Stage, limits: Limits) {
    let call = limits.call;
    let store = stage.limits(limits).open();
    let begun = Instant::now();
    let text = refused(ask(&store, "x").await, "deadline", Blame::Plugin);
    contains(&text, "was still computing");
    // Within twice its time; what is added is for a machine that has other things to do.
    let most = 2 * call + Duration::from_secs(5);
    assert!((call..most).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

macro_rules! dies {
    ($($stage:ident $name:ident)*) => { $(
        #[tokio::test]
        async fn $name() {
            dies(Stage::$stage(stringify!($name)), within(Duration::from_millis(300))).await;
        }
    )* };
}

dies! {
    of cpu_cache
    of cpu_clock
    of cpu_fill
    written cpu_grow
    of cpu_log
    written cpu_memory_copy
    of cpu_poll
    written cpu_post_return
    of cpu_random
    written cpu_realloc
    written cpu_start
    written cpu_table_fill
    written cpu_tail_call
}

/// Each verb has the deadline.
#[tokio::test]
async fn cpu_verbs() {
    let store = Stage::of("cpu_verbs").limits(within(Duration::from_millis(100))).open();
    let key = crate::stage::secret("k");
    refused(store.resolve_one(&key).await, "deadline", Blame::Plugin);
    let put = store.put(&key, &crate::stage::value("v"), coffer_host::Existing::Keep).await;
    refused(put, "deadline", Blame::Plugin);
    refused(store.delete(&key).await, "deadline", Blame::Plugin);
    refused(store.list("").await, "deadline", Blame::Plugin);
}
