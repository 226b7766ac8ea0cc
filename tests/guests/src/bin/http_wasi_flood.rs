//! Begins as many requests at the same time through `wasi:http` as the key says before the URL, keeps
//! their answers without reading them, and reports how many there were.

use coffer_plugin::{Error, Secret};
use guests::wasi::outgoing::{Target, begin};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let (count, url) = key.split_once(' ').unwrap_or(("0", key));
    let begun: Vec<_> =
        (0..number(count)).filter_map(|_| begin(&Target::of(url), &[], None).ok()).collect();
    let mut answers = Vec::new();
    for future in begun {
        future.subscribe().block();
        if let Some(Ok(Ok(response))) = future.get() {
            answers.push(response);
        }
    }
    report(answers.len())
}

guests::guest!(resolve);
