//! Files: what is below a granted directory and nothing else, whatever the path looks like.

mod blame;
mod boundary;
mod differential;
mod limits;

use crate::stage::{Stage, ask, contains};
use blame::fs_then_fails;
use boundary::fs_script;
use coffer_host::Store;
use coffer_host::limits::Limits;
use limits::{fs_create_many, fs_list_many, fs_open_many, fs_write_much};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

guest_artifacts::foreach_fs!(ran);

/// `granted/` with a file, a directory and links, and beside it what must not be reached.
fn tree() -> TempDir {
    let tree = TempDir::new().unwrap();
    let at = |path: &str| tree.path().join(path);
    fs::create_dir_all(at("granted/below")).unwrap();
    fs::write(at("granted/file"), "inside").unwrap();
    fs::write(at("granted/below/file"), "below").unwrap();
    fs::write(at("outside"), "OUTSIDE").unwrap();
    fs::create_dir(at("granted-too")).unwrap();
    fs::write(at("granted-too/file"), "OUTSIDE").unwrap();
    symlink("file", at("granted/link")).unwrap();
    symlink("../outside", at("granted/up")).unwrap();
    symlink("below/../../outside", at("granted/round")).unwrap();
    symlink(at("outside"), at("granted/absolute")).unwrap();
    symlink("..", at("granted/parent")).unwrap();
    symlink("/", at("granted/root")).unwrap();
    symlink("/proc/self", at("granted/self")).unwrap();
    symlink("loop", at("granted/loop")).unwrap();
    tree
}

fn store(guest: &str, tree: &Path, access: &str) -> Store {
    let grant = json!({ "host": tree.join("granted"), "guest": "/secrets", "access": access });
    // What is counted here is not time.
    let limits = Limits { call: Duration::from_secs(30), ..Limits::default() };
    Stage::of(guest).grants(json!({ "directories": [grant] })).limits(limits).open()
}

/// Ways out of the granted directory.
fn ways_out(tree: &Path) -> Vec<String> {
    let outside = tree.join("outside");
    let outside = outside.to_str().unwrap();
    [
        "../outside",
        "./../outside",
        "below/../../outside",
        "below/../../granted-too/file",
        "../granted-too/file",
        outside,
        &format!("/{outside}"),
        &format!("..{outside}"),
        "up",
        "round",
        "absolute",
        "parent/outside",
        &format!("root{outside}"),
        "root/etc/passwd",
        "self/environ",
        "/proc/self/environ",
        "/proc/self/cwd",
        "../../../../../../../../../../proc/self/environ",
        "/etc/passwd",
        "loop",
        "file/../../outside",
        "file/.",
        "link/../../outside",
        "",
        ".",
        "..",
        "\0",
        "file\0",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[tokio::test]
async fn fs_granted() {
    let tree = tree();
    let nothing = Stage::of("fs_granted").open();
    assert_eq!(ask(&nothing, "").await.unwrap(), "");
    let store = store("fs_granted", tree.path(), "read-only");
    assert_eq!(ask(&store, "").await.unwrap(), "/secrets");
}

#[tokio::test]
async fn fs_read() {
    let tree = tree();
    let nothing = Stage::of("fs_read").open();
    assert_eq!(ask(&nothing, "file").await.unwrap(), "no directory");
    for access in ["read-only", "read-write"] {
        let store = store("fs_read", tree.path(), access);
        for (path, expected) in [
            ("file", "inside"),
            ("below/file", "below"),
            ("link", "inside"),
            ("below/../file", "inside"),
        ] {
            assert_eq!(ask(&store, path).await.unwrap(), expected, "{path}");
        }
        for path in ways_out(tree.path()) {
            let found = ask(&store, path.as_str()).await.unwrap();
            // POSIX's words for what it got instead; nothing of a file.
            let refusals = [
                "not-permitted",
                "access",
                "no-entry",
                "loop",
                "invalid",
                "is-directory",
                "not-directory",
                "illegal-byte-sequence",
                "bad-descriptor",
            ];
            assert!(refusals.contains(&found.as_str()), "{path:?}: {found}");
        }
    }
}

/// Everything in the tree: paths and contents.
fn snapshot(tree: &Path) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let mut directories = vec![tree.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let content = if kind.is_dir() {
                directories.push(path.clone());
                "directory".to_owned()
            } else if kind.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if kind.is_file() {
                fs::read_to_string(&path).unwrap()
            } else {
                "neither a file nor a directory".to_owned()
            };
            entries.push((path.display().to_string(), content));
        }
    }
    entries.sort();
    entries
}

#[tokio::test]
async fn fs_write() {
    let tree = tree();
    let before = snapshot(tree.path());
    let read_only = store("fs_write", tree.path(), "read-only");
    for path in
        ["file", "new", "below/new"].map(str::to_owned).into_iter().chain(ways_out(tree.path()))
    {
        let found = ask(&read_only, path.as_str()).await.unwrap();
        assert_eq!(found, "refused,refused,refused,refused", "{path:?}");
    }
    assert_eq!(snapshot(tree.path()), before);

    let read_write = store("fs_write", tree.path(), "read-write");
    assert_eq!(ask(&read_write, "new").await.unwrap(), "done,done,done,done");
    let outside = |entries: &[(String, String)]| -> Vec<(String, String)> {
        let granted = tree.path().join("granted/").display().to_string();
        entries.iter().filter(|(path, _)| !path.starts_with(&granted)).cloned().collect()
    };
    for path in ways_out(tree.path()) {
        let found = ask(&read_write, path.as_str()).await.unwrap();
        contains(&found, "refused");
    }
    assert_eq!(outside(&snapshot(tree.path())), outside(&before));
}

#[tokio::test]
async fn fs_link() {
    for to in ["../outside", "/etc/passwd", "below/../../outside", "root/etc/passwd"] {
        let tree = tree();
        let store = store("fs_link", tree.path(), "read-write");
        let found = ask(&store, to).await.unwrap();
        let (_, read) = found.split_once(',').unwrap();
        assert!(["not-permitted", "no-entry", "loop"].contains(&read), "{to}: {found}");
    }
    // Within the directory it works, so the above is not for want of links.
    let tree = tree();
    let store = store("fs_link", tree.path(), "read-write");
    assert_eq!(ask(&store, "file").await.unwrap(), "made,inside");
}

/// Opening a FIFO would wait for whoever is at its other end, on a thread that nobody can stop. There is only
/// one here, so if it waited nothing else could be opened.
#[test]
fn a_pipe_holds_neither_a_call_nor_a_thread() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let tree = tree();
    let pipe = tree.path().join("granted/pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let found = runtime.block_on(async {
        let read = store("fs_read", tree.path(), "read-write");
        let write = store("fs_write", tree.path(), "read-write");
        let found = [ask(&read, "pipe").await, ask(&read, "file").await];
        // Nothing waits for this, and a test that fails here ends all the same.
        let _both_ends = fs::File::options().read(true).write(true).open(&pipe).unwrap();
        let [pipe, file] = found;
        // It is only renamed and removed.
        [pipe, file, ask(&write, "pipe").await]
    });
    let found = found.map(|found| found.unwrap_or_else(|error| error.to_string()));
    assert_eq!(found, ["not-permitted", "inside", "refused,done,done,done"]);
}
