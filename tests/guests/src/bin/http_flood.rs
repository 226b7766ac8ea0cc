//! Sends requests to the URL that the key says until it is stopped, and reports how many passed.

use coffer_plugin::http::{self, Error as HttpError};
use coffer_plugin::{Error, Secret};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut passed = 0;
    loop {
        match http::get(key).send() {
            Ok(_) => passed += 1,
            Err(HttpError::TooManyRequests) => return report(passed),
            Err(error) => return Err(error.into()),
        }
    }
}

guests::guest!(resolve);
