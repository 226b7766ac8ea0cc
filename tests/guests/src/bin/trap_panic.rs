//! Panics with a text that holds the key.

use coffer_plugin::{Error, Secret};

fn resolve(key: &str) -> Result<Secret, Error> {
    panic!("\u{1b}[2J the value is {key}")
}

guests::guest!(resolve);
