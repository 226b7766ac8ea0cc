//! Values: bytes, with a checksum on their way in both directions. The service takes no empty one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_plugin::Error;
use serde_json::{Map, Value, json};

/// Bytes of a value that the service takes.
pub(crate) const VALUE_BYTES_MAX: usize = 65_536;

/// What is sent for a value of coffer's own: itself, but for the empty one and those of zeros alone, which are one
/// zero longer.
///
/// # Errors
///
/// [`Error::TooLarge`] if it is larger than the service takes.
pub(crate) fn payload(value: &[u8]) -> Result<Value, Error> {
    let mut bytes = value.to_vec();
    if is_zeros(value) {
        bytes.push(0);
    }
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(Error::TooLarge(VALUE_BYTES_MAX as u64));
    }
    // The service's numbers of 64 bits are texts.
    let sum = crc32c(&bytes).to_string();
    Ok(json!({ "data": STANDARD.encode(&bytes), "dataCrc32c": sum }))
}

/// What coffer put.
pub(crate) fn own(mut bytes: Vec<u8>) -> Vec<u8> {
    if is_zeros(&bytes) {
        bytes.pop();
    }
    bytes
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The bytes of a payload, if they are what was sent.
///
/// # Errors
///
/// [`Error::Other`] if they are not. Nothing if it is no payload.
pub(crate) fn read(payload: &Value) -> Option<Result<Vec<u8>, Error>> {
    // A payload of no bytes has no `data`: what is a default is left out.
    let data = payload.as_object()?.get("data").map_or(Some(""), Value::as_str)?;
    let bytes = STANDARD.decode(data).ok()?;
    let sum = &payload["dataCrc32c"];
    let told = sum.as_u64().or_else(|| sum.as_str().and_then(|text| text.parse().ok()));
    // What was put before the service made checksums has none.
    if !sum.is_null() && told != Some(crc32c(&bytes).into()) {
        let changed = "the value that arrived is not what was sent (CRC32C); try again";
        return Some(Err(Error::Other(changed.into())));
    }
    Some(Ok(bytes))
}

/// A field of a value that is a JSON object: a text as it is, anything else as JSON.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such field; [`Error::Other`] if it is no JSON object.
pub(crate) fn field(bytes: &[u8], name: &str) -> Result<Vec<u8>, Error> {
    let fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| {
        Error::Other("the secret is no JSON object and has no fields; ask for it as `name#`".into())
    })?;
    match fields.get(name) {
        None | Some(Value::Null) => Err(Error::NotFound),
        Some(Value::String(text)) => Ok(text.clone().into_bytes()),
        Some(other) => Ok(other.to_string().into_bytes()),
    }
}

/// The checksum of Castagnoli, bit by bit: values are small.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let byte = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)))
    };
    !bytes.iter().fold(!0, byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(value: &[u8]) -> Vec<u8> {
        let payload = payload(value).unwrap();
        assert_ne!(payload["data"], "", "the service takes no empty value");
        own(read(&payload).unwrap().unwrap())
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(there_and_back(&bytes), bytes);
        }

        #[test]
        fn a_value_that_changed_on_its_way_is_told(bytes in proptest::collection::vec(any::<u8>(), 1..50), at in 0usize..50, bit in 0u8..8) {
            let mut payload = payload(&bytes).unwrap();
            let mut changed = STANDARD.decode(payload["data"].as_str().unwrap()).unwrap();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            payload["data"] = STANDARD.encode(&changed).into();
            prop_assert!(matches!(read(&payload), Some(Err(Error::Other(_)))));
        }
    }

    /// The check value of the catalogue of checksums, and those of RFC 3720.
    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn nothing_and_zeros_are_values_of_their_own() {
        for value in [&b""[..], b"\0", b"\0\0", b"\0a", b"a\0", b"\xff"] {
            assert_eq!(there_and_back(value), value);
        }
        assert_eq!(payload(b"v").unwrap()["data"], "dg==");
    }

    #[test]
    fn a_value_is_as_large_as_the_service_takes() {
        payload(&[b'x'; VALUE_BYTES_MAX]).unwrap();
        for value in [&[b'x'; VALUE_BYTES_MAX + 1][..], &[0; VALUE_BYTES_MAX]] {
            assert!(matches!(payload(value), Err(Error::TooLarge(65_536))));
        }
    }

    #[test]
    fn what_is_no_payload_is_none() {
        for other in [json!(null), json!([]), json!({ "data": 1 }), json!({ "data": "!" })] {
            assert!(read(&other).is_none(), "{other}");
        }
        for other in [json!("1"), json!(1), json!("x"), json!([])] {
            let changed = read(&json!({ "data": "dg==", "dataCrc32c": other }));
            assert!(matches!(changed, Some(Err(Error::Other(_)))), "{other}");
        }
        assert_eq!(read(&json!({ "data": "dg==" })).unwrap().unwrap(), b"v");
        assert_eq!(read(&json!({ "dataCrc32c": "0" })).unwrap().unwrap(), b"");
        let number = json!({ "data": "dg==", "dataCrc32c": crc32c(b"v") });
        assert_eq!(read(&number).unwrap().unwrap(), b"v");
    }

    #[test]
    fn fields_are_texts_or_json() {
        let text = br#"{ "a": "x", "n": 1, "nothing": null }"#;
        assert_eq!(field(text, "a").unwrap(), b"x");
        assert_eq!(field(text, "n").unwrap(), b"1");
        for name in ["nothing", "absent"] {
            assert!(matches!(field(text, name), Err(Error::NotFound)), "{name}");
        }
        assert!(matches!(field(b"text", "a"), Err(Error::Other(_))));
    }
}
