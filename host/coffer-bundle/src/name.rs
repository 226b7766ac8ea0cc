//! The names that people give to installations, namespaces and sets.

use coffer_host::{Blame, Explain};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Bytes of a name: it becomes part of file names and of keys, and those are short.
pub const NAME_BYTES_MAX: usize = 128;

/// A name: 1 to [`NAME_BYTES_MAX`] ASCII letters, digits, `.`, `_` and `-`, of which the first is a
/// letter or a digit. So it is never `.` or `..`, never hidden, never an option of a command line, and
/// can be a file name and a segment of a path as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Name(String);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        let fits = |(index, character): (usize, char)| {
            character.is_ascii_alphanumeric() || (index > 0 && matches!(character, '.' | '_' | '-'))
        };
        match text.chars().enumerate().position(|pair| !fits(pair)) {
            None => Ok(Self(text)),
            Some(index) => Err(NameError::Character { position: index + 1 }),
        }
    }
}

/// What is wrong with a name. The name itself is not shown: what stands in its place may be anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has a character that a name cannot have, at least not there.
    #[error(
        "a name has letters, digits, `.`, `_` and `-` and begins with a letter or a digit; \
         character {position} is something else"
    )]
    Character {
        /// Which one, from 1.
        position: usize,
    },
    /// It is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// It is too long.
    #[error("the name has {bytes} bytes; at most {NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl Explain for NameError {
    fn blame(&self) -> Blame {
        Blame::Requester
    }

    fn next(&self) -> String {
        "use another name, for example one like `my-app.2`".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>, reason: &str) {
        let actual = text.parse::<Name>().map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(actual, expected.map_err(str::to_owned), "{text:?}: {reason}");
    }

    #[test]
    fn names_can_be_file_names_and_segments_of_a_path() {
        let rule =
            "a name has letters, digits, `.`, `_` and `-` and begins with a letter or a digit;";
        let first = format!("{rule} character 1 is something else");
        let second = format!("{rule} character 2 is something else");
        check("a", Ok(()), "the shortest");
        check("9", Ok(()), "a digit can begin a name");
        check("My-App_2.1", Ok(()), "everything that is allowed");
        check("a..b", Ok(()), "two dots are harmless inside");
        check("", Err("a name cannot be empty"), "nothing names nothing");
        check(".", Err(&first), "the directory itself");
        check("..", Err(&first), "the directory above");
        check(".a", Err(&first), "hidden");
        check("-a", Err(&first), "an option");
        check("_a", Err(&first), "only letters and digits begin a name");
        check("a/b", Err(&second), "a separator");
        check("a\\b", Err(&second), "a separator elsewhere");
        check("a b", Err(&second), "a space");
        check("a\n", Err(&second), "a line break");
        check("a\u{e4}", Err(&second), "two spellings in Unicode, so two files or one");
        check(&"a".repeat(128), Ok(()), "the longest");
        let long = "the name has 129 bytes; at most 128 are allowed";
        check(&"a".repeat(129), Err(long), "one more");
    }

    #[test]
    fn a_name_in_a_document_is_checked() {
        assert_eq!(serde_json::from_str::<Name>("\"a\"").unwrap().as_str(), "a");
        let error = serde_json::from_str::<Name>("\"canary/\"").unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
