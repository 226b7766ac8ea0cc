//! The sandbox's suites once more, unchanged, with every guest in a worker: whatever they hold of a plugin
//! in coffer's own process holds of one in a process of its own.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests put files where plugins must not reach, and a test that cannot go on fails"
)]

macro_rules! ran {
    ($guest:ident) => {
        const _: fn() = $guest;
    };
}

/// Where the guests run: in workers.
mod way {
    use coffer_host::worker::Program;
    use coffer_host::{Host, HostBuilder, Isolation, LoadError, Plugin};

    pub(crate) fn host() -> HostBuilder {
        Host::builder().workers(Program::at(env!("CARGO_BIN_EXE_isolation")))
    }

    pub(crate) fn load(host: &Host, component: &[u8]) -> Result<Plugin, LoadError> {
        let plugin = host.load_isolated(component)?;
        assert_eq!(plugin.isolation(), Isolation::Process);
        Ok(plugin)
    }
}

#[path = "../../../host/coffer-host/tests/sandbox/command.rs"]
mod command;
#[path = "../../../host/coffer-host/tests/sandbox/cpu.rs"]
mod cpu;
#[path = "../../../host/coffer-host/tests/sandbox/dns.rs"]
mod dns;
#[path = "../../../host/coffer-host/tests/sandbox/env.rs"]
mod env;
#[path = "../../../host/coffer-host/tests/sandbox/fs.rs"]
mod fs;
#[path = "../../../host/coffer-host/tests/sandbox/http.rs"]
mod http;
#[path = "../../../host/coffer-host/tests/sandbox/import.rs"]
mod import;
#[path = "../../../host/coffer-host/tests/sandbox/log.rs"]
mod log;
#[path = "../../../host/coffer-host/tests/sandbox/memory.rs"]
mod memory;
#[path = "../../../host/coffer-host/tests/sandbox/plugin_filesystem.rs"]
mod plugin_filesystem;
#[path = "../../../host/coffer-host/tests/sandbox/plugin_host.rs"]
mod plugin_host;
#[path = "../../../host/coffer-host/tests/sandbox/result.rs"]
mod result;
#[path = "../../../host/coffer-host/tests/sandbox/server.rs"]
mod server;
#[path = "../../../host/coffer-host/tests/sandbox/stage.rs"]
mod stage;
#[path = "../../../host/coffer-host/tests/sandbox/state.rs"]
mod state;
#[path = "../../../host/coffer-host/tests/sandbox/time.rs"]
mod time;
#[path = "../../../host/coffer-host/tests/sandbox/trap.rs"]
mod trap;
#[path = "../../../host/coffer-host/tests/sandbox/written.rs"]
#[expect(dead_code, reason = "what is about loading is left out")]
mod written;
