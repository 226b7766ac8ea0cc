//! Gives no answer at all.

use coffer_plugin::{Error, Reference, Resolver, Secret, export};

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }

    fn resolve_all(_: &[Reference]) -> Vec<Result<Secret, Error>> {
        Vec::new()
    }
}

export!(Guest);

fn main() {}
