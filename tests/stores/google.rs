//! The plugin `gcp-secret-manager` with a login of the host's, against a stand-in for Google's service and issuer: no
//! server of theirs can be had. The walk-through with it.

use crate::told::{get, keys_never_meet, put, refused, secret};
use crate::walkthrough;
use backends::cloud::{Server, Service};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_host::{
    Blame, Existing, Granted, Host, Incident, LoginFault, Secret, Store, StoreConfig,
};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A project of its own, and the keys of its service accounts, as the operator has them in files.
pub(crate) struct Project {
    server: Server,
    keys: TempDir,
}

impl Project {
    pub(crate) fn start() -> Self {
        let server = Server::start(Service::Google);
        let keys = tempfile::tempdir().unwrap();
        for account in ["all", "brief", "none", "read"] {
            let key = server.client(account)["account"].to_string();
            fs::write(keys.path().join(account), key).unwrap();
        }
        Self { server, keys }
    }

    fn key(&self, account: &str) -> PathBuf {
        self.keys.path().join(account)
    }

    fn store(&self, account: &str, more: &Value) -> Store {
        let token = json!({
            "login": "jwt-bearer", "url": format!("{}/token", self.server.address()),
            "key": { "file": self.key(account) }, "scope": SCOPE,
        });
        self.store_with(&token, more)
    }

