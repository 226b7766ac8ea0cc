//! The edge of a granted directory, held against everything that a guest can do with a path.

use super::{snapshot, store, tree, ways_out};
use crate::stage::{Stage, ask, contains, explained, host, lacks, refused};
use coffer_host::{Blame, Granted, Store, StoreConfig};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Operations that change something at `path`.
fn changes(path: &str) -> Vec<String> {
    [
        "write P x",
        "append P x",
        "size P x",
        "times P",
        "make P",
        "remove P",
        "unlink P",
        "symlink P file",
        "rename P moved",
        "rename file P",
        "link P linked",
        "link file P",
    ]
    .map(|operation| operation.replace('P', path))
    .to_vec()
}

fn outside(tree: &Path) -> Vec<(String, String)> {
    let granted = tree.join("granted/").display().to_string();
    snapshot(tree).into_iter().filter(|(path, _)| !path.starts_with(&granted)).collect()
}

#[tokio::test]
pub(super) async fn fs_script() {
    let tree = tree();
    let before = outside(tree.path());
    let store = store("fs_script", tree.path(), "read-write");
    let looks = ["read P", "list P", "stat P", "readlink P"];
    for path in ways_out(tree.path()) {
        // A space would make two words of it, and these name the directory itself or a link in it.
        let inside = ["", ".", "loop", "up", "round", "absolute"].contains(&path.as_str());
        let looks = looks.map(|operation| operation.replace('P', &path)).to_vec();
        for operation in changes(&path).into_iter().chain(looks) {
            let found = ask(&store, operation.as_str()).await.unwrap();
            lacks(&found, "OUTSIDE");
            assert!(found.starts_with('!') || inside, "{operation:?}: {found}");
        }
        fs::write(tree.path().join("granted/file"), "inside").unwrap();
    }
    assert_eq!(outside(tree.path()), before);
    // Within the directory all of it works.
    let script = "make d; write d/a x; append d/a y; size d/a xyz; times d/a; link d/a d/b; rename d/b b; \
                  symlink s b; read s; readlink s; list d; unlink b; unlink s; unlink d/a; remove d";
    let done = "done; done; done; done; done; done; done; done; xy\0; b; a; done; done; done; done";
    assert_eq!(ask(&store, script).await.unwrap(), done);
}

#[tokio::test]
async fn what_is_granted_to_be_read_is_not_changed() {
    let tree = tree();
    symlink("below", tree.path().join("granted/there")).unwrap();
    let before = snapshot(tree.path());
    let store = store("fs_script", tree.path(), "read-only");
    for path in ["file", "new", "link", "below", "below/file", "below/new", "there/file", "."] {
        for operation in changes(path) {
            let found = ask(&store, operation.as_str()).await.unwrap();
            assert!(found.starts_with('!'), "{operation}: {found}");
        }
    }
    assert_eq!(snapshot(tree.path()), before);
    assert_eq!(ask(&store, "read file; read there/file").await.unwrap(), "inside; below");
}

/// Calls of forty operations each, while something is exchanged all the time; and how many there are at most until
/// each of two things was met.
const CALLS: usize = 20;
const CALLS_MAX: usize = 2_000;

