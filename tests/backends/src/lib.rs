//! Real servers for the tests. Each is a file here that says how the server is installed, once per
//! version and outside of the tree, and how one is started on loopback; `cloud` stands in for two that cannot be had. What is started here is stopped
//! here, by its process; nothing else is.

#![expect(
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "this installs and starts programs for tests, and what it stands on is theirs; what a request \
              has is made for it"
)]

pub mod client;
pub mod cloud;
pub mod ferretdb;
mod go;
pub mod kubernetes;
pub mod moto;
pub mod openbao;
pub mod plugin_host;
pub mod postgresql;
mod process;
pub mod registry;
pub mod registry_client;
pub mod way;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A server that this knows.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// Its name.
    pub name: &'static str,
    /// The version that is installed.
    pub version: &'static str,
    /// Installs it unless it is installed, and says where it is.
    pub install: fn() -> PathBuf,
    /// Starts one for a person: what is to be told of it, and what stops it when it is dropped.
    pub start: fn() -> (String, Box<dyn Send>),
}

/// Every server that this knows.
pub const BACKENDS: [Backend; 6] = [
    registry::BACKEND,
    ferretdb::BACKEND,
    kubernetes::BACKEND,
    moto::BACKEND,
    openbao::BACKEND,
    postgresql::BACKEND,
];

/// A port that nobody has at the moment. Somebody can take it before it is used.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Installs Debian's packages unless the programs that they are for are there.
pub(crate) fn debian(packages: &[(&str, &str)]) {
    let missing =
        packages.iter().filter(|(program, _)| !Path::new("/usr/bin").join(program).is_file());
    let missing: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return;
    }
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends"]] {
        let packages = if arguments.len() > 1 { missing.as_slice() } else { &[] };
        let done = Command::new("apt-get")
            .args(arguments)
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Where there is an init system, nothing of what is installed is started.
            .env("RUNLEVEL", "1")
            .output()
            .expect("apt-get installs registries, as root");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Where a version of a server is kept, outside of the tree. The folder exists.
pub(crate) fn cache(name: &str, version: &str) -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(env::var_os("HOME").expect("there is a home for caches")).join(".cache")
    });
    let folder = base.join("coffer/backends").join(format!("{name}-{version}"));
    fs::create_dir_all(&folder).unwrap();
    folder
}
