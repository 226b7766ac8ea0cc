//! Calls of the operating system that fail: each call that a command makes to its files, one after the other,
//! with the errors that disks have, once or from there on. Whatever fails, the error says whose fault it is and
//! what to do; what was there before is there; `runs recover` leaves nothing; and then the same command works.
//!
//! `disk.rs` has real disks, full and read-only. These are calls that a disk fails now and then.

use crate::order::{in_order, is, kept, rows};
use crate::stage::{Answer, Stage};
use crate::torture;
use crate::traced::{Done, Rule, What, traced};
use rustix::io::Errno;
use std::fs;
use std::process::Command;

/// Something that is done, and what is true when it is.
struct Case {
    arguments: &'static [&'static str],
    stdin: &'static str,
    /// What may be in the store without the ledger's knowing.
    others: &'static [&'static str],
    /// Whether it is done.
    done: fn(&Stage) -> bool,
    /// What is true whether it is done or not.
    always: fn(&Stage),
}

/// Which calls fail how.
struct Fault {
    kind: &'static str,
    part: &'static str,
    what: What,
    for_ever: bool,
}

const fn once(kind: &'static str, what: What) -> Fault {
    Fault { kind, part: "", what, for_ever: false }
}

const fn from_there_on(kind: &'static str, part: &'static str, error: Errno) -> Fault {
    Fault { kind, part, what: What::Fails(error), for_ever: true }
}

const FAULTS: [Fault; 17] = [
    once("write", What::Fails(Errno::IO)),
    once("write", What::Fails(Errno::INTR)),
    once("write", What::Short),
    once("sync", What::Fails(Errno::IO)),
    once("sync", What::Fails(Errno::INTR)),
    once("rename", What::Fails(Errno::IO)),
    once("link", What::Fails(Errno::IO)),
    once("unlink", What::Fails(Errno::IO)),
    once("create", What::Fails(Errno::NOSPC)),
    once("open", What::Fails(Errno::IO)),
    once("mkdir", What::Fails(Errno::NOSPC)),
    once("truncate", What::Fails(Errno::IO)),
    // A disk that is full, one that goes away, and one that was made read-only since something failed.
    from_there_on("write", "", Errno::NOSPC),
    from_there_on("any", "", Errno::IO),
    from_there_on("any", "ledger.db", Errno::IO),
    from_there_on("any", "secrets", Errno::ROFS),
    from_there_on("sync", "", Errno::IO),
];

/// Lets each call of a command fail, on a home as `stage` has it.
fn sweep(stage: &Stage, case: &Case) {
    let (home, template) = (stage.home(), stage.path("template"));
    fs::rename(&home, &template).unwrap();
    let reset = || {
        let _ = fs::remove_dir_all(&home);
        let copied = Command::new("cp").arg("-a").args([&template, &home]).status();
        assert!(copied.unwrap().success());
    };
    reset();
    let (answer, record) = traced(stage, case.arguments, case.stdin, None);
    answer.succeeded();
    let mut points: Vec<Rule> = Vec::new();
    for Fault { kind, part, what, for_ever } in FAULTS {
        let firsts = points_of(&record.calls, kind, part);
        let rule = |first| Rule { kind, part, what, first, for_ever };
        points.extend(firsts.into_iter().map(rule));
    }
    let mut reached = 0;
    for rule in torture::chosen(points).chain(lost_ledgers(&record.calls)) {
        reset();
        let (answer, record) = traced(stage, case.arguments, case.stdin, Some(rule));
        // Keys differ in when they are renamed and when they are put, so the last may not be there.
        reached += usize::from(record.matched >= rule.first);
        survived(stage, case, &answer);
    }
    assert!(reached > 8, "{:?} had {reached} faults", case.arguments);
}

/// The ledger's disk goes away while a transaction is synced, each of them. What was written of it is not said
/// to be done, and may be there for whoever opens the ledger next.
fn lost_ledgers(calls: &[Done]) -> impl Iterator<Item = Rule> {
    let ledger = calls.iter().filter(|call| call.path.to_string_lossy().contains("ledger.db"));
    let syncs = (1..).zip(ledger).filter(|(_, call)| call.kind == "sync");
    let (kind, part, what) = ("any", "ledger.db", What::Fails(Errno::IO));
    syncs.map(move |(first, _)| Rule { kind, part, what, first, for_ever: true })
}

