//! Reports everything it gets to see of an answer, and of its own settings.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::config::store;

fn resolve(key: &str) -> Result<Secret, Error> {
    let response = coffer_plugin::http::get(key).send()?;
    report(format!("{:?} {:?} {:?}", store::get_all(), store::get("token"), response.body()))
}

guests::guest!(resolve);
