//! What can stop a run, and what was done until then.

use crate::bundle::{Bundle, BundleError, ValueError};
use crate::driver::DriverError;
use crate::ledger::LedgerError;
use crate::name::NameError;
use crate::package::PackageError;
use crate::spool::SpoolError;
use crate::stores::StoreError;
use coffer_host::{Blame, CallError, Explain};
use std::fmt;

/// Why a run did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFailure {
    /// The bundle does not fit what was asked.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The bundle is not the one of the last run any more.
    #[error("the bundle at {path} is not the one of the last run any more")]
    Changed {
        /// Where it is.
        path: String,
    },
    /// The entry point failed, or could not be run.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// It is there already.
    #[error("the installation `{name}` exists already")]
    Installed {
        /// Its name.
        name: String,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The outputs could not be saved anywhere.
    #[error("the bundle ran, and its outputs are lost: {why}")]
    Lost {
        /// What stopped each attempt.
        why: String,
        /// What to do.
        next: String,
    },
    /// Credentials are required.
    #[error(
        "the bundle requires {}, and no credential set gives {}",
        credentials(names),
        them(names)
    )]
    MissingCredentials {
        /// Their names.
        names: Vec<String>,
    },
    /// Parameters are required.
    #[error("the bundle requires {}, and nothing gives {}", parameters(names), them(names))]
    MissingParameters {
        /// Their names.
        names: Vec<String>,
    },
    /// The name cannot be one.
    #[error("the name of the installation cannot be used: {0}")]
    Name(#[from] NameError),
    /// No bundle was given, and there was no run that had one.
    #[error("no bundle was given, and no run is known that had one")]
    NoBundle,
    /// No name was given, and no bundle that has one.
    #[error("no installation was named, and no bundle that names one was given")]
    NoName,
    /// The parameter is not for this action.
    #[error("the parameter `{name}` is not for the action `{action}`")]
    NotForAction {
        /// The parameter.
        name: String,
        /// The action.
        action: String,
    },
    /// It is not there.
    #[error("cannot {action} `{name}`: it is not installed")]
    NotInstalled {
        /// The action.
        action: String,
        /// Its name.
        name: String,
    },
    /// It is still there.
    #[error("cannot delete `{name}`: it is installed")]
    NotUninstalled {
        /// Its name.
        name: String,
    },
    /// The bundle ran, and what it left does not fit its definitions.
    #[error("the bundle ran, but {}", complaints.join("; "))]
    Outputs {
        /// What is wrong.
        complaints: Vec<String>,
    },
    /// The bundle cannot be read.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Something could not be resolved; nothing ran.
    #[error("{}", resolution(failures))]
    Resolve {
        /// Which, and why.
        failures: Vec<(&'static str, String, CallError)>,
    },
    /// A sensitive value could not be put into its store; nothing ran.
    #[error("failed to save sensitive {what} to secret store: {}", all(failures))]
    Save {
        /// What it was.
        what: &'static str,
        /// Why.
        failures: Vec<CallError>,
    },
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Secrets could not be deleted.
    #[error("not everything was deleted: {}", all(failures))]
    Undeleted {
        /// Why.
        failures: Vec<CallError>,
    },
    /// Nothing can keep a sensitive value; nothing ran and nothing was written.
    #[error(
        "failed to save sensitive {what} to secret store: {subject} does not support persisting secrets: not implemented"
    )]
    Unkept {
        /// What it is.
        what: &'static str,
        /// Which store.
        subject: String,
    },
    /// The bundle has no such parameter.
    #[error("{}", unknown(name, nearest.as_deref(), known))]
    UnknownParameter {
        /// The name, if it resembles one of the bundle's; it may be a value otherwise.
        name: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The bundle ran, and its outputs wait in the spool.
    #[error("the bundle ran, and its outputs are kept, sealed, in the spool: {why}")]
    Unsaved {
        /// The run.
        run: String,
        /// Why they are not in their store.
        why: String,
        /// What to do about that.
        next: String,
    },
    /// A parameter cannot have its value; nothing ran.
    #[error("the parameter `{name}`: {error}")]
    Value {
        /// The parameter.
        name: String,
        /// Why.
        error: ValueError,
    },
}

impl RunFailure {
    pub(super) fn unknown_parameter(name: &str, bundle: &Bundle) -> Self {
        let known: Vec<String> = bundle.parameters().keys().cloned().collect();
        let nearest = crate::document::nearest(name, known.iter().map(String::as_str));
        Self::UnknownParameter {
            // Only what resembles a name of the bundle's: `Debug` shows it as well.
            name: if nearest.is_some() { crate::document::shown(name) } else { String::new() },
            nearest,
            known,
        }
    }

    /// Whether the entry point ran, so that there may be something to clean up.
    #[must_use]
    pub fn ran(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Outputs { .. } | Self::Unsaved { .. } => true,
            Self::Driver(error) => matches!(error, DriverError::Failed { .. }),
            _ => false,
        }
    }
}

