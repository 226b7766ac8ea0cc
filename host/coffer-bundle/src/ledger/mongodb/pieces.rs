//! Documents as tables, and tables as documents.

use super::{Document, bad, key};
use crate::ledger::LedgerError;
use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The tables whose rows are in the document of an installation or a set, each after what it refers to.
const OWNED: [&str; 8] = [
    "installations",
    "sets",
    "installation_sets",
    "secrets",
    "overrides",
    "set_entries",
    "leases",
    "fences",
];

/// The tables whose rows are in the document of a run, with the column that names it.
const OF_RUNS: [(&str, &str); 3] = [("runs", "id"), ("inputs", "run"), ("outputs", "run")];

/// How many steps a document remembers. Whoever lost the connection asks within a minute or so, and a step
/// takes a few commands.
const COMMITS_KEPT: usize = 64;

const SCHEMA: &str = include_str!("../schema.sql");

/// The last version of an installation or a set, which may be that it is gone.
#[derive(Debug)]
pub(super) struct Owner(Document);

/// The last version of each; `None` if one is not as the ledger writes it.
pub(super) fn latest(documents: Vec<Document>) -> Option<Vec<Owner>> {
    let mut owners: BTreeMap<String, Owner> = BTreeMap::new();
    for document in documents {
        let owner = Owner::new(document)?;
        let key = owner.0["key"].as_str()?.to_owned();
        match owners.get(&key) {
            Some(other) if other.version() >= owner.version() => {}
            _ => drop(owners.insert(key, owner)),
        }
    }
    Some(owners.into_values().collect())
}

impl Owner {
    fn new(document: Document) -> Option<Self> {
        let whole = document.get("key")?.is_string()
            && document.get("subject")?.is_string()
            && document.get("version")?.is_i64()
            && document.get("runs")?.is_object();
        whole.then_some(Self(document))
    }

    fn is_gone(&self) -> bool {
        self.0.get("gone") == Some(&Value::Bool(true))
    }

    pub(super) fn subject(&self) -> &Value {
        &self.0["subject"]
    }

    pub(super) fn version(&self) -> i64 {
        self.0["version"].as_i64().unwrap_or_default()
    }

    /// The documents of its runs.
    pub(super) fn runs(&self) -> impl Iterator<Item = &str> {
        self.0["runs"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_str)
    }

    pub(super) fn has_committed(&self, token: &str) -> bool {
        self.commits().iter().any(|commit| commit == token)
    }

    fn commits(&self) -> &[Value] {
        self.0.get("commits").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Whether nothing was changed.
    fn is(&self, after: &Document) -> bool {
        self.0.get("runs") == after.get("runs")
            && OWNED.iter().all(|table| self.0.get(*table) == after.get(*table))
    }
}

/// The documents that a document of an installation names.
pub(super) fn named(owner: &Document) -> Vec<Value> {
    let runs = owner.get("runs").and_then(Value::as_object);
    runs.into_iter().flat_map(Map::values).cloned().collect()
}

/// What a step has changed.
pub(super) struct Changed {
    /// The installation or set as it is then.
    pub(super) owner: Document,
    /// The runs that are not what they were.
    pub(super) runs: Vec<Document>,
}

/// A part of the ledger.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) owners: Vec<Owner>,
    runs: BTreeMap<String, Document>,
}

impl Pieces {
    /// Puts documents together; `None` if a run that is named is missing. Runs that are not named do not count.
    pub(super) fn new(owners: Vec<Owner>, documents: Vec<Document>) -> Option<Self> {
        let id = |document: &Document| Some(document.get("_id")?.as_str()?.to_owned());
        let mut found: BTreeMap<String, Document> =
            documents.into_iter().filter_map(|document| Some((id(&document)?, document))).collect();
        let runs = owners
            .iter()
            .flat_map(Owner::runs)
            .map(|name| Some((name.to_owned(), found.remove(name)?)))
            .collect::<Option<_>>()?;
        Some(Self { owners, runs })
    }

    /// Everything as tables.
    pub(super) fn tables(&mut self) -> Result<Connection, LedgerError> {
        let tables = Connection::open_in_memory()?;
        // What is there was checked when it was made, and a reference may be older than what it refers to.
        let (columns, rules) = SCHEMA
            .split_once("-- A reference to a secret that was not written")
            .expect("the schema has this comment");
        tables.execute_batch("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; BEGIN;")?;
        tables.execute_batch(columns)?;
        let mut shift = 0;
        for owner in self.owners.iter().filter(|owner| !owner.is_gone()) {
            for table in OWNED {
                if table == "fences" && owner.0.contains_key(table) {
                    tables.execute("DELETE FROM fences", [])?;
                }
                put(&tables, table, owner.0.get(table), shift)?;
            }
            for run in owner.runs() {
                for (table, _) in OF_RUNS {
                    put(&tables, table, self.runs.get(run).and_then(|run| run.get(table)), shift)?;
                }
            }
            let last = "SELECT coalesce(max(id), 0) FROM secrets";
            shift = tables.query_row(last, [], |row| row.get(0))?;
        }
        tables.execute_batch("COMMIT")?;
        let (_, rules) = rules.split_once('\n').unwrap_or_default();
        tables.execute_batch(rules)?;
        Ok(tables)
    }

