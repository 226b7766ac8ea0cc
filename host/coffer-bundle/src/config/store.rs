//! A store as the file describes it.

use super::error::ConfigError;
use super::file::{OneOrMany, StoreSection};
use super::settings::{self, Settings, Written};
use coffer_host::grants::Grants;
use coffer_host::limits::Limits;
use coffer_host::{Isolation, Secret};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A store: a name, its plugin, its settings, its grants and its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreEntry {
    /// The name that `default-secrets` uses.
    pub name: String,
    /// The plugin as it is written: a bundled name, a path or an OCI reference.
    pub plugin: String,
    /// What the plugin may do; `None` if the file does not say, which is nothing unless the plugin is
    /// bundled.
    pub grants: Option<Grants>,
    /// Where the plugin runs; `None` if the file does not say, which is in coffer's own process if the
    /// plugin is bundled, and in one of its own otherwise.
    pub isolation: Option<Isolation>,
    /// What the plugin may use.
    pub limits: Limits,
    pub(super) settings: Settings,
    pub(super) written: Written,
}

impl StoreEntry {
    /// A store named after its plugin, without settings.
    #[must_use]
    pub fn of_plugin(plugin: &str) -> Self {
        Self {
            name: plugin.to_owned(),
            plugin: plugin.to_owned(),
            grants: None,
            isolation: None,
            limits: Limits::default(),
            settings: Settings::default(),
            written: Written::default(),
        }
    }

    fn new(section: StoreSection, written: Written, path: &str) -> Self {
        let StoreSection { name, plugin, config, grants, isolation, limits } = section;
        let settings = Settings::new(config, path);
        let limits = limits.unwrap_or_default();
        Self { name, plugin, grants, isolation, limits, settings, written }
    }

    pub(super) fn shown_name(&self) -> String {
        self.written.text("name", &self.name)
    }

    /// The keys of the secrets that its settings need, each of which can be a reference's.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<&str> {
        self.settings.secrets()
    }

    /// Its settings, with `secrets` filled in by their keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError::SecretMissing`] or [`ConfigError::SecretNotText`].
    pub fn fill(
        &self,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Map<String, Value>, ConfigError> {
        self.settings.fill(secrets)
    }
}

/// The stores of the file, each with its own name.
pub(super) fn read(
    sections: Option<OneOrMany<StoreSection>>,
    written: &Map<String, Value>,
    prefix: &str,
) -> Result<Vec<StoreEntry>, ConfigError> {
    let mut stores: Vec<StoreEntry> = Vec::new();
    for (index, section) in
        sections.map_or_else(Vec::new, |sections| sections.0).into_iter().enumerate()
    {
        let (written, path) = settings::entry(written, "secrets", index, prefix);
        settings::filled(&section.name, &section.plugin, &path)?;
        let store = StoreEntry::new(section, written, &path);
        if stores.iter().any(|earlier| earlier.name == store.name) {
            return Err(ConfigError::StoreTwice { name: store.shown_name() });
        }
        stores.push(store);
    }
    Ok(stores)
}
