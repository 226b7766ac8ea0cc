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

/// Where the guests run: in this process. `tests/isolation` has the same suites run in workers.
mod way {
    use coffer_host::{Host, HostBuilder, LoadError, Plugin};

    pub(crate) fn host() -> HostBuilder {
        Host::builder()
    }

    pub(crate) fn load(host: &Host, component: &[u8]) -> Result<Plugin, LoadError> {
        host.load(component)
    }
}

mod again;
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
mod lines;
mod load;
mod log;
mod manifest;
mod memory;
mod once;
mod plugin_aws;
mod plugin_azure_key_vault;
mod plugin_filesystem;
mod plugin_gcp;
mod plugin_host;
mod plugin_kubernetes;
mod plugin_vault;
mod remains;
mod result;
mod retry;
mod server;
mod stage;
mod state;
mod time;
mod tls;
mod trap;
mod wire;
