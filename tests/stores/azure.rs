//! The plugin `azure-key-vault` with a login of the host's, against a stand-in for Key Vault and Microsoft Entra: no
//! server of theirs can be had. The walk-through with it, as Porter names it.

use crate::told::{get, keys_never_meet, put, refused, secret};
use crate::walkthrough;
use backends::cloud::{Server, Service};
use coffer_host::{
    Blame, Existing, Granted, Host, Incident, LoginFault, Secret, Store, StoreConfig,
};
use serde_json::{Value, json};

/// A vault of its own, and who knows it.
pub(crate) struct Vault(Server);

impl Vault {
    pub(crate) fn start() -> Self {
        Self(Server::start(Service::Azure))
    }

    fn client_secret(&self, client: &str) -> String {
        self.0.client(client)["secret"].as_str().unwrap().to_owned()
    }

    fn login(&self, client: &str, client_secret: &str) -> Value {
        json!({
            "login": "client-credentials", "url": format!("{}/tenant/oauth2/v2.0/token", self.0.address()),
            "client-id": client, "client-secret": client_secret, "scope": "https://vault.azure.net/.default",
        })
    }

    fn store(&self, client: &str, more: &Value) -> Store {
        self.store_with(&self.login(client, &self.client_secret(client)), more)
    }

    fn store_with(&self, token: &Value, more: &Value) -> Store {
        let mut settings =
            json!({ "address": self.0.address(), "private_addresses": true, "token": token });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let host = Host::builder().build().unwrap();
        let plugin = host.load(&guest_artifacts::plugin("azure-key-vault")).unwrap();
        let settings = settings.as_object().unwrap().clone();
        let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
        host.store("azure", &plugin, config).unwrap()
    }

    /// The newest version of a secret, by its name in small letters.
    fn newest(&self, name: &str) -> Value {
        let state = self.0.state();
        state["secrets"][name]["versions"].as_array().unwrap().last().unwrap().clone()
    }

    /// The tokens that it gave out.
    fn tokens(&self) -> Vec<String> {
        let state = self.0.state();
        state["tokens"].as_object().into_iter().flatten().map(|(token, _)| token.clone()).collect()
    }
}

impl walkthrough::Server for Vault {
    /// The issuer went with it.
    const GONE: &str = "brought no token: there is no answer";

    fn config(&self) -> String {
        let address = self.0.address();
        format!(
            "default-secrets: azure\nsecrets:\n  - name: azure\n    plugin: azure.keyvault\n    config:\n      \
             vault-url: {address}\n      private_addresses: true\n      token:\n        \
             login: client-credentials\n        url: {address}/tenant/oauth2/v2.0/token\n        client-id: all\n        \
             client-secret: ${{env.AZURE_CLIENT_SECRET}}\n        scope: https://vault.azure.net/.default\n"
        )
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![("AZURE_CLIENT_SECRET", self.client_secret("all"))]
    }

    fn credentials(&self) -> Vec<String> {
        let mut credentials = self.tokens();
        credentials.push(self.client_secret("all"));
        credentials
    }

    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.0.state();
        let names = state["secrets"].as_object().unwrap().keys();
        let read = |name: &String| {
            let newest = self.newest(name);
            let key = newest["tags"]["coffer-key"].as_str().unwrap().to_owned();
            assert_eq!(newest["contentType"], Value::Null);
            (key, newest["value"].as_str().unwrap().into())
        };
        let mut kept: Vec<_> = names.map(read).collect();
        kept.sort();
        kept
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    fn stop(&mut self) {
        self.0.stop();
    }

    fn restart(&mut self) {
        self.0.restart();
    }
}

#[test]
fn values_are_in_the_server_and_references_in_the_ledger() {
    walkthrough::values_are_in_the_server_and_references_in_the_ledger(Vault::start());
}

#[test]
fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later() {
    walkthrough::outputs_of_a_run_during_which_the_server_went_away_are_saved_later(Vault::start());
}

#[tokio::test]
async fn keeps_what_it_is_given() {
    let vault = Vault::start();
    let store = vault.store("all", &json!({}));
    let every_byte: Vec<u8> = (0..=255).cycle().take(19_200).collect();
    let text = "ä\u{0}\u{2028}\u{feff}<&>\"\\\n日本語🔑".as_bytes();
    let largest = [b'x'; 25_600];
    for bytes in
        [&b""[..], b" ", b"hunter2", b"\n", b"\0", b"\xff\xfe", text, &largest, &every_byte]
    {
        put(&store, "k", bytes).await;
        assert!(get(&store, "k").await == bytes, "{} bytes", bytes.len());
    }
    assert!(get(&vault.store("all", &json!({})), "k").await == every_byte);
    let larger = Secret::new(vec![b'x'; 25_601]);
    let result = store.put(&secret("k"), &larger, Existing::Replace).await;
    refused(result, "too-large", Blame::Requester, &["25600"]);
    let result = store.put(&secret("k"), &Secret::from("two"), Existing::Keep).await;
    refused(result, "conflict", Blame::Requester, &[]);
    let found = store.resolve_one(&secret("k")).await.unwrap();
    assert!(found.expose() == every_byte);
    assert_eq!(found.version(), vault.newest("coffer-k")["id"].as_str());
    // Text is what other tools read too, and a version stays.
    put(&store, "k", "hünter2".as_bytes()).await;
    assert_eq!(vault.newest("coffer-k")["value"], "hünter2");
    let id = |end: &str| format!("https://127.0.0.1:{}/secrets/coffer-k{end}", vault.0.port());
    // By its id only where a grant says so.
    refused(
        store.resolve_one(&secret(&id(""))).await,
        "other",
        Blame::Operator,
        &["no grant allows GET https://127.0.0.1"],
    );
    // One login is for all of it.
    assert_eq!(vault.tokens().len(), 2);
}

