//! Logs a value, and answers that there is none.

use coffer_plugin::{Error, Secret, log};

fn resolve(key: &str) -> Result<Secret, Error> {
    log::warn(&format!("resolved {key}"));
    Err(Error::NotFound)
}

guests::guest!(resolve);
