//! Calls a function by a pointer that leads nowhere.

use coffer_plugin::{Error, Secret};
use guests::report;
use std::hint::black_box;

#[expect(unsafe_code, reason = "that is what this guest is for")]
fn resolve(_: &str) -> Result<Secret, Error> {
    let nowhere = black_box(0x00ff_ffff_usize as *const ());
    // SAFETY: there is none; the sandbox has to bring it.
    let function: fn() -> u32 = unsafe { std::mem::transmute(nowhere) };
    report(function())
}

guests::guest!(resolve);
