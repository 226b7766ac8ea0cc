//! The store's settings, as its operator wrote them and the host checked them against `plugin.toml`.
//!
//! A setting marked `credential` is not among them: the host keeps it and puts it on the wire itself.

use crate::{Error, backend};

/// The setting `name`: text as it was written, a number or a truth value as in JSON, a list or a
/// table as JSON. Nothing if it was not set and has no default.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    backend::setting(name)
}

/// The setting `name`, which must be there.
///
/// # Errors
///
/// [`Error::Other`] that names the setting.
pub fn required(name: &str) -> Result<String, Error> {
    get(name).ok_or_else(|| Error::Other(format!("the store has no setting `{name}`")))
}
