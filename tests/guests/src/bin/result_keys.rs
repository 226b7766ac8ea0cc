//! Lists as many keys as the prefix says, all of them empty: each takes little here and more in the host.

use coffer_plugin::{Error, Lister, Page, Reference, Resolver, Secret, export};
use guests::number;

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }
}

impl Lister for Guest {
    fn list_keys(prefix: &str, _: Option<&str>) -> Result<Page, Error> {
        Ok(Page { keys: vec![String::new(); number(prefix)], next: None })
    }
}

export!(Guest, lister);

fn main() {}
