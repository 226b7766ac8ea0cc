//! Keeps each secret in a file of its own, below the directory that is granted as `/secrets`. They are not
//! encrypted.

use coffer_plugin::fs::{self, Directory};
use coffer_plugin::{Error, Existing, Lister, Page, Reference, Resolver, Secret, Writer, export, name};

/// Where the directory appears in the plugin; `plugin.toml` asks for it under this path.
const DIRECTORY: &str = "/secrets";

/// Bytes of one value: a file that is no secret does not fill the plugin's memory.
const VALUE_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of a file name. Linux takes 255; 17 are needed while a file is being written.
const NAME_BYTES_MAX: usize = 238;

/// Keys in a page; the interface allows no more.
const PAGE_KEYS_MAX: usize = 1000;

struct Plugin;

impl Resolver for Plugin {
    fn resolve(reference: &Reference) -> Result<Secret, Error> {
        let name = file_name(reference.secret()?)?;
        Ok(Secret::new(Directory::open(DIRECTORY)?.read(&name, VALUE_BYTES_MAX)?))
    }
}

impl Writer for Plugin {
    fn put(key: &str, value: &[u8], existing: Existing) -> Result<(), Error> {
        let name = file_name(key)?;
        if value.len() as u64 > VALUE_BYTES_MAX {
            return Err(Error::TooLarge(VALUE_BYTES_MAX));
        }
        let directory = Directory::open(DIRECTORY)?;
        // Both are atomic, and return when the value is on the disk.
        match existing {
            Existing::Keep => directory.create(&name, value)?,
            Existing::Replace => directory.replace(&name, value)?,
        }
        Ok(())
    }

    fn delete(key: &str) -> Result<(), Error> {
        match Directory::open(DIRECTORY)?.remove(&file_name(key)?) {
            Ok(()) | Err(fs::Error::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Lister for Plugin {
    fn list_keys(prefix: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let is_next = |key: &String| {
            let behind = cursor.is_none_or(|cursor| key.as_str() > cursor);
            behind && key.starts_with(prefix) && name::can_be_asked_for(key)
        };
        let names = Directory::open(DIRECTORY)?.names()?;
        let mut keys: Vec<String> = names.iter().filter_map(|name| key(name)).filter(is_next).collect();
        keys.sort_unstable();
        let more = keys.len() > PAGE_KEYS_MAX;
        keys.truncate(PAGE_KEYS_MAX);
        // The last key of a page is where the next one begins.
        let next = more.then(|| keys[PAGE_KEYS_MAX - 1].clone());
        Ok(Page { keys, next })
    }
}

/// The file of a key: letters, digits, `-`, `_` and a `.` that is not the first stand for themselves, and
/// anything else is `%` and two hexadecimal digits. Keys that differ have files that differ.
fn file_name(key: &str) -> Result<String, Error> {
    let name = name::escape(key, '%', |previous, byte| byte == b'.' && previous.is_some());
    match name.len() {
        1..=NAME_BYTES_MAX => Ok(name),
        0 => Err(Error::InvalidReference("the key is empty".into())),
        bytes => Err(Error::InvalidReference(format!(
            "the file name of this key would be {bytes} bytes long; at most {NAME_BYTES_MAX} fit"
        ))),
    }
}

/// The key of a file; nothing if it is somebody else's.
fn key(name: &str) -> Option<String> {
    name::unescape(name, '%').filter(|key| file_name(key).is_ok_and(|made| made == name))
}

export!(Plugin, writer, lister);

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_plugin::fake;

    fn resolve(key: &str) -> Result<Vec<u8>, Error> {
        let reference = Reference { source: "secret".into(), key: key.into() };
        Plugin::resolve(&reference).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn what_is_put_is_resolved_until_it_is_deleted() {
        fake::directory(DIRECTORY);
        for key in ["a", "A", "a/b", "a%2fb", "a b", ".x", "\u{e4}"] {
            assert!(matches!(resolve(key), Err(Error::NotFound)), "{key}");
            Plugin::put(key, key.as_bytes(), Existing::Keep).unwrap();
            assert_eq!(resolve(key).unwrap(), key.as_bytes());
        }
        assert!(matches!(Plugin::put("a", b"2", Existing::Keep), Err(Error::Conflict)));
        Plugin::put("a", b"2", Existing::Replace).unwrap();
        assert_eq!(resolve("a").unwrap(), b"2");
        Plugin::delete("a").unwrap();
        Plugin::delete("a").unwrap();
        assert!(matches!(resolve("a"), Err(Error::NotFound)));
        assert!(matches!(resolve(&"k".repeat(239)), Err(Error::InvalidReference(_))));
        let large = vec![0; 1024 * 1024 + 1];
        assert!(matches!(Plugin::put("a", &large, Existing::Keep), Err(Error::TooLarge(_))));
    }

    #[test]
    fn a_listing_has_every_key_once_page_by_page() {
        fake::directory(DIRECTORY);
        let mut expected: Vec<String> = (0..1500).map(|n| format!("db/{n}")).collect();
        for key in expected.iter().chain(&["other".to_owned()]) {
            Plugin::put(key, b"", Existing::Keep).unwrap();
        }
        fake::file(DIRECTORY, "not one of ours", "");
        let first = Plugin::list_keys("db/", None).unwrap();
        let second = Plugin::list_keys("db/", first.next.as_deref()).unwrap();
        assert_eq!((first.keys.len(), second.next), (PAGE_KEYS_MAX, None));
        expected.sort();
        assert_eq!([first.keys, second.keys].concat(), expected);
    }
}
