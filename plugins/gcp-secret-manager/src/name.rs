//! The name of a key in the folder: injective, and readable where it can be. A name of the service has letters, digits,
//! `-` and `_` only.
//!
//! Letters, digits and `-` stand for themselves, and any other byte, also `_`, is `_` and two hexadecimal digits. So
//! `__`, which is nowhere in a key, separates the folder.

use coffer_plugin::Error;
use coffer_plugin::name::{escape, unescape};

const MARK: char = '_';

/// Characters of a name that the service takes, folder included.
const NAME_CHARACTERS_MAX: usize = 255;

/// What is between the folder and the key.
const SEPARATOR: &str = "__";

/// The name of `key` in `folder`.
///
/// # Errors
///
/// [`Error::InvalidReference`] if the key is empty, has a `#`, or its name would be too long.
pub(crate) fn of(folder: &str, key: &str) -> Result<String, Error> {
    let invalid = |rule: String| Err(Error::InvalidReference(rule));
    if key.is_empty() {
        return invalid("the key is empty".into());
    }
    if key.contains('#') {
        return invalid(
            "a key with `#` names a secret of others, which is read and never written".into(),
        );
    }
    let name = escaped(folder, key);
    if name.len() > NAME_CHARACTERS_MAX {
        return invalid(format!(
            "its name would have {} characters, and Secret Manager takes {NAME_CHARACTERS_MAX}",
            name.len()
        ));
    }
    Ok(name)
}

/// The beginning that the names of all keys have that begin with `prefix`.
pub(crate) fn escaped(folder: &str, prefix: &str) -> String {
    format!("{folder}{SEPARATOR}{}", escape(prefix, MARK, |_, _| false))
}

/// The key whose name is `name`, or nothing if no key has this name.
pub(crate) fn key(folder: &str, name: &str) -> Option<String> {
    let rest = name.strip_prefix(folder)?.strip_prefix(SEPARATOR)?;
    // Whatever was not made by `of` is somebody else's.
    unescape(rest, MARK).filter(|key| of(folder, key).is_ok_and(|made| made == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(key: &str, expected: &str) {
        assert_eq!(of("coffer", key).unwrap(), expected, "{key:?}");
        assert_eq!(super::key("coffer", expected).as_deref(), Some(key), "{expected:?}");
    }

    #[test]
    fn names_are_readable_where_they_can_be() {
        check("01JD-parameter-password", "coffer__01JD-parameter-password");
        check("db_password.v1", "coffer__db_5fpassword_2ev1");
        check("a/b", "coffer__a_2fb");
        check("a_2fb", "coffer__a_5f2fb");
        check("__", "coffer___5f_5f");
        check("\u{e4}", "coffer___c3_a4");
        check("a b\0", "coffer__a_20b_00");
    }

    #[test]
    fn names_that_no_key_has_are_not_ours() {
        for name in [
            "",
            "a",
            "coffer",
            "coffer__",
            "coffer_a",
            "coffer__a_",
            "coffer__a_2",
            "coffer__a_2F",
            "coffer___41",
            "coffer__a__b",
            "coffer__a_ff",
            "coffer__a_23b",
            "coffers__a",
            "Coffer__a",
            "coffer__a.b",
        ] {
            assert_eq!(key("coffer", name), None, "{name:?}");
        }
    }

    #[test]
    fn a_name_is_as_long_as_the_service_takes() {
        let longest = "x".repeat(247);
        check(&longest, &format!("coffer__{longest}"));
        for key in ["x".repeat(248), "/".repeat(83)] {
            let Err(Error::InvalidReference(rule)) = of("coffer", &key) else { panic!("{key}") };
            assert!(rule.contains("Secret Manager takes 255"), "{rule}");
        }
        for key in ["", "a#b", "#"] {
            assert!(matches!(of("coffer", key), Err(Error::InvalidReference(_))), "{key:?}");
        }
    }

    /// Every key of up to four characters from an awkward alphabet.
    #[test]
    fn keys_never_alias() {
        let alphabet = ["a", "A", "2", "f", "5", "_", "-", "%", ".", "/", "=", "\u{e4}"];
        let mut keys = vec![String::new()];
        let mut names = BTreeMap::new();
        for _ in 0..4 {
            keys = keys
                .iter()
                .flat_map(|key| alphabet.iter().map(move |next| format!("{key}{next}")))
                .collect();
            for key in &keys {
                let name = of("coffer", key).unwrap();
                if let Some(other) = names.insert(name.clone(), key.clone()) {
                    panic!("{key:?} and {other:?} have the same name, {name}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_that_the_service_takes_and_means_its_key(key in "[^#]{1,20}") {
            let name = of("coffer", &key).unwrap();
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
            prop_assert_eq!(super::key("coffer", &name), Some(key));
        }

        #[test]
        fn keys_that_differ_have_names_that_differ(one in "[^#]{1,12}", at in 0usize..12, byte in 0x20u8..0x7f) {
            let mut other = one.clone().into_bytes();
            let at = at % other.len();
            other[at] = byte;
            let Ok(other) = String::from_utf8(other) else { return Ok(()) };
            prop_assume!(other != one && !other.contains('#'));
            prop_assert_ne!(of("coffer", &one).unwrap(), of("coffer", &other).unwrap());
        }

        #[test]
        fn names_begin_as_their_keys_do(prefix in "[^#]{0,8}", rest in "[^#]{1,8}") {
            let name = of("coffer", &format!("{prefix}{rest}")).unwrap();
            prop_assert!(name.starts_with(&escaped("coffer", &prefix)));
        }

        #[test]
        fn folders_share_no_name(one in "[^#]{1,12}", other in "[^#]{1,12}", folder in "[a-z0-9-]{1,8}") {
            prop_assume!(folder != "a");
            prop_assert_ne!(of("a", &one).unwrap(), of(&folder, &other).unwrap());
        }
    }
}
