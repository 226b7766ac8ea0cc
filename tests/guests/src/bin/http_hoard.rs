//! Asks for the same URL as often as the key says, all at once, and reports how many were answered and how
//! many were not.

use coffer_plugin::{Error, Secret, http};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let (count, url) = key.split_once(' ').unwrap_or(("0", key));
    let answers = http::send_all(vec![http::get(url); number(count)]);
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    report(format!("{answered} and {}", answers.len() - answered))
}

guests::guest!(resolve);
