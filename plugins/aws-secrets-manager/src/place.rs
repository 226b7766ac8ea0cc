//! What a key names: a secret that this plugin keeps, or one that others keep.
//!
//! `name#field#version` is how it is written for the other stores, `name` being an ARN as well. A secret here is
//! mostly one text, so the field can be empty. A `#` cannot be in a key that is put, and neither can `arn:` be at
//! its beginning, so that the two cannot be mistaken for each other.

use coffer_plugin::Error;

/// What a key names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A secret of this name or ARN: the whole value or a field of it, in its current version or another.
    Other { id: &'a str, field: Option<&'a str>, version: Option<&'a str> },
    /// A secret that this plugin keeps.
    Own { key: &'a str },
}

impl<'a> Place<'a> {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] says which rule it breaks.
    pub(crate) fn of(key: &'a str) -> Result<Self, Error> {
        let invalid = |rule: &str| Err(Error::InvalidReference(rule.into()));
        let mut parts = key.split('#');
        let id = parts.next().unwrap_or_default();
        let field = parts.next();
        if field.is_none() && !id.starts_with("arn:") {
            return Ok(Self::Own { key });
        }
        let version = parts.next();
        if version.is_some_and(str::is_empty) || parts.next().is_some() {
            return invalid(
                "with `#` it is `name#field`, `name#field#version`, `name#` or `name##version`",
            );
        }
        if !is_id(id) {
            return invalid("before the `#` is no name or ARN of a secret");
        }
        Ok(Self::Other { id, field: field.filter(|field| !field.is_empty()), version })
    }

    /// The secret whose name the key is, which is how Porter's plugin takes it.
    pub(crate) fn of_porter(key: &'a str) -> Option<Self> {
        is_id(key).then_some(Self::Other { id: key, field: None, version: None })
    }
}

/// Whether it can be the name or the ARN of a secret.
fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-:".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_sign_or_an_arn_names_a_secret_of_others() {
        type Parts = (&'static str, Option<&'static str>, Option<&'static str>);
        let check = |key: &str, expected: Result<Parts, &str>| match (Place::of(key), expected) {
            (Ok(Place::Other { id, field, version }), Ok(expected)) => {
                assert_eq!((id, field, version), expected, "{key}");
            }
            (Err(Error::InvalidReference(rule)), Err(expected)) => {
                assert!(rule.contains(expected), "{key}: {rule}");
            }
            (actual, expected) => panic!("{key}: {actual:?}, not {expected:?}"),
        };
        check("app/db#password", Ok(("app/db", Some("password"), None)));
        check("app/db#password#AWSPREVIOUS", Ok(("app/db", Some("password"), Some("AWSPREVIOUS"))));
        check("app/db#", Ok(("app/db", None, None)));
        check("app/db##AWSPREVIOUS", Ok(("app/db", None, Some("AWSPREVIOUS"))));
        check("app#a/b c", Ok(("app", Some("a/b c"), None)));
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/db-a1B2c3";
        check(arn, Ok((arn, None, None)));
        check(&format!("{arn}#password"), Ok((arn, Some("password"), None)));
        check("#password", Err("no name or ARN"));
        check("a b#c", Err("no name or ARN"));
        check("arn:\u{e4}", Err("no name or ARN"));
        check("app#a#", Err("name#field"));
        check("app#a#1#2", Err("name#field"));
        assert_eq!(Place::of("app/db").unwrap(), Place::Own { key: "app/db" });
        assert_eq!(Place::of("app:db").unwrap(), Place::Own { key: "app:db" });
    }

    #[test]
    fn porter_takes_keys_as_names() {
        let of = |id| Some(Place::Other { id, field: None, version: None });
        assert_eq!(Place::of_porter("01JD-password"), of("01JD-password"));
        assert_eq!(Place::of_porter("app/db"), of("app/db"));
        assert_eq!(Place::of_porter("a b"), None);
    }
}
