//! Sends a request with the method and the URL that the key says.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let (method, url) = key.split_once(' ').unwrap_or((key, ""));
    report(http::Request::new(method, url).send()?.status())
}

guests::guest!(resolve);
