//! What is at the path of a secret: the value as text, how to read it, and the key it belongs to. The
//! key is how this plugin's own is told from what somebody else wrote at the path, and how a server that
//! took two names for one would be noticed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_plugin::Error;
use serde_json::{Map, Value, json};

/// The field that only this plugin writes.
const KEY: &str = "coffer-key";

/// The fields of a secret. JSON has texts only: what is no UTF-8 is marked as base64.
pub(crate) fn of(key: &str, value: &[u8]) -> Value {
    match std::str::from_utf8(value) {
        Ok(text) => json!({ KEY: key, "encoding": "text", "value": text }),
        Err(_) => json!({ KEY: key, "encoding": "base64", "value": STANDARD.encode(value) }),
    }
}

/// Whether this plugin wrote it.
pub(crate) fn is_ours(fields: &Map<String, Value>) -> bool {
    fields.contains_key(KEY)
}

/// The value that was put under `key`.
///
/// # Errors
///
/// [`Error::Other`] if it is not what was put there.
pub(crate) fn value(fields: &Map<String, Value>, key: &str) -> Result<Vec<u8>, Error> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let foreign = || {
        Error::Other(
            "the path of this key has what coffer did not write, or somebody changed".into(),
        )
    };
    if text(KEY) != Some(key) {
        return Err(foreign());
    }
    match (text("encoding"), text("value")) {
        (Some("text"), Some(value)) => Ok(value.into()),
        (Some("base64"), Some(value)) => STANDARD.decode(value).map_err(|_| foreign()),
        _ => Err(foreign()),
    }
}

/// A field of what somebody else wrote: a text as it is, anything else as JSON.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such field, or this plugin wrote it: it is found by its key and by
/// nothing else.
pub(crate) fn field(fields: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Error> {
    match fields.get(name).filter(|_| !is_ours(fields)) {
        None | Some(Value::Null) => Err(Error::NotFound),
        Some(Value::String(text)) => Ok(text.clone().into_bytes()),
        Some(other) => Ok(other.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(key in "[^#]{1,20}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let document = of(&key, &bytes).to_string();
            let document: Value = serde_json::from_str(&document).unwrap();
            prop_assert_eq!(value(fields(&document), &key).unwrap(), bytes);
        }
    }

    #[test]
    fn text_stays_readable() {
        assert_eq!(of("k", "h\u{e4}\0".as_bytes())["value"], "h\u{e4}\0");
        assert_eq!(of("k", b"\xff")["value"], "/w==");
    }

    #[test]
    fn what_is_not_of_this_key_is_refused() {
        for foreign in [
            json!({}),
            json!({ "value": "v" }),
            json!({ "coffer-key": "other", "encoding": "text", "value": "v" }),
            json!({ "coffer-key": "k", "value": "v" }),
            json!({ "coffer-key": "k", "encoding": "gzip", "value": "v" }),
            json!({ "coffer-key": "k", "encoding": "text", "value": 1 }),
            json!({ "coffer-key": "k", "encoding": "base64", "value": "!" }),
        ] {
            assert!(matches!(value(fields(&foreign), "k"), Err(Error::Other(_))), "{foreign}");
        }
    }

    #[test]
    fn fields_are_texts_or_json() {
        let document = json!({ "a": "x", "n": 1, "b": true, "o": { "k": [1] }, "nothing": null });
        let check = |name: &str, expected: Option<&str>| {
            let found = field(fields(&document), name).ok();
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name}");
        };
        check("a", Some("x"));
        check("n", Some("1"));
        check("b", Some("true"));
        check("o", Some("{\"k\":[1]}"));
        check("nothing", None);
        check("absent", None);
        // A secret of ours is found by its key and by nothing else.
        assert!(matches!(field(fields(&of("k", b"v")), "value"), Err(Error::NotFound)));
    }
}
