//! The settings of an entry: filled in as far as they can be without a store, and as they are written.

use super::error::ConfigError;
use super::show;
use crate::document::DocumentError;
use crate::template::{Pending, Unfilled};
use coffer_host::Secret;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Settings whose environment variables are filled in, and whose secrets are not.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) path: String,
    pub(super) pending: Vec<Pending>,
    values: Map<String, Value>,
}

impl Settings {
    pub(super) fn new(config: Option<Map<String, Value>>, path: &str) -> Self {
        Self {
            path: format!("{path}.config"),
            pending: Vec::new(),
            values: config.unwrap_or_default(),
        }
    }

    /// Where a secret is needed, and which.
    pub(super) fn first_secret(&self) -> Option<(String, String)> {
        let pending = self.pending.first()?;
        let key = pending.keys().next()?.to_owned();
        Some((join(&self.path, &pending.place.to_string()), key))
    }

    pub(super) fn secrets(&self) -> BTreeSet<&str> {
        self.pending.iter().flat_map(Pending::keys).collect()
    }

    pub(super) fn fill(
        &self,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Map<String, Value>, ConfigError> {
        let mut filled = self.values.clone();
        for pending in &self.pending {
            pending.fill(&mut filled, secrets).map_err(|unfilled| {
                let path = join(&self.path, &pending.place.to_string());
                match unfilled {
                    Unfilled::Missing(key) => ConfigError::SecretMissing { path, key },
                    Unfilled::NotText(key) => ConfigError::SecretNotText { path, key },
                }
            })?;
        }
        Ok(filled)
    }
}

/// Shows keys only; a credential may be in any setting.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

/// An entry as it is written, for showing it.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Written(pub(super) Map<String, Value>);

impl Written {
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Only what is at `key`, at another.
    pub(super) fn renamed(&self, key: &str, to: &str) -> Self {
        Self(self.0.get(key).map(|value| (to.to_owned(), value.clone())).into_iter().collect())
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// The text at `key` for people: the template, if it has one, and `effective` otherwise.
    pub(super) fn text(&self, key: &str, effective: &str) -> String {
        show::template_or(self.0.get(key), effective)
    }
}

/// Says nothing; literal settings may be credentials.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// The same error with its path below `prefix`.
pub(super) fn below(prefix: &str, error: DocumentError) -> DocumentError {
    match error {
        DocumentError::Meaning { path, expected, nearest } => {
            DocumentError::Meaning { path: join(prefix, &path), expected, nearest }
        }
        error @ (DocumentError::Syntax { .. } | DocumentError::TooLong { .. }) => error,
    }
}

pub(super) fn join(prefix: &str, path: &str) -> String {
    if prefix.is_empty() || path.is_empty() {
        format!("{prefix}{path}")
    } else {
        format!("{prefix}.{path}")
    }
}

/// The entry at `index` as it is written, and its path.
pub(super) fn entry(
    written: &Map<String, Value>,
    list: &str,
    index: usize,
    prefix: &str,
) -> (Written, String) {
    let (entry, path) = match written.get(list) {
        Some(Value::Array(entries)) => (entries.get(index), format!("{list}[{index}]")),
        single => (single, list.to_owned()),
    };
    let entry = entry.and_then(Value::as_object).cloned().unwrap_or_default();
    (Written(entry), join(prefix, &path))
}

/// Refuses an entry whose name or plugin is empty.
pub(super) fn filled(name: &str, plugin: &str, path: &str) -> Result<(), ConfigError> {
    for (key, text) in [("name", name), ("plugin", plugin)] {
        if text.is_empty() {
            return Err(ConfigError::Empty { path: join(path, key) });
        }
    }
    Ok(())
}
