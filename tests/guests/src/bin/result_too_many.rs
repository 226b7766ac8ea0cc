//! Gives one answer more than it was asked for.

use coffer_plugin::{Error, Reference, Resolver, Secret, export};

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Ok(Secret::new("value"))
    }

    fn resolve_all(references: &[Reference]) -> Vec<Result<Secret, Error>> {
        let mut answers: Vec<_> = references.iter().map(Self::resolve).collect();
        answers.push(Ok(Secret::new("one more")));
        answers
    }
}

export!(Guest);

fn main() {}