/// Asks again and again while another thread exchanges what is at a name for something else, until an operation
/// found what was `expected` and another one did not.
async fn while_exchanged(
    store: &Store,
    at: &Path,
    others: [&Path; 2],
    operation: &str,
    expected: &str,
) -> String {
    let done = AtomicBool::new(false);
    let script = vec![operation; 40].join("; ");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for other in others {
                    fs::rename(other, at).unwrap();
                    fs::rename(at, other).unwrap();
                }
            }
        });
        let asked = tokio::runtime::Handle::current();
        let found = std::thread::scope(|scope| {
            let ask = scope.spawn(move || {
                asked.block_on(async {
                    let mut found = String::new();
                    let met = |found: &str| found.contains(expected) && found.contains('!');
                    for call in 0..CALLS_MAX {
                        if call >= CALLS && met(&found) {
                            break;
                        }
                        found += &ask(store, script.as_str()).await.unwrap();
                        found += "; ";
                    }
                    found
                })
            });
            ask.join()
        });
        done.store(true, Ordering::Relaxed);
        found.unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exchanged_meanwhile_leads_nowhere() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let tree = tree();
    let at = |path: &str| tree.path().join("granted").join(path);
    fs::write(tree.path().join("granted-too/new"), "OUTSIDE").unwrap();
    symlink("../outside", at("away")).unwrap();
    symlink("../granted-too", at("away-too")).unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let before = outside(tree.path());
    let store = store("fs_script", tree.path(), "read-write");
    let rows = [
        ("swap", ["file", "away"], "read swap", "inside"),
        ("swap", ["below", "away-too"], "read swap/file", "below"),
        ("swap", ["below", "away-too"], "write swap/new inside", "done"),
        ("swap", ["below", "away-too"], "make swap/made; remove swap/made", "done"),
        ("swap", ["below", "away-too"], "rename swap/new swap/new", "done"),
        ("swap", ["file", "fifo"], "read swap", "inside"),
        ("swap", ["file", "fifo"], "times swap", "done"),
        ("swap", ["file", "fifo"], "append swap x", "done"),
    ];
    for (name, [good, bad], operation, expected) in rows {
        let others = [&*at(good), &*at(bad)];
        let found = while_exchanged(&store, &at(name), others, operation, expected).await;
        lacks(&found, "OUTSIDE");
        // Otherwise nothing was exchanged, or nothing was looked at.
        contains(&found, expected);
        contains(&found, "!");
        assert_eq!(outside(tree.path()), before, "{operation}");
    }
}

#[tokio::test]
async fn two_grants_do_not_mix() {
    let tree = tree();
    let open = |first: &str, second: &str| {
        let grants = json!({ "directories": [
            { "host": tree.path().join("granted"), "guest": "/one", "access": first },
            { "host": tree.path().join("granted-too"), "guest": "/two", "access": second },
        ] });
        Stage::of("fs_script").grants(grants).open()
    };
    let before = snapshot(tree.path());
    for (first, second) in [("read-only", "read-write"), ("read-write", "read-only")] {
        let store = open(first, second);
        for operation in
            ["rename file 1:new", "rename 1:file new", "link file 1:new", "link 1:file new"]
        {
            let found = ask(&store, operation).await.unwrap();
            assert_eq!(found, "!not-permitted", "{first} {second} {operation}");
        }
        assert_eq!(snapshot(tree.path()), before);
    }
    // One does not lead into the other by a path, also where both can be written.
    let store = open("read-write", "read-write");
    for operation in ["read ../granted-too/file", "rename file ../granted-too/new"] {
        assert_eq!(ask(&store, operation).await.unwrap(), "!not-permitted", "{operation}");
    }
    assert_eq!(ask(&store, "rename file 1:new; read 1:new").await.unwrap(), "done; inside");
}

#[tokio::test]
async fn what_is_no_file_is_not_opened() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let tree = tree();
    let at = |path: &str| tree.path().join("granted").join(path);
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    symlink("fifo", at("to-fifo")).unwrap();
    let files = store("fs_script", tree.path(), "read-write");
    for name in ["fifo", "socket", "to-fifo"] {
        for operation in ["read P", "write P x", "append P x", "size P x", "times P", "list P"] {
            let found = ask(&files, operation.replace('P', name)).await.unwrap();
            assert!(
                ["!not-permitted", "!not-directory"].contains(&found.as_str()),
                "{operation}: {found}"
            );
        }
    }
    let grant = |host: &str| {
        let grant = json!({ "host": host, "access": "read-only" });
        Stage::of("fs_script").grants(json!({ "directories": [grant] })).open()
    };
    let devices = grant("/dev");
    for name in ["null", "zero", "full", "random"] {
        let found = ask(&devices, format!("read {name}")).await.unwrap();
        assert_eq!(found, "!not-permitted", "{name}");
    }
    // The files of a process are files, and what they lead to is not there.
    let processes = grant("/proc");
    for path in [
        concat!("self/ro", "ot/etc/passwd"),
        "self/cwd",
        "self/fd/0",
        "self/exe",
        concat!("thread-self/ro", "ot/etc/passwd"),
    ] {
        let found = ask(&processes, format!("read {path}")).await.unwrap();
        assert!(["!loop", "!not-permitted"].contains(&found.as_str()), "{path}: {found}");
    }
    contains(&ask(&processes, "read self/status").await.unwrap(), "Name:");
}

