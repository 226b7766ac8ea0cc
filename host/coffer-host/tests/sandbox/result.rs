//! Answers: as many as were asked for, within their bounds, and with nothing of a guest's text as it is.

use crate::stage::{Stage, ask, contains, lacks, refused, secret, told, value};
use coffer_host::grants::{Reference, Source};
use coffer_host::limits::{
    BODY_BYTES_MAX, CROSSING_BYTES_MAX, CROSSING_TOTAL_BYTES_MAX, GUEST_TEXT_BYTES_MAX,
    LISTED_KEYS_MAX, LISTED_PAGES_MAX, Limits, MEMORY_BYTES_MAX, PAGE_KEYS_MAX, REFERENCES_MAX,
    VERSION_BYTES_MAX,
};
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
    assert_eq!(list(&store, "cursor-fits").await.unwrap(), ["cursor-fits"]);
    assert_eq!(list(&store, "twice").await.unwrap(), ["twicea", "twiceb"]);
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

/// What crosses at once, beyond values and bodies.
#[tokio::test]
async fn what_crosses_at_once_is_bounded() {
    let (body, answer) = (1024, 5);
    let limits = Limits { body, answer, ..Limits::default() };
    let store = Stage::of("result_version").limits(limits).open();
    assert_eq!(store.limits(), &limits);
    // What is let across is too long for a version; the answer itself takes some bytes, too.
    let most = CROSSING_BYTES_MAX + body;
    refused(ask(&store, (most - 1024).to_string()).await, "contract", Blame::Plugin);
    let text = refused(ask(&store, (most + 1).to_string()).await, "limit", Blame::Plugin);
    contains(&text, "bytes handed to the host at once");
}

/// However many values there may be, so many bytes of them cross at once.
#[tokio::test]
async fn what_crosses_in_total_is_bounded() {
    const MIB: usize = 1 << 20;
    let limits = Limits {
        answer: 16 * MIB,
        body: BODY_BYTES_MAX,
        memory: MEMORY_BYTES_MAX,
        concurrency: 1,
        call: std::time::Duration::from_secs(60),
        ..Limits::default()
    };
    let store = Stage::of("result_bytes").limits(limits).open();
    let each = 13 * MIB;
    let inside = vec![told(each.to_string()); CROSSING_TOTAL_BYTES_MAX / each];
    assert!(store.resolve(&inside).await.iter().all(Result::is_ok));
    let outside = vec![told(each.to_string()); CROSSING_TOTAL_BYTES_MAX / each + 1];
    for answer in store.resolve(&outside).await {
        contains(&refused(answer, "limit", Blame::Plugin), "bytes handed to the host at once");
    }
}

#[tokio::test]
async fn result_keys() {
    let store = Stage::of("result_keys").open();
    let text = refused(store.list("2000000").await, "limit", Blame::Plugin);
    contains(&text, "bytes handed to the host at once");
    refused(store.list(&(PAGE_KEYS_MAX + 1).to_string()).await, "contract", Blame::Plugin);
}

#[tokio::test]
async fn result_pages() {
    let store = Stage::of("result_pages").open();
    let pages = LISTED_KEYS_MAX / PAGE_KEYS_MAX;
    let inside = store.list(&format!("{PAGE_KEYS_MAX}x{pages}")).await.unwrap();
    assert_eq!(inside.len(), LISTED_KEYS_MAX);
    let text = refused(store.list(&PAGE_KEYS_MAX.to_string()).await, "limit", Blame::Plugin);
    contains(&text, &format!("{LISTED_KEYS_MAX} keys in a listing"));
    // Nor does one that gives a key at a time go on for ever.
    assert_eq!(store.list(&format!("1x{LISTED_PAGES_MAX}")).await.unwrap().len(), LISTED_PAGES_MAX);
    let beyond = store.list(&format!("1x{}", LISTED_PAGES_MAX + 1)).await;
    let text = refused(beyond, "limit", Blame::Plugin);
    contains(&text, &format!("{LISTED_PAGES_MAX} pages in a listing"));
}

#[tokio::test]
async fn result_binary() {
    let store = Stage::of("result_binary").open();
    let secret = store.resolve_one(&told("x")).await.unwrap();
    assert_eq!(secret.expose(), (0..=u8::MAX).collect::<Vec<_>>());
    assert_eq!(secret.expires_at_ms(), Some(u64::MAX));
    assert!(secret.expose_text().is_none());
}

macro_rules! broken {
    ($($name:ident $expected:literal)*) => { $(
        #[tokio::test]
        async fn $name() {
            let store = Stage::written(stringify!($name)).open();
            contains(&refused(ask(&store, "x").await, "trap", Blame::Plugin), $expected);
        }
    )* };
}

broken! {
    result_askew "not aligned"
    result_beyond "out of bounds"
    result_case "discriminant"
    result_discriminant "discriminant"
    result_huge "out of bounds"
    result_length "out of bounds"
    result_list_askew "not aligned"
    result_pointer "out of bounds"
    result_realloc_askew "not aligned"
    result_realloc_beyond "beyond end of memory"
    result_surrogate "utf-8"
    result_utf8 "utf-8"
    result_wrapping "out of bounds"
}

/// Values that share their memory count each.
#[tokio::test]
async fn result_overlap() {
    let store = Stage::written("result_overlap").open();
    let text = refused(ask(&store, "x").await, "limit", Blame::Plugin);
    contains(&text, "bytes handed to the host at once");
}
