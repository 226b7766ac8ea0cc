//! Asks for the time again and again: a call of the host that returns at once.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::clocks::monotonic_clock;
use std::hint::black_box;

fn resolve(_: &str) -> Result<Secret, Error> {
    loop {
        black_box(monotonic_clock::now());
    }
}

guests::guest!(resolve);
