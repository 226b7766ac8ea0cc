//! Text that came from a guest or a backend, made fit for a terminal and a log.

use crate::limits;

/// Escapes what is not printable or changes how other characters look, and cuts at
/// [`limits::GUEST_TEXT_BYTES_MAX`].
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len().min(limits::GUEST_TEXT_BYTES_MAX));
    for character in text.chars() {
        if escaped.len() >= limits::GUEST_TEXT_BYTES_MAX {
            escaped.push('…');
            break;
        }
        let plain = character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric();
        if plain {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_unicode());
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected);
        check("a b \u{e4} (1)", "a b \u{e4} (1)");
        check("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}");
        check("line\nline\r", "line\\u{a}line\\u{d}");
        check("\u{202e}gnp.exe", "\\u{202e}gnp.exe");
        check("zero\u{200b}width", "zero\\u{200b}width");
        let long = escape(&"x".repeat(2000));
        assert_eq!(long, format!("{}…", "x".repeat(limits::GUEST_TEXT_BYTES_MAX)));
    }
}
