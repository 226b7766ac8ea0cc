//! Reports what an earlier call left behind; for the key `crash` it leaves a mark and crashes.

use coffer_plugin::{Error, Secret};
use guests::report;
use std::sync::atomic::{AtomicU32, Ordering};

static MARK: AtomicU32 = AtomicU32::new(0);

fn resolve(key: &str) -> Result<Secret, Error> {
    let found = MARK.swap(7, Ordering::Relaxed);
    match key {
        "crash" => std::process::abort(),
        "endless" => loop {
            std::hint::black_box(());
        },
        _ => report(found),
    }
}

guests::guest!(resolve);
