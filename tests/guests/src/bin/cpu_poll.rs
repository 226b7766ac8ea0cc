//! Polls hundreds of handles that are ready, again and again.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::clocks::monotonic_clock::subscribe_duration;
use guests::wasi::wasi::io::poll::poll;
use std::hint::black_box;

fn resolve(_: &str) -> Result<Secret, Error> {
    let handles: Vec<_> = (0..400).map(|_| subscribe_duration(0)).collect();
    let all: Vec<_> = handles.iter().collect();
    loop {
        black_box(poll(&all));
    }
}

guests::guest!(resolve);
