//! What a secret has: a text or bytes. The service takes no empty one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_plugin::Error;
use serde_json::{Map, Value};

/// Bytes of a value that the service takes, text or not.
pub(crate) const VALUE_BYTES_MAX: usize = 65_536;

/// What stands for the empty value, as bytes: a value of coffer's that is this text is put as text.
const EMPTY: &[u8] = b"empty";

/// Puts a value into a request, so that other tools can read it too.
///
/// # Errors
///
/// [`Error::TooLarge`] if it is larger than the service takes.
pub(crate) fn put(body: &mut Value, value: &[u8]) -> Result<(), Error> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(Error::TooLarge(VALUE_BYTES_MAX as u64));
    }
    // Nobody documents what becomes of a zero in a text.
    match std::str::from_utf8(value).ok().filter(|text| !text.contains('\0')) {
        Some("") => body["SecretBinary"] = STANDARD.encode(EMPTY).into(),
        Some(text) => body["SecretString"] = text.into(),
        None => body["SecretBinary"] = STANDARD.encode(value).into(),
    }
    Ok(())
}

/// A value as the service has it.
#[derive(Clone)]
pub(crate) enum Found {
    Binary(Vec<u8>),
    Text(String),
}

impl Found {
    /// Takes a value out of an answer.
    pub(crate) fn take(answer: &mut Value) -> Option<Self> {
        match (answer["SecretString"].take(), &answer["SecretBinary"]) {
            (Value::String(text), _) => Some(Self::Text(text)),
            (_, Value::String(encoded)) => STANDARD.decode(encoded).ok().map(Self::Binary),
            _ => None,
        }
    }

    /// What coffer put.
    pub(crate) fn own(self) -> Vec<u8> {
        match self {
            Self::Binary(bytes) if bytes == EMPTY => Vec::new(),
            found => found.whole(),
        }
    }

    /// All of it, whoever put it.
    pub(crate) fn whole(self) -> Vec<u8> {
        match self {
            Self::Binary(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
        }
    }

    /// A field of a value that is a JSON object: a text as it is, anything else as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such field; [`Error::Other`] if it is no JSON object.
    pub(crate) fn field(&self, name: &str) -> Result<Vec<u8>, Error> {
        let bytes = match self {
            Self::Binary(bytes) => bytes.as_slice(),
            Self::Text(text) => text.as_bytes(),
        };
        let fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| {
            Error::Other(
                "the secret is no JSON object and has no fields; ask for it as `name#`".into(),
            )
        })?;
        match fields.get(name) {
            None | Some(Value::Null) => Err(Error::NotFound),
            Some(Value::String(text)) => Ok(text.clone().into_bytes()),
            Some(other) => Ok(other.to_string().into_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn there_and_back(value: &[u8]) -> Vec<u8> {
        let mut body = json!({});
        put(&mut body, value).unwrap();
        let mut body: Value = serde_json::from_str(&body.to_string()).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
        let field = body.as_object().unwrap().values().next().unwrap();
        assert_ne!(field, "", "the service takes no empty value");
        Found::take(&mut body).unwrap().own()
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(there_and_back(&bytes), bytes);
        }
    }

    #[test]
    fn nothing_and_what_stands_for_it_are_two_values() {
        for value in [&b""[..], EMPTY, b"\0", b"ZW1wdHk=", "h\u{e4}".as_bytes(), b"\xff"] {
            assert_eq!(there_and_back(value), value);
        }
        let mut body = json!({});
        put(&mut body, "h\u{e4}".as_bytes()).unwrap();
        assert_eq!(body, json!({ "SecretString": "h\u{e4}" }));
    }

    #[test]
    fn a_value_is_as_large_as_the_service_takes() {
        put(&mut json!({}), &[b'x'; VALUE_BYTES_MAX]).unwrap();
        let result = put(&mut json!({}), &[b'x'; VALUE_BYTES_MAX + 1]);
        assert!(matches!(result, Err(Error::TooLarge(65_536))));
    }

    #[test]
    fn fields_are_texts_or_json() {
        let text = r#"{ "a": "x", "n": 1, "o": { "k": [1] }, "nothing": null }"#;
        for found in [Found::Text(text.into()), Found::Binary(text.into())] {
            let check = |name: &str, expected: Option<&str>| {
                let field = found.field(name).ok();
                assert_eq!(field.as_deref(), expected.map(str::as_bytes), "{name}");
            };
            check("a", Some("x"));
            check("n", Some("1"));
            check("o", Some("{\"k\":[1]}"));
            check("nothing", None);
            check("absent", None);
        }
        for other in ["", "text", "[1]", "1"] {
            assert!(
                matches!(Found::Text(other.into()).field("a"), Err(Error::Other(_))),
                "{other}"
            );
        }
    }
}
