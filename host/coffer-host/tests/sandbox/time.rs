//! Clocks: a guest can tell the time and wait, within its deadline.

use crate::stage::{Stage, ask, contains, refused};
use coffer_host::Blame;
use coffer_host::limits::Limits;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

guest_artifacts::foreach_time!(ran);

#[tokio::test]
async fn time_now() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let store = Stage::of("time_now").open();
    let before = now();
    let told: u64 = ask(&store, "").await.unwrap().parse().unwrap();
    assert!((before..=now()).contains(&told));
}

#[tokio::test]
async fn time_wait() {
    let limits = Limits { call: Duration::from_millis(200), ..Limits::default() };
    let store = Stage::of("time_wait").limits(limits).open();
    assert_eq!(ask(&store, "1").await.unwrap(), "waited");
    // Nobody else made it wait, so it is the plugin's fault.
    let text = refused(ask(&store, "3600000").await, "deadline", Blame::Plugin);
    contains(&text, "after 200ms");
}
