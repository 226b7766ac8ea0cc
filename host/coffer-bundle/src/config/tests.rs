use super::*;
use crate::document::{Format, read};
use coffer_host::{Explain, MASK, Secret};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What must never be seen in an error.
const CANARY: &str = "canary";

const PORTER: &str = include_str!("../../tests/config/porter.yaml");
const CONTEXTS: &str = include_str!("../../tests/config/contexts.yaml");
const DESIGN: [(&str, Format); 3] = [
    (include_str!("../../tests/config/design.yaml"), Format::Yaml),
    (include_str!("../../tests/config/design.toml"), Format::Toml),
    (include_str!("../../tests/config/design.json"), Format::Json),
];

fn variables(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    move |name| variables.get(name).cloned()
}

fn yaml(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::parse(read(text, Format::Yaml).unwrap(), &variables(environment), None)
}

fn json(document: Value) -> Result<Config, ConfigError> {
    let environment = variables(&[("CANARY", CANARY), ("A", "a")]);
    Config::parse(document, &environment, None)
}

fn secrets(secrets: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    secrets.iter().map(|(key, value)| ((*key).to_owned(), Secret::from(*value))).collect()
}

#[test]
fn an_empty_file_is_the_defaults() {
    for text in ["", "# nothing", "null", "{}", "secrets:", "secrets: []\nstorage: []"] {
        let config = yaml(text, &[]).unwrap();
        assert_eq!(config.default_store().plugin, "host", "{text}");
        assert_eq!(config.default_store().fill(&BTreeMap::new()).unwrap(), Map::new());
        assert_eq!(
            config.show(),
            json!({
                "default-secrets-plugin": "host", "secrets": [],
                "default-storage-plugin": "sqlite", "storage": [],
                "namespace": "", "verbosity": "info",
            })
        );
        let storage = config.default_storage().fill(&BTreeMap::new()).unwrap();
        assert_eq!(storage, Storage { kind: StorageKind::Sqlite, url: None, timeout: None });
    }
}

#[test]
fn a_porter_configuration_reads_unchanged() {
    let config = yaml(PORTER, &[("AZURE_SUBSCRIPTION_ID", "1234")]).unwrap();
    assert_eq!(config.namespace, "dev");
    assert_eq!(config.verbosity, Verbosity::Warning);
    assert_eq!(config.runtime_driver.as_deref(), Some("docker"));
    // Both defaults are given; the name wins.
    let store = config.default_store();
    assert_eq!((store.name.as_str(), store.plugin.as_str()), ("team-vault", "azure.keyvault"));
    assert_eq!(
        Value::Object(store.fill(&BTreeMap::new()).unwrap()),
        json!({ "vault": "team-secrets", "subscription-id": "1234" })
    );
    assert_eq!(store.grants, None);
    let legacy = config.store("legacy").unwrap();
    assert_eq!(legacy.secrets().into_iter().collect::<Vec<_>>(), ["legacy-token"]);
    let filled = legacy.fill(&secrets(&[("legacy-token", "t")])).unwrap();
    assert_eq!(filled["vault_token"], "t");
    assert!(config.store("nobody").is_none());

    let storage = config.default_storage();
    assert_eq!(storage.secrets().into_iter().collect::<Vec<_>>(), ["staging-connection"]);
    let storage = storage.fill(&secrets(&[("staging-connection", "mongodb://h/db")])).unwrap();
    assert_eq!(storage.kind, StorageKind::Mongodb);
    assert_eq!(storage.url.unwrap().expose_text(), Some("mongodb://h/db"));
    assert_eq!(storage.timeout, Some(Duration::from_secs(300)));
    assert_eq!(config.ignored().count(), IGNORED.len() - 1, "all but the misspelt `signer`");
}

#[test]
fn the_example_of_the_design_reads_the_same_in_each_language() {
    let configs = DESIGN.map(|(text, format)| {
        Config::parse(read(text, format).unwrap(), &variables(&[]), None).unwrap()
    });
    assert_eq!(configs[0].stores, configs[1].stores);
    assert_eq!(configs[0].stores, configs[2].stores);
    let store = configs[0].default_store();
    let grants = store.grants.as_ref().unwrap();
    assert_eq!(grants.http_grants().len(), 1);
    assert_eq!(grants.variables().collect::<Vec<_>>(), ["HOME"]);
    assert_eq!(grants.command_patterns().len(), 1);
    assert_eq!(grants.directories().count(), 1);
    assert_eq!(store.limits, coffer_host::limits::Limits::default());
    assert_eq!(
        Value::Object(store.fill(&BTreeMap::new()).unwrap()),
        json!({ "address": "https://vault.internal:8200", "mount": "secret" })
    );
}

