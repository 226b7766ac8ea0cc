//! Names of keys where a backend does not take every byte: injective, and readable where they can be. ASCII letters
//! and digits, `-` and `_` stand for themselves; what else does is the plugin's to say. Any other byte is a mark
//! and two hexadecimal digits.

use std::fmt::Write as _;

/// The name of `key`. `stays` is asked of every other byte, with the one before it, whether it stands for itself; the
/// mark must not.
#[must_use]
pub fn escape(key: &str, mark: char, stays: impl Fn(Option<u8>, u8) -> bool) -> String {
    let mut name = String::with_capacity(key.len() + 8);
    let mut previous = None;
    for byte in key.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
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

#[cfg(test)]
mod tests {
    use super::*;

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
        for name in ["~", "a~2", "~zz", "~ff", "~\u{e4}"] {
            assert_eq!(unescape(name, '~'), None, "{name:?}");
        }
    }
}
