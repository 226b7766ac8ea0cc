//! secrets get, put, delete, prune, list.

use super::installations::text;
use crate::arguments::{Format, Global, InStore, Secrets};
use crate::given::{self, Usage};
use crate::output;
use crate::session::{self, Session};
use coffer_bundle::{Stores, porter};
use coffer_host::grants::{Reference, Source};
use coffer_host::{Existing, MASK, Store};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Asks a store.
///
/// # Errors
///
/// Whatever the store says.
pub(super) async fn run(global: &Global, command: Secrets) -> anyhow::Result<()> {
    let session = Session::open(global)?;
    let stores = session.stores()?;
    match command {
        Secrets::Get { keys, source, store, reveal } => {
            // What stands there instead may be a value, so it is not quoted.
            let source = source
                .parse()
                .map_err(|_| Usage("--source is secret, env, path, command or value".into()))?;
            get(global, &stores, &keys, source, &store, reveal).await
        }
        Secrets::Put { key, value, store, keep } => {
            let reference = Reference::secret(key.as_str())?;
            let secret = given::from_elsewhere(&value, &key)?;
            let existing = if keep { Existing::Keep } else { Existing::Replace };
            let store = open(&stores, &store).await?;
            store.put(&reference, &secret, existing).await?;
            done(global, "kept", &[key], &store)
        }
        Secrets::Delete { keys, store } => {
            let references: Vec<Reference> =
                keys.iter().map(Reference::secret).collect::<Result<_, _>>()?;
            let store = open(&stores, &store).await?;
            for reference in &references {
                store.delete(reference).await?;
            }
            done(global, "deleted", &keys, &store)
        }
        Secrets::Prune { porter: _, porter_home, store, older_than, yes } => {
            let age = humantime::parse_duration(&older_than)
                .map_err(|_| Usage("--older-than is a time, such as 12h or 7days".into()))?;
            let store = open(&stores, &store).await?;
            prune(global, &store, porter_home.as_ref(), age, yes).await
        }
        Secrets::List { prefix, store } => {
            let store = open(&stores, &store).await?;
            let keys = store.list(&prefix).await?;
            output::result(global.output, &json!(keys), || {
                keys.iter().map(|key| format!("{key}\n")).collect()
            })
        }
    }
}

async fn get(
    global: &Global,
    stores: &Stores,
    keys: &[String],
    source: Source,
    store: &InStore,
    reveal: bool,
) -> anyhow::Result<()> {
    let references: Vec<Reference> =
        keys.iter().map(|key| Reference::new(source, key.as_str())).collect::<Result<_, _>>()?;
    let store = match &store.store {
        Some(name) => stores.open(name).await?,
        None => stores.for_reference(&references[0]).await?,
    };
    let mut secrets = Vec::new();
    for answer in store.resolve(&references).await {
        secrets.push(answer?);
    }
    // One value for a program that reads it: every byte, and no line break that is not its own.
    if let ([secret], true, Format::Text) = (secrets.as_slice(), reveal, global.output) {
        return output::bytes(secret.expose());
    }
    let entry = |secret| {
        let mut entry = Map::new();
        entry.insert("value".into(), if reveal { text(secret) } else { MASK.into() });
        if let Some(version) = secret.version() {
            entry.insert("version".into(), version.into());
        }
        if let Some(expires_at_ms) = secret.expires_at_ms() {
            entry.insert("expires-at-ms".into(), expires_at_ms.into());
        }
        Value::Object(entry)
    };
    // The key of a literal value is the value.
    let shown = |key: &String| if source == Source::Value { MASK.to_owned() } else { key.clone() };
    let values: Map<String, Value> =
        keys.iter().map(shown).zip(secrets.iter().map(entry)).collect();
    output::result(global.output, &Value::Object(values.clone()), || match values.len() {
        1 => format!("{MASK}\n"),
        _ => {
            let rows: Vec<_> = values
                .iter()
                .map(|(key, entry)| {
                    vec![key.clone(), entry["value"].as_str().unwrap_or_default().to_owned()]
                })
                .collect();
            output::table(&["KEY", "VALUE"], &rows)
        }
    })
}

/// Finds what Porter does not need any more, and deletes it if that was asked for.
async fn prune(
    global: &Global,
    store: &Store,
    porter_home: Option<&PathBuf>,
    age: Duration,
    delete: bool,
) -> anyhow::Result<()> {
    // Before the database is asked: what comes later is nobody's business here.
    let keys = store.list("").await?;
    let entry = session::porter_storage(porter_home)?;
    let mut secrets = BTreeMap::new();
    for key in entry.secrets() {
        secrets.insert(key.to_owned(), store.resolve_one(&Reference::secret(key)?).await?);
    }
    let unused = porter::unused(&entry.fill(&secrets)?, &keys, age).await?;
    for key in unused.iter().filter(|_| delete) {
        store.delete(&Reference::secret(key.as_str())?).await?;
    }
    if !delete && !unused.is_empty() {
        output::note(&format!(
            "note: nothing was deleted; run it with --yes if no other Porter, with a database of its own, uses {}",
            store.name()
        ));
    }
    let value = json!({ "unused": unused, "deleted": delete, "store": store.name() });
    output::result(global.output, &value, || unused.iter().map(|key| format!("{key}\n")).collect())
}

/// The store that was named, or the default one.
async fn open(stores: &Stores, named: &InStore) -> anyhow::Result<Store> {
    Ok(match &named.store {
        Some(name) => stores.open(name).await?,
        None => stores.default().await?,
    })
}

fn done(global: &Global, what: &str, keys: &[String], store: &Store) -> anyhow::Result<()> {
    let value = json!({ "done": what, "keys": keys, "store": store.name() });
    output::result(global.output, &value, || {
        format!("{what} {} in {}\n", keys.join(", "), store.name())
    })
}
