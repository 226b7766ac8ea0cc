//! The plugin `kubernetes` in the sandbox, with what its own manifest asks for, against kube-apiserver.

use crate::told::{self, get, put, refused, secret};
use backends::kubernetes::Server;
use coffer_host::grants::Reference;
use coffer_host::{Blame, Existing, Granted, Host, Secret, Store, StoreConfig};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// A server with the namespace `prod`.
pub(crate) fn server() -> Server {
    let server = Server::start();
    server.namespace("prod");
    server
}

/// A store in the namespace `prod` of this server that has these settings besides.
pub(crate) fn store(server: &Server, token: &Value, settings: &Value) -> Store {
    let mut all = json!({
        "address": server.address(), "ca": server.ca(), "namespace": "prod", "token": token,
    });
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let host = Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("kubernetes")).unwrap();
    let settings = all.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("kubernetes", &plugin, config).unwrap()
}

pub(crate) fn admin(server: &Server, settings: &Value) -> Store {
    store(server, &json!(server.admin_token()), settings)
}

/// The Secrets of the namespace `prod`.
pub(crate) fn secrets(server: &Server) -> Vec<Value> {
    let listed = server.admin("GET", "api/v1/namespaces/prod/secrets", None);
    listed["items"].as_array().unwrap().clone()
}

fn at(name: &str) -> String {
    format!("api/v1/namespaces/prod/secrets/{name}")
}

/// Somebody makes a Secret.
fn make(server: &Server, name: &str, more: &Value) -> Value {
    let mut object = json!({ "metadata": { "name": name } });
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.admin("POST", "api/v1/namespaces/prod/secrets", Some(&object))
}

#[tokio::test]
async fn keeps_what_it_is_given() {
    let server = server();
    let store = admin(&server, &json!({}));
    assert!(store.capabilities().writer && store.capabilities().lister);
    let every_byte: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let text = "ä\u{0}\u{2028}\u{feff}<&>\"\\\n日本語🔑".as_bytes();
    for bytes in [&b""[..], b"hunter2", b"\n", b"\0", b"\xff\xfe", text, &every_byte] {
        put(&store, "k", bytes).await;
        assert!(get(&store, "k").await == bytes, "{} bytes", bytes.len());
    }
    // A store that is opened later sees the same.
    assert!(get(&admin(&server, &json!({})), "k").await == every_byte);
    // One byte more is told with the limit, which is Kubernetes' own, and what was there stays.
    let larger = vec![b'x'; (1 << 20) + 1];
    let result = store.put(&secret("k"), &Secret::new(larger.clone()), Existing::Replace).await;
    refused(result, "too-large", Blame::Requester, &["1048576"]);
    let object = json!({ "metadata": { "name": "large" }, "stringData": { "value": String::from_utf8(larger).unwrap() } });
    let answer = server.ask(
        server.admin_token(),
        "POST",
        &at("").replace("secrets/", "secrets"),
        Some(&object),
    );
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(get(&store, "k").await == every_byte);
    store.delete(&secret("k")).await.unwrap();
    store.delete(&secret("k")).await.unwrap();
    refused(store.resolve_one(&secret("k")).await, "not-found", Blame::Requester, &[]);
    assert_eq!(secrets(&server), [json!(null); 0]);
}

#[tokio::test]
async fn keeps_or_replaces() {
    let server = server();
    let store = admin(&server, &json!({}));
    let key = secret("k");
    store.put(&key, &Secret::from("one"), Existing::Keep).await.unwrap();
    let first = store.resolve_one(&key).await.unwrap();
    let result = store.put(&key, &Secret::from("two"), Existing::Keep).await;
    refused(result, "conflict", Blame::Requester, &[]);
    assert_eq!(get(&store, "k").await, b"one");
    store.put(&key, &Secret::from("three"), Existing::Replace).await.unwrap();
    let second = store.resolve_one(&key).await.unwrap();
    assert_eq!(second.expose(), b"three");
    assert!(first.version().is_some() && first.version() != second.version());
    // Of many that keep at the same time exactly one does; of many that replace each does or is told.
    for existing in [Existing::Keep, Existing::Replace] {
        let key = secret(&format!("contended-{existing:?}"));
        let puts = (0..12).map(|n| {
            let (store, key) = (store.clone(), key.clone());
            async move { store.put(&key, &Secret::from(format!("{n}").as_str()), existing).await }
        });
        let answers = join_all(puts).await;
        let won: Vec<usize> = (0..answers.len()).filter(|index| answers[*index].is_ok()).collect();
        match existing {
            Existing::Keep => assert_eq!(won.len(), 1),
            // Each looks again after another one, and does not give up at once.
            Existing::Replace => assert!(won.len() > 6, "{won:?}"),
        }
        for answer in answers.into_iter().filter(Result::is_err) {
            refused(answer, "conflict", Blame::Requester, &[]);
        }
        let found = get(&store, key.key()).await;
        let value: usize = std::str::from_utf8(&found).unwrap().parse().unwrap();
        assert!(won.contains(&value), "{value} of {won:?}");
    }
}

#[tokio::test]
async fn keys_never_meet() {
    let server = server();
    let store = admin(&server, &json!({}));
    let left = told::keys_never_meet(&store, &[]).await;
    for object in secrets(&server) {
        assert!(object["metadata"]["name"].as_str().unwrap().starts_with("coffer-"), "{object}");
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/managed-by"], "coffer");
    }
    // A key without a name there is told, and makes nothing.
    let result = store.put(&secret(&"_".repeat(62)), &Secret::from("v"), Existing::Keep).await;
    refused(result, "invalid-reference", Blame::Requester, &["255 bytes; 253 are allowed"]);
    assert_eq!(secrets(&server).len(), left.len());
}

