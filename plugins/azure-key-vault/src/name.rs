//! The name of a secret of coffer's: injective, one that Key Vault takes, readable where it can be.
//!
//! Key Vault takes letters, digits and `-`, at most 127 of them, and capitals for small letters: what
//! [`coffer_plugin::name::escape_capitals`] makes.

use coffer_plugin::Error;
use coffer_plugin::name::escape_capitals;

/// What every name begins with. It keeps names of coffer's apart from others.
const PREFIX: &str = "coffer-";

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 127;

/// The name of `key`.
///
/// # Errors
///
/// [`Error::InvalidReference`] if the key is empty or the id of a secret, which is read and never written. Or if
/// its name is too long.
pub(crate) fn of(key: &str) -> Result<String, Error> {
    if key.is_empty() {
        return Err(Error::InvalidReference("the key is empty".into()));
    }
    if key.starts_with("https://") {
        return Err(Error::InvalidReference(
            "a key that begins with `https://` is the id of a secret, which is read and never written".into(),
        ));
    }
    let name = format!("{PREFIX}{}", escape_capitals(key, b"-"));
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::InvalidReference(format!(
            "its name in Key Vault would have {} characters; {NAME_BYTES_MAX} are allowed",
            name.len()
        )));
    }
    Ok(name)
}

/// Whether Key Vault takes this as the name, or the version, of a secret.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
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
        check("db.v1", "db--2ev1");
        check("a/b", "a--2fb");
        check("http://a", "http--3a--2f--2fa");
    }

    #[test]
    fn what_is_an_id_or_too_long_is_no_key() {
        for key in ["", "https://", "https://a.vault.azure.net/secrets/b", &"x".repeat(121)] {
            assert!(matches!(of(key), Err(Error::InvalidReference(_))), "{key:?}");
        }
        assert!(of(&"x".repeat(120)).is_ok_and(|name| is_name(&name)));
        // What a bundle keeps fits: an id of 26 characters, and a name.
        assert!(of("01JDZZZZZZZZZZZZZZZZZZZZZZ-parameter-connection-string").is_ok());
    }

    proptest! {
        /// Without case, as Key Vault compares them.
        #[test]
        fn keys_that_differ_have_names_that_differ(one in "[^:]{1,9}", at in 0usize..9, byte in 0x20u8..0x7f) {
            let mut other = one.clone().into_bytes();
            let at = at % other.len();
            other[at] = byte;
            let Ok(other) = String::from_utf8(other) else { return Ok(()) };
            prop_assume!(other != one);
            let (one, other) = (of(&one).unwrap(), of(&other).unwrap());
            prop_assert!(is_name(&one), "{}", one);
            prop_assert!(!one.eq_ignore_ascii_case(&other));
        }
    }
}
