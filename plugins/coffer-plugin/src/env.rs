//! Environment variables that the operator granted.

use crate::backend;

/// The value of the granted variable `name`. Nothing if it is not set or not granted, which a plugin
/// cannot tell apart.
#[must_use]
pub fn var(name: &str) -> Option<String> {
    backend::variable(name)
}
