//! The plugin `vault` in the sandbox, with what its own manifest asks for, against OpenBao.

use crate::told::{self, get, put, refused, secret};
use backends::openbao::{REQUEST_BYTES_MAX, Server};
use coffer_host::grants::Reference;
use coffer_host::{Blame, Existing, Granted, Host, Secret, Store, StoreConfig};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// A store at this server that has these settings besides.
pub(crate) fn store(server: &Server, token: &str, settings: &Value) -> Store {
    let mut all = json!({
        "address": server.address(), "token": token, "private_addresses": true,
    });
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let host = Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("vault")).unwrap();
    let settings = all.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("vault", &plugin, config).unwrap()
}

fn root(server: &Server, settings: &Value) -> Store {
    store(server, server.root_token(), settings)
}

/// The settings of an engine of each version.
fn versions() -> [Value; 2] {
    [json!({}), json!({ "mount": "kv1", "kv_version": 1, "prefix": "team/one" })]
}

#[tokio::test]
async fn keeps_what_it_is_given() {
    let server = Server::start();
    for settings in versions() {
        let store = root(&server, &settings);
        assert!(store.capabilities().writer && store.capabilities().lister);
        let every_byte: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
        let text = "ä\u{0}\u{2028}\u{feff}<&>\"\\\n日本語🔑".as_bytes();
        for bytes in [&b""[..], b"hunter2", b"\n", b"\0", b"\xff\xfe", text, &every_byte] {
            put(&store, "k", bytes).await;
            assert!(get(&store, "k").await == bytes, "{} bytes", bytes.len());
        }
        // A store that is opened later sees the same.
        assert!(get(&root(&server, &settings), "k").await == every_byte);
        // More than the server takes is told, and what was there stays.
        let larger = Secret::new(vec![b'x'; REQUEST_BYTES_MAX]);
        let result = store.put(&secret("k"), &larger, Existing::Replace).await;
        refused(result, "too-large", Blame::Requester, &[]);
        assert!(get(&store, "k").await == every_byte);
        store.delete(&secret("k")).await.unwrap();
        store.delete(&secret("k")).await.unwrap();
        let result = store.resolve_one(&secret("k")).await;
        refused(result, "not-found", Blame::Requester, &[]);
    }
    // Nothing is left of it, no version and no metadata.
    let listed = server.ask(server.root_token(), "GET", "secret/metadata?list=true", json!({}));
    assert_eq!(listed.status, 404, "{listed:?}");
}

#[tokio::test]
async fn keeps_or_replaces() {
    let server = Server::start();
    for settings in versions() {
        let store = root(&server, &settings);
        let key = secret("k");
        store.put(&key, &Secret::from("one"), Existing::Keep).await.unwrap();
        let result = store.put(&key, &Secret::from("two"), Existing::Keep).await;
        refused(result, "conflict", Blame::Requester, &[]);
        assert_eq!(get(&store, "k").await, b"one");
        store.put(&key, &Secret::from("three"), Existing::Replace).await.unwrap();
        assert_eq!(get(&store, "k").await, b"three");
    }
    let store = root(&server, &json!({}));
    let found = store.resolve_one(&secret("k")).await.unwrap();
    assert_eq!(found.version(), Some("2"));
    // Of many that keep at the same time exactly one does; of many that replace each does or is told.
    for existing in [Existing::Keep, Existing::Replace] {
        let key = secret(&format!("contended-{existing:?}"));
        let puts = (0..16).map(|n| {
            let (store, key) = (store.clone(), key.clone());
            async move { store.put(&key, &Secret::from(format!("{n}").as_str()), existing).await }
        });
        let answers = join_all(puts).await;
        let won: Vec<usize> = (0..answers.len()).filter(|index| answers[*index].is_ok()).collect();
        assert!(existing == Existing::Replace || won.len() == 1, "{won:?}");
        for answer in answers.into_iter().filter(Result::is_err) {
            refused(answer, "conflict", Blame::Requester, &[]);
        }
        let found = store.resolve_one(&key).await.unwrap();
        // Each success is a version of its own: none was overwritten unseen.
        assert_eq!(found.version(), Some(won.len().to_string().as_str()));
        let value: usize = std::str::from_utf8(found.expose()).unwrap().parse().unwrap();
        assert!(won.contains(&value));
    }
}