/// Also of those that differ in capitals only, which Key Vault takes for one.
#[tokio::test]
async fn keys_that_differ_never_meet() {
    let vault = Vault::start();
    let store = vault.store("all", &json!({}));
    let more: Vec<String> = (0..60).map(|at| format!("run/{at:02}")).collect();
    keys_never_meet(&store, &more).await;
}

#[tokio::test]
async fn what_is_deleted_is_recovered_first() {
    let vault = Vault::start();
    let store = vault.store("all", &json!({}));
    put(&store, "k", b"old").await;
    for _ in 0..2 {
        store.delete(&secret("k")).await.unwrap();
        refused(store.resolve_one(&secret("k")).await, "not-found", Blame::Requester, &[]);
    }
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
    let never = vault.store("all", &json!({ "recover": false }));
    let new = Secret::from("new");
    let result = never.put(&secret("k"), &new, Existing::Replace).await;
    refused(
        result,
        "other",
        Blame::Plugin,
        &["a deleted secret has the name of this key", "`recover`"],
    );
    // The recovery takes a while, which is told; nothing is there that was not put.
    let result = store.put(&secret("k"), &new, Existing::Replace).await;
    refused(result, "unavailable", Blame::Backend, &["5s"]);
    put(&store, "k", b"new").await;
    assert_eq!(get(&store, "k").await, b"new");
}

#[tokio::test]
async fn reads_what_porter_wrote() {
    let vault = Vault::start();
    let theirs = vault.store("all", &json!({}));
    // As Porter's plugin puts it: the name changed, and no tag.
    let porters = |name: &str, value: &str| {
        let token = vault.tokens().pop().unwrap();
        let authorization = format!("Bearer {token}");
        let path = format!("/secrets/{name}?api-version=7.4");
        let body = json!({ "value": value });
        let headers = [("authorization", authorization.as_str())];
        let answer = backends::client::send(vault.0.port(), "PUT", &path, &headers, Some(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    refused(theirs.resolve_one(&secret("a")).await, "not-found", Blame::Requester, &[]);
    porters("01JD-db-password", "porters");
    refused(
        theirs.resolve_one(&secret("01JD-db_password")).await,
        "not-found",
        Blame::Requester,
        &[],
    );
    let store = vault.store("all", &json!({ "porter_names": true }));
    assert_eq!(get(&store, "01JD-db_password").await, b"porters");
    put(&store, "01JD-db_password", b"ours").await;
    assert_eq!(get(&store, "01JD-db_password").await, b"ours");
    assert_eq!(get(&store, "01JD-db.password").await, b"porters");
    let result = store.delete(&secret("01JD-db_password")).await;
    refused(result, "unsupported", Blame::Requester, &["it is not removed"]);
    assert_eq!(vault.newest("01jd-db-password")["value"], "porters");
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn who_may_do_what() {
    let vault = Vault::start();
    let all = vault.store("all", &json!({}));
    put(&all, "k", b"v").await;
    let reads = vault.store("read", &json!({}));
    assert_eq!(get(&reads, "k").await, b"v");
    assert_eq!(reads.list("").await.unwrap(), ["k"]);
    for existing in [Existing::Keep, Existing::Replace] {
        let result = reads.put(&secret("new"), &Secret::from("2"), existing).await;
        refused(result, "access-denied", Blame::Operator, &[]);
    }
    refused(reads.delete(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    let none = vault.store("none", &json!({}));
    refused(none.resolve_one(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    refused(none.list("").await, "access-denied", Blame::Operator, &[]);
    // A wrong secret, somebody else's, and a token that is none.
    for (client, client_secret) in
        [("all", "wrong-secret".to_owned()), ("all", vault.client_secret("read"))]
    {
        let at = vault.store_with(&vault.login(client, &client_secret), &json!({}));
        let result = at.resolve_one(&secret("k")).await;
        let incidents = result.as_ref().unwrap_err().incidents().to_vec();
        let [Incident::Login { fault: LoginFault::Refused { status: 401, .. }, .. }] =
            &incidents[..]
        else {
            panic!("{incidents:?}")
        };
        let text = refused(result, "other", Blame::Operator, &["brought no token: it was refused"]);
        assert!(!text.contains(&client_secret), "{text}");
    }
    let at = vault.store_with(&json!("no-token"), &json!({}));
    refused(at.resolve_one(&secret("k")).await, "unauthenticated", Blame::Operator, &[]);
    assert_eq!(get(&all, "k").await, b"v");
}

#[tokio::test]
async fn a_token_that_ends_is_replaced() {
    let vault = Vault::start();
    let store = vault.store("brief", &json!({}));
    put(&store, "k", b"v").await;
    let first = vault.tokens();
    let until = vault.0.state()["tokens"][&first[0]]["until"].as_f64().unwrap();
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_secs_f64()
    };
    while now() <= until {
        std::thread::yield_now();
    }
    assert_eq!(get(&store, "k").await, b"v");
    assert!(vault.tokens().len() > first.len());
}

#[tokio::test]
async fn a_server_that_is_gone() {
    let mut vault = Vault::start();
    let store = vault.store("all", &json!({}));
    put(&store, "k", b"v").await;
    vault.0.stop();
    refused(store.resolve_one(&secret("k")).await, "unavailable", Blame::Backend, &[]);
    refused(store.delete(&secret("k")).await, "unavailable", Blame::Backend, &[]);
    vault.0.restart();
    assert_eq!(get(&store, "k").await, b"v");
}
