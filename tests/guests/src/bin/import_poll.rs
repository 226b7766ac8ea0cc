//! Polls as many handles as the key says; none is a breach of the interface.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::clocks::monotonic_clock::subscribe_duration;
use guests::wasi::wasi::io::poll::poll;
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let handle = subscribe_duration(0);
    // The same one each time.
    report(poll(&vec![&handle; number(key)]).len())
}

guests::guest!(resolve);
