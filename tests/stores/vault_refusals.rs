//! What OpenBao refuses, and what is told of it. Each refusal stands beside the same call that succeeds.

use crate::told::{get, put, refused, secret};
use crate::vault::store;
use backends::openbao::Server;
use coffer_host::{Blame, Existing, Secret, Store};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The policy of docs/stores/vault.md, word for word.
fn least() -> String {
    let page = include_str!("../../docs/stores/vault.md");
    let (_, after) = page.split_once("```hcl\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

async fn try_put(store: &Store) -> Result<(), coffer_host::CallError> {
    store.put(&secret("k"), &Secret::from("hunter2"), Existing::Replace).await
}

/// Everything that a store does.
async fn works(store: &Store) {
    try_put(store).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(get(store, "k").await, b"hunter2");
    assert_eq!(store.list("").await.unwrap(), ["k"]);
    store.delete(&secret("k")).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
}

/// Nothing that a store does works, and each is told as the same.
async fn refuses(store: &Store, kind: &str, blame: Blame, words: &[&str]) {
    refused(store.resolve_one(&secret("k")).await, kind, blame, words);
    refused(try_put(store).await, kind, blame, words);
    refused(store.delete(&secret("k")).await, kind, blame, words);
    refused(store.list("").await, kind, blame, words);
}

#[tokio::test]
async fn the_least_that_a_token_needs() {
    let server = Server::start();
    let token = server.token("least", &least(), json!({}));
    let settings = json!({});
    works(&store(&server, &token, &settings)).await;
    // Without any one of its capabilities something is denied, so it is the least.
    let policy = least();
    let capabilities = ["\"create\", ", "\"update\", ", ", \"read\"", "\"delete\"", "\"list\""];
    for (fewer, capability) in capabilities.into_iter().enumerate() {
        assert!(policy.contains(capability), "{capability}");
        let name = format!("fewer-{fewer}");
        let token = server.token(&name, &policy.replacen(capability, "", 1), json!({}));
        let store = store(&server, &token, &settings);
        let root = crate::vault::store(&server, server.root_token(), &settings);
        let key = secret(&name);
        let value = Secret::from("v");
        let put = || store.put(&key, &value, Existing::Replace);
        let first = put().await;
        root.put(&key, &value, Existing::Replace).await.unwrap();
        let second = put().await;
        let (got, listed) =
            (store.resolve_one(&key).await.map(drop), store.list("").await.map(drop));
        let deleted = store.delete(&key).await;
        let denied: Vec<_> =
            [first, second, got, listed, deleted].into_iter().filter(Result::is_err).collect();
        assert!(!denied.is_empty(), "{capability}");
        for result in denied {
            refused(result, "access-denied", Blame::Operator, &[]);
        }
    }
}

#[tokio::test]
async fn a_token_that_may_only_read() {
    let server = Server::start();
    let root = store(&server, server.root_token(), &json!({}));
    put(&root, "k", b"v").await;
    let policy = "path \"secret/data/coffer/*\" { capabilities = [\"read\"] }";
    let reads = store(&server, &server.token("reads", policy, json!({})), &json!({}));
    assert_eq!(get(&reads, "k").await, b"v");
    for existing in [Existing::Keep, Existing::Replace] {
        for key in ["k", "new"] {
            let result = reads.put(&secret(key), &Secret::from("2"), existing).await;
            refused(result, "access-denied", Blame::Operator, &[]);
        }
    }
    refused(reads.delete(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    refused(reads.list("").await, "access-denied", Blame::Operator, &[]);
    assert_eq!(get(&root, "k").await, b"v");
    // A token that may nothing here is a good token all the same.
    let policy = "path \"kv1/coffer/*\" { capabilities = [\"read\"] }";
    let nothing = store(&server, &server.token("nothing", policy, json!({})), &json!({}));
    refuses(&nothing, "access-denied", Blame::Operator, &[]).await;
}

#[tokio::test]
async fn tokens_that_are_not_good() {
    let server = Server::start();
    let settings = json!({});
    let wrong = store(&server, "s.AAAAAAAAAAAAAAAAAAAAAAAA", &settings);
    refuses(&wrong, "unauthenticated", Blame::Operator, &[]).await;

    let revoked = server.token("revoked", &least(), json!({}));
    let at = store(&server, &revoked, &settings);
    works(&at).await;
    server.root("POST", "auth/token/revoke", json!({ "token": revoked }));
    refuses(&at, "unauthenticated", Blame::Operator, &[]).await;

    let expires = json!({ "explicit_max_ttl": "1s", "ttl": "1s" });
    let expired = server.token("expired", &least(), expires);
    let at = store(&server, &expired, &settings);
    let begun = Instant::now();
    while server.ask(&expired, "GET", "sys/internal/ui/mounts/secret", json!({})).status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it expires");
    }
    refuses(&at, "unauthenticated", Blame::Operator, &[]).await;
    // Nobody gave one.
    let mut bare = json!({ "address": server.address(), "private_addresses": true });
    let host = coffer_host::Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("vault")).unwrap();
    let config = coffer_host::StoreConfig {
        settings: std::mem::take(bare.as_object_mut().unwrap()),
        grants: coffer_host::Granted::AsAsked,
        ..Default::default()
    };
    let bare = host.store("vault", &plugin, config).unwrap();
    let error = bare.resolve_one(&secret("k")).await.unwrap_err();
    assert!(error.to_string().contains("the store has no credential `token`"), "{error}");
}

#[tokio::test]
async fn another_namespace() {
    let server = Server::start();
    server.root("POST", "sys/namespaces/team", json!({}));
    let root = |settings: Value| store(&server, server.root_token(), &settings);
    let inside = root(json!({ "namespace": "team" }));
    refuses(&inside, "other", Blame::Plugin, &["there is no engine at `secret`"]).await;
    server.root(
        "POST",
        "team/sys/mounts/secret",
        json!({ "type": "kv", "options": { "version": "2" } }),
    );
    works(&inside).await;
    // The same key is another secret in another namespace.
    put(&inside, "k", b"inside").await;
    put(&root(json!({})), "k", b"outside").await;
    assert_eq!(get(&inside, "k").await, b"inside");
    // A token of the namespace is good there and nowhere else.
    server.root("PUT", "team/sys/policies/acl/least", json!({ "policy": least() }));
    let body = json!({ "policies": ["least"], "no_default_policy": true });
    let made = server.root("POST", "team/auth/token/create", body);
    let token = made["auth"]["client_token"].as_str().unwrap();
    inside.delete(&secret("k")).await.unwrap();
    works(&store(&server, token, &json!({ "namespace": "team" }))).await;
    refuses(&store(&server, token, &json!({})), "access-denied", Blame::Operator, &[]).await;
    let words = ["there is no such namespace"];
    refuses(&root(json!({ "namespace": "none" })), "other", Blame::Plugin, &words).await;
}

#[tokio::test]
async fn what_is_mounted_is_something_else() {
    let server = Server::start();
    let root = |settings: Value| store(&server, server.root_token(), &settings);
    let words = ["there is no engine at `none`"];
    refuses(&root(json!({ "mount": "none" })), "other", Blame::Plugin, &words).await;
    server.root("POST", "sys/mounts/transit", json!({ "type": "transit" }));
    let words = ["the engine at `transit` is of type `transit`"];
    refuses(&root(json!({ "mount": "transit" })), "other", Blame::Plugin, &words).await;
    let words = ["is of version 1", "`kv_version`"];
    refuses(&root(json!({ "mount": "kv1" })), "other", Blame::Plugin, &words).await;
    let words = ["is of version 2", "`kv_version`"];
    refuses(&root(json!({ "kv_version": 1 })), "other", Blame::Plugin, &words).await;
    // Nothing was written anywhere.
    for path in ["kv1?list=true", "secret/metadata?list=true"] {
        let listed = server.ask(server.root_token(), "GET", path, json!({}));
        assert_eq!(listed.status, 404, "{listed:?}");
    }
    works(&root(json!({ "mount": "kv1", "kv_version": 1 }))).await;
    // A mount can have several segments.
    server.mount("teams/a/kv", "2");
    works(&root(json!({ "mount": "teams/a/kv", "prefix": "x/y" }))).await;
}

#[tokio::test]
async fn a_server_that_is_sealed_slow_or_gone() {
    let mut server = Server::start();
    let at = store(&server, server.root_token(), &json!({}));
    put(&at, "k", b"before").await;
    server.seal();
    refuses(&at, "unavailable", Blame::Backend, &[]).await;
    server.unseal();
    assert_eq!(get(&at, "k").await, b"before");

    server.stop();
    refuses(&at, "unavailable", Blame::Backend, &[]).await;
    server.restart();
    // It comes back sealed.
    refuses(&at, "unavailable", Blame::Backend, &[]).await;
    server.unseal();
    assert_eq!(get(&at, "k").await, b"before");

    let headers = json!({ "enable_rate_limit_response_headers": true });
    server.root("POST", "sys/quotas/config", headers);
    let quota = json!({ "path": "secret", "rate": 1, "interval": "1h" });
    server.root("POST", "sys/quotas/rate-limit/q", quota);
    assert_eq!(get(&at, "k").await, b"before");
    let error = at.resolve_one(&secret("k")).await.unwrap_err();
    let coffer_host::Cause::Unavailable { after_ms: Some(after), .. } = error.cause() else {
        panic!("{error}");
    };
    assert!((1..=3_600_000).contains(after), "{after}");
}

/// A token that something else renews: the file is read for each request.
#[tokio::test]
async fn a_token_in_a_file_is_read_again() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let host = coffer_host::Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("vault")).unwrap();
    let settings = json!({
        "address": server.address(), "token": { "file": file }, "private_addresses": true,
    });
    let settings = settings.as_object().unwrap().clone();
    let grants = coffer_host::Granted::AsAsked;
    let config = coffer_host::StoreConfig { settings, grants, ..Default::default() };
    let at = host.store("vault", &plugin, config).unwrap();
    let error = at.resolve_one(&secret("k")).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    for name in ["first", "second"] {
        let token = server.token(name, &least(), json!({}));
        std::fs::write(&file, format!("{token}\n")).unwrap();
        works(&at).await;
        server.root("POST", "auth/token/revoke", json!({ "token": token }));
        refuses(&at, "unauthenticated", Blame::Operator, &[]).await;
    }
}
