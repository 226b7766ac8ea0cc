//! Follows a redirect by itself.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let response = http::get(key).send()?;
    let to = response.header("location").map(|to| String::from_utf8_lossy(to).into_owned());
    match to {
        Some(to) => report(http::get(&to).send()?.status()),
        None => report("no redirect"),
    }
}

guests::guest!(resolve);
