//! The name of a key in the folder: injective, one segment of a path, readable where it can be.
//!
//! Letters, digits, `-`, `_` and `.` stand for themselves, except a `.` at the beginning or after
//! another one: the server refuses `..` anywhere. Any other byte is `~` and two hexadecimal digits, and
//! not percent-encoded, which servers and what stands before them decode, some of them twice.

use coffer_plugin::Error;
use coffer_plugin::name::{escape, unescape};

const MARK: char = '~';

/// The name of `key`.
///
/// # Errors
///
/// [`Error::InvalidReference`] if the key is empty, or has a `#`: with one it names a field of what
/// somebody else wrote.
pub(crate) fn of(key: &str) -> Result<String, Error> {
    if key.is_empty() {
        return Err(Error::InvalidReference("the key is empty".into()));
    }
    if key.contains('#') {
        return Err(Error::InvalidReference(
            "a key with `#` names a field of a path, which is read and never written".into(),
        ));
    }
    Ok(escaped(key))
}

/// The beginning that the names of all keys have that begin with `prefix`.
pub(crate) fn escaped(prefix: &str) -> String {
    let is_dot_alone = |previous: Option<u8>| previous.is_some_and(|previous| previous != b'.');
    escape(prefix, MARK, |previous, byte| byte == b'.' && is_dot_alone(previous))
}

/// The key whose name is `name`, or nothing if no key has this name.
pub(crate) fn key(name: &str) -> Option<String> {
    // Whatever was not made by `of` is somebody else's.
    unescape(name, MARK).filter(|key| of(key).is_ok_and(|made| made == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(key: &str, expected: &str) {
        assert_eq!(of(key).unwrap(), expected, "{key:?}");
        assert_eq!(super::key(expected).as_deref(), Some(key), "{expected:?}");
    }

    #[test]
    fn names_are_readable_where_they_can_be() {
        check("01JD-parameter-password", "01JD-parameter-password");
        check("db_password.v1", "db_password.v1");
        check("a/b", "a~2fb");
        check("a//b/", "a~2f~2fb~2f");
        check("..", "~2e~2e");
        check("a..b...c", "a.~2eb.~2e~2ec");
        check("../../etc/passwd", "~2e~2e~2f.~2e~2fetc~2fpasswd");
        check("a%2fb", "a~252fb");
        check("a~2fb", "a~7e2fb");
        check("\u{e4}", "~c3~a4");
        check("a b+c", "a~20b~2bc");
        check("a\0b", "a~00b");
    }

    #[test]
    fn names_that_no_key_has_are_not_ours() {
        for name in ["", "a~", "a~2", "a~2F", "~41", "a b", ".a", "a..b", "a~ff", "a~23b", "a/"] {
            assert_eq!(key(name), None, "{name:?}");
        }
    }

    #[test]
    fn what_names_a_field_is_no_key() {
        for key in ["", "a#b", "#", "a#b#1"] {
            assert!(matches!(of(key), Err(Error::InvalidReference(_))), "{key:?}");
        }
    }

    /// Every key of up to four characters from an awkward alphabet.
    #[test]
    fn keys_never_alias() {
        let alphabet = ["a", "A", "2", "f", "e", "~", "%", ".", "/", "\\", "?", "\u{e4}"];
        let mut keys = vec![String::new()];
        let mut names = BTreeMap::new();
        for _ in 0..4 {
            keys = keys
                .iter()
                .flat_map(|key| alphabet.iter().map(move |next| format!("{key}{next}")))
                .collect();
            for key in &keys {
                let name = of(key).unwrap();
                if let Some(other) = names.insert(name.clone(), key.clone()) {
                    panic!("{key:?} and {other:?} have the same name, {name}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_segment_that_means_its_key(key in "[^#]{1,40}") {
            let name = of(&key).unwrap();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            prop_assert!(name.bytes().all(plain));
            prop_assert!(!name.contains("..") && !name.starts_with('.'));
            prop_assert_eq!(super::key(&name), Some(key));
        }

        #[test]
        fn keys_that_differ_have_names_that_differ(one in "[^#]{1,12}", at in 0usize..12, byte in 0x20u8..0x7f) {
            let mut other = one.clone().into_bytes();
            let at = at % other.len();
            other[at] = byte;
            let Ok(other) = String::from_utf8(other) else { return Ok(()) };
            prop_assume!(other != one && !other.contains('#'));
            prop_assert_ne!(of(&one).unwrap(), of(&other).unwrap());
        }

        #[test]
        fn names_begin_as_their_keys_do(prefix in "[^#]{0,8}", rest in "[^#]{1,8}") {
            let name = of(&format!("{prefix}{rest}")).unwrap();
            prop_assert!(name.starts_with(&escaped(&prefix)));
        }
    }
}
