//! Logs the value that it resolves, and crashes.

use coffer_plugin::{Error, Secret, log};

fn resolve(key: &str) -> Result<Secret, Error> {
    log::warn(&format!("resolved {key}"));
    std::process::abort()
}

guests::guest!(resolve);
