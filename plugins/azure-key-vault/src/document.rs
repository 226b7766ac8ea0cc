//! What Key Vault has of a secret: the value as text, how to read it, and the tag by which coffer's are known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_plugin::{Error, Secret};
use serde_json::{Value, json};

/// The tag with the key. Only this plugin gives it.
const KEY: &str = "coffer-key";

/// The content type of a value that is no text. Key Vault keeps texts only.
const BINARY: &str = "application/octet-stream;base64";

/// The content type of a value of no bytes, which not every vault takes; what is kept instead is one space.
const EMPTY: &str = "application/x-empty";

/// Bytes of a text that Key Vault keeps: 25 kB.
const TEXT_BYTES_MAX: usize = 25 * 1024;

/// What is sent for a value.
///
/// # Errors
///
/// [`Error::TooLarge`] if Key Vault does not keep as much.
pub(crate) fn of(key: &str, value: &[u8]) -> Result<Value, Error> {
    let (document, text_bytes, bytes_max) = match std::str::from_utf8(value) {
        Ok("") => {
            (json!({ "value": " ", "contentType": EMPTY, "tags": { KEY: key } }), 1, TEXT_BYTES_MAX)
        }
        Ok(text) => {
            let document = json!({ "value": text, "tags": { KEY: key } });
            (document, text.len(), TEXT_BYTES_MAX)
        }
        Err(_) => {
            let text = STANDARD.encode(value);
            let bytes = text.len();
            let document = json!({ "value": text, "contentType": BINARY, "tags": { KEY: key } });
            (document, bytes, TEXT_BYTES_MAX / 4 * 3)
        }
    };
    if text_bytes > TEXT_BYTES_MAX {
        return Err(Error::TooLarge(bytes_max as u64));
    }
    Ok(document)
}

/// The key that a secret was put under, if this plugin did.
pub(crate) fn key(document: &Value) -> Option<&str> {
    document["tags"][KEY].as_str()
}

/// The name of a secret, and its version if that is known.
pub(crate) fn id(document: &Value) -> Option<(&str, Option<&str>)> {
    let (_, path) = document["id"].as_str()?.split_once("://")?.1.split_once("secrets/")?;
    Some(match path.split_once('/') {
        Some((name, version)) => (name, Some(version)),
        None => (path, None),
    })
}

/// The value, its version and its end.
///
/// # Errors
///
/// [`Error::Other`] if it is not what this plugin put, or no secret.
pub(crate) fn secret(document: &Value) -> Result<Secret, Error> {
    let text = document["value"].as_str().ok_or_else(malformed)?;
    let marked = key(document).and(document["contentType"].as_str());
    let value = match marked {
        Some(BINARY) => STANDARD.decode(text).map_err(|_| malformed())?,
        Some(EMPTY) => Vec::new(),
        _ => text.into(),
    };
    let mut secret = Secret::new(value);
    if let Some((_, Some(version))) = id(document) {
        secret = secret.version(version);
    }
    if let Some(end) = document["attributes"]["exp"].as_u64() {
        secret = secret.expires_at(end.saturating_mul(1000));
    }
    Ok(secret)
}

pub(crate) fn malformed() -> Error {
    Error::Other("the answer is not one of Key Vault; look at the setting `address`".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let document = of("k", &bytes).unwrap();
            prop_assert_eq!(key(&document), Some("k"));
            let read = secret(&document).unwrap();
            prop_assert_eq!(read.expose(), bytes);
        }
    }

    #[test]
    fn text_stays_readable() {
        assert_eq!(of("k", "h\u{e4}".as_bytes()).unwrap()["value"], "h\u{e4}");
        assert_eq!(of("k", b"\xff").unwrap()["value"], "/w==");
        // Nothing and one space are two values.
        for value in [&b""[..], b" "] {
            let document = of("k", value).unwrap();
            assert_eq!(document["value"], " ");
            assert_eq!(secret(&document).unwrap().expose(), value);
        }
        // What others call base64 is theirs to read.
        let theirs = json!({ "value": "/w==", "contentType": BINARY });
        assert_eq!(secret(&theirs).unwrap().expose(), b"/w==");
    }

    #[test]
    fn a_text_has_25_kilobytes() {
        assert!(of("k", &[b'x'; 25_600]).is_ok() && of("k", &[0xff; 19_200]).is_ok());
        assert!(matches!(of("k", &[b'x'; 25_601]), Err(Error::TooLarge(25_600))));
        assert!(matches!(of("k", &[0xff; 19_201]), Err(Error::TooLarge(19_200))));
    }

    #[test]
    fn ids_are_taken_apart() {
        let at = |id: &str| json!({ "id": id });
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            assert_eq!(id(&at(text)), expected, "{text}");
        };
        check("https://v.example/secrets/n/1a", Some(("n", Some("1a"))));
        check("https://v.example:443/secrets/n", Some(("n", None)));
        check("https://v.example/deletedsecrets/n", Some(("n", None)));
        check("v", None);
        let mut all = at("https://v.example/secrets/n/1a");
        all["value"] = "v".into();
        all["attributes"] = json!({ "enabled": true, "exp": 2 });
        let expected = Secret::new("v").version("1a").expires_at(2000);
        assert!(secret(&all).unwrap() == expected);
        assert!(matches!(secret(&json!({})), Err(Error::Other(_))));
    }
}
