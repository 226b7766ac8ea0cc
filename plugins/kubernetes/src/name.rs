//! The name of the Secret of a key: injective, one that Kubernetes takes, readable where it can be.
//!
//! Kubernetes takes lower-case letters, digits, `-` and `.`, and neither of the two at either end, nor a `.` beside
//! either: what [`coffer_plugin::name::escape_capitals`] makes.

use coffer_plugin::Error;
use coffer_plugin::name::escape_capitals;

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
    let name = format!("{PREFIX}{}", escape_capitals(key, b"-."));
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

    #[test]
    fn names_are_readable_where_they_can_be() {
        let check = |key: &str, expected: &str| {
            assert_eq!(of(key).unwrap(), format!("coffer-{expected}"), "{key:?}");
        };
        check("01JD-parameter-password", "01--ujd--l-parameter-password");
        check("db.password.v1", "db.password.v1");
        check("db_password", "db--5fpassword");
        check("a/b", "a--2fb");
        check("-a", "--2da");
        check("..", "--2e--2e");
        check("a--2fb", "a--2d-2fb");
    }

    #[test]
    fn what_names_a_field_or_is_too_long_is_no_key() {
        for key in ["", "a#b", "#", &"x".repeat(247), &"/".repeat(62)] {
            assert!(matches!(of(key), Err(Error::InvalidReference(_))), "{key:?}");
        }
        for key in ["x".repeat(246), "/".repeat(61)] {
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

    proptest! {
        #[test]
        fn a_name_is_one_that_kubernetes_takes(key in "[^#]{1,12}") {
            let name = of(&key).unwrap();
            prop_assert!(is_name(&name), "{}", name);
        }

        #[test]
        fn of_plain_characters_too(key in "[aA0.-]{1,30}") {
            let name = of(&key).unwrap();
            prop_assert!(is_name(&name), "{}", name);
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
    }
}
