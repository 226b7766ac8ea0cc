//! Ends the process, as far as it can.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::cli::exit::exit;

fn resolve(_: &str) -> Result<Secret, Error> {
    exit(Ok(()));
    report("still here")
}

guests::guest!(resolve);
