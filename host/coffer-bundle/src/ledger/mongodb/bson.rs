//! BSON, as far as the ledger's documents and the server's answers have it. A document is a JSON object, whose
//! keys keep their order; bytes are `{"$binary": BASE64}`. Everything from a server is only alleged: it is
//! bounded, and refused where it is not whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

/// Documents in documents. A server's answer to coffer has five.
const DEPTH_MAX: usize = 32;

/// Writes a document.
pub(super) fn write(document: &Map<String, Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_all(document.iter().map(|(name, value)| (name.as_str(), value)), &mut bytes);
    bytes
}

fn write_all<'v>(elements: impl Iterator<Item = (&'v str, &'v Value)>, bytes: &mut Vec<u8>) {
    let begin = bytes.len();
    bytes.extend([0; 4]);
    for (name, value) in elements {
        write_element(name, value, bytes);
    }
    bytes.push(0);
    let length = length(bytes.len() - begin);
    bytes[begin..begin + 4].copy_from_slice(&length);
}

fn write_element(name: &str, value: &Value, bytes: &mut Vec<u8>) {
    let mut head = |kind: u8| {
        bytes.push(kind);
        // Names are ours, and none has a zero in it; a server would refuse what is behind one.
        bytes.extend(name.bytes().filter(|byte| *byte != 0));
        bytes.push(0);
    };
    match value {
        Value::Null => head(0x0a),
        Value::Bool(value) => {
            head(0x08);
            bytes.push(u8::from(*value));
        }
        Value::Number(number) => match number.as_i64() {
            Some(number) => {
                head(0x12);
                bytes.extend(number.to_le_bytes());
            }
            None => {
                head(0x01);
                bytes.extend(number.as_f64().unwrap_or_default().to_le_bytes());
            }
        },
        Value::String(text) => {
            head(0x02);
            bytes.extend(length(text.len() + 1));
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
        Value::Array(values) => {
            head(0x04);
            let names: Vec<String> = (0..values.len()).map(|index| index.to_string()).collect();
            write_all(names.iter().map(String::as_str).zip(values), bytes);
        }
        Value::Object(document) => {
            if let Some(binary) = binary(value) {
                head(0x05);
                bytes.extend(length(binary.len()));
                bytes.push(0);
                bytes.extend(binary);
            } else {
                head(0x03);
                write_all(document.iter().map(|(name, value)| (name.as_str(), value)), bytes);
            }
        }
    }
}

fn length(length: usize) -> [u8; 4] {
    // What is longer than a message can be is refused where messages are sent.
    i32::try_from(length).unwrap_or(i32::MAX).to_le_bytes()
}

/// The bytes that a value stands for.
pub(super) fn binary(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_object().filter(|object| object.len() == 1)?.get("$binary")?.as_str()?;
    BASE64.decode(text).ok()
}

/// A value that stands for bytes.
pub(super) fn of_binary(bytes: &[u8]) -> Value {
    json!({ "$binary": BASE64.encode(bytes) })
}

/// Reads a document that is all of `bytes`; `None` if it is not one.
pub(super) fn read(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = Reader(bytes);
    let document = reader.document(0)?;
    reader.0.is_empty().then_some(document)
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(i32::from_le_bytes(self.number()?)).ok()
    }

    fn name(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let name = self.take(end)?;
        self.take(1)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    fn document(&mut self, depth: usize) -> Option<Map<String, Value>> {
        let length = self.length()?.checked_sub(4)?;
        let mut inside = Reader(self.take(length)?);
        if depth == DEPTH_MAX {
            return None;
        }
        let mut document = Map::new();
        loop {
            let kind = inside.take(1)?[0];
            if kind == 0 {
                return inside.0.is_empty().then_some(document);
            }
            let name = inside.name()?;
            document.insert(name, inside.value(kind, depth)?);
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<Value> {
        Some(match kind {
            0x01 => json!(f64::from_le_bytes(self.number()?)),
            0x02 | 0x0d | 0x0e => {
                let length = self.length()?.checked_sub(1)?;
                let text = String::from_utf8(self.take(length)?.to_vec()).ok()?;
                self.take(1)?;
                text.into()
            }
            0x03 => Value::Object(self.document(depth + 1)?),
            0x04 => Value::Array(self.document(depth + 1)?.into_iter().map(|(_, v)| v).collect()),
            0x05 => {
                let length = self.length()?;
                self.take(1)?;
                of_binary(self.take(length)?)
            }
            0x06 | 0x0a => Value::Null,
            // An id of the server's, and decimals: nothing that the ledger reads.
            0x07 => self.take(12).map(|_| Value::Null)?,
            0x13 => self.take(16).map(|_| Value::Null)?,
            0x08 => Value::Bool(self.take(1)?[0] != 0),
            0x10 => json!(i32::from_le_bytes(self.number()?)),
            // Times are milliseconds.
            0x09 | 0x11 | 0x12 => json!(i64::from_le_bytes(self.number()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_as_the_specification_has_it() {
        let document = json!({ "hello": "world", "n": [1, null, true], "b": of_binary(b"\0\xff") });
        let bytes = write(document.as_object().unwrap());
        let hello = b"\x02hello\0\x06\0\0\0world\0";
        assert_eq!(&bytes[4..4 + hello.len()], hello);
        assert_eq!(bytes.len(), i32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize);
        assert_eq!(Value::Object(read(&bytes).unwrap()), document);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            any::<Vec<u8>>().prop_map(|bytes| of_binary(&bytes)),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z.]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in values()) {
            let document = Map::from_iter([("v".to_owned(), value)]);
            prop_assert_eq!(read(&write(&document)), Some(document));
        }

        #[test]
        fn what_is_not_whole_is_refused(value in values(), cut in any::<prop::sample::Index>()) {
            let bytes = write(&Map::from_iter([("v".to_owned(), value)]));
            prop_assert_eq!(read(&bytes[..cut.index(bytes.len())]), None);
        }

        #[test]
        fn nothing_makes_it_crash(bytes in any::<Vec<u8>>()) {
            drop(read(&bytes));
        }
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        let deep = |depth| {
            let value = (0..depth).fold(Value::Null, |value, _| json!({ "v": value }));
            read(&write(&Map::from_iter([("v".to_owned(), value)])))
        };
        assert!(deep(DEPTH_MAX - 1).is_some());
        assert!(deep(DEPTH_MAX).is_none());
    }
}
