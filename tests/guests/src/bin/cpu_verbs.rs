//! Never ends, whichever verb it is asked.

use coffer_plugin::{Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export};
use std::hint::black_box;

struct Guest;

fn endless() -> ! {
    loop {
        black_box(());
    }
}

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        endless()
    }
}

impl Writer for Guest {
    fn put(_: &str, _: &[u8], _: Existing) -> Result<(), Error> {
        endless()
    }

    fn delete(_: &str) -> Result<(), Error> {
        endless()
    }
}

impl Lister for Guest {
    fn list_keys(_: &str, _: Option<&str>) -> Result<Page, Error> {
        endless()
    }
}

export!(Guest, writer, lister);

fn main() {}
