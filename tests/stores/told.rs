//! What stores are asked, and what they say.

use coffer_host::grants::{Explain as _, Reference};
use coffer_host::{Blame, CallError, Existing, Secret, Store};

pub(crate) fn secret(key: &str) -> Reference {
    Reference::secret(key).unwrap()
}

pub(crate) async fn get(store: &Store, key: &str) -> Vec<u8> {
    match store.resolve_one(&secret(key)).await {
        Ok(secret) => secret.expose().to_vec(),
        Err(error) => panic!("{error}"),
    }
}

/// Puts what must be taken.
pub(crate) async fn put(store: &Store, key: &str, value: &[u8]) {
    let value = Secret::new(value.to_vec());
    store
        .put(&secret(key), &value, Existing::Replace)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Failed with this cause, by this one's fault, and with these words. Returns the whole text.
#[track_caller]
pub(crate) fn refused<T>(
    result: Result<T, CallError>,
    kind: &str,
    blame: Blame,
    words: &[&str],
) -> String {
    let error = result.err().expect("this is refused");
    let text = format!("{error}\n{}", error.next());
    assert_eq!((error.cause().kind(), error.blame()), (kind, blame), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    text
}

/// Keys that a server could take one for another, and as many as are given, are kept and found, each for itself. Every
/// other one is left, and is what this returns.
pub(crate) async fn keys_never_meet(store: &Store, more: &[String]) -> Vec<String> {
    let mut keys = awkward_keys();
    keys.extend_from_slice(more);
    keys.sort();
    keys.dedup();
    for key in &keys {
        let result = store.put(&secret(key), &Secret::from(key.as_str()), Existing::Keep).await;
        result.unwrap_or_else(|error| panic!("{error}"));
    }
    for key in &keys {
        assert_eq!(get(store, key).await, key.as_bytes(), "{key:?}");
    }
    assert_eq!(store.list("").await.unwrap(), keys);
    let below: Vec<String> = keys.iter().filter(|key| key.starts_with("a/")).cloned().collect();
    assert_eq!(store.list("a/").await.unwrap(), below);
    for key in keys.iter().step_by(2) {
        store.delete(&secret(key)).await.unwrap();
    }
    let left: Vec<String> = keys.into_iter().skip(1).step_by(2).collect();
    assert_eq!(store.list("").await.unwrap(), left);
    for key in &left {
        assert_eq!(get(store, key).await, key.as_bytes(), "{key:?}");
    }
    left
}

fn awkward_keys() -> Vec<String> {
    let mut keys: Vec<String> = (0x20..0x7f_u8)
        .filter(|byte| !b"#./\\".contains(byte))
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
            "password",
            "Password",
            "PASSWORD",
            "a%2fb",
            "a%2Fb",
            "a%252fb",
            "%61",
            "%2e%2e",
            "%2e%2e/x",
            "a~8",
            "a~2fb",
            "~61",
            "a=2fb",
            "a=2Fb",
            "a=3d2fb",
            "=61",
            "ä",
            "a\u{308}",
            "Ä",
            "ß",
            "ss",
            "İ",
            "日本語",
            "🔑",
            "\u{202e}x",
            "a ",
            " a",
            "a  b",
            "a+b",
            "a@b",
            "a:b",
            "a;b",
            "a?b",
            "a?version=1",
            "a&list=true",
            "*",
            "+",
            "data",
            "metadata",
            "coffer/a",
            "value",
            "AWSCURRENT",
            "a-b1C2d3",
            "a-AbCdEf",
        ]
        .map(str::to_owned),
    );
    keys.push("x".repeat(100));
    keys.push("x".repeat(99));
    keys
}