#[tokio::test]
async fn keys_never_meet() {
    let server = Server::start();
    for settings in versions() {
        told::keys_never_meet(&root(&server, &settings), &[]).await;
    }
    // All of it was in the one folder.
    let folders = |path: &str| {
        server.root("GET", &format!("{path}?list=true"), json!({}))["data"]["keys"].clone()
    };
    assert_eq!(folders("secret/metadata"), json!(["coffer/"]));
    assert_eq!(folders("kv1"), json!(["team/"]));
    assert_eq!(folders("kv1/team/one"), json!(["coffer/"]));
}

#[tokio::test]
async fn lists_more_than_a_page() {
    let server = Server::start();
    for settings in versions() {
        let store = root(&server, &settings);
        let mut keys: Vec<String> = (0..1205).map(|n| format!("run/{n:04}")).collect();
        keys.push("other".into());
        join_all(keys.iter().map(|key| put(&store, key, b"v"))).await;
        assert_eq!(store.list("run/").await.unwrap(), keys[..1205]);
        assert_eq!(store.list("run/12").await.unwrap(), keys[1200..1205]);
        assert_eq!(store.list("").await.unwrap().len(), keys.len());
        assert_eq!(store.list("none").await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn a_hundred_references_at_once() {
    let server = Server::start();
    let fields: serde_json::Map<String, Value> =
        (0..50).map(|n| (format!("f{n}"), json!(format!("field {n}")))).collect();
    server.root("POST", "secret/data/app/db", json!({ "data": fields }));
    for settings in versions() {
        let store = root(&server, &settings);
        let keys: Vec<String> = (0..100).map(|n| format!("key {n}")).collect();
        join_all(keys.iter().map(|key| put(&store, key, key.as_bytes()))).await;
        let references: Vec<Reference> = keys.iter().map(|key| secret(key)).collect();
        let answers = store.resolve(&references).await;
        for (key, answer) in keys.iter().zip(answers) {
            assert_eq!(answer.unwrap().expose(), key.as_bytes());
        }
    }
    // Fifty fields of a path, and one that there is not.
    let store = root(&server, &json!({}));
    let mut references: Vec<Reference> = (0..50).map(|n| secret(&format!("app/db#f{n}"))).collect();
    references.push(secret("app/db#none"));
    let mut answers = store.resolve(&references).await;
    refused(answers.pop().unwrap(), "not-found", Blame::Requester, &[]);
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().expose(), format!("field {n}").as_bytes());
    }
}

#[tokio::test]
async fn reads_what_others_wrote_and_leaves_it_as_it_is() {
    let server = Server::start();
    let path = "secret/data/team/app/d%20b%C3%A4";
    let wrote = json!({ "user": "ä", "port": 5432, "nested": { "a": [1] } });
    server.root("POST", path, json!({ "data": { "user": "old" } }));
    server.root("POST", path, json!({ "data": wrote }));
    server.root("POST", "secret/data/team/coffer/theirs", json!({ "data": { "value": "v" } }));
    let before = server.root("GET", path, json!({}))["data"].clone();
    let store = root(&server, &json!({ "prefix": "team" }));
    for (key, expected) in [
        ("app/d bä#user", "ä"),
        ("app/d bä#user#1", "old"),
        ("app/d bä#user#2", "ä"),
        ("app/d bä#port", "5432"),
        ("app/d bä#nested", "{\"a\":[1]}"),
        ("coffer/theirs#value", "v"),
    ] {
        assert_eq!(get(&store, key).await, expected.as_bytes(), "{key}");
    }
    for key in ["app/d bä#none", "app/d bä#user#3", "app/none#user", "app#user", "theirs2", "#user"]
    {
        let result = store.resolve_one(&secret(key)).await;
        refused(result, "not-found", Blame::Requester, &[]);
    }
    // What stands in the way is not overwritten and not deleted.
    let words = ["what coffer did not write"];
    for existing in [Existing::Keep, Existing::Replace] {
        let result = store.put(&secret("theirs"), &Secret::from("ours"), existing).await;
        refused(result, "other", Blame::Plugin, &words);
    }
    refused(store.delete(&secret("theirs")).await, "other", Blame::Plugin, &words);
    // Whatever the store does to keys that look like it.
    for key in ["app/d bä", "app", "app/d bä/user"] {
        put(&store, key, b"x").await;
        store.delete(&secret(key)).await.unwrap();
    }
    assert_eq!(server.root("GET", path, json!({}))["data"], before);
    let theirs = server.root("GET", "secret/data/team/coffer/theirs", json!({}));
    assert_eq!(theirs["data"]["data"], json!({ "value": "v" }));
    // A version that somebody deleted is absent, and a new one can follow it.
    put(&store, "k", b"1").await;
    server.root("DELETE", "secret/data/team/coffer/k", json!({}));
    refused(store.resolve_one(&secret("k")).await, "not-found", Blame::Requester, &[]);
    store.put(&secret("k"), &Secret::from("2"), Existing::Keep).await.unwrap();
    assert_eq!(get(&store, "k").await, b"2");
}

/// As Porter's plugin writes: all keys of one path, the last segment as the field.
#[tokio::test]
async fn reads_what_porter_wrote() {
    let server = Server::start();
    let porters = |path: &str, fields: Value| {
        server.root("PUT", &format!("secret/data/{path}"), json!({ "data": fields }));
    };
    porters("myapp", json!({ "01JD-password": "generated" }));
    porters("myapp/v1", json!({ "connstr": "by hand" }));
    let porter = |more: Value| {
        let mut settings = json!({
            "vault_addr": server.address(), "vault_token": server.root_token(),
            "path_prefix": "secret/myapp", "private_addresses": true,
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let host = Host::builder().build().unwrap();
        let plugin = host.load(&guest_artifacts::plugin("vault")).unwrap();
        let settings = settings.as_object().unwrap().clone();
        let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
        host.store("vault", &plugin, config).unwrap()
    };
    let store = porter(json!({ "porter_secret": "porter" }));
    assert_eq!(get(&store, "01JD-password").await, b"generated");
    assert_eq!(get(&store, "v1/connstr").await, b"by hand");
    // Two values of one run are both there, which is what Porter loses.
    for key in ["01JE-one", "01JE-two"] {
        put(&store, key, key.as_bytes()).await;
    }
    for key in ["01JE-one", "01JE-two"] {
        assert_eq!(get(&store, key).await, key.as_bytes());
    }
    assert_eq!(store.list("").await.unwrap(), ["01JE-one", "01JE-two"]);
    let written = server.root("GET", "secret/metadata/myapp/porter?list=true", json!({}));
    assert_eq!(written["data"]["keys"], json!(["01JE-one", "01JE-two"]));
    assert_eq!(get(&store, "01JD-password").await, b"generated");
    let result = store.delete(&secret("01JD-password")).await;
    refused(result, "unsupported", Blame::Requester, &["Porter wrote this secret"]);
    // Without Porter's setting there is no guessing.
    let plain = root(&server, &json!({ "prefix": "myapp" }));
    let result = plain.resolve_one(&secret("v1/connstr")).await;
    refused(result, "not-found", Blame::Requester, &[]);
    assert_eq!(get(&plain, "v1#connstr").await, b"by hand");
}
