//! Looks for a value wherever bytes can be, in every form that programs give to bytes.
//!
//! A value that is printed in any of these forms has its core in that form too, whatever stands around it;
//! so the core is looked for, and also the whole value where the form of the rest depends on it.

use crate::stage::{Answer, Stage, walk};
use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A value that must be in its store and nowhere else. Its middle is nothing that is written by chance;
/// its ends are what URL, JSON, YAML and shells each write in a way of their own.
pub(crate) const CANARY: &str = "q\"\\ \u{e4}/+&%Xk7Qv9Zt2Lm4Rp6\n'=$;~?>";

/// The part that every form of the value has whole.
const CORE: &str = "Xk7Qv9Zt2Lm4Rp6";

/// Bytes of a value in the forms that are looked for.
pub(crate) struct Scanner {
    names: Vec<String>,
    automaton: AhoCorasick,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        let mut forms = Vec::new();
        for (what, bytes) in [("core", CORE.as_bytes()), ("value", CANARY.as_bytes())] {
            for (form, bytes) in forms_of(bytes) {
                forms.push((format!("{form} of the {what}"), bytes));
            }
        }
        let automaton = AhoCorasick::new(forms.iter().map(|(_, bytes)| bytes)).unwrap();
        Self { names: forms.into_iter().map(|(name, _)| name).collect(), automaton }
    }

    /// The form in which the value is in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<&str> {
        let found = self.automaton.find(bytes)?;
        Some(&self.names[found.pattern().as_usize()])
    }

    /// The files below `folder` that have the value, in their content or their path.
    pub(crate) fn files(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for path in walk(folder) {
            let in_path = self.find(path.as_os_str().as_bytes());
            let content = fs::read(&path).unwrap_or_default();
            let target = fs::read_link(&path).unwrap_or_default();
            let form = in_path.or(self.find(&content)).or(self.find(target.as_os_str().as_bytes()));
            found.extend(form.map(|form| format!("{}: {form}", path.display())));
        }
        found
    }

    /// Everything that is on a test's machine, but for `allowed`, and where native drivers have files
    /// without a runtime directory.
    #[track_caller]
    pub(crate) fn machine_is_clean(&self, stage: &Stage, allowed: &[&str]) {
        let allowed: Vec<PathBuf> = allowed.iter().map(|path| stage.path(path)).collect();
        let mut found = self.files(&stage.path(""));
        found.retain(|found| {
            let path = Path::new(found.split(": ").next().unwrap());
            !allowed.iter().any(|allowed| path.starts_with(allowed))
        });
        let user = rustix::process::geteuid().as_raw();
        found.extend(self.files(Path::new(&format!("/dev/shm/coffer-{user}"))));
        assert_eq!(found, [""; 0]);
    }

    /// What the binary printed.
    #[track_caller]
    pub(crate) fn answer_is_clean(&self, answer: &Answer) {
        for (stream, bytes) in [("stdout", &answer.stdout), ("stderr", &answer.stderr)] {
            assert_eq!(self.find(bytes), None, "{} of {}", stream, answer.asked);
        }
    }
}

/// The forms that programs give to bytes.
fn forms_of(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lower: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper = lower.to_uppercase();
    let text = std::str::from_utf8(bytes).unwrap();
    let json = serde_json::to_string(text).unwrap();
    let units = |upper: bool| -> String {
        let unit =
            |unit: u16| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        text.encode_utf16().map(unit).collect()
    };
    let ascii: String = text
        .chars()
        .map(|character| match character.is_ascii() {
            true => serde_json::to_string(&character).unwrap().trim_matches('"').to_owned(),
            false => format!("\\u{:04x}", u32::from(character)),
        })
        .collect();
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut forms: Vec<(String, Vec<u8>)> = vec![
        ("the bytes".into(), bytes.to_vec()),
        ("UTF-16".into(), wide),
        ("hexadecimal in lower case".into(), lower.clone().into_bytes()),
        ("hexadecimal in upper case".into(), upper.clone().into_bytes()),
        ("hexadecimal with spaces".into(), spaced(&lower, " ").into_bytes()),
        ("hexadecimal with colons".into(), spaced(&lower, ":").into_bytes()),
        ("URL escapes".into(), url(bytes, false).into_bytes()),
        ("URL escapes of every byte".into(), format!("%{}", spaced(&upper, "%")).into_bytes()),
        ("URL escapes of every byte".into(), format!("%{}", spaced(&lower, "%")).into_bytes()),
        ("URL escapes of a form".into(), url(bytes, true).into_bytes()),
        ("JSON".into(), json.as_bytes()[1..json.len() - 1].to_vec()),
        ("JSON in ASCII".into(), ascii.into_bytes()),
        ("JSON escapes of every character".into(), units(false).into_bytes()),
        ("JSON escapes of every character".into(), units(true).into_bytes()),
        ("what Rust's debug output escapes".into(), text.escape_debug().to_string().into_bytes()),
        ("backwards".into(), bytes.iter().rev().copied().collect()),
    ];
    for alignment in 0..3 {
        let mut shifted = vec![0; alignment];
        shifted.extend_from_slice(bytes);
        // Only the characters that nothing but these bytes is in.
        let (first, end) = ((alignment * 8).div_ceil(6), shifted.len() * 8 / 6);
        for (alphabet, encoded) in [
            ("base64", STANDARD_NO_PAD.encode(&shifted)),
            ("base64 for URLs", URL_SAFE_NO_PAD.encode(&shifted)),
        ] {
            let name = format!("{alphabet} {alignment} bytes after a group's begin");
            forms.push((name, encoded.as_bytes()[first..end].to_vec()));
        }
    }
    forms
}

