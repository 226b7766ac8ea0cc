//! Bundles and the files beside them.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The bundle of the walk-through, as `examples/` has it.
pub(crate) fn sensitive_data() -> Value {
    let text = include_str!("../../examples/sensitive-data/bundle.json");
    serde_json::from_str(text).unwrap()
}

/// The bundle of the walk-through with the value at a JSON Pointer set; `null` removes it.
pub(crate) fn with(pointer: &str, value: Value) -> Value {
    let mut document = sensitive_data();
    let (above, key) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(above).unwrap() {
        Value::Object(fields) if value.is_null() => drop(fields.shift_remove(key)),
        Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    document
}

/// A bundle for a native driver: a sensitive parameter in a variable and another one in a file, a number,
/// a credential, an output of each kind, and an action of its own.
pub(crate) fn native() -> Value {
    json!({
        "schemaVersion": "1.2.0",
        "name": "native",
        "version": "0.1.0",
        "invocationImages": [{ "imageType": "docker", "image": "example/native:v1" }],
        "definitions": {
            "secret": { "type": "string", "writeOnly": true },
            "count": { "type": "integer", "default": 3 },
            "text": { "type": "string" }
        },
        "parameters": {
            "password": { "definition": "secret", "destination": { "env": "PASSWORD" } },
            "certificate": { "definition": "secret", "destination": { "path": "/cnab/app/cert" } },
            "count": { "definition": "count", "destination": { "env": "COUNT" } }
        },
        "credentials": {
            "token": { "env": "TOKEN", "applyTo": ["upgrade"], "required": true }
        },
        "outputs": {
            "generated": { "definition": "secret", "path": "/cnab/app/outputs/generated" },
            "address": { "definition": "text", "path": "/cnab/app/outputs/address" }
        },
        "actions": { "status": { "description": "says how it is" } }
    })
}

/// The files that compiled code is in below a home, each with the folder it is in.
pub(crate) fn files(home: &Path) -> Vec<(PathBuf, &'static str)> {
    let mut files = Vec::new();
    for folder in ["cache", "keys"] {
        let Ok(entries) = std::fs::read_dir(home.join(folder)) else { continue };
        let paths = entries.map(|entry| entry.unwrap().path());
        // The key of the spool is each home's own.
        let wanted = paths.filter(|path| !path.ends_with("keys/spool"));
        files.extend(wanted.map(|path| (path, folder)));
    }
    files
}
