//! Answers with two kilobytes of the canary.

use coffer_plugin::{Error, Secret};
use guests::canary::onto_the_heap;

fn resolve(_: &str) -> Result<Secret, Error> {
    Ok(Secret::new(onto_the_heap(2048)))
}

guests::guest!(resolve);