/// The numbers of the calls that such a rule is tried with. Of a row of the same calls to the same file, as
/// the pages of a transaction are, the first and the last.
fn points_of(calls: &[Done], kind: &str, part: &str) -> Vec<usize> {
    let fits = |call: &&Done| {
        let named = |path: &std::path::Path| path.to_string_lossy().contains(part);
        (kind == "any" || call.kind == kind) && (named(&call.path) || named(&call.other))
    };
    let fitting: Vec<&Done> = calls.iter().filter(fits).collect();
    let same = |one: Option<&&Done>, other: &Done| {
        one.is_some_and(|one| one.kind == other.kind && one.path == other.path)
    };
    let numbered = (1_usize..).zip(&fitting);
    numbered
        .filter(|(number, call)| {
            let before = number.checked_sub(2).and_then(|index| fitting.get(index));
            !(same(before, call) && same(fitting.get(*number), call))
        })
        .map(|(number, _)| number)
        .collect()
}

/// What must hold after the command met a fault.
#[track_caller]
fn survived(stage: &Stage, case: &Case, answer: &Answer) {
    let told = answer.code != Some(0);
    if told {
        explained(answer);
    } else {
        assert!((case.done)(stage), "{}: it was not done, and nobody was told", answer.asked);
    }
    let context = Context(answer);
    in_order(stage, &others(stage, case));
    (case.always)(stage);
    let again = stage.call(case.arguments).stdin(case.stdin).run();
    // Done already, before something failed that came after it.
    let done = again.code == Some(0) || (again.code == Some(2) && (case.done)(stage));
    assert!(done, "again: {}", again.stderr());
    assert!((case.done)(stage), "again");
    (case.always)(stage);
    in_order(stage, &others(stage, case));
    drop(context);
}

fn others(stage: &Stage, case: &Case) -> Vec<&'static str> {
    case.others.iter().copied().filter(|key| kept(stage, key).is_some()).collect()
}

/// The command failed, and said what, whose fault, and what next.
#[track_caller]
fn explained(answer: &Answer) {
    let stderr = answer.stderr();
    assert!(matches!(answer.code, Some(1 | 3 | 4)), "{}: {:?} {stderr}", answer.asked, answer.code);
    // What a plugin says of its directory is blamed on the plugin.
    let fault = if answer.code == Some(4) { "plugin" } else { "operator" };
    let code = answer.code.unwrap();
    Answer {
        asked: answer.asked.clone(),
        code: answer.code,
        stdout: Vec::new(),
        stderr: stderr.into(),
    }
    .failed(code, fault, &[]);
}

/// Says on a panic what had failed.
struct Context<'a>(&'a Answer);

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            torture::note(&format!("{}: {:?} {}", self.0.asked, self.0.code, self.0.stderr()));
        }
    }
}

fn value_is(stage: &Stage, key: &str, values: &[&str]) -> bool {
    kept(stage, key).is_some_and(|value| values.contains(&value.as_str()))
}

/// Every value that the ledger refers to is one of these.
fn values_are(stage: &Stage, values: &[&str]) {
    for row in rows(stage, "secrets") {
        let key = row["key"].as_str().unwrap();
        assert!(value_is(stage, key, values), "{key}");
    }
}

#[test]
fn while_it_installs() {
    let stage = Stage::installed("pa55word");
    sweep(
        &stage,
        &Case {
            arguments: &["install", "one", "-b", "bundle", "--param", "password=-"],
            stdin: "a password",
            others: &[],
            done: |stage| is(stage, "one", "active"),
            always: |stage| {
                assert!(is(stage, "sensitive-data", "active"));
                values_are(stage, &["a password", "example-bundle", "pa55word"]);
            },
        },
    );
}

#[test]
fn while_it_installs_for_the_first_time() {
    let stage = Stage::keeping();
    sweep(
        &stage,
        &Case {
            arguments: &["install", "one", "-b", "bundle", "--param", "password=-"],
            stdin: "a password",
            others: &[],
            done: |stage| is(stage, "one", "active"),
            always: |stage| values_are(stage, &["a password", "example-bundle"]),
        },
    );
}

