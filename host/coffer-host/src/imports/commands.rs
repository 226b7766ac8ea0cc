//! `coffer:host/commands`: runs a granted command.

use super::State;
use crate::ambient;
use crate::bindings::coffer::host::commands::{Error, Host};
use crate::limits;
use crate::secret::Bytes;
use coffer_grants::{CommandPermit, EnvironmentPermit};
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

/// What every command sees of the host's environment, besides what is granted: without them hardly any
/// program finds itself, its files or its language.
const USUAL_VARIABLES: [&str; 2] = ["HOME", "PATH"];

impl Host for State {
    async fn run(&mut self, argv: Vec<String>) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        Ok(self.outside.command(argv).await?.map(Bytes::take))
    }
}

/// Runs for as long as it is waited for, which is until the call's deadline: the command and whatever it
/// started are killed when this is dropped. A deadline of its own would come at the same moment and make
/// it look as if the plugin had been computing.
pub(super) async fn run(
    permit: CommandPermit,
    environment: &EnvironmentPermit,
) -> Result<Bytes, Error> {
    let mut command = Command::new(permit.program());
    command
        .args(permit.arguments())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // It may quote a secret, and it is no part of one.
        .stderr(Stdio::null())
        .kill_on_drop(true);
    // A group of its own, so that what it starts can be ended with it.
    #[cfg(unix)]
    command.process_group(0);
    for name in USUAL_VARIABLES {
        if let Some(value) = ambient::variable(name) {
            command.env(name, value.as_str());
        }
    }
    for (name, value) in ambient::variables(environment) {
        command.env(name, value.as_str());
    }
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound,
        _ => Error::Other(format!("the program cannot be started: {error}")),
    })?;
    let unreadable = |error: std::io::Error| {
        Error::Other(format!("the program's output cannot be read: {error}"))
    };
    let mut group = Group::of(child);
    let mut stdout = group.child.stdout.take().expect("it was piped");
    let mut output = Zeroizing::new(Vec::with_capacity(4096));
    let limit = limits::COMMAND_OUTPUT_BYTES_MAX;
    let read = (&mut stdout).take(limit as u64 + 1).read_to_end(&mut output).await;
    read.map_err(unreadable)?;
    if output.len() > limit {
        return Err(Error::TooLarge(limit as u64));
    }
    let status = group.child.wait().await.map_err(unreadable)?;
    if status.success() { Ok(output.into()) } else { Err(Error::Failed(code(status))) }
}

/// A command and what it started, as long as they have not left its process group. Killed when dropped,
/// also what the command left behind when it ended.
struct Group {
    child: Child,
    #[cfg(unix)]
    id: Option<rustix::process::Pid>,
}

impl Group {
    fn of(child: Child) -> Self {
        #[cfg(unix)]
        let id = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        Self {
            child,
            #[cfg(unix)]
            id,
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        // While somebody is left in the group its number is nobody else's; and nobody else can have got it in
        // the moment since the command was waited for. It fails if nobody is left, which is what is wanted.
        let _ = self
            .id
            .map(|id| rustix::process::kill_process_group(id, rustix::process::Signal::KILL));
    }
}

/// The exit code as shells count: 128 plus the number of the signal that ended the program.
fn code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}
