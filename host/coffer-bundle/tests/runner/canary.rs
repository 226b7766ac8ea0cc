//! Looks for a value in every form that a program could have given it.

use std::path::Path;

/// The value that every test has in a sensitive place. Long enough that no form of it is anywhere by chance,
/// and with characters that each encoding writes in another way.
pub(crate) const CANARY: &str = "cnry/7f3a?\"Zq+9 x&wL";

/// Another one.
pub(crate) const OTHER: &str = "othr-5d1e:Kp\\4 m=vB!";

/// Fails if `bytes` has `canary` in it.
pub(crate) fn absent(canary: &str, bytes: &[u8], place: &str) {
    // Every form is plain letters, which stay what they are. The search of the standard library is
    // many times faster than one that is compiled with the tests.
    let text = String::from_utf8_lossy(bytes);
    for (form, written) in forms(canary) {
        assert!(!text.contains(&written), "{place} has the canary, {form}");
    }
}

/// Fails if any file below `directory`, except those below `but`, has it in it.
pub(crate) fn absent_below(canary: &str, directory: &Path, but: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path == but {
            continue;
        }
        if path.is_dir() {
            absent_below(canary, &path, but);
        } else {
            absent(canary, &std::fs::read(&path).unwrap(), &path.display().to_string());
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        absent(canary, name.as_bytes(), "the name of a file");
    }
}

fn forms(canary: &str) -> Vec<(&'static str, String)> {
    use std::fmt::Write as _;
    let hex = canary.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let url = canary.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            write!(url, "%{byte:02X}").unwrap();
        }
        url
    });
    let json = serde_json::to_string(canary).unwrap();
    let mut forms = vec![
        ("as it is", canary.to_owned()),
        ("its first half", canary[..canary.len() / 2].to_owned()),
        ("hexadecimal", hex.to_uppercase()),
        ("hexadecimal", hex),
        ("percent-encoded", url.to_lowercase()),
        ("percent-encoded", url),
        ("JSON", json[1..json.len() - 1].to_owned()),
        ("debug", format!("{canary:?}").trim_matches('"').to_owned()),
        ("bytes", format!("{:?}", canary.as_bytes()).trim_matches(['[', ']']).to_owned()),
    ];
    // Whatever stands before it in the encoded text, one of three alignments is in there.
    for alphabet in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            forms.push(("base64", base64(&canary.as_bytes()[before..], alphabet)));
        }
    }
    forms
}

const STANDARD: [u8; 2] = *b"+/";
const URL_SAFE: [u8; 2] = *b"-_";

/// The whole groups of three bytes only.
fn base64(bytes: &[u8], last: &[u8; 2]) -> String {
    let digit = |index: u32| match index as u8 {
        index @ 0..26 => char::from(b'A' + index),
        index @ 26..52 => char::from(b'a' + index - 26),
        index @ 52..62 => char::from(b'0' + index - 52),
        index => char::from(last[usize::from(index) - 62]),
    };
    let mut text = String::new();
    for group in bytes.chunks_exact(3) {
        let number = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        text.extend([18, 12, 6, 0].map(|shift| digit(number >> shift & 63)));
    }
    text
}

#[test]
fn every_form_is_found() {
    for (form, text) in forms(CANARY) {
        let bytes = format!("before {text} after").into_bytes();
        let found = std::panic::catch_unwind(|| absent(CANARY, &bytes, "a test"));
        assert!(found.is_err(), "{form}");
    }
    absent(CANARY, b"something else", "a test");
    // What the encodings of other programs look like.
    for encoded in ["Y25yeS83ZjNhPyJacSs5IHgmd0w=", "636e72792f376633613f225a712b39207826774c"] {
        let found = std::panic::catch_unwind(|| absent(CANARY, encoded.as_bytes(), "a test"));
        assert!(found.is_err(), "{encoded}");
    }
}
