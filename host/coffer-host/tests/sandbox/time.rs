//! Clocks: a guest can tell the time and wait, within its deadline.

use crate::stage::{Stage, ask, contains, refused};
use coffer_host::Blame;
use coffer_host::limits::{CLOCK_RESOLUTION, Limits};
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

/// A guest's clocks go in steps of a millisecond, whatever it tries, and the one that only counts begins with
/// the call: it says nothing of how long the machine, the host or the store has been up.
#[tokio::test]
async fn time_clocks() {
    let step = u64::try_from(CLOCK_RESOLUTION.as_nanos()).unwrap();
    let store = Stage::of("time_clocks").open();
    for _ in 0..3 {
        let before = SystemTime::now();
        let told = ask(&store, "").await.unwrap();
        let took = before.elapsed().unwrap().as_nanos();
        let told: Vec<u64> = told.split(' ').map(|number| number.parse().unwrap()).collect();
        let [monotonic, wall, began, now, monotonic_step, wall_step] = told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((monotonic, wall), (step, step));
        for reading in [began, now, monotonic_step, wall_step] {
            assert_eq!(reading % step, 0, "{told:?}");
        }
        assert!(monotonic_step >= step && wall_step >= step, "{told:?}");
        assert!(u128::from(began) <= took, "the clock began before the call: {told:?}, {took}");
        let wall = UNIX_EPOCH + Duration::from_nanos(now) + CLOCK_RESOLUTION;
        assert!(before < wall && wall <= SystemTime::now() + CLOCK_RESOLUTION, "{told:?}");
    }
}

#[tokio::test]
async fn time_instant() {
    let store = Stage::of("time_instant").open();
    for milliseconds in ["0", "1", "20"] {
        let past: Duration = match ask(&store, milliseconds).await.unwrap().parse() {
            Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
            Err(_) => panic!("it was woken too early"),
        };
        assert!(past < Duration::from_secs(2), "{past:?}");
    }
}

#[tokio::test]
async fn time_far() {
    let limits = Limits { call: Duration::from_millis(200), ..Limits::default() };
    let store = Stage::of("time_far").limits(limits).open();
    refused(ask(&store, "").await, "deadline", Blame::Plugin);
}

#[tokio::test]
async fn time_back() {
    assert_eq!(ask(&Stage::of("time_back").open(), "").await.unwrap(), "0");
}

#[tokio::test]
async fn time_timers() {
    assert_eq!(ask(&Stage::of("time_timers").open(), "").await.unwrap(), "[400]");
}
