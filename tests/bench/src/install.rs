//! `coffer install` of a bundle with fifty sensitive parameters, beside what has to be on the disk for that, by
//! hand: fifty files, each written durably, and one transaction.

use crate::bench::{Bench, whole};
use crate::rounds::{Rounds, shown};
use crate::row::Row;
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const PARAMETERS: usize = 50;
const ROUNDS: usize = 15;

/// What this program is told to do in a process of its own.
pub(crate) const BY_HAND: &str = "by-hand";

pub(crate) fn rows(bench: &Bench) -> Vec<Row> {
    let home = bench.home("install", "default-secrets-plugin: filesystem\n");
    let bundle = bundle(bench);
    let value = bench.place("parameter");
    fs::write(&value, "a value of usual length").expect("the directory is ours");
    let given: Vec<String> =
        (0..PARAMETERS).map(|number| format!("p{number}=@{}", value.display())).collect();
    let hand = bench.place("hand");
    fs::create_dir(&hand).expect("the directory is ours");
    let this = std::env::current_exe().expect("this is Linux");
    let mut installed = 0;
    let rounds = Rounds::of(
        ROUNDS,
        [
            &mut || {
                installed += 1;
                let name = format!("app{installed}");
                let mut command = bench.coffer(&home, &["install", &name, "--bundle"]);
                command.arg(&bundle);
                for parameter in &given {
                    command.arg("--param").arg(parameter);
                }
                whole(&mut command)
            },
            &mut || whole(Command::new(&this).arg(BY_HAND).arg(&hand)),
        ],
    );
    let ratio = rounds.ratio(0, 1);
    vec![Row::at_most(
        "`install` of a bundle with 50 sensitive parameters on `filesystem`",
        "50 files written durably and one transaction, by hand",
        ratio,
        1.5,
        " times",
        &format!("{ratio:.2} times ({} and {})", shown(rounds.middle(0)), shown(rounds.middle(1))),
    )]
}

/// The example's bundle with more parameters.
fn bundle(bench: &Bench) -> PathBuf {
    let folder = bench.place("bundle");
    fs::create_dir(&folder).expect("the directory is ours");
    let text = fs::read(bench.tree().join("examples/sensitive-data/bundle.json"));
    let mut bundle: Value =
        serde_json::from_slice(&text.expect("it is in the tree")).expect("it is JSON");
    let parameters: Map<String, Value> = (0..PARAMETERS)
        .map(|number| {
            let destination = match number {
                0 => json!({ "env": "PASSWORD" }),
                number => json!({ "env": format!("P{number}") }),
            };
            let parameter = json!({ "definition": "password-parameter", "required": true, "destination": destination });
            (format!("p{number}"), parameter)
        })
        .collect();
    let name = bundle["parameters"]["name"].take();
    bundle["parameters"] = Value::Object(parameters);
    bundle["parameters"]["name"] = name;
    // Nothing but the parameters is kept.
    bundle["outputs"]["name"]["definition"] = "name-parameter".into();
    fs::write(folder.join("bundle.json"), bundle.to_string()).expect("the directory is ours");
    fs::copy(bench.component("sensitive_data"), folder.join("installer.wasm"))
        .expect("`just bench` builds it");
    folder
}

/// Writes the files and the rows below `directory`, which it finds as the last time left it.
pub(crate) fn by_hand(directory: &Path) -> ExitCode {
    let pending = directory.join("pending");
    let _ = fs::create_dir(&pending);
    let folder = File::open(directory).expect("it is there");
    let run = std::process::id();
    for number in 0..PARAMETERS {
        let unfinished = pending.join(format!("{run}-{number}"));
        let mut file = File::create_new(&unfinished).expect("the name is new");
        file.write_all(b"a value of usual length").expect("there is room");
        file.sync_all().expect("there is a disk");
        fs::rename(&unfinished, directory.join(format!("{run}-{number}"))).expect("it is there");
        folder.sync_all().expect("there is a disk");
    }
    let mut connection = Connection::open(directory.join("rows.db")).expect("it can be made");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS secrets (id INTEGER PRIMARY KEY, run TEXT, key TEXT) STRICT;",
        )
        .expect("it is a database");
    let transaction = connection.transaction().expect("nobody else writes");
    for number in 0..PARAMETERS {
        transaction
            .execute(
                "INSERT INTO secrets (run, key) VALUES (?1, ?2)",
                (run, format!("{run}-{number}")),
            )
            .expect("there is room");
    }
    transaction.commit().expect("nobody else writes");
    ExitCode::SUCCESS
}
