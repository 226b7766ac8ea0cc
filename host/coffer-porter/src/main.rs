//! The binary `coffer-porter`, which Porter starts as a plugin.

use coffer_bundle::Bundled;
use coffer_host::worker::Program;
use coffer_porter::{Surroundings, log};
use serde_json::json;
use std::io::{self, Write as _};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// The plugins that come with the binary, which answers for them.
const BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

const USAGE: &str = "usage: coffer-porter run secrets.coffer.STORE, by Porter or another go-plugin host\n       \
                     coffer-porter version [--output json|plaintext]\n";

fn main() -> ExitCode {
    // Before anything else: in a worker this does not return.
    let program = coffer_host::worker::enter();
    coffer_bundle::privacy::begin(panicked);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["run", key] => run(key, program),
        ["version"] | ["version", "-o" | "--output", "plaintext"] => print(&plaintext()),
        ["version", "-o" | "--output", "json"] => print(&metadata()),
        ["version", "--output=plaintext"] => print(&plaintext()),
        ["version", "--output=json"] => print(&metadata()),
        _ => {
            let _ = io::stderr().lock().write_all(USAGE.as_bytes());
            ExitCode::from(2)
        }
    }
}

/// Tells where coffer itself failed.
fn panicked(place: &str) {
    log::write("error", &format!("coffer itself failed at {place}; report it with this place"));
}

fn run(key: &str, program: Program) -> ExitCode {
    let debug = variable("PORTER_VERBOSITY").is_some_and(|word| word == "debug");
    log::begin(if debug { LevelFilter::DEBUG } else { LevelFilter::INFO });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One thread waits; one runs a plugin. More are started by what blocks.
        .worker_threads(2)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let surroundings = Surroundings { bundled: BUNDLED, program, variable };
            let result = runtime.block_on(coffer_porter::run(key, surroundings));
            runtime.shutdown_background();
            result.map_err(|error| error.to_string())
        }
        Err(error) => Err(format!("threads cannot be started: {error}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Porter quotes it, in a message that begins with what it could not do.
            log::write("error", &error);
            ExitCode::FAILURE
        }
    }
}

/// What Porter asks of a plugin that it lists. It asks for no protocol version, and gets none.
fn metadata() -> String {
    let metadata = json!({
        "name": "coffer",
        "version": format!("v{}", env!("CARGO_PKG_VERSION")),
        "commit": "",
        "author": env!("CARGO_PKG_AUTHORS"),
        "implementations":
            BUNDLED.iter().map(|bundled| json!({ "type": "secrets", "implementation": bundled.name }))
                .collect::<Vec<_>>(),
    });
    format!("{metadata}\n")
}

fn plaintext() -> String {
    format!("coffer v{} by {}\n", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_AUTHORS"))
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
