//! The settings of a store: what its plugin's manifest declares, and what its operator wrote.

use crate::login::{Login, Material};
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
    /// Other names for it, which an operator can write as well.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Two settings that this one stands for: what is before its first `/`, and what is behind it.
    #[serde(default)]
    pub splits: Option<[String; 2]>,
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
    credentials: BTreeMap<String, Material>,
    logins: BTreeMap<String, Login>,
}

impl Settings {
    /// Checks `given` against what a manifest declares.
    pub(crate) fn check(
        declared: &BTreeMap<String, Setting>,
        required: &[String],
        given: &Map<String, Value>,
    ) -> Result<Self, SettingsError> {
        let given = spelled_out(declared, given)?;
        let mut settings = Self::default();
        for (name, setting) in declared {
            let value = given.get(name).map(|given| &given.value).or(setting.default.as_ref());
            let Some(value) = value else {
                if required.contains(name) {
                    return Err(SettingsError::Missing {
                        name: name.clone(),
                        description: setting.description.clone(),
                    });
                }
                continue;
            };
            if let (true, Value::Object(given)) = (setting.credential, value) {
                if given.contains_key("file") {
                    let path = Material::path(given)
                        .ok_or_else(|| SettingsError::File { name: name.clone() })?;
                    settings.credentials.insert(name.clone(), Material::File(path.to_owned()));
                    continue;
                }
                let login = Login::read(given)
                    .map_err(|why| SettingsError::Login { name: name.clone(), why })?;
                settings.logins.insert(name.clone(), login);
                continue;
            }
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
                    let credential = Material::Text(credential.clone());
                    settings.credentials.insert(name.clone(), credential);
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

    /// The value of a setting that is a credential, or where it is.
    #[must_use]
    pub fn credential(&self, name: &str) -> Option<&Material> {
        self.credentials.get(name)
    }

    /// The settings that are credentials and have a login in the place of their value.
    pub fn logins(&self) -> impl Iterator<Item = (&str, &Login)> {
        self.logins.iter().map(|(name, login)| (name.as_str(), login))
    }
}

/// What an operator gave a setting, and the name under which they wrote it.
struct Given<'a> {
    written: &'a str,
    value: Value,
}

/// What is given, by the names that the manifest declares: other names are replaced, and a setting that
/// stands for two gives both.
fn spelled_out<'a>(
    declared: &BTreeMap<String, Setting>,
    given: &'a Map<String, Value>,
) -> Result<BTreeMap<String, Given<'a>>, SettingsError> {
    let mut spelled: BTreeMap<String, Given<'a>> = BTreeMap::new();
    let mut add = |name: &str, written: &'a str, value: Value| match spelled
        .insert(name.to_owned(), Given { written, value })
    {
        Some(other) => {
            Err(SettingsError::Twice { name: other.written.to_owned(), again: written.to_owned() })
        }
        None => Ok(()),
    };
    for (written, value) in given {
        let found = declared
            .get_key_value(written)
            .or_else(|| declared.iter().find(|(_, setting)| setting.aliases.contains(written)));
        let Some((name, setting)) = found else {
            let aliases = declared.values().flat_map(|setting| &setting.aliases);
            return Err(SettingsError::Unknown {
                name: escape(written),
                nearest: nearest(written, declared.keys().chain(aliases)),
            });
        };
        // `null` in a configuration file is the same as nothing.
        if value.is_null() {
            continue;
        }
        if let (Some([first, rest]), Value::String(text)) = (&setting.splits, value) {
            let (before, behind) = text.split_once('/').unwrap_or((text, ""));
            add(first, written, before.into())?;
            add(rest, written, behind.into())?;
        }
        add(name, written, value.clone())?;
    }
    Ok(spelled)
}

