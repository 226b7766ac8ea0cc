//! Quotes the value that it is to keep in the error.

use coffer_plugin::{Error, Existing, Reference, Resolver, Secret, Writer, export};

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }
}

impl Writer for Guest {
    fn put(_: &str, value: &[u8], _: Existing) -> Result<(), Error> {
        Err(Error::Other(format!("cannot keep `{}`", String::from_utf8_lossy(value))))
    }

    fn delete(_: &str) -> Result<(), Error> {
        Ok(())
    }
}

export!(Guest, writer);

fn main() {}
