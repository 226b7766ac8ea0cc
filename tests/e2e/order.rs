//! What is in order: the ledger refers to what is in the store and to nothing else, and nothing waits anywhere.
//! Looked at behind the binary's back, so that looking is quick and changes nothing.

use crate::stage::Stage;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;

/// Recovers, and looks at everything. `others` are in the store without the ledger's knowing.
#[track_caller]
pub(crate) fn in_order(stage: &Stage, others: &[&str]) {
    stage.coffer(&["runs", "recover"]).succeeded();
    stage.coffer(&["runs", "recover"]).printed("there is nothing to put right\n");
    is_in_order(stage, others);
}

/// Looks at everything.
#[track_caller]
pub(crate) fn is_in_order(stage: &Stage, others: &[&str]) {
    let secrets = rows(stage, "secrets");
    // Keys of ours and of these tests are the names of their files.
    let listed: BTreeSet<String> = stage.names("home/secrets").into_iter().collect();
    let known = secrets.iter().map(|row| row["key"].as_str().unwrap().to_owned());
    let known: BTreeSet<String> = known.chain(others.iter().map(ToString::to_string)).collect();
    assert_eq!(listed, known, "the store has what the ledger does not, or the other way round");
    let ids: Vec<&Value> = secrets.iter().map(|row| &row["id"]).collect();
    for table in ["inputs", "outputs", "overrides", "set_entries"] {
        for row in rows(stage, table).iter().filter(|row| !row["secret"].is_null()) {
            assert!(ids.contains(&&row["secret"]), "{table}: {row:?}");
        }
    }
    assert!(secrets.iter().all(|row| row["state"] == "held"), "{secrets:?}");
    let installations = rows(stage, "installations");
    assert!(installations.iter().all(|row| row["state"] != "deleting"), "{installations:?}");
    let runs = rows(stage, "runs");
    let unfinished = ["preparing", "running", "unsaved"];
    assert!(
        runs.iter().all(|row| !unfinished.contains(&row["status"].as_str().unwrap())),
        "{runs:?}"
    );
    assert_eq!(rows(stage, "leases"), []);
    assert_eq!(stage.hidden("home/spool"), [""; 0]);
    // What a killed put left goes when its key goes, so there must be such a key.
    for pending in stage.hidden("home/secrets/.pending") {
        let (key, _) = pending.rsplit_once('~').unwrap();
        assert!(known.contains(key), "{pending} is left and belongs to nothing");
    }
    assert_eq!(stage.scratch(), [""; 0]);
    assert_eq!(stage.names("tmp"), [""; 0]);
}

/// The rows of a table of the ledger; none if there is no ledger.
pub(crate) fn rows(stage: &Stage, table: &str) -> Vec<Map<String, Value>> {
    let path = stage.home().join("ledger.db");
    if fs::metadata(&path).map_or(0, |metadata| metadata.len()) == 0 {
        return Vec::new();
    }
    let ledger = rusqlite::Connection::open(path).unwrap();
    let mut statement = ledger.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement.query_map([], |row| {
        let cell = |(index, name): (usize, &String)| Ok((name.clone(), json(row.get_ref(index)?)));
        columns.iter().enumerate().map(cell).collect()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn json(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Real(_) | ValueRef::Blob(_) => panic!("the ledger has no such column"),
    }
}

/// Whether there is such an installation, in this state.
pub(crate) fn is(stage: &Stage, name: &str, state: &str) -> bool {
    rows(stage, "installations").iter().any(|row| row["name"] == name && row["state"] == state)
}

/// What the store has under a key that has the same name as its file.
pub(crate) fn kept(stage: &Stage, key: &str) -> Option<String> {
    let bytes = fs::read(stage.home().join("secrets").join(key)).ok()?;
    Some(String::from_utf8(bytes).unwrap())
}
