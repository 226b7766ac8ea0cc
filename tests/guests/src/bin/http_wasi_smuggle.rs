//! Sends a body that is a request of its own through `wasi:http`, with trailers, and with a header that
//! would have a server read it as one: the key is the header's name, its value and the URL.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::outgoing::{Target, send_to};

const BODY: &[u8] = b"0\r\n\r\nDELETE /v2/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut parts = key.splitn(3, '|');
    let mut part = || parts.next().unwrap_or_default();
    let (name, value, url) = (part(), part(), part());
    let headers: &[_] = if name.is_empty() { &[] } else { &[(name, value)] };
    report(send_to(&Target { method: Some("POST"), ..Target::of(url) }, headers, Some(BODY)))
}

guests::guest!(resolve);
