//! The plugin `gcp-secret-manager` in the sandbox: what its manifest asks for, that it does not need more, and that it
//! never has what the host logs in with. There is no server of Google's to hold it against.

use crate::server::{Received, Server, ok, reply};
use crate::stage::{contains, lacks, secret, value};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_host::grants::Reach;
use coffer_host::limits::Limits;
use coffer_host::{Existing, Granted, Store, StoreConfig};
use serde_json::{Value, json};

fn store(settings: &Value) -> Store {
    let host = crate::way::host().build().unwrap();
    let component = guest_artifacts::plugin("gcp-secret-manager");
    let plugin = crate::way::load(&host, &component).unwrap();
    let settings = settings.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, limits: Limits::default() };
    host.store("gcp", &plugin, config).unwrap()
}

#[test]
fn asks_for_what_it_needs_and_no_more() {
    let store = store(&json!({ "project": "my-project", "token": "t", "ca": "/ca.pem" }));
    let grants = store.grants().http_grants().iter();
    let found: Vec<String> = grants
        .map(|grant| {
            assert_eq!(grant.headers().map(|it| it.name).collect::<Vec<_>>(), ["authorization"]);
            assert_eq!((grant.reach(), grant.ca()), (Reach::Public, Some("/ca.pem")));
            format!("{} {}", grant.methods().collect::<Vec<_>>().join(","), grant.url())
        })
        .collect();
    let secrets = "https://secretmanager.googleapis.com/v1/projects/my-project/secrets";
    let expected = [
        format!("GET,POST {secrets}"),
        format!("DELETE,POST {secrets}/*"),
        format!("GET {secrets}/*/versions/*"),
    ];
    assert_eq!(found, expected);
    assert_eq!(store.grants().directories().count(), 0);
    assert_eq!(store.grants().variables().count(), 0);
}

/// What a key of a service account is, in Google's form.
fn service_account() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = BASE64_STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    let account =
        json!({ "type": "service_account", "client_email": "a@b.example", "private_key": pem });
    account.to_string()
}

/// The issuer and the service in one.
fn answer(request: &Received) -> Vec<u8> {
    if request.path() == "/token" {
        contains(&String::from_utf8_lossy(&request.body), "grant-type%3Ajwt-bearer&assertion=ey");
        return ok(r#"{"access_token":"canary-token","expires_in":3599}"#);
    }
    if request.header("authorization") != ["Bearer canary-token"] {
        return reply("401 Unauthorized", "", r#"{"error":{"status":"UNAUTHENTICATED"}}"#);
    }
    ok(&match request.path() {
        path if path.ends_with(":access") => {
            let payload = json!({ "data": "dg==", "dataCrc32c": "88400052" });
            json!({ "name": "projects/1/secrets/s/versions/3", "payload": payload })
        }
        path if path.contains("?pageSize=") => {
            json!({ "secrets": [{ "name": "projects/1/secrets/coffer__k" }] })
        }
        _ => json!({}),
    }
    .to_string())
}

#[tokio::test]
async fn the_host_logs_in_and_the_plugin_sees_nothing_of_it() {
    let (server, account) = (Server::start(answer), service_account());
    let settings = json!({
        "project": "p", "address": server.url(""), "private_addresses": true,
        "token": {
            "login": "jwt-bearer", "url": server.url("/token"), "key": account,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
        },
    });
    let store = store(&settings);
    let found = store.resolve_one(&secret("k")).await.unwrap();
    assert_eq!((found.expose(), found.version()), (&b"v"[..], Some("3")));
    for existing in [Existing::Keep, Existing::Replace] {
        store.put(&secret("k"), &value("v"), existing).await.unwrap();
    }
    store.delete(&secret("k")).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["k"]);
    // One login for all of it.
    let asked: Vec<String> = server
        .received()
        .iter()
        .map(|request| request.head.lines().next().unwrap().replace(" HTTP/1.1", ""))
        .collect();
    let secrets = "/v1/projects/p/secrets";
    let expected = [
        "POST /token".to_owned(),
        format!("GET {secrets}/coffer__k/versions/latest:access"),
        format!("POST {secrets}?secretId=coffer__k"),
        format!("POST {secrets}/coffer__k:addVersion"),
        format!("POST {secrets}/coffer__k:addVersion"),
        format!("DELETE {secrets}/coffer__k"),
        format!("GET {secrets}?pageSize=1000&filter=name%3Acoffer__"),
    ];
    assert_eq!(asked, expected);
    for request in server.received().iter().skip(1) {
        lacks(&String::from_utf8_lossy(&request.body), "canary");
    }
    assert!(
        store
            .plugin()
            .inspection()
            .manifest
            .settings()
            .any(|(name, it, _)| name == "token" && it.credential)
    );
}
