//! What can go wrong with a run. No value is in any message; text of a bundle is cut and escaped.

use super::limits;
use coffer_host::{Blame, Explain, FilesError, LoadError};
use std::io;
use std::time::Duration;

/// Why a run could not be started, or did not end by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Somebody asked for its end.
    #[error("the run was cancelled")]
    Cancelled,
    /// The bundle's component cannot be loaded.
    #[error("the bundle's entry point cannot be loaded")]
    Component(#[source] LoadError),
    /// The bundle's component was not read.
    #[error("the bundle's entry point is a component, and its bytes are not at hand")]
    ComponentMissing,
    /// It stopped in the middle.
    #[error("{0}")]
    Crashed(String),
    /// The time was up.
    #[error("{what} was still running after {}", humantime::format_duration(*after))]
    Deadline {
        /// What was running.
        what: String,
        /// How long it had.
        after: Duration,
    },
    /// A step with the container failed.
    #[error("docker could not {step} (exit status {status})")]
    Docker {
        /// What was tried.
        step: &'static str,
        /// With what docker ended.
        status: i32,
    },
    /// The name of a variable is none.
    #[error("the bundle wants a variable of the name `{name}`, which is no name of a variable")]
    EnvironmentName {
        /// The name, escaped.
        name: String,
    },
    /// A variable's value is no text.
    #[error("the value for the variable `{name}` is not text: it is not UTF-8, or has a zero byte")]
    EnvironmentNotText {
        /// The variable.
        name: String,
    },
    /// A variable would reach the driver, not only the bundle.
    #[error("the bundle wants to set the variable `{name}`, which changes the driver itself")]
    EnvironmentReserved {
        /// The variable.
        name: String,
    },
    /// A variable's value is too long for the system.
    #[error(
        "the value for the variable `{name}` is longer than a variable can be ({} bytes)",
        limits::VARIABLE_BYTES_MAX
    )]
    EnvironmentTooLong {
        /// The variable.
        name: String,
    },
    /// It ended by itself and did not succeed.
    #[error("the bundle's entry point failed: exit status {status}")]
    Failed {
        /// With what it ended; 128 and the number of the signal if it was one.
        status: i32,
    },
    /// A file's content is no text.
    #[error("the content for the file `{path}` is not UTF-8, and this driver takes text only")]
    FileNotText {
        /// The path, escaped.
        path: String,
    },
    /// The files do not fit.
    #[error("the file `{path}` cannot be given to the entry point")]
    Files {
        /// The path, escaped.
        path: String,
        /// Why.
        source: FilesError,
    },
    /// The image's reference is none.
    #[error("`{reference}` is no reference of an image with the digest that belongs to it")]
    ImageReference {
        /// The reference, escaped.
        reference: String,
    },
    /// The name of the driver is none.
    #[error("`{name}` is no driver: there are wasm, docker and command:NAME")]
    Name {
        /// The name, escaped.
        name: String,
    },
    /// An output is there and cannot be taken.
    #[error("the output `{name}` cannot be taken: {refused}")]
    Output {
        /// The output, escaped.
        name: String,
        /// Why.
        refused: OutputRefused,
    },
    /// A path leads elsewhere.
    #[error(
        "the path `{path}` is refused: paths are absolute, without `.` and `..`, and those of outputs \
         are below /cnab/app/outputs/"
    )]
    Path {
        /// The path, escaped.
        path: String,
    },
    /// It did not say what it handles.
    #[error("`{program} --handles` failed (exit status {status})")]
    Probe {
        /// The program.
        program: String,
        /// With what it ended.
        status: i32,
    },
    /// A program is not there.
    #[error("there is no program `{program}` on PATH")]
    ProgramMissing {
        /// The program.
        program: String,
    },
    /// The id of the run cannot be part of a name.
    #[error("the id of the run is not letters and digits")]
    RunId,
    /// There is no place for files.
    #[error("the directory for the run's files cannot be used")]
    Scratch(#[source] io::Error),
    /// A program is there and cannot be run.
    #[error("the program `{program}` cannot be run")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program answered too much.
    #[error("the answer of {what} is longer than {bytes_max} bytes")]
    TooLong {
        /// What answered.
        what: String,
        /// Bytes that are read.
        bytes_max: usize,
    },
    /// The driver is not for such images.
    #[error("the driver {driver} does not run images of the kind `{kind}`")]
    Unhandled {
        /// The driver.
        driver: String,
        /// The kind, escaped.
        kind: String,
    },
}

