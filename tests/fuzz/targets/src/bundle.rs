//! `bundle.json`.

use crate::said::{self, CANARY};
use coffer_bundle::bundle::Bundle;
use coffer_bundle::document::{self, Format};
use serde_json::Value;

/// Where a definition shows values.
const VALUES: [&str; 6] = ["const", "default", "defaultValue", "enum", "examples", "example"];

/// Under these stand names, and schemas under those: a property may be called `default`.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

pub(crate) fn bundle(data: &[u8]) {
    if said::has_canary(data) {
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(document) = document::read(text, Format::Json) else { return };
    if let Some(bundle) = parsed(&document) {
        named(&bundle);
        let again = parsed(bundle.document()).expect("what was read once is read again");
        assert_eq!(again.redacted(), bundle.redacted());
        assert_eq!(again.warnings(), bundle.warnings());
        let redacted = parsed(&bundle.redacted()).expect("what is kept of a bundle is a bundle");
        assert_eq!(redacted.redacted(), bundle.redacted());
        for parameter in bundle.parameters().values() {
            if let Err(error) = parameter.definition.check(&Value::from(CANARY)) {
                said::line(&error.to_string());
                said::lacks_canary(&format!("{error} {error:?}"));
            }
        }
    }
    planted(document);
}

fn parsed(document: &Value) -> Option<Bundle> {
    match Bundle::parse(document.clone()) {
        Ok(bundle) => {
            for warning in bundle.warnings() {
                said::line(warning);
                said::lacks_canary(warning);
            }
            said::lacks_canary(&format!("{bundle:?}"));
            Some(bundle)
        }
        Err(error) => {
            said::line(&error.to_string());
            said::lacks_canary(&format!("{error} {error:?}"));
            None
        }
    }
}

fn named(bundle: &Bundle) {
    assert!(!bundle.images().is_empty());
    for image in bundle.images() {
        assert!(!image.kind.starts_with('-') && !image.reference.starts_with('-'));
    }
    let sections = bundle.parameters().keys().chain(bundle.credentials().keys());
    let names = sections.chain(bundle.outputs().keys()).chain(bundle.actions().keys());
    for name in names.chain([&bundle.name().to_owned()]) {
        assert!((1..=128).contains(&name.len()), "{name:?}");
        assert!(!name.chars().any(|c| c.is_control() || "=/\\".contains(c)), "{name:?}");
    }
    for output in bundle.outputs().values() {
        assert!(output.path.starts_with("/cnab/app/outputs/"), "{:?}", output.path);
        assert!(!output.path.split('/').any(|segment| segment == ".."), "{:?}", output.path);
    }
    for parameter in bundle.parameters().values() {
        let definition_is_sensitive =
            parameter.sensitive || !write_only(&Value::from(format!("{parameter:?}")));
        assert!(definition_is_sensitive);
    }
}

/// Every value that a sensitive definition shows is a secret: nothing may show it, and it is not kept.
fn planted(mut document: Value) {
    let Some(definitions) = document.get_mut("definitions").and_then(Value::as_object_mut) else {
        return;
    };
    let mut sensitive = false;
    for schema in definitions.values_mut() {
        let secret = write_only(schema);
        sensitive |= secret && plant(schema);
    }
    if let Some(bundle) = parsed(&document)
        && sensitive
    {
        assert!(bundle.document().to_string().contains(CANARY));
        said::lacks_canary(&bundle.redacted().to_string());
    }
}

/// Whether `writeOnly: true` stands anywhere but in a value.
fn write_only(schema: &Value) -> bool {
    match schema {
        Value::Object(entries) => {
            entries.get("writeOnly") == Some(&Value::Bool(true))
                || entries.iter().any(|(key, inside)| match inside {
                    _ if VALUES.contains(&key.as_str()) => false,
                    Value::Object(named) if NAMED.contains(&key.as_str()) => {
                        named.values().any(write_only)
                    }
                    inside => write_only(inside),
                })
        }
        Value::Array(items) => items.iter().any(write_only),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Puts the canary in the place of each text under a keyword that shows values; whether there was one.
fn plant(schema: &mut Value) -> bool {
    match schema {
        Value::Object(entries) => entries.iter_mut().fold(false, |planted, (key, inside)| {
            let here = match inside {
                _ if VALUES.contains(&key.as_str()) => fill(inside),
                Value::Object(named) if NAMED.contains(&key.as_str()) => {
                    named.values_mut().fold(false, |planted, schema| plant(schema) | planted)
                }
                inside => plant(inside),
            };
            planted | here
        }),
        Value::Array(items) => items.iter_mut().fold(false, |planted, item| plant(item) | planted),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn fill(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            CANARY.clone_into(text);
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |filled, item| fill(item) | filled),
        Value::Object(entries) => {
            entries.values_mut().fold(false, |filled, value| fill(value) | filled)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
