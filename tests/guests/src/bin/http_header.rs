//! Sets a header: the key is its name, its value and the URL.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut parts = key.splitn(3, '|');
    let mut part = || parts.next().unwrap_or_default();
    let (name, value, url) = (part(), part(), part());
    match http::get(url).header(name, value).send() {
        Ok(response) => report(format!("{}", response.status())),
        Err(http::Error::InvalidRequest(why)) => report(why),
        Err(error) => Err(error.into()),
    }
}

guests::guest!(resolve);
