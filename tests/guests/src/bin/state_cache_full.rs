//! Puts as many entries into the cache as the key says, of as many bytes, and reports how many are there.

use coffer_plugin::{Error, Secret, cache};
use guests::{number, report};
use std::time::Duration;

fn resolve(key: &str) -> Result<Secret, Error> {
    let (count, bytes) = key.split_once('x').ok_or(Error::NotFound)?;
    let value = vec![b'v'; number(bytes)];
    let name = |index: usize| format!("{index:08}");
    let mut refused = 0;
    for index in 0..number(count) {
        refused += usize::from(cache::put(&name(index), &value, Duration::MAX).is_err());
    }
    let there = (0..number(count)).filter(|index| cache::get(&name(*index)).is_some()).count();
    report(format!("{there} there, {refused} refused"))
}

guests::guest!(resolve);
