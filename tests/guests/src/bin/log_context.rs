//! Logs with the value that it resolves as the context, beside an innocent message.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::logging::logging::{Level, log};

fn resolve(key: &str) -> Result<Secret, Error> {
    log(Level::Critical, key, "innocent");
    Ok(Secret::new("another value"))
}

guests::guest!(resolve);
