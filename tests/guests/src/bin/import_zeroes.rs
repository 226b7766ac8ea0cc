//! Writes as many zeroes to standard output at once as the key says.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::cli::stdout::get_stdout;

fn resolve(key: &str) -> Result<Secret, Error> {
    let count = key.parse().map_err(|_| Error::NotFound)?;
    report(get_stdout().write_zeroes(count).is_ok())
}

guests::guest!(resolve);
