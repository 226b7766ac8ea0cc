//! Reports the seconds of the wall clock.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::clocks::wall_clock;

fn resolve(_: &str) -> Result<Secret, Error> {
    report(wall_clock::now().seconds)
}

guests::guest!(resolve);
