//! How the cost grows with how much there is: stores, references, runs.

use crate::bench::{Bench, runtime, told};
use crate::calls::{KEY, PLUGIN};
use crate::plot::Curve;
use crate::processes::middle;
use crate::rounds::{Rounds, shown, time};
use crate::row::Row;
use coffer_host::grants::Reference;
use coffer_host::{Host, StoreConfig};
use rusqlite::Connection;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const STORES: [usize; 4] = [1, 10, 100, 1_000];
const REFERENCES: [usize; 4] = [10, 100, 1_000, 10_000];
const RUNS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Runs of one installation.
const RUNS_EACH: usize = 100;

pub(crate) fn rows(bench: &Bench) -> (Vec<Row>, Vec<Curve>) {
    let (stores, configured) = stores(bench);
    let (references, asked) = references(bench);
    let (runs, listed, found) = runs(bench);
    let rows = [stores, references].into_iter().chain(runs).collect();
    (rows, vec![configured, asked, listed, found])
}

/// A whole process that asks one of so many stores that are configured.
fn stores(bench: &Bench) -> (Row, Curve) {
    let times = STORES.map(|count| {
        let mut configuration = String::from("default-secrets: store0\nsecrets:\n");
        for number in 0..count {
            let _ = writeln!(
                configuration,
                "  - name: store{number}\n    plugin: filesystem\n    config: {{ directory: ./secrets{number} }}"
            );
        }
        let home = bench.home(&format!("stores{count}"), &configuration);
        let get = ["secrets", "get", "--source", "value", KEY];
        (count, middle(bench, &home, &get))
    });
    let (one, thousand) = (times[0].1, times[3].1);
    let more = thousand.saturating_sub(one);
    let row = Row::at_most(
        "`coffer secrets get` with 1,000 stores configured",
        "with one",
        more.as_secs_f64() * 1e3,
        50.0,
        " ms more",
        &format!("{} more ({})", shown(more), shown(thousand)),
    );
    (row, Curve::of("secrets get, by stores configured", &times))
}

/// One call with so many references.
fn references(bench: &Bench) -> (Row, Curve) {
    let host = Host::builder().build().expect("the engine can be made");
    let store = bench.store(&host, PLUGIN, StoreConfig::default());
    let runtime = runtime();
    // As many in all for each number, so that the machine has as much time to do something else meanwhile.
    let all = REFERENCES[3];
    let ask = |count: usize| {
        let references: Vec<Reference> = (0..count).map(|_| told(KEY)).collect();
        time(|| {
            for _ in 0..all / count {
                for answer in runtime.block_on(store.resolve(&references)) {
                    answer.expect("the plugin answers");
                }
            }
        })
    };
    let [a, b, c, d] = REFERENCES;
    let rounds = Rounds::of(15, [&mut || ask(a), &mut || ask(b), &mut || ask(c), &mut || ask(d)]);
    let times: [(usize, Duration); 4] = std::array::from_fn(|way| {
        let count = REFERENCES[way];
        (count, rounds.middle(way).div_f64(all as f64 / count as f64))
    });
    let growth = rounds.ratio(3, 1);
    let row = Row::at_most(
        "each of 10,000 references in one call",
        "each of 100",
        growth,
        1.5,
        " times",
        &format!("{growth:.2} times ({} in all)", shown(times[3].1)),
    );
    (row, Curve::of("resolve, by references in one call", &times))
}

/// Whole processes that look into a ledger with so many runs.
fn runs(bench: &Bench) -> (Vec<Row>, Curve, Curve) {
    let home = bench.home("runs", "");
    let list = ["installations", "list", "--limit", "100"];
    // Makes the ledger.
    middle(bench, &home, &list);
    let mut there = 0;
    let (mut listed, mut found) = (Vec::new(), Vec::new());
    for count in RUNS {
        fill(&home.join("ledger.db"), there / RUNS_EACH, count / RUNS_EACH);
        there = count;
        listed.push((count, middle(bench, &home, &list)));
        let name = installation(count / RUNS_EACH / 2);
        found.push((count, middle(bench, &home, &["installations", "show", &name])));
    }
    let row = |what: &str, times: &[(usize, Duration)]| {
        let taken = times[3].1;
        let ms = taken.as_secs_f64() * 1e3;
        let shown = format!("{} ({} with 1,000)", shown(taken), shown(times[0].1));
        Row::at_most(what, "", ms, 50.0, " ms", &shown)
    };
    let rows = vec![
        row("`installations list`, a page of 100, ledger with 1,000,000 runs", &listed),
        row("`installations show` in the same ledger", &found),
    ];
    let curve = Curve::of;
    (
        rows,
        curve("installations list, by runs", &listed),
        curve("installations show, by runs", &found),
    )
}

fn installation(number: usize) -> String {
    format!("app{number:06}")
}

/// Adds installations with their runs to a ledger, without waiting for the disk.
fn fill(ledger: &Path, from: usize, to: usize) {
    let mut connection = Connection::open(ledger).expect("coffer made it");
    connection.execute_batch("PRAGMA synchronous = OFF;").expect("it is a database");
    let transaction = connection.transaction().expect("nobody else writes");
    let bundle = r#"{"schemaVersion":"1.2.0","name":"app","version":"0.1.0","invocationImages":[{"imageType":"wasm","image":"app.wasm"}],"definitions":{"password":{"type":"string","writeOnly":true}},"parameters":{"password":{"definition":"password","destination":{"env":"PASSWORD"}}}}"#;
    {
        let mut installations = transaction
            .prepare("INSERT INTO installations VALUES (?1, '', ?2, 'active', 1795539158172)")
            .expect("the schema is known");
        let mut runs = transaction
            .prepare(
                "INSERT INTO runs VALUES (?1, ?2, 'upgrade', ?3, '/bundles/app', 'sha256:0', 'wasm',
                 'succeeded', 0, NULL, 1795539158172, 1795539159172)",
            )
            .expect("the schema is known");
        let mut outputs = transaction
            .prepare("INSERT INTO outputs VALUES (?1, 'url', '\"https://app.example\"', NULL)")
            .expect("the schema is known");
        for number in from..to {
            let id = format!("01k{number:023}");
            installations.execute((&id, installation(number))).expect("there is room");
            for run in 0..RUNS_EACH {
                let run = format!("01m{:023}", number * RUNS_EACH + run);
                runs.execute((&run, &id, bundle)).expect("there is room");
                outputs.execute([&run]).expect("there is room");
            }
        }
    }
    transaction.commit().expect("nobody else writes");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").expect("nobody else reads");
}
