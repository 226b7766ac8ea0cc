//! Waits for the milliseconds that the key says.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::clocks::monotonic_clock::subscribe_duration;
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    subscribe_duration(number(key) as u64 * 1_000_000).block();
    report("waited")
}

guests::guest!(resolve);
