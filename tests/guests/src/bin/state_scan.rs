//! Grows its memory by as many pages as the key says, and reports how often the canary is in all of it; for
//! the key `own`, after it has left it there itself.

use coffer_plugin::{Error, Secret};
use guests::canary::{found, onto_the_heap};
use guests::{grow_memory, number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    if key == "own" {
        let heap = onto_the_heap(1600);
        let found = found();
        drop(heap);
        return report(found);
    }
    if !grow_memory(number(key)) {
        return Err(Error::Other("its memory cannot grow".into()));
    }
    report(found())
}

guests::guest!(resolve);
