//! The section `config` that a host gives a plugin on its standard input, as JSON: nothing, `null`, or an
//! object, whose keys Porter has put into lower case at every depth.
//!
//! With nothing but perhaps `home` in it, the store is one of coffer's own configuration. With anything else,
//! the section is a store, whole: what coffer's own configuration has below `secrets`, without the name,
//! which is the key's.

use coffer_bundle::config::{Config, ConfigError};
use coffer_bundle::document::{self, DocumentError};
use serde_json::{Map, Value, json};
use std::io::{self, Read};
use std::path::PathBuf;

/// The key of the section that says where coffer's directory is.
const HOME: &str = "home";

/// What a host gave.
#[derive(Debug, Default)]
pub(crate) struct Section(Map<String, Value>);

/// Why the section cannot be used. Nothing that it has is quoted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SectionError {
    #[error("the plugin's `config` section cannot be used: {0}")]
    Config(#[from] ConfigError),
    #[error("the plugin's `config` section is not JSON: line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("the plugin's `config` section cannot be read: {0}")]
    Read(io::Error),
    #[error("the plugin's `config` section has to be keys and values")]
    Shape,
    #[error("`home` in the plugin's `config` section has to be a path")]
    Home,
}

impl Section {
    /// Reads the first JSON value that there is, or the end. What comes behind it is left alone, so that a
    /// host that does not close the stream is not waited for.
    ///
    /// # Errors
    ///
    /// [`SectionError`].
    pub(crate) fn read(reader: impl Read) -> Result<Self, SectionError> {
        let bounded = io::BufReader::new(reader.take(document::DOCUMENT_BYTES_MAX as u64));
        let mut values = serde_json::Deserializer::from_reader(bounded).into_iter::<Value>();
        match values.next().transpose() {
            Ok(None | Some(Value::Null)) => Ok(Self::default()),
            Ok(Some(Value::Object(section))) => Ok(Self(section)),
            Ok(Some(Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_))) => {
                Err(SectionError::Shape)
            }
            Err(error) if error.is_io() => Err(SectionError::Read(error.into())),
            Err(error) => Err(SectionError::Json { line: error.line(), column: error.column() }),
        }
    }

    /// Takes out where coffer's directory is, if it says so.
    ///
    /// # Errors
    ///
    /// [`SectionError::Home`].
    pub(crate) fn take_home(&mut self) -> Result<Option<PathBuf>, SectionError> {
        match self.0.remove(HOME) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(path)) if !path.is_empty() => Ok(Some(path.into())),
            Some(_) => Err(SectionError::Home),
        }
    }

    /// A configuration of which the section is the only store, if it is one.
    ///
    /// # Errors
    ///
    /// [`SectionError::Config`].
    pub(crate) fn store(self, name: &str) -> Result<Option<Config>, SectionError> {
        let Self(mut entry) = self;
        if entry.is_empty() {
            return Ok(None);
        }
        if entry.contains_key("name") {
            return Err(ConfigError::from(DocumentError::Meaning {
                path: "name".into(),
                expected: "the last part of the plugin's key is the store's name".into(),
                nearest: None,
            })
            .into());
        }
        entry.entry("plugin").or_insert_with(|| name.into());
        // Porter has filled in its own templates. What they brought in is never read as one of coffer's.
        entry.values_mut().for_each(escape);
        entry.insert("name".into(), name.into());
        let document = json!({ "default-secrets": name, "secrets": [entry] });
        Ok(Some(Config::parse(document, &|_| None, None)?))
    }
}

/// Writes a text so that nothing in it is a template.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("${", "$${"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(entries) => entries.values_mut().for_each(escape),
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_nothing_or_an_object() {
        let check = |text: &str, expected: Result<usize, &str>| {
            let read = Section::read(text.as_bytes());
            let read = read.as_ref().map(|section| section.0.len()).map_err(ToString::to_string);
            match expected {
                Ok(keys) => assert_eq!(read, Ok(keys), "{text}"),
                Err(part) => assert!(read.clone().unwrap_err().contains(part), "{text}: {read:?}"),
            }
        };
        check("", Ok(0));
        check("  \n", Ok(0));
        check("null", Ok(0));
        check("{}", Ok(0));
        check(r#"{"plugin":"vault"}"#, Ok(1));
        // A host that says more later.
        check(r#"{"plugin":"vault"} and more"#, Ok(1));
        check("[]", Err("keys and values"));
        check("\"hunter2", Err("line 1, column 8"));
        check("hunter2", Err("line 1, column 1"));
        check("{", Err("line 1, column 1"));
    }

    #[test]
    fn a_section_is_a_store_or_names_coffers_own() {
        let read = |text: &str| Section::read(text.as_bytes()).unwrap();
        let mut own = read(r#"{"home":"/home/me/.coffer"}"#);
        assert_eq!(own.take_home().unwrap(), Some(PathBuf::from("/home/me/.coffer")));
        assert!(own.store("prod").unwrap().is_none());

        let store = r#"{"plugin":"vault","config":{"address":"https://vault.example"},
            "grants":{"http":[{"url":"https://vault.example/**","methods":["GET"],
            "headers":{"x-vault-token":{"env":"VAULT_TOKEN"}}}]},"limits":{"call":"9s"}}"#;
        let config = read(store).store("prod").unwrap().unwrap();
        let entry = config.default_store();
        assert_eq!((entry.name.as_str(), entry.plugin.as_str()), ("prod", "vault"));
        assert_eq!(entry.limits.call.as_secs(), 9);
        assert!(entry.grants.is_some());

        // The key's last part is the plugin where the section names none.
        let config = read(r#"{"config":{"directory":"x"}}"#).store("filesystem").unwrap().unwrap();
        assert_eq!(config.default_store().plugin, "filesystem");
    }

    #[test]
    fn what_porter_filled_in_is_no_template() {
        let section =
            r#"{"plugin":"filesystem","config":{"directory":"a${env.HOME}b${secret.x}"}}"#;
        let config = Section::read(section.as_bytes()).unwrap().store("x").unwrap().unwrap();
        let settings = config.default_store().fill(&Default::default()).unwrap();
        assert_eq!(settings["directory"], "a${env.HOME}b${secret.x}");
    }

    #[test]
    fn what_is_wrong_is_named_and_never_quoted() {
        let check = |text: &str, parts: &[&str]| {
            let mut section = Section::read(text.as_bytes()).unwrap();
            let error = match section.take_home() {
                Ok(_) => section.store("prod").unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{text}: {error}");
        };
        check(r#"{"plugins":"hunter2"}"#, &["plugins", "plugin"]);
        check(r#"{"plugin":"vault","grants":{"http":"hunter2"}}"#, &["grants.http"]);
        check(r#"{"plugin":"vault","limits":{"call":"hunter2"}}"#, &["limits"]);
        check(r#"{"plugin":7}"#, &["plugin"]);
        check(r#"{"name":"hunter2"}"#, &["name"]);
        check(r#"{"home":7}"#, &["home"]);
    }
}
