//! The file name of a key: injective, one component, readable where it can be.
//!
//! Letters, digits, `-`, `_` and `.` stand for themselves, except a leading `.`; any other byte is
//! `%` and two hexadecimal digits. Where a key has capital letters, `~` and a bit for each of its
//! bytes (set for a capital, in hexadecimal, without trailing zeros) follow, so that keys which differ
//! in case only have different names on a file system that does not tell case apart.

use coffer_plugin::Error;
use coffer_plugin::name::{escape, unescape};
use std::fmt::Write as _;

const MARK: char = '%';

/// Bytes of a file name. Linux and macOS take 255; 17 are needed while a file is being written.
const NAME_BYTES_MAX: usize = 238;

/// The file name of `key`.
///
/// # Errors
///
/// [`Error::InvalidReference`] if it would be longer than a file system takes, or the key is empty.
pub(crate) fn of(key: &str) -> Result<String, Error> {
    if key.is_empty() {
        return Err(Error::InvalidReference("the key is empty".into()));
    }
    let mut name = escape(key, MARK, |previous, byte| byte == b'.' && previous.is_some());
    name.push_str(&capitals(key));
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::InvalidReference(format!(
            "the file name of this key would be {} bytes long; at most {NAME_BYTES_MAX} fit",
            name.len()
        )));
    }
    Ok(name)
}

/// The key whose file name is `name`, or nothing if no key has this name.
pub(crate) fn key(name: &str) -> Option<String> {
    let (escaped, _) = name.split_once('~').unwrap_or((name, ""));
    // Whatever was not made by `of` is a file of somebody else.
    unescape(escaped, MARK).filter(|key| of(key).is_ok_and(|made| made == name))
}

fn capitals(key: &str) -> String {
    let mut digits = String::new();
    for four in key.as_bytes().chunks(4) {
        let bits = four
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0u8, |bits, (index, _)| bits | (8 >> index));
        let _ = write!(digits, "{bits:x}");
    }
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() { String::new() } else { format!("~{digits}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn check(key: &str, expected: &str) {
        assert_eq!(of(key).unwrap(), expected, "{key:?}");
        assert_eq!(super::key(expected).as_deref(), Some(key), "{expected:?}");
    }

    #[test]
    fn names_are_readable_where_they_can_be() {
        check("01jd-parameter-password", "01jd-parameter-password");
        check("db_password.v1", "db_password.v1");
        check("DB_PASSWORD", "DB_PASSWORD~dfe");
        check("a/b", "a%2fb");
        check("..", "%2e.");
        check("../../etc/passwd", "%2e.%2f..%2fetc%2fpasswd");
        check(".pending", "%2epending");
        check("a%2fb", "a%252fb");
        check("a~8", "a%7e8");
        check("\u{e4}", "%c3%a4");
        check("a\0b", "a%00b");
    }

    #[test]
    fn names_that_no_key_has_are_not_ours() {
        for name in ["", "a~", "a~8", "A", "a%2", "a%2F", "%41", "a b", ".a", "a%ff", "a%61"] {
            assert_eq!(key(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_longest_name_fits() {
        assert!(of(&"a".repeat(NAME_BYTES_MAX)).is_ok());
        assert!(of(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
        assert!(of("").is_err());
    }

    /// Every key of up to four characters from an awkward alphabet, on a file system that folds case.
    #[test]
    fn keys_never_alias() {
        let alphabet = ["a", "A", "b", "B", "~", "%", "4", "1", "8", ".", "/", "\u{e4}"];
        let mut keys = vec![String::new()];
        let mut names = BTreeMap::new();
        for _ in 0..4 {
            keys = keys
                .iter()
                .flat_map(|key| alphabet.iter().map(move |next| format!("{key}{next}")))
                .collect();
            for key in &keys {
                let name = of(key).unwrap();
                assert_eq!(super::key(&name).as_ref(), Some(key), "{name}");
                assert!(!name.contains(['/', '\\', '\0']) && !name.starts_with('.'), "{name}");
                let folded = name.to_lowercase();
                if let Some(other) = names.insert(folded, key.clone()) {
                    panic!("{key:?} and {other:?} have the same name, {name}");
                }
            }
        }
    }
}
