//! Runs an entry point in a container, by the docker CLI on PATH and whatever engine it is set up for.
//! The steps are those of CNAB's own docker driver: make the container, copy the files in, start it, copy
//! the outputs out, remove it whatever happened.
//!
//! Values are in the environment of `docker create` and on the standard input of `docker cp`. The engine
//! keeps both on its disk while the container exists; what the entry point writes is in no log of the
//! engine.
//!
//! The tests have no engine: a script in docker's place records what it is asked for and plays one.

mod archive;

use super::error::shown;
use super::operation::{ENTRY_POINT, OUTPUTS};
use super::process::{Exit, Program, Sink, Writer};
use super::{DriverError, Ended, Image, Machine, Operation, OutputRefused, limits};
use archive::Owner;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::pin::{Pin, pin};
use std::time::Duration;

const PROGRAM: &str = "docker";

/// Bytes of the outputs as docker copies them out: the files, and the headers of as many files.
const ARCHIVE_BYTES_MAX: usize = limits::OUTPUTS_BYTES_MAX + (8 << 20);

pub(super) async fn check(machine: &Machine<'_>, image: &Image) -> Result<(), DriverError> {
    check_kind(image)?;
    reference(image)?;
    let exit = Program::find(machine.path.as_deref(), PROGRAM)?
        .arguments(["version", "--format", "{{.Server.Version}}"])
        .run(
            Sink::Keep(limits::ANSWER_BYTES_MAX),
            Sink::Drop,
            limits::STEP_MAX,
            pin!(std::future::pending()),
        )
        .await?;
    succeeded("reach its engine", &exit)
}

pub(super) async fn run(
    machine: &Machine<'_>,
    operation: &Operation,
    [stdout, stderr]: [Box<dyn Write + Send>; 2],
    cancelled: Pin<&mut impl Future<Output = ()>>,
) -> Result<Ended, DriverError> {
    check_kind(&operation.image)?;
    operation.check_native()?;
    let image = reference(&operation.image)?;
    let path = machine.path.as_deref();
    // Looked for before there is anything to remove.
    Program::find(path, PROGRAM)?;
    let container = Container {
        path,
        name: format!("coffer-{}", operation.run),
        stdout: Writer::new(stdout),
        stderr: Writer::new(stderr),
        is_removed: false,
    };
    let ended = container.live(operation, &image, cancelled).await;
    container.remove().await;
    ended
}

/// A container that is removed however its run ends.
struct Container<'a> {
    path: Option<&'a OsStr>,
    /// Ours, so that it is known even if docker was killed before it told its own.
    name: String,
    stdout: Writer,
    stderr: Writer,
    is_removed: bool,
}

