//! Puts into the cache without end.

use coffer_plugin::{Error, Secret, cache};
use std::time::Duration;

fn resolve(_: &str) -> Result<Secret, Error> {
    let value = vec![b'v'; 8 << 10];
    let mut index = 0_u64;
    loop {
        index += 1;
        let _ = cache::put(&index.to_string(), &value, Duration::from_secs(60));
    }
}

guests::guest!(resolve);
