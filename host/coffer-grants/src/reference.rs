//! References: what names one secret.

use crate::blame::{Blame, Explain};
use std::fmt;
use std::str::FromStr;

/// Bytes of a key. Longer than what any backend takes (Azure 127, Kubernetes 253, AWS 512 characters)
/// and short enough that a key is never a way to move data.
pub const KEY_BYTES_MAX: usize = 1024;

/// Where a secret comes from; Porter calls it `KeyName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The standard output of a command on the operator's machine.
    Command,
    /// An environment variable.
    Env,
    /// A file.
    Path,
    /// An entry of a plugin's backend.
    Secret,
    /// The key itself is the value.
    Value,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 5] = [Self::Command, Self::Env, Self::Path, Self::Secret, Self::Value];

    /// The name, as in Porter's protocol and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Env => "env",
            Self::Path => "path",
            Self::Secret => "secret",
            Self::Value => "value",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Source {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::ALL
            .into_iter()
            .find(|source| source.name() == text)
            .ok_or_else(|| ReferenceError::UnknownSource(escape(text)))
    }
}

/// Names one secret. Holding one proves that the key was checked:
/// - it has 1 to [`KEY_BYTES_MAX`] bytes and no control character;
/// - for [`Source::Secret`], it does not begin with `/` and none of its segments is `.` or `..`;
/// - for [`Source::Env`], it could be a variable's name: no `=`.
///
/// The key of [`Source::Value`] is a value itself, so it is exempt from the length and the characters,
/// and neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    source: Source,
    key: String,
}

impl Reference {
    /// Checks `key` for `source`.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] says which rule the key breaks.
    pub fn new(source: Source, key: impl Into<String>) -> Result<Self, ReferenceError> {
        let key = key.into();
        if source == Source::Value {
            return Ok(Self { source, key });
        }
        if key.is_empty() {
            return Err(ReferenceError::Empty(source));
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(ReferenceError::TooLong { of: source, bytes: key.len() });
        }
        let broken = |rule| ReferenceError::Malformed { of: source, key: escape(&key), rule };
        if key.chars().any(char::is_control) {
            return Err(broken("it has a control character"));
        }
        match source {
            Source::Env if key.contains('=') => return Err(broken("it has a `=`")),
            Source::Secret if key.starts_with('/') => return Err(broken("it begins with `/`")),
            Source::Secret if key.split(['/', '\\']).any(|part| part == "." || part == "..") => {
                return Err(broken("it has a segment `.` or `..`"));
            }
            Source::Command | Source::Env | Source::Path | Source::Secret | Source::Value => {}
        }
        Ok(Self { source, key })
    }

    /// A reference of [`Source::Secret`].
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] says which rule the key breaks.
    pub fn secret(key: impl Into<String>) -> Result<Self, ReferenceError> {
        Self::new(Source::Secret, key)
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The key. Of [`Source::Value`] it is the value, and must not be shown.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// `source key`, or `value ***`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Value => write!(f, "{} ***", self.source),
            Source::Command | Source::Env | Source::Path | Source::Secret => {
                write!(f, "{} {}", self.source, self.key)
            }
        }
    }
}

/// As [`Display`](fmt::Display), so that no value is shown.
impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}

/// What is wrong with a reference. Always the requester's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The key is empty.
    #[error("the key of a reference of source `{0}` is empty")]
    Empty(Source),
    /// The key breaks a rule of its source.
    #[error("the key `{key}` cannot be used with the source `{source}`: {rule}", source = .of)]
    Malformed {
        /// The source.
        of: Source,
        /// The key, escaped and cut.
        key: String,
        /// The rule.
        rule: &'static str,
    },
    /// The key is too long.
    #[error(
        "the key of a reference of source `{source}` is {bytes} bytes long; at most {max} are allowed",
        source = .of, max = KEY_BYTES_MAX
    )]
    TooLong {
        /// The source.
        of: Source,
        /// Its length in bytes.
        bytes: usize,
    },
    /// There is no such source.
    #[error(
        "`{0}` is not a source of secrets; the sources are command, env, path, secret and value"
    )]
    UnknownSource(String),
}

