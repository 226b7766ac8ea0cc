//! What is wrong with a bundle. Names and places are shown, values never.

use crate::document::{DocumentError, did_you_mean};
use coffer_host::{Blame, Explain};

/// Why a bundle cannot be run. Whoever wrote the bundle can mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It has no such action.
    #[error("the bundle has no action `{name}`{}", did_you_mean(nearest.as_deref()))]
    Action {
        /// The action, escaped and cut.
        name: String,
        /// The action that was probably meant.
        nearest: Option<String>,
    },
    /// A definition is no JSON Schema.
    #[error("`definitions.{name}` is no JSON Schema: `{keyword}` is wrong{}", within(place))]
    Definition {
        /// The definition.
        name: String,
        /// The keyword that it breaks, of JSON Schema itself.
        keyword: String,
        /// Where in it, as a JSON Pointer.
        place: String,
    },
    /// It depends on other bundles.
    #[error("the bundle depends on other bundles (`{extension}`), which coffer does not install")]
    Dependencies {
        /// The extension that says so.
        extension: String,
    },
    /// It has not the form of a bundle.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It needs an extension that coffer has not.
    #[error("the bundle requires the extension `{name}`, which coffer does not have")]
    Extension {
        /// The extension, escaped and cut.
        name: String,
    },
    /// A field breaks a rule.
    #[error("at `{at}`: {rule}")]
    Field {
        /// Which field.
        at: String,
        /// The rule.
        rule: &'static str,
    },
    /// A field names something that is not there.
    #[error("`{at}` names `{name}`, which is not among {section}{}", did_you_mean(nearest.as_deref()))]
    Missing {
        /// Which field.
        at: String,
        /// What it names, escaped and cut.
        name: String,
        /// Where that should be.
        section: &'static str,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// It is of a version of CNAB that coffer does not know.
    #[error("the bundle is of CNAB version `{version}`; coffer knows 1.0.0, 1.1.0 and 1.2.0")]
    SchemaVersion {
        /// The version, escaped and cut.
        version: String,
    },
    /// Two fields have one destination.
    #[error("`{at}` and `{other}` are the same place, or one is inside the other")]
    Taken {
        /// The one.
        at: String,
        /// The other.
        other: String,
    },
    /// A section has too many entries.
    #[error("the bundle has {count} {section}; at most {max} are allowed", max = super::ENTRIES_MAX)]
    TooMany {
        /// The section.
        section: &'static str,
        /// How many there are.
        count: usize,
    },
}

impl Explain for BundleError {
    fn blame(&self) -> Blame {
        Blame::Requester
    }

    fn next(&self) -> String {
        match self {
            Self::Action { .. } => "use install, upgrade, uninstall, or an action that the bundle declares",
            Self::Definition { .. } => {
                "have the bundle's author correct the definition; it may refer to parts of itself only"
            }
            Self::Dependencies { .. } => "install the bundles that it depends on first, and ask its author for a version without dependencies",
            Self::Document(_)
            | Self::Field { .. }
            | Self::Missing { .. }
            | Self::Taken { .. }
            | Self::TooMany { .. } => "have the bundle's author correct `bundle.json`",
            Self::Extension { .. } => {
                "ask the bundle's author for a version without it, or run the bundle with a tool that has it"
            }
            Self::SchemaVersion { .. } => "have the bundle rebuilt for CNAB 1.2.0",
        }
        .into()
    }
}

fn within(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" at `{place}`") }
}
