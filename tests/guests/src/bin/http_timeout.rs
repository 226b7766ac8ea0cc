//! Waits for an answer as many milliseconds as the key says before the URL, and reports the outcome.

use coffer_plugin::{Error, Secret, http};
use guests::{number, report};
use std::time::Duration;

fn resolve(key: &str) -> Result<Secret, Error> {
    let (ms, url) = key.split_once(' ').unwrap_or(("0", key));
    match http::get(url).timeout(Duration::from_millis(number(ms) as u64)).send() {
        Ok(response) => report(response.status()),
        Err(error) => report(format!("{error:?}")),
    }
}

guests::guest!(resolve);
