//! AppRole and Kubernetes' accounts on OpenBao: the host logs in, the plugin sees nothing of it, and a token that
//! ends or is taken away is replaced.

use crate::told::{get, put, refused, secret};
use backends::kubernetes;
use backends::openbao::Server;
use coffer_host::{Blame, Granted, Host, Incident, LoginFault, Store, StoreConfig};
use serde_json::{Value, json};

const POLICY: &str =
    "path \"secret/data/coffer/*\" { capabilities = [\"create\", \"update\", \"read\"] }";

/// A role whose tokens have these properties, and what it logs in with.
fn role(server: &Server, name: &str, more: &Value) -> [String; 2] {
    server.root("PUT", "sys/policies/acl/kv", json!({ "policy": POLICY }));
    let mut body = json!({ "token_policies": ["kv"], "token_no_default_policy": true });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.root("POST", &format!("auth/approle/role/{name}"), body);
    let id = server.root("GET", &format!("auth/approle/role/{name}/role-id"), json!({}));
    let secret = server.root("POST", &format!("auth/approle/role/{name}/secret-id"), json!({}));
    [&id["data"]["role_id"], &secret["data"]["secret_id"]].map(|id| id.as_str().unwrap().to_owned())
}

fn server() -> Server {
    let server = Server::start();
    server.root("POST", "sys/auth/approle", json!({ "type": "approle" }));
    server
}

fn store(server: &Server, role_id: &str, secret_id: &Value) -> Store {
    let login = json!({
        "login": "vault-approle", "url": format!("{}/v1/auth/approle/login", server.address()),
        "role-id": role_id, "secret-id": secret_id,
    });
    with_login(server, &login)
}

fn with_login(server: &Server, login: &Value) -> Store {
    let settings =
        json!({ "address": server.address(), "private_addresses": true, "token": login });
    let host = Host::builder().build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("vault")).unwrap();
    let settings = settings.as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("vault", &plugin, config).unwrap()
}

