//! Crashes while it lists, with the prefix in what it says.

use coffer_plugin::{Error, Lister, Page, Reference, Resolver, Secret, export};

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }
}

impl Lister for Guest {
    fn list_keys(prefix: &str, _: Option<&str>) -> Result<Page, Error> {
        panic!("\u{1b}[2J cannot list {prefix}")
    }
}

export!(Guest, lister);

fn main() {}
