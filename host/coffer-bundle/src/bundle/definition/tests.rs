use super::*;
use proptest::prelude::*;
use serde_json::json;

fn definition(schema: Value) -> Definition {
    Definition::compile("x", schema).unwrap()
}

fn reads(kind: &Value, text: &[u8], expected: Result<Value, &str>, reason: &str) {
    let actual = definition(json!({ "type": kind })).read(text);
    let actual = actual.map_err(|error| error.to_string());
    assert_eq!(actual, expected.map_err(str::to_owned), "{kind} {text:?}: {reason}");
}

#[test]
fn a_text_is_read_for_its_type() {
    let string = json!("string");
    reads(&string, b" a\n", Ok(json!(" a\n")), "a space may be part of a password");
    reads(&string, b"", Ok(json!("")), "empty is a text");
    reads(&string, b"5", Ok(json!("5")), "digits are text too");
    reads(&string, b"\xff", Err("the value must be text in UTF-8"), "not UTF-8");
    let integer = json!("integer");
    reads(&integer, b"-5", Ok(json!(-5)), "a number");
    reads(&integer, b"5\n", Ok(json!(5)), "files end in a line break");
    reads(&integer, b"18446744073709551615", Ok(json!(u64::MAX)), "the largest");
    let expected = Err("the text must be a whole number");
    reads(&integer, b"18446744073709551616", expected.clone(), "it would lose digits");
    for text in [&b""[..], b"canary", b"5.5", b"5 5", b"+5", b"0x5", b"\"5\"", b"null"] {
        reads(&integer, text, expected.clone(), "no whole number");
    }
    let number = json!("number");
    reads(&number, b"5.5", Ok(json!(5.5)), "a number");
    reads(&number, b"1e3", Ok(json!(1000.0)), "a number");
    reads(&number, b"NaN", Err("the text must be a number"), "JSON has no such number");
    let boolean = json!("boolean");
    reads(&boolean, b"true", Ok(json!(true)), "true");
    reads(&boolean, b"False", Ok(json!(false)), "as Porter reads it");
    reads(&boolean, b"yes", Err("the text must be true or false"), "too many languages");
    reads(&boolean, b"1", Err("the text must be true or false"), "a number");
    reads(&json!("array"), b"[1, \"a\"]", Ok(json!([1, "a"])), "JSON");
    reads(&json!("array"), b"{}", Err("the text must be a JSON array"), "JSON of another type");
    reads(&json!("object"), b"{\"a\": [1]}", Ok(json!({ "a": [1] })), "JSON");
    reads(&json!("object"), b"{canary", Err("the text must be a JSON object"), "no JSON");
    let deep = "[".repeat(1000);
    reads(&json!("array"), deep.as_bytes(), Err("the text must be a JSON array"), "too deep");
    reads(&json!("null"), b"null", Ok(json!(null)), "nothing");
    let several = json!(["integer", "boolean", "null"]);
    reads(&several, b"5", Ok(json!(5)), "the first");
    reads(&several, b"TRUE", Ok(json!(true)), "the second");
    reads(&several, b"null", Ok(json!(null)), "the third");
    let expected = "the text must be a whole number or true or false or null";
    reads(&several, b"canary", Err(expected), "none of them");
    reads(&json!(["integer", "string"]), b"5", Ok(json!("5")), "nobody can tell");
    let untyped = definition(json!({ "minLength": 1 })).read(b"5");
    assert_eq!(untyped, Ok(json!("5")), "no type: nobody can tell");
    let anything = Definition::compile("x", json!(true)).unwrap().read(b"{}");
    assert_eq!(anything, Ok(json!("{}")), "nobody can tell");
}

#[test]
fn a_file_is_any_bytes() {
    let file = definition(json!({ "type": "string", "contentEncoding": "base64" }));
    let value = file.read(b"\xff\0a").unwrap();
    assert_eq!(value, json!("/wBh"));
    assert_eq!(file.check(&value), Ok(()));
    assert_eq!(*file.bytes(&value), b"\xff\0a");
    assert_eq!(file.types().collect::<Vec<_>>(), ["file"]);
    assert_eq!(*file.bytes(&json!("no base64")), b"no base64");
}

fn checks(schema: Value, value: &Value, expected: Result<(), &str>, reason: &str) {
    let text = format!("{schema} {value}");
    let actual = definition(schema).check(value).map_err(|error| {
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(!debug.contains("canary") && !shown.contains("canary"), "{debug}");
        shown
    });
    assert_eq!(actual, expected.map_err(str::to_owned), "{text}: {reason}");
}