#[tokio::test]
async fn lists_more_than_a_page() {
    let server = server();
    let store = admin(&server, &json!({}));
    let mut keys: Vec<String> = (0..510).map(|n| format!("run/{n:04}")).collect();
    keys.insert(0, "other".into());
    join_all(keys.iter().map(|key| put(&store, key, b"v"))).await;
    assert_eq!(store.list("").await.unwrap(), keys);
    assert_eq!(store.list("run/05").await.unwrap(), keys[501..]);
    assert_eq!(store.list("none").await.unwrap(), [""; 0]);
    // Many at once.
    let references: Vec<Reference> = keys[..100].iter().map(|key| secret(key)).collect();
    for answer in store.resolve(&references).await {
        assert_eq!(answer.unwrap().expose(), b"v");
    }
}

#[tokio::test]
async fn reads_what_others_made_and_leaves_it_as_it_is() {
    let server = server();
    make(&server, "my.db", &json!({ "data": { "user": "w6Q=", "tls.key": "/wA=" } }));
    // As Porter's plugin makes it, and as people do for it.
    make(&server, "db-password", &json!({ "immutable": true, "data": { "value": "aGVyZQ==" } }));
    make(&server, "coffer-theirs", &json!({ "data": { "value": "dA==" } }));
    let before = secrets(&server);
    let store = admin(&server, &json!({}));
    assert_eq!(get(&store, "my.db#user").await, "ä".as_bytes());
    assert_eq!(get(&store, "my.db#tls.key").await, b"\xff\0");
    assert_eq!(get(&store, "db-password").await, b"here");
    assert_eq!(get(&store, "coffer-theirs#value").await, b"t");
    for key in ["my.db#none", "none#user", "my.db", "db-passwor", "DB-password", "db_password"] {
        refused(store.resolve_one(&secret(key)).await, "not-found", Blame::Requester, &[]);
    }
    for key in ["My.db#user", "my.db#us/er", "my.db#", "#user"] {
        let words = ["name#field"];
        refused(
            store.resolve_one(&secret(key)).await,
            "invalid-reference",
            Blame::Requester,
            &words,
        );
    }
    // What Porter's plugin had to call something else, if a setting says so.
    make(&server, "01jd-password", &json!({ "immutable": true, "data": { "value": "cA==" } }));
    refused(store.resolve_one(&secret("01JD-password")).await, "not-found", Blame::Requester, &[]);
    let porters = admin(&server, &json!({ "porter_names": true }));
    assert_eq!(get(&porters, "01JD-password").await, b"p");
    put(&porters, "01JD_password", b"ours").await;
    assert_eq!(get(&porters, "01JD_password").await, b"ours");
    assert_eq!(get(&porters, "01JD-password").await, b"p");
    let result = porters.delete(&secret("01JD_password")).await;
    refused(result, "unsupported", Blame::Requester, &["it is not removed"]);
    server.admin("DELETE", &at("01jd-password"), None);
    // What stands in the way is not overwritten and not deleted.
    let words = ["not one that coffer made", "`take_over`"];
    for existing in [Existing::Keep, Existing::Replace] {
        let result = store.put(&secret("theirs"), &Secret::from("ours"), existing).await;
        refused(result, "other", Blame::Plugin, &words);
    }
    refused(store.delete(&secret("theirs")).await, "other", Blame::Plugin, &words);
    refused(store.resolve_one(&secret("theirs")).await, "other", Blame::Plugin, &words);
    // A secret of ours goes before one of others, and leaves it where it is.
    put(&store, "db-password", b"ours").await;
    assert_eq!(get(&store, "db-password").await, b"ours");
    refused(
        store.resolve_one(&secret("coffer-db-password#value")).await,
        "not-found",
        Blame::Requester,
        &[],
    );
    let result = store.delete(&secret("db-password")).await;
    refused(result, "unsupported", Blame::Requester, &["it is not removed"]);
    assert_eq!(get(&store, "db-password").await, b"here");
    assert_eq!(secrets(&server), before);
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
    // By a setting it is; what else is in it stays.
    let takes = admin(&server, &json!({ "take_over": true }));
    let more = json!({ "metadata": { "name": "coffer-k", "labels": { "team": "a" } }, "data": { "other": "eA==" } });
    make(&server, "coffer-k", &more);
    put(&takes, "k", b"ours").await;
    let taken = server.admin("GET", &at("coffer-k"), None);
    assert_eq!(taken["data"], json!({ "other": "eA==", "value": "b3Vycw==" }));
    assert_eq!(
        taken["metadata"]["labels"],
        json!({ "team": "a", "app.kubernetes.io/managed-by": "coffer" })
    );
    assert_eq!(takes.list("").await.unwrap(), ["k"]);
    takes.delete(&secret("theirs")).await.unwrap();
    // Nobody changes what is immutable.
    make(&server, "coffer-fixed", &json!({ "immutable": true, "data": { "value": "dA==" } }));
    let result = takes.put(&secret("fixed"), &Secret::from("ours"), Existing::Replace).await;
    refused(result, "other", Blame::Plugin, &["data cannot be as asked for", "immutable"]);
}
