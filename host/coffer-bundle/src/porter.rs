//! What Porter has put into a store and does not need any more. Porter deletes no secret: of each sensitive parameter of
//! an installation it keeps a value for a run that it threw away, and of an installation that was deleted all of
//! them. What it still refers to is in its database, which is only read here.

use crate::config::{Storage, StorageKind};
use crate::ledger::{LedgerError, read_collections};
use coffer_host::{Blame, Explain};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use ulid::Ulid;

/// Everything in which Porter refers to a secret, and what says that a database is Porter's (`config`).
const COLLECTIONS: [&str; 7] =
    ["config", "credentials", "installations", "outputs", "parameters", "results", "runs"];

/// How a run of Porter's has ended.
const ENDED: [&str; 3] = ["canceled", "failed", "succeeded"];

/// Why it is not known what Porter needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PorterError {
    /// Its database cannot be read.
    #[error("Porter's database cannot be read: {0}")]
    Database(#[source] LedgerError),
    /// What is there was not made by Porter.
    #[error("the database has nothing of Porter's in it")]
    NotPorters,
    /// It is no MongoDB.
    #[error("Porter's storage is not `mongodb`")]
    Storage,
}

impl Explain for PorterError {
    fn blame(&self) -> Blame {
        match self {
            Self::Database(error) => error.blame(),
            Self::NotPorters | Self::Storage => Blame::Operator,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Database(LedgerError::Url(_)) => {
                "correct `url` of the storage in Porter's configuration".into()
            }
            Self::Database(error) => error.next(),
            Self::NotPorters => {
                "check `url` of the storage in Porter's configuration; without Porter's database every secret of \
                 Porter's would look unused"
                    .into()
            }
            Self::Storage => {
                "give Porter a `storage` with the plugin `mongodb` and a `url`, if need be in a copy of its \
                 configuration: its database in Docker has a `url` as well"
                    .into()
            }
        }
    }
}

/// Which of `keys`, which a store had before this is asked, Porter has made, and does not need any more. What it made
/// in the last `age` may be of something that is just going on. What an installation has that
/// is there stays, and so does what a run has that has not ended, or only in the last `age`.
///
/// # Errors
///
/// [`PorterError`]; it is not known then.
pub async fn unused(
    storage: &Storage,
    keys: &[String],
    age: Duration,
) -> Result<Vec<String>, PorterError> {
    if storage.kind != StorageKind::Mongodb {
        return Err(PorterError::Storage);
    }
    let read = read_collections(storage, "porter", &COLLECTIONS).await;
    let [config, credentials, installations, outputs, parameters, results, runs] =
        read.map_err(PorterError::Database)?;
    if !config.iter().any(|document| document.get("_id").is_some_and(|id| id == "schema")) {
        return Err(PorterError::NotPorters);
    }
    let texts = |documents: &[Map<String, Value>], name: &str| -> BTreeSet<String> {
        let text = |document: &Map<String, Value>| Some(document.get(name)?.as_str()?.to_owned());
        documents.iter().filter_map(text).collect()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = now.saturating_sub(age).as_millis();
    let is_old = |at_ms: u64| u128::from(at_ms) < before;
    // Porter says that a run has ended before it puts the run's outputs and says where they are.
    let has_ended = |result: &&Map<String, Value>| {
        let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
        ENDED.contains(&text("status"))
            && Ulid::from_string(text("_id")).is_ok_and(|id| is_old(id.timestamp_ms()))
    };
    let ended: Vec<_> = results.iter().filter(has_ended).cloned().collect();
    let ended = texts(&ended, "runId");
    let mut owners = texts(&installations, "_id");
    owners.extend(texts(&runs, "_id").into_iter().filter(|run| !ended.contains(run)));
    let mut named = BTreeSet::new();
    for document in
        [credentials, installations, outputs, parameters, results, runs].iter().flatten()
    {
        document.values().for_each(|value| name_all(value, &mut named));
    }
    let is_unused = |key: &&String| {
        made(key).is_some_and(|(owner, at_ms)| {
            is_old(at_ms) && !owners.contains(owner) && !named.contains(*key)
        })
    };
    Ok(keys.iter().filter(is_unused).cloned().collect())
}

/// The installation or run that Porter made a key for, and when it began; `None` if the key is not Porter's. Porter writes
/// `ULID-NAME`, in upper case; coffer's own are in lower case.
fn made(key: &str) -> Option<(&str, u64)> {
    let (owner, name) = key.split_at_checked(ulid::ULID_LEN)?;
    let ulid = Ulid::from_string(owner).ok()?;
    (ulid.to_string() == owner && name.len() > 1 && name.starts_with('-'))
        .then(|| (owner, ulid.timestamp_ms()))
}

/// Every text in a value: each could be a reference.
fn name_all(value: &Value, named: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(named.insert(text.clone())),
        Value::Array(values) => values.iter().for_each(|value| name_all(value, named)),
        Value::Object(values) => values.values().for_each(|value| name_all(value, named)),
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_porters_are_told_from_others() {
        let at = 1_800_000_000_000;
        let id = Ulid::from_parts(at, 7).to_string();
        assert_eq!(made(&format!("{id}-password")), Some((&*id, at)));
        assert_eq!(made(&format!("{id}-a-b")), Some((&*id, at)));
        for other in [
            id.clone(),
            format!("{id}-"),
            format!("{id}_password"),
            format!("{}-password", id.to_lowercase()),
            format!("{}-password", &id[1..]),
            format!("x{id}-password"),
            "token".into(),
            "I1234567890123456789012345-password".into(),
            "\u{e4}".repeat(20),
        ] {
            assert_eq!(made(&other), None, "{other}");
        }
    }
}
