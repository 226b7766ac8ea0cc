//! OCI registries. Debian's `docker-registry`, without the interface of referrers, with TLS and passwords if that is
//! wanted; and the registry of go-containerregistry, in memory, which has that interface. Zot cannot be had: the Go
//! proxy does not serve its module.

use crate::go::{self, Program};
use crate::process::Process;
use crate::{Backend, cache};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// What [`crate::BACKENDS`] knows of it.
pub const BACKEND: Backend =
    Backend { name: "docker-registry", version: "2.8.2", install: install_both, start };

fn install_both() -> PathBuf {
    install_with_referrers();
    install()
}

/// Installs it with apt unless it is there, and what writes its passwords. Debian's own service is not started.
fn install() -> PathBuf {
    crate::debian(&[("docker-registry", "docker-registry"), ("htpasswd", "apache2-utils")]);
    PathBuf::from("/usr/bin/docker-registry")
}

/// Builds the one with referrers unless it was built.
fn install_with_referrers() -> PathBuf {
    let folder = cache("go-containerregistry", "0.21.7");
    let program = folder.join("registry");
    if program.is_file() {
        return program;
    }
    let module = "github.com/google/go-containerregistry";
    let ours = Program::Ours(include_str!("../registry.go"));
    go::build(&folder, include_str!("../registry.mod"), module, ours, "registry")
}

fn start() -> (String, Box<dyn Send>) {
    let server = Server::start();
    let told = format!("process {}, {}", server.process.id(), server.name());
    (told, Box::new(server))
}

/// Who may use a registry, and how it proves who it is.
#[derive(Clone, Copy, Debug)]
pub struct Closed<'a> {
    /// The only user.
    pub user: &'a str,
    /// The user's password.
    pub password: &'a str,
    /// Its certificate and its key, as PEM.
    pub tls: (&'a str, &'a str),
}

/// A registry of its own, with nothing in it.
pub struct Server {
    process: Process,
    directory: TempDir,
    port: u16,
}

impl Server {
    /// Starts Debian's, which everybody may use, without TLS.
    #[must_use]
    pub fn start() -> Self {
        Self::open(None)
    }

    /// Starts Debian's for one user, with TLS.
    #[must_use]
    pub fn start_closed(closed: Closed<'_>) -> Self {
        Self::open(Some(closed))
    }

    /// Starts the one with referrers, which everybody may use, without TLS.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start_with_referrers() -> Self {
        let program = install_with_referrers();
        let directory = tempfile::tempdir().unwrap();
        let (process, [port]) = Process::start_on(None, "the registry", |[port]| {
            let mut command = Command::new(&program);
            command.arg(port.to_string()).env_clear();
            Process::start(command, "listening", &directory.path().join("log"))
        });
        Self { process, directory, port }
    }

    fn open(closed: Option<Closed<'_>>) -> Self {
        let program = install();
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut http = json!({});
        let mut auth = json!({});
        if let Some(Closed { user, password, tls: (certificate, key) }) = closed {
            fs::write(at("server.crt"), certificate).unwrap();
            fs::write(at("server.key"), key).unwrap();
            http["tls"] = json!({ "certificate": at("server.crt"), "key": at("server.key") });
            let written = Command::new("htpasswd").args(["-Bbn", user, password]).output().unwrap();
            assert!(written.status.success());
            fs::write(at("htpasswd"), written.stdout).unwrap();
            auth = json!({ "htpasswd": { "realm": "tests", "path": at("htpasswd") } });
        }
        let (process, [port]) = Process::start_on(None, "docker-registry", |[port]| {
            http["addr"] = json!(format!("127.0.0.1:{port}"));
            let config = json!({
                "version": "0.1",
                "log": { "accesslog": { "disabled": true } },
                "storage": { "filesystem": { "rootdirectory": at("data") }, "delete": { "enabled": true } },
                "http": http,
                "auth": auth,
            });
            // What is JSON is YAML as well.
            fs::write(at("config.yml"), config.to_string()).unwrap();
            let mut command = Command::new("sh");
            // It tells on its standard error when it is ready.
            command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(&program);
            command.arg("serve").arg(at("config.yml")).env_clear();
            Process::start(command, "listening on", &at("log"))
        });
        Self { process, directory, port }
    }

    /// Its name in a reference.
    #[must_use]
    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where Debian's keeps a blob or a manifest, by its digest.
    #[must_use]
    pub fn file(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.directory.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

/// Shows where it is.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.port).finish()
    }
}