/// The tokens that the role has at the server.
fn tokens(server: &Server) -> Vec<String> {
    let listed = server.root("GET", "auth/token/accessors?list=true", json!({}));
    let accessors = listed["data"]["keys"].as_array().unwrap().iter();
    let of_role = |accessor: &&Value| {
        let body = json!({ "accessor": accessor });
        server.root("POST", "auth/token/lookup-accessor", body)["data"]["path"]
            == "auth/approle/login"
    };
    accessors.filter(of_role).map(|accessor| accessor.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn one_login_is_for_many_calls_until_its_token_is_revoked() {
    let server = server();
    let [role_id, secret_id] = role(&server, "app", &json!({ "token_ttl": "1h" }));
    let at = store(&server, &role_id, &json!(secret_id));
    for _ in 0..3 {
        put(&at, "k", b"v").await;
        assert_eq!(get(&at, "k").await, b"v");
    }
    let first = tokens(&server);
    assert_eq!(first.len(), 1, "{first:?}");
    // The server says 403 to it from now on, also in the middle of a call that writes.
    server.root("POST", "auth/token/revoke-accessor", json!({ "accessor": first[0] }));
    put(&at, "k", b"w").await;
    assert_eq!(get(&at, "k").await, b"w");
    let second = tokens(&server);
    assert!(second.len() == 1 && second != first, "{second:?}");
    // What the policy does not have is denied with any token, and the caller is told that.
    refused(at.delete(&secret("k")).await, "access-denied", Blame::Operator, &[]);
}

#[tokio::test]
async fn a_token_that_ends_is_replaced() {
    let server = server();
    let [role_id, secret_id] =
        role(&server, "app", &json!({ "token_ttl": "1s", "token_max_ttl": "1s" }));
    let at = store(&server, &role_id, &json!(secret_id));
    put(&at, "k", b"v").await;
    let first = tokens(&server);
    let begun = std::time::Instant::now();
    while tokens_are_there(&server, &first) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it ends");
    }
    assert_eq!(get(&at, "k").await, b"v");
}

fn tokens_are_there(server: &Server, accessors: &[String]) -> bool {
    accessors.iter().any(|accessor| {
        let body = json!({ "accessor": accessor });
        server.ask(server.root_token(), "POST", "auth/token/lookup-accessor", body).status == 200
    })
}

#[tokio::test]
async fn a_login_that_is_not_good_is_the_operators() {
    let server = server();
    let [role_id, secret_id] = role(&server, "app", &json!({ "token_ttl": "1h" }));
    let good = store(&server, &role_id, &json!(secret_id));
    put(&good, "k", b"v").await;
    let wrong = "00000000-0000-4000-8000-000000000000";
    for [role_id, secret_id] in [[role_id.as_str(), wrong], [wrong, secret_id.as_str()]] {
        let at = store(&server, role_id, &json!(secret_id));
        let result = at.resolve_one(&secret("k")).await;
        let incidents = result.as_ref().unwrap_err().incidents().to_vec();
        assert!(
            matches!(
                &incidents[0],
                Incident::Login { fault: LoginFault::Refused { status: 400, .. }, .. }
            ),
            "{incidents:?}"
        );
        let words =
            ["the login at 127.0.0.1 for the setting `token` brought no token: it was refused"];
        let text = refused(result, "other", Blame::Operator, &words);
        assert!(!text.contains(role_id) && !text.contains(secret_id), "{text}");
    }
    // A file is read for each login, so that a new secret-id needs no new configuration.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret-id");
    let at = store(&server, &role_id, &json!({ "file": file }));
    let words = ["cannot be read"];
    refused(at.resolve_one(&secret("k")).await, "other", Blame::Operator, &words);
    std::fs::write(&file, format!("{secret_id}\n")).unwrap();
    assert_eq!(get(&at, "k").await, b"v");
}

/// The server asks a real kube-apiserver whose token it is.
#[tokio::test]
async fn a_service_account_logs_in_with_its_token() {
    let (server, cluster) = (Server::start(), kubernetes::Server::start());
    server.root("PUT", "sys/policies/acl/kv", json!({ "policy": POLICY }));
    server.root("POST", "sys/auth/kubernetes", json!({ "type": "kubernetes" }));
    let config = json!({
        "kubernetes_host": cluster.address(), "token_reviewer_jwt": cluster.admin_token(),
        "kubernetes_ca_cert": std::fs::read_to_string(cluster.ca()).unwrap(), "disable_local_ca_jwt": true,
    });
    server.root("POST", "auth/kubernetes/config", config);
    let role = json!({
        "bound_service_account_names": ["coffer"], "bound_service_account_namespaces": ["prod"],
        "audience": cluster.address(),
        "token_policies": ["kv"], "token_no_default_policy": true, "token_ttl": "1h",
    });
    server.root("POST", "auth/kubernetes/role/coffer", role);
    cluster.namespace("prod");
    for name in ["coffer", "other"] {
        cluster.account("prod", name, &json!([]));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let store = |role: &str| {
        let login = json!({
            "login": "vault-kubernetes", "role": role, "jwt": { "file": file },
            "url": format!("{}/v1/auth/kubernetes/login", server.address()),
        });
        with_login(&server, &login)
    };
    let at = store("coffer");
    // Not with the token of another account, for another audience, or for a role that there is not.
    let good = cluster.token("prod", "coffer", &json!({}));
    let other = cluster.token("prod", "other", &json!({}));
    let elsewhere = cluster.token("prod", "coffer", &json!({ "audiences": ["elsewhere"] }));
    for (role, token) in [("coffer", &other), ("coffer", &elsewhere), ("none", &good)] {
        std::fs::write(&file, token).unwrap();
        let words =
            ["the login at 127.0.0.1 for the setting `token` brought no token: it was refused"];
        let result = store(role).resolve_one(&secret("k")).await;
        let text = refused(result, "other", Blame::Operator, &words);
        assert!(!text.contains(token.as_str()), "{text}");
    }
    std::fs::write(&file, &good).unwrap();
    put(&at, "k", b"v").await;
    assert_eq!(get(&at, "k").await, b"v");
    // The login is for many calls; the file is not needed for them.
    std::fs::remove_file(&file).unwrap();
    assert_eq!(get(&at, "k").await, b"v");
}
