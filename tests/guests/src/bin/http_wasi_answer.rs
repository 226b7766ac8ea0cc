//! Reports everything that `wasi:http` shows of an answer: its status, its headers, its body and its
//! trailers. The key is the URL.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::outgoing::{Outcome, read, send};

fn resolve(key: &str) -> Result<Secret, Error> {
    match send("GET", key, &[("accept-encoding", "gzip"), ("range", "bytes=0-3")]) {
        Outcome::Answer(response) => report(read(response)),
        other => report(other),
    }
}

guests::guest!(resolve);
