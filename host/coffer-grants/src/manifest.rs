//! Manifests: what a plugin says of itself and asks for.

use crate::grants::Grants;
use crate::reference::{escape, escape_within};
use crate::settings::{Setting, SettingKind, Settings, SettingsError};
use crate::template;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a manifest.
const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a name, a version and a description.
const TEXT_BYTES_MAX: usize = 1024;

/// Characters of a parser's message, which quotes what it could not read.
const MESSAGE_CHARACTERS_MAX: usize = 512;

/// What a plugin says of itself. It is the plugin author's word: it grants nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    name: String,
    version: String,
    description: String,
    batch: bool,
    settings: BTreeMap<String, Setting>,
    required: Vec<String>,
    asks: Map<String, Value>,
}

impl Manifest {
    /// Reads the JSON of the section `coffer:manifest`.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] says what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge(json.len()));
        }
        let raw: RawManifest = serde_json::from_slice(json)
            .map_err(|error| ManifestError::Malformed(message(&error)))?;
        let RawManifest { name, version, description, batch, settings, asks } = raw;
        for (what, text) in [("name", &name), ("version", &version), ("description", &description)]
        {
            if text.is_empty() || !is_plain(text) {
                return Err(ManifestError::Text(what));
            }
        }
        // They are part of messages too.
        for (name, setting) in &settings.properties {
            if name.is_empty() || !is_plain(name) {
                return Err(ManifestError::Text("names of settings"));
            }
            if !is_plain(&setting.description) {
                return Err(ManifestError::Text("descriptions of settings"));
            }
            if !setting.aliases.iter().all(|alias| !alias.is_empty() && is_plain(alias)) {
                return Err(ManifestError::Text("names of settings"));
            }
        }
        check_names(&settings.properties)?;
        if let Some(unknown) =
            settings.required.iter().find(|name| !settings.properties.contains_key(*name))
        {
            return Err(ManifestError::Template(escape(unknown)));
        }
        let visible =
            |name: &str| settings.properties.get(name).is_some_and(|setting| !setting.credential);
        asks.values().try_for_each(|value| template::check(value, &visible))?;
        let manifest = Self {
            name,
            version,
            description,
            batch,
            settings: settings.properties,
            required: settings.required,
            asks,
        };
        // An unknown kind of grant is found here and not by the first operator who fills it in.
        let known = ["commands", "directories", "environment", "http", "referenced"];
        if let Some(unknown) = manifest.asks.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(ManifestError::Asks(format!("there is no grant `{}`", escape(unknown))));
        }
        Ok(manifest)
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The plugin's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the plugin does, in a sentence.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether one instance is to be given the whole list of references.
    #[must_use]
    pub fn batch(&self) -> bool {
        self.batch
    }

    /// The settings by name, and whether each is required.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting, bool)> {
        self.settings
            .iter()
            .map(|(name, setting)| (name.as_str(), setting, self.required.contains(name)))
    }

    /// Whether the settings are declared as `other` declares them.
    pub(crate) fn declares_as(&self, other: &Self) -> bool {
        self.settings == other.settings && self.required == other.required
    }

    /// What the plugin asks for, as it wrote it: grants with `{{setting}}` in places.
    #[must_use]
    pub fn asks(&self) -> &Map<String, Value> {
        &self.asks
    }

    /// Checks `given` against the settings that the manifest declares.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the setting that is wrong.
    pub fn check_settings(&self, given: &Map<String, Value>) -> Result<Settings, SettingsError> {
        Settings::check(&self.settings, &self.required, given)
    }

    /// What the plugin asks for with `settings`. It is for the operator to look at, or for the host to
    /// grant where the plugin is part of it.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Asks`] if that is not grants.
    pub fn asked(&self, settings: &Settings) -> Result<Grants, ManifestError> {
        serde_json::from_value(Value::Object(self.asked_json(settings)))
            .map_err(|error| ManifestError::Asks(without_content(&error)))
    }

    /// [`Manifest::asked`] as it is written in a configuration file.
    #[must_use]
    pub fn asked_json(&self, settings: &Settings) -> Map<String, Value> {
        template::fill(&self.asks, settings)
    }
}

