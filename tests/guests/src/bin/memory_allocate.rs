//! Allocates and touches as many bytes as the key says.

use coffer_plugin::{Error, Secret};
use guests::{number, report};
use std::hint::black_box;

fn resolve(key: &str) -> Result<Secret, Error> {
    report(black_box(vec![7_u8; number(key)]).len())
}

guests::guest!(resolve);
