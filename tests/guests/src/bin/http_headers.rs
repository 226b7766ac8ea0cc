//! Sends as many headers as the key says, with values of as many bytes, to the URL, and reports the
//! outcome. Their names have four bytes.

use coffer_plugin::{Error, Secret, http};
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut words = key.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (count, bytes, url) = (number(word()), number(word()), word());
    let mut request = http::get(url);
    for index in 0..count {
        request = request.header(&format!("x{index:03}"), vec![b'v'; bytes]);
    }
    match request.send() {
        Ok(response) => report(response.status()),
        Err(error) => report(format!("{error:?}")),
    }
}

guests::guest!(resolve);
