//! What kube-apiserver refuses, and what is told of it. Each refusal stands beside the same call that succeeds.

use crate::kubernetes::{admin, secrets, server, store};
use crate::told::{get, put, refused, secret};
use backends::kubernetes::Server;
use coffer_host::{Blame, CallError, Existing, Secret, Store};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The rules of the Role of docs/stores/kubernetes.md, word for word.
pub(crate) fn least() -> Value {
    let page = include_str!("../../docs/stores/kubernetes.md");
    let (_, after) = page.split_once("```yaml\napiVersion: rbac").unwrap();
    let text = format!("apiVersion: rbac{}", after.split_once("```").unwrap().0);
    let role: Value = serde_saphyr::from_str(&text).unwrap();
    role["rules"].clone()
}

fn rules(verbs: &[&str]) -> Value {
    json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": verbs }])
}

/// A token of an account of this name that is made with these rules.
fn token(server: &Server, name: &str, rules: &Value) -> Value {
    server.account("prod", name, rules);
    json!(server.token("prod", name, &json!({})))
}

async fn try_put(store: &Store) -> Result<(), CallError> {
    store.put(&secret("k"), &Secret::from("hunter2"), Existing::Replace).await
}

/// Everything that a store does.
async fn works(store: &Store) {
    for _ in 0..2 {
        try_put(store).await.unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(get(store, "k").await, b"hunter2");
    assert_eq!(store.list("").await.unwrap(), ["k"]);
    store.delete(&secret("k")).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
}

/// Nothing that a store does works, and each is told as the same.
async fn refuses(store: &Store, kind: &str, blame: Blame) {
    refused(store.resolve_one(&secret("k")).await, kind, blame, &[]);
    refused(try_put(store).await, kind, blame, &[]);
    refused(store.delete(&secret("k")).await, kind, blame, &[]);
    refused(store.list("").await, kind, blame, &[]);
}

#[tokio::test]
async fn the_least_that_an_account_needs() {
    let server = server();
    works(&store(&server, &token(&server, "least", &least()), &json!({}))).await;
    let verbs = least()[0]["verbs"].as_array().unwrap().clone();
    assert_eq!(verbs.len(), 5, "{verbs:?}");
    // Without any one of its verbs something is denied, so it is the least.
    for verb in &verbs {
        let verb = verb.as_str().unwrap();
        let fewer: Vec<&str> =
            verbs.iter().map(|verb| verb.as_str().unwrap()).filter(|one| *one != verb).collect();
        let name = format!("without-{verb}");
        let fewer = store(&server, &token(&server, &name, &rules(&fewer)), &json!({}));
        let key = secret(&name);
        let value = Secret::from("v");
        let put = || fewer.put(&key, &value, Existing::Replace);
        let first = put().await;
        admin(&server, &json!({})).put(&key, &value, Existing::Replace).await.unwrap();
        let second = put().await;
        let got = fewer.resolve_one(&key).await.map(drop);
        let listed = fewer.list("").await.map(drop);
        let deleted = fewer.delete(&key).await;
        let denied: Vec<_> =
            [first, second, got, listed, deleted].into_iter().filter(Result::is_err).collect();
        assert!(!denied.is_empty(), "{verb}");
        for result in denied {
            refused(result, "access-denied", Blame::Operator, &[]);
        }
    }
}

#[tokio::test]
async fn an_account_that_may_only_read() {
    let server = server();
    put(&admin(&server, &json!({})), "k", b"v").await;
    // By names, as a Role can say it: what it does not name is denied, and not absent.
    let named = json!([{
        "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["coffer-k"],
    }]);
    let reads = store(&server, &token(&server, "reads", &named), &json!({}));
    assert_eq!(get(&reads, "k").await, b"v");
    for existing in [Existing::Keep, Existing::Replace] {
        for key in ["k", "new"] {
            let result = reads.put(&secret(key), &Secret::from("2"), existing).await;
            refused(result, "access-denied", Blame::Operator, &[]);
        }
    }
    refused(reads.delete(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    refused(reads.list("").await, "access-denied", Blame::Operator, &[]);
    let result = reads.resolve_one(&secret("new")).await;
    refused(result, "access-denied", Blame::Operator, &[]);
    assert_eq!(get(&admin(&server, &json!({})), "k").await, b"v");
}

#[tokio::test]
async fn an_account_without_a_role_and_in_another_namespace() {
    let server = server();
    server.namespace("other");
    let path = "api/v1/namespaces/prod/serviceaccounts";
    server.admin("POST", path, Some(&json!({ "metadata": { "name": "bare" } })));
    let bare = json!(server.token("prod", "bare", &json!({})));
    refuses(&store(&server, &bare, &json!({})), "access-denied", Blame::Operator).await;
    let good = token(&server, "good", &least());
    works(&store(&server, &good, &json!({}))).await;
    let elsewhere = json!({ "namespace": "other" });
    refuses(&store(&server, &good, &elsewhere), "access-denied", Blame::Operator).await;
    works(&admin(&server, &elsewhere)).await;
    // The same key is another secret in another namespace.
    put(&admin(&server, &json!({})), "k", b"here").await;
    put(&admin(&server, &elsewhere), "k", b"there").await;
    assert_eq!(get(&store(&server, &good, &json!({})), "k").await, b"here");
    // A namespace that is being deleted, which nobody finishes here.
    server.admin("DELETE", "api/v1/namespaces/other", None);
    let ending = admin(&server, &elsewhere);
    ending.delete(&secret("k")).await.unwrap();
    let words = ["the namespace `other` is being deleted"];
    refused(try_put(&ending).await, "other", Blame::Plugin, &words);
    // A namespace that there is not.
    let none = admin(&server, &json!({ "namespace": "none" }));
    let words = ["there is no namespace `none`"];
    refused(try_put(&none).await, "other", Blame::Plugin, &words);
    refused(none.resolve_one(&secret("k")).await, "not-found", Blame::Requester, &[]);
}

#[tokio::test]
async fn tokens_that_are_not_good() {
    let server = server();
    server.account("prod", "coffer", &least());
    let at = |token: String| store(&server, &json!(token), &json!({}));
    let issued = |request: Value| at(server.token("prod", "coffer", &request));
    works(&issued(json!({ "audiences": [server.address()], "expirationSeconds": 600 }))).await;
    // Another audience, a token of nobody's.
    refuses(&issued(json!({ "audiences": ["vault"] })), "unauthenticated", Blame::Operator).await;
    refuses(&at("x.y.z".into()), "unauthenticated", Blame::Operator).await;
    // One that has ended. The server issues none for less than ten minutes, so this one is signed with its key;
    // with an end in the future it is good.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let account = server.admin("GET", "api/v1/namespaces/prod/serviceaccounts/coffer", None);
    let claims = |end: u64| {
        json!({
            "iss": server.address(), "aud": [server.address()], "iat": now - 1000, "nbf": now - 1000,
            "exp": end, "sub": "system:serviceaccount:prod:coffer",
            "kubernetes.io": {
                "namespace": "prod",
                "serviceaccount": { "name": "coffer", "uid": account["metadata"]["uid"] },
            },
        })
    };
    works(&at(server.signed(&claims(now + 600)))).await;
    refuses(&at(server.signed(&claims(now - 300))), "unauthenticated", Blame::Operator).await;
    // One whose account is gone.
    let revoked = issued(json!({}));
    works(&revoked).await;
    server.admin("DELETE", "api/v1/namespaces/prod/serviceaccounts/coffer", None);
    // It believes for ten seconds what it looked at.
    let begun = Instant::now();
    while revoked.list("").await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it ends");
    }
    refuses(&revoked, "unauthenticated", Blame::Operator).await;
    assert_eq!(secrets(&server), [json!(null); 0]);
}

/// What a kubelet does: the file gets another token ahead of the end of the one before.
#[tokio::test]
async fn a_token_in_a_file_that_is_renewed() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let at = store(&server, &json!({ "file": file }), &json!({}));
    let error = at.resolve_one(&secret("k")).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    for name in ["first", "second"] {
        fs::write(&file, "x.y.z\n").unwrap();
        refuses(&at, "unauthenticated", Blame::Operator).await;
        let token = token(&server, name, &least());
        fs::write(&file, format!("{}\n", token.as_str().unwrap())).unwrap();
        works(&at).await;
    }
}

#[tokio::test]
async fn a_server_that_is_gone_or_another_one() {
    let mut server = server();
    let at = admin(&server, &json!({}));
    put(&at, "k", b"before").await;
    server.stop();
    refuses(&at, "unavailable", Blame::Backend).await;
    server.restart();
    assert_eq!(get(&at, "k").await, b"before");
    // Signed by somebody who is not trusted, it gets no token.
    let folder = tempfile::tempdir().unwrap();
    let other = Server::start();
    let ca = folder.path().join("ca.crt");
    fs::copy(other.ca(), &ca).unwrap();
    let distrusts = admin(&server, &json!({ "ca": ca }));
    let error = distrusts.resolve_one(&secret("k")).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    // What is no API server's answer is told as that, and so is an address that is not private.
    let path = format!("{}/version", server.address());
    let words = ["look at the setting `address`"];
    let odd = admin(&server, &json!({ "address": path }));
    refused(odd.resolve_one(&secret("k")).await, "other", Blame::Plugin, &words);
    let public = admin(&server, &json!({ "private_addresses": false }));
    let error = public.resolve_one(&secret("k")).await.unwrap_err();
    assert!(error.to_string().contains("not on the public internet"), "{error}");
}
