//! For a plugin's build script: checks `plugin.toml` and embeds it in the component.

use serde_json::{Map, Value, json};
use std::path::Path;
use std::{env, fs};

/// Bytes of heap that the linker sets aside in the initial memory. With them a call that allocates
/// less never grows its memory; growing costs the host two changes of memory protection per call,
/// which halves the speed of fresh instances.
const INITIAL_HEAP_BYTES: u32 = 128 * 1024;

/// Bytes of stack. Plugins do not recurse deeply, and a small memory is cheaper to make fresh.
const STACK_BYTES: u32 = 64 * 1024;

/// The whole build script of a plugin: `fn main() { coffer_plugin::build::plugin() }`.
///
/// Reads `plugin.toml` beside `Cargo.toml`, and embeds it as JSON in the custom section
/// `coffer:manifest`, where the host reads it without running anything. The version is Cargo's.
///
/// # Panics
///
/// If `plugin.toml` is missing or is not a manifest; the message says what is wrong with it.
#[expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "this is how a build script talks to cargo"
)]
pub fn plugin() {
    println!("cargo::rerun-if-changed=plugin.toml");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg=--initial-heap={INITIAL_HEAP_BYTES}");
        println!("cargo::rustc-link-arg=-zstack-size={STACK_BYTES}");
    }
    let manifest = match fs::read_to_string("plugin.toml") {
        Ok(text) => manifest(&text, &variable("CARGO_PKG_VERSION"))
            .unwrap_or_else(|why| panic!("plugin.toml: {why}")),
        Err(error) => panic!("plugin.toml, which says what the plugin is and asks for: {error}"),
    };
    let json = manifest.to_string();
    let source = format!(
        "const _: () = {{\n    #[expect(unsafe_code, reason = \"a section has to be named\")]\n    #[unsafe(link_section = \"coffer:manifest\")]\n    #[used]\n    \
         static MANIFEST: [u8; {}] = *b\"{}\";\n}};\n",
        json.len(),
        json.as_bytes().escape_ascii(),
    );
    let path = Path::new(&variable("OUT_DIR")).join("coffer_manifest.rs");
    fs::write(&path, source).expect("cargo made OUT_DIR for this");
}

#[expect(clippy::disallowed_methods, reason = "this is how cargo talks to a build script")]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name}: cargo sets this for a build script"))
}

/// The manifest's JSON. What it means, and whether it makes sense, is for the host to say; this only
/// catches what would be a surprise there: a missing name, a misspelt table.
fn manifest(text: &str, version: &str) -> Result<Value, String> {
    let table: Map<String, Value> = toml::from_str(text).map_err(|error| error.to_string())?;
    let known = ["asks", "batch", "description", "name", "settings"];
    if let Some(unknown) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("unknown key `{unknown}`; known are {}", known.join(", ")));
    }
    let text = |key: &str| {
        table
            .get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("`{key}` must be given, as text"))
    };
    let table_or_empty = |key: &str| table.get(key).cloned().unwrap_or_else(|| json!({}));

    let mut properties = Map::new();
    let mut required = Vec::new();
    let settings = table_or_empty("settings");
    let settings = settings.as_object().ok_or("`settings` must be a table")?;
    for (name, setting) in settings {
        let mut setting = setting
            .as_object()
            .ok_or_else(|| format!("`settings.{name}` must be a table"))?
            .clone();
        // JSON Schema names required properties on the object; an author names it on the setting.
        if setting.shift_remove("required") == Some(Value::Bool(true)) {
            required.push(name.clone());
        }
        properties.insert(name.clone(), setting.into());
    }
    Ok(json!({
        "name": text("name")?,
        "version": version,
        "description": text("description")?,
        "batch": table.get("batch").cloned().unwrap_or(Value::Bool(false)),
        "settings": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        },
        "asks": table_or_empty("asks"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_becomes_json_with_a_schema_of_its_settings() {
        let json = manifest(
            "name = \"x\"\ndescription = \"d\"\n[settings.address]\ntype = \"string\"\nrequired = true\n",
            "1.2.3",
        );
        assert_eq!(
            json,
            Ok(json!({
                "name": "x", "version": "1.2.3", "description": "d", "batch": false,
                "settings": {
                    "type": "object",
                    "properties": { "address": { "type": "string" } },
                    "required": ["address"],
                    "additionalProperties": false,
                },
                "asks": {},
            }))
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("description = \"d\"", "`name` must be given, as text"),
            ("name = 1\ndescription = \"d\"", "`name` must be given, as text"),
            ("name = \"x\"", "`description` must be given, as text"),
            (
                "name = \"x\"\nask = 1",
                "unknown key `ask`; known are asks, batch, description, name, settings",
            ),
            ("name = \"x\"\ndescription = \"d\"\nsettings = 1", "`settings` must be a table"),
        ] {
            assert_eq!(manifest(text, "0.0.0"), Err(expected.to_owned()), "{text}");
        }
    }
}
