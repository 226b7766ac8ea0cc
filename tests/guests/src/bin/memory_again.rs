//! Allocates half a MiB and gives it back, as often as the key says.

use coffer_plugin::{Error, Secret};
use guests::{number, report};
use std::hint::black_box;

fn resolve(key: &str) -> Result<Secret, Error> {
    let bytes: usize = (0..number(key)).map(|_| black_box(vec![1_u8; 512 << 10]).len()).sum();
    report(bytes)
}

guests::guest!(resolve);
