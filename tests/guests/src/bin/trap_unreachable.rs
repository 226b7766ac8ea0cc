//! Crashes for the key `crash`, and resolves every other.

use coffer_plugin::{Error, Secret};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    if key == "crash" {
        std::process::abort()
    }
    report("alive")
}

guests::guest!(resolve);
