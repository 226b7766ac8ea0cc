//! A disk that is full, one that takes no writes, and files that may not be read or written. All are on small file systems in memory, mounted where
//! nobody but the processes of the test sees them: that takes root, or a kernel that lets users have
//! namespaces. Without either these tests fail, and say so.

use crate::stage::{Answer, Stage};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

/// What the script below is asked to make of the disk.
const FULL: &str = "full";
const READ_ONLY: &str = "read-only";
/// Only the directory of the store.
const STORE_READ_ONLY: &str = "store-read-only";
const UNREADABLE: &str = "unreadable";
const UNWRITABLE: &str = "unwritable";

/// Puts the home onto a disk of its own, makes something of that, runs the binary with the arguments, makes
/// the disk usable again, and copies the home to `after`. Root reads and writes whatever the modes say, so
/// that is taken from it where modes matter.
const SCRIPT: &str = r#"
set -eu
here=$1 what=$2 home=$1/disk/home
secrets=$home/secrets
shift 2
mkdir "$here/disk"
mount -t tmpfs -o size=4m,mode=700 none "$here/disk"
cp -a "$here/home" "$here/disk/home"
case $what in
full) dd if=/dev/zero of="$here/disk/filler" bs=4k 2>/dev/null || true ;;
read-only) mount -o remount,ro "$here/disk" ;;
store-read-only)
    mount --bind "$secrets" "$secrets"
    mount -o remount,bind,ro "$secrets"
    ;;
unreadable) chmod 000 "$secrets"/* ;;
unwritable) chmod 500 "$secrets" ;;
esac
case $what in
un*) set -- setpriv --bounding-set -dac_override,-dac_read_search "$@" ;;
esac
code=0
COFFER_HOME=$here/disk/home "$@" >"$here/stdout" 2>"$here/stderr" || code=$?
echo "$code" >"$here/code"
case $what in
full) rm "$here/disk/filler" ;;
read-only) mount -o remount,rw "$here/disk" ;;
store-read-only) umount "$secrets" ;;
unreadable) chmod 600 "$secrets"/* ;;
unwritable) chmod 700 "$secrets" ;;
esac
cp -a "$here/disk/home" "$here/after"
"#;

/// How a private mount namespace is made here.
fn namespace() -> &'static [&'static str] {
    let works = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(arguments).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    ways.into_iter().find(|way| works(way)).expect(
        "this test needs a mount namespace: run it as root, or on a kernel that lets users have namespaces, \
         and with `unshare` of util-linux",
    )
}

/// Runs the binary on such a disk. The home is what is on it afterwards.
fn on(stage: &Stage, what: &str, arguments: &[&str], stdin: &str) -> Answer {
    let mut command = Command::new("unshare");
    command.args(namespace()).args(["sh", "-c", SCRIPT, "sh"]).arg(stage.path(""));
    command.args([what, env!("CARGO_BIN_EXE_coffer")]).args(arguments);
    let mut call = stage.call(&[] as &[&str]).stdin(stdin).instead(command).start();
    assert!(call.wait().unwrap().success(), "{:?}", Answer::of(call, "the script".into()));
    let read = |name: &str| fs::read(stage.path(name)).unwrap();
    let code = String::from_utf8(read("code")).unwrap().trim().parse().unwrap();
    fs::remove_dir_all(stage.home()).unwrap();
    fs::rename(stage.path("after"), stage.home()).unwrap();
    fs::remove_dir(stage.path("disk")).unwrap();
    Answer {
        asked: format!("{arguments:?} on a disk that is {what}"),
        code: Some(code),
        stdout: read("stdout"),
        stderr: read("stderr"),
    }
}

fn stage() -> Stage {
    let stage = Stage::installed("pa55word");
    stage.call(&["secrets", "put", "kept"]).stdin("value").run().succeeded();
    stage.file("set.yaml", "name: mine\nparameters: [{ name: p, source: { value: v } }]\n");
    stage
}

/// What is written by which command: the ledger first, or by a plugin.
const TO_THE_LEDGER: [&[&str]; 4] = [
    &["install", "new", "-b", "bundle", "--param", "password=-"],
    &["upgrade", "sensitive-data", "--param", "password=-"],
    &["uninstall", "sensitive-data", "--delete"],
    &["parameters", "apply", "set.yaml"],
];
const TO_THE_STORE: [&str; 3] = ["secrets", "put", "kept"];

#[test]
fn a_full_disk() {
    for arguments in TO_THE_LEDGER {
        let words = ["the disk that the ledger is on is full", "make room on the disk"];
        check(FULL, arguments, (3, "operator"), &words);
    }
    let words =
        ["secrets is on is full", "the plugin says: the disk is full", "make room on the disk"];
    check(FULL, &TO_THE_STORE, (3, "operator"), &words);
}

#[test]
fn a_disk_that_takes_no_writes() {
    for arguments in TO_THE_LEDGER {
        let words = ["the ledger cannot be written", "`ledger.db` in it writable"];
        check(READ_ONLY, arguments, (3, "operator"), &words);
    }
    let words = ["audit.jsonl: Read-only file system", "--home"];
    check(READ_ONLY, &TO_THE_STORE, (3, "operator"), &words);
    let words = ["the file system that", "secrets is on is read-only", "writable"];
    check(STORE_READ_ONLY, &TO_THE_STORE, (3, "operator"), &words);
    let delete = ["secrets", "delete", "kept"];
    check(STORE_READ_ONLY, &delete, (3, "operator"), &words);
}

#[test]
fn files_that_may_not_be_touched() {
    let words = ["does not let coffer write something in", "secrets", "the owner and the mode"];
    check(UNWRITABLE, &TO_THE_STORE, (3, "operator"), &words);
    let words = ["does not let coffer read something in", "secrets", "the owner and the mode"];
    check(UNREADABLE, &["secrets", "get", "kept"], (3, "operator"), &words);
}

#[track_caller]
fn check(what: &str, arguments: &[&str], (code, fault): (i32, &str), words: &[&str]) {
    let stage = stage();
    // So short that some lines fit into the room that the file has already.
    fs::write(stage.home().join("audit.jsonl"), "\n").unwrap();
    let (ledger, keys, files) = (stage.ledger(), stage.keys(), stage.state());
    let answer = on(&stage, what, arguments, "new value");
    answer.refused(code, fault, words);
    stage.coffer(&["runs", "recover"]).succeeded();
    assert_eq!(stage.keys(), keys, "{arguments:?}");
    assert_eq!(stage.state(), files, "{arguments:?}");
    assert_eq!(stage.ledger()["secrets"], ledger["secrets"], "{arguments:?}");
    assert_eq!(stage.secret("kept"), b"value", "{arguments:?}");
    let mode = fs::metadata(stage.home()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0o055, "{arguments:?}");
    // And the same is done when there is room.
    stage.call(arguments).stdin("new value").run().succeeded();
}
