//! Reads beyond its memory.

use coffer_plugin::{Error, Secret};
use guests::report;
use std::hint::black_box;

#[expect(unsafe_code, reason = "that is what this guest is for")]
fn resolve(_: &str) -> Result<Secret, Error> {
    let beyond = black_box(0xffff_fff0_usize) as *const u8;
    // SAFETY: there is none; the sandbox has to bring it.
    report(unsafe { beyond.read_volatile() })
}

guests::guest!(resolve);
