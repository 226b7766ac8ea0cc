//! Which part of a file holds: all of it, or the `config` of one of its contexts.

use super::error::ConfigError;
use super::{Environment, file, show};
use crate::document::{self, DocumentError};
use crate::template;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The only version of files with contexts.
const SCHEMA_VERSION: &str = "2.0.0";

/// The variable that selects a context when nothing on the command line does.
const CONTEXT_VARIABLE: &str = "COFFER_CONTEXT";

/// The context when nothing selects one.
const CONTEXT_DEFAULT: &str = "default";

/// The settings that hold, as they are written.
pub(super) struct Selected {
    pub(super) context: Option<String>,
    pub(super) settings: Map<String, Value>,
    /// What the paths of the settings begin with.
    pub(super) prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Contexts {
    #[serde(rename = "schemaVersion")]
    schema_version: String,
    current_context: Option<String>,
    contexts: Vec<Context>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a context: `name` and `config`")]
struct Context {
    name: String,
    config: Option<Map<String, Value>>,
}

pub(super) fn select(
    document: Value,
    environment: Environment<'_>,
    context: Option<&str>,
) -> Result<Selected, ConfigError> {
    let document = match document {
        Value::Null => Map::new(),
        Value::Object(document) => document,
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(DocumentError::Meaning {
                path: String::new(),
                expected: "expected keys and values".into(),
                nearest: None,
            }
            .into());
        }
    };
    // Set but empty selects nothing, as in Porter.
    let asked = context
        .map(str::to_owned)
        .or_else(|| environment(CONTEXT_VARIABLE))
        .filter(|context| !context.is_empty());
    if document.contains_key("schemaVersion") {
        return among(document, environment, asked);
    }
    if document.contains_key("contexts") || document.contains_key("current-context") {
        return Err(ConfigError::ContextsWithoutVersion);
    }
    match asked {
        Some(context) => Err(ConfigError::ContextWithoutContexts { context }),
        None => Ok(Selected { context: None, settings: document, prefix: String::new() }),
    }
}

fn among(
    mut document: Map<String, Value>,
    environment: Environment<'_>,
    asked: Option<String>,
) -> Result<Selected, ConfigError> {
    if let Some(key) = document.keys().find(|key| file::is_known(key)) {
        return Err(ConfigError::OutsideContext { key: key.clone() });
    }
    let written = document.get("current-context").cloned();
    let waiting = template::fill(&mut document, |key| key == "current-context", environment)
        .map_err(|(place, error)| ConfigError::Template { path: place.to_string(), error })?;
    if let Some(waiting) = waiting.first() {
        return Err(ConfigError::SecretOutsideSettings { path: waiting.place.to_string() });
    }
    let Contexts { schema_version, current_context, contexts } =
        document::parse(Value::Object(document))?;
    if schema_version != SCHEMA_VERSION {
        return Err(ConfigError::VersionUnknown);
    }
    for (index, context) in contexts.iter().enumerate() {
        if contexts[..index].iter().any(|earlier| earlier.name == context.name) {
            return Err(ConfigError::ContextTwice { context: context.name.clone() });
        }
    }
    let asked_for = asked.is_some();
    let wanted = asked
        .or(current_context.filter(|context| !context.is_empty()))
        .unwrap_or_else(|| CONTEXT_DEFAULT.to_owned());
    let defined: Vec<String> = contexts.iter().map(|context| context.name.clone()).collect();
    let found = contexts.into_iter().enumerate().find(|(_, context)| context.name == wanted);
    match found {
        Some((index, context)) => Ok(Selected {
            context: Some(context.name),
            settings: context.config.unwrap_or_default(),
            prefix: format!("contexts[{index}].config"),
        }),
        None => {
            let written = written.filter(|_| !asked_for);
            let context = show::template_or(written.as_ref(), &wanted);
            Err(ConfigError::ContextNotDefined { context, defined })
        }
    }
}
