//! A machine for one test, and a host on it.

use backends::plugin_host::{self, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// The binary.
pub(crate) const BRIDGE: &str = env!("CARGO_BIN_EXE_coffer-porter");

/// Both kinds of hosts.
pub(crate) const KINDS: [Kind; 2] = [Kind::Newest, Kind::Porter];

/// The cookie, and what it has to be.
pub(crate) const COOKIE: (&str, &str) = ("PORTER", "bbc2dd71-def4-4311-906e-e98dc27208ce");

/// A section that is the plugin `filesystem`, whole.
pub(crate) const FILESYSTEM: &str = r#"{"plugin":"filesystem","config":{"directory":"kept"}}"#;

pub(crate) struct Stage(TempDir);

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for folder in ["tmp", "user"] {
            fs::create_dir(directory.path().join(folder)).unwrap();
        }
        Self(directory)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// The names in a folder, sorted and without hidden ones; nothing if there is none.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        names
    }

    /// A program that has nothing of the surroundings of the tests.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .current_dir(self.path("user"))
            .env("COFFER_HOME", self.path("home"))
            .env("HOME", self.path("user"))
            .env("PATH", "/usr/bin:/bin")
            .env("TMPDIR", self.path("tmp"));
        command
    }

    /// The binary, with this as the cookie.
    pub(crate) fn bridge(&self, arguments: &[&str], cookie: &str) -> Output {
        let mut command = self.command(BRIDGE);
        command.args(arguments).env(COOKIE.0, cookie).stdin(Stdio::null()).output().unwrap()
    }

    /// A host that has started the plugin with a key's last part and a section, and is connected.
    pub(crate) fn connected(&self, kind: Kind, store: &str, section: &str) -> Host {
        let mut host = self.host(kind, &[], store, section);
        host.done(&json!({ "do": "connect" }));
        host
    }

    /// A host that has started the plugin.
    pub(crate) fn host(&self, kind: Kind, options: &[&str], store: &str, section: &str) -> Host {
        let path = self.path("section");
        fs::write(&path, section).unwrap();
        self.host_with(kind, options, store, &path)
    }

    /// A host that has started the plugin with a file as its standard input.
    pub(crate) fn host_with(
        &self,
        kind: Kind,
        options: &[&str],
        store: &str,
        section: &Path,
    ) -> Host {
        let mut command = self.command(plugin_host::install(kind));
        command.arg("-section").arg(section).args(options);
        command.args([BRIDGE, "run", &format!("secrets.coffer.{store}")]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut host = Host { child, commands, answers, address: PathBuf::new(), plugin: None };
        let started = host.done(&json!({ "do": "start" }));
        host.address = started["address"].as_str().unwrap().into();
        host.plugin = Some(Process::of(started["pid"].as_i64().unwrap()));
        host
    }
}

/// A host, which is told what to do.
pub(crate) struct Host {
    pub(crate) child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where the plugin's socket is.
    pub(crate) address: PathBuf,
    plugin: Option<Process>,
}

impl Host {
    pub(crate) fn plugin(&self) -> &Process {
        self.plugin.as_ref().expect("it was started")
    }

    /// Tells it to do something, and waits for nothing.
    pub(crate) fn tell(&mut self, command: &Value) {
        writeln!(self.commands, "{command}").unwrap();
    }

    /// Has it do something.
    pub(crate) fn ask(&mut self, command: &Value) -> Value {
        self.tell(command);
        self.answer()
    }

    /// What came of what it was told.
    pub(crate) fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Has it do something that has to succeed.
    pub(crate) fn done(&mut self, command: &Value) -> Value {
        let answer = self.ask(command);
        assert!(answer["error"].is_null(), "{}: {answer}", command["do"]);
        answer
    }

    /// Has it do something that has to be refused with this code, and a text with these parts.
    #[track_caller]
    pub(crate) fn refused(&mut self, command: &Value, code: &str, parts: &[&str]) {
        let answer = self.ask(command);
        assert_eq!(answer["code"], code, "{command}: {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(parts.iter().all(|part| error.contains(part)), "{command}: {error}");
    }

    pub(crate) fn resolve(&mut self, key: &str) -> String {
        let answer = self.done(&json!({ "do": "resolve", "name": "secret", "key": key }));
        answer["value"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn create(&mut self, key: &str, value: &str) {
        self.done(&json!({ "do": "create", "name": "secret", "key": key, "value": value }));
    }

    /// What the plugin wrote to standard error, and what the host logged.
    pub(crate) fn told(&mut self) -> (String, String) {
        let told = self.done(&json!({ "do": "told" }));
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        (text("stderr"), text("log"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process, which is this one for as long as the value lives.
pub(crate) struct Process {
    pub(crate) id: Pid,
    descriptor: OwnedFd,
}

impl Process {
    fn of(id: i64) -> Self {
        let id = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        Self { id, descriptor: pidfd_open(id, PidfdFlags::empty()).unwrap() }
    }

    /// The processes that it has started and that still are.
    pub(crate) fn children(&self) -> Vec<Self> {
        let id = self.id.as_raw_pid();
        let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
        let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children"));
        let listed: String = tasks.map(|task| of(task.unwrap()).unwrap_or_default()).collect();
        listed.split_whitespace().map(|id| Self::of(id.parse().unwrap())).collect()
    }

    /// Whether it has ended, or does within so many seconds.
    pub(crate) fn ends_within(&self, seconds: i64) -> bool {
        let mut waited = [PollFd::new(&self.descriptor, PollFlags::IN)];
        let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
        poll(&mut waited, Some(&limit)).unwrap() == 1
    }
}
