//! Sends a request with the method and the URL that the key says, and takes the status for what it stands for
//! at most backends.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let (method, url) = key.split_once(' ').unwrap_or((key, ""));
    match http::Request::new(method, url).body("body").send()?.status() {
        status @ 200..=299 => report(status),
        status => Err(Error::from_status(status)),
    }
}

guests::guest!(resolve);
