//! What the file says of registries. What a pattern covers and what a key is worth is for whoever asks registries.

use super::error::ConfigError;
use super::file::RegistrySection;
use super::settings::join;
use serde_json::{Map, Value, json};

/// An entry of `registries`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryEntry {
    /// Which registry or part of one: `host`, `host/repository` or `host/words/**`.
    pub registry: String,
    /// A file of certificate authorities to trust instead of the operating system's.
    pub ca: Option<String>,
    /// Whether it is spoken to without TLS.
    pub plain_http: Option<bool>,
    /// A file of public keys, one of which has to have signed what is there.
    pub require_signature: Option<String>,
}

impl RegistryEntry {
    pub(super) fn show(&self) -> Value {
        let Self { registry, ca, plain_http, require_signature } = self;
        let mut shown = Map::from_iter([("registry".to_owned(), json!(registry))]);
        let all = [
            ("ca", json!(ca)),
            ("plain-http", json!(plain_http)),
            ("require-signature", json!(require_signature)),
        ];
        for (key, value) in all.into_iter().filter(|(_, value)| !value.is_null()) {
            shown.insert(key.to_owned(), value);
        }
        Value::Object(shown)
    }
}

/// The registries of the file. A key without a name is no key: it would be read as nothing that is required.
pub(super) fn read(
    sections: Option<Vec<RegistrySection>>,
    prefix: &str,
) -> Result<Vec<RegistryEntry>, ConfigError> {
    let read = |(index, section): (usize, RegistrySection)| {
        let RegistrySection { registry, ca, plain_http, require_signature } = section;
        let texts = [
            ("registry", Some(&registry)),
            ("ca", ca.as_ref()),
            ("require-signature", require_signature.as_ref()),
        ];
        for (key, text) in texts {
            if text.is_some_and(String::is_empty) {
                let path = join(prefix, &format!("registries[{index}].{key}"));
                return Err(ConfigError::Empty { path });
            }
        }
        Ok(RegistryEntry { registry, ca, plain_http, require_signature })
    };
    sections.unwrap_or_default().into_iter().enumerate().map(read).collect()
}
