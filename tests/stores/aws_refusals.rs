//! What moto refuses, and what is told of it. Each refusal stands beside the same call that succeeds.

use crate::aws::{store, store_at};
use crate::cut::{Cut, Way};
use crate::told::{get, put, refused, secret};
use backends::moto::{Key, Server};
use coffer_host::{Blame, Existing, Secret, Store};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// The policy of docs/stores/aws-secrets-manager.md, word for word but for one: this server judges by actions, and
/// its own word for what they are done to is `*`.
fn least() -> Value {
    let page = include_str!("../../docs/stores/aws-secrets-manager.md");
    let (_, after) = page.split_once("```json\n").unwrap();
    let mut policy: Value = serde_json::from_str(after.split_once("```").unwrap().0).unwrap();
    let ours = &mut policy["Statement"][0]["Resource"];
    assert_eq!(ours, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:coffer/*");
    *ours = "*".into();
    policy
}

/// The actions of a policy.
fn actions(policy: &Value) -> Vec<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let all = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    all.map(|action| action.as_str().unwrap().to_owned()).collect()
}

fn without(policy: &Value, action: &str) -> Value {
    let mut less = policy.clone();
    for statement in less["Statement"].as_array_mut().unwrap() {
        statement["Action"].as_array_mut().unwrap().retain(|it| it != action);
    }
    less
}

async fn try_put(store: &Store) -> Result<(), coffer_host::CallError> {
    store.put(&secret("k"), &Secret::from("hunter2"), Existing::Replace).await
}

/// Everything that a store does.
async fn works(store: &Store) {
    try_put(store).await.unwrap_or_else(|error| panic!("{error}"));
    try_put(store).await.unwrap();
    assert_eq!(get(store, "k").await, b"hunter2");
    let both = store.resolve(&[secret("k"), secret("coffer/k#")]).await;
    assert!(both.iter().all(Result::is_ok), "{both:?}");
    assert_eq!(store.list("").await.unwrap(), ["k"]);
    store.delete(&secret("k")).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
}

/// Nothing that a store does works, and each is told as the same.
async fn refuses(store: &Store, kind: &str, blame: Blame, words: &[&str]) {
    refused(store.resolve_one(&secret("k")).await, kind, blame, words);
    for answer in store.resolve(&[secret("k"), secret("l")]).await {
        refused(answer, kind, blame, words);
    }
    refused(try_put(store).await, kind, blame, words);
    refused(store.delete(&secret("k")).await, kind, blame, words);
    refused(store.list("").await, kind, blame, words);
}

#[tokio::test]
async fn the_least_that_a_key_needs() {
    let server = Server::start();
    let at_once = json!({ "recovery_days": 0 });
    works(&store(&server, &server.user("least", &least()), &at_once)).await;
    let all = actions(&least());
    assert_eq!(all.len(), 7);
    // Without any one of its actions something is denied, so it is the least; but for the one that only saves
    // requests.
    for (fewer, action) in all.iter().enumerate() {
        let less = without(&least(), action);
        assert_eq!(actions(&less).len(), 6, "{action}");
        let store = store(&server, &server.user(&format!("fewer-{fewer}"), &less), &at_once);
        let admin = crate::aws::store(&server, server.admin(), &at_once);
        let (name, value) = (format!("fewer-{fewer}"), Secret::from("v"));
        let (key, pair) = (secret(&name), [secret(&name), secret(&format!("coffer/{name}#"))]);
        let put = || store.put(&key, &value, Existing::Replace);
        let first = put().await;
        admin.put(&key, &value, Existing::Replace).await.unwrap();
        let second = put().await;
        let got = store.resolve_one(&key).await.map(drop);
        let batch = store.resolve(&pair).await.into_iter().map(|answer| answer.map(drop));
        let listed = store.list("").await.map(drop);
        let deleted = store.delete(&key).await;
        let mut results = vec![first, second, got, listed, deleted];
        results.extend(batch);
        let denied: Vec<_> = results.into_iter().filter(Result::is_err).collect();
        let saves = action == "secretsmanager:BatchGetSecretValue";
        assert_eq!(denied.is_empty(), saves, "{action}");
        for result in denied {
            refused(result, "access-denied", Blame::Operator, &[]);
        }
    }
}

#[tokio::test]
async fn a_key_that_may_only_read() {
    let server = Server::start();
    let admin = store(&server, server.admin(), &json!({}));
    put(&admin, "k", b"v").await;
    let policy = |actions: &[&str]| {
        let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    };
    let key = server.user("reads", &policy(&["secretsmanager:GetSecretValue"]));
    let reads = store(&server, &key, &json!({}));
    assert_eq!(get(&reads, "k").await, b"v");
    for existing in [Existing::Keep, Existing::Replace] {
        for key in ["k", "new"] {
            let result = reads.put(&secret(key), &Secret::from("2"), existing).await;
            refused(result, "access-denied", Blame::Operator, &[]);
        }
    }
    refused(reads.delete(&secret("k")).await, "access-denied", Blame::Operator, &[]);
    refused(reads.list("").await, "access-denied", Blame::Operator, &[]);
    assert_eq!(get(&admin, "k").await, b"v");
    // A key that may nothing here is a good key all the same.
    let nothing = store(&server, &server.user("nothing", &policy(&["s3:GetObject"])), &json!({}));
    refuses(&nothing, "access-denied", Blame::Operator, &[]).await;
}

#[tokio::test]
async fn keys_that_are_not_good() {
    let server = Server::start();
    let settings = json!({ "recovery_days": 0 });
    let good = server.user("good", &least());
    works(&store(&server, &good, &settings)).await;
    for wrong in [
        Key { secret: "x".repeat(40), ..good.clone() },
        Key { id: "AKIAXXXXXXXXXXXXXXXX".into(), ..good.clone() },
    ] {
        let wrong = store(&server, &wrong, &settings);
        refuses(&wrong, "unauthenticated", Blame::Operator, &[]).await;
    }
    // A key that was taken away.
    server.root("iam", "delete_access_key", json!({ "UserName": "good", "AccessKeyId": good.id }));
    refuses(&store(&server, &good, &settings), "unauthenticated", Blame::Operator, &[]).await;
    // A role's has a token, which must be its own.
    let role = server.role("role", &least());
    assert!(!role.token.is_empty());
    works(&store(&server, &role, &settings)).await;
    let another = Key { token: server.role("another", &least()).token, ..role.clone() };
    refuses(&store(&server, &another, &settings), "unauthenticated", Blame::Operator, &[]).await;
    // Nobody gave one.
    let mut bare =
        json!({ "region": "eu-central-1", "address": server.address(), "private_addresses": true });
    let host = coffer_host::Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("aws-secrets-manager")).unwrap();
    let config = coffer_host::StoreConfig {
        settings: std::mem::take(bare.as_object_mut().unwrap()),
        grants: coffer_host::Granted::AsAsked,
        ..Default::default()
    };
    let bare = host.store("aws", &plugin, config).unwrap();
    let error = bare.resolve_one(&secret("k")).await.unwrap_err();
    assert!(error.to_string().contains("the store has no credential `access_key_id`"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_gone_silent_or_cut_off() {
    let mut server = Server::start();
    let way = Way::to(server.port());
    let address = format!("http://127.0.0.1:{}", way.port);
    let at = store_at(&address, server.admin(), &json!({}));
    put(&at, "k", b"before").await;
    let versions = |server: &Server| {
        let asked = json!({ "SecretId": "coffer/k" });
        let described = server.root("secretsmanager", "describe_secret", asked);
        described["VersionIdsToStages"].as_object().unwrap().len()
    };
    // The answer is lost, and what was asked is done once; or it did not arrive, and is done the second time.
    for (cut, expected) in [(Cut::After("PutSecretValue"), 2), (Cut::Before("PutSecretValue"), 3)] {
        way.cut(cut);
        put(&at, "k", format!("{cut:?}").as_bytes()).await;
        assert!(way.is_cut(), "{cut:?}");
        assert_eq!(get(&at, "k").await, format!("{cut:?}").as_bytes());
        assert_eq!(versions(&server), expected, "{cut:?}");
    }
    way.cut(Cut::After("CreateSecret"));
    at.put(&secret("new"), &Secret::from("v"), Existing::Keep).await.unwrap();
    assert!(way.is_cut());
    assert_eq!(get(&at, "new").await, b"v");
    // Nobody says anything, within the time of a call.
    way.cut(Cut::Silence("GetSecretValue"));
    let result = at.resolve_one(&secret("k")).await;
    assert!(way.is_cut());
    assert!(
        matches!(result.as_ref().unwrap_err().cause().kind(), "deadline" | "unavailable"),
        "{result:?}"
    );
    assert_eq!(get(&at, "new").await, b"v");
    let direct = store(&server, server.admin(), &json!({}));
    server.stop();
    refuses(&direct, "unavailable", Blame::Backend, &[]).await;
    server.restart();
    assert_eq!(get(&direct, "new").await, b"v");
}

/// Something else answers at the address.
#[tokio::test]
async fn a_server_that_is_something_else() {
    let key = Key { id: "AKIA".into(), secret: "s".into(), token: String::new() };
    for (answer, kind, blame) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "other", Blame::Plugin),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "other", Blame::Plugin),
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "unavailable",
            Blame::Backend,
        ),
        ("garbage\r\n\r\n", "other", Blame::Plugin),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let mut asked = [0; 65536];
                let _ = client.read(&mut asked);
                let _ = client.write_all(answer.as_bytes());
            }
        });
        let at = store_at(&address, &key, &json!({}));
        refused(at.resolve_one(&secret("k")).await, kind, blame, &[]);
        refused(at.list("").await, kind, blame, &[]);
    }
}
