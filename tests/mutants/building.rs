//! The copy of the tree with all mutants in it, and the tests built from it.

use crate::change::{self, Change};
use crate::{Mutant, Places, sources};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of workers, as the tests of the fence name it.
const WORKER: &str = r#"env!("CARGO_BIN_EXE_isolation")"#;

pub(crate) const SOURCES: &str = "host/coffer-host/src";

/// What is built, and the programs of tests by their names.
pub(crate) struct Built {
    pub(crate) mutants: Vec<Mutant>,
    pub(crate) programs: Vec<Program>,
}

pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The folder of its package, in the copy.
    pub(crate) package: PathBuf,
}

/// The tests that hold coffer-host: its own, the sandbox's and the fence's.
const TESTS: [&str; 5] = ["--lib", "--test", "sandbox", "--test", "fence"];

pub(crate) fn build(places: &Places) -> Built {
    copy(places);
    let mut next = 1;
    let mut files = BTreeMap::new();
    for name in sources(&places.root) {
        let text = read(&places.root.join(SOURCES).join(&name));
        let changes = change::all(&text, next);
        next = changes.last().map_or(next, |last| last.number + last.what.len() as u32);
        files.insert(name, (text, changes));
    }
    // What did not compile the last time does not compile now, if the sources are the same: which is
    // remembered by what they are.
    let known = places.own.join("dropped");
    let digest = digest(&files);
    let mut dropped = BTreeSet::new();
    let before = fs::read_to_string(&known).unwrap_or_default();
    match before.strip_prefix(&digest) {
        Some(numbers) => dropped.extend(numbers.split_whitespace().flat_map(str::parse::<u32>)),
        None => drop(fs::remove_file(places.own.join("outcomes"))),
    }
    let programs = loop {
        let written = write(places, &files, &dropped);
        // The library first, of which one build says what does not compile.
        let mut result = cargo(places, &["--test", "sandbox"]);
        if result.is_ok() {
            result = cargo(places, &TESTS);
        }
        match result {
            Ok(programs) => {
                let worker = places.target.join("debug/isolation");
                // One that runs from the last time cannot be written to.
                let _ = fs::remove_file(places.own.join("isolation"));
                fs::copy(worker, places.own.join("isolation")).expect("it was built");
                break programs;
            }
            Err(errors) => {
                let count = dropped.len();
                // What has no change around it may follow from what has.
                let around = errors.iter().flat_map(|error| around(error, &written));
                dropped.extend(around);
                if dropped.len() == count {
                    dropped.extend(errors.iter().flat_map(|error| near(error, &files, &written)));
                }
                eprintln!("mutants: {} errors, {} changes dropped", errors.len(), dropped.len());
                assert!(dropped.len() > count, "what is left does not compile: {errors:#?}");
                let numbers: Vec<_> = dropped.iter().map(u32::to_string).collect();
                let text = format!("{digest} {}", numbers.join(" "));
                fs::write(&known, text).expect("it can be written");
            }
        }
    };
    let mut mutants = Vec::new();
    for (file, (_, changes)) in &files {
        for change in changes {
            for (number, what) in (change.number..).zip(&change.what) {
                let builds = !dropped.contains(&change.number);
                let (file, what) = (file.clone(), what.clone());
                let (line, function) = (change.line, change.function.clone());
                mutants.push(Mutant { number, file, line, function, what, builds });
            }
        }
    }
    Built { mutants, programs }
}

type Files = BTreeMap<String, (String, Vec<Change>)>;
type Written = BTreeMap<String, Vec<(u32, Range<usize>)>>;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Not of cryptographic strength; whoever changes a source does not mean to deceive this.
fn digest(files: &Files) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    for (name, (text, changes)) in files {
        (name, text).hash(&mut hasher);
        changes.iter().for_each(|change| (change.number, &change.what).hash(&mut hasher));
    }
    format!("{:016x}", hasher.finish())
}

/// Whatever git knows, as it is now. What did not change keeps its time, so that it is not built again.
fn copy(places: &Places) {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&places.root).output();
    let listed = String::from_utf8(listed.expect("git is there").stdout).expect("they are ASCII");
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        if name.starts_with(SOURCES) && name.ends_with(".rs") {
            continue;
        }
        let (from, to) = (places.root.join(name), places.tree().join(name));
        if let Ok(leads) = fs::read_link(&from) {
            fs::create_dir_all(to.parent().expect("it is in a folder")).expect("it can be made");
            // It may be there from the last time.
            let _ = std::os::unix::fs::symlink(leads, to);
            continue;
        }
        // One that was deleted is known as long as that is not committed.
        let Ok(mut bytes) = fs::read(from) else { continue };
        if name == "tests/isolation/tests/fence/stage.rs" {
            // The next ordinary build puts another program there.
            let text = String::from_utf8(bytes).expect("it is a source");
            let ours = format!("{:?}", places.own.join("isolation"));
            bytes = text.replace(WORKER, &ours).into_bytes();
            assert!(text.contains(WORKER), "the fence starts workers of another program by now");
        }
        if name == "Cargo.toml" {
            // cargo takes what has the same name and version for the same, wherever it is.
            let text = String::from_utf8(bytes).expect("it is a text");
            let (ours, other) = ("\nversion = \"0.1.0\"\n", "\nversion = \"0.1.999\"\n");
            assert!(text.contains(ours), "the workspace has another version by now");
            bytes = text.replacen(ours, other, 1).into_bytes();
        }
        put(&to, &bytes);
    }
}

