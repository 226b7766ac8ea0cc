//! Counts its calls in a global; a second call must not see the first.

use coffer_plugin::{Error, Reference, Resolver, Secret, export};
use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Ok(Secret::new((CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()))
    }
}

export!(Guest);

fn main() {}
