//! What stands in for the file: environment variables before it, defaults behind it.

use super::error::ConfigError;
use super::{Config, Environment, Verbosity};

/// The plugin that resolves secrets when the file names none.
const SECRETS_PLUGIN_DEFAULT: &str = "host";

/// What keeps the ledger when the file says nothing.
const STORAGE_PLUGIN_DEFAULT: &str = "sqlite";

impl Config {
    /// Lets the environment override the keys that have one text as their value.
    pub(super) fn overridden(&mut self, environment: Environment<'_>) -> Result<(), ConfigError> {
        let written = &mut self.written;
        let mut variable = |key: &str| {
            let variable = format!("COFFER_{}", key.to_ascii_uppercase().replace('-', "_"));
            let value = environment(&variable)?;
            // What is overridden is not what is written.
            written.forget(key);
            Some((variable, value))
        };
        for (key, field) in [
            ("default-secrets", &mut self.default_secrets),
            ("default-storage", &mut self.default_storage),
            ("runtime-driver", &mut self.runtime_driver),
        ] {
            if let Some((_, value)) = variable(key) {
                *field = Some(value);
            }
        }
        for (key, field) in [
            ("default-secrets-plugin", &mut self.default_secrets_plugin),
            ("default-storage-plugin", &mut self.default_storage_plugin),
            ("namespace", &mut self.namespace),
        ] {
            if let Some((_, value)) = variable(key) {
                *field = value;
            }
        }
        if let Some((variable, value)) = variable("verbosity") {
            self.verbosity = match value.as_str() {
                "" => Verbosity::default(),
                word => Verbosity::parse(word)
                    .ok_or(ConfigError::Variable { variable, expected: Verbosity::EXPECTED })?,
            };
        }
        Ok(())
    }

    /// An empty text is the same as none.
    pub(super) fn completed(&mut self) {
        for field in
            [&mut self.default_secrets, &mut self.default_storage, &mut self.runtime_driver]
        {
            *field = field.take().filter(|text| !text.is_empty());
        }
        for (field, default) in [
            (&mut self.default_secrets_plugin, SECRETS_PLUGIN_DEFAULT),
            (&mut self.default_storage_plugin, STORAGE_PLUGIN_DEFAULT),
        ] {
            if field.is_empty() {
                default.clone_into(field);
            }
        }
    }
}