#[test]
fn a_single_entry_needs_no_list() {
    let config = json(json!({
        "default-secrets": "a",
        "secrets": { "name": "a", "plugin": "p", "config": { "x": "${env.A}" } },
        "storage": { "name": "s", "plugin": "postgresql", "config": { "url": "${secret.k}" } },
    }))
    .unwrap();
    assert_eq!(config.default_store().fill(&BTreeMap::new()).unwrap()["x"], "a");
    assert_eq!(config.storage[0].secrets().into_iter().collect::<Vec<_>>(), ["k"]);
}

#[test]
fn the_environment_overrides_texts() {
    let file = "{ default-secrets: a, namespace: file, verbosity: debug, runtime-driver: docker, \
                default-storage-plugin: mongodb, secrets: [{ name: a, plugin: p }, { name: b, plugin: p }] }";
    let with = |environment: &[(&str, &str)]| yaml(file, environment).unwrap();
    assert_eq!(with(&[]).default_store().name, "a");
    assert_eq!(with(&[("COFFER_DEFAULT_SECRETS", "b")]).default_store().name, "b");
    // Set but empty is set.
    let config = with(&[
        ("COFFER_DEFAULT_SECRETS", ""),
        ("COFFER_DEFAULT_SECRETS_PLUGIN", "filesystem"),
        ("COFFER_DEFAULT_STORAGE_PLUGIN", ""),
        ("COFFER_NAMESPACE", ""),
        ("COFFER_RUNTIME_DRIVER", ""),
        ("COFFER_VERBOSITY", ""),
    ]);
    assert_eq!(config.default_store().into_owned(), StoreEntry::of_plugin("filesystem"));
    assert_eq!(config.default_storage_plugin, "sqlite");
    assert_eq!((config.namespace.as_str(), config.runtime_driver.as_deref()), ("", None));
    assert_eq!(config.verbosity, Verbosity::Info);
    // Porter's variables are Porter's.
    assert_eq!(with(&[("PORTER_NAMESPACE", "porter")]).namespace, "file");
    // A variable is not a template.
    assert_eq!(with(&[("COFFER_NAMESPACE", "${env.X}")]).namespace, "${env.X}");

    let error = yaml(file, &[("COFFER_VERBOSITY", CANARY)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the environment variable COFFER_VERBOSITY: expected debug, info, warning or error"
    );
    let error = yaml(file, &[("COFFER_DEFAULT_SECRETS", "c")]).unwrap_err();
    assert_eq!(error.to_string(), r#"secrets "c" not defined; defined are "a", "b""#);
    let error = yaml(file, &[("COFFER_DEFAULT_STORAGE", "c")]).unwrap_err();
    assert_eq!(error.to_string(), r#"storage "c" not defined; no storage are defined"#);
}

#[test]
fn one_context_holds() {
    let with = |context: Option<&str>, environment: &[(&str, &str)]| {
        Config::parse(read(CONTEXTS, Format::Yaml).unwrap(), &variables(environment), context)
    };
    // Only the selected context needs its variables.
    let config = with(None, &[("STAGE", "")]).unwrap();
    assert_eq!((config.context.as_deref(), config.namespace.as_str()), (Some("default"), "dev"));
    let prod = [("STAGE", "prod"), ("PROD_NAMESPACE", "live")];
    let config = with(None, &prod).unwrap();
    assert_eq!(config.namespace, "live");
    assert_eq!(config.default_store().name, "vault");
    // The command line is before COFFER_CONTEXT, and that before the file.
    let chosen = [("STAGE", "prod"), ("COFFER_CONTEXT", "default")];
    assert_eq!(with(None, &chosen).unwrap().namespace, "dev");
    assert_eq!(with(Some("empty"), &chosen).unwrap().namespace, "");

    let check = |context: Option<&str>, environment: &[(&str, &str)], expected: &str| {
        assert_eq!(with(context, environment).unwrap_err().to_string(), expected);
    };
    check(
        Some("none"),
        &prod,
        r#"context "none" not found in the configuration file; defined are "default", "prod", "empty""#,
    );
    check(None, &[], "at `current-context`: the environment variable STAGE is not set");
    check(
        None,
        &prod[..1],
        "at `contexts[1].config.namespace`: the environment variable PROD_NAMESPACE is not set",
    );
}

#[test]
fn secrets_are_filled_in_where_they_can_be() {
    let config = json(json!({
        "secrets": [
            { "name": "a", "plugin": "p", "config": {
                "list": [{ "x.y": "u:${secret.one}@${env.A}:${secret.two}" }],
                "escaped": "$${secret.three}",
                "one": "${secret.one}",
            }},
            { "name": "b", "plugin": "p", "config": { "one": "${secret.one}" } },
        ],
    }))
    .unwrap();
    let store = config.store("a").unwrap();
    assert_eq!(store.secrets().into_iter().collect::<Vec<_>>(), ["one", "two"]);
    let filled = store.fill(&secrets(&[("one", "1\": {"), ("two", "${env.A}")])).unwrap();
    assert_eq!(
        Value::Object(filled),
        json!({
            "list": [{ "x.y": "u:1\": {@a:${env.A}" }],
            "escaped": "${secret.three}",
            "one": "1\": {",
        })
    );
    let error = store.fill(&secrets(&[("one", CANARY)])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at `secrets[0].config.list[0].x.y`: ${secret.two} was not resolved"
    );
    let binary = BTreeMap::from([("one".to_owned(), Secret::new(vec![0xff]))]);
    let error = config.store("b").unwrap().fill(&binary).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at `secrets[1].config.one`: the value of ${secret.one} is not text"
    );
}

#[test]
fn a_storage_is_refused_when_it_is_used() {
    let check = |storage: Value, expected: Result<Storage, &str>| {
        let document = json!({ "default-storage": "s", "storage": [storage] });
        let filled = json(document).unwrap().default_storage().fill(&BTreeMap::new());
        if let Err(error) = &filled {
            assert!(!format!("{error} {error:?} {}", error.next()).contains(CANARY), "{error}");
        }
        assert_eq!(filled.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    };
    let storage =
        |plugin: &str, config: Value| json!({ "name": "s", "plugin": plugin, "config": config });
    let kept = |kind, url: Option<&str>, timeout: Option<u64>| {
        Ok(Storage { kind, url: url.map(Secret::from), timeout: timeout.map(Duration::from_secs) })
    };
    check(storage("sqlite", json!(null)), kept(StorageKind::Sqlite, None, None));
    check(
        storage("postgresql", json!({ "url": "u", "timeout": "1m" })),
        kept(StorageKind::Postgresql, Some("u"), Some(60)),
    );
    check(
        storage("mongodb", json!({ "url": "u", "timeout": 3600 })),
        kept(StorageKind::Mongodb, Some("u"), Some(3600)),
    );
    check(
        storage("mongodb-docker", json!({ "port": CANARY })),
        Err(
            r#"coffer has no storage plugin "mongodb-docker", only mongodb, postgresql and sqlite"#,
        ),
    );
    // A name that comes from a variable is shown as it is written.
    let error = json(json!({ "default-storage-plugin": "${env.CANARY}" })).unwrap();
    let error = error.default_storage().fill(&BTreeMap::new()).unwrap_err();
    assert_eq!(error, ConfigError::StorageUnknown { plugin: "${env.CANARY}".into() });
    check(storage("mongodb", json!({})), Err("at `storage[0].config`: `url` is missing"));
    check(
        storage("postgresql", json!({ "url": "" })),
        Err("at `storage[0].config`: `url` is missing"),
    );
    check(
        storage("sqlite", json!({ "ulr": CANARY })),
        Err("at `storage[0].config.ulr`: there is no key `ulr`; did you mean `url`?"),
    );
    let time =
        "at `storage[0].config.timeout`: expected a number of seconds, or a time such as 30s";
    check(storage("sqlite", json!({ "timeout": [CANARY] })), Err(time));
    for timeout in [json!(CANARY), json!(0), json!(3601), json!("0s")] {
        check(storage("sqlite", json!({ "timeout": timeout })), Err(&format!("{time}, up to 1h")));
    }
}

#[test]
fn what_is_shown_has_no_credential() {
    let document = json!({
        "namespace": "${env.A}",
        "secrets": [{
            "name": "a", "plugin": "p",
            "config": {
                "address": "https://vault.internal:8200",
                "mount": "secret",
                "vault_token": CANARY,
                "client-secret": { "deep": [CANARY, 1, null] },
                "from": "${env.CANARY}",
                "password": "${env.CANARY}",
                "PassWord2": "canary${env.CANARY}",
                "urls": ["https://u:canary@h/", "https://canary@h/", "https://u:can/canary@h/", "https://h/a@b"],
                "dsn": "postgres://${env.A}:${env.CANARY}@h/db",
                "timeout": 3,
            },
            "grants": { "environment": ["HOME"] },
            "isolation": "process",
            "limits": { "memory": "1MiB", "answer": 1025, "body": "2KiB", "call": "90s" },
        }],
        "storage": [{ "name": "s", "plugin": "mongodb", "config": { "url": "mongodb://u:canary@h" } }],
    });
    let config = json(document).unwrap();
    let shown = config.show();
    assert_eq!(
        shown,
        json!({
            "default-secrets-plugin": "host",
            "secrets": [{
                "name": "a", "plugin": "p",
                "config": {
                    "address": "https://vault.internal:8200",
                    "mount": "secret",
                    "vault_token": MASK,
                    "client-secret": { "deep": [MASK, MASK, null] },
                    "from": "${env.CANARY}",
                    "password": "${env.CANARY}",
                    "PassWord2": MASK,
                    "urls": [MASK, MASK, MASK, "https://h/a@b"],
                    "dsn": MASK,
                    "timeout": 3,
                },
                "grants": { "environment": ["HOME"] },
                "isolation": "process",
                "limits": {
                    "memory": "1MiB", "call": "1m 30s", "concurrency": 8,
                    "answer": 1025, "requests": 64, "body": "2KiB",
                },
            }],
            "default-storage-plugin": "sqlite",
            "storage": [{ "name": "s", "plugin": "mongodb", "config": { "url": MASK } }],
            "namespace": "${env.A}",
            "verbosity": "info",
        })
    );
    assert!(!shown.to_string().contains(CANARY) && !format!("{config:?}").contains(CANARY));
}

/// Whatever the setting is called.
#[test]
fn what_a_login_is_made_with_is_masked() {
    let file = json!({ "file": "/run/id" });
    for (kind, hidden, shown) in [
        (
            "vault-approle",
            json!({ "role-id": CANARY, "secret-id": CANARY }),
            json!({ "url": "https://v/" }),
        ),
        ("vault-kubernetes", json!({ "jwt": CANARY }), json!({ "url": "https://v/", "role": "r" })),
        ("jwt-bearer", json!({ "key": CANARY }), json!({ "url": "https://v/", "scope": "s" })),
        ("client-credentials", json!({ "client-secret": CANARY }), json!({ "client-id": "i" })),
        ("managed-identity", json!({}), json!({ "resource": "r" })),
        ("vault-approle", json!({ "secret-id": { "file": CANARY } }), json!({ "role-id": file })),
    ] {
        for setting in ["auth", "token"] {
            let mut login = json!({ "login": kind });
            for part in [&hidden, &shown] {
                login.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            }
            let document = json!({ "secrets": [{ "name": "a", "plugin": "p", "config": { setting: login } }] });
            let config = json(document).unwrap().show();
            let text = config.to_string();
            assert!(!text.contains(CANARY), "{text}");
            for (key, value) in shown.as_object().unwrap() {
                assert_eq!(config["secrets"][0]["config"][setting][key], *value, "{text}");
            }
        }
    }
    // Where a credential is, is no credential; what is no path is masked.
    for (path, shown) in [("/run/token", "/run/token"), (CANARY, MASK)] {
        let document = json!({ "secrets": [
            { "name": "a", "plugin": "p", "config": { "token": { "file": path } } },
        ] });
        let config = json(document).unwrap().show();
        assert_eq!(config["secrets"][0]["config"]["token"], json!({ "file": shown }));
    }
    // What is no login is masked whole where its name says so.
    let typo = json!({ "token": { "login": "vault-aprole", "url": CANARY, "role-id": CANARY } });
    let document = json!({ "secrets": [{ "name": "a", "plugin": "p", "config": typo }] });
    assert!(!json(document).unwrap().show().to_string().contains(CANARY));
}

#[test]
fn what_is_shown_is_a_configuration() {
    for (text, format) in DESIGN {
        let shown =
            Config::parse(read(text, format).unwrap(), &variables(&[]), None).unwrap().show();
        assert_eq!(json(shown.clone()).unwrap().show(), shown);
    }
    // What stands for `${` itself is shown as that; as `${` it would be a template.
    let document = json!({ "secrets": [{ "name": "$${a}", "plugin": "p$${env.A}" }] });
    let config = json(document.clone()).unwrap();
    assert_eq!((&*config.stores[0].name, &*config.stores[0].plugin), ("${a}", "p${env.A}"));
    let shown = config.show();
    for key in ["name", "plugin"] {
        assert_eq!(shown["secrets"][0][key], document["secrets"][0][key]);
    }
    assert_eq!(json(shown.clone()).unwrap().show(), shown);
}

mod wrong;
