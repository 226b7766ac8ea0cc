//! The configuration file: `config.yaml`, `.toml` or `.json` in coffer's home. It has Porter's keys with
//! the same meaning, so that a Porter configuration works unchanged, and beside them what a store is
//! granted and what it may use.
//!
//! Everything here is a text that became a value; the environment is given, and nothing is opened. In
//! three things it differs from Porter:
//! - An unknown key is an error, and so is an environment variable in a template that is not set.
//! - A key is overridden by the variable `COFFER_` and the key in upper case with `_` for `-`, set but empty
//!   included. The variables that begin with `PORTER_` are not read.
//! - Templates are filled into values, not into the text. What a variable or a secret brings in is never
//!   read as anything but one text.

mod context;
mod error;
mod file;
mod overrides;
mod registry;
mod risk;
mod schema;
mod settings;
mod show;
mod storage;
mod store;

pub use crate::template::TemplateError;
pub use error::ConfigError;
pub use registry::RegistryEntry;
pub use risk::Risk;
pub use schema::schema;
pub use storage::{Storage, StorageEntry, StorageKind};
pub use store::StoreEntry;

use crate::document::{self, DocumentError};
use crate::template::{self, Pending, Place, Step};
use context::Selected;
use file::{File, IGNORED};
use serde_json::Value;
use settings::{Written, below, join};
use std::borrow::Cow;

/// The environment: the value of a variable, if it is set.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The configuration in effect: the file, or the selected context of it, overridden by the environment
/// and completed by the defaults.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The selected context, if the file has any.
    pub context: Option<String>,
    /// The name of the default store. It is one of `stores`.
    pub default_secrets: Option<String>,
    /// The plugin of the default store, if `default_secrets` names none.
    pub default_secrets_plugin: String,
    /// The name of the default storage. It is one of `storage`.
    pub default_storage: Option<String>,
    /// The plugin of the default storage, if `default_storage` names none.
    pub default_storage_plugin: String,
    /// The namespace of installations that are not given one; empty is the global one.
    pub namespace: String,
    /// What holds for registries, in the order of the file.
    pub registries: Vec<RegistryEntry>,
    /// What runs bundles.
    pub runtime_driver: Option<String>,
    /// Where a ledger can be kept.
    pub storage: Vec<StorageEntry>,
    /// The stores, in the order of the file.
    pub stores: Vec<StoreEntry>,
    /// How much is printed.
    pub verbosity: Verbosity,
    written: Written,
}

/// How much is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Everything.
    Debug,
    /// Errors.
    Error,
    /// What happens.
    #[default]
    Info,
    /// Warnings and errors.
    Warning,
}

impl Verbosity {
    /// The words that [`Self::parse`] reads.
    const EXPECTED: &str = "debug, info, warning or error";

    /// The verbosity that a word names: one of `debug`, `info`, `warning`, which Porter also spells
    /// `warn`, and `error`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "debug" => Some(Self::Debug),
            "error" => Some(Self::Error),
            "info" => Some(Self::Info),
            "warn" | "warning" => Some(Self::Warning),
            _ => None,
        }
    }

    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Error => "error",
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

impl Config {
    /// Reads a configuration file. `context` is the context that was asked for on the command line.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says where and what. No value of the file or of the environment is in it.
    pub fn parse(
        document: Value,
        environment: &dyn Fn(&str) -> Option<String>,
        context: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let Selected { context, mut settings, prefix } =
            context::select(document, environment, context)?;
        let written = settings.clone();
        let pending = template::fill(&mut settings, |key| !IGNORED.contains(&key), environment)
            .map_err(|(place, error)| ConfigError::Template {
                path: join(&prefix, &place.to_string()),
                error,
            })?;
        if let Some(misplaced) =
            pending.iter().find(|pending| in_settings(&pending.place).is_none())
        {
            let path = join(&prefix, &misplaced.place.to_string());
            return Err(ConfigError::SecretOutsideSettings { path });
        }
        let file: File =
            document::parse(Value::Object(settings)).map_err(|error| below(&prefix, error))?;
        let mut config = Self {
            context,
            default_secrets: file.default_secrets,
            default_secrets_plugin: file.default_secrets_plugin.unwrap_or_default(),
            default_storage: file.default_storage,
            default_storage_plugin: file.default_storage_plugin.unwrap_or_default(),
            namespace: file.namespace.unwrap_or_default(),
            registries: registry::read(file.registries, &prefix)?,
            runtime_driver: file.runtime_driver,
            storage: storage::read(file.storage, &written, &prefix)?,
            stores: store::read(file.secrets, &written, &prefix)?,
            verbosity: verbosity(file.verbosity.as_deref(), &prefix)?,
            written: Written(written),
        };
        config.take(pending);
        config.overridden(environment)?;
        config.completed();
        config.checked()?;
        Ok(config)
    }

