//! Computes for the milliseconds that the key says, and ends.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::clocks::monotonic_clock;
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let begun = monotonic_clock::now();
    let nanoseconds = number(key) as u64 * 1_000_000;
    while monotonic_clock::now() - begun < nanoseconds {}
    report("done")
}

guests::guest!(resolve);