/// Checks that every name means one setting, and that what a setting stands for is there and is as
/// visible as it is.
fn check_names(settings: &BTreeMap<String, Setting>) -> Result<(), ManifestError> {
    let mut names: BTreeSet<&String> = settings.keys().collect();
    for alias in settings.values().flat_map(|setting| &setting.aliases) {
        if !names.insert(alias) {
            return Err(ManifestError::Twice(alias.clone()));
        }
    }
    let is_visible_text =
        |setting: &Setting| setting.kind == SettingKind::String && !setting.credential;
    for (name, setting) in settings {
        // The host would read the file, or log in where the plugin's author wants, for an operator who wrote
        // nothing of it.
        if setting.credential && setting.default.is_some() {
            return Err(ManifestError::Default(escape(name)));
        }
        for part in setting.splits.iter().flatten() {
            let there = settings.get(part).filter(|part| part.splits.is_none());
            if !is_visible_text(setting) || !there.is_some_and(is_visible_text) {
                return Err(ManifestError::Template(escape(part)));
            }
        }
    }
    Ok(())
}

/// Printable ASCII of a bounded length: what can be shown as it is.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    text.len() <= TEXT_BYTES_MAX && text.bytes().all(plain)
}

fn message(error: &serde_json::Error) -> String {
    escape_within(&error.to_string(), MESSAGE_CHARACTERS_MAX)
}

/// What the parser says of grants that settings were filled into, without the value that it quotes: an
/// operator may have put a credential into any setting.
fn without_content(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    for kind in ["invalid type", "invalid value", "invalid length", "unknown variant"] {
        if whole.starts_with(kind) {
            let expected = whole.rsplit_once("expected ").map_or("something else", |(_, e)| e);
            return escape_within(&format!("{kind}, expected {expected}"), MESSAGE_CHARACTERS_MAX);
        }
    }
    // What our own types say quotes no value.
    message(error)
}

/// What is wrong with a manifest. The plugin author's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// What it asks for is not grants.
    #[error("what the manifest asks for cannot be granted: {0}")]
    Asks(String),
    /// A credential has a default.
    #[error("the setting `{0}` is a credential, which only an operator gives, and has a default")]
    Default(String),
    /// It is not JSON of this shape.
    #[error("the manifest is malformed: {0}")]
    Malformed(String),
    /// It names a setting that it does not declare, or one that is a credential, or a template does not
    /// end.
    #[error(
        "the manifest uses `{0}`, which is no setting that it declares and shows to the plugin"
    )]
    Template(String),
    /// A text is empty, too long, or has a character beyond printable ASCII.
    #[error("the manifest's {0} must be 1 to 1024 printable ASCII characters")]
    Text(&'static str),
    /// Two settings have one name.
    #[error("two settings of the manifest have the name `{0}`")]
    Twice(String),
    /// It is too large.
    #[error("the manifest is {0} bytes long; at most 65536 are allowed")]
    TooLarge(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    version: String,
    description: String,
    #[serde(default)]
    batch: bool,
    #[serde(default)]
    settings: RawSettings,
    #[serde(default)]
    asks: Map<String, Value>,
}

/// The part of JSON Schema that settings are described in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawSettings {
    #[serde(rename = "type")]
    _type: ObjectType,
    #[serde(default)]
    properties: BTreeMap<String, Setting>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(rename = "additionalProperties", default)]
    _additional_properties: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ObjectType {
    Object,
}

