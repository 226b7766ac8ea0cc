//! Fills 32 MiB again and again: one instruction that takes milliseconds.

use coffer_plugin::{Error, Secret};
use std::hint::black_box;

fn resolve(_: &str) -> Result<Secret, Error> {
    let mut bytes = vec![0_u8; 32 << 20];
    loop {
        black_box(&mut bytes).fill(7);
    }
}

guests::guest!(resolve);
