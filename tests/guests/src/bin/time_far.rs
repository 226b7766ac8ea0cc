//! Waits until the end of time.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::clocks::monotonic_clock::{subscribe_duration, subscribe_instant};
use guests::wasi::wasi::io::poll::poll;

fn resolve(_: &str) -> Result<Secret, Error> {
    let (duration, instant) = (subscribe_duration(u64::MAX), subscribe_instant(u64::MAX));
    report(poll(&[&duration, &instant]).len())
}

guests::guest!(resolve);
