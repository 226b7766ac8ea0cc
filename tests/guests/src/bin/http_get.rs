//! Sends a GET to the URL that the key says, and reports the status and the body.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let response = http::get(key).send()?;
    report(format!("{} {}", response.status(), String::from_utf8_lossy(response.body())))
}

guests::guest!(resolve);
