//! Keeps each secret in a file of its own, below the directory that is granted as `/secrets`.
//!
//! For use on one machine. The files are as private as the directory: the host makes it readable by
//! its owner only. They are not encrypted.

mod name;

use coffer_plugin::fs::{self, Directory};
use coffer_plugin::name::can_be_asked_for;
use coffer_plugin::{Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export};

/// Where the directory appears in the guest; `plugin.toml` asks for it under this path.
const DIRECTORY: &str = "/secrets";

/// Bytes of one value. The host has a smaller limit unless the operator raised it; this one keeps a
/// file that is no secret from filling the guest's memory.
const VALUE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Keys in a page; the interface allows no more.
const PAGE_KEYS_MAX: usize = 1000;

struct Filesystem;

impl Resolver for Filesystem {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        let name = name::of(reference.secret()?)?;
        let value = Directory::open(DIRECTORY)?.read(&name, VALUE_BYTES_MAX)?;
        Ok(Secret::new(value))
    }
}

impl Writer for Filesystem {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let name = name::of(key)?;
        if value.len() as u64 > VALUE_BYTES_MAX {
            return Err(Error::TooLarge(VALUE_BYTES_MAX));
        }
        let directory = Directory::open(DIRECTORY)?;
        match existing {
            Existing::Keep => directory.create(&name, value)?,
            Existing::Replace => directory.replace(&name, value)?,
        }
        Ok(())
    }

    fn delete(key: &str) -> Result<(), Error> {
        let name = name::of(key)?;
        match Directory::open(DIRECTORY)?.remove(&name) {
            Ok(()) | Err(fs::Error::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Lister for Filesystem {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        // The directory has no order, so every page reads it whole; the last key of a page is where
        // the next one begins.
        let mut keys: Vec<String> = Directory::open(DIRECTORY)?
            .names()?
            .iter()
            .filter_map(|name| name::key(name))
            .filter(|key| can_be_asked_for(key))
            .filter(|key| {
                key.starts_with(prefix) && cursor.is_none_or(|cursor| key.as_str() > cursor)
            })
            .collect();
        keys.sort_unstable();
        let more = keys.len() > PAGE_KEYS_MAX;
        keys.truncate(PAGE_KEYS_MAX);
        let next = more.then(|| keys[PAGE_KEYS_MAX - 1].clone());
        Ok(Page { keys, next })
    }
}

export!(Filesystem, writer, lister);

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_plugin::fake;

    fn secret(key: &str) -> Reference {
        Reference { source: "secret".into(), key: key.into() }
    }

    fn value(key: &str) -> Result<Vec<u8>, Error> {
        Filesystem::resolve(&secret(key)).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn what_is_put_is_resolved_until_it_is_deleted() {
        fake::directory(DIRECTORY);
        for key in ["a", "A", "a/b", "a b", "ä", "x.y", ".x", "a~1"] {
            assert!(matches!(value(key), Err(Error::NotFound)), "{key}");
            Filesystem::put(key, key.as_bytes(), Existing::Keep).unwrap();
            assert_eq!(value(key).unwrap(), key.as_bytes());
        }
        assert!(matches!(Filesystem::put("a", b"2", Existing::Keep), Err(Error::Conflict)));
        assert_eq!(value("a").unwrap(), b"a");
        Filesystem::put("a", b"2", Existing::Replace).unwrap();
        assert_eq!(value("a").unwrap(), b"2");
        Filesystem::delete("a").unwrap();
        Filesystem::delete("a").unwrap();
        assert!(matches!(value("a"), Err(Error::NotFound)));
        assert_eq!(value("A").unwrap(), b"A");
    }

    #[test]
    fn a_listing_has_every_key_once_page_by_page() {
        fake::directory(DIRECTORY);
        let mut expected: Vec<String> = (0..2500).map(|n| format!("Key/{n}")).collect();
        for key in &expected {
            Filesystem::put(key, b"", Existing::Keep).unwrap();
        }
        Filesystem::put("other", b"", Existing::Keep).unwrap();
        fake::file(DIRECTORY, "not one of ours", "");
        // Nobody can ask for it, so it was made by hand.
        Filesystem::put("Key/..", b"", Existing::Keep).unwrap();
        let (mut keys, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = Filesystem::list_keys("Key/", cursor.as_deref()).unwrap();
            assert!(page.keys.len() <= PAGE_KEYS_MAX);
            keys.extend(page.keys);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        keys.sort();
        expected.sort();
        assert_eq!(keys, expected);
        assert_eq!(pages, 3);
        assert_eq!(Filesystem::list_keys("nothing", None).unwrap(), Page::default());
    }

    #[test]
    fn other_sources_are_refused() {
        fake::directory(DIRECTORY);
        let reference = Reference { source: "env".into(), key: "HOME".into() };
        assert!(matches!(Filesystem::resolve(&reference), Err(Error::Unsupported(_))));
    }
}
