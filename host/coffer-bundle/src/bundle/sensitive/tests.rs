use super::*;
use proptest::prelude::*;
use serde_json::json;

fn sensitive(schema: &Value, expected: bool, reason: &str) {
    assert_eq!(is(schema), expected, "{schema}: {reason}");
}

#[test]
fn a_definition_is_sensitive_if_any_part_of_it_is() {
    sensitive(&json!({ "writeOnly": true }), true, "it says so");
    sensitive(&json!({ "writeOnly": false }), false, "it says not");
    sensitive(&json!({ "type": "string" }), false, "it says nothing");
    sensitive(&json!({ "properties": { "a": { "writeOnly": true } } }), true, "in an object");
    sensitive(&json!({ "items": { "writeOnly": true } }), true, "in a list");
    sensitive(&json!({ "items": [{}, { "writeOnly": true }] }), true, "in a tuple");
    sensitive(&json!({ "allOf": [{ "if": {}, "then": { "writeOnly": true } }] }), true, "perhaps");
    sensitive(&json!({ "patternProperties": { "x": { "writeOnly": true } } }), true, "any name");
    sensitive(&json!({ "$defs": { "x": { "writeOnly": true } } }), true, "it can be referred to");
    sensitive(&json!({ "x-new": { "writeOnly": true } }), true, "a keyword of the future");
    sensitive(&json!({ "properties": { "writeOnly": true } }), false, "a property of this name");
    let named = json!({ "properties": { "default": { "writeOnly": true } } });
    sensitive(&named, true, "a property named like a keyword");
    sensitive(&json!({ "default": { "writeOnly": true } }), false, "a value, not a schema");
}

fn check(document: &Value, expected: &Value, reason: &str) {
    let redacted = redacted(document);
    // As text, so that the order counts.
    assert_eq!(redacted.to_string(), expected.to_string(), "{reason}");
}

#[test]
fn only_what_sensitive_definitions_show_is_removed() {
    let plain = json!({
        "definitions": { "a": { "type": "string", "default": "x", "enum": ["x"] } },
        "custom": { "sh.porter": { "manifest": "x" } }, "unknown": [1]
    });
    check(&plain, &plain, "nothing is sensitive");
    check(&json!([1]), &json!([1]), "no bundle at all");
    check(
        &json!({ "definitions": {
            "a": {
                "default": { "p": "x" }, "type": "object", "examples": [1], "writeOnly": false,
                "properties": {
                    "default": { "type": "string", "const": "x" },
                    "p": { "writeOnly": true, "enum": ["x"], "minLength": 3 }
                },
                "anyOf": [{ "const": 1 }, { "not": { "const": 2 } }]
            },
            "b": { "default": "stays" }
        } }),
        &json!({ "definitions": {
            "a": {
                "type": "object", "writeOnly": false,
                "properties": {
                    "default": { "type": "string" }, "p": { "writeOnly": true, "minLength": 3 }
                },
                "anyOf": [{}, { "not": {} }]
            },
            "b": { "default": "stays" }
        } }),
        "at every depth, in the order of the file",
    );
    check(
        &json!({
            "definitions": { "a": { "writeOnly": true, "default": "x" } },
            "parameters": {
                "a": { "definition": "a", "default": "x", "required": true },
                "b": { "definition": "b", "default": "stays" }
            },
            "custom": { "sh.porter": { "manifest": "x", "manifestDigest": "y", "version": "1" } }
        }),
        &json!({
            "definitions": { "a": { "writeOnly": true } },
            "parameters": {
                "a": { "definition": "a", "required": true },
                "b": { "definition": "b", "default": "stays" }
            },
            "custom": { "sh.porter": { "version": "1" } }
        }),
        "a default at the wrong place, and Porter's copy of all",
    );
    let bare = json!({
        "definitions": { "a": { "writeOnly": true } },
        "custom": { "sh.porter": { "manifest": "x" } }
    });
    check(&bare, &bare, "the copy has no more to show than the rest");
}

/// Schemas with a canary in every keyword that shows a value, nested in the keywords that nest.
fn schema() -> impl Strategy<Value = Value> {
    // Spelled out, so that a keyword that is forgotten there is found here.
    let values = ["const", "default", "defaultValue", "enum", "example", "examples"];
    let values = prop::sample::select(values.to_vec());
    let value = prop_oneof![
        Just(json!("canary")),
        Just(json!({ "canary": 1 })),
        Just(json!(["canary"])),
        Just(json!({ "properties": { "x": "canary" } })),
    ];
    let leaf = prop::collection::btree_map(values, value, 0..3)
        .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        .prop_map(Value::Object);
    leaf.prop_recursive(5, 24, 3, |inner| {
        let named = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
        let named = prop::sample::select(named.to_vec());
        let nested =
            prop::sample::select(vec!["items", "not", "if", "additionalProperties", "x-a"]);
        let name = prop::sample::select(vec!["a", "default", "enum", "writeOnly", "properties"]);
        let several = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            (inner.clone(), named, name, inner.clone()).prop_map(
                |(mut outer, key, name, schema)| {
                    outer[key] = json!({ name: schema });
                    outer
                }
            ),
            (inner.clone(), nested, inner.clone()).prop_map(|(mut outer, key, schema)| {
                outer[key] = schema;
                outer
            }),
            (inner.clone(), several).prop_map(|(mut outer, schemas)| {
                outer["allOf"] = schemas.into();
                outer
            }),
            inner.prop_map(|mut outer| {
                outer["writeOnly"] = true.into();
                outer
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_of_a_sensitive_definition_is_kept(schema in schema()) {
        let document = json!({
            "definitions": { "a": schema },
            "outputs": { "a": { "definition": "a", "examples": ["canary"] } },
        });
        let redacted = redacted(&document);
        if is(&schema) {
            let text = redacted.to_string();
            prop_assert!(!text.contains("canary"), "{}", text);
            prop_assert!(is(&redacted["definitions"]["a"]), "it is no longer sensitive");
        } else {
            prop_assert_eq!(redacted, document);
        }
    }

    #[test]
    fn redacting_again_changes_nothing(schema in schema()) {
        let once = redacted(&json!({ "definitions": { "a": schema } }));
        prop_assert_eq!(redacted(&once), once);
    }
}
