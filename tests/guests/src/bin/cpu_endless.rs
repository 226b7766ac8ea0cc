//! Computes and never ends.

use coffer_plugin::{Error, Secret};
use std::hint::black_box;

fn resolve(_: &str) -> Result<Secret, Error> {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

guests::guest!(resolve);
