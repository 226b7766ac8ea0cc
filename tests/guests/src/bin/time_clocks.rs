//! Reports what its clocks say of themselves, their first readings, and the smallest step between two
//! readings of each: nanoseconds all.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::clocks::{monotonic_clock, wall_clock};

/// Steps that are waited for.
const STEPS: usize = 5;

fn resolve(_: &str) -> Result<Secret, Error> {
    let began = monotonic_clock::now();
    let resolution = wall_clock::resolution();
    report(format!(
        "{} {} {began} {} {} {}",
        monotonic_clock::resolution(),
        resolution.seconds * 1_000_000_000 + u64::from(resolution.nanoseconds),
        wall(),
        smallest_step(monotonic_clock::now),
        smallest_step(wall),
    ))
}

fn wall() -> u64 {
    let now = wall_clock::now();
    now.seconds * 1_000_000_000 + u64::from(now.nanoseconds)
}

fn smallest_step(clock: impl Fn() -> u64) -> u64 {
    let mut smallest = u64::MAX;
    let mut last = clock();
    let mut steps = 0;
    while steps < STEPS {
        let now = clock();
        if now > last {
            smallest = smallest.min(now - last);
            steps += 1;
        }
        last = now;
    }
    smallest
}

guests::guest!(resolve);
