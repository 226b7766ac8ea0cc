use super::*;
use crate::document::{Format, read};
use coffer_host::{Blame, Explain};

fn parameters(yaml: &str) -> Result<Set, SetError> {
    Set::parse(SetKind::Parameters, read(yaml, Format::Yaml).unwrap())
}

fn check(yaml: &str, expected: Result<(), &str>, reason: &str) {
    let actual = parameters(yaml).map(|_| ()).map_err(|error| {
        assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
        assert_eq!(error.blame(), Blame::Requester);
        assert!(!error.next().is_empty());
        error.to_string()
    });
    assert_eq!(actual, expected.map_err(str::to_owned), "{yaml}: {reason}");
}

/// A set with this source.
fn source(source: &str, expected: Result<(), &str>, reason: &str) {
    check(&format!("{{name: a, parameters: [{{name: x, source: {source}}}]}}"), expected, reason);
}

const PORTER: &str = "\
schemaType: ParameterSet
schemaVersion: 1.0.1
namespace: dev
name: mysql
labels: {team: red}
status: {created: 2023-01-01, modified: 2023-01-01}
parameters:
- {name: a, source: {secret: prod/a}}
- {name: b, source: {env: B}}
- {name: c, source: {path: /etc/c}}
- {name: d, source: {command: pass show d}}
- {name: e, source: {value: canary}}
- {name: f, source: {secret: f, store: vault}}
";

#[test]
fn a_set_of_porter_is_read() {
    let set = parameters(PORTER).unwrap();
    assert_eq!((set.kind, set.name.as_str()), (SetKind::Parameters, "mysql"));
    assert_eq!(set.namespace.as_ref().map(Name::as_str), Some("dev"));
    assert_eq!(set.labels["team"], "red");
    let entries: Vec<_> = set
        .entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.reference.to_string(), entry.store.as_deref()))
        .collect();
    assert_eq!(
        entries,
        [
            ("a", "secret prod/a".to_owned(), None),
            ("b", "env B".to_owned(), None),
            ("c", "path /etc/c".to_owned(), None),
            ("d", "command pass show d".to_owned(), None),
            ("e", "value ***".to_owned(), None),
            ("f", "secret f".to_owned(), Some("vault")),
        ]
    );
    assert_eq!(set.entries[4].reference.key(), "canary");
    assert!(!format!("{set:?}").contains("canary"));
}

#[test]
fn a_set_is_shown_without_its_values() {
    let set = parameters(PORTER).unwrap();
    let document = set.to_document();
    assert!(!document.to_string().contains("canary"));
    assert_eq!(document["parameters"][4]["source"]["value"], "***");
    assert_eq!(document["parameters"][5]["source"], json!({ "secret": "f", "store": "vault" }));
    assert_eq!(document["schemaVersion"], "1.1.0");
    // What is shown can be read again, and is the same but for the values.
    let mut again = Set::parse(SetKind::Parameters, document).unwrap();
    again.entries[4].reference = set.entries[4].reference.clone();
    assert_eq!(again, set);
    let plain = parameters("{name: a}").unwrap();
    assert_eq!(Set::parse(SetKind::Parameters, plain.to_document()).unwrap(), plain);
}

#[test]
fn the_head_is_checked() {
    check("{name: a}", Ok(()), "the least");
    check("{name: a, namespace: ''}", Ok(()), "the global namespace");
    check("{name: a, schemaType: ParameterSet, schemaVersion: 1.1.0}", Ok(()), "the newer form");
    let kind = "this is no set of `schemaType: ParameterSet`";
    check("{name: a, schemaType: CredentialSet}", Err(kind), "the other kind");
    check("{name: a, schemaType: canary}", Err(kind), "no kind");
    check("{name: a, credentials: []}", Err(kind), "entries of the other kind");
    let version = "the set has an unknown `schemaVersion`; coffer knows 1.0.1 and 1.1.0";
    check("{name: a, schemaVersion: 9.0.0}", Err(version), "a version of the future");
    check("{name: a, schemaVersion: 1.0.0}", Err(version), "a version of credential sets only");
    let document = json!({ "name": "a", "schemaVersion": "1.0.0", "credentials": [] });
    assert!(Set::parse(SetKind::Credentials, document).is_ok());
    check("{parameters: []}", Err("missing field `name`"), "no name");
    check("canary", Err("expected a set"), "a text");
    check("{name: ''}", Err("at `name`: a name cannot be empty"), "an empty name");
    let rule = "a name has letters, digits, `.`, `_` and `-` and begins with a letter or a digit;";
    let expected = format!("at `name`: {rule} character 1 is something else");
    check("{name: ../canary}", Err(&expected), "out of the directory");
    let expected = format!("at `namespace`: {rule} character 7 is something else");
    check("{name: a, namespace: canary/b}", Err(&expected), "two namespaces");
    check(
        "{name: a, paramters: []}",
        Err("at `paramters`: there is no key `paramters`; did you mean `parameters`?"),
        "misspelt",
    );
    check("{name: a, labels: {a: [canary]}}", Err("at `labels.a`: expected a string"), "no text");
    let many: Vec<_> = (0..=ENTRIES_MAX)
        .map(|index| json!({ "name": format!("a{index}"), "source": { "env": "A" } }))
        .collect();
    let error = Set::parse(SetKind::Parameters, json!({ "name": "a", "parameters": many[1..] }));
    assert!(error.is_ok(), "the most");
    let error = Set::parse(SetKind::Parameters, json!({ "name": "a", "parameters": many }));
    assert_eq!(
        error.unwrap_err().to_string(),
        "the set has 1001 entries; at most 1000 are allowed"
    );
}

