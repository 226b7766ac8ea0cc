//! The plugin `kubernetes` in the sandbox: what its manifest asks for, that it does not need more, and that it
//! never has the token. `tests/stores` holds it against a real server.

use crate::server::{Received, Server, ok, reply};
use crate::stage::{contains, secret, value};
use crate::way;
use coffer_host::grants::Reach;
use coffer_host::{Existing, Granted, Store, StoreConfig};
use serde_json::{Value, json};

const TOKEN: &str = "t0ken-of-the-service-account";

fn kubernetes(settings: &Value) -> Store {
    let host = way::host().build().unwrap();
    let plugin = way::load(&host, &guest_artifacts::plugin("kubernetes")).unwrap();
    let settings = settings.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("kubernetes", &plugin, config).unwrap()
}

#[test]
fn asks_for_what_it_needs_and_no_more() {
    let check = |settings: Value, secrets: &str| {
        let mut all = json!({ "namespace": "prod", "token": TOKEN });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let store = kubernetes(&all);
        let found: Vec<String> = store
            .grants()
            .http_grants()
            .iter()
            .map(|grant| {
                let headers: Vec<&str> = grant.headers().map(|header| header.name).collect();
                assert_eq!(headers, ["authorization"]);
                assert_eq!(grant.reach() == Reach::Private, all["private_addresses"] != false);
                assert_eq!(grant.ca(), all["ca"].as_str());
                format!("{} {}", grant.methods().collect::<Vec<_>>().join(","), grant.url())
            })
            .collect();
        assert_eq!(found, [format!("DELETE,GET,PUT {secrets}/*"), format!("GET,POST {secrets}")]);
        assert_eq!(store.grants().directories().count(), 0);
        assert_eq!(store.grants().variables().count(), 0);
    };
    check(json!({}), "https://kubernetes.default.svc/api/v1/namespaces/prod/secrets");
    check(
        json!({
            "address": "https://k.example:6443/", "namespace": "x", "ca": "/ca.pem", "private_addresses": false,
        }),
        "https://k.example:6443/api/v1/namespaces/x/secrets",
    );
}

/// What an API server answers for a secret that coffer put.
fn kept(request: &Received) -> Vec<u8> {
    let path = "/api/v1/namespaces/prod/secrets";
    match request.path().strip_prefix(path).unwrap() {
        "/coffer-k" => {
            let labels = json!({ "app.kubernetes.io/managed-by": "coffer" });
            let annotations = json!({ "coffer-key": "k" });
            let metadata = json!({
                "name": "coffer-k", "uid": "u", "resourceVersion": "3", "labels": labels, "annotations": annotations,
            });
            let data = json!({ "value": "dg==" });
            ok(&json!({ "kind": "Secret", "metadata": metadata, "data": data }).to_string())
        }
        "" if request.head.starts_with("POST") => reply("409 Conflict", "", "{}"),
        _ => reply("404 Not Found", "", r#"{"details":{"kind":"secrets"}}"#),
    }
}

#[tokio::test]
async fn the_token_is_in_each_request_and_never_in_the_plugin() {
    let settings =
        |server: &Server| json!({ "namespace": "prod", "token": TOKEN, "address": server.url("") });
    let server = Server::start(kept);
    let store = kubernetes(&settings(&server));
    let found = store.resolve_one(&secret("k")).await.unwrap();
    assert_eq!((found.expose(), found.version()), (&b"v"[..], Some("3")));
    store.put(&secret("k"), &value("v"), Existing::Replace).await.unwrap();
    store.delete(&secret("k")).await.unwrap();
    let received = server.received();
    let methods: Vec<&str> =
        received.iter().map(|one| one.head.split(' ').next().unwrap()).collect();
    assert_eq!(methods, ["GET", "POST", "GET", "PUT", "GET", "DELETE", "GET"]);
    for request in received {
        assert_eq!(
            request.header("authorization"),
            [format!("Bearer {TOKEN}")],
            "{}",
            request.head
        );
    }
    // It is no setting that a plugin can read, and an answer that has it does not get there.
    let told: Vec<_> = store.plugin().inspection().manifest.settings().collect();
    assert!(told.iter().any(|(name, setting, _)| *name == "token" && setting.credential));
    let server =
        Server::start(|_| ok(&json!({ "kind": "Secret", "data": { "value": TOKEN } }).to_string()));
    let error = kubernetes(&settings(&server)).resolve_one(&secret("k")).await.unwrap_err();
    contains(&error.to_string(), "repeats the injected header authorization");
}
