//! Sends a GET, asks for the setting `token`, and reports how often each of some texts, which it is told backwards
//! behind the URL, is in its memory.

use coffer_plugin::{Error, Secret, http, settings};
use guests::canary::found_backwards;
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut parts = key.split('|');
    let response = http::get(parts.next().unwrap_or_default()).send();
    let token = settings::get("token");
    let found: Vec<_> = parts.map(|text| found_backwards(text.as_bytes()).min(1)).collect();
    report(format!("{} {} {found:?}", response.is_ok(), token.is_some()))
}

guests::guest!(resolve);
