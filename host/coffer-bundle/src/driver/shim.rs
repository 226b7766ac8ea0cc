//! For tests: programs in the places of real ones, and the machine around them.

use super::{Driver, DriverError, Ended, Image, Machine, Operation, Scratch};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::{Host, Secret};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read as _, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How long something that happens at once may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A value that must not be where values must not be.
pub(super) const CANARY: &str = "canary-7f3a";

/// A machine with nothing on PATH but the programs that a test writes and the system's own.
pub(super) struct Bench {
    directory: TempDir,
    pub(super) files: Dir,
    pub(super) scratch: Scratch,
    host: Host,
}

impl Bench {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = Dir::open_ambient_dir(directory.path(), ambient_authority()).unwrap();
        let scratch = Scratch::open(&files, directory.path()).unwrap();
        Self { directory, files, scratch, host: Host::builder().build().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.files.read_to_string(name).unwrap_or_default()
    }

    pub(super) fn remove(&self, name: &str) {
        self.files.remove_file(name).unwrap();
    }

    /// Writes a program, with `$here` for the test's directory. Another process writes it: a file that
    /// was open for writing when some other test's program was forked could not be run.
    pub(super) fn program(&self, name: &str, script: &str) {
        let mut writer = Command::new("sh")
            .args(["-c", "cat >\"$1\" && chmod 700 \"$1\"", "sh"])
            .arg(self.path(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let here = self.directory.path().display();
        let script = format!("#!/bin/sh\nset -eu\nhere='{here}'\n{script}");
        writer.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }

    pub(super) fn machine(&self) -> Machine<'_> {
        let mut path = OsString::from(self.directory.path());
        path.push(":/usr/bin:/bin");
        Machine { host: &self.host, scratch: &self.scratch, path: Some(path) }
    }

    /// Runs an operation and returns what it wrote on standard output and error.
    pub(super) async fn run(
        &self,
        driver: &str,
        operation: Operation,
        cancelled: impl Future<Output = ()>,
    ) -> (Result<Ended, DriverError>, String, String) {
        let driver: Driver = driver.parse().unwrap();
        let (stdout, stderr) = (Shared::default(), Shared::default());
        let writers = (Box::new(stdout.clone()), Box::new(stderr.clone()));
        let machine = self.machine();
        let ended = driver.run(&machine, operation, writers.0, writers.1, cancelled).await;
        (ended, stdout.text(), stderr.text())
    }

    /// What runs left in the scratch directory.
    pub(super) fn left(&self) -> Vec<OsString> {
        let user = rustix::process::geteuid().as_raw();
        let entries = self.files.read_dir(format!("coffer-{user}")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    /// A pipe that a program opens and writes to when it lives. The first of the two ends then, the
    /// second when nobody has the pipe open any more.
    pub(super) fn life(&self, name: &str) -> (impl Future<Output = ()>, impl Future<Output = ()>) {
        assert!(Command::new("mkfifo").arg(self.path(name)).status().unwrap().success());
        let (directory, name) = (self.files.try_clone().unwrap(), name.to_owned());
        let (born, is_born) = oneshot::channel();
        let (gone, is_gone) = oneshot::channel();
        std::thread::spawn(move || {
            let mut pipe = directory.open(name).unwrap();
            pipe.read_exact(&mut [0]).unwrap();
            let _ = born.send(());
            pipe.read_to_end(&mut Vec::new()).unwrap();
            let _ = gone.send(());
        });
        let within = |receiver: oneshot::Receiver<()>, what: &'static str| async move {
            let waited = tokio::time::timeout(PATIENCE, receiver).await;
            waited.expect(what).expect("the thread reads to the end");
        };
        (within(is_born, "it was never alive"), within(is_gone, "it is still alive"))
    }

    /// Awaits `run`, in which a program does [`HANG`]; `time` after that is what the clock says, and the program
    /// may go on if `goes_on`. The clock moves for nothing else, so a [`TICK`] more is another outcome.
    pub(super) async fn hanging<T>(
        &self,
        time: Duration,
        goes_on: bool,
        run: impl Future<Output = T>,
    ) -> T {
        tokio::time::pause();
        // The clock stands still as long as something blocks.
        let (moves, stands) = mpsc::channel::<()>();
        let blocked = tokio::task::spawn_blocking(move || stands.recv());
        let (hangs, _) = self.life("hangs");
        let wait = async {
            hangs.await;
            tokio::time::advance(time).await;
            if goes_on {
                self.files.write("go", "").unwrap();
            }
        };
        let (done, ()) = tokio::join!(run, wait);
        drop(moves);
        let _ = blocked.await;
        tokio::time::resume();
        done
    }
}

/// The least that tokio's timers tell apart, rounded up.
pub(super) const TICK: Duration = Duration::from_millis(2);

/// What a program does in [`Bench::hanging`], the first time. Nothing hangs for ever: a test whose limit is
/// not there fails.
pub(super) const HANG: &str = "[ -e \"$here/go\" ] || { exec 3>\"$here/hangs\"; echo >&3; tries=0; \
     until [ -e \"$here/go\" ] || [ $tries = 2000 ]; do sleep 0.01; tries=$((tries + 1)); done; }";

pub(super) fn operation() -> Operation {
    Operation {
        action: "install".into(),
        installation: "demo".into(),
        namespace: "dev".into(),
        run: "01JDEMO".into(),
        bundle: json!({ "name": "sensitive-data", "version": "0.1.0" }),
        image: Image {
            kind: "docker".into(),
            reference: "example/image:v1".into(),
            digest: None,
            content: None,
        },
        parameters: BTreeMap::new(),
        environment: BTreeMap::new(),
        files: BTreeMap::new(),
        outputs: BTreeMap::from([("/cnab/app/outputs/name".into(), "name".into())]),
    }
}

pub(super) fn output<'a>(ended: &'a Ended, name: &str) -> Option<&'a str> {
    ended.outputs.get(name).and_then(Secret::expose_text)
}

#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
