//! The `coffer` binary. It reads the command line, asks the libraries, and prints what they say; it
//! decides nothing.

mod arguments;
mod commands;
mod given;
mod misread;
mod output;
mod progress;
mod session;

use coffer_bundle::Bundled;
use std::process::ExitCode;

/// The plugins that come with the binary, which answers for them.
pub(crate) const BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

fn main() -> ExitCode {
    // Before anything else: in a worker this does not return.
    let program = coffer_host::worker::enter();
    coffer_bundle::privacy::begin(output::panicked);
    let arguments = match misread::read() {
        Ok(mut arguments) => {
            arguments.global.program = Some(program);
            arguments
        }
        Err((misread, format)) => return output::failure(&misread.into(), format),
    };
    let format = arguments.global.output;
    // One thread: a plugin that computes lets go of it every two milliseconds, and what waits for others costs no
    // way to another thread and back. More are started by what blocks.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(commands::run(arguments));
            // A driver's child that would not die must not keep this process.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error, format),
    }
}
