//! The configuration file, in the three languages at once.

use crate::said::{self, CANARY};
use coffer_bundle::config::Config;
use coffer_bundle::document::{self, DocumentError, Format};
use coffer_host::MASK;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where names stand. They are shown, so that people see which is not defined.
const NAMES: [&str; 5] =
    ["/name", "/plugin", "/default-secrets", "/default-storage", "/current-context"];

pub(crate) fn config(data: &[u8]) {
    if said::has_canary(data) {
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    for format in [Format::Json, Format::Toml, Format::Yaml] {
        match document::read(text, format) {
            Ok(document) => read(&document, data.len()),
            Err(error) => {
                said::line(&error.to_string());
                if let DocumentError::Syntax { line, column, .. } = error {
                    // YAML has more ends of lines than one.
                    assert!(line <= text.len() + 1, "{line}");
                    assert!(column <= text.len() + 1, "{column}");
                }
            }
        }
    }
}

fn read(document: &Value, which: usize) {
    if let Some(config) = parsed(document) {
        shows_itself(&config);
        let used = config.default_storage().fill(&BTreeMap::new());
        used.err().iter().for_each(|error| drop(said::explained(error)));
        for store in &config.stores {
            if let Err(error) = store.fill(&BTreeMap::new()) {
                said::explained(&error);
            }
        }
    }
    // One text somewhere is a secret that does not belong there.
    let places = said::texts(document);
    let Some(place) = places.get(which % places.len().max(1)) else { return };
    if !NAMES.iter().any(|name| place.ends_with(name)) {
        for wrong in [CANARY.to_owned(), format!("${{{CANARY}"), format!("NAME={CANARY}\n")] {
            let mut document = document.clone();
            *document.pointer_mut(place).unwrap() = wrong.into();
            parsed(&document);
        }
    }
}

fn parsed(document: &Value) -> Option<Config> {
    // Every variable is a secret, but for those that would override every key.
    let environment = |name: &str| (!name.starts_with("COFFER_")).then(|| CANARY.to_owned());
    match Config::parse(document.clone(), &environment, None) {
        Ok(config) => Some(config),
        Err(error) => {
            said::explained(&error);
            None
        }
    }
}

/// What is shown shows no variable, and is a configuration that shows the same.
fn shows_itself(config: &Config) {
    let shown = config.show();
    let text = shown.to_string();
    if !text.contains(MASK) {
        let again = parsed(&shown).unwrap_or_else(|| panic!("{text} is refused"));
        assert_eq!(again.show(), shown);
        assert_eq!(again.default_store().grants, config.default_store().grants);
        assert_eq!(again.default_store().limits, config.default_store().limits);
    }
}
