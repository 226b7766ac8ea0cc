//! Masking, against a search for every form of every secret at every place. A byte that says how the text is
//! cut; secrets and the text, with the byte 0xff between them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use coffer_host::{MASK, Mask, Secret};
use serde_json::Value;
use std::collections::BTreeSet;

/// Secrets that are looked for; the search is slow.
const SECRETS_MAX: usize = 4;

/// Bytes of a text that is repeated: a little more than a stream holds back.
const LONG_BYTES: usize = 70_000;

pub(crate) fn mask(data: &[u8]) {
    let Some((cut, rest)) = data.split_first() else { return };
    let mut parts: Vec<&[u8]> = rest.split(|byte| *byte == 0xff).collect();
    let text = parts.pop().unwrap_or_default();
    parts.truncate(SECRETS_MAX);
    let secrets: Vec<Secret> = parts.iter().map(|part| Secret::new(part.to_vec())).collect();
    let mut forms = BTreeSet::new();
    parts.iter().for_each(|part| add_forms(part, &mut forms));
    let mask = Mask::new(&secrets);
    let mut text = text.to_vec();
    if *cut == 0xfe && !text.is_empty() && forms.len() < 32 {
        text = text.repeat(LONG_BYTES / text.len() + 1);
    } else {
        text.truncate(LONG_BYTES);
    }
    let (expected, found) = naive(&text, &forms);
    assert_eq!(mask.finds(&text), found);
    let sizes = [text.len().max(1), usize::from(*cut).pow(2) + 1, usize::from(*cut) % 64 + 1, 1];
    // What is held back is searched at every write.
    let sizes = if text.len() > LONG_BYTES { &sizes[..2] } else { &sizes };
    for size in sizes.iter().copied() {
        let mut stream = mask.stream();
        let mut masked = Vec::new();
        for piece in text.chunks(size) {
            masked.extend(stream.write(piece));
        }
        masked.extend(stream.finish());
        if masked != expected {
            let (masked, expected) = (masked.escape_ascii(), expected.escape_ascii());
            panic!("{size} bytes at a time: {masked}\nand not: {expected}");
        }
    }
    if let Ok(text) = std::str::from_utf8(&text) {
        assert_eq!(mask.text(text), String::from_utf8_lossy(&expected));
    }
}

/// The text with the mask in the place of everything that a form covers, and whether one does. What overlaps
/// is one.
fn naive(text: &[u8], forms: &BTreeSet<Vec<u8>>) -> (Vec<u8>, bool) {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for (start, first) in text.iter().enumerate() {
        // Those with the same beginning stand together.
        let here = forms.range(vec![*first]..).take_while(|form| form[0] == *first);
        let here = here.filter(|form| text[start..].starts_with(form));
        let Some(longest) = here.map(Vec::len).max() else { continue };
        let end = start + longest;
        match spans.last_mut() {
            Some((_, last)) if start < *last => *last = end.max(*last),
            _ => spans.push((start, end)),
        }
    }
    let mut masked = Vec::new();
    let mut done = 0;
    for (start, end) in &spans {
        masked.extend_from_slice(&text[done..*start]);
        masked.extend_from_slice(MASK.as_bytes());
        done = *end;
    }
    masked.extend_from_slice(&text[done..]);
    (masked, !spans.is_empty())
}

fn add_forms(secret: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    let trimmed = secret.trim_ascii();
    if trimmed.is_empty() {
        return;
    }
    add_encodings(secret, forms);
    add_encodings(trimmed, forms);
    let lines: Vec<&[u8]> = secret.split(|byte| *byte == b'\n').collect();
    if lines.len() > 1 {
        forms.insert(lines.join(&b"\r\n"[..]));
        for line in lines.iter().map(|line| line.trim_ascii()).filter(|line| line.len() >= 4) {
            add_encodings(line, forms);
        }
    }
    if trimmed.starts_with(b"{") || trimmed.starts_with(b"[") {
        let mut open: Vec<Value> = serde_json::from_slice(trimmed).into_iter().collect();
        while let Some(value) = open.pop() {
            match value {
                Value::Array(items) => open.extend(items),
                Value::Object(entries) => open.extend(entries.into_iter().map(|(_, value)| value)),
                Value::String(text) if text.len() >= 4 => add_encodings(text.as_bytes(), forms),
                Value::Number(number) if number.to_string().len() >= 4 => {
                    add_encodings(number.to_string().as_bytes(), forms);
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }
}

fn add_encodings(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    forms.insert(value.to_vec());
    let mut encoded: Vec<String> = Vec::new();
    encoded.push(value.iter().map(|byte| format!("{byte:02x}")).collect());
    encoded.push(value.iter().map(|byte| format!("{byte:02X}")).collect());
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        encoded.push(engine.encode(value));
    }
    // What does not depend on what stands beside it, found by putting two different things there.
    for engine in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            let beside =
                |byte: u8| engine.encode([&vec![byte; before], value, &[byte; 3][..]].concat());
            let (zeros, ones) = (beside(0), beside(0xff));
            let same = |at: &usize| {
                let byte = zeros.as_bytes()[*at];
                byte == ones.as_bytes()[*at] && byte != b'='
            };
            let kept: Vec<usize> = (0..zeros.len()).filter(same).collect();
            if let [first, .., last] = kept[..]
                && last - first >= 4
            {
                encoded.push(zeros[first..=last].to_owned());
            }
        }
    }
    for plain in ["-._~", "-._~!*'();:@&=+$,/?#", "-._*"] {
        for upper in [false, true] {
            let percent: String = value
                .iter()
                .map(|byte| match byte {
                    byte if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(byte) => {
                        char::from(*byte).to_string()
                    }
                    b' ' if plain == "-._*" => "+".into(),
                    byte if upper => format!("%{byte:02X}"),
                    byte => format!("%{byte:02x}"),
                })
                .collect();
            encoded.push(percent);
        }
    }
    if let Ok(text) = std::str::from_utf8(value) {
        let json = Value::from(text).to_string();
        let inner = &json[1..json.len() - 1];
        encoded.push(inner.to_owned());
        encoded.push(inner.replace('/', "\\/"));
        let ascii = inner.encode_utf16().map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() && !b"<>&'".contains(&byte) => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        });
        encoded.push(ascii.collect());
    }
    forms.extend(encoded.into_iter().filter(|form| form.len() >= 4).map(String::into_bytes));
}
