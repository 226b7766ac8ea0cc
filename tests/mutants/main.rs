//! Mutation testing of coffer-host. A build for each mutant would take days, so all of them are built into one
//! program, of a copy of the tree, and one is chosen when it starts (`mutant.rs`); what of them does not compile is
//! dropped. Each test is run alone once, to learn which mutants it reaches. Then each mutant is run with the tests
//! that reach it, the nearest first, until one fails.
//!
//!   mutants ROOT TARGET_FOLDER MINUTES [FILE..]
//!
//! What was found stays in TARGET_FOLDER/mutants until the sources change, so the minutes can be spent in pieces.
//! A file is named as below `host/coffer-host/src`; without one it is all, in the order of their names.

mod building;
mod change;
mod run;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What decides nothing that is promised: bindings, texts, and what has a test of all of its cases.
const LEFT_OUT: &[&str] =
    &["advisory.rs", "bindings.rs", "error.rs", "error/incident.rs", "lib.rs"];

/// One change of one file.
pub(crate) struct Mutant {
    pub(crate) number: u32,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) function: String,
    pub(crate) what: String,
    pub(crate) builds: bool,
}

/// Where things are.
pub(crate) struct Places {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// What is found out, and the copy of the tree.
    pub(crate) own: PathBuf,
}

impl Places {
    pub(crate) fn tree(&self) -> PathBuf {
        self.own.join("tree")
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, target, minutes, files @ ..] = &arguments[..] else {
        panic!("mutants ROOT TARGET_FOLDER MINUTES [FILE..]")
    };
    let minutes: u64 = minutes.parse().expect("MINUTES is a number");
    let target = PathBuf::from(target);
    let own = target.join("mutants");
    fs::create_dir_all(&own).expect("the target folder can be written to");
    let places = Places { root: PathBuf::from(root), target, own };
    let built = building::build(&places);
    let until = Instant::now() + Duration::from_secs(minutes * 60);
    let mut order: Vec<&Mutant> = built.mutants.iter().filter(|mutant| mutant.builds).collect();
    if !files.is_empty() {
        let place = |mutant: &Mutant| files.iter().position(|file| mutant.file.starts_with(file));
        order.retain(|mutant| place(mutant).is_some());
        order.sort_by_key(|mutant| place(mutant));
    }
    let found = run::run(&places, &built, &order, until);
    print(&built.mutants, &found);
}

/// The sources of coffer-host that are changed, as below its `src`.
pub(crate) fn sources(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(building::SOURCES).join(&folder)).expect("it is there")
        {
            let entry = entry.expect("it can be read");
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(format!("{name}/"));
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                names.push(name);
            }
        }
    }
    names.retain(|name| !LEFT_OUT.contains(&&**name));
    names.sort();
    names
}

/// The table for docs/testing.md, and every mutant that no test caught.
fn print(mutants: &[Mutant], found: &BTreeMap<u32, run::Outcome>) {
    let outcome = |mutant: &Mutant| match found.get(&mutant.number) {
        _ if !mutant.builds => "not buildable",
        Some(outcome) => outcome.column(),
        None => "not run",
    };
    let columns =
        ["not buildable", "caught", "out of time", "missed", "not reached", "undecided", "not run"];
    println!("| file | mutants | {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len() + 2));
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for mutant in mutants {
        let column = columns.iter().position(|column| *column == outcome(mutant));
        for row in [mutant.file.as_str(), "~ all"] {
            let counts = rows.entry(row).or_insert_with(|| vec![0; columns.len()]);
            counts[column.expect("each outcome is a column")] += 1;
        }
    }
    for (file, counts) in rows {
        let all: usize = counts.iter().sum();
        let counts: Vec<_> = counts.iter().map(usize::to_string).collect();
        println!("| `{file}` | {all} | {} |", counts.join(" | "));
    }
    for mutant in mutants {
        if let name @ ("missed" | "not reached" | "undecided") = outcome(mutant) {
            let Mutant { number, file, line, function, what, .. } = mutant;
            println!("{name}: {number} {file}:{line} {function}: {what}");
        }
    }
}
