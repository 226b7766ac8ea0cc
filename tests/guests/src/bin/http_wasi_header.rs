//! Sets a header through `wasi:http`: the key is its name, its value and the URL.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::outgoing::send;

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut parts = key.splitn(3, '|');
    let mut part = || parts.next().unwrap_or_default();
    let (name, value, url) = (part(), part(), part());
    report(send("GET", url, &[(name, value)]))
}

guests::guest!(resolve);
