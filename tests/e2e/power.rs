//! The power goes. What the binary does to its files is written down; from that the disks are made that a cut
//! can leave: what was waited for with fsync is there, and of what was not, any part may be. Each of them
//! recovers, as after a kill, and what a command had said was done is done.
//!
//! A file is what was synced of it, whatever was written later; a name in a directory is there for certain when
//! the directory was synced after it was made. That is what POSIX promises, and less than what ext4 does. Taken
//! as whole are a rename and a name; a write can be half done. `audit.jsonl` is not synced, see recovery.md.

use crate::order::{in_order, is, kept, rows};
use crate::stage::{Stage, walk};
use crate::torture;
use crate::traced::{Done, Record, Rule, What, traced};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file, or a directory without what is in it.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Node {
    Directory,
    File(Rc<Vec<u8>>),
}

/// What is on the disk: nodes, and names for some of them.
#[derive(Clone, Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
}

impl Disk {
    /// What is in the home now.
    fn of(home: &Path) -> Self {
        let mut disk = Self::default();
        disk.name(PathBuf::new(), Node::Directory);
        for path in walk(home) {
            let node = if path.is_dir() {
                Node::Directory
            } else {
                Node::File(Rc::new(fs::read(&path).unwrap()))
            };
            disk.name(path.strip_prefix(home).unwrap().to_owned(), node);
        }
        disk
    }

    fn name(&mut self, path: PathBuf, node: Node) -> usize {
        self.nodes.push(node);
        self.names.insert(path, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// Every file and directory whose directory is there. The database makes its shared memory anew.
    fn reachable(&self) -> BTreeMap<&Path, &Node> {
        let mut there: BTreeMap<&Path, &Node> = BTreeMap::new();
        for (path, node) in &self.names {
            let parent =
                path.parent().is_none_or(|parent| there.get(parent) == Some(&&Node::Directory));
            if parent && path != Path::new("ledger.db-shm") {
                there.insert(path, &self.nodes[*node]);
            }
        }
        there
    }

    fn file(&self, path: &str) -> Option<&[u8]> {
        match self.reachable().get(Path::new(path)) {
            Some(Node::File(bytes)) => Some(bytes),
            Some(Node::Directory) | None => None,
        }
    }

    /// Puts the home into this state. What is compiled stays, since it does not change.
    fn put(&self, home: &Path) {
        for entry in fs::read_dir(home).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("cache") => {}
                _ if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                _ => fs::remove_file(path).unwrap(),
            }
        }
        for (path, node) in self.reachable() {
            match node {
                Node::Directory => fs::create_dir_all(home.join(path)).unwrap(),
                Node::File(_) if path.starts_with("cache") => {}
                Node::File(bytes) => fs::write(home.join(path), &**bytes).unwrap(),
            }
        }
    }
}

/// One change of the disk.
#[derive(Clone, Debug)]
enum Change {
    Cut { node: usize, length: usize },
    Name { path: PathBuf, node: usize },
    Rename { from: PathBuf, to: PathBuf, node: usize },
    Unname { path: PathBuf, node: usize },
    Write { node: usize, offset: usize, bytes: Vec<u8> },
}

impl Change {
    fn apply(&self, disk: &mut Disk) {
        match self {
            Self::Cut { node, length } => {
                if let Node::File(bytes) = &mut disk.nodes[*node] {
                    Rc::make_mut(bytes).resize(*length, 0);
                }
            }
            Self::Name { path, node } => drop(disk.names.insert(path.clone(), *node)),
            Self::Rename { from, to, node } => {
                if disk.names.get(from) == Some(node) {
                    disk.names.remove(from);
                }
                disk.names.insert(to.clone(), *node);
            }
            Self::Unname { path, node } => {
                if disk.names.get(path) == Some(node) {
                    disk.names.remove(path);
                }
            }
            Self::Write { node, offset, bytes } => {
                if let Node::File(file) = &mut disk.nodes[*node] {
                    let file = Rc::make_mut(file);
                    // What lies between is zeros, as in a file with a hole.
                    file.resize(file.len().max(offset + bytes.len()), 0);
                    file[*offset..offset + bytes.len()].copy_from_slice(bytes);
                }
            }
        }
    }

