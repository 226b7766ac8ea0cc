//! Logs the value that it is to keep, and says that it kept it.

use coffer_plugin::{Error, Existing, Reference, Resolver, Secret, Writer, export, log};

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }
}

impl Writer for Guest {
    fn put(_: &str, value: &[u8], _: Existing) -> Result<(), Error> {
        log::warn(&format!("keeping {}", String::from_utf8_lossy(value)));
        Ok(())
    }

    fn delete(_: &str) -> Result<(), Error> {
        Ok(())
    }
}

export!(Guest, writer);

fn main() {}
