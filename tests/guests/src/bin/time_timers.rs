//! Waits for the first of hundreds of timers; the others would take an hour.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::clocks::monotonic_clock::subscribe_duration;
use guests::wasi::wasi::io::poll::poll;

fn resolve(_: &str) -> Result<Secret, Error> {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let mut timers: Vec<_> = (0..400).map(|_| subscribe_duration(HOUR_NS)).collect();
    timers.push(subscribe_duration(1_000_000));
    report(format!("{:?}", poll(&timers.iter().collect::<Vec<_>>())))
}

guests::guest!(resolve);
