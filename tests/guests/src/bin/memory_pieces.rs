//! Allocates small pieces and keeps them, until there is no memory left.

use coffer_plugin::{Error, Secret};
use guests::report;
use std::hint::black_box;

fn resolve(_: &str) -> Result<Secret, Error> {
    let mut pieces = Vec::new();
    while black_box(true) {
        pieces.push(Box::new([1_u64; 16]));
    }
    report(pieces.len())
}

guests::guest!(resolve);
