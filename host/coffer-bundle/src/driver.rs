//! Runs a bundle's entry point once. What a run is given and what it leaves behind are values; which
//! parameter or credential they belong to, and where they are kept, is not known here.
//!
//! `wasm` runs the entry point in the sandbox. The other two are native: whoever chooses one trusts it as
//! they trust coffer itself, and so it inherits coffer's environment and directory. A driver reaches its
//! platform by variables that nobody can list (`KUBECONFIG`, `DOCKER_HOST`, a cloud's credentials). The
//! bundle is trusted with neither: the names of its variables are held against [`RESERVED`], so that no
//! default value of a parameter becomes a `BASH_ENV` or a `DOCKER_HOST` of a native program.
//!
//! A value is never in an argument. Native drivers are given values in their environment and on their
//! standard input.

mod command;
mod docker;
mod error;
pub mod limits;
mod operation;
mod process;
mod scratch;
#[cfg(test)]
mod shim;
mod wasm;

pub use error::{DriverError, OutputRefused};
pub use operation::{Image, Operation, RESERVED};
pub use scratch::Scratch;

use coffer_host::{Host, Secret};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::pin::pin;
use std::str::FromStr;

/// What runs a bundle's entry point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The program `cnab-NAME` on PATH, an external driver as CNAB has them.
    Command(String),
    /// The docker CLI on PATH. Its engine keeps the environment and the files of the container on its
    /// disk until the run is over.
    Docker,
    /// The sandbox.
    Wasm,
}

/// What a driver may use of the machine.
#[derive(Debug)]
pub struct Machine<'a> {
    /// Runs entry points in the sandbox.
    pub host: &'a Host,
    /// A place for files that a native driver must have.
    pub scratch: &'a Scratch,
    /// Where native programs are searched; only absolute entries count. Without it there are none.
    pub path: Option<OsString>,
}

/// How a run ended by itself.
#[derive(Debug)]
#[must_use]
pub struct Ended {
    /// 0 if the entry point succeeded.
    pub exit_code: i32,
    /// What the entry point left, by the names of the outputs. An output that it did not write is absent.
    pub outputs: BTreeMap<String, Secret>,
    /// The outputs that are there and cannot be taken. They do not cost the others, which may be the only
    /// copy of a generated password.
    pub refused: Vec<DriverError>,
}

impl Ended {
    /// The failure that the exit code tells of.
    #[must_use]
    pub fn failure(&self) -> Option<DriverError> {
        (self.exit_code != 0).then_some(DriverError::Failed { status: self.exit_code })
    }
}

impl Driver {
    /// Whether this driver can run such an image here, so that nothing is written before it is known.
    ///
    /// # Errors
    ///
    /// [`DriverError`] says what is missing.
    pub async fn check(&self, machine: &Machine<'_>, image: &Image) -> Result<(), DriverError> {
        match self {
            Self::Command(name) => command::check(name, machine, image).await,
            Self::Docker => docker::check(machine, image).await,
            Self::Wasm => wasm::check(machine, image).await,
        }
    }

    /// Runs the entry point to its end, or until `cancelled` is. Standard output and error are written
    /// while it runs; the writers are expected to take what they are given, as a terminal or a file does,
    /// and one that fails does not end the run.
    ///
    /// An entry point that fails is no error here: its exit code says so, and its outputs are taken all
    /// the same.
    ///
    /// # Errors
    ///
    /// [`DriverError`] if it could not be started or did not end by itself. Nothing of it runs any more,
    /// and its outputs are lost.
    pub async fn run(
        &self,
        machine: &Machine<'_>,
        operation: Operation,
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Ended, DriverError> {
        let cancelled = pin!(cancelled);
        operation.check()?;
        match self {
            Self::Command(name) => {
                command::run(name, machine, &operation, [stdout, stderr], cancelled).await
            }
            Self::Docker => docker::run(machine, &operation, [stdout, stderr], cancelled).await,
            Self::Wasm => wasm::run(machine, operation, [stdout, stderr], cancelled).await,
        }
    }
}

/// `wasm`, `docker` or `command:NAME`; any other NAME is `command:NAME`, as Porter has it.
impl FromStr for Driver {
    type Err = DriverError;

    fn from_str(text: &str) -> Result<Self, DriverError> {
        match text {
            "docker" => Ok(Self::Docker),
            "wasm" => Ok(Self::Wasm),
            _ => {
                let name = text.strip_prefix("command:").unwrap_or(text);
                command::program(name)?;
                Ok(Self::Command(name.to_owned()))
            }
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(name) => write!(f, "command:{}", error::shown(name)),
            Self::Docker => f.write_str("docker"),
            Self::Wasm => f.write_str("wasm"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_named_without_a_path() {
        let check = |text: &str, expected: Option<&str>| {
            let driver = text.parse::<Driver>().map(|driver| driver.to_string());
            assert_eq!(driver.as_deref().ok(), expected, "{text}");
        };
        check("wasm", Some("wasm"));
        check("docker", Some("docker"));
        check("command:shim", Some("command:shim"));
        check("command:docker", Some("command:docker"));
        // Porter's own names of external drivers.
        check("kubernetes", Some("command:kubernetes"));
        check("command:a.b_c-9", Some("command:a.b_c-9"));
        check("command:", None);
        check("", None);
        // What a shell or a path would make something of; cnab-go looked drivers up with a shell once.
        check("command:../x", None);
        check("command:a/b", None);
        check("command:.hidden", None);
        check("command:-x", None);
        check("command:a;b", None);
        check("command:$(id)", None);
        check("command:A", None);
        check("command:a\n", None);
        check(&format!("command:{}", "a".repeat(65)), None);
    }
}