#[test]
fn a_value_is_held_against_its_definition() {
    let string = || json!({ "type": "string" });
    checks(string(), &json!("canary"), Ok(()), "a text");
    let kind = Err("the value does not keep to `type` (\"string\")");
    checks(string(), &json!(["canary"]), kind, "a list");
    let short = json!({ "type": "string", "minLength": 8, "writeOnly": true });
    checks(short.clone(), &json!("canary-8"), Ok(()), "long enough");
    checks(short, &json!("canary"), Err("the value does not keep to `minLength` (8)"), "too short");
    checks(
        json!({ "enum": ["a", "b"] }),
        &json!("canary"),
        Err("the value does not keep to `enum` ([\"a\",\"b\"])"),
        "the choices are no secret",
    );
    for (keyword, rule) in [
        ("enum", json!(["canary-a"])),
        ("const", json!("canary-b")),
        ("pattern", json!("^canary-c$")),
    ] {
        let expected = format!("the value does not keep to `{keyword}`");
        let schema = json!({ keyword: rule, "writeOnly": true });
        checks(schema, &json!("canary"), Err(&expected), "what is right is the secret");
    }
    let inside = json!({ "items": { "properties": { "a": { "type": "integer" } } } });
    let expected = Err("the value at `[1].a` does not keep to `type` (\"integer\")");
    checks(inside, &json!([{}, { "a": "canary" }]), expected, "the place");
    let any = json!({ "additionalProperties": { "additionalProperties": false } });
    let expected = Err("the value at `*` does not keep to `false`");
    checks(any, &json!({ "canary": { "canary": 1 } }), expected, "keys are values here");
    let closed = json!({ "properties": {}, "additionalProperties": false });
    let expected = Err("the value does not keep to `additionalProperties`");
    checks(closed, &json!({ "canary": 1 }), expected, "keys are values here");
    let required = json!({ "required": ["name"], "properties": { "canary": false } });
    let expected = Err("the value does not keep to `required` (\"name\")");
    checks(required, &json!({}), expected, "what is missing is no secret");
    for schema in [
        json!({ "anyOf": [{ "const": "canary-1" }] }),
        json!({ "oneOf": [{ "const": "canary-1" }] }),
        json!({ "not": { "const": "canary" } }),
        json!({ "allOf": [{ "enum": ["canary-1"], "writeOnly": true }] }),
        json!({ "type": "string", "maxLength": 3 }),
        json!({ "type": "string", "format": "ipv4" }),
        json!({ "dependencies": {}, "propertyNames": { "maxLength": 1 }, "type": "object" }),
        json!(false),
    ] {
        let error = definition(schema.clone()).check(&json!("canary")).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary"), "{schema}: {text}");
    }
    let encoded = || json!({ "type": "string", "contentEncoding": "base64" });
    let expected = Err("the value does not keep to `contentEncoding` (\"base64\")");
    checks(encoded(), &json!("canary!"), expected, "no base64");
    let mut newer = encoded();
    newer["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    checks(newer, &json!("canary!"), expected, "a draft in which this is only a note");
}

#[test]
fn a_definition_that_is_only_itself_does_not_run_for_ever() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#/definitions/a", "definitions": { "a": { "$ref": "#/definitions/a" } } }),
    ] {
        if let Ok(definition) = Definition::compile("x", schema) {
            drop(definition.check(&json!("a")));
        }
    }
}

#[test]
fn patterns_stop_in_time() {
    let slow = definition(json!({ "pattern": "^(?=(a+)+$)b|(a+)+\\1$" }));
    assert!(slow.check(&json!(format!("{}c", "a".repeat(40)))).is_err());
}

/// JSON without the numbers that text does not bring back: those that are no finite number.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in value()) {
        let kind = kind_of(&value);
        let definition = definition(json!({ "type": kind }));
        prop_assert_eq!(definition.check(&value), Ok(()));
        prop_assert_eq!(definition.read(&definition.bytes(&value)), Ok(value), "{}", kind);
    }

    #[test]
    fn a_text_is_written_as_it_was_read(text in any::<String>()) {
        let definition = definition(json!({ "type": "string" }));
        let value = definition.read(text.as_bytes()).unwrap();
        prop_assert_eq!(&**definition.bytes(&value), text.as_bytes());
    }

    #[test]
    fn a_file_is_written_as_it_was_read(bytes in any::<Vec<u8>>()) {
        let definition = definition(json!({ "type": "string", "contentEncoding": "base64" }));
        let value = definition.read(&bytes).unwrap();
        prop_assert_eq!(definition.check(&value), Ok(()));
        prop_assert_eq!(&**definition.bytes(&value), &bytes);
    }

    #[test]
    fn no_refusal_shows_the_value(secret in "[a-z]{12}", limit in 0_u64..8) {
        for schema in [
            json!({ "type": "integer" }),
            json!({ "maxLength": limit }),
            json!({ "writeOnly": true, "enum": [format!("{secret}x")] }),
            json!({ "pattern": "^[0-9]+$" }),
            json!({ "format": "email" }),
        ] {
            let definition = definition(schema);
            let refused = definition.check(&json!(secret));
            prop_assert!(refused.is_err());
            let unread = definition.read(secret.as_bytes()).map(|_| ());
            let text = format!("{refused:?} {unread:?}");
            prop_assert!(!text.contains(&secret), "{}", text);
        }
    }
}
