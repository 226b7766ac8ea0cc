//! parameters and credentials: apply, list, show, delete.

use super::Workplace;
use crate::arguments::{Global, Sets};
use crate::given::{self, Usage};
use crate::output::{self, moment};
use crate::session::Session;
use anyhow::Context as _;
use coffer_bundle::document::{self, Format};
use coffer_bundle::sets::{Set, SetKind};
use coffer_bundle::{Kept, KeptSet};
use serde_json::{Value, json};

/// Looks after sets.
///
/// # Errors
///
/// If the file is none, or the ledger or a store fails.
pub(super) async fn run(global: &Global, kind: SetKind, command: Sets) -> anyhow::Result<()> {
    let session = Session::open(global)?;
    match command {
        Sets::Apply { file, namespace } => {
            let bytes = if file.as_os_str() == "-" {
                given::read_stdin()?
            } else {
                given::read_file(&file)?
            };
            let text = String::from_utf8(bytes)
                .map_err(|_| Usage(format!("{} is no text in UTF-8", file.display())))?;
            let document = document::read(&text, Format::of(&file))
                .map_err(coffer_bundle::sets::SetError::from)
                .with_context(|| file.display().to_string())?;
            let set = Set::parse(kind, document).with_context(|| file.display().to_string())?;
            let namespace = session.namespace(&namespace)?;
            let place = Workplace::open(&session).await?;
            place.with(async |runner| runner.apply(&set, &namespace).await).await?;
            let value = json!({ "applied": set.name.as_str() });
            output::result(global.output, &value, || format!("applied {kind} {}\n", set.name))
        }
        Sets::List { namespace, all_namespaces } => {
            let namespace =
                if all_namespaces { None } else { Some(session.namespace(&namespace)?) };
            let sets =
                session.ledger().await?.sets(kind.entries_key(), namespace.as_deref()).await?;
            let values: Vec<Value> = sets.iter().map(|set| value(kind, set)).collect();
            output::result(global.output, &Value::Array(values), || {
                let row = |set: &KeptSet| {
                    vec![set.namespace.clone(), set.name.clone(), moment(set.applied_ms)]
                };
                let rows: Vec<_> = sets.iter().map(row).collect();
                output::table(&["NAMESPACE", "NAME", "APPLIED"], &rows)
            })
        }
        Sets::Show { name, namespace } => {
            let namespace = session.namespace(&namespace)?;
            let set = session.ledger().await?.set(kind.entries_key(), &namespace, &name).await?;
            output::result(global.output, &value(kind, &set), || {
                let rows: Vec<_> = set
                    .entries
                    .iter()
                    .map(|(name, kept)| {
                        let (store, source, key) = place_of(kept);
                        vec![name.clone(), source, key, store]
                    })
                    .collect();
                let table = output::table(&["NAME", "SOURCE", "KEY", "STORE"], &rows);
                format!(
                    "Name:      {}/{}\nApplied:   {}\n\n{table}",
                    set.namespace,
                    set.name,
                    moment(set.applied_ms)
                )
            })
        }
        Sets::Delete { name, namespace } => {
            let namespace = session.namespace(&namespace)?;
            let place = Workplace::open(&session).await?;
            place.with(async |runner| runner.forget(kind, &namespace, &name).await).await?;
            output::result(global.output, &json!({ "deleted": name }), || {
                format!("deleted {kind} {name}\n")
            })
        }
    }
}

/// A set as Porter's files have it, with references where there were values.
fn value(kind: SetKind, set: &KeptSet) -> Value {
    let entries: Vec<Value> = set
        .entries
        .iter()
        .map(|(name, kept)| {
            let (store, source, key) = place_of(kept);
            let mut place = serde_json::Map::new();
            place.insert(source, key.into());
            if !store.is_empty() {
                place.insert("store".into(), store.into());
            }
            json!({ "name": name, "source": place })
        })
        .collect();
    json!({
        "schemaType": kind.schema_type(),
        "namespace": set.namespace,
        "name": set.name,
        "labels": set.labels,
        "applied": moment(set.applied_ms),
        kind.entries_key(): entries,
    })
}

/// The store, the source and the key of an entry.
fn place_of(kept: &Kept) -> (String, String, String) {
    match kept {
        Kept::Outside { store, reference } => {
            (store.clone(), reference.source().to_string(), reference.key().to_owned())
        }
        Kept::Secret(address) => (address.store.clone(), "secret".to_owned(), address.key.clone()),
        // The ledger's schema has no such entry of a set.
        Kept::Plain(_) => Default::default(),
    }
}
