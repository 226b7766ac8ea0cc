//! Logs as many lines as the key says.

use coffer_plugin::{Error, Secret, log};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    (0..number(key)).for_each(|_| log::info("line"));
    report("done")
}

guests::guest!(resolve);
