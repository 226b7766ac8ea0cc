//! Opens as many handles as the key says, and keeps them.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::clocks::monotonic_clock::subscribe_duration;
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let handles: Vec<_> = (0..number(key)).map(|_| subscribe_duration(0)).collect();
    report(handles.len())
}

guests::guest!(resolve);
