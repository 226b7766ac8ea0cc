//! A program with a worker that listens to nobody, until somebody ends it.
#![expect(
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test reads what this prints, and fails if it is something else"
)]

use coffer_host::grants::{Reference, Source};
use coffer_host::limits::Limits;
use coffer_host::worker::Program;
use coffer_host::{Host, StoreConfig};
use std::time::Duration;

/// Prints the worker's process id, and waits for what never comes. The arguments are the worker's program
/// and its plugin.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) {
    let program = Program::at(arguments.next().unwrap());
    let component = guest_artifacts::guest(&arguments.next().unwrap());
    let host = Host::builder().workers(program).build().unwrap();
    let plugin = host.load_isolated(&component).unwrap();
    let limits = Limits { call: Duration::from_secs(600), ..Limits::default() };
    let store =
        host.store("parent", &plugin, StoreConfig { limits, ..StoreConfig::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ask = async |key: &str| {
            let answer =
                store.resolve_one(&Reference::new(Source::Value, key).unwrap()).await.unwrap();
            answer.expose_text().unwrap().to_owned()
        };
        println!("{}", ask("pid").await);
        ask("spin").await
    });
}
