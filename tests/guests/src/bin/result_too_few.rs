//! Gives no answer at all, and logs something.

use coffer_plugin::{Error, Reference, Resolver, Secret, export, log};

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }

    fn resolve_all(_: &[Reference]) -> Vec<Result<Secret, Error>> {
        log::warn("nothing to say");
        Vec::new()
    }
}

export!(Guest);

fn main() {}
