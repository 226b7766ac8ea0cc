//! What Porter's database does not refer to any more. Porter itself fills one in `tests/porter-whole`.

use crate::config::{Storage, StorageKind};
use crate::ledger::insert_documents;
use crate::porter::{PorterError, unused};
use backends::ferretdb::Server;
use coffer_host::{Blame, Explain as _, Secret};
use serde_json::json;
use std::time::Duration;
use ulid::Ulid;

fn storage(url: &str) -> Storage {
    let timeout = Some(Duration::from_secs(10));
    Storage { kind: StorageKind::Mongodb, url: Some(Secret::from(url)), timeout }
}

/// An id of so many days ago.
fn id(days: u64, number: u128) -> String {
    let now = Ulid::new().timestamp_ms();
    Ulid::from_parts(now - days * 24 * 3600 * 1000, number).to_string()
}

#[tokio::test]
async fn what_porter_refers_to_stays() {
    let server = Server::start();
    // Without a database in its URL it is Porter's own name.
    let storage = storage(&server.url().replace("/coffer", ""));
    let [installation, gone] = [id(90, 1), id(90, 2)];
    let [ended, running, thrown_away, new] = [id(9, 3), id(9, 4), id(9, 5), id(0, 6)];
    let keys: Vec<String> = [&installation, &gone, &ended, &running, &thrown_away, &new]
        .iter()
        .flat_map(|owner| ["password", "name", "set"].map(|name| format!("{owner}-{name}")))
        .chain(["token".into(), format!("{}-password", gone.to_lowercase())])
        .collect();
    let day = Duration::from_secs(24 * 3600);
    let error = unused(&storage, &keys, day).await.unwrap_err();
    assert!(matches!(error, PorterError::NotPorters), "{error}");
    assert_eq!(error.blame(), Blame::Operator);

    let source = |key: String| json!([{ "name": "password", "source": { "secret": key } }]);
    for (collection, document) in [
        ("config", json!({ "_id": "schema", "installations": "1.0.2" })),
        (
            "installations",
            json!({ "_id": installation, "parameters": { "parameters": source(format!("{ended}-password")) } }),
        ),
        (
            "runs",
            json!({ "_id": ended, "parameters": { "parameters": source(format!("{ended}-password")) } }),
        ),
        ("runs", json!({ "_id": running })),
        ("results", json!({ "_id": "1", "runId": ended, "status": "running" })),
        ("results", json!({ "_id": "2", "runId": ended, "status": "succeeded" })),
        ("results", json!({ "_id": "3", "runId": running, "status": "running" })),
        ("outputs", json!({ "_id": "4", "key": format!("{ended}-name"), "value": null })),
        ("parameters", json!({ "_id": "5", "parameters": source(format!("{gone}-set")) })),
    ] {
        insert_documents(&storage, "porter", collection, &[document]).await.unwrap();
    }
    let mut expected: Vec<String> = [(&gone, "password"), (&gone, "name"), (&ended, "set")]
        .map(|(id, name)| format!("{id}-{name}"))
        .into();
    expected.extend(["password", "name", "set"].map(|name| format!("{thrown_away}-{name}")));
    assert_eq!(unused(&storage, &keys, day).await.unwrap(), expected);
    expected.extend(["password", "name", "set"].map(|name| format!("{new}-{name}")));
    assert_eq!(unused(&storage, &keys, Duration::ZERO).await.unwrap(), expected);
    assert_eq!(unused(&storage, &keys, 30 * day).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_the_database_nothing_is_unused() {
    let keys = [format!("{}-password", id(90, 1))];
    let mut server = Server::start();
    let storage = storage(&server.url());
    server.stop();
    let error = unused(&storage, &keys, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, PorterError::Database(_)), "{error}");
    assert_eq!(error.blame(), Blame::Backend);
    let file = Storage { kind: StorageKind::Sqlite, url: None, timeout: None };
    let error = unused(&file, &keys, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, PorterError::Storage), "{error}");
}
