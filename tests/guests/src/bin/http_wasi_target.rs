//! Puts the target of a request together by hand through `wasi:http`: the key is the method, the scheme,
//! the authority and the path, with a bar between. `-` leaves one out.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::outgoing::{Target, send_to};

fn resolve(key: &str) -> Result<Secret, Error> {
    let mut parts = key.splitn(4, '|').map(|part| Some(part).filter(|part| *part != "-"));
    let mut part = || parts.next().flatten();
    let target = Target { method: part(), scheme: part(), authority: part(), path: part() };
    report(send_to(&target, &[], None))
}

guests::guest!(resolve);
