//! Runs an entry point by an external driver, as CNAB has them: a program `cnab-NAME` that is given the
//! operation on its standard input, and leaves outputs in `$CNAB_OUTPUT_DIR`.
//!
//! Of our own environment it inherits everything, besides what the operation adds.

use super::error::shown;
use super::operation::OUTPUTS;
use super::process::{Growing, Program, Sink, Writer};
use super::scratch::RunDirectory;
use super::{DriverError, Ended, Image, Machine, Operation, limits};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::pin::{Pin, pin};
use zeroize::Zeroizing;

/// The program of an external driver. Its name is part of a path and nothing more: no shell sees it.
pub(super) fn program(name: &str) -> Result<String, DriverError> {
    let is_name = name.len() <= limits::DRIVER_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if is_name { Ok(format!("cnab-{name}")) } else { Err(DriverError::Name { name: shown(name) }) }
}

pub(super) async fn check(
    name: &str,
    machine: &Machine<'_>,
    image: &Image,
) -> Result<(), DriverError> {
    handles(name, machine, image, pin!(std::future::pending())).await
}

pub(super) async fn run(
    name: &str,
    machine: &Machine<'_>,
    operation: &Operation,
    [stdout, stderr]: [Box<dyn Write + Send>; 2],
    mut cancelled: Pin<&mut impl Future<Output = ()>>,
) -> Result<Ended, DriverError> {
    operation.check_native()?;
    let input = operation_json(operation)?;
    handles(name, machine, &operation.image, cancelled.as_mut()).await?;
    let directory = machine.scratch.run(&operation.run).map_err(DriverError::Scratch)?;
    directory.make_directories(OUTPUTS).map_err(DriverError::Scratch)?;
    let environment = operation.whole_environment();
    let names = environment.keys().copied().chain(["CNAB_OUTPUT_DIR"]).collect::<Vec<_>>();
    let mut program = Program::find(machine.path.as_deref(), &program(name)?)?
        .input(input)
        .variable("CNAB_VARS", names.join(","))
        .variable("CNAB_OUTPUT_DIR", directory.path());
    for (name, value) in &environment {
        program = program.variable(name, value.as_str());
    }
    let stdout = Sink::Forward(Writer::new(stdout));
    let stderr = Sink::Forward(Writer::new(stderr));
    let exit = program.run(stdout, stderr, limits::RUN_MAX, cancelled).await?;
    Ok(ended(exit.status, &directory, &operation.outputs))
}

/// Asks the driver what it runs: it prints kinds of images, with commas between them.
async fn handles(
    name: &str,
    machine: &Machine<'_>,
    image: &Image,
    cancelled: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), DriverError> {
    let program = program(name)?;
    let exit = Program::find(machine.path.as_deref(), &program)?
        .arguments(["--handles"])
        .run(Sink::Keep(limits::PROBE_BYTES_MAX), Sink::Drop, limits::PROBE_MAX, cancelled)
        .await?;
    if exit.status != 0 {
        return Err(DriverError::Probe { program, status: exit.status });
    }
    let kinds = String::from_utf8_lossy(&exit.kept);
    if kinds.split(',').any(|kind| kind.trim() == image.kind) {
        return Ok(());
    }
    Err(DriverError::Unhandled { driver: program, kind: shown(&image.kind) })
}

/// The operation with the names that CNAB's drivers know.
#[derive(Serialize)]
struct OperationJson<'a> {
    installation_name: &'a str,
    revision: &'a str,
    action: &'a str,
    parameters: &'a BTreeMap<String, Value>,
    image: ImageJson<'a>,
    environment: BTreeMap<&'a str, &'a str>,
    files: BTreeMap<&'a str, &'a str>,
    outputs: &'a BTreeMap<String, String>,
    #[serde(rename = "Bundle")]
    bundle: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageJson<'a> {
    image_type: &'a str,
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_digest: Option<&'a str>,
}

fn operation_json(operation: &Operation) -> Result<Zeroizing<Vec<u8>>, DriverError> {
    let environment = operation.whole_environment();
    let mut files = BTreeMap::new();
    for (path, content) in &operation.files {
        let text = content.expose_text();
        let text = text.ok_or_else(|| DriverError::FileNotText { path: shown(path) })?;
        files.insert(path.as_str(), text);
    }
    let json = OperationJson {
        installation_name: &operation.installation,
        revision: &operation.run,
        action: &operation.action,
        parameters: &operation.parameters,
        image: ImageJson {
            image_type: &operation.image.kind,
            image: &operation.image.reference,
            content_digest: operation.image.digest.as_deref(),
        },
        environment: environment.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        files,
        outputs: &operation.outputs,
        bundle: &operation.bundle,
    };
    let mut buffer = Growing::default();
    serde_json::to_writer(&mut buffer, &json).expect("maps of text can be written as JSON");
    Ok(buffer.0)
}

fn ended(exit_code: i32, directory: &RunDirectory, outputs: &BTreeMap<String, String>) -> Ended {
    let mut ended = Ended { exit_code, outputs: BTreeMap::new(), refused: Vec::new() };
    let mut room = limits::OUTPUTS_BYTES_MAX;
    for (path, name) in outputs {
        match directory.read(path, room.min(limits::OUTPUT_BYTES_MAX)) {
            Ok(None) => {}
            Ok(Some(output)) => {
                room -= output.expose().len();
                ended.outputs.insert(name.clone(), output);
            }
            Err(refused) => ended.refused.push(DriverError::Output { name: shown(name), refused }),
        }
    }
    ended
}

#[cfg(test)]
mod tests;
