//! The settings of a store: what its plugin's manifest declares, and what its operator wrote.

use crate::reference::escape;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A setting that a manifest declares: a property of its JSON Schema.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: SettingKind,
    /// A sentence for whoever sets it.
    #[serde(default)]
    pub description: String,
    /// What it is if it is not set.
    #[serde(default)]
    pub default: Option<Value>,
    /// Whether it is a credential: the host keeps it, and the plugin never sees it.
    #[serde(default)]
    pub credential: bool,
    /// The values it can have, if there are only some.
    #[serde(default, rename = "enum")]
    pub choices: Option<Vec<Value>>,
}

/// The kinds of settings, by their names in JSON Schema. The items of an array are strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingKind {
    /// A list of texts.
    Array,
    /// A truth value.
    Boolean,
    /// A whole number.
    Integer,
    /// A text.
    String,
}

impl SettingKind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Array => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::String => value.is_string(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Array => "a list of texts",
            Self::Boolean => "true or false",
            Self::Integer => "a whole number",
            Self::String => "a text",
        }
    }
}

/// Settings as their operator wrote them, checked against the manifest and completed by its defaults.
#[derive(Clone, Default, PartialEq)]
pub struct Settings {
    values: BTreeMap<String, Value>,
    credentials: BTreeMap<String, String>,
}

impl Settings {
    /// Checks `given` against what a manifest declares.
    pub(crate) fn check(
        declared: &BTreeMap<String, Setting>,
        required: &[String],
        given: &Map<String, Value>,
    ) -> Result<Self, SettingsError> {
        if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
            return Err(SettingsError::Unknown {
                name: escape(unknown),
                nearest: nearest(unknown, declared.keys()),
            });
        }
        let mut settings = Self::default();
        for (name, setting) in declared {
            // `null` in a configuration file is the same as nothing.
            let value =
                given.get(name).filter(|value| !value.is_null()).or(setting.default.as_ref());
            let Some(value) = value else {
                if required.contains(name) {
                    return Err(SettingsError::Missing {
                        name: name.clone(),
                        description: setting.description.clone(),
                    });
                }
                continue;
            };
            if !setting.kind.fits(value) {
                return Err(SettingsError::Kind {
                    name: name.clone(),
                    expected: setting.kind.name(),
                });
            }
            if setting.choices.as_ref().is_some_and(|choices| !choices.contains(value)) {
                return Err(SettingsError::Choice { name: name.clone() });
            }
            match (setting.credential, value) {
                (true, Value::String(credential)) => {
                    settings.credentials.insert(name.clone(), credential.clone());
                }
                (true, _) => {
                    return Err(SettingsError::Kind { name: name.clone(), expected: "a text" });
                }
                (false, value) => {
                    settings.values.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(settings)
    }

    /// What the plugin sees: each setting that is no credential, as text. Texts are themselves, anything
    /// else is JSON.
    pub fn visible(&self) -> impl Iterator<Item = (&str, String)> {
        self.values.iter().map(|(name, value)| (name.as_str(), text(value)))
    }

    /// The value of a setting that is no credential.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The value of a setting that is a credential.
    #[must_use]
    pub fn credential(&self, name: &str) -> Option<&str> {
        self.credentials.get(name).map(String::as_str)
    }
}

/// Shows names only; an operator may have put a credential into any setting.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.keys()).entries(self.credentials.keys()).finish()
    }
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The known name that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 2)
        .min()
        .map(|(_, candidate)| candidate.clone())
}

