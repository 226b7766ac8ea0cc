//! Keeps a value in a global, and resolves to what is there.

use coffer_plugin::{Error, Existing, Reference, Resolver, Secret, Writer, export};
use std::sync::Mutex;

static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Ok(Secret::new(KEPT.lock().map(|kept| kept.clone()).unwrap_or_default()))
    }
}

impl Writer for Guest {
    fn put(_: &str, value: &[u8], _: Existing) -> Result<(), Error> {
        if let Ok(mut kept) = KEPT.lock() {
            value.clone_into(&mut kept);
        }
        Ok(())
    }

    fn delete(_: &str) -> Result<(), Error> {
        Ok(())
    }
}

export!(Guest, writer);

fn main() {}