impl Explain for RunFailure {
    fn blame(&self) -> Blame {
        match self {
            Self::Bundle(error) => error.blame(),
            Self::Driver(error) => error.blame(),
            Self::Ledger(error) => error.blame(),
            Self::Lost { .. } | Self::Unkept { .. } | Self::Unsaved { .. } => Blame::Operator,
            Self::Package(error) => error.blame(),
            Self::Resolve { failures } => {
                failures.first().map_or(Blame::Host, |(_, _, error)| error.blame())
            }
            Self::Save { failures, .. } | Self::Undeleted { failures } => {
                failures.first().map_or(Blame::Host, CallError::blame)
            }
            Self::Spool(error) => error.blame(),
            Self::Store(error) => error.blame(),
            Self::Changed { .. }
            | Self::Installed { .. }
            | Self::MissingCredentials { .. }
            | Self::MissingParameters { .. }
            | Self::Name(_)
            | Self::NoBundle
            | Self::NoName
            | Self::NotForAction { .. }
            | Self::NotInstalled { .. }
            | Self::NotUninstalled { .. }
            | Self::Outputs { .. }
            | Self::UnknownParameter { .. }
            | Self::Value { .. } => Blame::Requester,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Bundle(error) => error.next(),
            Self::Changed { .. } => "give the bundle that is meant with `--bundle`".into(),
            Self::Driver(error) => error.next(),
            Self::Installed { name } => {
                format!("run `coffer upgrade {name}`, or choose another name")
            }
            Self::Ledger(error) => error.next(),
            Self::Lost { next, .. } => format!("{next}, and run the bundle again"),
            Self::MissingCredentials { names } => format!(
                "apply a credential set that has `{}` with `coffer credentials apply FILE`, and name it \
                 with `--credential-set`",
                names.join("`, `")
            ),
            Self::MissingParameters { names } => {
                let given: Vec<String> =
                    names.iter().map(|name| format!("--param {name}=VALUE")).collect();
                format!("add {}; `@FILE` in the place of VALUE reads a file, `-` asks for it", given.join(" "))
            }
            Self::Name(_) => "name the installation on the command line".into(),
            Self::NoBundle | Self::NoName => "give the bundle with `--bundle`".into(),
            Self::NotForAction { .. } => "leave it out".into(),
            Self::NotInstalled { name, .. } => format!(
                "run `coffer install {name} --bundle DIR`; `coffer installations list` shows what there is"
            ),
            Self::NotUninstalled { name } => format!("run `coffer uninstall {name} --delete`"),
            Self::Outputs { .. } => "have the bundle's author mend it".into(),
            Self::Package(error) => error.next(),
            Self::Resolve { failures } => {
                failures.first().map_or_else(String::new, |(_, _, error)| error.next())
            }
            Self::Save { failures, .. } => {
                failures.first().map_or_else(String::new, CallError::next)
            }
            Self::Spool(error) => error.next(),
            Self::Store(error) => error.next(),
            Self::Undeleted { failures } => format!(
                "{}, and run `coffer runs recover`",
                failures.first().map_or_else(String::new, CallError::next)
            ),
            Self::Unkept { .. } => {
                "choose a store that keeps secrets; for local use, add this line to the configuration \
                 file:\n\n    default-secrets-plugin: \"filesystem\"\n"
                    .into()
            }
            Self::UnknownParameter { .. } => "give one that the bundle has".into(),
            Self::Unsaved { next, .. } => format!("{next}, and run `coffer runs recover`"),
            Self::Value { error, .. } => error.next(),
        }
    }
}

fn resolution(failures: &[(&'static str, String, CallError)]) -> String {
    use fmt::Write as _;
    let kinds = ["credential", "parameter"];
    let mut text = String::new();
    for kind in kinds {
        let mut these = failures.iter().filter(|(failed, _, _)| *failed == kind).peekable();
        if these.peek().is_none() {
            continue;
        }
        if !text.is_empty() {
            text.push_str("; ");
        }
        let _ = write!(text, "could not resolve {kind}s before running the bundle: ");
        let each: Vec<String> =
            these.map(|(_, name, error)| format!("{kind} `{name}`: {error}")).collect();
        text.push_str(&each.join("; "));
    }
    text
}

fn all(failures: &[CallError]) -> String {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn credentials(names: &[String]) -> String {
    listed(if names.len() == 1 { "the credential" } else { "the credentials" }, names)
}

fn parameters(names: &[String]) -> String {
    listed(if names.len() == 1 { "the parameter" } else { "the parameters" }, names)
}

fn listed(what: &str, names: &[String]) -> String {
    format!("{what} `{}`", names.join("`, `"))
}

fn them(names: &[String]) -> &'static str {
    if names.len() == 1 { "it" } else { "them" }
}

/// A name that resembles none of the bundle's is not shown: it may be a value whose name was left out, such
/// as the padded base64 of one.
fn unknown(name: &str, nearest: Option<&str>, known: &[String]) -> String {
    match (nearest, known) {
        (Some(nearest), _) => {
            format!("the bundle has no parameter `{name}`; did you mean `{nearest}`?")
        }
        (None, []) => "a parameter was given, and the bundle has none".to_owned(),
        (None, known) => {
            format!(
                "a parameter was given that the bundle does not have; it has `{}`",
                known.join("`, `")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_in_the_place_of_a_name_is_not_shown() {
        let bundle = Bundle::parse(json!({
            "schemaVersion": "1.2.0", "name": "b", "version": "1.0.0",
            "invocationImages": [{ "imageType": "wasm", "image": "x.wasm" }],
            "definitions": { "text": { "type": "string" } },
            "parameters": { "password":
                { "definition": "text", "destination": { "env": "PASSWORD" } } },
        }))
        .unwrap();
        let meant = RunFailure::unknown_parameter("passwort", &bundle).to_string();
        assert_eq!(meant, "the bundle has no parameter `passwort`; did you mean `password`?");
        // `--param` was given the base64 of a value, whose padding looks like `NAME=`.
        let value = RunFailure::unknown_parameter("Y2FuYXJ5LXZhbHVl", &bundle);
        assert!(!format!("{value} {value:?}").contains("Y2FuYXJ5"), "{value}");
    }
}
