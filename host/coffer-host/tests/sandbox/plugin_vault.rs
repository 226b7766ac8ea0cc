//! The plugin `vault` in the sandbox: what its manifest asks for, that it does not need more, and that it
//! never has the token. `tests/stores` holds it against a real server.

use crate::server::{Received, Server, ok, reply};
use crate::stage::{contains, refused, secret, value};
use coffer_host::grants::{Reach, Reference};
use coffer_host::limits::Limits;
use coffer_host::{Blame, Existing, Granted, Host, Store, StoreConfig};
use serde_json::{Value, json};

const TOKEN: &str = "hvs.s3cr3t-t0ken-of-the-store";

fn vault(settings: &Value, limits: Limits) -> Store {
    let host = Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("vault")).unwrap();
    let settings = settings.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, limits };
    host.store("vault", &plugin, config).unwrap()
}

fn at(server: &Server, limits: Limits) -> Store {
    let address = server.url("/");
    vault(&json!({ "address": address, "token": TOKEN, "private_addresses": true }), limits)
}

/// What a KV engine of version 2 answers for a secret that coffer put.
fn kept(request: &Received) -> Vec<u8> {
    if request.path().starts_with("/v1/sys/internal/ui/mounts/secret") {
        return ok(&json!({ "data": { "type": "kv", "options": { "version": "2" } } }).to_string());
    }
    match request.path().strip_prefix("/v1/secret/data/coffer/") {
        Some(key) => {
            let document = json!({ "coffer-key": key, "encoding": "text", "value": key });
            let data = json!({ "data": document, "metadata": { "version": 3 } });
            ok(&json!({ "data": data }).to_string())
        }
        None => reply("404 Not Found", "", "{\"errors\":[]}"),
    }
}

#[test]
fn asks_for_what_it_needs_and_no_more() {
    let check = |settings: Value, expected: &[&str]| {
        let mut all = json!({ "address": "https://vault.example:8200/", "token": TOKEN });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let store = vault(&all, Limits::default());
        let found: Vec<String> = store
            .grants()
            .http_grants()
            .iter()
            .map(|grant| {
                assert_eq!(
                    grant.headers().map(|header| header.name).collect::<Vec<_>>(),
                    ["x-vault-token"]
                );
                assert_eq!(grant.reach() == Reach::Private, all["private_addresses"] == true);
                assert_eq!(grant.ca(), all["ca"].as_str());
                let methods: Vec<&str> = grant.methods().collect();
                let url = grant.url().to_string();
                let path = url.strip_prefix("https://vault.example:8200/v1/").unwrap();
                format!("{} {path}", methods.join(","))
            })
            .collect();
        assert_eq!(found, expected, "{settings}");
        assert_eq!(store.grants().directories().count(), 0);
        assert_eq!(store.grants().variables().count(), 0);
    };
    check(
        json!({}),
        &[
            "GET sys/internal/ui/mounts/secret",
            "GET,POST secret/data/coffer/*",
            "GET secret/data/**",
            "DELETE secret/metadata/coffer/*",
            "GET secret/metadata/coffer",
        ],
    );
    check(
        json!({ "mount": "teams/kv", "prefix": "my/app", "folder": "own", "ca": "/ca.pem" }),
        &[
            "GET sys/internal/ui/mounts/teams/kv",
            "GET,POST teams/kv/data/my/app/own/*",
            "GET teams/kv/data/my/app/**",
            "DELETE teams/kv/metadata/my/app/own/*",
            "GET teams/kv/metadata/my/app/own",
        ],
    );
    check(
        json!({ "kv_version": 1, "path_prefix": "kv/app", "porter_secret": "porter", "private_addresses": true }),
        &["GET sys/internal/ui/mounts/kv", "DELETE,GET,POST kv/app/porter/*", "GET kv/app/**"],
    );
}

#[tokio::test]
async fn the_token_is_in_each_request_and_never_in_the_plugin() {
    let server = Server::start(kept);
    let store = at(&server, Limits::default());
    let found = store.resolve_one(&secret("k")).await.unwrap();
    assert_eq!((found.expose(), found.version()), (&b"k"[..], Some("3")));
    store.put(&secret("k"), &value("v"), Existing::Replace).await.unwrap();
    store.delete(&secret("k")).await.unwrap();
    assert!(server.received().len() > 3);
    for request in server.received() {
        assert_eq!(request.header("x-vault-token"), [TOKEN], "{}", request.head);
        assert_eq!(request.header("x-vault-request"), ["true"]);
    }
    // It is no setting that a plugin can read, and an answer that has it does not get there.
    let told: Vec<_> = store.plugin().inspection().manifest.settings().collect();
    assert!(told.iter().any(|(name, setting, _)| *name == "token" && setting.credential));
    let server = Server::start(|_| ok(&json!({ "data": { "id": TOKEN } }).to_string()));
    let error = at(&server, Limits::default()).resolve_one(&secret("k")).await.unwrap_err();
    contains(&error.to_string(), "repeats the injected header x-vault-token");
}

/// A batch is one instance, and may send what the instances might that it would otherwise be spread over:
/// `requests` for each 16 references.
#[tokio::test]
async fn a_batch_may_send_as_much_as_if_it_were_spread() {
    let server = Server::start(kept);
    let references: Vec<Reference> = (0..100).map(|n| secret(&format!("k{n}"))).collect();
    for (requests, served) in [(15, 100), (14, 98)] {
        let store = at(&server, Limits { requests, ..Limits::default() });
        let before = server.received().len();
        let answers = store.resolve(&references).await;
        let found = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!((found, server.received().len() - before), (served, served));
        for answer in answers.into_iter().filter(Result::is_err) {
            contains(&refused(answer, "other", Blame::Plugin), "limit of requests is used up");
        }
    }
}