impl Explain for ReferenceError {
    fn blame(&self) -> Blame {
        Blame::Requester
    }

    fn next(&self) -> String {
        "use a key that keeps to this".into()
    }
}

/// Characters of a name that are quoted in a message.
const QUOTED_CHARACTERS_MAX: usize = 64;

/// Makes `text` fit for a message: control, bidirectional and invisible characters are escaped, and it
/// is cut at [`QUOTED_CHARACTERS_MAX`] characters.
pub(crate) fn escape(text: &str) -> String {
    escape_within(text, QUOTED_CHARACTERS_MAX)
}

/// [`escape`] for a whole message that quotes somebody, cut at `characters_max`.
pub(crate) fn escape_within(text: &str, characters_max: usize) -> String {
    let mut escaped = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == characters_max {
            escaped.push('…');
            break;
        }
        if character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric() {
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

    fn check(source: Source, key: &str, expected: Result<(), &str>) {
        let actual = Reference::new(source, key).map(|_| ()).map_err(|error| {
            assert_eq!(error.blame(), Blame::Requester);
            assert!(error.next().contains("use a key"), "{}", error.next());
            error.to_string()
        });
        match (&actual, expected) {
            (Ok(()), Ok(())) => {}
            (Err(actual), Err(expected)) if actual.contains(expected) => {}
            _ => panic!("{source} {key:?}: {actual:?}, not {expected:?}"),
        }
    }

    #[test]
    fn keys_are_checked_for_their_source() {
        use Source::{Command, Env, Path, Secret, Value};
        check(Secret, "a", Ok(()));
        check(Secret, "v1/connection string", Ok(()));
        check(Secret, "https://vault.example/secrets/name/version", Ok(()));
        check(Secret, "...", Ok(()));
        check(Secret, "a..b", Ok(()));
        check(Secret, "\u{e4}", Ok(()));
        check(Secret, "", Err("is empty"));
        check(Secret, "..", Err("segment"));
        check(Secret, ".", Err("segment"));
        check(Secret, "a/../b", Err("segment"));
        check(Secret, "a/..", Err("segment"));
        check(Secret, "a\\..\\b", Err("segment"));
        check(Secret, "/etc/passwd", Err("begins with `/`"));
        check(Secret, "a\nb", Err("a\\u{a}b"));
        check(Secret, "a\0", Err("control character"));
        check(Secret, "a\u{85}", Err("control character"));
        check(Env, "HOME", Ok(()));
        check(Env, "A=B", Err("`=`"));
        check(Path, "/etc/passwd", Ok(()));
        check(Path, "../x", Ok(()));
        check(Path, "", Err("is empty"));
        check(Command, "pass show x", Ok(()));
        check(Command, "a\nb", Err("control character"));
        check(Value, "", Ok(()));
        check(Value, "a\nb\0", Ok(()));
        check(Value, &"a".repeat(10_000), Ok(()));
    }

    #[test]
    fn the_longest_key_fits() {
        check(Source::Secret, &"a".repeat(KEY_BYTES_MAX), Ok(()));
        check(Source::Secret, &"a".repeat(KEY_BYTES_MAX + 1), Err("1025 bytes long; at most 1024"));
    }

    #[test]
    fn a_value_is_not_shown() {
        let reference = Reference::new(Source::Value, "canary").unwrap();
        assert_eq!(format!("{reference} {reference:?}"), "value *** Reference(value ***)");
        let reference = Reference::secret("k").unwrap();
        assert_eq!(format!("{reference} {reference:?}"), "secret k Reference(secret k)");
    }

    #[test]
    fn sources_have_porters_names() {
        for source in Source::ALL {
            assert_eq!(source.name().parse(), Ok(source));
        }
        for unknown in ["", "Secret", "ENV", "file"] {
            assert!(unknown.parse::<Source>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(escape("a b-\u{e4}"), "a b-\u{e4}");
        assert_eq!(escape("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(escape("\u{202e}"), "\\u{202e}");
        assert_eq!(escape(&"x".repeat(100)), format!("{}…", "x".repeat(64)));
    }
}
