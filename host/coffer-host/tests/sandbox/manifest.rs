//! Manifests: read from the file before anything runs, and a component without a right one is no plugin.

use crate::stage::{contains, explained, host};
use coffer_host::{Blame, Granted, LoadError, OpenError, StoreConfig};
use guest_artifacts::written::{MANIFEST, renamed, with_section};
use serde_json::{Map, Value, json};

guest_artifacts::foreach_manifest!(ran);

/// A guest with this manifest and no other.
fn with_manifest(manifest: &[u8]) -> Vec<u8> {
    with_section(&without_manifest(), "coffer:manifest", manifest)
}

fn without_manifest() -> Vec<u8> {
    renamed(&guest_artifacts::guest("state_memory"), "coffer:manifest", "coffer:manifesT")
}

#[track_caller]
fn unloadable(component: &[u8], expected: &str) -> LoadError {
    let error = host().load(component).unwrap_err();
    contains(&explained(&error, Blame::Plugin), expected);
    error
}

#[test]
fn there_is_exactly_one() {
    let error = unloadable(&without_manifest(), "has no manifest");
    assert!(matches!(error, LoadError::ManifestMissing));
    let twice =
        with_section(&with_manifest(MANIFEST.as_bytes()), "coffer:manifest", MANIFEST.as_bytes());
    assert!(matches!(unloadable(&twice, "more than one manifest"), LoadError::ManifestTwice));
    let guest = guest_artifacts::guest("state_memory");
    let twice = with_section(&guest, "coffer:manifest", MANIFEST.as_bytes());
    assert!(matches!(unloadable(&twice, "more than one manifest"), LoadError::ManifestTwice));
    let plugin = host().load(&with_manifest(MANIFEST.as_bytes())).unwrap();
    assert_eq!(plugin.inspection().manifest.name(), "written");
}

#[test]
fn a_malformed_one_is_refused() {
    for (manifest, expected) in [
        ("", "malformed"),
        ("{", "malformed"),
        ("[]", "malformed"),
        ("{}", "missing field `name`"),
        ("{\"\u{1b}[2J\u{202e}\":1}", "malformed"),
        (r#"{"name":"\u001b[2J","version":"1","description":"d"}"#, "name must be"),
        (r#"{"name":"n","version":"1","description":"d","asks":{"root":true}}"#, "no grant `root`"),
        (r#"{"name":"n","version":"1","description":"d","asks":{"a\u001b[2J":[]}}"#, "no grant `a"),
        (
            r#"{"name":"n","version":"1","description":"d","asks":{"environment":["{{\u001b[2J}}"]}}"#,
            "uses `",
        ),
        (
            r#"{"name":"n","version":"1","description":"d","settings":{"type":"object","required":["\u001b[2J"]}}"#,
            "uses `",
        ),
    ] {
        let error = unloadable(&with_manifest(manifest.as_bytes()), expected);
        assert!(matches!(error, LoadError::Manifest(_)));
    }
    unloadable(&with_manifest(b"\xff\xfe{}"), "malformed");
    unloadable(&with_manifest(&vec![b' '; 65_537]), "at most 65536 are allowed");
    let long =
        format!(r#"{{"name":"n","version":"1","description":"d","{}":1}}"#, "k".repeat(60_000));
    unloadable(&with_manifest(long.as_bytes()), "malformed");
}

/// What a manifest asks for is words until somebody grants it, and cannot be granted if it is not grants.
#[test]
fn asking_for_something_malformed_is_told_when_it_is_to_be_granted() {
    for (asks, expected) in [
        (json!({ "http": [{ "url": "*", "methods": ["GET"] }] }), "cannot be granted"),
        (json!({ "http": [{ "url": "https://a.example/" }] }), "missing field `methods`"),
        (
            json!({ "http": [{ "url": "https://a.example/", "methods": ["TRACE"] }] }),
            "cannot be granted",
        ),
        (json!({ "commands": [["*"]] }), "cannot be `*`"),
        (json!({ "environment": ["*"] }), "not the name of an environment variable"),
        (json!({ "environment": ["\u{1b}[2J*"] }), "not the name of an environment variable"),
        (json!({ "directories": [{ "host": "/", "access": "everything" }] }), "unknown variant"),
        (
            json!({ "directories": [{ "host": "/", "access": "read-only", "\u{202e}": 1 }] }),
            "unknown field",
        ),
        (json!({ "referenced": ["path"] }), "references of source env"),
    ] {
        let manifest = json!({ "name": "n", "version": "1", "description": "d", "asks": asks });
        let plugin = host().load(&with_manifest(manifest.to_string().as_bytes())).unwrap();
        let open =
            |grants| host().store("s", &plugin, StoreConfig { grants, ..StoreConfig::default() });
        let error = open(Granted::AsAsked).unwrap_err();
        contains(&explained(&error, Blame::Operator), expected);
        assert!(matches!(error, OpenError::Asks(_)));
        // It is nobody's business while nothing of it is granted.
        open(Granted::default()).unwrap();
    }
}

#[test]
fn settings_are_held_against_it() {
    let plugin = host().load(&guest_artifacts::guest("state_memory")).unwrap();
    let open = |settings: Value| {
        let settings: Map<String, Value> = settings.as_object().unwrap().clone();
        host().store("s", &plugin, StoreConfig { settings, ..StoreConfig::default() })
    };
    open(json!({ "greeting": "hi", "token": "t" })).unwrap();
    for settings in
        [json!({ "greetin": "hi" }), json!({ "greeting": 1 }), json!({ "token": ["t"] })]
    {
        let error = open(settings).unwrap_err();
        assert!(matches!(error, OpenError::Settings(_)));
        explained(&error, Blame::Operator);
    }
    // A credential of the wrong kind is not quoted.
    let error = open(json!({ "token": { "hunter2": "hunter2" } })).unwrap_err();
    crate::stage::lacks(&explained(&error, Blame::Operator), "hunter2");
}

#[test]
fn manifest_appended() {
    unloadable(&guest_artifacts::guest("manifest_appended"), "malformed");
}
