use super::super::file::{File, IGNORED, RegistrySection, StorageSection, StoreSection, USED};
use super::super::storage::StorageSettings;
use super::super::{Config, context};
use super::schema;
use crate::document::{Format, read};
use coffer_host::grants::Grants;
use coffer_host::limits::Limits;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The keys that serde knows at `T`, in `within` at the place of the only `null`. Serde tells them when
/// it meets another.
fn known<T: DeserializeOwned>(within: impl Fn(Value) -> Value) -> BTreeSet<String> {
    let unknown = within(json!({ "no such key": null }));
    let error = match serde_json::from_value::<T>(unknown) {
        Ok(_) => panic!("{} takes any key", std::any::type_name::<T>()),
        Err(error) => error.to_string(),
    };
    let (_, expected) = error.split_once("unknown field `no such key`, ").expect(&error);
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn top<T: DeserializeOwned>() -> BTreeSet<String> {
    known::<T>(|unknown| unknown)
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema = schema();
    let mut left: BTreeSet<&str> = schema["$defs"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, definition)| definition.get("additionalProperties") == Some(&json!(false)))
        .map(|(name, _)| name.as_str())
        .collect();
    let mut check = |definition: &'static str, expected: BTreeSet<String>| {
        assert!(left.remove(definition), "{definition}");
        let properties = schema["$defs"][definition]["properties"].as_object().unwrap();
        let properties: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(properties, expected, "{definition}");
    };
    check("settings", top::<File>());
    check("store", top::<StoreSection>());
    check("storage", top::<StorageSection>());
    check("registry", top::<RegistrySection>());
    check("signer", known::<File>(|unknown| json!({ "signers": [unknown] })));
    check("storage-config", top::<StorageSettings>());
    check("dependencies", known::<File>(|unknown| json!({ "dependencies": unknown })));
    check("logs", known::<File>(|unknown| json!({ "logs": unknown })));
    check("telemetry", known::<File>(|unknown| json!({ "telemetry": unknown })));
    check("limits", top::<Limits>());
    check("grants", top::<Grants>());
    check("http", known::<Grants>(|unknown| json!({ "http": [unknown] })));
    check(
        "header",
        known::<Grants>(|unknown| json!({ "http": [{ "headers": { "a": unknown } }] })),
    );
    check("aws-sigv4", known::<Grants>(|unknown| json!({ "http": [{ "aws-sigv4": unknown }] })));
    check("directory", known::<Grants>(|unknown| json!({ "directories": [unknown] })));
    check("contexts", top::<context::Contexts>());
    check("context", known::<context::Contexts>(|unknown| json!({ "contexts": [unknown] })));
    assert!(left.is_empty(), "nothing checks {left:?}");
}

#[test]
fn each_key_is_used_or_ignored() {
    let listed: BTreeSet<String> = USED.iter().chain(&IGNORED).map(|key| (*key).into()).collect();
    assert_eq!(top::<File>(), listed);
    assert_eq!(listed.len(), USED.len() + IGNORED.len());
}

/// Whether a document is read, and whether the schema says that it is.
fn check(document: &Value, expected: bool) {
    let environment = |name: &str| (!name.starts_with("COFFER_")).then(|| "x".to_owned());
    let parsed = Config::parse(document.clone(), &environment, None);
    assert_eq!(parsed.is_ok(), expected, "{document}: {parsed:?}");
    let schema = jsonschema::draft202012::new(&schema()).unwrap();
    let errors: Vec<String> = schema.iter_errors(document).map(|error| error.to_string()).collect();
    assert_eq!(errors.is_empty(), expected, "{document}: {errors:?}");
}

#[test]
fn the_schema_and_the_reader_agree_on_files() {
    for text in [
        include_str!("../../../tests/config/porter.yaml"),
        include_str!("../../../tests/config/design.yaml"),
        "",
    ] {
        check(&read(text, Format::Yaml).unwrap(), true);
    }
    // Whether a context is defined is nothing that a schema says.
    let mut contexts =
        read(include_str!("../../../tests/config/contexts.yaml"), Format::Yaml).unwrap();
    contexts["current-context"] = json!("prod");
    check(&contexts, true);
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
}

