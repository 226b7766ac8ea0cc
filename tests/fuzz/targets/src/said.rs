//! What holds for every text that coffer shows, whatever it is about.

use coffer_host::Explain;
use serde_json::Value;

/// A value that is put where a secret may be, and that nothing may show.
pub(crate) const CANARY: &str = "canary-5f1c9e";

/// Bytes of an error. A thousand bytes of somebody's text, each written as `\u{1b}`, and our own words.
const ERROR_BYTES_MAX: usize = 12_000;

/// Checks an error and what to do next.
#[track_caller]
pub(crate) fn explained(error: &impl Explain) -> String {
    let text = error.to_string();
    line(&text);
    let next = error.next();
    assert!(!next.trim().is_empty(), "{text}: nothing to do next");
    next.lines().for_each(line);
    assert!(next.len() <= ERROR_BYTES_MAX, "{} bytes of {next:?}", next.len());
    let all = format!("{text}\n{error:?}\n{next}");
    lacks_canary(&all);
    all
}

/// Checks one line: bounded, with nothing in it that would do something to a terminal.
#[track_caller]
pub(crate) fn line(text: &str) {
    let plain = |character: char| {
        character == ' '
            || character == '…'
            || character.is_ascii_graphic()
            || character.is_alphanumeric()
            // A symbol that is printed as it is.
            || character.escape_debug().eq([character])
    };
    assert!(text.chars().all(plain), "{text:?}");
    assert!(text.len() <= ERROR_BYTES_MAX, "{} bytes of {text:?}", text.len());
}

/// Whether an input has itself what is planted, such as in a name, which may be shown. A fuzzer finds out what it is
/// compared with.
pub(crate) fn has_canary(data: &[u8]) -> bool {
    data.windows(CANARY.len()).any(|part| part == CANARY.as_bytes())
}

#[track_caller]
pub(crate) fn lacks_canary(text: &str) {
    assert!(!text.contains(CANARY), "{text}");
}

/// The places of the texts in `document`, as JSON pointers.
pub(crate) fn texts(document: &Value) -> Vec<String> {
    fn walk(value: &Value, place: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(place.to_owned()),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{place}/{index}"), found);
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    walk(value, &format!("{place}/{key}"), found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    walk(document, "", &mut found);
    found
}

/// What of [`line()`] is the rule for texts of guests, written down once more: escaped, and cut where 1024
/// bytes are reached.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if escaped.len() >= 1024 {
            return escaped + "…";
        }
        if character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric() {
            escaped.push(character);
        } else {
            escaped += &format!("\\u{{{:x}}}", u32::from(character));
        }
    }
    escaped
}
