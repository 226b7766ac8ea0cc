//! What is wrong with a set.

use super::ENTRIES_MAX;
use crate::document::{DocumentError, did_you_mean};
use coffer_host::{Blame, Explain};

/// What is wrong with a set. Nothing that stands in a source is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// It has not the form of a set.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// What stands for a key is none.
    #[error("at `{at}`: {rule}")]
    Key {
        /// Where.
        at: String,
        /// The rule.
        rule: String,
    },
    /// It is a set of the other kind.
    #[error("this is no set of `schemaType: {expected}`")]
    Kind {
        /// What was expected.
        expected: &'static str,
    },
    /// An entry has several sources.
    #[error("at `{at}`: `{name}` has more than one source")]
    ManySources {
        /// Where.
        at: String,
        /// The entry, escaped and cut.
        name: String,
    },
    /// An entry's name cannot be that of a parameter or a credential.
    #[error("at `{at}.name`: {rule}")]
    Name {
        /// Where.
        at: String,
        /// The rule.
        rule: &'static str,
    },
    /// The set's own name or namespace is wrong.
    #[error("at `{at}`: {rule}")]
    Named {
        /// Which of them.
        at: &'static str,
        /// The rule.
        rule: String,
    },
    /// An entry has no source.
    #[error("at `{at}`: `{name}` has no source")]
    NoSource {
        /// Where.
        at: String,
        /// The entry, escaped and cut.
        name: String,
    },
    /// There is no such source.
    #[error(
        "at `{at}`: there is no source of this name, only command, env, path, secret and value{}",
        did_you_mean(nearest.as_deref())
    )]
    Source {
        /// Where.
        at: String,
        /// The source that was probably meant.
        nearest: Option<String>,
    },
    /// There are too many entries.
    #[error("the set has {count} entries; at most {ENTRIES_MAX} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// Two entries have one name.
    #[error("at `{at}`: there is an entry `{name}` before this one")]
    Twice {
        /// The second.
        at: String,
        /// Its name, escaped and cut.
        name: String,
    },
    /// It is of a version that coffer does not know.
    #[error("the set has an unknown `schemaVersion`; coffer knows {known}")]
    Version {
        /// The known ones.
        known: String,
    },
}

impl Explain for SetError {
    fn blame(&self) -> Blame {
        Blame::Requester
    }

    fn next(&self) -> String {
        match self {
            Self::Kind { expected: "CredentialSet" } => {
                "use `coffer credentials` for credential sets only"
            }
            Self::Kind { .. } => "use `coffer parameters` for parameter sets only",
            Self::Document(_) | Self::Name { .. } | Self::Named { .. } | Self::TooMany { .. } => {
                "correct the file"
            }
            Self::Key { .. }
            | Self::ManySources { .. }
            | Self::NoSource { .. }
            | Self::Source { .. } => {
                "give the entry one source, for example `source: {secret: KEY}`"
            }
            Self::Twice { .. } => "remove one of the two entries",
            Self::Version { .. } => {
                "write the set in a version that coffer knows, or leave the version out"
            }
        }
        .into()
    }
}
