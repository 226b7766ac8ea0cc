//! Commands: which argv a grant covers.

use serde::Deserialize;

/// Arguments of a command, the program included.
const ARGUMENTS_MAX: usize = 64;

/// Bytes of one argument.
const ARGUMENT_BYTES_MAX: usize = 4096;

/// What stands for any one argument in a pattern.
const ANY: &str = "*";

/// An argv that may run, word by word. `*` covers exactly one argument, unless that begins with `-`:
/// what can name a secret should not be able to switch an option on. Everything else is exact, the
/// program always.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct ArgvPattern(Vec<String>);

impl ArgvPattern {
    pub(crate) fn covers(&self, argv: &[String]) -> bool {
        let word = |(wanted, asked): (&String, &String)| {
            wanted == asked || (wanted == ANY && !asked.starts_with('-'))
        };
        self.0.len() == argv.len() && self.0.iter().zip(argv).all(word)
    }

    /// Whether every argv that `other` covers is covered.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        // `*` stands for itself here, and begins with no `-`, as nothing that it covers does.
        self.covers(&other.0)
    }

    /// Whether it covers one argv and no other.
    pub(crate) fn is_exact(&self) -> bool {
        !self.0.iter().any(|word| word == ANY)
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for ArgvPattern {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        match words.first().map(String::as_str) {
            None | Some("") => Err("a granted command needs a program".into()),
            Some(ANY) => Err("the program of a granted command is exact; it cannot be `*`".into()),
            Some(program) if program.contains('/') && !program.starts_with('/') => Err(
                "the program of a granted command is a name to be found on PATH or an absolute path"
                    .into(),
            ),
            Some(_) if !within_bounds(&words) => Err(format!(
                "a command has at most {ARGUMENTS_MAX} arguments of {ARGUMENT_BYTES_MAX} bytes, and no NUL"
            )),
            Some(_) => Ok(Self(words)),
        }
    }
}

/// Whether an argv is one that an operating system takes and a person can read.
pub(crate) fn within_bounds(argv: &[String]) -> bool {
    let argument =
        |argument: &String| argument.len() <= ARGUMENT_BYTES_MAX && !argument.contains('\0');
    argv.len() <= ARGUMENTS_MAX && argv.iter().all(argument)
}

/// Proof that a grant covers one argv.
#[derive(Debug)]
#[must_use]
pub struct CommandPermit {
    pub(crate) argv: Vec<String>,
}

impl CommandPermit {
    /// The program: a name to be found on `PATH`, or an absolute path.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.argv[0]
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.argv[1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn patterns_cover_word_by_word() {
        let check = |pattern: &str, argv: &str, expected: bool| {
            let pattern = ArgvPattern::try_from(words(pattern)).unwrap();
            assert_eq!(pattern.covers(&words(argv)), expected, "{:?} covers {argv}", pattern.0);
        };
        check("pass show *", "pass show db", true);
        check("pass show *", "pass show", false);
        check("pass show *", "pass show db x", false);
        check("pass show *", "pass rm db", false);
        check("pass show *", "/usr/bin/pass show db", false);
        check("pass show *", "pass show --clip", false);
        check("pass show *", "pass show -", false);
        check("pass show --clip", "pass show --clip", true);
        check("pass * show", "pass x show", true);
        check("date", "date", true);
        check("date", "date -u", false);
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for malformed in
            [vec![], words(""), words("*"), words("* show"), words("./x"), words("a\0")]
        {
            assert!(ArgvPattern::try_from(malformed.clone()).is_err(), "{malformed:?}");
        }
        let long = |count, bytes| vec!["a".repeat(bytes); count];
        assert!(ArgvPattern::try_from(long(ARGUMENTS_MAX, ARGUMENT_BYTES_MAX)).is_ok());
        assert!(ArgvPattern::try_from(long(ARGUMENTS_MAX + 1, 1)).is_err());
        assert!(ArgvPattern::try_from(long(1, ARGUMENT_BYTES_MAX + 1)).is_err());
    }
}
