//! What the pages for authors of plugins say and can be held against something: code against the templates, which
//! `tests/e2e/author.rs` compiles and runs; the manifest's schema against what reads manifests; names against `wit/`.

use crate::tree;
use coffer_grants::Manifest;
use serde_json::{Value, json};
use wit_parser::{Resolve, TypeDefKind};

const GUIDE: &str = "docs/writing-plugins.md";
const MANIFEST: &str = "docs/manifest.md";
const SCHEMA: &str = "docs/manifest.schema.json";

/// The blocks of code of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    page.split(begin.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .collect()
}

#[test]
fn the_code_of_the_guide_is_compiled() {
    let page = tree::read(GUIDE);
    let templates: Vec<String> = ["lib.rs", "plugin.toml", "README.md"]
        .map(|file| tree::read(&format!("host/coffer-cli/templates/http/{file}")))
        .map(|text| text.replace("PLUGIN_FILE", "cellar").replace("PLUGIN_NAME", "cellar"))
        .into();
    let mut seen = 0;
    for block in ["rust", "toml", "yaml"].iter().flat_map(|language| blocks(&page, language)) {
        seen += 1;
        assert!(templates.iter().any(|text| text.contains(block)), "no template has this: {block}");
    }
    assert!(seen > 6, "the guide has code");
}

fn schema() -> Value {
    serde_json::from_str(&tree::read(SCHEMA)).unwrap()
}

/// Whether a manifest is read, and whether the schema says that it is.
#[track_caller]
fn check(manifest: &Value, expected: bool) {
    let read = Manifest::parse(manifest.to_string().as_bytes());
    assert_eq!(read.is_ok(), expected, "{manifest}: {read:?}");
    let valid = jsonschema::draft202012::is_valid(&schema(), manifest);
    assert_eq!(valid, expected, "the schema and {manifest}");
}

#[test]
fn the_schema_and_the_reader_agree_on_manifests() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
    let examples = tree::read(MANIFEST);
    let examples = blocks(&examples, "json");
    assert_eq!(examples.len(), 1);
    check(&serde_json::from_str(examples[0]).unwrap(), true);

    let least = json!({ "name": "p", "version": "1", "description": "d" });
    check(&least, true);
    for value in [json!([]), json!("p"), json!(null), json!({})] {
        check(&value, false);
    }
    let with = |key: &str, value: Value| {
        let mut manifest = least.clone();
        manifest[key] = value;
        manifest
    };
    for key in ["name", "version", "description"] {
        for (value, expected) in [
            (json!(""), false),
            (json!(1), false),
            (Value::Null, false),
            (json!("\u{e4}"), false),
            (json!("a\n"), false),
            (json!("a".repeat(1024)), true),
            (json!("a".repeat(1025)), false),
        ] {
            check(&with(key, value), expected);
        }
    }
    let settings =
        |properties: Value| with("settings", json!({ "type": "object", "properties": properties }));
    let setting = |key: &str, value: Value| {
        let mut setting = json!({ "type": "string" });
        setting[key] = value;
        settings(json!({ "a": setting }))
    };
    for (manifest, expected) in [
        (with("licence", json!("x")), false),
        (with("batch", json!(true)), true),
        (with("batch", json!("true")), false),
        (with("batch", Value::Null), false),
        (with("asks", json!({})), true),
        (with("asks", json!([])), false),
        (with("asks", json!({ "files": [] })), false),
        (with("asks", json!({ "http": [], "commands": [], "directories": [] })), true),
        (with("asks", json!({ "environment": "HOME", "referenced": ["env"] })), true),
        (with("settings", json!({})), false),
        (with("settings", Value::Null), false),
        (with("settings", json!({ "type": "array" })), false),
        (with("settings", json!({ "type": "object" })), true),
        (with("settings", json!({ "type": "object", "additionalProperties": {} })), false),
        (with("settings", json!({ "type": "object", "title": "x" })), false),
        (with("settings", json!({ "type": "object", "required": "a" })), false),
        (settings(json!({ "a": {} })), false),
        (settings(json!({ "": { "type": "string" } })), false),
        (settings(json!({ "\u{202e}": { "type": "string" } })), false),
        (settings(json!({ "a b": { "type": "array" } })), true),
        (setting("type", json!("boolean")), true),
        (setting("type", json!("integer")), true),
        (setting("type", json!("number")), false),
        (setting("type", json!("null")), false),
        (setting("description", json!("")), true),
        (setting("description", json!("\u{202e}")), false),
        (setting("description", Value::Null), false),
        (setting("default", json!({ "x": 1 })), true),
        (setting("default", Value::Null), true),
        (setting("credential", json!(true)), true),
        (setting("credential", json!("true")), false),
        (settings(json!({ "a": { "type": "string", "credential": true, "default": "x" } })), false),
        (settings(json!({ "a": { "type": "string", "credential": true, "default": null } })), true),
        (settings(json!({ "a": { "type": "string", "credential": false, "default": "x" } })), true),
        (setting("enum", json!([1, "a"])), true),
        (setting("enum", Value::Null), true),
        (setting("enum", json!("a")), false),
        (setting("aliases", json!(["b"])), true),
        (setting("aliases", json!([""])), false),
        (setting("aliases", json!("b")), false),
        (setting("splits", Value::Null), true),
        (setting("splits", json!(["b"])), false),
        (setting("pattern", json!("x")), false),
    ] {
        check(&manifest, expected);
    }
    // What the page says that no schema says.
    for manifest in [
        with("settings", json!({ "type": "object", "required": ["a"] })),
        with("asks", json!({ "environment": ["{{a}}"] })),
        setting("splits", json!(["b", "c"])),
        settings(json!({ "a": { "type": "string" }, "b": { "type": "string", "aliases": ["a"] } })),
    ] {
        assert!(Manifest::parse(manifest.to_string().as_bytes()).is_err(), "{manifest}");
        assert!(jsonschema::draft202012::is_valid(&schema(), &manifest), "{manifest}");
    }
}

