//! Which definitions are sensitive, and what of a bundle must not be kept because of them.

use serde_json::{Map, Value};

/// Keywords under which a definition shows values. The last of each pair is what people write who
/// remember another dialect.
const VALUES: [&str; 6] = ["const", "default", "defaultValue", "enum", "examples", "example"];

/// Keywords under which names stand, and sub-schemas under those.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Where Porter keeps the file that the bundle was built from, with all the defaults in it, and a digest
/// of that, from which a short default could be guessed.
const PORTER_COPIES: [&str; 2] = ["manifest", "manifestDigest"];

/// Calls `visit` with a schema and every schema inside it, and stops when that says true. A keyword that
/// nobody knows is taken for one with schemas: better too much is sensitive than too little.
pub(super) fn any(schema: &Value, visit: &mut impl FnMut(&Map<String, Value>) -> bool) -> bool {
    match schema {
        Value::Object(schema) => {
            visit(schema)
                || schema.iter().any(|(keyword, inside)| match inside {
                    _ if VALUES.contains(&keyword.as_str()) => false,
                    Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                        named.values().any(|schema| any(schema, visit))
                    }
                    inside => any(inside, visit),
                })
        }
        Value::Array(schemas) => schemas.iter().any(|schema| any(schema, visit)),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a definition says `writeOnly: true` anywhere. A value is stored whole, so one sensitive part
/// makes all of it sensitive.
pub(super) fn is(schema: &Value) -> bool {
    any(schema, &mut |schema| schema.get("writeOnly") == Some(&Value::Bool(true)))
}

/// A bundle without the values that its sensitive definitions show.
pub(super) fn redacted(document: &Value) -> Value {
    let mut document = document.clone();
    let mut sensitive = Vec::new();
    let mut removed = false;
    if let Some(definitions) = document.get_mut("definitions").and_then(Value::as_object_mut) {
        for (name, schema) in definitions.iter_mut().filter(|(_, schema)| is(schema)) {
            removed |= strip(schema);
            sensitive.push(name.clone());
        }
    }
    // Keywords of the definition at the wrong place mean nothing, and still show the value.
    for section in ["parameters", "outputs"] {
        let Some(section) = document.get_mut(section).and_then(Value::as_object_mut) else {
            continue;
        };
        for entry in section.values_mut().filter_map(Value::as_object_mut) {
            let definition = entry.get("definition").and_then(Value::as_str);
            if definition.is_some_and(|name| sensitive.iter().any(|known| known == name)) {
                removed |= strip_here(entry);
            }
        }
    }
    let porter = document.get_mut("custom").and_then(|custom| custom.get_mut("sh.porter"));
    if let Some(porter) = porter.and_then(Value::as_object_mut).filter(|_| removed) {
        porter.retain(|key, _| !PORTER_COPIES.contains(&key.as_str()));
    }
    document
}

fn strip(schema: &mut Value) -> bool {
    match schema {
        Value::Object(schema) => {
            let mut removed = strip_here(schema);
            for (keyword, inside) in schema.iter_mut() {
                match inside {
                    Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                        for schema in named.values_mut() {
                            removed |= strip(schema);
                        }
                    }
                    inside => removed |= strip(inside),
                }
            }
            removed
        }
        Value::Array(schemas) => {
            // Not `any`, which would stop at the first.
            schemas.iter_mut().fold(false, |removed, schema| strip(schema) | removed)
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

fn strip_here(schema: &mut Map<String, Value>) -> bool {
    let before = schema.len();
    schema.retain(|keyword, _| !VALUES.contains(&keyword.as_str()));
    schema.len() != before
}

#[cfg(test)]
mod tests;
