//! The plugin `filesystem`, from the component to the disk, with what its own manifest asks for.

use crate::stage::{contains, explained, refused, secret, value};
use coffer_host::grants::{KEY_BYTES_MAX, Reference, Source};
use coffer_host::{Blame, Existing, Granted, Secret, Store, StoreConfig};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

fn filesystem(home: &Path) -> Store {
    let host = crate::way::host().base(home).build().unwrap();
    let plugin = crate::way::load(&host, &guest_artifacts::plugin("filesystem")).unwrap();
    let config = StoreConfig { grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("files", &plugin, config).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The files of secrets, without what the plugin needs for itself.
fn files(home: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(home.join("secrets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

async fn get(store: &Store, key: &str) -> Vec<u8> {
    store.resolve_one(&secret(key)).await.unwrap().expose().to_vec()
}

#[tokio::test]
async fn keeps_what_it_is_given() {
    let home = TempDir::new().unwrap();
    let store = filesystem(home.path());
    assert!(store.capabilities().writer && store.capabilities().lister);
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let large = vec![0xff; store.limits().answer];
    for bytes in [&b""[..], b"hunter2", b"\n", b"\0", b"\xff\xfe", &every_byte, &large] {
        let given = Secret::new(bytes.to_vec());
        store.put(&secret("k"), &given, Existing::Replace).await.unwrap();
        assert!(get(&store, "k").await == bytes, "{} bytes", bytes.len());
    }
    let larger = Secret::new(vec![0; store.limits().answer + 1]);
    let result = store.put(&secret("k"), &larger, Existing::Replace).await;
    refused(result, "too-large", Blame::Requester);
    assert!(get(&store, "k").await == large);
    // A store that is opened later sees the same.
    assert!(get(&filesystem(home.path()), "k").await == large);
    store.delete(&secret("k")).await.unwrap();
    store.delete(&secret("k")).await.unwrap();
    let result = store.resolve_one(&secret("k")).await;
    refused(result, "not-found", Blame::Requester);
    assert!(files(home.path()).is_empty());
}

#[tokio::test]
async fn keeps_or_replaces() {
    let home = TempDir::new().unwrap();
    let store = filesystem(home.path());
    let key = secret("k");
    store.put(&key, &value("one"), Existing::Keep).await.unwrap();
    let result = store.put(&key, &value("two"), Existing::Keep).await;
    refused(result, "conflict", Blame::Requester);
    assert_eq!(get(&store, "k").await, b"one");
    store.put(&key, &value("three"), Existing::Replace).await.unwrap();
    assert_eq!(get(&store, "k").await, b"three");
    // Of many that keep at the same time exactly one does.
    let key = secret("contended");
    let puts = (0..16).map(|n| {
        let (store, key) = (store.clone(), key.clone());
        async move { store.put(&key, &value(&n.to_string()), Existing::Keep).await.is_ok() }
    });
    let won = futures_util::future::join_all(puts).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = won.iter().position(|won| *won).unwrap();
    assert_eq!(get(&store, "contended").await, winner.to_string().as_bytes());
}

#[tokio::test]
async fn keys_never_meet() {
    let home = TempDir::new().unwrap();
    let store = filesystem(home.path());
    let mut keys: Vec<String> = (0x20..0x7f_u8)
        .filter(|byte| !b"./\\".contains(byte))
        .map(|byte| char::from(byte).to_string())
        .collect();
    keys.extend(
        [
            "a/b",
            "a//b",
            "a/b/",
            "a\\b",
            "a.b",
            "a..b",
            "...",
            ".hidden",
            ".pending",
            ".pending/x",
            "password",
            "Password",
            "PASSWORD",
            "pASSWORD",
            "a%2fb",
            "a%2Fb",
            "%61",
            "a~8",
            "A~8",
            "ä",
            "a\u{308}",
            "Ä",
            "ß",
            "ss",
            "İ",
            "日本語",
            "🔑",
            "\u{202e}x",
            "con",
            "NUL",
            "a ",
            " a",
            "a:b",
            "C:x",
            "-rf",
            "~",
            "~root",
            "$HOME",
            "*",
            "?",
            "[a]",
            "'",
            "\"",
            "a;b",
        ]
        .map(str::to_owned),
    );
    keys.extend(["x".repeat(238), "x".repeat(237)]);
    keys.sort();
    keys.dedup();
    for key in &keys {
        store
            .put(&secret(key), &value(key), Existing::Keep)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }
    for key in &keys {
        assert_eq!(get(&store, key).await, key.as_bytes(), "{key:?}");
    }
    assert_eq!(store.list("").await.unwrap(), keys);
    let below: Vec<String> = keys.iter().filter(|key| key.starts_with("a/")).cloned().collect();
    assert_eq!(store.list("a/").await.unwrap(), below);
    // Names differ even where case does not.
    let mut names: Vec<String> =
        files(home.path()).iter().map(|path| path.display().to_string().to_lowercase()).collect();
    names.dedup();
    assert_eq!(names.len(), keys.len());
    for key in keys.iter().step_by(2) {
        store.delete(&secret(key)).await.unwrap();
    }
    let left: Vec<String> = keys.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(store.list("").await.unwrap(), left);
    // A name that no file system takes is said to be one.
    for key in ["x".repeat(239), "ä".repeat(100), "x".repeat(KEY_BYTES_MAX)] {
        let result = store.put(&secret(&key), &value("v"), Existing::Keep).await;
        contains(&refused(result, "invalid-reference", Blame::Requester), "at most 238 fit");
    }
    // Nothing appeared beside the directory.
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

/// WASI has no modes, so a file has what the process's umask leaves of 0666; what keeps others out is the
/// directory, each time it is opened.
#[tokio::test]
async fn files_are_as_private_as_their_directory() {
    let home = TempDir::new().unwrap();
    // A directory that others could look into is closed.
    fs::create_dir(home.path().join("secrets")).unwrap();
    fs::set_permissions(home.path().join("secrets"), fs::Permissions::from_mode(0o755)).unwrap();
    let store = filesystem(home.path());
    assert_eq!(mode(&home.path().join("secrets")), 0o700);
    for existing in [Existing::Keep, Existing::Replace] {
        store.put(&secret(&format!("{existing:?}")), &value("v"), existing).await.unwrap();
    }
    for file in files(home.path()) {
        assert_eq!(mode(&file) & 0o111, 0, "{}", file.display());
    }
    fs::set_permissions(home.path().join("secrets"), fs::Permissions::from_mode(0o750)).unwrap();
    filesystem(home.path());
    assert_eq!(mode(&home.path().join("secrets")), 0o700);
}

#[tokio::test]
async fn follows_no_link() {
    let home = TempDir::new().unwrap();
    let store = filesystem(home.path());
    let outside = home.path().join("outside");
    fs::write(&outside, "OUTSIDE").unwrap();
    fs::write(home.path().join("secrets/real"), "real").unwrap();
    for (name, to) in [
        ("up", "../outside"),
        ("absolute", outside.to_str().unwrap()),
        ("within", "real"),
        ("dangling", "nowhere"),
    ] {
        symlink(to, home.path().join("secrets").join(name)).unwrap();
        let result = store.resolve_one(&secret(name)).await;
        refused(result, "other", Blame::Plugin);
        let result = store.put(&secret(name), &value("v"), Existing::Keep).await;
        refused(result, "conflict", Blame::Requester);
    }
    assert_eq!(store.list("").await.unwrap(), ["real"]);
    // Replacing replaces the link and not what it leads to.
    store.put(&secret("up"), &value("mine"), Existing::Replace).await.unwrap();
    assert_eq!(get(&store, "up").await, b"mine");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "OUTSIDE");
    store.delete(&secret("absolute")).await.unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "OUTSIDE");
    // A directory in the place of a file.
    fs::create_dir(home.path().join("secrets/directory")).unwrap();
    refused(store.resolve_one(&secret("directory")).await, "other", Blame::Plugin);
}

/// Where files are written before they are moved into place, somebody who can write there plants a link.
#[tokio::test]
async fn does_not_write_through_a_planted_directory() {
    let home = TempDir::new().unwrap();
    let store = filesystem(home.path());
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("k~0000000000000000"), "theirs").unwrap();
    symlink(&elsewhere, home.path().join("secrets/.pending")).unwrap();
    store.put(&secret("k"), &value("v"), Existing::Keep).await.unwrap_err();
    store.delete(&secret("k")).await.unwrap_err();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
}

#[tokio::test]
async fn ignores_what_a_crash_left() {
    let home = TempDir::new().unwrap();
    let store = filesystem(home.path());
    store.put(&secret("k"), &value("old"), Existing::Keep).await.unwrap();
    let pending = home.path().join("secrets/.pending");
    fs::create_dir_all(&pending).unwrap();
    let leave = |name: &str| {
        let path = pending.join(name);
        fs::write(&path, "half").unwrap();
        path
    };
    let (ours, young) = (leave("k~00000000000000aa"), leave("other~00000000000000bb"));
    let old = leave("another~00000000000000cc");
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(hour_ago).unwrap();
    assert_eq!(get(&store, "k").await, b"old");
    assert_eq!(store.list("").await.unwrap(), ["k"]);
    store.put(&secret("k"), &value("new"), Existing::Replace).await.unwrap();
    assert_eq!(get(&store, "k").await, b"new");
    // What may still be in use stays, what is too old for that goes.
    assert!(young.exists() && !old.exists());
    // Deleting a secret deletes every trace of it.
    store.delete(&secret("k")).await.unwrap();
    assert!(!ours.exists());
    assert!(fs::read_dir(&pending).unwrap().count() == 1);
}

#[tokio::test]
async fn resolves_nothing_else() {
    let home = TempDir::new().unwrap();
    let store = filesystem(home.path());
    for (source, kind, blame) in [
        (Source::Value, "unsupported", Blame::Requester),
        (Source::Command, "unsupported", Blame::Requester),
        (Source::Env, "denied", Blame::Operator),
        (Source::Path, "denied", Blame::Operator),
    ] {
        let reference = Reference::new(source, "/etc/passwd").unwrap();
        refused(store.resolve_one(&reference).await, kind, blame);
    }
    let host = crate::way::host().base(home.path()).build().unwrap();
    // Without what it asks for it can do nothing.
    let plugin = crate::way::load(&host, &guest_artifacts::plugin("filesystem")).unwrap();
    let bare = host.store("bare", &plugin, StoreConfig::default()).unwrap();
    for result in [
        bare.resolve_one(&secret("k")).await.map(drop),
        bare.put(&secret("k"), &value("v"), Existing::Replace).await,
        bare.delete(&secret("k")).await,
        bare.list("").await.map(drop),
    ] {
        let text = refused(result, "other", Blame::Operator);
        contains(&text, "guest: /secrets\n          access: read-write\n          create: true\n");
    }
    // A directory that is none.
    fs::write(home.path().join("file"), "").unwrap();
    let settings = json!({ "directory": "file" }).as_object().unwrap().clone();
    let config = StoreConfig { settings, grants: Granted::AsAsked, ..StoreConfig::default() };
    let error = host.store("files", &plugin, config).unwrap_err();
    contains(&explained(&error, Blame::Operator), "cannot be opened");
}