/// Why an output that is there cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputRefused {
    /// It is something else than a file of its own, or the way to it leads through a link.
    #[error("it is no plain file, or the way to it leads through a link")]
    NotFile,
    /// It is too long.
    #[error(
        "it is longer than {} MiB, or all outputs together than {} MiB",
        limits::OUTPUT_BYTES_MAX >> 20,
        limits::OUTPUTS_BYTES_MAX >> 20
    )]
    TooLarge,
    /// The system does not let it be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

impl Explain for DriverError {
    fn blame(&self) -> Blame {
        match self {
            Self::Component(error) => match error.blame() {
                Blame::Host => Blame::Host,
                Blame::Backend | Blame::Operator | Blame::Plugin | Blame::Requester => {
                    Blame::Requester
                }
            },
            Self::Docker { .. } | Self::Scratch(_) => Blame::Host,
            Self::Name { .. }
            | Self::Probe { .. }
            | Self::ProgramMissing { .. }
            | Self::Start { .. }
            | Self::TooLong { .. }
            | Self::Unhandled { .. } => Blame::Operator,
            // The bundle, or whoever chose its values.
            Self::Cancelled
            | Self::ComponentMissing
            | Self::Crashed(_)
            | Self::Deadline { .. }
            | Self::EnvironmentName { .. }
            | Self::EnvironmentNotText { .. }
            | Self::EnvironmentReserved { .. }
            | Self::EnvironmentTooLong { .. }
            | Self::Failed { .. }
            | Self::FileNotText { .. }
            | Self::Files { .. }
            | Self::ImageReference { .. }
            | Self::Output { .. }
            | Self::Path { .. }
            | Self::RunId => Blame::Requester,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Cancelled => "run it again; what the bundle did so far was not undone".into(),
            Self::Component(error) => error.next(),
            Self::ComponentMissing => "pull the bundle again".into(),
            Self::Crashed(_) | Self::Failed { .. } => {
                "read what the bundle wrote, and run it again when the cause is mended".into()
            }
            Self::Deadline { .. } => "see what it waits for, and run it again".into(),
            Self::Docker { .. } => {
                "read what docker wrote; `docker version` says whether its engine answers".into()
            }
            Self::EnvironmentNotText { .. } | Self::EnvironmentTooLong { .. } => {
                "let the bundle take this value as a file (`destination: { path: .. }`)".into()
            }
            Self::EnvironmentName { .. } => {
                "let the bundle take this value under another name".into()
            }
            Self::EnvironmentReserved { .. } => {
                "let the bundle take this value under another name, or as a file".into()
            }
            Self::FileNotText { .. } => {
                "let the bundle take this value in base64, or use the wasm or docker driver".into()
            }
            Self::Files { .. } | Self::Path { .. } | Self::Output { .. } => {
                "tell whoever wrote the bundle".into()
            }
            Self::ImageReference { .. } => "see `invocationImages` in the bundle.json".into(),
            Self::Name { .. } => "name one of them".into(),
            Self::Probe { program, .. } => {
                format!("see that `{program} --handles` works in a shell")
            }
            Self::ProgramMissing { program } => {
                format!("install `{program}` into a directory on PATH, or choose another driver")
            }
            Self::RunId => "use a ULID".into(),
            Self::Scratch(_) => {
                "see that the directory exists, is yours alone, and has room".into()
            }
            Self::Start { program, .. } => format!("see that `{program}` can be run in a shell"),
            Self::TooLong { .. } => "see that the program is a CNAB driver".into(),
            Self::Unhandled { .. } => {
                "choose a driver for this kind, or a bundle with an image of another kind".into()
            }
        }
    }
}

/// Text of a bundle, fit for a message.
pub(super) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 128;
    let mut shown: String =
        text.chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
