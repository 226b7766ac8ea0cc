//! What a key names: a secret that this plugin keeps, or one that others keep.
//!
//! `name#field#version` is how it is written for the other stores. A secret here is mostly one text, so the field can
//! be empty. A `#` cannot be in a key that is put, so that the two cannot be mistaken for each other.

use coffer_plugin::Error;

/// The version that is read where none is named.
const LATEST: &str = "latest";

/// What a key names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A secret of this name: the whole value or a field of it, in one version.
    Other { name: &'a str, field: Option<&'a str>, version: &'a str },
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
        let name = parts.next().unwrap_or_default();
        let Some(field) = parts.next() else { return Ok(Self::Own { key }) };
        let version = parts.next().unwrap_or(LATEST);
        if parts.next().is_some() {
            return invalid(
                "with `#` it is `name#field`, `name#field#version`, `name#` or `name##version`",
            );
        }
        let plain = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            !text.is_empty() && text.bytes().all(plain)
        };
        // A number, `latest`, or a name that somebody gave it.
        if !plain(version) {
            return invalid("behind the second `#` is no version");
        }
        if !plain(name) {
            return invalid("before the `#` is no name of a secret of the project");
        }
        Ok(Self::Other { name, field: Some(field).filter(|field| !field.is_empty()), version })
    }

    /// The version that is read.
    pub(crate) fn version(&self) -> &'a str {
        match self {
            Self::Other { version, .. } => version,
            Self::Own { .. } => LATEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_sign_names_a_secret_of_others() {
        type Parts = (&'static str, Option<&'static str>, &'static str);
        let check = |key: &str, expected: Result<Parts, &str>| match (Place::of(key), expected) {
            (Ok(Place::Other { name, field, version }), Ok(expected)) => {
                assert_eq!((name, field, version), expected, "{key}");
            }
            (Err(Error::InvalidReference(rule)), Err(expected)) => {
                assert!(rule.contains(expected), "{key}: {rule}");
            }
            (actual, expected) => panic!("{key}: {actual:?}, not {expected:?}"),
        };
        check("app_db#password", Ok(("app_db", Some("password"), "latest")));
        check("app-db#password#3", Ok(("app-db", Some("password"), "3")));
        check("app#", Ok(("app", None, "latest")));
        check("app##stable", Ok(("app", None, "stable")));
        check("app#a/b c", Ok(("app", Some("a/b c"), "latest")));
        check("#password", Err("no name"));
        check("a/b#c", Err("no name"));
        check("app:access#c", Err("no name"));
        check("app#a#", Err("no version"));
        check("app#a#1/2", Err("no version"));
        check("app#a#1#2", Err("name#field"));
        assert_eq!(Place::of("app/db").unwrap(), Place::Own { key: "app/db" });
    }
}
