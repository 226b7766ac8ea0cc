//! What is refused, and that no error shows a value.

use super::*;
use coffer_host::Blame;

/// The error of `document`: its text, and that it shows no value.
fn refused(document: &Value) -> ConfigError {
    let error = json(document.clone()).expect_err(&document.to_string());
    let said = format!("{error} {error:?} {}", error.next());
    assert!(!said.contains(CANARY), "{document}: {said}");
    assert_eq!(error.blame(), Blame::Operator);
    assert!(!error.next().is_empty(), "{error}");
    error
}

#[test]
fn contexts_are_read_strictly() {
    let contexts = |config: Value| json!({ "schemaVersion": "2.0.0", "contexts": config });
    let check =
        |document: Value, expected: &str| assert_eq!(refused(&document).to_string(), expected);
    check(
        contexts(json!([{ "name": "default", "config": { "namespac": CANARY } }])),
        "at `contexts[0].config.namespac`: there is no key `namespac`; did you mean `namespace`?",
    );
    check(
        contexts(
            json!([{ "name": "default", "config": { "secrets": [{ "name": "a", "plugin": "p", "limits": { "call": CANARY } }] } }]),
        ),
        "at `contexts[0].config.secrets[0].limits.call`: this is not a time with its unit, such as 5s or 500ms",
    );
    check(contexts(json!([{ "name": "a" }, { "name": "a" }])), r#"two contexts are named "a""#);
    check(
        contexts(json!([])),
        r#"context "default" not found in the configuration file; no contexts are defined"#,
    );
    check(contexts(json!({ "a": CANARY })), "at `contexts`: expected a sequence");
    check(
        json!({ "schemaVersion": CANARY, "contexts": [] }),
        "at `schemaVersion`: this is no version that coffer reads",
    );
    check(json!({ "schemaVersion": "2.0.0" }), "missing field `contexts`");
    check(json!({ "contexts": [] }), "the configuration file has contexts and no `schemaVersion`");
    check(
        json!({ "schemaVersion": "2.0.0", "contexts": [], "namespace": CANARY }),
        "`namespace` stands beside `contexts`, where it holds for none of them",
    );
    let error = Config::parse(json!({}), &variables(&[]), Some("prod")).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"context "prod" is selected, and the configuration file has no contexts"#
    );
    assert!(Config::parse(json!({}), &variables(&[("COFFER_CONTEXT", "x")]), None).is_err());
    assert!(Config::parse(json!({}), &variables(&[("COFFER_CONTEXT", "")]), None).is_ok());
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_without_its_value() {
    let check =
        |document: Value, expected: &str| assert_eq!(refused(&document).to_string(), expected);
    let store = |changes: Value| {
        let mut store = json!({ "name": "a", "plugin": "p" });
        store.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({ "secrets": [store] })
    };
    check(json!(CANARY), "expected keys and values");
    check(json!([CANARY]), "expected keys and values");
    check(
        json!({ "default-secret": CANARY }),
        "at `default-secret`: there is no key `default-secret`; did you mean `default-secrets`?",
    );
    check(json!({ "verbosity": CANARY }), "at `verbosity`: expected debug, info, warning or error");
    check(json!({ "namespace": { "x": CANARY } }), "at `namespace`: expected a string");
    check(
        json!({ "secrets": CANARY }),
        "at `secrets`: expected a list of entries with `name` and `plugin`",
    );
    check(
        json!({ "secrets": [CANARY] }),
        "at `secrets[0]`: expected a store: `name`, `plugin` and what it needs",
    );
    check(json!({ "secrets": [{ "name": "a" }] }), "at `secrets[0]`: missing field `plugin`");
    check(
        json!({ "secrets": { "name": "a", "plugin": "p", "grant": CANARY } }),
        "at `secrets.grant`: there is no key `grant`; did you mean `grants`?",
    );
    check(store(json!({ "name": "" })), "at `secrets[0].name`: this must not be empty");
    check(store(json!({ "plugin": "" })), "at `secrets[0].plugin`: this must not be empty");
    check(store(json!({ "config": CANARY })), "at `secrets[0].config`: expected a map");
    check(store(json!({ "token": CANARY })), "at `secrets[0].token`: there is no key `token`");
    check(
        store(json!({ "isolation": CANARY })),
        "at `secrets[0].isolation`: this is neither `none` nor `process`",
    );
    check(
        store(json!({ "isolaton": CANARY })),
        "at `secrets[0].isolaton`: there is no key `isolaton`; did you mean `isolation`?",
    );
    check(
        store(json!({ "limits": { "memroy": CANARY } })),
        "at `secrets[0].limits.memroy`: there is no key `memroy`; did you mean `memory`?",
    );
    check(
        store(json!({ "limits": { "memory": CANARY } })),
        "at `secrets[0].limits.memory`: this is not a number of bytes, such as 64MiB",
    );
    check(
        store(json!({ "limits": { "concurrency": CANARY } })),
        "at `secrets[0].limits.concurrency`: expected usize",
    );
    check(
        json!({ "secrets": [{ "name": "a", "plugin": "p" }, { "name": "a", "plugin": "q" }] }),
        r#"two stores are named "a""#,
    );
    check(
        json!({ "storage": [{ "name": "a", "plugin": "p" }, { "name": "a", "plugin": "q" }] }),
        r#"two entries of `storage` are named "a""#,
    );
    check(json!({ "default-secrets": "x" }), r#"secrets "x" not defined; no stores are defined"#);
    // A name that comes from a variable is shown as it is written.
    check(
        json!({ "default-secrets": "${env.CANARY}", "secrets": [{ "name": "a", "plugin": "p" }] }),
        r#"secrets "${env.CANARY}" not defined; defined are "a""#,
    );
    check(
        store(json!({ "config": { "deep": [{ "token": "canary${env.NONE}" }] } })),
        "at `secrets[0].config.deep[0].token`: the environment variable NONE is not set",
    );
    check(
        store(json!({ "config": { "password": "canary${x" } })),
        "at `secrets[0].config.password`: `${` begins a template, and there is no `}` behind it",
    );
    check(json!({ "logs": { "level": 1, "x": CANARY } }), "at `logs.level`: expected a string");
    check(
        json!({ "allow-docker-host-access": [CANARY] }),
        "at `allow-docker-host-access`: expected true or false",
    );
}

#[test]
fn grants_are_refused_with_their_place_and_without_their_value() {
    let http = |changes: Value| {
        let mut http = json!({ "url": "https://a.example/**", "methods": ["GET"] });
        http.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({ "http": [http] })
    };
    let check = |grants: Value, expected: &str| {
        let document = json!({ "secrets": [{ "name": "a", "plugin": "p", "grants": grants }] });
        assert_eq!(refused(&document).to_string(), format!("at `secrets[0].grants{expected}"));
    };
    check(json!({ "htpp": CANARY }), ".htpp`: there is no key `htpp`; did you mean `http`?");
    check(json!(CANARY), "`: expected grants by their kind");
    check(json!({ "http": CANARY }), ".http`: expected a sequence");
    check(json!({ "http": [CANARY] }), ".http[0]`: expected a rule: `url` and `methods`");
    check(
        json!({ "directories": [CANARY] }),
        ".directories[0]`: expected a directory: `host` and `access`",
    );
    check(
        http(json!({ "url": "https://canary:canary@a.example/" })),
        ".http[0].url`: this URL cannot be granted: it has a user name or a password (`@`)",
    );
    check(
        http(json!({ "url": "${env.CANARY}" })),
        ".http[0].url`: this URL cannot be granted: it does not begin with `http://` or `https://`",
    );
    check(
        http(json!({ "methods": ["GET", CANARY] })),
        ".http[0].methods[1]`: a method is a word in upper case, such as GET",
    );
    check(
        http(json!({ "headers": { "X-Token": CANARY } })),
        ".http[0].headers.X-Token`: expected one of `env`, `file` and `setting`, and its value",
    );
    check(
        http(json!({ "headers": { "X-Token": { "value": CANARY } } })),
        ".http[0].headers.X-Token.value`: there is no key `value`",
    );
    check(
        http(json!({ "headers": { "X-Token": { "env": CANARY, "file": CANARY } } })),
        ".http[0].headers.X-Token`: an injected header takes exactly one of `env`, `file` and `setting`",
    );
    check(
        http(json!({ "headers": { "X-Token": { "env": "A", "prefix": "canary\n" } } })),
        ".http[0].headers.X-Token`: the prefix of an injected header has a character that a header cannot have",
    );
    check(
        json!({ "environment": ["HOME", "TOKEN=canary"] }),
        "`: `environment[1]` is not the name of an environment variable; there is no pattern for them",
    );
    check(
        json!({ "commands": [["./canary"]] }),
        ".commands[0]`: the program of a granted command is a name to be found on PATH or an absolute path",
    );
    check(
        json!({ "referenced": [CANARY] }),
        "`: `referenced` can grant what references of source env name, and nothing else",
    );
    check(
        json!({ "directories": [{ "host": CANARY, "access": CANARY }] }),
        ".directories[0].access`: there is no choice like this, only read-only, read-write",
    );
}

#[test]
fn secrets_are_refused_where_they_cannot_be() {
    let check =
        |document: Value, expected: &str| assert_eq!(refused(&document).to_string(), expected);
    check(
        json!({
            "default-secrets": "a",
            "secrets": [{ "name": "a", "plugin": "p", "config": { "t": "canary${secret.k}" } }],
        }),
        "at `secrets[0].config.t`: ${secret.k} cannot be used in the settings of the default store, which is what resolves it",
    );
    let only = ": ${secret.KEY} can be used below `config` of `secrets` and `storage` only";
    check(json!({ "namespace": "canary${secret.k}" }), &format!("at `namespace`{only}"));
    check(
        json!({ "secrets": [{ "name": "a", "plugin": "${secret.k}" }] }),
        &format!("at `secrets[0].plugin`{only}"),
    );
    check(
        json!({ "secrets": [{ "name": "a", "plugin": "p", "grants": { "environment": ["${secret.k}"] } }] }),
        &format!("at `secrets[0].grants.environment[0]`{only}"),
    );
    check(
        json!({ "secrets": [{ "name": "a", "plugin": "p", "grants": { "http": [{ "url": "${secret.k}", "methods": [] }] } }] }),
        &format!("at `secrets[0].grants.http[0].url`{only}"),
    );
    check(
        json!({ "schemaVersion": "2.0.0", "current-context": "${secret.k}", "contexts": [] }),
        &format!("at `current-context`{only}"),
    );
}

/// Every document that is `document` with `wrong` somewhere in the place of a value, and where.
fn with_each_value_replaced(document: &Value, wrong: &Value) -> Vec<(String, Value)> {
    fn places(value: &Value, place: &str, found: &mut Vec<String>) {
        found.push(place.to_owned());
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    places(item, &format!("{place}/{index}"), found);
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    places(value, &format!("{place}/{key}"), found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    places(document, "", &mut found);
    let replaced = |place: String| {
        let mut document = document.clone();
        *document.pointer_mut(&place).unwrap() = wrong.clone();
        (place, document)
    };
    found.into_iter().map(replaced).collect()
}

#[test]
fn a_value_in_the_wrong_place_is_never_shown() {
    let texts = [(PORTER, Format::Yaml), (CONTEXTS, Format::Yaml), DESIGN[0]];
    let wrongs = [
        json!(CANARY),
        json!([CANARY]),
        json!([[CANARY]]),
        json!({ "x": CANARY }),
        json!("${env.CANARY}"),
        json!("canary${env.CANARY}"),
        json!("canary ${secret.k}"),
        json!("canary ${canary"),
        json!("${canary}"),
        json!("https://u:canary@h/"),
        json!("NAME=canary"),
    ];
    let mut refused = 0;
    for (text, format) in texts {
        let document = read(text, format).unwrap();
        for wrong in &wrongs {
            for (place, document) in with_each_value_replaced(&document, wrong) {
                // Names are shown, so that people see which is not defined.
                let name = [
                    "/name",
                    "/plugin",
                    "/default-secrets",
                    "/default-storage",
                    "/current-context",
                ]
                .iter()
                .any(|key| place.ends_with(key));
                if name && wrong.is_string() && wrong != "${env.CANARY}" {
                    continue;
                }
                let environment = |name: &str| match name {
                    "CANARY" => Some(CANARY.to_owned()),
                    "AZURE_SUBSCRIPTION_ID" | "PROD_NAMESPACE" => Some("x".to_owned()),
                    "STAGE" => Some("prod".to_owned()),
                    _ => None,
                };
                let said = match Config::parse(document, &environment, None) {
                    Ok(config) => {
                        let used = config.default_storage().fill(&BTreeMap::new());
                        used.err().map(|error| format!("{error} {error:?} {}", error.next()))
                    }
                    Err(error) => Some(format!("{error} {error:?} {}", error.next())),
                };
                let Some(said) = said else { continue };
                refused += 1;
                assert!(!said.contains(CANARY), "{place}: {wrong}: {said}");
            }
        }
    }
    assert!(refused > 500, "{refused}");
}
