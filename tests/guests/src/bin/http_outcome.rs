//! Reports what the host says of a GET of the URL that the key has: the status and the length of the
//! answer, or the error.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    match http::get(key).send() {
        Ok(response) => report(format!("{} {}", response.status(), response.body().len())),
        Err(error) => report(format!("{error:?}")),
    }
}

guests::guest!(resolve);
