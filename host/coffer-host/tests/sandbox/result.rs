//! Answers: as many as were asked for, within their bounds, and with nothing of a guest's text as it is.

use crate::stage::{Stage, ask, contains, lacks, refused, secret, told, value};
use coffer_host::grants::{Reference, Source};
use coffer_host::limits::{GUEST_TEXT_BYTES_MAX, Limits, REFERENCES_MAX, VERSION_BYTES_MAX};
use coffer_host::{Blame, Cause, Existing, MASK, Store};

guest_artifacts::foreach_result!(ran);

#[tokio::test]
async fn result_too_many() {
    let store = Stage::of("result_too_many").open();
    let text = refused(ask(&store, "").await, "contract", Blame::Plugin);
    contains(&text, "2 answers for 1 references");
    lacks(&text, "one more");
}

#[tokio::test]
async fn result_too_few() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let store = Stage::of("result_too_few").limits(limits).open();
    for answer in store.resolve(&[told("a"), told("b")]).await {
        contains(&refused(answer, "contract", Blame::Plugin), "0 answers for 2 references");
    }
}

#[tokio::test]
async fn result_bytes() {
    let answer = 10_000;
    let store = Stage::of("result_bytes").limits(Limits { answer, ..Limits::default() }).open();
    assert_eq!(ask(&store, answer.to_string()).await.unwrap().len(), answer);
    let text = refused(ask(&store, (answer + 1).to_string()).await, "limit", Blame::Plugin);
    contains(&text, "limit of 10000 bytes of one value");
    // More than is let across at all: it is stopped before the host has it.
    let text = refused(ask(&store, (20 << 20).to_string()).await, "limit", Blame::Plugin);
    contains(&text, "bytes handed to the host at once");
    // One that is too large does not fail the one beside it.
    let mut answers = store.resolve(&[told("10001"), told("1")]).await.into_iter();
    refused(answers.next().unwrap(), "limit", Blame::Plugin);
    assert_eq!(answers.next().unwrap().unwrap().expose(), b"v");
}

#[tokio::test]
async fn result_version() {
    let store = Stage::of("result_version").open();
    let inside = store.resolve_one(&told(VERSION_BYTES_MAX.to_string())).await.unwrap();
    let version = inside.version().unwrap();
    assert!(version.starts_with("\\u{1b}") && !version.contains('\u{1b}'), "{version:?}");
    let outside = ask(&store, (VERSION_BYTES_MAX + 1).to_string()).await;
    contains(&refused(outside, "contract", Blame::Plugin), "version of a secret is too long");
}

#[tokio::test]
async fn result_error_text() {
    let store = Stage::of("result_error_text").open();
    for bytes in [10, GUEST_TEXT_BYTES_MAX, 1 << 20] {
        let text = refused(ask(&store, bytes.to_string()).await, "other", Blame::Plugin);
        contains(&text, "\\u{1b}]0;owned\\u{7}");
        assert!(text.len() < 2 * GUEST_TEXT_BYTES_MAX, "{}", text.len());
    }
    // Larger than what may cross: it does not even get to be cut.
    refused(ask(&store, (20 << 20).to_string()).await, "limit", Blame::Plugin);
}

/// Who asks may have the key from a bundle, or from a plugin's own listing.
#[tokio::test]
async fn a_key_is_shown_escaped() {
    let store = Stage::of("result_says").grants(serde_json::json!({
        "referenced": ["env"], "directories": [{ "host": "/", "access": "read-only" }],
    }));
    let store = store.open();
    let key = "/a\u{202e}gpj\u{200b}\u{2028}";
    for (source, key) in [
        (Source::Secret, &key[1..]),
        (Source::Env, key),
        (Source::Path, key),
        (Source::Command, key),
    ] {
        let result = store.resolve_one(&Reference::new(source, key).unwrap()).await;
        contains(&refused(result, "other", Blame::Plugin), "\\u{202e}gpj");
    }
    // The same where the host finds words of its own for what the plugin did not find.
    let host = crate::stage::host();
    let plugin = Stage::with(guest_artifacts::plugin("host")).on(host).grants(serde_json::json!({
        "referenced": ["env"], "directories": [{ "host": "/", "access": "read-only" }],
    }));
    let plugin = plugin.open();
    for source in [Source::Env, Source::Path] {
        let result = plugin.resolve_one(&Reference::new(source, key).unwrap()).await;
        contains(&refused(result, "not-found", Blame::Operator), "\\u{202e}gpj");
    }
}

