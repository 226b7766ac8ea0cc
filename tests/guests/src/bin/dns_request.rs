//! Sends a GET to a host by its name; the key is the URL.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let response = http::get(key).send()?;
    report(String::from_utf8_lossy(response.body()))
}

guests::guest!(resolve);
