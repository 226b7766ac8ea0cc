//! Sends one header twice, and reports the outcome: the key is its name and the URL.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let (name, url) = key.split_once(' ').unwrap_or((key, ""));
    match http::get(url).header(name, "one").header(name, "two").send() {
        Ok(response) => report(response.status()),
        Err(error) => report(format!("{error:?}")),
    }
}

guests::guest!(resolve);
