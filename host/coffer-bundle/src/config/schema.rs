//! The JSON Schema of the file, for editors and for whoever writes one. What a schema cannot say (templates
//! that are not set, names that are not defined, the form of a URL) is said when the file is read.

use serde_json::Value;

/// The JSON Schema (2020-12) of a configuration file, grants and limits included.
///
/// # Panics
///
/// Never; a test reads it.
#[must_use]
pub fn schema() -> Value {
    serde_json::from_str(include_str!("schema.json")).expect("the schema in the source is JSON")
}

#[cfg(test)]
mod tests;
