//! Calls itself without end.

use coffer_plugin::{Error, Secret};
use guests::report;
use std::hint::black_box;

fn resolve(_: &str) -> Result<Secret, Error> {
    report(deeper(1))
}

#[expect(unconditional_recursion, reason = "that is what this guest is for")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth + 1))) + 1
}

guests::guest!(resolve);
