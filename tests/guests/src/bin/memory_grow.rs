//! Grows its memory to as many pages as the key says, and reports whether it could.

use coffer_plugin::{Error, Secret};
use core::arch::wasm32::{memory_grow, memory_size};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let more = number(key) - memory_size::<0>();
    report(if memory_grow::<0>(more) == usize::MAX { "refused" } else { "grown" })
}

guests::guest!(resolve);
