//! Logs the value that it resolves, and never ends.

use coffer_plugin::{Error, Secret, log};
use std::hint::black_box;

fn resolve(key: &str) -> Result<Secret, Error> {
    log::warn(&format!("resolved {key}"));
    loop {
        black_box(key);
    }
}

guests::guest!(resolve);
