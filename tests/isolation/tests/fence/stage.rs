//! A store whose worker is some program: one that was taken over, one that lies, or a plain one.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::grants::{Grants, Reference, Source};
use coffer_host::limits::Limits;
use coffer_host::worker::Program;
use coffer_host::{Blame, CallError, Explain, Granted, Host, HostBuilder, Store, StoreConfig};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_isolation");

/// Places for the programs and the compiled code of one test.
pub(crate) struct Stage {
    directory: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("code")).unwrap();
        Self { directory }
    }

    /// The test's program by another name, which tells it what to be.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        if !path.exists() {
            symlink(PROGRAM, &path).unwrap();
        }
        path
    }

    pub(crate) fn builder(&self, name: &str) -> HostBuilder {
        let code = self.directory.path().join("code");
        let code = Dir::open_ambient_dir(code, ambient_authority()).unwrap();
        Host::builder().workers(Program::at(self.program(name))).compiled_code(code, &[7; 32])
    }

    /// What is kept of compiled code.
    pub(crate) fn code(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join("code")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The workers that this stage's stores have at the moment.
    pub(crate) fn workers(&self) -> Vec<String> {
        let ours = self.directory.path().to_str().unwrap();
        let mut workers = Vec::new();
        for entry in fs::read_dir("/proc").unwrap() {
            let id = entry.unwrap().file_name().into_string().unwrap();
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            if command.starts_with(ours) && command.contains("worker") && runs(&id) {
                workers.push(id);
            }
        }
        workers
    }

    /// A store of a guest. What lies about running lies about compiling, so that is done before.
    pub(crate) fn store(&self, name: &str, guest: &str, grants: Value, limits: Limits) -> Store {
        let component = guest_artifacts::guest(guest);
        self.builder("plain").build().unwrap().load_isolated(&component).unwrap();
        let host = self.builder(name).build().unwrap();
        let plugin = host.load_isolated(&component).unwrap();
        let grants: Grants = serde_json::from_value(grants).unwrap();
        let config =
            StoreConfig { grants: Granted::Only(grants), limits, ..StoreConfig::default() };
        host.store("stage", &plugin, config).unwrap()
    }

    /// A store whose worker does what it is told, whatever that is.
    pub(crate) fn escaped(&self, grants: Value) -> Store {
        self.store("escaped", "state_memory", grants, Limits::default())
    }
}

pub(crate) fn granted(directory: &Path, access: &str) -> Value {
    json!({ "directories": [{ "host": directory, "guest": "/granted", "access": access }] })
}

pub(crate) async fn ask(store: &Store, key: impl Into<String>) -> Result<String, CallError> {
    let reference = Reference::new(Source::Value, key).unwrap();
    let answer = store.resolve_one(&reference).await?;
    Ok(answer.expose_text().unwrap().to_owned())
}

/// An error of this kind, that blames these and says what is next. Its text.
#[track_caller]
pub(crate) fn refused(result: Result<String, CallError>, kind: &str, blame: Blame) -> String {
    let error = result.expect_err("this is refused");
    assert_eq!((error.cause().kind(), error.blame()), (kind, blame), "{error}");
    assert!(!error.next().is_empty());
    error.to_string()
}

#[track_caller]
pub(crate) fn contains(text: &str, expected: &str) {
    assert!(text.contains(expected), "`{expected}` is not in: {text}");
}

/// Whether there is such a process that has not ended.
pub(crate) fn runs(id: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(id).join("stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[expect(unsafe_code, reason = "a process that the test knows to be a worker of its own")]
pub(crate) fn signal(worker: &str, signal: i32) {
    let worker = worker.parse().unwrap();
    assert_eq!(unsafe { libc::kill(worker, signal) }, 0);
}

/// Waits for something that is sure to come, and not for ever.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}
