//! Where the ledger is kept, as the file describes it.

use super::error::ConfigError;
use super::file::{OneOrMany, StorageSection};
use super::settings::{self, Settings, Written, below};
use crate::document::{self, DocumentError};
use coffer_host::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An entry of `storage`.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageEntry {
    /// The name that `default-storage` uses.
    pub name: String,
    /// The plugin as it is written.
    pub plugin: String,
    pub(super) settings: Settings,
    pub(super) written: Written,
}

/// Where the ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// What keeps it.
    pub kind: StorageKind,
    /// Where that is. It may hold a password.
    pub url: Option<Secret>,
    /// How long it may take to answer.
    pub timeout: Option<Duration>,
}

/// What keeps the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageKind {
    /// A MongoDB server.
    Mongodb,
    /// A PostgreSQL server.
    Postgresql,
    /// A file.
    Sqlite,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "keys and values")]
pub(super) struct StorageSettings {
    url: Option<String>,
    timeout: Option<Timeout>,
}

/// Seconds, as Porter writes them, or a text with a unit.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of seconds, or a time such as 30s")]
enum Timeout {
    Seconds(u64),
    Text(String),
}

impl StorageEntry {
    pub(super) fn of_plugin(plugin: &str, written: Written) -> Self {
        Self {
            name: plugin.to_owned(),
            plugin: plugin.to_owned(),
            settings: Settings::default(),
            written,
        }
    }

    fn new(section: StorageSection, written: Written, path: &str) -> Self {
        let StorageSection { name, plugin, config } = section;
        let settings = Settings::new(config, path);
        Self { name, plugin, settings, written }
    }

    /// The keys of the secrets that its settings need.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<&str> {
        self.settings.secrets()
    }

    /// What it says, with `secrets` filled in by their keys. Porter's other storage plugins, such as
    /// `mongodb-docker`, are accepted in the file and refused here, where one would be used.
    ///
    /// # Errors
    ///
    /// [`ConfigError::StorageUnknown`], or what is wrong with the settings.
    pub fn fill(&self, secrets: &BTreeMap<String, Secret>) -> Result<Storage, ConfigError> {
        let kind = match self.plugin.as_str() {
            "mongodb" => StorageKind::Mongodb,
            "postgresql" => StorageKind::Postgresql,
            "sqlite" => StorageKind::Sqlite,
            _ => return Err(ConfigError::StorageUnknown { plugin: self.shown_plugin() }),
        };
        let path = &self.settings.path;
        let filled = Value::Object(self.settings.fill(secrets)?);
        let StorageSettings { url, timeout } =
            document::parse(filled).map_err(|error| below(path, error))?;
        let url = url.filter(|url| !url.is_empty()).map(Secret::from);
        if url.is_none() && kind != StorageKind::Sqlite {
            return Err(ConfigError::StorageUrl { path: path.clone() });
        }
        let timeout = timeout.map(|timeout| timeout.read(path)).transpose()?;
        Ok(Storage { kind, url, timeout })
    }

    pub(super) fn shown_name(&self) -> String {
        self.written.text("name", &self.name)
    }

    fn shown_plugin(&self) -> String {
        self.written.text("plugin", &self.plugin)
    }
}

impl Timeout {
    fn read(self, path: &str) -> Result<Duration, ConfigError> {
        let timeout = match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            Self::Text(text) => humantime::parse_duration(&text).ok(),
        };
        timeout.filter(|timeout| !timeout.is_zero() && *timeout <= STORAGE_TIMEOUT_MAX).ok_or_else(
            || {
                ConfigError::Document(DocumentError::Meaning {
                    path: format!("{path}.timeout"),
                    expected: "expected a number of seconds, or a time such as 30s, up to 1h"
                        .into(),
                    nearest: None,
                })
            },
        )
    }
}

/// The entries of `storage`, each with its own name.
pub(super) fn read(
    sections: Option<OneOrMany<StorageSection>>,
    written: &Map<String, Value>,
    prefix: &str,
) -> Result<Vec<StorageEntry>, ConfigError> {
    let mut entries: Vec<StorageEntry> = Vec::new();
    for (index, section) in
        sections.map_or_else(Vec::new, |sections| sections.0).into_iter().enumerate()
    {
        let (written, path) = settings::entry(written, "storage", index, prefix);
        settings::filled(&section.name, &section.plugin, &path)?;
        let storage = StorageEntry::new(section, written, &path);
        if entries.iter().any(|earlier| earlier.name == storage.name) {
            return Err(ConfigError::StorageTwice { name: storage.shown_name() });
        }
        entries.push(storage);
    }
    Ok(entries)
}

/// How long a storage may take to answer, at most: longer than anybody waits.
const STORAGE_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
