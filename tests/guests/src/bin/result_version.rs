//! Gives a version of as many bytes as the key says, all of them escape characters.

use coffer_plugin::{Error, Secret};
use guests::number;

fn resolve(key: &str) -> Result<Secret, Error> {
    Ok(Secret::new("value").version("\u{1b}".repeat(number(key))))
}

guests::guest!(resolve);
