//! Keeps a value in the cache for the key `crash` and crashes, and reports what is in the cache for any
//! other.

use coffer_plugin::{Error, Secret, cache};
use guests::report;
use std::time::Duration;

fn resolve(key: &str) -> Result<Secret, Error> {
    if key == "crash" {
        let kept = cache::put("token", b"half", Duration::from_secs(60));
        kept.map_err(|error| Error::Other(format!("{error:?}")))?;
        std::process::abort()
    }
    report(String::from_utf8_lossy(&cache::get("token").unwrap_or_default()))
}

guests::guest!(resolve);
