//! The name of the Secret of a key: injective, one that Kubernetes takes, readable where it can be.
//!
//! Kubernetes takes lower-case letters, digits, `-` and `.`, and neither of the two at either end or beside a `.`.
//! So capitals cannot stand for themselves as in [`coffer_plugin::name`], and the mark has to be made of `-`: any
//! other byte, and a `-` or `.` where the rules or the mark forbid it, is `--` and two hexadecimal digits.

use coffer_plugin::Error;
use std::fmt::Write as _;

/// What every name begins with. It keeps names of coffer's apart from others, and lets a key begin with anything.
const PREFIX: &str = "coffer-";

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 253;

/// The name of `key`.
///
/// # Errors
///
/// [`Error::InvalidReference`] if the key is empty, or has a `#`: with one it names a field of what somebody else
/// made. Or if its name is too long.
pub(crate) fn of(key: &str) -> Result<String, Error> {
    if key.is_empty() {
        return Err(Error::InvalidReference("the key is empty".into()));
    }
    if key.contains('#') {
        return Err(Error::InvalidReference(
            "a key with `#` names a field of a Secret, which is read and never written".into(),
        ));
    }
    let bytes = key.as_bytes();
    let mut name = PREFIX.to_owned();
    for (index, byte) in bytes.iter().enumerate() {
        let stays = match byte {
            b'-' | b'.' => index > 0 && bytes.get(index + 1).copied().is_some_and(is_plain),
            byte => is_plain(*byte),
        };
        if stays {
            name.push(char::from(*byte));
        } else {
            let _ = write!(name, "--{byte:02x}");
        }
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::InvalidReference(format!(
            "its name in Kubernetes would have {} bytes; {NAME_BYTES_MAX} are allowed",
            name.len()
        )));
    }
    Ok(name)
}

/// Whether Kubernetes takes this as the name of a Secret.
pub(crate) fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let [first, .., last] = label.as_bytes() else {
            return label.bytes().next().is_some_and(is_plain);
        };
        is_plain(*first)
            && is_plain(*last)
            && label.bytes().all(|byte| is_plain(byte) || byte == b'-')
    };
    text.len() <= NAME_BYTES_MAX && text.split('.').all(label)
}

/// Whether Kubernetes takes this as the name of a field of a Secret.
pub(crate) fn is_field(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let dots = text == "." || text.starts_with("..");
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !dots && text.bytes().all(allowed)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The key of a name. What can be read back is the name of one key only.
    fn key(name: &str) -> String {
        let mut rest = name.strip_prefix(PREFIX).unwrap();
        let mut bytes = Vec::new();
        while let Some(byte) = rest.bytes().next() {
            if let Some(after) = rest.strip_prefix("--") {
                bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
                rest = &after[2..];
            } else {
                bytes.push(byte);
                rest = &rest[1..];
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn names_are_readable_where_they_can_be() {
        let check = |given: &str, expected: &str| {
            let name = of(given).unwrap();
            assert_eq!(name, format!("coffer-{expected}"), "{given:?}");
            assert_eq!(key(&name), given);
        };
        check("01jd-parameter-password", "01jd-parameter-password");
        check("JD-x", "--4a--44-x");
        check("db.password.v1", "db.password.v1");
        check("db_password", "db--5fpassword");
        check("a/b", "a--2fb");
        check("a--b", "a--2d-b");
        check("a-", "a--2d");
        check("-a", "--2da");
        check("a.-b", "a--2e-b");
        check("a-.b", "a--2d.b");
        check("..", "--2e--2e");
        check("a--2fb", "a--2d-2fb");
        check("\u{e4}", "--c3--a4");
        check("a\0", "a--00");
    }

    #[test]
    fn what_names_a_field_or_is_too_long_is_no_key() {
        for key in ["", "a#b", "#", &"x".repeat(247), &"X".repeat(62)] {
            assert!(matches!(of(key), Err(Error::InvalidReference(_))), "{key:?}");
        }
        for key in ["x".repeat(246), "X".repeat(61)] {
            assert!(of(&key).is_ok_and(|name| is_name(&name)), "{key:?}");
        }
    }

    #[test]
    fn what_kubernetes_takes() {
        for name in ["a", "0", "a-b", "a.b", "a--b.c-d", &"x".repeat(253)] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["", "A", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a-.b", "a_b", "a/b", "\u{e4}"]
        {
            assert!(!is_name(name), "{name}");
        }
        assert!(!is_name(&"x".repeat(254)));
        for field in ["a", "A_b.c-d", ".a", &"x".repeat(253)] {
            assert!(is_field(field), "{field}");
        }
        for field in ["", ".", "..", "..a", "a/b", "a b", "\u{e4}", &"x".repeat(254)] {
            assert!(!is_field(field), "{field}");
        }
    }

    /// Every key of up to four characters from an awkward alphabet.
    #[test]
    fn keys_never_alias() {
        let alphabet = ["a", "A", "2", "d", "e", "-", "--", ".", "/", "_", "~", "\u{e4}"];
        let mut keys = vec![String::new()];
        let mut names = BTreeMap::new();
        for _ in 0..4 {
            keys = keys
                .iter()
                .flat_map(|key| alphabet.iter().map(move |next| format!("{key}{next}")))
                .collect();
            for key in &keys {
                let name = of(key).unwrap();
                assert!(is_name(&name), "{name}");
                // `-` twice and `--` are one key.
                if let Some(other) = names.insert(name.clone(), key.clone()) {
                    assert_eq!(*key, other, "{name}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_that_kubernetes_takes_and_means_its_key(given in "[^#]{1,12}") {
            let name = of(&given).unwrap();
            prop_assert!(is_name(&name), "{}", name);
            prop_assert_eq!(key(&name), given);
        }

        #[test]
        fn of_plain_characters_too(given in "[aA0.-]{1,30}") {
            let name = of(&given).unwrap();
            prop_assert!(is_name(&name), "{}", name);
            prop_assert_eq!(key(&name), given);
        }
    }
}