#[tokio::test]
async fn names_are_what_they_are() {
    let tree = tree();
    let store = store("fs_script", tree.path(), "read-write");
    let found =
        ask(&store, "read FILE; read File; read Below/file; write FILE other; read file").await;
    assert_eq!(found.unwrap(), "!no-entry; !no-entry; !no-entry; done; inside");
}

#[tokio::test]
async fn a_directory_that_goes_away_while_it_is_open() {
    let tree = tree();
    let store = store("fs_script", tree.path(), "read-write");
    let found = ask(&store, "make d; orphan d; read file").await.unwrap();
    assert_eq!(found, "done; no-entry,not-permitted; inside");
    // The granted one as well: the store keeps what it opened, and it is nowhere any more.
    let granted = tree.path().join("granted");
    fs::rename(&granted, tree.path().join("elsewhere")).unwrap();
    fs::create_dir(&granted).unwrap();
    fs::write(granted.join("file"), "another").unwrap();
    assert_eq!(ask(&store, "read file").await.unwrap(), "inside");
    fs::remove_dir_all(tree.path().join("elsewhere")).unwrap();
    assert_eq!(
        ask(&store, "read file; write new x; list .").await.unwrap(),
        "!no-entry; !no-entry; "
    );
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_not_granted() {
    let tree = tree();
    let plugin = crate::way::load(&host(), &guest_artifacts::guest("fs_script")).unwrap();
    for path in ["absent", "granted/file", "granted/loop"] {
        let grant = json!({ "host": tree.path().join(path), "access": "read-only" });
        let grants = serde_json::from_value(json!({ "directories": [grant] })).unwrap();
        let config = StoreConfig { grants: Granted::Only(grants), ..StoreConfig::default() };
        let error = host().store("s", &plugin, config).unwrap_err();
        contains(&explained(&error, Blame::Operator), "cannot be opened");
    }
    assert!(!tree.path().join("absent").exists());
}

/// What is mounted below a granted directory is granted with it, and leads to nothing else. The test runs
/// itself again where nobody else sees its mounts: that takes root, or a kernel that lets users have namespaces.
#[tokio::test]
async fn what_is_mounted_below() {
    const INSIDE: &str = "COFFER_TEST_MOUNTS";
    if std::env::var_os(INSIDE).is_some() {
        return mounted_below().await;
    }
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let works = |way: &&&[&str]| {
        let mut command = Command::new("unshare");
        command.args(**way).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        command.output().is_ok_and(|output| output.status.success())
    };
    let way = ways.iter().find(works).expect("this test needs a mount namespace, and `unshare`");
    let again = crate::again::again(module_path!(), "what_is_mounted_below");
    let output = Command::new("unshare")
        .args(*way)
        .arg(again.get_program())
        .args(again.get_args())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn mounted_below() {
    let tree = tree();
    let at = |path: &str| tree.path().join("granted").join(path);
    let mount = |arguments: &[&str], to: &Path| {
        fs::create_dir(to).unwrap();
        let status = Command::new("mount").args(arguments).arg(to).status().unwrap();
        assert!(status.success());
    };
    mount(&["-t", "tmpfs", "-o", "size=64k", "none"], &at("mounted"));
    let too = tree.path().join("granted-too");
    mount(&["--bind", too.to_str().unwrap()], &at("bound"));
    let store = store("fs_script", tree.path(), "read-write");
    let script = "write mounted/a x; read mounted/a; read mounted/../file; read bound/file; \
                  read bound/../file; read bound/../../outside; read mounted/../../outside; \
                  rename mounted/a moved; rename bound/file moved; link file mounted/l";
    let found = "done; x; inside; OUTSIDE; inside; !not-permitted; !not-permitted; !R; !R; !R";
    let asked = ask(&store, script).await.unwrap();
    let asked = asked.replace("!cross-device", "!R").replace("!io", "!R");
    assert_eq!(asked, found);
    // A stream that fills a disk is told of it, and so is the operator.
    let grant = json!({ "host": at("mounted"), "access": "read-write" });
    let small = Stage::of("fs_write_much").grants(json!({ "directories": [grant] })).open();
    for way in ["append 1", "zeroes 1"] {
        let text = refused(ask(&small, way).await, "other", Blame::Operator);
        contains(&text, "mounted is on is full");
        contains(&text, "the plugin says: insufficient-space");
    }
}
