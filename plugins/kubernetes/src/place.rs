//! What a key names: a secret that this plugin keeps, or a field of a Secret that somebody else made.
//!
//! `name#field` is how the store `vault` writes it as well. A `#` cannot be in a key that is put, so that the two
//! cannot be mistaken for each other.

use crate::{name, porter};
use coffer_plugin::{Error, settings};
use std::borrow::Cow;

/// The field that a value is in, and that Porter's plugin reads.
pub(crate) const VALUE: &str = "value";

/// What a key names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A field of a Secret of this name.
    Field { name: Cow<'a, str>, field: &'a str },
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
        let Some((name, field)) = key.split_once('#') else { return Ok(Self::Own { key }) };
        if !name::is_name(name) || !name::is_field(field) {
            return Err(Error::InvalidReference(
                "with `#` it is `name#field`, with the name of a Secret and of a field that Kubernetes takes".into(),
            ));
        }
        Ok(Self::Field { name: name.into(), field })
    }

    /// Where Porter's plugin reads `key`. It changes what Kubernetes does not take, so that several keys can be
    /// one: whether that is followed is a setting.
    pub(crate) fn of_porter(key: &'a str) -> Option<Self> {
        let name = if settings::get("porter_names").as_deref() == Some("true") {
            Cow::Owned(porter::name(key))
        } else {
            Cow::Borrowed(key)
        };
        name::is_name(&name).then_some(Self::Field { name, field: VALUE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_plugin::fake;

    #[test]
    fn a_number_sign_names_a_field() {
        let check = |key: &str, expected: Option<(&str, &str)>| match (Place::of(key), expected) {
            (Ok(Place::Field { name, field }), Some(expected)) => {
                assert_eq!((&*name, field), expected, "{key}");
            }
            (Err(Error::InvalidReference(rule)), None) => {
                assert!(rule.contains("name#field"), "{key}: {rule}");
            }
            (actual, expected) => panic!("{key}: {actual:?}, not {expected:?}"),
        };
        check("db#password", Some(("db", "password")));
        check("my.db#tls.crt", Some(("my.db", "tls.crt")));
        for key in
            ["db#", "#password", "#", "db#a#1", "Db#a", "a/db#a", "../x#a", "db#a/b", "db#a b"]
        {
            check(key, None);
        }
        assert_eq!(Place::of("app/db").unwrap(), Place::Own { key: "app/db" });
    }

    #[test]
    fn porter_reads_one_field() {
        let place = |name: &'static str| Some(Place::Field { name: name.into(), field: "value" });
        assert_eq!(Place::of_porter("db-password"), place("db-password"));
        for key in ["01JD-password", "a/b", "a_b", "-a"] {
            assert_eq!(Place::of_porter(key), None, "{key}");
        }
        fake::setting("porter_names", "true");
        assert_eq!(Place::of_porter("01JD-db_password"), place("01jd-db-password"));
        for key in ["", "a..b", &"x".repeat(254)] {
            assert_eq!(Place::of_porter(key), None, "{key}");
        }
    }
}
