//! Logs a line of as many bytes as the key says.

use coffer_plugin::{Error, Secret, log};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    log::info(&"x".repeat(number(key)));
    report("done")
}

guests::guest!(resolve);
