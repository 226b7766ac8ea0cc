//! Lists pages of as many keys as the prefix says first, as many as it says then, or without end.

use coffer_plugin::{Error, Lister, Page, Reference, Resolver, Secret, export};
use guests::number;

struct Guest;

impl Resolver for Guest {
    fn resolve(_: &Reference) -> Result<Secret, Error> {
        Err(Error::NotFound)
    }
}

impl Lister for Guest {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let (keys, pages) = prefix.split_once('x').unwrap_or((prefix, "endless"));
        let page = cursor.map_or(0, number);
        let keys = (0..number(keys)).map(|key| format!("{prefix}{page}-{key}")).collect();
        let is_last = pages.parse().is_ok_and(|pages: usize| page + 1 == pages);
        Ok(Page { keys, next: (!is_last).then(|| (page + 1).to_string()) })
    }
}

export!(Guest, lister);

fn main() {}