    fn store_with(&self, token: &Value, more: &Value) -> Store {
        let mut settings = json!({
            "address": self.server.address(), "private_addresses": true, "project": "my-project", "token": token,
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let host = Host::builder().build().unwrap();
        let plugin = host.load(&guest_artifacts::plugin("gcp-secret-manager")).unwrap();
        let settings = settings.as_object().unwrap().clone();
        let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
        host.store("gcp", &plugin, config).unwrap()
    }

    /// The versions of a secret.
    fn versions(&self, name: &str) -> Vec<Vec<u8>> {
        let state = self.server.state();
        let versions = state["secrets"][name]["versions"].as_array().unwrap();
        versions.iter().map(|it| BASE64_STANDARD.decode(it.as_str().unwrap()).unwrap()).collect()
    }

    /// The tokens that it gave out.
    fn tokens(&self) -> Vec<String> {
        let state = self.server.state();
        state["tokens"].as_object().into_iter().flatten().map(|(token, _)| token.clone()).collect()
    }
}

impl walkthrough::Server for Project {
    /// The issuer went with it.
    const GONE: &str = "brought no token: there is no answer";

    fn config(&self) -> String {
        let address = self.server.address();
        format!(
            "default-secrets: gcp\nsecrets:\n  - name: gcp\n    plugin: gcp-secret-manager\n    config:\n      \
             project: my-project\n      address: {address}\n      private_addresses: true\n      token:\n        \
             login: jwt-bearer\n        url: {address}/token\n        key: {{ file: {} }}\n        scope: {SCOPE}\n",
            self.key("all").display()
        )
    }

    fn credentials(&self) -> Vec<String> {
        let account = self.server.client("all")["account"].take();
        let mut credentials = self.tokens();
        // Any line of it.
        credentials
            .push(account["private_key"].as_str().unwrap().lines().nth(3).unwrap().to_owned());
        credentials
    }

    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.server.state();
        let names = state["secrets"].as_object().unwrap().keys();
        let read = |name: &String| {
            let key = name.strip_prefix("coffer__").unwrap().to_owned();
            (key, self.versions(name).pop().unwrap())
        };
        let mut kept: Vec<_> = names.map(read).collect();
        kept.sort();
        kept
    }

    fn id(&self) -> u32 {
        self.server.id()
    }

    fn stop(&mut self) {
        self.server.stop();
    }

    fn restart(&mut self) {
        self.server.restart();
    }
}

#[test]
fn values_are_in_the_server_and_references_in_the_ledger() {
    walkthrough::values_are_in_the_server_and_references_in_the_ledger(Project::start());
}

#[test]
fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later() {
    walkthrough::outputs_of_a_run_during_which_the_server_went_away_are_saved_later(
        Project::start(),
    );
}

#[tokio::test]
async fn keeps_what_it_is_given() {
    let project = Project::start();
    let store = project.store("all", &json!({}));
    let every_byte: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    let text = "ä\u{0}\u{2028}\u{feff}<&>\"\\\n日本語🔑".as_bytes();
    for bytes in [&b""[..], b"\0", b"\0\0", b"hunter2", b"\n", b"\xff\xfe", text, &every_byte] {
        put(&store, "k", bytes).await;
        assert!(get(&store, "k").await == bytes, "{} bytes", bytes.len());
    }
    let larger = Secret::new(vec![b'x'; 65_537]);
    let result = store.put(&secret("k"), &larger, Existing::Replace).await;
    refused(result, "too-large", Blame::Requester, &["65536"]);
    let result = store.put(&secret("k"), &Secret::from("two"), Existing::Keep).await;
    refused(result, "conflict", Blame::Requester, &[]);
    let found = store.resolve_one(&secret("k")).await.unwrap();
    assert!(found.expose() == every_byte && found.version() == Some("8"));
    // A version, and a field, of what others keep.
    assert_eq!(get(&store, "coffer__k##4").await, b"hunter2");
    put(&store, "k", br#"{"user":"me","password":"hunter2"}"#).await;
    assert_eq!(get(&store, "coffer__k#password").await, b"hunter2");
    for _ in 0..2 {
        store.delete(&secret("k")).await.unwrap();
        refused(store.resolve_one(&secret("k")).await, "not-found", Blame::Requester, &[]);
    }
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
    // One login is for all of it.
    assert_eq!(project.tokens().len(), 1);
    let placed = project.store("all", &json!({ "locations": ["europe-west3"] }));
    put(&placed, "here", b"v").await;
    assert_eq!(project.versions("coffer__here"), [b"v"]);
}

#[tokio::test]
async fn keys_that_differ_never_meet() {
    let project = Project::start();
    keys_never_meet(&project.store("all", &json!({})), &[]).await;
}

#[tokio::test]
async fn who_may_do_what() {
    let project = Project::start();
    let all = project.store("all", &json!({}));
    put(&all, "k", b"v").await;
    let reads = project.store("read", &json!({}));
    assert_eq!(get(&reads, "k").await, b"v");
    for existing in [Existing::Keep, Existing::Replace] {
        let result = reads.put(&secret("new"), &Secret::from("2"), existing).await;
        refused(result, "access-denied", Blame::Operator, &[]);
    }
    refused(reads.delete(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    refused(reads.list("").await, "access-denied", Blame::Operator, &[]);
    let none = project.store("none", &json!({}));
    refused(none.resolve_one(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    let other = project.store("all", &json!({ "project": "other-project" }));
    refused(other.resolve_one(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    // The key of one account in the name of another, which the issuer does not take.
    let mut account = project.server.client("read")["account"].take();
    account["client_email"] = "all".into();
    fs::write(project.key("all"), account.to_string()).unwrap();
    let wrong = project.store("all", &json!({}));
    let result = wrong.resolve_one(&secret("k")).await;
    let incidents = result.as_ref().unwrap_err().incidents().to_vec();
    let [Incident::Login { fault: LoginFault::Refused { status: 400, .. }, .. }] = &incidents[..]
    else {
        panic!("{incidents:?}")
    };
    refused(result, "other", Blame::Operator, &["brought no token: it was refused"]);
    let at = project.store_with(&json!("no-token"), &json!({}));
    refused(at.resolve_one(&secret("k")).await, "unauthenticated", Blame::Operator, &[]);
    assert_eq!(get(&all, "k").await, b"v");
}

#[tokio::test]
async fn a_server_that_is_gone() {
    let mut project = Project::start();
    let store = project.store("all", &json!({}));
    put(&store, "k", b"v").await;
    project.server.stop();
    refused(store.resolve_one(&secret("k")).await, "unavailable", Blame::Backend, &[]);
    refused(store.delete(&secret("k")).await, "unavailable", Blame::Backend, &[]);
    project.server.restart();
    assert_eq!(get(&store, "k").await, b"v");
}
