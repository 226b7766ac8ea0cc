//! Grows its memory to as many pages as the key says, and reports whether it could.

use coffer_plugin::{Error, Secret};
use guests::{grow_memory, memory_pages, number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    report(if grow_memory(number(key) - memory_pages()) { "grown" } else { "refused" })
}

guests::guest!(resolve);
