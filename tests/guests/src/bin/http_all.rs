//! Sends requests to several URLs at the same time; the key has them, with spaces between.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let answers = http::send_all(key.split(' ').map(http::get).collect());
    let words: Vec<String> = answers
        .into_iter()
        .map(|answer| match answer {
            Ok(response) => {
                format!("{}:{}", response.status(), String::from_utf8_lossy(response.body()))
            }
            Err(http::Error::Denied) => "denied".into(),
            Err(http::Error::TooManyRequests) => "too many".into(),
            Err(_) => "failed".into(),
        })
        .collect();
    report(words.join(" "))
}

guests::guest!(resolve);