#[test]
fn while_it_upgrades() {
    let stage = Stage::installed("old");
    sweep(
        &stage,
        &Case {
            arguments: &["upgrade", "sensitive-data", "--param", "password=-"],
            stdin: "new",
            others: &[],
            done: |stage| password(stage) == "new",
            always: |stage| {
                assert!(is(stage, "sensitive-data", "active"));
                assert!(["old", "new"].contains(&password(stage).as_str()));
                values_are(stage, &["old", "new", "example-bundle"]);
            },
        },
    );
}

/// The password that the installation is given from now on.
fn password(stage: &Stage) -> String {
    let (overrides, secrets) = (rows(stage, "overrides"), rows(stage, "secrets"));
    let held = secrets.iter().find(|row| row["id"] == overrides[0]["secret"]).unwrap();
    kept(stage, held["key"].as_str().unwrap()).unwrap()
}

#[test]
fn while_it_uninstalls_and_deletes() {
    let stage = Stage::installed("pa55word");
    sweep(
        &stage,
        &Case {
            arguments: &["uninstall", "sensitive-data", "--delete"],
            stdin: "",
            others: &[],
            done: |stage| rows(stage, "installations").is_empty(),
            always: |stage| values_are(stage, &["pa55word", "example-bundle"]),
        },
    );
}

#[test]
fn while_a_set_is_applied() {
    let stage = Stage::keeping();
    let set = |value: &str| {
        let entries =
            ["a", "b"].map(|name| format!("{{ name: {name}, source: {{ value: {value} }} }}"));
        stage.file("set.yaml", format!("name: mine\nparameters: [{}]\n", entries.join(", ")));
    };
    let apply = &["parameters", "apply", "set.yaml"];
    set("old");
    stage.coffer(apply).succeeded();
    set("new");
    sweep(
        &stage,
        &Case {
            arguments: apply,
            stdin: "",
            others: &[],
            done: |stage| set_is(stage, "new"),
            always: |stage| assert!(set_is(stage, "old") || set_is(stage, "new")),
        },
    );
}

/// Whether the set has two entries of this value.
fn set_is(stage: &Stage, value: &str) -> bool {
    let (entries, secrets) = (rows(stage, "set_entries"), rows(stage, "secrets"));
    let has = |entry: &serde_json::Map<_, serde_json::Value>| {
        let secret = secrets.iter().find(|row| row["id"] == entry["secret"]).unwrap();
        value_is(stage, secret["key"].as_str().unwrap(), &[value])
    };
    entries.len() == 2 && entries.iter().all(has)
}

fn with_secrets() -> Stage {
    let stage = Stage::keeping();
    for key in ["kept", "other"] {
        stage.call(&["secrets", "put", key]).stdin("old").run().succeeded();
    }
    stage
}

#[test]
fn while_a_secret_is_put() {
    sweep(
        &with_secrets(),
        &Case {
            arguments: &["secrets", "put", "kept"],
            stdin: "new",
            others: &["kept", "other"],
            done: |stage| value_is(stage, "kept", &["new"]),
            always: |stage| {
                assert!(value_is(stage, "kept", &["old", "new"]));
                assert!(value_is(stage, "other", &["old"]));
            },
        },
    );
}

#[test]
fn while_a_secret_is_deleted() {
    let stage = with_secrets();
    let case = Case {
        arguments: &["secrets", "delete", "kept"],
        stdin: "",
        others: &["kept", "other"],
        done: |stage| kept(stage, "kept").is_none(),
        always: |stage| {
            assert!(kept(stage, "kept").is_none() || value_is(stage, "kept", &["old"]));
            assert!(value_is(stage, "other", &["old"]));
        },
    };
    sweep(&stage, &case);
}

#[test]
fn while_it_recovers() {
    for (part, active) in [("-output-", true), ("-parameter-", false)] {
        let stage = Stage::installed("pa55word");
        let kill = Rule { kind: "rename", part, what: What::Kills, first: 1, for_ever: false };
        let install = ["install", "one", "-b", "bundle", "--param", "password=-"];
        assert_eq!(traced(&stage, &install, "a password", Some(kill)).0.code, None);
        let done: fn(&Stage) -> bool = if active {
            |stage| is(stage, "one", "active")
        } else {
            |stage| rows(stage, "installations").len() == 1
        };
        sweep(
            &stage,
            &Case {
                arguments: &["runs", "recover"],
                stdin: "",
                others: &[],
                done,
                always: |stage| values_are(stage, &["a password", "example-bundle", "pa55word"]),
            },
        );
    }
}
