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

/// Whether a character could move a cursor, turn the direction of a line, or is not seen at all, so that a text that
/// somebody wrote looks like another one where it is shown.
#[must_use]
pub fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(character, '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
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
        for character in [
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{200b}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(deceives(character), "{character:?}");
        }
        assert!(!"a \u{e4}\u{65e5}\u{1f511}-.".chars().any(deceives));
        let long = escape(&"x".repeat(2000));
        assert_eq!(long, format!("{}…", "x".repeat(limits::GUEST_TEXT_BYTES_MAX)));
    }
}
