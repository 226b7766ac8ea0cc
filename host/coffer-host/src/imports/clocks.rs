//! The clocks that a guest sees. They tell what timeouts, expiry dates and logs need, and no more: a guest
//! that could time what the machine does to the nanosecond could learn from it what others do there.
//! Neither says how long the machine or the host has been up.

use crate::limits;
use std::time::{Duration, Instant, SystemTime};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};

/// Time since the call began.
pub(crate) struct SinceCall(Instant);

impl SinceCall {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl HostMonotonicClock for SinceCall {
    fn resolution(&self) -> u64 {
        nanoseconds(limits::CLOCK_RESOLUTION)
    }

    fn now(&self) -> u64 {
        nanoseconds(coarse(self.0.elapsed()))
    }
}

/// Time since the Unix epoch.
pub(crate) struct Calendar;

impl HostWallClock for Calendar {
    fn resolution(&self) -> Duration {
        limits::CLOCK_RESOLUTION
    }

    fn now(&self) -> Duration {
        coarse(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

/// The last moment before `time` that a guest is told of.
fn coarse(time: Duration) -> Duration {
    let step = limits::CLOCK_RESOLUTION.as_nanos();
    let rest =
        u64::try_from(time.as_nanos() % step).expect("a step has fewer nanoseconds than a u64");
    time - Duration::from_nanos(rest)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_in_steps() {
        let check = |time: Duration, expected: u64| {
            assert_eq!(coarse(time), Duration::from_millis(expected), "{time:?}");
        };
        check(Duration::ZERO, 0);
        check(Duration::from_nanos(999_999), 0);
        check(Duration::from_nanos(1_000_000), 1);
        check(Duration::from_nanos(1_999_999), 1);
        check(Duration::new(7, 5_000_001), 7_005);
    }
}
