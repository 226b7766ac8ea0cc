//! Names of keys where a backend does not take every byte: injective, and readable where they can be. ASCII letters
//! and digits, `-` and `_` stand for themselves, unless they are the mark; what else does is the plugin's to say. Any
//! other byte is the mark and two hexadecimal digits.

use std::fmt::Write as _;

/// The name of `key`. `stays` is asked of every other byte, with the one before it, whether it stands for itself; the
/// mark must not.
#[must_use]
pub fn escape(key: &str, mark: char, stays: impl Fn(Option<u8>, u8) -> bool) -> String {
    let mut name = String::with_capacity(key.len() + 8);
    let mut previous = None;
    for byte in key.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let plain = plain && char::from(byte) != mark;
        if plain || byte.is_ascii() && stays(previous, byte) {
            name.push(byte.into());
        } else {
            let _ = write!(name, "{mark}{byte:02x}");
        }
        previous = Some(byte);
    }
    name
}

/// The key that may have this name; nothing if none has. Whoever reads names that others can make compares the name
/// of the key with it: `escape` makes one name of each key, and others would read as the same.
#[must_use]
pub fn unescape(name: &str, mark: char) -> Option<String> {
    let mut pieces = name.split(mark);
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The name of `key` where a backend knows no capitals, or takes them for small letters: made of small letters, digits
/// and `-`, and of `joints`. Small letters and digits stand for themselves. Capitals are written small from `--u` on, up
/// to `--l` or the end. A joint stands for itself between others; any other byte is `--` and two hexadecimal digits.
/// So it ends with a letter or a digit, and no joint is beside another or beside a `-`.
#[must_use]
pub fn escape_capitals(key: &str, joints: &[u8]) -> String {
    let mut name = String::with_capacity(key.len() + 8);
    let mut capitals = false;
    let mut turn = |name: &mut String, byte: u8| {
        if byte.is_ascii_alphabetic() && byte.is_ascii_uppercase() != capitals {
            capitals = !capitals;
            name.push_str(if capitals { "--u" } else { "--l" });
        }
    };
    for (index, byte) in key.bytes().enumerate() {
        let next = key.as_bytes().get(index + 1).copied().filter(u8::is_ascii_alphanumeric);
        if byte.is_ascii_alphanumeric() {
            turn(&mut name, byte);
            name.push(byte.to_ascii_lowercase().into());
        } else if let (Some(next), true) = (next, index > 0 && joints.contains(&byte)) {
            // Whatever is to be said of the next one is said before, so that nothing comes between.
            turn(&mut name, next);
            name.push(byte.into());
        } else {
            let _ = write!(name, "--{byte:02x}");
        }
    }
    name
}

/// Whether a reference can have this key. Somebody may have given an entry of the backend's a name by hand that means
/// another one; the host would take a listing with it for broken.
#[must_use]
pub fn can_be_asked_for(key: &str) -> bool {
    let plain = !key.starts_with('/') && !key.chars().any(char::is_control);
    plain
        && key.len() <= KEY_BYTES_MAX
        && !key.split(['/', '\\']).any(|part| part == "." || part == "..")
}

/// Bytes of a key, as `wit/types.wit` says.
const KEY_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of a name: what can be read back is the name of one key only.
    fn read_back(mut name: &str) -> String {
        let mut bytes = Vec::new();
        let mut capitals = false;
        while let Some(byte) = name.bytes().next() {
            if let Some(after) = name.strip_prefix("--u") {
                (capitals, name) = (true, after);
            } else if let Some(after) = name.strip_prefix("--l") {
                (capitals, name) = (false, after);
            } else if let Some(after) = name.strip_prefix("--") {
                bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
                name = &after[2..];
            } else {
                bytes.push(if capitals { byte.to_ascii_uppercase() } else { byte });
                name = &name[1..];
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn capitals_are_told_from_small_letters() {
        for (key, name) in [
            ("", ""),
            ("db.v1-x", "db.v1-x"),
            ("01JDX9-parameter-password", "01--ujdx9--l-parameter-password"),
            ("AbC", "--ua--lb--uc"),
            ("A-B.C", "--ua-b.c"),
            ("a_b", "a--5fb"),
            ("a--b", "a--2d-b"),
            ("a-", "a--2d"),
            ("-a", "--2da"),
            ("a.-b", "a--2e-b"),
            ("..", "--2e--2e"),
            ("a--uB", "a--2d-u--ub"),
            ("\u{e4}\0", "--c3--a4--00"),
        ] {
            assert_eq!(escape_capitals(key, b"-."), name, "{key:?}");
            assert_eq!(read_back(name), key);
        }
        assert_eq!(escape_capitals("a.b-c", b"-"), "a--2eb-c");
    }

    /// Every key of up to five characters from an awkward alphabet.
    #[test]
    fn no_two_keys_have_one_name() {
        let alphabet = ["a", "A", "u", "U", "l", "2", "d", "-", ".", "_", "\u{e4}"];
        let mut keys = vec![String::new()];
        for _ in 0..5 {
            keys = keys
                .iter()
                .flat_map(|key| alphabet.iter().map(move |next| format!("{key}{next}")))
                .collect();
            for key in &keys {
                let name = escape_capitals(key, b"-.");
                assert!(name.ends_with(|last: char| last.is_ascii_alphanumeric()), "{name}");
                assert!(!["..", ".-", "-."].iter().any(|pair| name.contains(pair)), "{name}");
                assert_eq!(read_back(&name), *key, "{name}");
            }
        }
    }

    #[test]
    fn a_name_is_read_back() {
        let dots = |_: Option<u8>, byte| byte == b'.';
        for (key, name) in [
            ("", ""),
            ("a-B_9.x", "a-B_9.x"),
            ("a/b", "a~2fb"),
            ("~", "~7e"),
            ("\u{e4}\0", "~c3~a4~00"),
        ] {
            assert_eq!(escape(key, '~', dots), name, "{key:?}");
            assert_eq!(unescape(name, '~').as_deref(), Some(key), "{name:?}");
        }
        // Asked with the byte before it.
        assert_eq!(escape("..", '%', |previous, _| previous.is_some()), "%2e.");
        assert_eq!(escape("a_b-c", '_', |_, _| false), "a_5fb-c");
        for name in ["~", "a~2", "~zz", "~ff", "~\u{e4}"] {
            assert_eq!(unescape(name, '~'), None, "{name:?}");
        }
    }

    #[test]
    fn what_no_reference_has_cannot_be_asked_for() {
        for key in ["a", "a/b", "...", "a.b/.c", "\u{e4}", &"x".repeat(1024)] {
            assert!(can_be_asked_for(key), "{key:?}");
        }
        for key in ["/a", "a\0", "a\nb", ".", "..", "a/../b", "a\\..", "a/.", &"x".repeat(1025)] {
            assert!(!can_be_asked_for(key), "{key:?}");
        }
    }
}