    /// The directory whose sync makes it last, if it is about a name.
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Cut { .. } | Self::Write { .. } => None,
            Self::Name { path, .. } | Self::Unname { path, .. } => path.parent(),
            Self::Rename { to, .. } => to.parent(),
        }
    }

    fn node(&self) -> usize {
        match self {
            Self::Cut { node, .. }
            | Self::Name { node, .. }
            | Self::Rename { node, .. }
            | Self::Unname { node, .. }
            | Self::Write { node, .. } => *node,
        }
    }
}

/// A change with the calls that made it and that made it last.
#[derive(Clone, Debug)]
struct Step {
    change: Change,
    /// What it is about, for messages and rules.
    path: PathBuf,
    at: usize,
    /// `None` if nothing did.
    lasts_from: Option<usize>,
}

impl Step {
    fn waits(&self, at: usize) -> bool {
        self.at < at && self.lasts_from.is_none_or(|lasts| lasts >= at)
    }
}

/// What a process did to a disk.
struct History {
    before: Disk,
    calls: Vec<Done>,
    steps: Vec<Step>,
}

impl History {
    fn of(before: Disk, calls: Vec<Done>) -> Self {
        let mut disk = before.clone();
        let mut steps: Vec<Step> = Vec::new();
        for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.result >= 0) {
            let node = disk.names.get(&call.path).copied();
            let length = |node: usize| match &disk.nodes[node] {
                Node::File(bytes) => bytes.len(),
                Node::Directory => panic!("{call:?}"),
            };
            let change = match (call.kind.as_str(), node) {
                ("create", Some(node)) if call.offset == 1 => Change::Cut { node, length: 0 },
                ("create" | "mkdir", None) => {
                    let file = Node::File(Rc::default());
                    disk.nodes.push(if call.kind == "mkdir" { Node::Directory } else { file });
                    Change::Name { path: call.path.clone(), node: disk.nodes.len() - 1 }
                }
                ("link", Some(node)) => Change::Name { path: call.other.clone(), node },
                ("rename", Some(node)) => {
                    Change::Rename { from: call.path.clone(), to: call.other.clone(), node }
                }
                ("truncate", Some(node)) => {
                    Change::Cut { node, length: usize::try_from(call.offset).unwrap() }
                }
                ("unlink", Some(node)) => Change::Unname { path: call.path.clone(), node },
                ("write", Some(node)) => {
                    // Who gives no offset appends, or writes a new file from its beginning.
                    let offset = usize::try_from(call.offset).unwrap_or_else(|_| length(node));
                    Change::Write { node, offset, bytes: call.bytes.clone() }
                }
                ("sync", Some(node)) => {
                    for step in steps.iter_mut().filter(|step| step.lasts_from.is_none()) {
                        let lasts = match step.change.directory() {
                            Some(directory) => directory == call.path,
                            None => step.change.node() == node,
                        };
                        step.lasts_from = lasts.then_some(at);
                    }
                    continue;
                }
                ("map", _) => {
                    assert_eq!(call.path, Path::new("ledger.db-shm"));
                    continue;
                }
                ("create", Some(_)) | ("open", _) => continue,
                // The file has no name any more.
                ("sync" | "truncate" | "write", None) => continue,
                _ => panic!("{call:?} is not understood"),
            };
            change.apply(&mut disk);
            // The nodes of these are there from the beginning, so that their numbers are the same.
            let shown_only = ["audit.jsonl", "ledger.db-shm"].map(Path::new).contains(&&*call.path);
            let lasts_from = shown_only.then_some(at);
            steps.push(Step { change, path: call.path.clone(), at, lasts_from });
        }
        let mut before = before;
        before.nodes.extend(disk.nodes.drain(before.nodes.len()..).map(|node| match node {
            Node::Directory => node,
            Node::File(_) => Node::File(Rc::default()),
        }));
        Self { before, calls, steps }
    }

    /// The disk with everything that lasts before the call `at`, and of what waits what is `chosen`.
    fn disk(&self, at: usize, mut chosen: impl FnMut(&Step) -> bool) -> Disk {
        let mut disk = self.before.clone();
        for step in self.steps.iter().filter(|step| step.at < at) {
            if !step.waits(at) || chosen(step) {
                step.change.apply(&mut disk);
            }
        }
        disk
    }

    /// The disks that a cut can leave, each with the call before which it comes. Between two syncs more and
    /// more waits, so what can be left is looked at right before each, and at the end.
    fn cuts(&self) -> Vec<(usize, Disk)> {
        let mut seen = HashSet::new();
        let mut cuts = Vec::new();
        let mut cut = |at: usize, disk: Disk| {
            let mut hasher = DefaultHasher::new();
            (at == self.calls.len()).hash(&mut hasher);
            disk.reachable().hash(&mut hasher);
            if seen.insert(hasher.finish()) {
                cuts.push((at, disk));
            }
        };
        for at in 0..=self.calls.len() {
            // As a kill leaves it.
            cut(at, self.disk(at, |_| true));
            if self.calls.get(at).is_some_and(|call| call.kind != "sync") {
                continue;
            }
            // The pages of one transaction are taken together: that each has a checksum is the database's.
            let group = |step: &Step| match step.path.to_str() {
                Some("ledger.db-wal" | "ledger.db") => step.change.node(),
                _ => usize::MAX - step.at,
            };
            let mut groups: Vec<usize> =
                self.steps.iter().filter(|step| step.waits(at)).map(group).collect();
            groups.dedup();
            for count in 0..groups.len() {
                cut(at, self.disk(at, |step| groups[..count].contains(&group(step))));
                cut(at, self.disk(at, |step| group(step) == groups[count]));
                cut(at, self.disk(at, |step| group(step) != groups[count]));
                // Half of what is written, and nothing after it.
                cut(at, self.half(at, |step| groups[..=count].contains(&group(step))));
            }
        }
        cuts
    }

    /// As [`disk`](Self::disk), with half of the last write that waits and is chosen.
    fn half(&self, at: usize, chosen: impl Fn(&Step) -> bool) -> Disk {
        let waits = |step: &&Step| step.waits(at) && chosen(step);
        let Some(last) = self.steps.iter().rfind(waits).map(|step| step.at) else {
            return self.disk(at, chosen);
        };
        let mut disk = self.disk(at, |step| chosen(step) && step.at != last);
        let step = self.steps.iter().find(|step| step.at == last).unwrap();
        if let Change::Write { node, offset, bytes } = &step.change {
            let bytes = bytes[..bytes.len() / 2].to_vec();
            Change::Write { node: *node, offset: *offset, bytes }.apply(&mut disk);
        }
        disk
    }

    /// Where a call comes while something else is still waiting that must last by then.
    fn disorder(&self) -> Vec<String> {
        let mut disorder = Vec::new();
        for (at, call) in self.calls.iter().enumerate().filter(|(_, call)| call.result >= 0) {
            for (kind, part, before) in ORDER {
                let matches = call.kind == *kind && call.path.to_string_lossy().contains(part);
                let fits = |step: &&Step| {
                    step.waits(at)
                        && match *before {
                            ITSELF => {
                                step.change.directory().is_none()
                                    && self.steps.iter().any(|own| {
                                        own.at == at && own.change.node() == step.change.node()
                                    })
                            }
                            before => step.path.to_string_lossy().starts_with(before),
                        }
                };
                if matches && let Some(step) = self.steps.iter().find(fits) {
                    let (call, path) = (call.path.display(), step.path.display());
                    disorder
                        .push(format!("{kind} of {call} before call {} of {path} lasts", step.at));
                }
            }
        }
        disorder
    }
}

