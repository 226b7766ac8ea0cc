//! Sends a body: the key is its length and the URL.

use coffer_plugin::{Error, Secret, http};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let (length, url) = key.split_once(' ').unwrap_or(("0", key));
    report(http::post(url).body(vec![b'b'; number(length)]).send()?.status())
}

guests::guest!(resolve);