#[test]
fn the_page_names_every_key_of_the_manifest() {
    let page = tree::read(MANIFEST);
    let schema = schema();
    let keys = |object: &Value| -> Vec<String> {
        object["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let grants = schema["properties"]["asks"]["propertyNames"]["enum"].as_array().unwrap().iter();
    let grants = grants.map(|kind| kind.as_str().unwrap().to_owned());
    let all = [
        keys(&schema),
        keys(&schema["$defs"]["settings"]),
        keys(&schema["$defs"]["setting"]),
        grants.collect(),
    ];
    for key in all.concat() {
        assert!(page.contains(&format!("`{key}`")), "{MANIFEST} does not name `{key}`");
    }
}

#[test]
fn the_page_names_everything_in_the_contract() {
    let page = tree::read("docs/wit.md");
    let mut resolve = Resolve::new();
    resolve.push_dir(tree::root().join("wit")).unwrap();
    let mut names = Vec::new();
    for (_, package) in &resolve.packages {
        if package.name.namespace != "coffer" {
            continue;
        }
        names.push(format!(
            "## {}:{} {}",
            package.name.namespace,
            package.name.name,
            package.name.version.as_ref().unwrap()
        ));
        names.extend(package.worlds.keys().map(|name| format!("`{name}`")));
        for (name, id) in &package.interfaces {
            names.push(format!("`{name}`"));
            let interface = &resolve.interfaces[*id];
            names.extend(interface.functions.keys().map(|name| format!("`{name}`")));
            for (name, id) in &interface.types {
                names.push(format!("`{name}`"));
                let parts: Vec<&String> = match &resolve.types[*id].kind {
                    TypeDefKind::Record(record) => {
                        record.fields.iter().map(|field| &field.name).collect()
                    }
                    TypeDefKind::Variant(variant) => {
                        variant.cases.iter().map(|case| &case.name).collect()
                    }
                    TypeDefKind::Enum(words) => words.cases.iter().map(|case| &case.name).collect(),
                    _ => Vec::new(),
                };
                names.extend(parts.into_iter().map(|name| format!("`{name}`")));
            }
        }
    }
    assert!(names.len() > 40, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !page.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/wit.md does not name {missing:?}");
}