/// The bytes of the file that is renamed or linked.
const ITSELF: &str = "itself";

/// When a call is made of this kind to such a path, what has been done to these lasts. Without each of them
/// there is a cut that loses something; here the first call that comes too early is named.
const ORDER: &[(&str, &str, &str)] = &[
    // `put`: the bytes, then the name.
    ("rename", "secrets/.pending/", ITSELF),
    ("link", "secrets/.pending/", ITSELF),
    ("rename", "spool/", ITSELF),
    ("link", "keys/", ITSELF),
    // The intent, and the sealed outputs, before a store is asked.
    ("create", "secrets/.pending/", "ledger.db"),
    ("create", "secrets/.pending/", "spool"),
    // What the store keeps and what the ledger says of it, before the spool is emptied.
    ("unlink", "spool/0", "secrets/0"),
    ("unlink", "spool/0", "ledger.db"),
    // The ledger is told that a secret is to go before it goes.
    ("unlink", "secrets/0", "ledger.db"),
];

/// Traces a command on a stage, and looks at each disk that a cut can leave of it. `check` is told whether the
/// command had ended.
fn survives(stage: &Stage, arguments: &[&str], stdin: &str, others: &[&str], check: impl Fn(bool)) {
    let history = history(stage, arguments, stdin);
    assert_eq!(history.disorder(), [""; 0], "{arguments:?}");
    let cuts = history.cuts();
    // Fewer would mean that nothing was written down.
    assert!(cuts.len() > 4, "{arguments:?} has {} cuts", cuts.len());
    for (at, disk) in &cuts {
        disk.put(&stage.home());
        let context = Context(arguments, *at, &history);
        in_order(stage, others);
        check(*at == history.calls.len());
        drop(context);
    }
}

