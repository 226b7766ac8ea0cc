//! The plugin `host`: variables, files, commands and literal values of the machine, as far as they are
//! granted.

use crate::stage::{contains, lacks, refused, secret, value};
use coffer_host::grants::{Grants, Reference, Source};
use coffer_host::limits::Limits;
use coffer_host::{Blame, CallError, Existing, Granted, Store, StoreConfig};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;
use tempfile::TempDir;

fn host_plugin(grants: Value, limits: Limits) -> Store {
    let host = crate::stage::host();
    let plugin = crate::way::load(&host, &guest_artifacts::plugin("host")).unwrap();
    let grants: Grants = serde_json::from_value(grants).unwrap();
    let config = StoreConfig { grants: Granted::Only(grants), limits, ..StoreConfig::default() };
    host.store("host", &plugin, config).unwrap()
}

async fn resolve(store: &Store, source: Source, key: &str) -> Result<String, CallError> {
    let reference = Reference::new(source, key).unwrap();
    let secret = store.resolve_one(&reference).await?;
    Ok(secret.expose_text().unwrap().to_owned())
}

#[tokio::test]
async fn resolves_variables_and_values() {
    let host = crate::stage::host();
    let plugin = crate::way::load(&host, &guest_artifacts::plugin("host")).unwrap();
    let config = StoreConfig { grants: Granted::AsAsked, ..StoreConfig::default() };
    let store = host.store("host", &plugin, config).unwrap();
    assert!(!store.capabilities().writer && !store.capabilities().lister);
    // Cargo sets it for the process of a test.
    assert_eq!(
        resolve(&store, Source::Env, "CARGO_PKG_NAME").await.unwrap(),
        env!("CARGO_PKG_NAME")
    );
    let result = resolve(&store, Source::Env, "COFFER_TEST_THAT_NOBODY_SETS").await;
    let text = refused(result, "not-found", Blame::Operator);
    contains(&text, "the environment variable COFFER_TEST_THAT_NOBODY_SETS is not set");
    for literal in ["literal", "", "two\nlines", "\u{1b}"] {
        assert_eq!(resolve(&store, Source::Value, literal).await.unwrap(), literal);
    }
    // It asks for variables and nothing else.
    refused(resolve(&store, Source::Path, "/etc/hostname").await, "denied", Blame::Operator);
    refused(resolve(&store, Source::Command, "id").await, "other", Blame::Operator);
    refused(resolve(&store, Source::Secret, "k").await, "unsupported", Blame::Requester);
    let result = store.put(&secret("k"), &value("v"), Existing::Keep).await;
    refused(result, "capability", Blame::Operator);
}

#[tokio::test]
async fn resolves_files() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("granted")).unwrap();
    let granted = home.path().join("granted");
    fs::write(granted.join("token"), "t0ken\n").unwrap();
    fs::write(home.path().join("outside"), "OUTSIDE").unwrap();
    symlink("../outside", granted.join("up")).unwrap();
    symlink("token", granted.join("link")).unwrap();
    let store = host_plugin(
        json!({ "directories": [{ "host": granted, "access": "read-only" }] }),
        Limits::default(),
    );
    let path = |name: &str| granted.join(name).to_str().unwrap().to_owned();
    assert_eq!(resolve(&store, Source::Path, &path("token")).await.unwrap(), "t0ken\n");
    // Mounted secrets are links within their directory.
    assert_eq!(resolve(&store, Source::Path, &path("link")).await.unwrap(), "t0ken\n");
    let text =
        refused(resolve(&store, Source::Path, &path("absent")).await, "not-found", Blame::Operator);
    contains(&text, &format!("there is no file {}", path("absent")));
    let result = resolve(&store, Source::Path, "/etc/hostname").await;
    let text = refused(result, "denied", Blame::Operator);
    contains(&text, "directories:\n        - host: /etc\n          access: read-only");
    for way_out in
        [path("up"), path("../outside"), path("./../outside"), path("token/../../outside")]
    {
        let error = resolve(&store, Source::Path, &way_out).await.unwrap_err();
        lacks(&format!("{error} {error:?}"), "OUTSIDE");
    }
}

#[tokio::test]
async fn resolves_commands() {
    let limits = Limits { call: Duration::from_millis(500), ..Limits::default() };
    let commands = json!({ "commands": [
        ["sh", "-c", "echo out; echo err >&2"],
        ["sh", "-c", "echo half; exit 3"],
        ["sleep", "1000"],
        ["echo", "*"],
    ]});
    let store = host_plugin(commands, limits);
    let run = async |key: &str| resolve(&store, Source::Command, key).await;
    assert_eq!(run("sh -c 'echo out; echo err >&2'").await.unwrap(), "out\n");
    assert_eq!(run("echo 'two words'").await.unwrap(), "two words\n");
    let text = refused(run("sh -c 'echo half; exit 3'").await, "other", Blame::Plugin);
    contains(&text, "ended with status 3");
    lacks(&text, "half\n");
    refused(run("sleep 1000").await, "deadline", Blame::Backend);
    let text = refused(run("rm -rf /").await, "other", Blame::Operator);
    contains(&text, "no grant allows the command rm -rf /");
    refused(run("echo 'open").await, "invalid-reference", Blame::Requester);
}
