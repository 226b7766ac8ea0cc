//! Reports the setting `greeting`.

use coffer_plugin::{Error, Secret, settings};
use guests::report;

fn resolve(_: &str) -> Result<Secret, Error> {
    report(settings::get("greeting").unwrap_or_default())
}

guests::guest!(resolve);