fn put(path: &Path, bytes: &[u8]) {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return;
    }
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
    fs::write(path, bytes).expect("it can be written");
}

fn write(places: &Places, files: &Files, dropped: &BTreeSet<u32>) -> Written {
    let to = places.tree().join(SOURCES);
    let mut written = Written::new();
    let mut all = Vec::new();
    let listed = Command::new("git")
        .args(["ls-files", SOURCES])
        .current_dir(&places.root)
        .output()
        .expect("git is there");
    let listed = String::from_utf8(listed.stdout).expect("they are ASCII");
    all.extend(listed.lines().filter_map(|name| name.strip_prefix(SOURCES)?.strip_prefix('/')));
    for name in all {
        let (mut text, places_of) = match files.get(name) {
            Some((text, changes)) => change::written(text, changes, dropped),
            None => (read(&places.root.join(SOURCES).join(name)), Vec::new()),
        };
        if name == "lib.rs" {
            text.push_str("\npub(crate) mod mutant;\n");
        }
        if name == "worker/process.rs" {
            // As long as what was there, so that places of errors stay right.
            assert!(text.contains(".arg(MARK)"), "workers are started in another way by now");
            text = text.replacen(".arg(MARK)", ".args(m())", 1);
            text.push_str("fn m() -> [String; 2] { [MARK.into(), crate::mutant::passed()] }\n");
        }
        put(&to.join(name), text.as_bytes());
        written.insert(name.to_owned(), places_of);
    }
    put(&to.join("mutant.rs"), include_bytes!("mutant.rs"));
    written
}

/// Builds these tests, or says what does not compile: a file and a place in it.
fn cargo(places: &Places, tests: &[&str]) -> Result<Vec<Program>, Vec<(String, Range<usize>)>> {
    let output = Command::new("cargo")
        .args(["test", "--workspace", "--no-run", "--message-format=json"])
        // The second has files of coffer-host in it, which do not find there what is put into them.
        .args(["--exclude", "guests", "--exclude", "fuzz-targets"])
        .args(tests)
        .arg("--target-dir")
        .arg(&places.target)
        .current_dir(places.tree())
        .stderr(std::process::Stdio::inherit())
        .output()
        .expect("cargo is there");
    let (mut programs, mut errors) = (Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(said) = serde_json::from_str::<Value>(line) else { continue };
        let message = &said["message"];
        if message["level"] == "error" {
            let spans = message["spans"].as_array().into_iter().flatten();
            errors.extend(spans.filter(|span| span["is_primary"] == true).filter_map(place));
        }
        if let (Some(path), Some(name)) =
            (said["executable"].as_str(), said["target"]["name"].as_str())
        {
            let manifest = Path::new(said["manifest_path"].as_str().unwrap_or_default());
            let package = manifest.parent().unwrap_or(manifest).to_owned();
            if ["coffer_host", "sandbox", "fence"].contains(&name) {
                programs.push(Program { name: name.to_owned(), path: path.into(), package });
            }
        }
    }
    if output.status.success() { Ok(programs) } else { Err(errors) }
}

/// Where in ours a span is, through the macros that it came from.
fn place(span: &Value) -> Option<(String, Range<usize>)> {
    let name = span["file_name"].as_str()?;
    let ours = name.strip_prefix(SOURCES).and_then(|name| name.strip_prefix('/'));
    match ours {
        Some(name) if name != "mutant.rs" => {
            let at = |key: &str| span[key].as_u64().and_then(|at| usize::try_from(at).ok());
            Some((name.to_owned(), at("byte_start")?..at("byte_end")?))
        }
        _ => place(&span["expansion"]["span"]),
    }
}

/// The innermost change around what an error is about.
fn around((name, span): &(String, Range<usize>), written: &Written) -> Option<u32> {
    let around = written.get(name)?.iter();
    let around = around.filter(|(_, place)| place.start <= span.start && span.end <= place.end);
    around.min_by_key(|(_, place)| place.len()).map(|(number, _)| *number)
}

/// The changes in it; or all of the function before the end of which it is.
fn near((name, span): &(String, Range<usize>), files: &Files, written: &Written) -> Vec<u32> {
    let Some(places) = written.get(name) else { return Vec::new() };
    let within = places.iter().filter(|(_, at)| span.start < at.end && at.start < span.end);
    let within: Vec<u32> = within.map(|(number, _)| *number).collect();
    if !within.is_empty() {
        return within;
    }
    let before = places.iter().filter(|(_, place)| place.end <= span.start);
    let Some((nearest, _)) = before.max_by_key(|(_, place)| place.end) else { return Vec::new() };
    let changes = &files[name].1;
    let function = changes.iter().find(|change| change.number == *nearest).map(|c| &c.function);
    let same = changes.iter().filter(|change| Some(&change.function) == function);
    same.map(|change| change.number).collect()
}
