//! Keeps the key in the cache, and reports what was kept before.

use coffer_plugin::{Error, Secret, cache};
use guests::report;
use std::time::Duration;

fn resolve(key: &str) -> Result<Secret, Error> {
    let before = cache::get("last").unwrap_or_default();
    cache::put("last", key.as_bytes(), Duration::from_secs(60))
        .map_err(|error| Error::Other(format!("{error:?}")))?;
    report(String::from_utf8_lossy(&before))
}

guests::guest!(resolve);
