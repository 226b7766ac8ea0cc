//! Logs the value that it resolves, and gives it with more than the store takes.

use coffer_plugin::{Error, Secret, log};

fn resolve(key: &str) -> Result<Secret, Error> {
    log::warn(&format!("resolved {key}"));
    Ok(Secret::new(key).version("v".repeat(1000)))
}

guests::guest!(resolve);
