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

#[path = "../../../host/coffer-host/tests/sandbox"]
mod sandbox {
    pub(crate) mod again;
    pub(crate) mod command;
    pub(crate) mod cpu;
    pub(crate) mod dns;
    pub(crate) mod env;
    pub(crate) mod fs;
    pub(crate) mod http;
    pub(crate) mod import;
    pub(crate) mod lines;
    pub(crate) mod log;
    pub(crate) mod memory;
    pub(crate) mod plugin_filesystem;
    pub(crate) mod plugin_host;
    pub(crate) mod result;
    pub(crate) mod retry;
    pub(crate) mod server;
    pub(crate) mod stage;
    pub(crate) mod state;
    pub(crate) mod time;
    pub(crate) mod tls;
    pub(crate) mod trap;
    pub(crate) mod wire;
}

// Where they look for one another.
use sandbox::{again, dns, import, lines, retry, server, stage, wire};
