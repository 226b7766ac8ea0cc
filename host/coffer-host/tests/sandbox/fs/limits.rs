//! What one call can use of files: a guest that stays just inside each limit, and one that goes past it.

use super::{store, tree};
use crate::stage::{ask, contains, refused};
use coffer_host::limits::{
    DIRECTORY_ENTRIES_MAX, FILE_BYTES_WRITTEN_MAX, FILES_CREATED_MAX, OPEN_FILES_MAX,
};
use coffer_host::{Blame, Store};
use std::fs;

/// The guest does as much, and cannot do one more; a call after that can do as much again.
async fn check(store: &Store, way: &str, most: usize, limit: &str) {
    let told = |count: usize| format!("{way}{count}");
    assert_eq!(ask(store, told(most)).await.unwrap(), most.to_string(), "{way}");
    let text = refused(ask(store, told(most + 1)).await, "other", Blame::Plugin);
    contains(&text, &format!("the plugin exceeded the limit of {limit}"));
    contains(&text, "quota");
    assert_eq!(ask(store, told(most)).await.unwrap(), most.to_string(), "{way}");
}

#[tokio::test]
pub(super) async fn fs_open_many() {
    let tree = tree();
    let store = store("fs_open_many", tree.path(), "read-only");
    let limit = format!("{OPEN_FILES_MAX} open files");
    check(&store, "handle ", OPEN_FILES_MAX, &limit).await;
    // Letting the handle go is not enough while a stream uses the file.
    check(&store, "stream ", OPEN_FILES_MAX, &limit).await;
    // What was closed is not counted.
    assert_eq!(ask(&store, "close 200").await.unwrap(), "200");
}

#[tokio::test]
pub(super) async fn fs_create_many() {
    for kind in ["file", "directory", "link", "symlink"] {
        let limit = format!("{FILES_CREATED_MAX} files made in one call");
        let told = |count: usize| format!("{kind} {count}");
        let tree = tree();
        let inside = store("fs_create_many", tree.path(), "read-write");
        let most = FILES_CREATED_MAX.to_string();
        assert_eq!(ask(&inside, told(FILES_CREATED_MAX)).await.unwrap(), most);
        let tree = super::tree();
        let past = store("fs_create_many", tree.path(), "read-write");
        let text = refused(ask(&past, told(FILES_CREATED_MAX + 1)).await, "other", Blame::Plugin);
        contains(&text, &limit);
        let made = fs::read_dir(tree.path().join("granted")).unwrap().map(|entry| {
            entry.unwrap().file_name().to_str().unwrap().starts_with(&format!("{kind}-"))
        });
        assert_eq!(made.filter(|made| *made).count(), FILES_CREATED_MAX, "{kind}");
    }
}

#[tokio::test]
pub(super) async fn fs_write_much() {
    let most = usize::try_from(FILE_BYTES_WRITTEN_MAX >> 20).unwrap();
    let limit = format!("{FILE_BYTES_WRITTEN_MAX} bytes written to files in one call");
    for way in
        ["again ", "append ", "gap ", "gap-stream ", "cut-stream ", "size ", "splice ", "zeroes "]
    {
        let tree = tree();
        let store = store("fs_write_much", tree.path(), "read-write");
        check(&store, way, most, &limit).await;
        let length = fs::metadata(tree.path().join("granted/new")).unwrap().len();
        assert!(length <= FILE_BYTES_WRITTEN_MAX, "{way}: {length}");
    }
}

#[tokio::test]
pub(super) async fn fs_list_many() {
    const ENTRIES: usize = 1000;
    let tree = tree();
    let granted = tree.path().join("granted");
    let there = fs::read_dir(&granted).unwrap().count();
    for n in there..ENTRIES {
        fs::write(granted.join(n.to_string()), "").unwrap();
    }
    let store = store("fs_list_many", tree.path(), "read-only");
    let limit = format!("{DIRECTORY_ENTRIES_MAX} directory entries read in one call");
    check(&store, "", DIRECTORY_ENTRIES_MAX / ENTRIES, &limit).await;
}