    /// The store that is used when none is named: the entry that `default-secrets` names, or else a
    /// store named after the plugin that `default-secrets-plugin` names, without settings.
    #[must_use]
    pub fn default_store(&self) -> Cow<'_, StoreEntry> {
        let named = self.default_secrets.as_deref().and_then(|name| self.store(name));
        named.map_or_else(
            || Cow::Owned(StoreEntry::of_plugin(&self.default_secrets_plugin)),
            Cow::Borrowed,
        )
    }

    /// The entry of this name. A store that is named after a bundled plugin and has no entry is
    /// [`StoreEntry::of_plugin`]; which plugins are bundled is not known here.
    #[must_use]
    pub fn store(&self, name: &str) -> Option<&StoreEntry> {
        self.stores.iter().find(|store| store.name == name)
    }

    /// Where the ledger is kept: the entry that `default-storage` names, or else the plugin that
    /// `default-storage-plugin` names, without settings.
    #[must_use]
    pub fn default_storage(&self) -> Cow<'_, StorageEntry> {
        let named = self
            .default_storage
            .as_deref()
            .and_then(|name| self.storage.iter().find(|storage| storage.name == name));
        named.map_or_else(
            || {
                let written = self.written.renamed("default-storage-plugin", "plugin");
                Cow::Owned(StorageEntry::of_plugin(&self.default_storage_plugin, written))
            },
            Cow::Borrowed,
        )
    }

    /// The keys of the file that coffer accepts for Porter's sake and does not use.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.written.keys().filter(|key| IGNORED.contains(key))
    }

    /// Gives the texts that wait for secrets to the entries that they belong to.
    fn take(&mut self, pending: Vec<Pending>) {
        for pending in pending {
            let Some((list, index, place)) = in_settings(&pending.place) else { continue };
            let settings = match list {
                "secrets" => self.stores.get_mut(index).map(|store| &mut store.settings),
                _ => self.storage.get_mut(index).map(|storage| &mut storage.settings),
            };
            if let Some(settings) = settings {
                let pending = pending.moved_to(place);
                settings.pending.push(pending);
            }
        }
    }

    fn checked(&self) -> Result<(), ConfigError> {
        if let Some(name) =
            self.default_secrets.as_deref().filter(|name| self.store(name).is_none())
        {
            return Err(ConfigError::StoreNotDefined {
                name: self.written.text("default-secrets", name),
                defined: self.stores.iter().map(StoreEntry::shown_name).collect(),
            });
        }
        let named = |name: &&str| self.storage.iter().any(|storage| storage.name == **name);
        if let Some(name) = self.default_storage.as_deref().filter(|name| !named(name)) {
            return Err(ConfigError::StorageNotDefined {
                name: self.written.text("default-storage", name),
                defined: self.storage.iter().map(StorageEntry::shown_name).collect(),
            });
        }
        match self.default_store().settings.first_secret() {
            Some((path, key)) => Err(ConfigError::SecretInDefaultStore { path, key }),
            None => Ok(()),
        }
    }
}

fn verbosity(word: Option<&str>, prefix: &str) -> Result<Verbosity, ConfigError> {
    match word {
        None | Some("") => Ok(Verbosity::default()),
        Some(word) => Verbosity::parse(word).ok_or_else(|| {
            ConfigError::Document(DocumentError::Meaning {
                path: join(prefix, "verbosity"),
                expected: format!("expected {}", Verbosity::EXPECTED),
                nearest: None,
            })
        }),
    }
}

/// Which list, which entry of it and what below its `config` a place is in, if it is in one at all.
fn in_settings(place: &Place) -> Option<(&str, usize, Place)> {
    let (list, index, config, rest) = match place.steps() {
        [Step::Key(list), Step::Index(index), Step::Key(config), rest @ ..] => {
            (list.as_str(), *index, config, rest)
        }
        [Step::Key(list), Step::Key(config), rest @ ..] => (list.as_str(), 0, config, rest),
        _ => return None,
    };
    (matches!(list, "secrets" | "storage") && config == "config")
        .then(|| (list, index, Place::new(rest)))
}

#[cfg(test)]
mod tests;