#[tokio::test]
async fn references_are_counted() {
    let store = Stage::of("result_bytes").open();
    assert!(store.resolve(&[]).await.is_empty());
    let asked = vec![told("1"); REFERENCES_MAX + 1];
    let inside = store.resolve(&asked[1..]).await;
    assert!(inside.len() == REFERENCES_MAX && inside.iter().all(Result::is_ok));
    for answer in store.resolve(&asked).await {
        contains(&refused(answer, "too-many", Blame::Requester), "10001 references");
    }
}

/// A plugin that is given several references at once knows the values of all of them.
#[tokio::test]
async fn result_repeats() {
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let store = Stage::of("result_repeats").limits(limits).open();
    let asked = ["other", "value", "invalid", "unsupported"].map(told);
    let answers = store.resolve(&asked).await;
    assert_eq!(answers[1].as_ref().unwrap().expose(), b"correct horse battery staple");
    for (answer, kind, blame) in answers
        .into_iter()
        .zip([
            ("other", Blame::Plugin),
            ("", Blame::Plugin),
            ("invalid-reference", Blame::Requester),
            ("unsupported", Blame::Requester),
        ])
        .filter(|(answer, _)| answer.is_err())
        .map(|(answer, (kind, blame))| (answer, kind, blame))
    {
        let debug = format!("{answer:?}");
        lacks(&debug, "correct horse");
        let text = refused(answer, kind, blame);
        contains(&text, MASK);
        lacks(&text, "correct horse");
    }
}

#[tokio::test]
async fn result_says() {
    let store = Stage::of("result_says").open();
    for (key, kind, blame) in [
        ("access-denied", "access-denied", Blame::Operator),
        ("conflict", "conflict", Blame::Requester),
        ("invalid-reference", "invalid-reference", Blame::Requester),
        ("not-found", "not-found", Blame::Requester),
        ("too-large", "too-large", Blame::Requester),
        ("unauthenticated", "unauthenticated", Blame::Operator),
        ("unavailable", "unavailable", Blame::Backend),
        ("unavailable-for-ever", "unavailable", Blame::Backend),
        ("unsupported", "unsupported", Blame::Requester),
        ("anything", "other", Blame::Plugin),
    ] {
        refused(ask(&store, key).await, kind, blame);
    }
}

#[tokio::test]
async fn result_put() {
    let limits = Limits { answer: 100, ..Limits::default() };
    let store = Stage::of("result_put").limits(limits).open();
    let put = async |text: &str| store.put(&secret("k"), &value(text), Existing::Replace).await;
    let text = refused(put("hunter2").await, "other", Blame::Plugin);
    contains(&text, &format!("cannot keep `{MASK}`"));
    lacks(&text, "hunter2");
    // Also where escaping or cutting would change it.
    for text in ["two\nlines-canary", "\u{1b}[2J-canary", "k\u{202e}canary"] {
        lacks(&refused(put(text).await, "other", Blame::Plugin), "canary");
    }
    refused(put(&"x".repeat(100)).await, "other", Blame::Plugin);
    refused(put(&"x".repeat(101)).await, "too-large", Blame::Requester);
    store.delete(&secret("k")).await.unwrap();
    // Only what has an entry at the backend can be put or deleted.
    let result = store.put(&told("k"), &value("v"), Existing::Keep).await;
    refused(result, "invalid-reference", Blame::Requester);
    refused(store.delete(&told("k")).await, "invalid-reference", Blame::Requester);
    // What a plugin does not export it cannot be asked.
    refused(store.list("").await, "capability", Blame::Operator);
}

#[tokio::test]
async fn result_list() {
    let store = Stage::of("result_list").open();
    let list = async |store: &Store, prefix: &str| store.list(prefix).await;
    assert_eq!(list(&store, "full").await.unwrap().len(), 1000);
    for (prefix, expected) in [
        ("page", "its page of keys is too long"),
        ("cursor", "its cursor is too long"),
        ("empty", "an empty page of keys that is not the last"),
        ("foreign", "it lists another\\u{1b}[2J, which was not asked for"),
        ("malformed", "it lists a key that no secret can have"),
    ] {
        contains(&refused(list(&store, prefix).await, "contract", Blame::Plugin), expected);
    }
    let error = store.put(&secret("k"), &value("v"), Existing::Keep).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Capability(_)));
    refused(store.delete(&secret("k")).await, "capability", Blame::Operator);
}
