//! What a key names: a secret that this plugin keeps, or a field of a path that somebody else wrote.
//!
//! `path#field` and `path#field#version` are how other tools of the ecosystem write it. A `#` cannot be
//! in a key that is put, so that the two cannot be mistaken for each other.

use coffer_plugin::Error;

/// What a key names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A field of a path below the prefix, in its newest version or a given one.
    Field { path: &'a str, field: &'a str, version: Option<u64> },
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
        let path = parts.next().unwrap_or_default();
        let Some(field) = parts.next() else { return Ok(Self::Own { key }) };
        let version = parts.next();
        if field.is_empty() || parts.next().is_some() {
            return invalid("with `#` it is `path#field`, or `path#field#version`");
        }
        let version = match version.map(str::parse) {
            None => None,
            Some(Ok(version)) if version > 0 => Some(version),
            Some(_) => return invalid("its version is not a number above 0"),
        };
        // The server refuses these or takes two spellings for one path.
        if path.contains("..") || !path.is_empty() && path.split('/').any(str::is_empty) {
            return invalid("its path has an empty segment, or `..`");
        }
        Ok(Self::Field { path, field, version })
    }

    /// Where Porter's plugin kept `key`: a field of one path for all keys that begin alike.
    pub(crate) fn of_porter(key: &'a str) -> Option<Self> {
        let (path, field) = key.rsplit_once('/').unwrap_or(("", key));
        let plain = path.is_empty() || path.split('/').all(|part| !part.is_empty());
        (plain && !field.is_empty() && !path.contains("..")).then_some(Self::Field {
            path,
            field,
            version: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_sign_names_a_field() {
        let check = |key: &str, expected: Result<(&str, &str, Option<u64>), &str>| match (
            Place::of(key),
            expected,
        ) {
            (Ok(Place::Field { path, field, version }), Ok(expected)) => {
                assert_eq!((path, field, version), expected, "{key}");
            }
            (Err(Error::InvalidReference(rule)), Err(expected)) => {
                assert!(rule.contains(expected), "{key}: {rule}");
            }
            (actual, expected) => panic!("{key}: {actual:?}, not {expected:?}"),
        };
        check("app/db#password", Ok(("app/db", "password", None)));
        check("app/db#password#3", Ok(("app/db", "password", Some(3))));
        check("app#a/b c", Ok(("app", "a/b c", None)));
        check("#password", Ok(("", "password", None)));
        check("app#", Err("path#field"));
        check("#", Err("path#field"));
        check("app#a#1#2", Err("path#field"));
        check("app#a#", Err("number"));
        check("app#a#0", Err("number"));
        check("app#a#-1", Err("number"));
        check("app#a#latest", Err("number"));
        check("app//db#a", Err("empty segment"));
        check("app/#a", Err("empty segment"));
        check("a..b#a", Err("`..`"));
        assert_eq!(Place::of("app/db").unwrap(), Place::Own { key: "app/db" });
    }

    #[test]
    fn porter_kept_keys_as_fields() {
        let check = |key: &str, expected: Option<(&str, &str)>| {
            let expected =
                expected.map(|(path, field)| Place::Field { path, field, version: None });
            assert_eq!(Place::of_porter(key), expected, "{key}");
        };
        check("v1/connstr", Some(("v1", "connstr")));
        check("a/b/c", Some(("a/b", "c")));
        check("01JD-password", Some(("", "01JD-password")));
        check("a/", None);
        check("a//b", None);
        check("a..b/c", None);
    }
}