#[test]
fn the_schema_and_the_reader_agree_on_values() {
    let store = |key: &str, value: Value| {
        let mut store = json!({ "name": "a", "plugin": "p" });
        store[key] = value;
        json!({ "secrets": [store] })
    };
    let http = |key: &str, value: Value| {
        let mut http = json!({ "url": "https://a.example/", "methods": ["GET"] });
        http[key] = value;
        store("grants", json!({ "http": [http] }))
    };
    let header = |value: Value| http("headers", json!({ "X-Token": value }));
    let signed = |key: &str, value: Value| {
        let key_of = |name: &str| json!({ "env": name });
        let mut signature = json!({
            "region": "eu-central-1", "service": "s3",
            "access-key-id": key_of("K"), "secret-access-key": key_of("S"),
        });
        signature[key] = value;
        http("aws-sigv4", signature)
    };
    for (document, expected) in [
        (json!([]), false),
        (json!("x"), false),
        (json!({ "unknown": null }), false),
        (json!({ "namespace": null }), true),
        (json!({ "namespace": 1 }), false),
        (json!({ "namespace": "${env.A}" }), true),
        (json!({ "verbosity": "warn" }), true),
        (json!({ "verbosity": "loud" }), false),
        (json!({ "allow-docker-host-access": "true" }), true),
        (json!({ "allow-docker-host-access": 1 }), false),
        (json!({ "experimental": "a,b" }), true),
        (json!({ "experimental": ["a", 1] }), false),
        (json!({ "dependencies": null }), true),
        (json!({ "dependencies": { "strategy": "x" } }), false),
        (json!({ "logs": { "level": "info", "structured": true } }), true),
        (json!({ "logs": { "levels": "info" } }), false),
        (json!({ "telemetry": { "headers": { "a": "b" } } }), true),
        (json!({ "telemetry": { "headers": { "a": 1 } } }), false),
        (json!({ "signers": { "name": "a", "plugin": "p", "config": { "x": 1 } } }), true),
        (json!({ "signers": [{ "name": "a" }] }), false),
        (json!({ "secrets": "x" }), false),
        (json!({ "secrets": { "name": "a", "plugin": "p" } }), true),
        (json!({ "secrets": [{ "name": "a" }] }), false),
        (store("name", json!("")), false),
        (store("config", json!(null)), true),
        (store("config", json!([])), false),
        (store("grants", json!(null)), true),
        (store("grants", json!({ "environment": ["HOME"] })), true),
        (store("grants", json!({ "environment": ["A=B"] })), false),
        (store("grants", json!({ "environment": ["*"] })), false),
        (store("grants", json!({ "environment": null })), false),
        (store("grants", json!({ "referenced": ["env"] })), true),
        (store("grants", json!({ "referenced": ["path"] })), false),
        (store("grants", json!({ "commands": [["date"]] })), true),
        (store("grants", json!({ "commands": [[]] })), false),
        (store("grants", json!({ "commands": ["date"] })), false),
        (store("grants", json!({ "directories": [{ "host": "/a" }] })), false),
        (store("grants", json!({ "directories": [{ "host": "/a", "access": "write" }] })), false),
        (
            store(
                "grants",
                json!({ "directories": [{ "host": "/a", "access": "read-only", "create": true }] }),
            ),
            true,
        ),
        (http("methods", json!("GET")), false),
        (http("private-addresses", json!("true")), false),
        (http("aws-sigv4", Value::Null), true),
        (http("aws-sigv4", json!({})), false),
        (signed("session-token", Value::Null), true),
        (signed("session-token", json!({ "file": "/t" })), true),
        (signed("session-token", json!({ "file": "/t", "prefix": "p" })), false),
        (signed("access-key-id", json!({})), false),
        (signed("access-key-id", Value::Null), false),
        (signed("region", json!("eu/central")), false),
        (signed("key", json!("x")), false),
        (http("ca", json!("/ca.pem")), true),
        (header(json!({ "env": "T" })), true),
        (header(json!({ "file": "/t", "prefix": "Bearer " })), true),
        (header(json!({ "setting": "token", "env": null })), true),
        (header(json!({})), false),
        (header(json!({ "env": "T", "file": "/t" })), false),
        (header(json!("T")), false),
        (store("limits", json!({ "memory": 65536, "call": "5s", "concurrency": 8 })), true),
        (store("limits", json!({ "memory": "1MiB", "requests": 0 })), true),
        (store("limits", json!({ "concurrency": "8" })), false),
        (store("limits", json!({ "memory": -1 })), false),
        (store("limits", json!({ "timeout": "5s" })), false),
        (json!({ "storage": { "name": "s", "plugin": "sqlite" } }), true),
        (
            json!({ "storage": { "name": "s", "plugin": "mongodb", "config": { "timeout": 3 } } }),
            true,
        ),
        (
            json!({ "storage": { "name": "s", "plugin": "mongodb-docker", "config": { "port": 3 } } }),
            true,
        ),
        (json!({ "storage": { "name": "s", "plugin": "sqlite", "limits": {} } }), false),
        (json!({ "schemaVersion": "2.0.0", "contexts": [{ "name": "default" }] }), true),
        (json!({ "schemaVersion": "1.0.0", "contexts": [{ "name": "default" }] }), false),
        (json!({ "schemaVersion": "2.0.0" }), false),
        (
            json!({ "schemaVersion": "2.0.0", "contexts": [{ "name": "default" }], "namespace": "" }),
            false,
        ),
        (
            json!({ "schemaVersion": "2.0.0", "contexts": [{ "name": "default", "config": { "x": 1 } }] }),
            false,
        ),
        (json!({ "contexts": [] }), false),
    ] {
        check(&document, expected);
    }
}
