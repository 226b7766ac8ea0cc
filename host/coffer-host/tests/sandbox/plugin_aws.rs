//! The plugin `aws-secrets-manager` in the sandbox: what its manifest asks for, that it does not need more, and that
//! it never has the key. `tests/stores` holds it against moto.

use crate::server::{Received, Server, ok};
use crate::stage::{contains, lacks, secret, value};
use coffer_host::grants::Reach;
use coffer_host::limits::Limits;
use coffer_host::{Existing, Granted, Store, StoreConfig};
use serde_json::{Value, json};

const KEY: &str = "canary+secret/access+key";
const TOKEN: &str = "canary/session/token==";

fn store(settings: &Value) -> Store {
    let host = crate::way::host().build().unwrap();
    let component = guest_artifacts::plugin("aws-secrets-manager");
    let plugin = crate::way::load(&host, &component).unwrap();
    let settings = settings.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, limits: Limits::default() };
    host.store("aws", &plugin, config).unwrap()
}

fn settings(address: &str) -> Value {
    json!({
        "region": "eu-central-1", "address": address, "private_addresses": true,
        "access_key_id": "AKIDCANARY", "secret_access_key": KEY, "session_token": TOKEN,
    })
}

/// What the service answers for a secret that is always there.
fn kept(request: &Received) -> Vec<u8> {
    let answer = match request.header("x-amz-target")[0] {
        "secretsmanager.GetSecretValue" => json!({ "SecretString": "v", "VersionId": "1" }),
        "secretsmanager.ListSecrets" => json!({ "SecretList": [{ "Name": "coffer/k" }] }),
        "secretsmanager.DescribeSecret" => json!({ "VersionIdsToStages": { "1": ["AWSCURRENT"] } }),
        _ => json!({}),
    };
    ok(&answer.to_string())
}

#[test]
fn asks_for_what_it_needs_and_no_more() {
    let check = |more: Value, expected: &str| {
        let mut all = json!({ "region": "eu-central-1" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let store = store(&all);
        let [grant] = store.grants().http_grants() else { panic!("{:?}", store.grants()) };
        assert_eq!(grant.url().to_string(), expected);
        assert_eq!(grant.methods().collect::<Vec<_>>(), ["POST"]);
        assert_eq!(grant.headers().count(), 0);
        let signature = grant.aws_sigv4().unwrap();
        assert_eq!((signature.region(), signature.service()), ("eu-central-1", "secretsmanager"));
        assert_eq!(grant.reach() == Reach::Private, all["private_addresses"] == true);
        assert_eq!(grant.ca(), all["ca"].as_str());
        assert_eq!(store.grants().directories().count(), 0);
        assert_eq!(store.grants().variables().count(), 0);
    };
    check(json!({}), "https://secretsmanager.eu-central-1.amazonaws.com/");
    let own =
        json!({ "address": "https://vpce-1.example", "private_addresses": true, "ca": "/ca" });
    check(own, "https://vpce-1.example/");
    check(json!({ "address": "https://vpce-1.example/" }), "https://vpce-1.example/");
}

#[tokio::test]
async fn each_request_is_signed_and_the_key_is_never_in_the_plugin() {
    let server = Server::start(kept);
    let store = store(&settings(&server.url("")));
    assert_eq!(store.resolve_one(&secret("k")).await.unwrap().expose(), b"v");
    store.put(&secret("k"), &value("v"), Existing::Replace).await.unwrap();
    store.delete(&secret("k")).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["k"]);
    assert!(server.received().len() > 4);
    for request in server.received() {
        let signed =
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,";
        contains(request.header("authorization")[0], signed);
        contains(request.header("authorization")[0], "AKIDCANARY/");
        assert_eq!(request.header("x-amz-security-token"), [TOKEN]);
        lacks(&String::from_utf8_lossy(&request.body), "canary");
    }
    let told: Vec<_> = store.plugin().inspection().manifest.settings().collect();
    for part in ["access_key_id", "secret_access_key", "session_token"] {
        assert!(told.iter().any(|(name, setting, _)| *name == part && setting.credential));
    }
    // An answer that has it does not get there.
    let server = Server::start(|_| ok(&json!({ "SecretString": KEY }).to_string()));
    let error =
        self::store(&settings(&server.url(""))).resolve_one(&secret("k")).await.unwrap_err();
    contains(&error.to_string(), "repeats the injected header authorization");
}