/// Says on a panic where the power went.
struct Context<'h>(&'h [&'h str], usize, &'h History);

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(arguments, at, history) = self;
            let call = history.calls.get(*at).map(|call| (&call.kind, &call.path));
            let waiting = history.steps.iter().filter(|step| step.waits(*at));
            let waiting: Vec<_> = waiting.map(|step| (step.at, &step.path)).collect();
            torture::note(&format!(
                "{arguments:?} cut before call {at}, {call:?}; waiting: {waiting:?}"
            ));
        }
    }
}

fn history(stage: &Stage, arguments: &[&str], stdin: &str) -> History {
    let before = Disk::of(&stage.home());
    let (answer, Record { calls, .. }) = traced(stage, arguments, stdin, None);
    answer.succeeded();
    History::of(before, calls)
}

const INSTALL: [&str; 6] = ["install", "one", "-b", "bundle", "--param", "password=-"];

/// Every value of these installations is whole.
fn values_are(stage: &Stage, passwords: &[&str]) {
    for row in rows(stage, "secrets") {
        let key = row["key"].as_str().unwrap();
        let value = kept(stage, key).unwrap();
        let expected: &[&str] =
            if key.ends_with("-output-name") { &["example-bundle"] } else { passwords };
        assert!(expected.contains(&value.as_str()), "{key}");
    }
}

#[test]
fn while_it_installs_for_the_first_time() {
    let stage = Stage::keeping();
    fs::remove_dir_all(stage.home().join("keys")).unwrap();
    fs::remove_dir_all(stage.home().join("cache")).unwrap();
    survives(&stage, &INSTALL, "a password", &[], |ended| {
        assert!(!ended || is(&stage, "one", "active"));
        values_are(&stage, &["a password"]);
        assert!(!ended || rows(&stage, "secrets").len() == 2);
    });
}

#[test]
fn while_it_installs_and_upgrades() {
    let stage = Stage::installed("other");
    survives(&stage, &INSTALL, "a password", &[], |ended| {
        assert!(!ended || is(&stage, "one", "active"));
        assert!(is(&stage, "sensitive-data", "active"));
        values_are(&stage, &["a password", "other"]);
    });
    let upgrade = ["upgrade", "sensitive-data", "--param", "password=-"];
    let stage = Stage::installed("old");
    survives(&stage, &upgrade, "new", &[], |ended| {
        assert!(is(&stage, "sensitive-data", "active"));
        values_are(&stage, &["old", "new"]);
        let overrides = rows(&stage, "overrides");
        let secrets = rows(&stage, "secrets");
        let held = secrets.iter().find(|row| row["id"] == overrides[0]["secret"]).unwrap();
        let password = kept(&stage, held["key"].as_str().unwrap()).unwrap();
        assert!(!ended || password == "new");
    });
}

#[test]
fn while_it_uninstalls_and_deletes() {
    let stage = Stage::installed("a password");
    survives(&stage, &["uninstall", "sensitive-data", "--delete"], "", &[], |ended| {
        values_are(&stage, &["a password"]);
        assert!(!ended || rows(&stage, "installations").is_empty());
    });
}

#[test]
fn while_it_puts_and_deletes_secrets() {
    let put = ["secrets", "put", "kept"];
    for old in [None, Some("old")] {
        let stage = Stage::keeping();
        // Something is kept, so that there is a ledger and a directory.
        stage.call(&["secrets", "put", "other"]).stdin("other").run().succeeded();
        if let Some(old) = old {
            stage.call(&put).stdin(old).run().succeeded();
        }
        let before = Disk::of(&stage.home());
        let history = history(&stage, &put, "new");
        assert_eq!(history.disorder(), [""; 0]);
        for (at, disk) in history.cuts() {
            let value = disk.file("secrets/kept").map(|bytes| std::str::from_utf8(bytes).unwrap());
            let ended = at == history.calls.len();
            assert!(value == Some("new") || (value == old && !ended), "{at}");
            assert_eq!(disk.file("secrets/other"), Some(&b"other"[..]));
        }
        before.put(&stage.home());
        // What a cut leaves of a put is no obstacle to the next.
        for (_, disk) in history.cuts() {
            disk.put(&stage.home());
            stage.call(&put).stdin("newer").run().succeeded();
            assert_eq!(kept(&stage, "kept").as_deref(), Some("newer"));
        }
        let history = self::history(&stage, &["secrets", "delete", "kept"], "");
        for (at, disk) in history.cuts() {
            let value = disk.file("secrets/kept");
            let ended = at == history.calls.len();
            assert!(value.is_none() || (value == Some(b"newer") && !ended), "{at}");
        }
    }
}