/// Shows names only; an operator may have put a credential into any setting.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { values, credentials, logins } = self;
        let names = values.keys().chain(credentials.keys()).chain(logins.keys());
        f.debug_list().entries(names).finish()
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
    /// What stands in the place of a credential is no file.
    #[error(
        "the setting `{name}` takes `{{ file: PATH }}` with an absolute path and nothing beside it"
    )]
    File {
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
    /// What stands in the place of a credential is no login.
    #[error("the login in the setting `{name}` cannot be used: {why}")]
    Login {
        /// The setting.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A required setting is not there.
    #[error("the setting `{name}` is required: {description}")]
    Missing {
        /// The setting.
        name: String,
        /// What the manifest says of it.
        description: String,
    },
    /// Two names of one setting are there, or one that stands for another that is there too.
    #[error("the settings `{name}` and `{again}` say the same thing; keep one of them")]
    Twice {
        /// The one.
        name: String,
        /// The other.
        again: String,
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
    fn other_names_and_settings_that_stand_for_two() {
        let declared = serde_json::from_value(json!({
            "address": { "type": "string", "aliases": ["vault_addr"] },
            "token": { "type": "string", "credential": true, "aliases": ["vault_token"] },
            "mount": { "type": "string", "default": "secret" },
            "prefix": { "type": "string", "default": "" },
            "path_prefix": { "type": "string", "splits": ["mount", "prefix"] },
        }))
        .unwrap();
        let check = |given: Value, expected: Result<&[(&str, &str)], &str>| {
            let required = ["address".to_owned()];
            let settings = Settings::check(&declared, &required, given.as_object().unwrap());
            let visible = settings
                .as_ref()
                .map(|settings| settings.visible().collect::<Vec<_>>())
                .map_err(ToString::to_string);
            let expected = expected
                .map(|pairs| pairs.iter().map(|(name, text)| (*name, (*text).to_owned())).collect())
                .map_err(str::to_owned);
            assert_eq!(visible, expected, "{given}");
        };
        let plain = [("address", "x"), ("mount", "secret"), ("prefix", "")];
        check(json!({ "address": "x" }), Ok(&plain));
        check(json!({ "vault_addr": "x" }), Ok(&plain));
        check(json!({ "vault_addr": "x", "address": null, "vault_token": "canary" }), Ok(&plain));
        let split = |path, mount, prefix| {
            [("address", "x"), ("mount", mount), ("path_prefix", path), ("prefix", prefix)]
        };
        let with = |path: &str| json!({ "address": "x", "path_prefix": path });
        check(with("kv/my/app"), Ok(&split("kv/my/app", "kv", "my/app")));
        check(with("kv"), Ok(&split("kv", "kv", "")));
        check(with("kv/"), Ok(&split("kv/", "kv", "")));
        check(
            json!({ "address": "x", "vault_addr": "y" }),
            Err("the settings `address` and `vault_addr` say the same thing; keep one of them"),
        );
        check(
            json!({ "address": "x", "prefix": "y", "path_prefix": "kv/z" }),
            Err("the settings `prefix` and `path_prefix` say the same thing; keep one of them"),
        );
        check(
            json!({ "address": "x", "path_prefix": 1 }),
            Err("the setting `path_prefix` must be a text"),
        );
        check(
            json!({ "vault_adr": "x" }),
            Err("the plugin has no setting `vault_adr`; did you mean `vault_addr`?"),
        );
        let given = json!({ "vault_addr": "x", "vault_token": "canary" });
        let settings = Settings::check(&declared, &[], given.as_object().unwrap()).unwrap();
        assert_eq!(settings.credential("token"), Some(&Material::Text("canary".into())));
        assert_eq!(settings.credential("vault_token"), None);
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
        assert_eq!(settings.credential("token"), Some(&Material::Text("canary".into())));
        assert_eq!(format!("{settings:?}"), "[\"token\"]");
        let given = json!({ "token": { "file": "/run/token" } });
        let settings = Settings::check(&declared, &[], given.as_object().unwrap()).unwrap();
        assert_eq!(settings.credential("token"), Some(&Material::File("/run/token".into())));
        assert_eq!(settings.visible().count(), 0);
        for file in
            [json!({ "file": "canary" }), json!({ "file": 1 }), json!({ "file": "/a", "x": 1 })]
        {
            check(
                &json!({ "address": "x", "token": file }),
                Err(
                    "the setting `token` takes `{ file: PATH }` with an absolute path and nothing beside it",
                ),
            );
        }
        let login = json!({
            "login": "vault-approle", "url": "https://a.example/", "role-id": "canary", "secret-id": "canary",
        });
        let given = json!({ "token": login });
        let settings = Settings::check(&declared, &[], given.as_object().unwrap()).unwrap();
        assert_eq!(settings.logins().map(|(name, _)| name).collect::<Vec<_>>(), ["token"]);
        assert_eq!((settings.credential("token"), settings.visible().count()), (None, 0));
        assert_eq!(format!("{settings:?}"), "[\"token\"]");
        // Where the plugin would see it, it is no text.
        check(&json!({ "address": login }), Err("the setting `address` must be a text"));
        let file = json!({ "file": "/run/token" });
        check(&json!({ "address": file }), Err("the setting `address` must be a text"));
        check(
            &json!({ "address": "x", "token": {} }),
            Err(
                "the login in the setting `token` cannot be used: `login` must be one of client-credentials, \
                 google-metadata, jwt-bearer, managed-identity, vault-approle, vault-kubernetes",
            ),
        );
    }
}