impl Default for RawSettings {
    fn default() -> Self {
        Self {
            _type: ObjectType::Object,
            properties: BTreeMap::new(),
            required: Vec::new(),
            _additional_properties: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(changes: &Value) -> Result<Manifest, ManifestError> {
        let mut json = json!({
            "name": "vault", "version": "1.0.0", "description": "Keeps secrets in Vault",
            "settings": {
                "type": "object",
                "properties": {
                    "address": { "type": "string" },
                    "token": { "type": "string", "credential": true },
                    "names": { "type": "array" },
                },
                "required": ["address"],
                "additionalProperties": false,
            },
        });
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Manifest::parse(json.to_string().as_bytes())
    }

    #[test]
    fn what_is_asked_for_is_filled_in() {
        let asks = json!({ "asks": {
            "http": [{ "url": "{{address}}/v1/**", "methods": ["GET"], "headers": { "x": { "setting": "token" } } }],
            "environment": "{{names}}",
        }});
        let manifest = manifest(&asks).unwrap();
        let asked = |settings: Value| {
            let settings = manifest.check_settings(settings.as_object().unwrap()).unwrap();
            manifest.asked(&settings)
        };
        let grants = asked(json!({ "address": "https://v.example/", "names": ["A"] })).unwrap();
        assert_eq!(grants.http_grants()[0].url().to_string(), "https://v.example/v1/**");
        assert_eq!(grants.variables().collect::<Vec<_>>(), ["A"]);
        // A setting that is not set leaves out what needs it.
        let grants = asked(json!({ "address": "https://v.example" })).unwrap();
        assert_eq!(grants.variables().count(), 0);
        assert_eq!(grants.http_grants().len(), 1);
        // A setting cannot make a pattern wider than a pattern can be, nor add anything.
        assert!(matches!(asked(json!({ "address": "https://*" })), Err(ManifestError::Asks(_))));
        assert!(matches!(
            asked(json!({ "address": "https://a.example/**" })),
            Err(ManifestError::Asks(_))
        ));
        assert!(matches!(
            asked(json!({ "address": "https://a.example\", \"x\": \"" })),
            Err(ManifestError::Asks(_))
        ));
    }

    #[test]
    fn a_manifest_says_what_it_is() {
        let manifest =
            manifest(&json!({ "batch": true, "asks": { "environment": ["A"] } })).unwrap();
        assert_eq!(manifest.name(), "vault");
        assert_eq!(manifest.version(), "1.0.0");
        assert_eq!(manifest.description(), "Keeps secrets in Vault");
        assert!(manifest.batch());
        assert_eq!(Value::Object(manifest.asks().clone()), json!({ "environment": ["A"] }));
        let settings: Vec<_> = manifest
            .settings()
            .map(|(name, setting, required)| (name, setting.credential, required))
            .collect();
        let expected = [("address", false, true), ("names", false, false), ("token", true, false)];
        assert_eq!(settings, expected);
        let small = br#"{"name":"a","version":"1","description":"b"}"#;
        assert!(!Manifest::parse(small).unwrap().batch());
    }

    /// What an operator put into a setting is not shown, whatever the manifest does with it.
    #[test]
    fn what_was_filled_in_is_not_shown() {
        let check = |asks: Value, expected: &str| {
            let manifest = manifest(&json!({ "asks": asks })).unwrap();
            let given = json!({ "address": "canary\", expected canary", "names": ["canary"] });
            let settings = manifest.check_settings(given.as_object().unwrap()).unwrap();
            let error = manifest.asked(&settings).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("canary"), "{asks}: {error}");
        };
        check(json!({ "environment": "{{address}}" }), "invalid type, expected a sequence");
        check(
            json!({ "directories": ["{{address}}"] }),
            "expected a directory: `host` and `access`",
        );
        check(
            json!({ "directories": [{ "host": "/a", "access": "{{address}}" }] }),
            "unknown variant, expected `read-only` or `read-write`",
        );
        check(json!({ "http": "{{names}}" }), "expected a rule: `url` and `methods`");
        check(json!({ "http": [{ "url": "{{address}}", "methods": [] }] }), "cannot be granted");
        check(json!({ "commands": [["./{{address}}"]] }), "the program of a granted command");
        check(json!({ "environment": ["{{address}}=x"] }), "`environment[0]`");
        check(json!({ "referenced": ["{{address}}"] }), "`referenced` can grant");
    }

    #[test]
    fn what_is_asked_for_depends_on_settings() {
        let rule = |more: Value| {
            let mut rule = json!({ "methods": ["GET"], "ca": "{{optional names_of_ca}}" });
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            rule
        };
        let asks = json!({
            "settings": { "type": "object", "properties": {
                "version": { "type": "integer" },
                "private": { "type": "boolean", "default": false },
                "names_of_ca": { "type": "string" },
            } },
            "asks": { "http": [
                rule(json!({ "url": "{{when version 1}}https://one.example/**" })),
                rule(json!({ "url": "{{when version 2}}https://two.example/**" })),
                rule(json!({ "url": "{{unless version}}https://none.example/**" })),
                rule(json!({ "url": "https://both.example/**", "private-addresses": "{{private}}" })),
            ] },
        });
        let manifest = manifest(&asks).unwrap();
        let check = |settings: Value, urls: &[&str], ca: Option<&str>, private: bool| {
            let settings = manifest.check_settings(settings.as_object().unwrap()).unwrap();
            let asked = manifest.asked(&settings).unwrap();
            let asked = asked.http_grants();
            let found: Vec<String> = asked.iter().map(|grant| grant.url().to_string()).collect();
            assert_eq!(found, urls);
            assert!(asked.iter().all(|grant| grant.ca() == ca));
            let reach = asked.last().unwrap().reach();
            assert_eq!(reach == crate::Reach::Private, private);
        };
        let [one, two, none, both] =
            ["one", "two", "none", "both"].map(|name| format!("https://{name}.example/**"));
        let [one, two, none, both] = [&one, &two, &none, &both].map(String::as_str);
        check(json!({}), &[none, both], None, false);
        check(json!({ "version": 1 }), &[one, both], None, false);
        check(json!({ "version": 2, "private": true }), &[two, both], None, true);
        check(json!({ "version": 3, "names_of_ca": "/ca" }), &[both], Some("/ca"), false);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |changes: Value, expected: &str| {
            let error = manifest(&changes).unwrap_err().to_string();
            assert!(error.contains(expected), "{changes}: {error}");
        };
        check(json!({ "name": "" }), "name must be");
        check(json!({ "name": "a\u{1b}[2J" }), "name must be");
        check(json!({ "description": "\u{202e}" }), "description must be");
        check(json!({ "version": "1".repeat(1025) }), "version must be");
        check(json!({ "name": 1 }), "invalid type");
        check(json!({ "\u{1b}[2J": 1 }), "unknown field `\\u{1b}[2J`");
        check(json!({ "asks": { "\u{202e}": [] } }), "no grant `\\u{202e}`");
        let setting = |name: &str, description: &str| {
            let setting = json!({ "type": "string", "description": description });
            json!({ "settings": { "type": "object", "properties": { name: setting } } })
        };
        check(setting("\u{1b}[2J", ""), "names of settings must be");
        check(setting("", ""), "names of settings must be");
        check(setting("a", "\u{202e}"), "descriptions of settings must be");
        let pair = |one: Value, other: Value| json!({ "settings": { "type": "object", "properties": { "a": one, "b": other } } });
        let text = json!({ "type": "string" });
        let alias = |name: &str| json!({ "type": "string", "aliases": [name] });
        let splits = |name: &str| json!({ "type": "string", "splits": [name, name] });
        check(pair(alias("b"), text.clone()), "two settings of the manifest have the name `b`");
        check(pair(alias("c"), alias("c")), "have the name `c`");
        check(pair(alias(""), text.clone()), "names of settings must be");
        check(pair(alias("\u{1b}"), text.clone()), "names of settings must be");
        check(pair(splits("c"), text.clone()), "uses `c`");
        check(pair(splits("a"), text), "uses `a`");
        check(pair(splits("b"), json!({ "type": "integer" })), "uses `b`");
        check(pair(splits("b"), json!({ "type": "string", "credential": true })), "uses `b`");
        for default in
            [json!("x"), json!({ "file": "/etc/shadow" }), json!({ "login": "jwt-bearer" })]
        {
            let credential = json!({ "type": "string", "credential": true, "default": default });
            check(pair(json!({ "type": "string" }), credential), "`b` is a credential, which only");
        }
        check(json!({ "licence": "x" }), "unknown field `licence`");
        check(json!({ "settings": { "type": "array" } }), "unknown variant");
        check(json!({ "settings": { "type": "object", "required": ["x"] } }), "uses `x`");
        check(
            json!({ "settings": { "type": "object", "properties": { "a": { "type": "null" } } } }),
            "unknown variant",
        );
        check(json!({ "asks": { "files": [] } }), "no grant `files`");
        check(json!({ "asks": { "environment": ["{{unknown}}"] } }), "uses `unknown`");
        check(json!({ "asks": { "environment": ["{{token}}"] } }), "uses `token`");
        check(json!({ "asks": { "environment": ["{{optional token}}"] } }), "uses `token`");
        check(json!({ "asks": { "environment": ["{{when token x}}"] } }), "uses `token`");
        check(json!({ "asks": { "environment": ["{{unless token}}"] } }), "uses `token`");
        check(json!({ "asks": { "environment": ["{{unless address x}}"] } }), "uses `unless");
        check(json!({ "asks": { "environment": ["{{address"] } }), "uses `{{address`");
        for malformed in ["", "null", "[]", "{", "\u{0}"] {
            assert!(Manifest::parse(malformed.as_bytes()).is_err(), "{malformed:?}");
        }
        let small = r#"{"name":"a","version":"1","description":"b"}"#;
        let most = format!("{}{small}", " ".repeat(MANIFEST_BYTES_MAX - small.len()));
        assert!(Manifest::parse(most.as_bytes()).is_ok());
        let large = format!("{}{{}}", " ".repeat(MANIFEST_BYTES_MAX));
        assert!(matches!(Manifest::parse(large.as_bytes()), Err(ManifestError::TooLarge(_))));
    }
}
