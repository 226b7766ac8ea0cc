//! The configuration in effect, for people. A text that comes from a template is shown as the template,
//! and a literal one as it is, unless its key or its form says that it is a credential.

use super::Config;
use super::registry::RegistryEntry;
use super::storage::StorageEntry;
use super::store::StoreEntry;
use crate::template;
use coffer_host::MASK;
use coffer_host::grants::Login;
use coffer_host::limits::Limits;
use serde_json::{Map, Value, json};

/// What is in the name of a setting that is a credential, without case and separators.
const CREDENTIAL_WORDS: [&str; 11] = [
    "accesskey",
    "apikey",
    "authorization",
    "connectionstring",
    "connstr",
    "credential",
    "passphrase",
    "passw",
    "privatekey",
    "secret",
    "token",
];

impl Config {
    /// Everything in effect. It is a configuration file itself, as long as nothing in it is masked.
    #[must_use]
    pub fn show(&self) -> Value {
        let text = |key: &str, effective: &str| json!(self.written.text(key, effective));
        let mut shown = Map::new();
        let mut show = |key: &str, value: Value| shown.insert(key.to_owned(), value);
        // Only the one that counts.
        match &self.default_secrets {
            Some(name) => show("default-secrets", text("default-secrets", name)),
            None => show(
                "default-secrets-plugin",
                text("default-secrets-plugin", &self.default_secrets_plugin),
            ),
        };
        show("secrets", self.stores.iter().map(store).collect());
        match &self.default_storage {
            Some(name) => show("default-storage", text("default-storage", name)),
            None => show(
                "default-storage-plugin",
                text("default-storage-plugin", &self.default_storage_plugin),
            ),
        };
        show("storage", self.storage.iter().map(storage).collect());
        if !self.registries.is_empty() {
            show("registries", self.registries.iter().map(RegistryEntry::show).collect());
        }
        if let Some(driver) = &self.runtime_driver {
            show("runtime-driver", text("runtime-driver", driver));
        }
        show("namespace", text("namespace", &self.namespace));
        show("verbosity", text("verbosity", self.verbosity.name()));
        Value::Object(shown)
    }
}

fn store(store: &StoreEntry) -> Value {
    let StoreEntry { name: _, plugin, grants: _, isolation, limits: allowed, settings: _, written } =
        store;
    let mut shown = Map::new();
    shown.insert("name".into(), json!(store.shown_name()));
    shown.insert("plugin".into(), json!(written.text("plugin", plugin)));
    for key in ["config", "grants"] {
        if let Some(value) = written.0.get(key).filter(|value| !value.is_null()) {
            // Grants name where credentials are, and hold none.
            let value = if key == "config" { masked(value, false) } else { value.clone() };
            shown.insert(key.into(), value);
        }
    }
    if let Some(isolation) = isolation {
        shown.insert("isolation".into(), json!(written.text("isolation", &isolation.to_string())));
    }
    shown.insert("limits".into(), limits(allowed));
    Value::Object(shown)
}

fn storage(storage: &StorageEntry) -> Value {
    let StorageEntry { name: _, plugin, settings: _, written } = storage;
    let mut shown = Map::new();
    shown.insert("name".into(), json!(storage.shown_name()));
    shown.insert("plugin".into(), json!(written.text("plugin", plugin)));
    if let Some(config) = written.0.get("config").filter(|config| !config.is_null()) {
        shown.insert("config".into(), masked(config, false));
    }
    Value::Object(shown)
}

fn limits(limits: &Limits) -> Value {
    let Limits { memory, call, concurrency, answer, requests, body } = *limits;
    json!({
        "memory": bytes(memory),
        "call": humantime::format_duration(call).to_string(),
        "concurrency": concurrency,
        "answer": bytes(answer),
        "requests": requests,
        "body": bytes(body),
    })
}

fn bytes(bytes: usize) -> Value {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => json!(format!("{}MiB", bytes >> 20)),
        _ if bytes.is_multiple_of(1 << 10) => json!(format!("{}KiB", bytes >> 10)),
        _ => json!(bytes),
    }
}

/// The template at `value`, or else what is in effect.
pub(super) fn template_or(value: Option<&Value>, effective: &str) -> String {
    let written = value.and_then(Value::as_str);
    let template = written.filter(|text| template::beside_templates(text).is_some());
    template.unwrap_or(effective).to_owned()
}

/// The settings with their literal credentials masked. `credential` is whether a key above says so.
fn masked(value: &Value, credential: bool) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| masked(item, credential)).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| {
                (key.clone(), masked(value, is_credential(entries, key, credential)))
            })
            .collect(),
        single if is_literal_credential(single, credential) => json!(MASK),
        single => single.clone(),
    }
}

/// Whether a single value is a credential that stands in the file as it is: by its form, or if `credential`
/// says so. A text that has nothing beside its templates is none.
pub(super) fn is_literal_credential(value: &Value, credential: bool) -> bool {
    match value {
        Value::String(text) => {
            let literal = template::beside_templates(text).unwrap_or_else(|| text.clone());
            !literal.is_empty() && (credential || has_password(&literal))
        }
        Value::Bool(_) | Value::Number(_) => credential,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether what stands at `key` is a credential, by its key or because what it is part of is one. A login says
/// itself which of its parts are.
pub(super) fn is_credential(entries: &Map<String, Value>, key: &str, all: bool) -> bool {
    Login::hides(entries, key).unwrap_or_else(|| all || sounds_like_credential(key))
}

fn sounds_like_credential(key: &str) -> bool {
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    CREDENTIAL_WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a URL in `text` has a password, or a user name that may be a token.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        // A password may have the characters that end an authority.
        authority.contains('@') || user.contains(':')
    })
}