fn spaced(digits: &str, between: &str) -> String {
    let pairs: Vec<&str> =
        (0..digits.len()).step_by(2).map(|index| &digits[index..index + 2]).collect();
    pairs.join(between)
}

fn url(bytes: &[u8], form: bool) -> String {
    let escape = |byte: &u8| match byte {
        b' ' if form => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => char::from(*byte).into(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(escape).collect()
}

#[test]
fn the_scanner_finds_every_form() {
    let scanner = Scanner::new();
    // Forms made by other programs' rules than the scanner's own, with something around each.
    let around = |middle: &[u8]| [b"before ", middle, b" after"].concat();
    let standard = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let safe = |text: String| base64::engine::general_purpose::URL_SAFE.encode(text);
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02X}")).collect();
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("as it is".into(), CANARY.into()),
        ("cut".into(), CANARY[6..30].into()),
        ("hex".into(), hex.clone().into()),
        ("hex, lower".into(), hex.to_lowercase().into()),
        ("json".into(), serde_json::to_vec(&[CANARY]).unwrap()),
        ("json in json".into(), {
            serde_json::to_vec(&serde_json::to_string(CANARY).unwrap()).unwrap()
        }),
        ("yaml".into(), serde_saphyr::to_string(&CANARY).unwrap().into()),
        ("debug".into(), format!("{CANARY:?}").into()),
        ("debug of bytes as hex".into(), hex.as_bytes().to_vec()),
        (
            "url".into(),
            b"q%22%5C%20%C3%A4%2F%2B%26%25Xk7Qv9Zt2Lm4Rp6%0A%27%3D%24%3B~%3F%3E".to_vec(),
        ),
        ("url, every byte".into(), {
            CANARY.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>().into()
        }),
        ("utf-16".into(), CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("units".into(), {
            CANARY.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>().into()
        }),
    ];
    for before in ["", "x", "xy", "xyz", "user:"] {
        for after in ["", "a", "ab"] {
            let text = format!("{before}{CANARY}{after}");
            cases.push((format!("base64 of {text:?}"), standard(text.clone()).into()));
            cases.push((format!("base64 for URLs of {text:?}"), safe(text).into()));
        }
    }
    for (name, bytes) in cases {
        assert!(scanner.find(&around(&bytes)).is_some(), "{name} was not found");
    }
    for harmless in ["", "*******", "Xk7Qv9Zt2Lm4Rp", "before after"] {
        assert_eq!(scanner.find(harmless.as_bytes()), None, "{harmless}");
    }
}

#[test]
fn the_scanner_looks_into_files_names_and_links() {
    let scanner = Scanner::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("a/b")).unwrap();
    fs::write(path("a/harmless"), MASKED).unwrap();
    assert_eq!(scanner.files(folder.path()), [""; 0]);
    fs::write(path("a/b/content"), [&[0xff; 70_000], CANARY.as_bytes()].concat()).unwrap();
    fs::write(path(CORE), "").unwrap();
    std::os::unix::fs::symlink(CORE, path("a/link")).unwrap();
    assert_eq!(scanner.files(folder.path()).len(), 3);
}

const MASKED: &str = "password: *******";
