//! The plugin `aws-secrets-manager` in the sandbox, with what its own manifest asks for, against moto with
//! signatures and IAM switched on. The host signs each request.

use crate::told::{self, get, put, refused, secret};
use backends::moto::{Key, REGION, Server};
use coffer_host::grants::Reference;
use coffer_host::{Blame, Existing, Granted, Host, Secret, Store, StoreConfig};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// A store at this server that has these settings besides.
pub(crate) fn store(server: &Server, key: &Key, settings: &Value) -> Store {
    store_at(&server.address(), key, settings)
}

pub(crate) fn store_at(address: &str, key: &Key, settings: &Value) -> Store {
    let mut all = json!({
        "region": REGION, "address": address, "private_addresses": true,
        "access_key_id": key.id, "secret_access_key": key.secret,
    });
    if !key.token.is_empty() {
        all["session_token"] = key.token.as_str().into();
    }
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let host = Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("aws-secrets-manager")).unwrap();
    let settings = all.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("aws", &plugin, config).unwrap()
}

fn root(server: &Server, settings: &Value) -> Store {
    store(server, server.admin(), settings)
}

/// What the server has under a name.
fn kept(server: &Server, name: &str) -> Value {
    server.root("secretsmanager", "get_secret_value", json!({ "SecretId": name }))
}

fn names(server: &Server) -> Vec<String> {
    let mut names = Vec::new();
    let mut parameters = json!({});
    loop {
        let page = server.root("secretsmanager", "list_secrets", parameters);
        let listed = page["SecretList"].as_array().unwrap().iter();
        names.extend(listed.map(|it| it["Name"].as_str().unwrap().to_owned()));
        match &page["NextToken"] {
            Value::String(next) => parameters = json!({ "NextToken": next }),
            _ => return names,
        }
    }
}

