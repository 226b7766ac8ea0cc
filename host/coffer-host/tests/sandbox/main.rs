//! What the sandbox promises, held against guests that try the opposite. Each suite runs the guests that
//! have its name as their prefix; a guest that its suite does not run fails the build here.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests put files where plugins must not reach, and a test that cannot go on fails"
)]

/// For each guest of a suite there is a test of its name.
macro_rules! ran {
    ($guest:ident) => {
        const _: fn() = $guest;
    };
}

mod audit;
mod command;
mod compiled;
mod cpu;
mod dns;
mod entry_point;
mod env;
mod fs;
mod http;
mod import;
mod load;
mod log;
mod manifest;
mod memory;
mod plugin_filesystem;
mod plugin_host;
mod remains;
mod result;
mod retry;
mod server;
mod stage;
mod state;
mod time;
mod trap;
mod written;