#[test]
fn every_entry_has_its_own_name() {
    check(
        "{name: a, parameters: [{name: x, source: {env: A}}, {name: x, source: {env: B}}]}",
        Err("at `parameters[1]`: there is an entry `x` before this one"),
        "which one holds?",
    );
    check(
        "{name: a, parameters: [{name: '', source: {env: A}}]}",
        Err("at `parameters[0].name`: the name is empty"),
        "it is for nothing",
    );
    check(
        "{name: a, parameters: [{name: a/b, source: {env: A}}]}",
        Err("at `parameters[0].name`: the name has a control character, `=`, `/` or `\\`"),
        "no parameter has such a name",
    );
    check(
        "{name: a, parameters: [{name: x, sorce: {value: canary}}]}",
        Err("at `parameters[0].sorce`: there is no key `sorce`; did you mean `source`?"),
        "misspelt",
    );
    check(
        "{name: a, parameters: [{name: x, value: hidden}]}",
        Err("at `parameters[0].value`: there is no key `value`"),
        "the form of a resolved set",
    );
}

#[test]
fn every_entry_has_one_source() {
    let at = "at `parameters[0].source`:";
    let none = format!("{at} `x` has no source");
    source("{}", Err(&none), "empty");
    source("null", Err(&none), "absent");
    source("canary", Err(&none), "a value instead of a source");
    source("{store: canary}", Err(&none), "a store and nothing to ask it for");
    check("{name: a, parameters: [{name: x}]}", Err(&none), "absent");
    let many = format!("{at} `x` has more than one source");
    source("{secret: canary, value: canary}", Err(&many), "which one holds?");
    let unknown =
        format!("{at} there is no source of this name, only command, env, path, secret and value");
    source("{canary}", Err(&unknown), "a value instead of a source");
    source("{valeu: canary}", Err(&format!("{unknown}; did you mean `value`?")), "misspelt");
    source("{Secret: canary}", Err(&format!("{unknown}; did you mean `secret`?")), "case matters");
}

#[test]
fn a_key_is_checked_and_never_shown() {
    let at = |key: &str, rule: &str| format!("at `parameters[0].source.{key}`: {rule}");
    source("{env: CANARY}", Ok(()), "a variable");
    source("{env: PASSWORD=canary}", Err(&at("env", "it has a `=`")), "the value with it");
    source("{env: ''}", Err(&at("env", "it is empty")), "empty");
    source("{secret: [canary]}", Err(&at("secret", "it must be a text")), "a list");
    source("{secret: 5}", Err(&at("secret", "it must be a text")), "Porter drops it silently");
    source("{path: null}", Err(&at("path", "it must be a text")), "nothing");
    let control = at("secret", "it has a control character");
    source("{secret: \"-----BEGIN canary\\n\"}", Err(&control), "the value pasted as its key");
    let segment = at("secret", "it has a segment `.` or `..`");
    source("{secret: ../canary}", Err(&segment), "out of the store");
    let long = at("secret", "it has 1026 bytes; at most 1024 are allowed");
    source(&format!("{{secret: canary{}}}", "a".repeat(1020)), Err(&long), "a value");
    let store = at("store", "it must be the name of a store in the configuration");
    source("{secret: a, store: 5}", Err(&store), "no text");
    source("{secret: a, store: canary/a}", Err(&store), "no name");
    source("{secret: a, store: null}", Err(&store), "nothing");
    let secret = at("store", "only the source `secret` has a store");
    source("{value: canary, store: a}", Err(&secret), "a value is in no store");
}

#[test]
fn a_value_can_be_of_any_type() {
    let value = |yaml: &str, expected: &str| {
        let set = parameters(&format!("{{name: a, parameters: [{{name: x, source: {yaml}}}]}}"));
        assert_eq!(set.unwrap().entries[0].reference.key(), expected, "{yaml}");
    };
    value("{value: a b}", "a b");
    value("{value: ''}", "");
    value("{value: 5}", "5");
    value("{value: true}", "true");
    value("{value: {a: [1]}}", "{\"a\":[1]}");
    source("{value: null}", Err("at `parameters[0].source.value`: it must be a text"), "nothing");
}
