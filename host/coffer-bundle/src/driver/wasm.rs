//! Runs an entry point in the sandbox. It reaches nothing of the machine, so it is not trusted at all.

use super::error::shown;
use super::operation::{ENTRY_POINT, OUTPUTS};
use super::{DriverError, Ended, Image, Machine, Operation, OutputRefused, limits};
use coffer_host::{EntryPoint, Files, FilesError, Finished, Host, Run, RunError, Secret};
use std::collections::BTreeMap;
use std::io::Write;
use std::pin::Pin;

pub(super) async fn check(machine: &Machine<'_>, image: &Image) -> Result<(), DriverError> {
    check_kind(image)?;
    load(machine.host, image.content.clone()).await.map(drop)
}

pub(super) async fn run(
    machine: &Machine<'_>,
    mut operation: Operation,
    [stdout, stderr]: [Box<dyn Write + Send>; 2],
    mut cancelled: Pin<&mut impl Future<Output = ()>>,
) -> Result<Ended, DriverError> {
    check_kind(&operation.image)?;
    let content = operation.image.content.take();
    let environment = operation.whole_environment();
    let run = Run {
        arguments: vec![ENTRY_POINT.to_owned()],
        environment: environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        files: files(&operation.files)?,
        stdout,
        stderr,
        deadline: limits::RUN_MAX,
        memory_bytes_max: limits::MEMORY_BYTES_MAX,
    };
    // The guest yields at every tick of the host, which is when `cancelled` has its turn.
    let finished = tokio::select! {
        biased;
        () = &mut cancelled => return Err(DriverError::Cancelled),
        finished = async {
            let entry_point = load(machine.host, content).await?;
            entry_point.run(run).await.map_err(failed)
        } => finished?,
    };
    Ok(ended(finished, &operation.outputs))
}

fn check_kind(image: &Image) -> Result<(), DriverError> {
    if image.kind == "wasm" {
        return Ok(());
    }
    Err(DriverError::Unhandled { driver: "wasm".into(), kind: shown(&image.kind) })
}

/// Compiles on a thread of its own: that takes a second for a large component, and yields to nobody.
async fn load(host: &Host, content: Option<Vec<u8>>) -> Result<EntryPoint, DriverError> {
    let content = content.ok_or(DriverError::ComponentMissing)?;
    let host = host.clone();
    tokio::task::spawn_blocking(move || host.entry_point(&content))
        .await
        .expect("compiling neither panics nor is aborted")
        .map_err(DriverError::Component)
}

fn files(given: &BTreeMap<String, Secret>) -> Result<Files, DriverError> {
    let refused = |path: &str| {
        let path = shown(path);
        |source: FilesError| DriverError::Files { path, source }
    };
    let mut files = Files::new();
    files.make_directories(OUTPUTS).map_err(refused(OUTPUTS))?;
    for (path, content) in given {
        files.put(path, content.expose().to_vec()).map_err(refused(path))?;
    }
    Ok(files)
}

fn ended(finished: Finished, outputs: &BTreeMap<String, String>) -> Ended {
    let Finished { exit_code, mut files } = finished;
    let mut ended = Ended { exit_code, outputs: BTreeMap::new(), refused: Vec::new() };
    for (path, name) in outputs {
        let Some(mut content) = files.take(path) else { continue };
        if content.len() > limits::OUTPUT_BYTES_MAX {
            let refused = OutputRefused::TooLarge;
            ended.refused.push(DriverError::Output { name: shown(name), refused });
            continue;
        }
        ended.outputs.insert(name.clone(), Secret::new(std::mem::take(&mut *content)));
    }
    ended
}

fn failed(error: RunError) -> DriverError {
    match error {
        RunError::Deadline(after) => {
            DriverError::Deadline { what: "the entry point".into(), after }
        }
        error => DriverError::Crashed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
