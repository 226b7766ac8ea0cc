//! Runs the argv that the key says again and again, without end.

use coffer_plugin::{Error, Secret, commands};

fn resolve(key: &str) -> Result<Secret, Error> {
    let argv: Vec<&str> = key.split('|').collect();
    loop {
        commands::run(&argv)?;
    }
}

guests::guest!(resolve);
