//! Sends a body that is a request of its own, with a header that would have a server read it as one: the
//! key is the header's name, its value and the URL.

use coffer_plugin::{Error, Secret, http};
use guests::report;

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut parts = key.splitn(3, '|');
    let mut part = || parts.next().unwrap_or_default();
    let (name, value, url) = (part(), part(), part());
    let mut request =
        http::post(url).body(&b"0\r\n\r\nDELETE /v2/smuggled HTTP/1.1\r\nhost: a\r\n\r\n"[..]);
    if !name.is_empty() {
        request = request.header(name, value);
    }
    match request.send() {
        Ok(response) => report(response.status()),
        Err(error) => report(format!("{error:?}")),
    }
}

guests::guest!(resolve);
