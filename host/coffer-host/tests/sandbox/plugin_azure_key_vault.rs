//! The plugin `azure-key-vault` in the sandbox, with a login of the host's: what its manifest asks for, that it
//! does not need more, and that it never has the token. The vault here is this test's, written after Azure's
//! documentation.

use crate::server::{Received, Server, ok, reply};
use crate::stage::{contains, lacks, secret, value};
use crate::way;
use coffer_host::grants::Reach;
use coffer_host::{Existing, Explain as _, Granted, Store, StoreConfig};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const SECRET: &str = "canary-client-secret";

fn azure(settings: &Value) -> Store {
    let host = way::host().build().unwrap();
    let plugin = way::load(&host, &guest_artifacts::plugin("azure_key_vault")).unwrap();
    let settings = settings.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("azure", &plugin, config).unwrap()
}

#[test]
fn asks_for_what_it_needs_and_no_more() {
    let check = |settings: Value, vaults: &[&str]| {
        let login = json!({ "login": "managed-identity", "resource": "https://vault.azure.net" });
        let mut all = json!({ "token": login });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let store = azure(&all);
        let found: Vec<String> = store
            .grants()
            .http_grants()
            .iter()
            .map(|grant| {
                let headers: Vec<&str> = grant.headers().map(|header| header.name).collect();
                assert_eq!(headers, ["authorization"]);
                assert_eq!(grant.reach() == Reach::Private, all["private_addresses"] == true);
                assert_eq!(grant.ca(), all["ca"].as_str());
                format!("{} {}", grant.methods().collect::<Vec<_>>().join(","), grant.url())
            })
            .collect();
        let expected = vaults.iter().flat_map(|vault| {
            [
                format!("DELETE,PUT {vault}/secrets/*"),
                format!("GET {vault}/secrets/**"),
                format!("GET {vault}/deletedsecrets/*"),
                format!("POST {vault}/deletedsecrets/*/recover"),
            ]
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
        assert_eq!(store.grants().directories().count(), 0);
        assert_eq!(store.grants().variables().count(), 0);
    };
    check(json!({ "vault": "own" }), &["https://own.vault.azure.net"]);
    // As Porter calls it.
    check(
        json!({ "vault-url": "https://kv.example/", "private_addresses": true, "ca": "/ca.pem" }),
        &["https://kv.example"],
    );
}

/// An issuer and a vault in one: tokens are `canary-token-N`, and the first one is refused.
fn server() -> Server {
    let issued = AtomicUsize::new(0);
    Server::start(move |request: &Received| {
        if request.path() == "/token" {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            let token = format!("canary-token-{number}");
            return ok(&json!({ "access_token": token, "expires_in": 3600 }).to_string());
        }
        if request.header("authorization") != ["Bearer canary-token-2"] {
            return reply("401 Unauthorized", "", r#"{"error":{"code":"Unauthorized"}}"#);
        }
        match request.path() {
            "/secrets/coffer-k?api-version=7.4" => {
                let document = json!({
                    "id": "https://own.vault.azure.net/secrets/coffer-k/1a",
                    "value": "v", "tags": { "coffer-key": "k" },
                });
                ok(&document.to_string())
            }
            _ => reply("404 Not Found", "", r#"{"error":{"code":"SecretNotFound"}}"#),
        }
    })
}

#[tokio::test]
async fn the_host_logs_in_and_the_plugin_never_has_the_token() {
    let server = server();
    let settings = json!({
        "address": server.url(""), "private_addresses": true,
        "token": {
            "login": "client-credentials", "url": server.url("/token"), "client-id": "i",
            "client-secret": SECRET, "scope": "https://vault.azure.net/.default",
        },
    });
    let store = azure(&settings);
    let found = store.resolve_one(&secret("k")).await.unwrap();
    assert_eq!((found.expose(), found.version()), (&b"v"[..], Some("1a")));
    store.put(&secret("k"), &value("v"), Existing::Replace).await.unwrap();
    store.delete(&secret("k")).await.unwrap();
    let asked = |path: &str| {
        let received = server.received();
        received.iter().filter(|request| request.path().starts_with(path)).count()
    };
    // One token for all of it, after the one that was refused.
    assert_eq!((asked("/token"), asked("/secrets/coffer-k")), (2, 6));
    // A secret of a vault that is not granted is told with what to add.
    let result = store.resolve_one(&secret("https://other.vault.azure.net/secrets/n")).await;
    let error = result.unwrap_err();
    let text = format!("{error}\n{}", error.next());
    contains(&text, "https://other.vault.azure.net/secrets/n");
    lacks(&format!("{text} {store:?}"), "canary");
}
