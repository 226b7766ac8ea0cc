//! What a store says.

use coffer_host::grants::{Explain as _, Reference};
use coffer_host::{Blame, CallError, Secret, Store};

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
        .put(&secret(key), &value, coffer_host::Existing::Replace)
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