impl Container<'_> {
    async fn live(
        &self,
        operation: &Operation,
        image: &str,
        mut cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Ended, DriverError> {
        self.create(operation, image, cancelled.as_mut()).await?;
        let owner = self.owner(cancelled.as_mut()).await?;
        let files = self.docker(["cp", "-"])?.arguments([format!("{}:/", self.name)]);
        let files = files.input(archive::pack(&operation.files, owner));
        let copied = self.quiet(files, Sink::Drop, limits::STEP_MAX, cancelled.as_mut()).await?;
        succeeded("copy the files into the container", &copied)?;
        let started = self
            .docker(["start", "--attach", &self.name])?
            .run(
                Sink::Forward(self.stdout.clone()),
                Sink::Forward(self.stderr.clone()),
                limits::RUN_MAX,
                cancelled.as_mut(),
            )
            .await?;
        let exit_code = self.exit_code(&started, cancelled.as_mut()).await?;
        let mut ended = Ended { exit_code, outputs: BTreeMap::new(), refused: Vec::new() };
        if !operation.outputs.is_empty() {
            self.take_outputs(operation, &mut ended, cancelled).await?;
        }
        Ok(ended)
    }

    async fn create(
        &self,
        operation: &Operation,
        image: &str,
        cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), DriverError> {
        let environment = operation.whole_environment();
        let mut arguments = ["create", "--name", &self.name, "--entrypoint", ENTRY_POINT]
            .map(str::to_owned)
            .to_vec();
        // The engine's log would keep what the bundle writes, unmasked, on its disk.
        arguments.extend(["--log-driver".into(), "none".into()]);
        for (label, value) in [
            ("coffer.run", operation.run.clone()),
            ("coffer.action", operation.action.clone()),
            ("coffer.installation", format!("{}/{}", operation.namespace, operation.installation)),
        ] {
            arguments.extend(["--label".into(), format!("{label}={value}")]);
        }
        // The names only: docker takes the values from its own environment.
        for name in environment.keys() {
            arguments.extend(["--env".into(), (*name).to_owned()]);
        }
        arguments.extend(["--".into(), image.to_owned()]);
        let mut program = self.docker(arguments)?;
        for (name, value) in &environment {
            program = program.variable(name, value.as_str());
        }
        let created = self.quiet(program, Sink::Drop, limits::CREATE_MAX, cancelled).await?;
        succeeded("make the container", &created)
    }

    /// Whom files in the container must belong to, so that the entry point can read them.
    async fn owner(
        &self,
        cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Owner, DriverError> {
        let asked = self.ask("{{.Config.User}}", cancelled).await?;
        succeeded("tell the container's user", &asked)?;
        Ok(Owner::of(String::from_utf8_lossy(&asked.kept).trim()))
    }

    /// With what the entry point ended. docker's own status is not enough: 1 may be docker's or the entry
    /// point's.
    async fn exit_code(
        &self,
        started: &Exit,
        cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<i32, DriverError> {
        let asked = self.ask("{{.State.Status}} {{.State.ExitCode}}", cancelled).await?;
        succeeded("tell how the container ended", &asked)?;
        let answer = String::from_utf8_lossy(&asked.kept);
        let exit_code = answer.trim().strip_prefix("exited ").and_then(|code| code.parse().ok());
        let step = "start the container";
        exit_code.ok_or(DriverError::Docker { step, status: started.status })
    }

    async fn take_outputs(
        &self,
        operation: &Operation,
        ended: &mut Ended,
        cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), DriverError> {
        let program = self.docker(["cp", &format!("{}:{OUTPUTS}", self.name), "-"])?;
        let sink = Sink::Keep(ARCHIVE_BYTES_MAX);
        match self.quiet(program, sink, limits::STEP_MAX, cancelled).await {
            Ok(copied) => {
                succeeded("copy the outputs out of the container", &copied)?;
                archive::unpack(&copied.kept, &operation.outputs, ended);
            }
            Err(DriverError::TooLong { .. }) => {
                let refused = OutputRefused::TooLarge;
                let all = operation.outputs.values();
                ended
                    .refused
                    .extend(all.map(|name| DriverError::Output { name: shown(name), refused }));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn ask(
        &self,
        format: &str,
        cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Exit, DriverError> {
        let program = self.docker(["container", "inspect", "--format", format, &self.name])?;
        let sink = Sink::Keep(limits::ANSWER_BYTES_MAX);
        self.quiet(program, sink, limits::STEP_MAX, cancelled).await
    }

    /// Runs docker with what it complains about on the run's standard error.
    async fn quiet(
        &self,
        program: Program,
        stdout: Sink,
        deadline: Duration,
        cancelled: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Exit, DriverError> {
        program.run(stdout, Sink::Forward(self.stderr.clone()), deadline, cancelled).await
    }

    fn docker<T: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Program, DriverError> {
        Ok(Program::find(self.path, PROGRAM)?.arguments(arguments))
    }

    fn removal(&self) -> Result<Program, DriverError> {
        self.docker(["rm", "--force", "--volumes", &self.name])
    }

    /// A container that stays holds values, but the run is what it is: this is told and no error.
    async fn remove(mut self) {
        let removed = match self.removal() {
            Ok(program) => {
                let never = pin!(std::future::pending());
                program.run(Sink::Drop, Sink::Drop, limits::STEP_MAX, never).await
            }
            Err(error) => Err(error),
        };
        self.is_removed = true;
        if !removed.is_ok_and(|exit| exit.status == 0) {
            tracing::warn!(
                container = self.name,
                "the container may still be there, with the values it was given; remove it with \
                 `docker rm --force`"
            );
        }
    }
}

/// For a run that nobody waits for any more.
impl Drop for Container<'_> {
    fn drop(&mut self) {
        if !self.is_removed
            && let Ok(program) = self.removal()
        {
            program.leave();
        }
    }
}

fn check_kind(image: &Image) -> Result<(), DriverError> {
    if matches!(image.kind.as_str(), "docker" | "oci") {
        return Ok(());
    }
    Err(DriverError::Unhandled { driver: PROGRAM.into(), kind: shown(&image.kind) })
}

fn succeeded(step: &'static str, exit: &Exit) -> Result<(), DriverError> {
    match exit.status {
        0 => Ok(()),
        status => Err(DriverError::Docker { step, status }),
    }
}

/// The image's reference with its digest, if one of the two tells it.
fn reference(image: &Image) -> Result<String, DriverError> {
    let refused = || DriverError::ImageReference { reference: shown(&image.reference) };
    let (name, named_digest) = match image.reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image.reference.as_str(), None),
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte));
    let reference = match (named_digest, image.digest.as_deref()) {
        (Some(named), Some(digest)) if named != digest => return Err(refused()),
        (None, None) => name.to_owned(),
        (Some(digest), _) | (None, Some(digest)) if is_digest(digest) => format!("{name}@{digest}"),
        _ => return Err(refused()),
    };
    if is_name && reference.len() <= limits::IMAGE_REFERENCE_BYTES_MAX {
        Ok(reference)
    } else {
        Err(refused())
    }
}

fn is_digest(digest: &str) -> bool {
    let hex = |hex: &str, length: usize| {
        hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match digest.split_once(':') {
        Some(("sha256", digits)) => hex(digits, 64),
        Some(("sha512", digits)) => hex(digits, 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
