//! The ledger on real servers, each started by `tests/backends` for one test and stopped with it. The steps of
//! a run are nobody else's business, so the ledger's own source is part of this test, and so is the suite
//! that every ledger passes. `just test-backends` runs this.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests start servers and cut their connections, and what they stand on is theirs"
)]

pub(crate) use coffer_bundle::config;

#[path = "../../host/coffer-bundle/src/ledger/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "this is the library's, which uses and documents it"
)]
mod ledger;

#[path = "../../host/coffer-bundle/src/porter.rs"]
#[allow(dead_code, unreachable_pub, reason = "this is the library's, which uses it")]
mod porter;

#[path = "../../host/coffer-bundle/src/random.rs"]
mod random;

mod cut;
mod mongodb;
mod porters;
mod postgresql;

use config::{Storage, StorageKind};
use ledger::{Ledger, LedgerError};

/// Where a server is, which is given so many seconds for a step.
fn storage(kind: StorageKind, url: &str, seconds: u64) -> Storage {
    let timeout = std::time::Duration::from_secs(seconds);
    Storage { kind, url: Some(coffer_host::Secret::from(url)), timeout: Some(timeout) }
}

async fn connect(kind: StorageKind, url: &str, seconds: u64) -> Result<Ledger, LedgerError> {
    Ledger::connect(&storage(kind, url, seconds)).await
}
