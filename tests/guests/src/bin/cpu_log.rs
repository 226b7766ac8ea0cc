//! Logs without end.

use coffer_plugin::{Error, Secret, log};

fn resolve(key: &str) -> Result<Secret, Error> {
    loop {
        log::info(key);
    }
}

guests::guest!(resolve);
