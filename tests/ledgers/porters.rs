//! What Porter's database does not refer to any more. Porter itself fills one in `tests/porter-whole`.

use crate::config::{Storage, StorageKind};
use crate::ledger::insert_documents;
use crate::porter::{PorterError, unused};
use crate::storage;
use backends::ferretdb::Server;
use coffer_host::{Blame, Explain as _};
use serde_json::json;
use std::time::Duration;
use ulid::Ulid;

/// An id of so many days ago.
fn id(days: u64, number: u128) -> String {
    let now = Ulid::new().timestamp_ms();
    Ulid::from_parts(now - days * 24 * 3600 * 1000, number).to_string()
}

#[tokio::test]
async fn what_porter_refers_to_stays() {
    let server = Server::start();
    // Without a database in its URL it is Porter's own name.
    let url = server.url().replace("/coffer", "");
    let storage = storage(StorageKind::Mongodb, &url, 10);
    let [installation, gone] = [id(90, 1), id(90, 2)];
    let [ended, running, thrown_away, new] = [id(9, 3), id(9, 4), id(9, 5), id(0, 6)];
    let just_ended = id(9, 7);
    let keys: Vec<String> =
        [&installation, &gone, &ended, &running, &just_ended, &thrown_away, &new]
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
        ("runs", json!({ "_id": just_ended })),
        ("results", json!({ "_id": id(9, 11), "runId": ended, "status": "running" })),
        ("results", json!({ "_id": id(9, 12), "runId": ended, "status": "succeeded" })),
        ("results", json!({ "_id": id(9, 13), "runId": running, "status": "running" })),
        // Porter writes that it has ended, and then puts its outputs.
        ("results", json!({ "_id": id(0, 14), "runId": just_ended, "status": "succeeded" })),
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
    // Without an age, what has just ended and what is new as well.
    let all = |owner: &str| ["password", "name", "set"].map(|name| format!("{owner}-{name}"));
    expected.splice(3..3, all(&just_ended));
    expected.extend(all(&new));
    assert_eq!(unused(&storage, &keys, Duration::ZERO).await.unwrap(), expected);
    assert_eq!(unused(&storage, &keys, 30 * day).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_the_database_nothing_is_unused() {
    let keys = [format!("{}-password", id(90, 1))];
    let mut server = Server::start();
    let storage = storage(StorageKind::Mongodb, &server.url(), 10);
    server.stop();
    let error = unused(&storage, &keys, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, PorterError::Database(_)), "{error}");
    assert_eq!(error.blame(), Blame::Backend);
    let file = Storage { kind: StorageKind::Sqlite, url: None, timeout: None };
    let error = unused(&file, &keys, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, PorterError::Storage), "{error}");
}
