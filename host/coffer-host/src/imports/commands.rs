//! `coffer:host/commands`: runs a granted command.

use super::State;
use crate::ambient;
use crate::bindings::coffer::host::commands::{Error, Host};
use crate::error::Incident;
use crate::limits;
use coffer_grants::{CommandPermit, EnvironmentPermit};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use zeroize::Zeroizing;

/// What every command sees of the host's environment, besides what is granted: without them hardly any
/// program finds itself, its files or its language.
const USUAL_VARIABLES: [&str; 2] = ["HOME", "PATH"];

impl Host for State {
    async fn run(&mut self, argv: Vec<String>) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let permit = match self.shared.grants.command(argv) {
            Ok(permit) => permit,
            Err(denied) => {
                self.record.add(Incident::Denied(denied));
                return Ok(Err(Error::Denied));
            }
        };
        let environment = self.shared.grants.environment([]);
        let _waiting = self.record.wait();
        Ok(run(permit, &environment, self.deadline).await)
    }
}

async fn run(
    permit: CommandPermit,
    environment: &EnvironmentPermit,
    deadline: Instant,
) -> Result<Vec<u8>, Error> {
    let mut command = Command::new(permit.program());
    command
        .args(permit.arguments())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // It may quote a secret, and it is no part of one.
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for name in USUAL_VARIABLES {
        if let Some(value) = ambient::variable(name) {
            command.env(name, value.as_str());
        }
    }
    for (name, value) in ambient::variables(environment) {
        command.env(name, value.as_str());
    }
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound,
        _ => Error::Other(format!("the program cannot be started: {error}")),
    })?;
    // The command ends with the call at the latest; whatever is left of it is killed when `child` goes.
    let deadline = tokio::time::Instant::from_std(deadline);
    let output = tokio::time::timeout_at(deadline, async {
        let mut stdout = child.stdout.take().expect("it was piped");
        let mut output = Zeroizing::new(Vec::with_capacity(4096));
        let limit = limits::COMMAND_OUTPUT_BYTES_MAX;
        (&mut stdout).take(limit as u64 + 1).read_to_end(&mut output).await?;
        if output.len() > limit {
            return Ok(Err(Error::TooLarge(limit as u64)));
        }
        let status = child.wait().await?;
        Ok(if status.success() { Ok(output) } else { Err(Error::Failed(code(status))) })
    })
    .await;
    match output {
        Ok(Ok(result)) => result.map(|output| output.to_vec()),
        Ok(Err(error)) => {
            let error: std::io::Error = error;
            Err(Error::Other(format!("the program's output cannot be read: {error}")))
        }
        Err(_) => Err(Error::Timeout),
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
