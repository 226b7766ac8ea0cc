//! Asks for as much randomness as it gets at once, again and again.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::random::random::get_random_bytes;
use std::hint::black_box;

fn resolve(_: &str) -> Result<Secret, Error> {
    loop {
        black_box(get_random_bytes(64 << 10));
    }
}

guests::guest!(resolve);