    /// What became of the one installation or set in `tables`, by a step of this name; `None` if that is
    /// nothing.
    pub(super) fn change(
        &self,
        tables: &Connection,
        token: &str,
    ) -> Result<Option<Changed>, LedgerError> {
        let sql = "SELECT id, '', namespace, name FROM installations
             UNION ALL SELECT id, kind, namespace, name FROM sets";
        let mut statement = tables.prepare(sql)?;
        let found = statement.query_map([], |row| {
            let words: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            Ok((row.get::<_, String>(0)?, key(&[&words[0], &words[1], &words[2]])))
        })?;
        let found: Vec<(String, String)> = found.collect::<Result<_, _>>()?;
        let before = self.owners.first();
        let version = before.map_or(0, Owner::version);
        let next = |subject: &str, key: &str| {
            let mut owner = Map::new();
            owner.insert("_id".into(), json!([key, version + 1]).to_string().into());
            owner.insert("key".into(), key.into());
            owner.insert("subject".into(), subject.into());
            owner.insert("version".into(), (version + 1).into());
            let mut commits = before.map_or_else(Vec::new, |owner| owner.commits().to_vec());
            commits.push(token.into());
            let old = commits.len().saturating_sub(COMMITS_KEPT);
            owner.insert("commits".into(), commits.split_off(old).into());
            owner
        };
        let (subject, key) = match (&found[..], before) {
            ([one], _) => one,
            ([], Some(before)) if !before.is_gone() => {
                // It stays as the last version: whoever still has an earlier one cannot go on from that.
                let text = |name: &str| before.0[name].as_str().unwrap_or_default();
                let mut owner = next(text("subject"), text("key"));
                owner.insert("gone".into(), true.into());
                owner.insert("runs".into(), json!({}));
                return Ok(Some(Changed { owner, runs: Vec::new() }));
            }
            ([], _) => return Ok(None),
            _ => return Err(bad()),
        };
        let mut owner = next(subject, key);
        for table in OWNED {
            owner.insert(table.into(), rows(tables, table, None)?);
        }
        let mut names = Map::new();
        let mut changed = Vec::new();
        let mut statement = tables.prepare("SELECT id FROM runs ORDER BY id")?;
        let ids: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for id in ids {
            let mut run = Map::new();
            for (table, column) in OF_RUNS {
                run.insert(table.into(), rows(tables, table, Some((column, &id)))?);
            }
            let earlier = before.and_then(|owner| owner.0["runs"].get(&id)?.as_str());
            let same = earlier.and_then(|name| self.runs.get(name)).is_some_and(|earlier| {
                OF_RUNS.iter().all(|(table, _)| earlier.get(*table) == run.get(*table))
            });
            let name = match earlier {
                Some(name) if same => name.to_owned(),
                _ => {
                    // One that nobody else writes, not even another try of this step.
                    let name = format!("{id} {}", super::token());
                    run.insert("_id".into(), name.as_str().into());
                    run.insert("run".into(), id.as_str().into());
                    run.insert("subject".into(), subject.as_str().into());
                    run.insert("base".into(), version.into());
                    changed.push(run);
                    name
                }
            };
            names.insert(id, name.into());
        }
        owner.insert("runs".into(), Value::Object(names));
        if before.is_some_and(|before| before.is(&owner)) {
            return Ok(None);
        }
        Ok(Some(Changed { owner, runs: changed }))
    }
}

/// Puts rows into a table. Ids of secrets count from `shift`: each document has its own.
fn put(
    tables: &Connection,
    table: &str,
    rows: Option<&Value>,
    shift: i64,
) -> Result<(), LedgerError> {
    let Some(rows) = rows else { return Ok(()) };
    let names = tables.prepare(&format!("SELECT * FROM {table}"))?;
    let names: Vec<String> = names.column_names().map(str::to_owned).collect();
    let places = vec!["?"; names.len()].join(", ");
    let mut insert = tables.prepare(&format!("INSERT INTO {table} VALUES ({places})"))?;
    for row in rows.as_array().ok_or_else(bad)? {
        let cells = names.iter().map(|name| {
            let is_id = name == "secret" || (table == "secrets" && name == "id");
            match row.get(name)? {
                Value::Null => Some(Cell::Null),
                Value::Number(number) => {
                    Some(Cell::Integer(number.as_i64()? + if is_id { shift } else { 0 }))
                }
                Value::String(text) => Some(Cell::Text(text.clone())),
                Value::Array(_) | Value::Bool(_) | Value::Object(_) => None,
            }
        });
        let cells: Vec<Cell> = cells.collect::<Option<_>>().ok_or_else(bad)?;
        insert.execute(params_from_iter(cells))?;
    }
    Ok(())
}

/// The rows of a table, or those of one run.
fn rows(
    tables: &Connection,
    table: &str,
    only: Option<(&str, &str)>,
) -> Result<Value, LedgerError> {
    let filter = only.map_or_else(String::new, |(column, _)| format!("WHERE {column} = ?1"));
    let mut statement =
        tables.prepare(&format!("SELECT * FROM {table} {filter} ORDER BY rowid"))?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query(params_from_iter(only.map(|(_, value)| value)))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let mut document = Map::new();
        for (index, name) in names.iter().enumerate() {
            let value = match row.get_ref(index)? {
                ValueRef::Integer(number) => json!(number),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                ValueRef::Blob(_) | ValueRef::Null | ValueRef::Real(_) => Value::Null,
            };
            document.insert(name.clone(), value);
        }
        rows.push(Value::Object(document));
    }
    Ok(Value::Array(rows))
}
