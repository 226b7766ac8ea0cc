//! Compiled code on disk: used if it is what was put there, and never otherwise.
//!
//! An entry is written whole and moved into place, so a file that is still the same file (its inode) says
//! that nothing was compiled.

use crate::stage::{Stage, ask};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::Host;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const KEY: [u8; 32] = [7; 32];
const GUEST: &str = "state_memory";

fn host(directory: &Path, key: &[u8; 32]) -> Host {
    let directory = Dir::open_ambient_dir(directory, ambient_authority()).unwrap();
    Host::builder().instances(64).compiled_code(directory, key).build().unwrap()
}

/// Loads the guest on a host of its own and runs it.
async fn load(directory: &Path, key: &[u8; 32]) {
    let store = Stage::of(GUEST).on(host(directory, key)).open();
    assert_eq!(ask(&store, "").await.unwrap(), "1");
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn only(directory: &Path) -> PathBuf {
    let entries = entries(directory);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[tokio::test]
async fn code_is_compiled_once() {
    let directory = TempDir::new().unwrap();
    load(directory.path(), &KEY).await;
    let entry = only(directory.path());
    assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600);
    let before = inode(&entry);
    load(directory.path(), &KEY).await;
    assert_eq!(inode(&only(directory.path())), before);
    // Another component is another entry.
    Stage::of("result_bytes").on(host(directory.path(), &KEY)).open();
    assert_eq!(entries(directory.path()).len(), 2);
    assert_eq!(inode(&entry), before);
}

/// Whatever was done to the entry, the plugin is compiled again and works.
#[tokio::test]
async fn an_entry_that_is_not_what_was_put_there_is_not_used() {
    type Tamper = fn(&mut Vec<u8>);
    let tampers: [(&str, Tamper); 8] = [
        ("the signature", |bytes| bytes[0] ^= 1),
        ("the first byte of code", |bytes| bytes[32] ^= 1),
        ("a byte in the middle", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x80;
        }),
        ("the last byte", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut within the signature", |bytes| bytes.truncate(31)),
        ("empty", Vec::clear),
        ("longer", |bytes| bytes.push(0)),
    ];
    for (what, tamper) in tampers {
        let directory = TempDir::new().unwrap();
        load(directory.path(), &KEY).await;
        let entry = only(directory.path());
        let whole = fs::read(&entry).unwrap();
        let mut bytes = whole.clone();
        tamper(&mut bytes);
        fs::write(&entry, bytes).unwrap();
        let before = inode(&entry);
        load(directory.path(), &KEY).await;
        assert_ne!(inode(&only(directory.path())), before, "{what}");
        assert!(fs::read(&entry).unwrap() == whole, "{what}");
    }
}

#[tokio::test]
async fn an_entry_with_a_foreign_signature_is_not_used() {
    let (ours, theirs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    load(theirs.path(), &[8; 32]).await;
    let foreign = only(theirs.path());
    let entry = ours.path().join(foreign.file_name().unwrap());
    fs::copy(&foreign, &entry).unwrap();
    let before = inode(&entry);
    load(ours.path(), &KEY).await;
    assert_eq!(only(ours.path()), entry);
    assert_ne!(inode(&entry), before);
}

/// An entry that is right, under the name of another component or of another purpose.
#[tokio::test]
async fn an_entry_under_another_name_is_not_used() {
    let directory = TempDir::new().unwrap();
    load(directory.path(), &KEY).await;
    let entry = only(directory.path());
    Stage::of("result_bytes").on(host(directory.path(), &KEY)).open();
    let other = entries(directory.path()).into_iter().find(|path| *path != entry).unwrap();
    fs::copy(&other, &entry).unwrap();
    let before = inode(&entry);
    load(directory.path(), &KEY).await;
    assert_ne!(inode(&entry), before);

    // The same component for the other engine: an entry point is compiled before it turns out to be none.
    let directory = TempDir::new().unwrap();
    load(directory.path(), &KEY).await;
    let entry = only(directory.path());
    host(directory.path(), &KEY).entry_point(&guest_artifacts::guest(GUEST)).unwrap_err();
    let other = entries(directory.path()).into_iter().find(|path| *path != entry).unwrap();
    assert!(fs::read(&other).unwrap() != fs::read(&entry).unwrap());
    fs::copy(&other, &entry).unwrap();
    let before = inode(&entry);
    load(directory.path(), &KEY).await;
    assert_ne!(inode(&entry), before);
}

/// The directory is all that is ever read or written.
#[tokio::test]
async fn a_link_that_leads_out_is_not_followed() {
    let (directory, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    load(directory.path(), &KEY).await;
    let entry = only(directory.path());
    let target = outside.path().join("target");
    fs::rename(&entry, &target).unwrap();
    let before = fs::read(&target).unwrap();
    symlink(&target, &entry).unwrap();
    load(directory.path(), &KEY).await;
    assert!(fs::read(&target).unwrap() == before);
    assert!(fs::symlink_metadata(&entry).unwrap().is_file());
}

/// A directory that cannot be written to costs time and nothing else.
#[tokio::test]
async fn without_a_place_code_is_compiled_each_time() {
    let directory = TempDir::new().unwrap();
    let host = host(directory.path(), &KEY);
    fs::remove_dir(directory.path()).unwrap();
    let store = Stage::of(GUEST).on(host).open();
    assert_eq!(ask(&store, "").await.unwrap(), "1");
}

#[tokio::test]
async fn the_oldest_entries_go() {
    let directory = TempDir::new().unwrap();
    for number in 0..70 {
        fs::write(directory.path().join(format!("{number:032x}.cwasm")), "old").unwrap();
    }
    fs::write(directory.path().join("of somebody else"), "x").unwrap();
    load(directory.path(), &KEY).await;
    let left = entries(directory.path());
    assert_eq!(left.iter().filter(|path| path.extension().is_some()).count(), 64);
    assert!(directory.path().join("of somebody else").exists());
    let before = left.iter().map(|path| inode(path)).collect::<Vec<_>>();
    load(directory.path(), &KEY).await;
    let after = entries(directory.path()).iter().map(|path| inode(path)).collect::<Vec<_>>();
    assert_eq!(before, after);
}
