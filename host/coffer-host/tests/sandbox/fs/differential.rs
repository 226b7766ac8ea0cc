//! What a guest does with files, held against an oracle that does the same with the standard library and
//! checks nothing but where a path leads, by walking it step by step.

use super::snapshot;
use crate::stage::{ask, host};
use coffer_host::{Granted, StoreConfig};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Why an operation of the oracle came to nothing.
enum Stopped {
    /// The path leads out of the root.
    Outside,
    /// POSIX would say so too.
    Failed,
}

impl From<std::io::Error> for Stopped {
    fn from(_: std::io::Error) -> Self {
        Self::Failed
    }
}

/// Links that are followed in one path.
const LINKS_MAX: usize = 40;

/// Where `path` leads from `root`, with no link left in it.
fn walk(root: &Path, path: &str, follow_last: bool) -> Result<PathBuf, Stopped> {
    let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let (mut at, mut depth, mut links) = (root.to_owned(), 0, 0);
    if path.starts_with('/') {
        return Err(Stopped::Outside);
    }
    while let Some(step) = left.pop() {
        if !fs::metadata(&at).is_ok_and(|at| at.is_dir()) {
            return Err(Stopped::Failed);
        }
        match step.as_str() {
            "." => continue,
            ".." if depth == 0 => return Err(Stopped::Outside),
            ".." => {
                at.pop();
                depth -= 1;
                continue;
            }
            _ => {}
        }
        let next = at.join(&step);
        let is_link = fs::symlink_metadata(&next).is_ok_and(|next| next.is_symlink());
        if is_link && (follow_last || !left.is_empty()) {
            links += 1;
            let to = fs::read_link(&next)?.to_str().unwrap().to_owned();
            if to.starts_with('/') {
                return Err(Stopped::Outside);
            }
            if links > LINKS_MAX {
                return Err(Stopped::Failed);
            }
            left.extend(to.split('/').rev().map(str::to_owned));
            continue;
        }
        at = next;
        depth += 1;
    }
    Ok(at)
}

/// Like [`walk`], for what names an entry of a directory: the last step has to be a name.
fn entry(root: &Path, path: &str) -> Result<PathBuf, Stopped> {
    let found = walk(root, path, false);
    let last = path.rsplit('/').next();
    if matches!(last, Some("." | "..")) && found.is_ok() { Err(Stopped::Failed) } else { found }
}

fn oracle(root: &Path, operation: &str) -> Result<String, Stopped> {
    let words: Vec<&str> = operation.split(' ').collect();
    let done = |()| "done".to_owned();
    let (path, other) = (words[1], words.get(2).copied().unwrap_or_default());
    Ok(match words[0] {
        "append" => {
            use std::io::Write as _;
            let mut file = fs::File::options().append(true).open(walk(root, path, true)?)?;
            file.write_all(other.as_bytes()).map(done)?
        }
        "link" => fs::hard_link(entry(root, path)?, entry(root, other)?).map(done)?,
        "list" => {
            let entries = fs::read_dir(walk(root, path, true)?)?;
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
                .collect();
            names.sort();
            names.join(",")
        }
        "make" => fs::create_dir(entry(root, path)?).map(done)?,
        "read" => fs::read_to_string(walk(root, path, true)?)?,
        "remove" => fs::remove_dir(entry(root, path)?).map(done)?,
        "rename" => fs::rename(entry(root, path)?, entry(root, other)?).map(done)?,
        // A link that leads out from wherever it is, is not even made.
        "symlink" if other.starts_with('/') => return Err(Stopped::Outside),
        "symlink" => symlink(other, entry(root, path)?).map(done)?,
        "unlink" => fs::remove_file(entry(root, path)?).map(done)?,
        "write" => fs::write(walk(root, path, true)?, other).map(done)?,
        _ => unreachable!("the strategy makes nothing else"),
    })
}

fn path() -> impl Strategy<Value = String> {
    let step = prop_oneof![6 => "[abc]", 2 => Just("..".to_owned()), 1 => Just(".".to_owned())];
    let relative = proptest::collection::vec(step, 1..5).prop_map(|steps| steps.join("/"));
    prop_oneof![12 => relative.clone(), 1 => relative.prop_map(|path| format!("/{path}"))]
}

fn operation() -> impl Strategy<Value = String> {
    let one = prop_oneof![Just("list"), Just("make"), Just("read"), Just("remove"), Just("unlink")];
    let two = prop_oneof![Just("link"), Just("rename"), Just("symlink")];
    let text = prop_oneof![Just("write"), Just("append")];
    prop_oneof![
        4 => (one, path()).prop_map(|(verb, path)| format!("{verb} {path}")),
        3 => (two, path(), path()).prop_map(|(verb, one, two)| format!("{verb} {one} {two}")),
        4 => (text, path(), "[xyz]{1,4}").prop_map(|(verb, path, text)| format!("{verb} {path} {text}")),
        2 => Just("make a".to_owned()),
        2 => Just("make a/b".to_owned()),
    ]
}

/// `root/` in a directory that has something of every name beside it.
fn twin() -> TempDir {
    let twin = TempDir::new().unwrap();
    fs::create_dir(twin.path().join("root")).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(twin.path().join(name), "OUTSIDE").unwrap();
    }
    twin
}

/// Paths without the directory that they are all below.
fn below(root: &Path) -> Vec<(String, String)> {
    let start = root.to_str().unwrap().len();
    snapshot(root).into_iter().map(|(path, content)| (path[start..].to_owned(), content)).collect()
}

#[test]
fn what_a_guest_does_is_what_the_oracle_does() {
    const CASES: u32 = 400;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let operations = proptest::collection::vec(operation(), 1..24);
    let counts = std::cell::RefCell::new([0_u32; 3]);
    let plugin = crate::way::load(&host(), &guest_artifacts::guest("fs_script")).unwrap();
    let check = |operations: Vec<String>| {
        let (guests, oracles) = (twin(), twin());
        let root = guests.path().join("root");
        let grant = json!({ "host": root, "guest": "/asked", "access": "read-write" });
        let grants = serde_json::from_value(json!({ "directories": [grant] })).unwrap();
        let config = StoreConfig { grants: Granted::Only(grants), ..StoreConfig::default() };
        let store = host().store("twin", &plugin, config).unwrap();
        let found = runtime.block_on(ask(&store, operations.join("; "))).unwrap();
        prop_assert!(!found.contains("OUTSIDE"), "{operations:?}: {found}");
        for (operation, found) in operations.iter().zip(found.split("; ")) {
            let [inside, outside, failed] = &mut *counts.borrow_mut();
            match oracle(&oracles.path().join("root"), operation) {
                Ok(expected) => {
                    prop_assert_eq!(found, expected, "{} of {:?}", operation, operations);
                    *inside += 1;
                }
                Err(Stopped::Outside) => {
                    prop_assert!(found.starts_with('!'), "{operation} of {operations:?}: {found}");
                    *outside += 1;
                }
                Err(Stopped::Failed) => {
                    prop_assert!(found.starts_with('!'), "{operation} of {operations:?}: {found}");
                    *failed += 1;
                }
            }
        }
        prop_assert_eq!(below(guests.path()), below(oracles.path()), "{:?}", operations);
        for name in ["a", "b", "c"] {
            let content = fs::read_to_string(guests.path().join(name)).unwrap();
            prop_assert_eq!(content, "OUTSIDE", "{:?}", operations);
        }
        Ok(())
    };
    runner.run(&operations, check).unwrap();
    // Each of the three was met often, or the rest says little.
    let counts = counts.into_inner();
    assert!(counts.iter().all(|count| *count > 200), "{counts:?}");
}