#[test]
fn while_a_set_is_applied_and_deleted() {
    let stage = Stage::keeping();
    let set = |values: &[&str]| {
        let entries = values.iter().zip(["a", "b", "c"]);
        let entries: Vec<_> = entries
            .map(|(value, name)| json!({ "name": name, "source": { "value": value } }))
            .collect();
        stage.file("set.yaml", json!({ "name": "mine", "parameters": entries }).to_string());
    };
    let apply = ["parameters", "apply", "set.yaml"];
    let entries = || rows(&stage, "set_entries").len();
    set(&["1", "2"]);
    survives(&stage, &apply, "", &[], |ended| {
        assert!(entries() == 2 || (entries() == 0 && !ended));
        values_are(&stage, &["1", "2"]);
    });
    stage.coffer(&apply).succeeded();
    set(&["3", "4", "5"]);
    survives(&stage, &apply, "", &[], |ended| {
        // One set or the other, whole.
        match entries() {
            2 => assert!(!ended),
            count => assert_eq!(count, 3),
        }
        let values = if entries() == 2 { &["1", "2"][..] } else { &["3", "4", "5"] };
        values_are(&stage, values);
    });
    stage.coffer(&apply).succeeded();
    survives(&stage, &["parameters", "delete", "mine"], "", &[], |ended| {
        assert!(entries() == 3 || entries() == 0);
        assert!(!ended || rows(&stage, "sets").is_empty());
    });
}

#[test]
fn while_it_recovers() {
    // Killed with its outputs sealed, and with its parameters on their way.
    for (part, recovered) in [("-output-", true), ("-parameter-", false)] {
        let stage = Stage::keeping();
        let kill = Rule { kind: "rename", part, what: What::Kills, first: 1, for_ever: false };
        assert_eq!(traced(&stage, &INSTALL, "a password", Some(kill)).0.code, None);
        survives(&stage, &["runs", "recover"], "", &[], |_| {
            assert_eq!(is(&stage, "one", "active"), recovered);
            values_are(&stage, &["a password"]);
        });
    }
}

/// What these tests are worth: without a sync there is a cut that leaves neither the old value nor the new
/// one, and the order is seen to be wrong.
#[test]
fn a_missing_sync_is_noticed() {
    let stage = Stage::keeping();
    let put = ["secrets", "put", "kept"];
    stage.call(&put).stdin("old").run().succeeded();
    let History { before, calls, .. } = history(&stage, &put, "new");
    let without = |part: &str| {
        let left =
            |call: &&Done| call.kind != "sync" || !call.path.to_string_lossy().contains(part);
        History::of(before.clone(), calls.iter().filter(left).cloned().collect())
    };
    let lost = |history: &History, ended: bool| {
        history.cuts().into_iter().any(|(at, disk)| {
            let value = disk.file("secrets/kept");
            let new = value == Some(b"new");
            if ended { at == history.calls.len() && !new } else { !new && value != Some(b"old") }
        })
    };
    let whole = without("nothing of this name");
    assert!(!lost(&whole, false) && !lost(&whole, true) && whole.disorder().is_empty());
    // The file's own.
    let torn = without("secrets/.pending/");
    assert!(lost(&torn, false));
    assert_eq!(torn.disorder().len(), 1, "{:?}", torn.disorder());
    // The directory's.
    assert!(lost(&without("secrets"), true));
    // The ledger's, before a store is asked.
    let stage = Stage::keeping();
    let History { before, calls, .. } = history(&stage, &INSTALL, "a password");
    for (part, expected) in [("ledger.db-wal", "create of"), ("spool", "create of")] {
        let left =
            |call: &&Done| call.kind != "sync" || !call.path.to_string_lossy().contains(part);
        let broken = History::of(before.clone(), calls.iter().filter(left).cloned().collect());
        assert!(broken.disorder().iter().any(|line| line.contains(expected)), "{part}");
    }
}
