//! Runs an argv; the key has it, with `|` between the words.

use coffer_plugin::commands::{self, Error as CommandError};
use coffer_plugin::{Error, Secret};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let argv: Vec<&str> = key.split('|').collect();
    match commands::run(&argv) {
        Ok(output) => Ok(Secret::new(output)),
        Err(CommandError::Failed(code)) => report(format!("failed {code}")),
        Err(CommandError::NotFound) => report("no such program"),
        Err(CommandError::TooLarge(bytes_max)) => report(format!("more than {bytes_max}")),
        Err(error) => Err(error.into()),
    }
}

guests::guest!(resolve);
