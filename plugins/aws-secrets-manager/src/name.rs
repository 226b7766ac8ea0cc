//! The name of a key in the folder: injective, readable where it can be, and one segment, so that folders which
//! are below others share no name with them.
//!
//! Letters, digits, `-`, `_`, `.`, `@` and `+` stand for themselves. Any other byte is `=` and two hexadecimal
//! digits: of what a name can have, only `/` is left, which separates the folder.

use coffer_plugin::Error;
use coffer_plugin::name::{escape, unescape};

const MARK: char = '=';

/// What a key begins with that names a secret of others.
const ARN: &str = "arn:";

/// Characters of a name that the service takes, folder included.
const NAME_CHARACTERS_MAX: usize = 512;

/// The name of `key` in `folder`.
///
/// # Errors
///
/// [`Error::InvalidReference`] if the key is empty, its name would be too long, or it names a secret of others.
pub(crate) fn of(folder: &str, key: &str) -> Result<String, Error> {
    let invalid = |rule: String| Err(Error::InvalidReference(rule));
    if key.is_empty() {
        return invalid("the key is empty".into());
    }
    if key.contains('#') || key.starts_with(ARN) {
        return invalid(
            "a key with `#`, or that begins with `arn:`, names a secret of others, which is read and never written"
                .into(),
        );
    }
    let name = escaped(folder, key);
    if name.len() > NAME_CHARACTERS_MAX {
        return invalid(format!(
            "its name would have {} characters, and Secrets Manager takes {NAME_CHARACTERS_MAX}",
            name.len()
        ));
    }
    Ok(name)
}

/// The beginning that the names of all keys have that begin with `prefix`.
pub(crate) fn escaped(folder: &str, prefix: &str) -> String {
    format!("{folder}/{}", escape(prefix, MARK, |_, byte| b".@+".contains(&byte)))
}

/// The key whose name is `name`, or nothing if no key has this name.
pub(crate) fn key(folder: &str, name: &str) -> Option<String> {
    let rest = name.strip_prefix(folder)?.strip_prefix('/')?;
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
        check("01JD-parameter-password", "coffer/01JD-parameter-password");
        check("db_password.v1", "coffer/db_password.v1");
        check("a@b+c", "coffer/a@b+c");
        check("a/b", "coffer/a=2fb");
        check("a=2fb", "coffer/a=3d2fb");
        check("..", "coffer/..");
        check("\u{e4}", "coffer/=c3=a4");
        check("a b\0", "coffer/a=20b=00");
        assert_eq!(of("a/b", "c").unwrap(), "a/b/c");
    }

    #[test]
    fn names_that_no_key_has_are_not_ours() {
        for name in [
            "",
            "a",
            "coffer",
            "coffer/",
            "coffer/a=",
            "coffer/a=2",
            "coffer/a=2F",
            "coffer/=41",
            "coffer/a/b",
            "coffer/a=ff",
            "coffer/a=23b",
            "coffer/arn=3aaws",
            "coffers/a",
            "Coffer/a",
        ] {
            assert_eq!(key("coffer", name), None, "{name:?}");
        }
    }

    #[test]
    fn what_names_a_secret_of_others_is_no_key() {
        for key in ["", "a#b", "#", "a##1", "arn:aws:secretsmanager:eu-central-1:1:secret:a-b"] {
            assert!(matches!(of("coffer", key), Err(Error::InvalidReference(_))), "{key:?}");
        }
    }

    #[test]
    fn a_name_is_as_long_as_the_service_takes() {
        let longest = "x".repeat(505);
        check(&longest, &format!("coffer/{longest}"));
        for key in ["x".repeat(506), "/".repeat(169)] {
            let Err(Error::InvalidReference(rule)) = of("coffer", &key) else { panic!("{key}") };
            assert!(rule.contains("Secrets Manager takes 512"), "{rule}");
        }
    }

    /// Every key of up to four characters from an awkward alphabet.
    #[test]
    fn keys_never_alias() {
        let alphabet = ["a", "A", "2", "f", "d", "=", "3", "%", ".", "/", "+", "\u{e4}"];
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
        fn a_name_is_one_that_the_service_takes_and_means_its_key(key in "[^#]{1,40}") {
            prop_assume!(!key.starts_with(ARN));
            let name = of("coffer", &key).unwrap();
            let rest = name.strip_prefix("coffer/").unwrap();
            prop_assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=.@-".contains(&byte)));
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
            let key = format!("{prefix}{rest}");
            prop_assume!(!key.starts_with(ARN));
            let name = of("coffer", &key).unwrap();
            prop_assert!(name.starts_with(&escaped("coffer", &prefix)));
        }

        /// Also where one folder is below the other.
        #[test]
        fn folders_share_no_name(one in "[^#]{1,12}", other in "[^#]{1,12}") {
            prop_assume!(!one.starts_with(ARN) && !other.starts_with(ARN));
            prop_assert_ne!(of("a", &one).unwrap(), of("a/b", &other).unwrap());
        }
    }
}
