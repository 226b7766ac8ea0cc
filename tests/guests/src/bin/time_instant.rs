//! Waits until a moment of its own clock, and reports by how many nanoseconds it is past it.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::clocks::monotonic_clock::{now, subscribe_instant};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let until = now() + number(key) as u64 * 1_000_000;
    subscribe_instant(until).block();
    report(now().checked_sub(until).map_or("early".to_owned(), |past| past.to_string()))
}

guests::guest!(resolve);
