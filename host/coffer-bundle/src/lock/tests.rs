#![expect(clippy::disallowed_methods, reason = "tests look at files behind the handle's back")]

use super::*;
use cap_std::ambient_authority;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn locked() -> Value {
    json!({
        "version": 1,
        "plugins": { "./p.wasm": {
            "digest": digest('a'),
            "wit-version": "0.1.0",
            "manifest-digest": digest('b'),
            "manifest": { "name": "p", "version": "1", "description": "d" },
            "imports": ["coffer:host/http@0.1.0"],
            "exports": ["coffer:secrets/resolver@0.1.0"],
            "granted": { "mine": { "environment": ["HOME"] } },
        } },
    })
}

fn parsed(value: &Value) -> Result<Lock, LockError> {
    Lock::parse(value.to_string().as_bytes())
}

#[test]
fn what_is_written_is_read_and_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(directory.path(), ambient_authority()).unwrap();
    assert_eq!(Lock::read(&dir).unwrap(), None);
    let lock = parsed(&locked()).unwrap();
    lock.write(&dir).unwrap();
    assert_eq!(Lock::read(&dir).unwrap(), Some(lock.clone()));
    let mut more = lock;
    more.plugins.get_mut("./p.wasm").unwrap().signer = Some("somebody".into());
    more.write(&dir).unwrap();
    assert_eq!(Lock::read(&dir).unwrap(), Some(more));
    let path = directory.path().join(LOCK_FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
    // One that cannot be read is not one that is not there.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(Lock::read(&dir), Err(LockError::File(_))));
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/nowhere", &path).unwrap();
    assert!(matches!(Lock::read(&dir), Err(LockError::File(_))));
}

#[test]
fn what_is_not_understood_is_refused() {
    assert!(parsed(&locked()).is_ok());
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut value = locked();
        change(&mut value);
        let error = parsed(&value).unwrap_err().to_string();
        assert!(error.contains(expected), "{value}: {error}");
    };
    check(&|value| value["version"] = json!(2), "its `version` is not 1");
    check(&|value| value["version"] = json!("1"), "its `version` is not 1");
    check(&|value| value["plugin"] = json!({}), "unknown field `plugin`");
    check(&|value| *value = json!([]), "its `version` is not 1");
    let entry = |key: &'static str, to: Value| {
        move |value: &mut Value| value["plugins"]["./p.wasm"][key] = to.clone()
    };
    check(&entry("signed", json!("x")), "unknown field `signed`");
    check(&entry("digest", json!("sha256:00")), "64 hexadecimal digits");
    check(&entry("digest", json!(digest('A'))), "64 hexadecimal digits");
    check(&entry("digest", json!(digest('a').replace("sha256", "md5"))), "64 hexadecimal digits");
    check(&entry("manifest-digest", json!("")), "64 hexadecimal digits");
    check(&entry("manifest", json!({ "name": "p" })), "`./p.wasm`: the manifest is malformed");
    check(&entry("granted", json!({ "mine": { "files": [] } })), "unknown field `files`");
    check(&entry("granted", json!([])), "invalid type");
    let without = |key: &'static str| {
        move |value: &mut Value| {
            value["plugins"]["./p.wasm"].as_object_mut().unwrap().shift_remove(key);
        }
    };
    for key in
        ["digest", "exports", "granted", "imports", "manifest", "manifest-digest", "wit-version"]
    {
        check(&without(key), &format!("missing field `{key}`"));
    }
    for text in ["", "{", "null", "{\"\u{1b}[2J"] {
        let error = Lock::parse(text.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
        assert_eq!(error.blame(), Blame::Operator);
    }
}

#[test]
fn an_entry_that_stands_there_twice_is_refused() {
    let text = locked().to_string();
    let entry = &text[text.find("\"./p.wasm\"").unwrap()..text.len() - 2];
    let twice = text.replace(entry, &format!("{entry},{entry}"));
    let error = Lock::parse(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("`./p.wasm` stands there twice"), "{error}");
    let twice = text.replace("\"mine\":{", "\"mine\":{},\"mine\":{");
    let error = Lock::parse(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("`mine` stands there twice"), "{error}");
}

#[test]
fn what_is_more_of_plugins_stores_and_grants_is_wider() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = locked();
        change(&mut value);
        parsed(&value).unwrap()
    };
    let lock = with(&|_| {});
    let granted = |to: Value| with(&|value| value["plugins"]["./p.wasm"]["granted"] = to.clone());
    let check = |now: &Lock, before: &Lock, wider: &[&str], narrower: &[&str]| {
        let difference = now.since(before, &BTreeMap::new());
        assert_eq!((difference.wider, difference.narrower), (owned(wider), owned(narrower)));
    };
    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }
    check(&lock, &lock, &[], &[]);
    let home = "the store mine is granted the environment variable HOME";
    check(&lock, &Lock::empty(), &["the plugin ./p.wasm may run", home], &[]);
    check(&Lock::empty(), &lock, &[], &["the plugin ./p.wasm may no longer run"]);
    let none = granted(json!({ "mine": {} }));
    check(&lock, &none, &[home], &[]);
    let gone = "the store mine is no longer granted the environment variable HOME";
    check(&none, &lock, &[], &[gone]);
    let more = granted(
        json!({ "mine": { "environment": ["HOME"] }, "other": { "commands": [["date"]] } }),
    );
    check(
        &more,
        &lock,
        &["the store other may use the plugin ./p.wasm", "the store other is granted running date"],
        &[],
    );
    check(&lock, &more, &[], &["the store other no longer uses the plugin ./p.wasm"]);
}

#[test]
fn another_version_is_in_the_same_repository() {
    let mut value = locked();
    let entry = value["plugins"]["./p.wasm"].take();
    let at = |tail: &str| format!("oci://r.example:5000/a/p{tail}");
    let pinned = at(&format!(":1@{}", digest('a')));
    value["plugins"] =
        json!({ pinned.as_str(): entry, "./p.wasm": locked()["plugins"]["./p.wasm"] });
    let lock = parsed(&value).unwrap();
    let found = |plugin: &str| lock.other_version(plugin, "mine").map(|(name, _)| name.to_owned());
    for tail in [":2@sha256:b", "@sha256:b", ":1@sha256:b", ""] {
        assert_eq!(found(&at(tail)).as_deref(), Some(pinned.as_str()), "{tail}");
        // What another store has says nothing of this one.
        assert_eq!(lock.other_version(&at(tail), "other"), None);
    }
    for other in [
        pinned.as_str(),
        "oci://r.example:5000/a/q:1@sha256:b",
        "oci://r.example:5001/a/p:1@sha256:b",
        "oci://r.example:5000/p:1@sha256:b",
        "oci://r.example:5000/a/p/q@sha256:b",
        "./q.wasm",
    ] {
        assert_eq!(found(other), None, "{other}");
    }
}
