//! Looks for a clock that goes back.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::clocks::monotonic_clock;

fn resolve(_: &str) -> Result<Secret, Error> {
    let mut last = 0;
    let mut back = 0;
    for _ in 0..10_000 {
        let now = monotonic_clock::now();
        back += usize::from(now < last);
        last = now;
    }
    report(back)
}

guests::guest!(resolve);