#[tokio::test]
async fn keeps_what_it_is_given() {
    let server = Server::start();
    let store = root(&server, &json!({}));
    assert!(store.capabilities().writer && store.capabilities().lister);
    let every_byte: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    let text = "ä\u{0}\u{2028}\u{feff}<&>\"\\\n日本語🔑".as_bytes();
    for bytes in [&b""[..], b"hunter2", b"\n", b"\0", b"empty", b"\xff\xfe", text, &every_byte] {
        put(&store, "k", bytes).await;
        assert!(get(&store, "k").await == bytes, "{} bytes", bytes.len());
    }
    // A store that is opened later sees the same.
    assert!(get(&root(&server, &json!({})), "k").await == every_byte);
    // More than the service takes is told, and what was there stays.
    let larger = Secret::new(vec![b'x'; 64 * 1024 + 1]);
    let result = store.put(&secret("k"), &larger, Existing::Replace).await;
    refused(result, "too-large", Blame::Requester, &["65536"]);
    assert!(get(&store, "k").await == every_byte);
    // Text is what other tools read too.
    put(&store, "k", "hünter2".as_bytes()).await;
    assert_eq!(kept(&server, "coffer/k")["SecretString"], "hünter2");
    for _ in 0..2 {
        store.delete(&secret("k")).await.unwrap();
        let result = store.resolve_one(&secret("k")).await;
        refused(result, "not-found", Blame::Requester, &[]);
    }
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn keeps_or_replaces() {
    let server = Server::start();
    let store = root(&server, &json!({}));
    let key = secret("k");
    store.put(&key, &Secret::from("one"), Existing::Keep).await.unwrap();
    let result = store.put(&key, &Secret::from("two"), Existing::Keep).await;
    refused(result, "conflict", Blame::Requester, &[]);
    assert_eq!(get(&store, "k").await, b"one");
    // Each is a version of its own, also of a value that was there before.
    for text in ["three", "one", "one", "three"] {
        store.put(&key, &Secret::from(text), Existing::Replace).await.unwrap();
        assert_eq!(get(&store, "k").await, text.as_bytes());
    }
    let found = store.resolve_one(&key).await.unwrap();
    assert_eq!(found.version(), kept(&server, "coffer/k")["VersionId"].as_str());
    let described =
        server.root("secretsmanager", "describe_secret", json!({ "SecretId": "coffer/k" }));
    assert_eq!(described["VersionIdsToStages"].as_object().unwrap().len(), 5, "{described}");
    assert_eq!(get(&store, "coffer/k##AWSPREVIOUS").await, b"one");
}

#[tokio::test]
async fn what_is_deleted_is_restored_or_gone() {
    let server = Server::start();
    let store = root(&server, &json!({}));
    put(&store, "k", b"old").await;
    store.delete(&secret("k")).await.unwrap();
    let described =
        server.root("secretsmanager", "describe_secret", json!({ "SecretId": "coffer/k" }));
    assert!(described["DeletedDate"].is_string(), "{described}");
    for existing in [Existing::Keep, Existing::Replace] {
        let result = store.put(&secret("k"), &Secret::from("new"), existing).await;
        refused(result, "other", Blame::Plugin, &["scheduled for deletion", "`restore`"]);
    }
    let restores = root(&server, &json!({ "restore": true }));
    restores.put(&secret("k"), &Secret::from("new"), Existing::Keep).await.unwrap();
    assert_eq!(get(&store, "k").await, b"new");
    assert_eq!(get(&store, "coffer/k##AWSPREVIOUS").await, b"old");
    let at_once = root(&server, &json!({ "recovery_days": 0 }));
    at_once.delete(&secret("k")).await.unwrap();
    at_once.delete(&secret("k")).await.unwrap();
    let gone = json!({ "SecretId": "coffer/k" });
    let told = server.ask(server.admin(), "secretsmanager", "describe_secret", gone);
    assert_eq!(told, Err("ResourceNotFoundException".to_owned()));
    put(&store, "k", b"again").await;
    assert_eq!(get(&store, "k").await, b"again");
}

#[tokio::test]
async fn keys_never_meet() {
    let server = Server::start();
    let store = root(&server, &json!({}));
    // Folders that are below one another share nothing either.
    let below = root(&server, &json!({ "folder": "coffer/a" }));
    put(&below, "b", b"below").await;
    told::keys_never_meet(&store, &["x".repeat(505), "x".repeat(504)]).await;
    assert_eq!(get(&below, "b").await, b"below");
    assert_eq!(below.list("").await.unwrap(), ["b"]);
    assert!(names(&server).iter().all(|name| name.starts_with("coffer/")));
    let longer = store.put(&secret(&"x".repeat(506)), &Secret::from("v"), Existing::Keep).await;
    refused(longer, "invalid-reference", Blame::Requester, &["takes 512"]);
}

#[tokio::test]
async fn lists_more_than_a_page() {
    let server = Server::start();
    let store = root(&server, &json!({}));
    let mut keys: Vec<String> = (0..205).map(|n| format!("run/{n:03}")).collect();
    keys.push("other".into());
    let named = |key: &String| format!("coffer/{}", key.replace('/', "=2f"));
    for name in keys.iter().map(named).chain(["run/of-others".into(), "coffer/run/0".into()]) {
        let parameters = json!({ "Name": name, "SecretString": "v" });
        server.root("secretsmanager", "create_secret", parameters);
    }
    assert_eq!(store.list("run/").await.unwrap(), keys[..205]);
    assert_eq!(store.list("run/20").await.unwrap(), keys[200..205]);
    assert_eq!(store.list("").await.unwrap().len(), keys.len());
    assert_eq!(store.list("none").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_hundred_references_at_once() {
    let server = Server::start();
    let fields: serde_json::Map<String, Value> =
        (0..50).map(|n| (format!("f{n}"), json!(format!("field {n}")))).collect();
    let parameters = json!({ "Name": "app/db", "SecretString": json!(fields).to_string() });
    server.root("secretsmanager", "create_secret", parameters);
    let store = root(&server, &json!({}));
    let keys: Vec<String> = (0..100).map(|n| format!("key {n}")).collect();
    join_all(keys.iter().map(|key| put(&store, key, key.as_bytes()))).await;
    let mut references: Vec<Reference> = keys.iter().map(|key| secret(key)).collect();
    references.extend((0..50).map(|n| secret(&format!("app/db#f{n}"))));
    references.extend(["app/db#none", "none", "none#"].map(secret));
    let mut answers = store.resolve(&references).await;
    // A part that fails is a part.
    for answer in answers.split_off(150) {
        refused(answer, "not-found", Blame::Requester, &[]);
    }
    for (n, answer) in answers.into_iter().enumerate() {
        let expected = if n < 100 { format!("key {n}") } else { format!("field {}", n - 100) };
        assert_eq!(answer.unwrap().expose(), expected.as_bytes());
    }
}

#[tokio::test]
async fn reads_what_others_keep_and_leaves_it_as_it_is() {
    let server = Server::start();
    let manager =
        |operation: &str, parameters: Value| server.root("secretsmanager", operation, parameters);
    let made = manager(
        "create_secret",
        json!({
            "Name": "app/db", "SecretString": json!({ "user": "old" }).to_string(),
        }),
    );
    let wrote = json!({ "user": "ä", "port": 5432, "nested": { "a": [1] } }).to_string();
    manager("put_secret_value", json!({ "SecretId": "app/db", "SecretString": wrote }));
    manager("create_secret", json!({ "Name": "binary", "SecretBinary": "/wA=" }));
    manager("create_secret", json!({ "Name": "01JD-password", "SecretString": "porters" }));
    let (arn, version) = (made["ARN"].as_str().unwrap(), made["VersionId"].as_str().unwrap());
    let store = root(&server, &json!({}));
    for (key, expected) in [
        ("app/db#user", "ä".as_bytes()),
        ("app/db#user#AWSPREVIOUS", b"old"),
        (&format!("app/db#user#{version}"), b"old"),
        ("app/db#port", b"5432"),
        ("app/db#nested", b"{\"a\":[1]}"),
        ("app/db#", wrote.as_bytes()),
        (&format!("{arn}#user"), "ä".as_bytes()),
        (arn, wrote.as_bytes()),
        ("binary#", b"\xff\0"),
    ] {
        assert_eq!(get(&store, key).await, expected, "{key}");
    }
    for key in ["app/db#none", "app#user", "app/db#user#AWSPENDING", "01JD-password", "app/db"] {
        let result = store.resolve_one(&secret(key)).await;
        refused(result, "not-found", Blame::Requester, &[]);
    }
    // As Porter's plugin takes a key, where the setting says so.
    let porters = root(&server, &json!({ "plain_names": true, "env-aws-prefix": "AWS_" }));
    assert_eq!(get(&porters, "01JD-password").await, b"porters");
    put(&porters, "01JD-password", b"ours").await;
    assert_eq!(get(&porters, "01JD-password").await, b"ours");
    assert_eq!(kept(&server, "01JD-password")["SecretString"], "porters");
    // Whatever the store does to keys that look like it.
    for key in ["app/db", "app", "binary"] {
        put(&store, key, b"x").await;
        store.delete(&secret(key)).await.unwrap();
    }
    assert_eq!(kept(&server, "app/db")["SecretString"], wrote.as_str());
    assert_eq!(kept(&server, "binary")["SecretBinary"], "/wA=");
}