/// What is wrong with a store's settings. The operator's to mend. No value is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The setting has only some values, and this is none of them.
    #[error("the setting `{name}` cannot have this value; see `coffer plugins inspect`")]
    Choice {
        /// The setting.
        name: String,
    },
    /// The value is of another kind.
    #[error("the setting `{name}` must be {expected}")]
    Kind {
        /// The setting.
        name: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A required setting is not there.
    #[error("the setting `{name}` is required: {description}")]
    Missing {
        /// The setting.
        name: String,
        /// What the manifest says of it.
        description: String,
    },
    /// The plugin has no such setting.
    #[error("the plugin has no setting `{name}`{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// The name, escaped and cut.
        name: String,
        /// The setting that was probably meant.
        nearest: Option<String>,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(given: &Value, expected: Result<&[(&str, &str)], &str>) {
        let declared = serde_json::from_value(json!({
            "address": { "type": "string" },
            "token": { "type": "string", "credential": true },
            "mount": { "type": "string", "default": "secret" },
            "retries": { "type": "integer" },
            "verify": { "type": "boolean" },
            "names": { "type": "array" },
            "kind": { "type": "string", "enum": ["a", "b"] },
        }))
        .unwrap();
        let settings = Settings::check(&declared, &["address".into()], given.as_object().unwrap());
        match (settings, expected) {
            (Ok(settings), Ok(expected)) => {
                let visible: Vec<_> = settings.visible().collect();
                let visible: Vec<_> =
                    visible.iter().map(|(name, text)| (*name, text.as_str())).collect();
                assert_eq!(visible, expected, "{given}");
            }
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected, "{given}"),
            (actual, expected) => panic!("{given}: {actual:?}, not {expected:?}"),
        }
    }

    #[test]
    fn settings_are_checked_and_completed() {
        check(&json!({ "address": "x" }), Ok(&[("address", "x"), ("mount", "secret")]));
        check(
            &json!({
                "address": "x", "mount": "kv", "retries": 3, "verify": true, "names": ["a"], "kind": "b"
            }),
            Ok(&[
                ("address", "x"),
                ("kind", "b"),
                ("mount", "kv"),
                ("names", "[\"a\"]"),
                ("retries", "3"),
                ("verify", "true"),
            ]),
        );
        check(
            &json!({ "address": "x", "mount": null }),
            Ok(&[("address", "x"), ("mount", "secret")]),
        );
        check(&json!({}), Err("the setting `address` is required: "));
        check(&json!({ "address": null }), Err("the setting `address` is required: "));
        check(
            &json!({ "address": "x", "adress": "y" }),
            Err("the plugin has no setting `adress`; did you mean `address`?"),
        );
        check(
            &json!({ "address": "x", "adrs": 1 }),
            Err("the plugin has no setting `adrs`; did you mean `address`?"),
        );
        for number in [json!(-1), json!(u64::MAX)] {
            let text = number.to_string();
            check(
                &json!({ "address": "x", "retries": number }),
                Ok(&[("address", "x"), ("mount", "secret"), ("retries", &text)]),
            );
        }
        check(
            &json!({ "address": "x", "qqqqqqqq": 1 }),
            Err("the plugin has no setting `qqqqqqqq`"),
        );
        check(&json!({ "address": 1 }), Err("the setting `address` must be a text"));
        check(
            &json!({ "address": "x", "retries": "3" }),
            Err("the setting `retries` must be a whole number"),
        );
        check(
            &json!({ "address": "x", "retries": 3.5 }),
            Err("the setting `retries` must be a whole number"),
        );
        check(
            &json!({ "address": "x", "verify": "yes" }),
            Err("the setting `verify` must be true or false"),
        );
        check(
            &json!({ "address": "x", "names": [1] }),
            Err("the setting `names` must be a list of texts"),
        );
        check(
            &json!({ "address": "x", "kind": "c" }),
            Err("the setting `kind` cannot have this value; see `coffer plugins inspect`"),
        );
    }

    #[test]
    fn a_credential_is_kept_apart() {
        check(
            &json!({ "address": "x", "token": "canary" }),
            Ok(&[("address", "x"), ("mount", "secret")]),
        );
        let declared =
            serde_json::from_value(json!({ "token": { "type": "string", "credential": true } }))
                .unwrap();
        let given = json!({ "token": "canary" });
        let settings = Settings::check(&declared, &[], given.as_object().unwrap()).unwrap();
        assert_eq!(settings.credential("token"), Some("canary"));
        assert_eq!(format!("{settings:?}"), "[\"token\"]");
    }
}
