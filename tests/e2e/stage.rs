//! A machine for one test: coffer's home and everything else that the binary could write to, below one
//! temporary directory.

use crate::bundles;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The configuration of the walk-through.
pub(crate) const FILESYSTEM: &str = "default-secrets-plugin: \"filesystem\"\n";

/// What stands where a value is hidden.
pub(crate) const MASK: &str = "*******";

pub(crate) struct Stage {
    directory: TempDir,
}

impl Stage {
    /// A machine on which coffer never ran. What was compiled by an earlier test is there already, since
    /// compiling is what would take the time.
    pub(crate) fn new() -> Self {
        static WARM: OnceLock<PathBuf> = OnceLock::new();
        let stage = Self::cold();
        let warm = WARM.get_or_init(warm);
        for (file, folder) in bundles::files(warm) {
            let to = stage.home().join(folder);
            fs::create_dir_all(&to).unwrap();
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
        stage
    }

    /// A machine on which coffer never ran, and nothing was compiled.
    pub(crate) fn cold() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for folder in ["bin", "home", "runtime", "tmp", "user", "work"] {
            fs::create_dir(directory.path().join(folder)).unwrap();
        }
        let stage = Self { directory };
        stage.bundle(&bundles::sensitive_data());
        stage
    }

    /// A machine whose default store keeps secrets.
    pub(crate) fn keeping() -> Self {
        let stage = Self::new();
        stage.config(FILESYSTEM);
        stage
    }

    /// A machine on which `sensitive-data` was installed with this password.
    pub(crate) fn installed(password: &str) -> Self {
        let stage = Self::keeping();
        let arguments = ["install", "--bundle", "bundle", "--param", "password=-"];
        stage.call(&arguments).stdin(password).run().succeeded();
        stage
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub(crate) fn config(&self, text: &str) {
        fs::write(self.home().join("config.yaml"), text).unwrap();
    }

    /// Makes everything in the home its owner's alone, as it is when coffer made it.
    pub(crate) fn private(&self) {
        for path in walk(&self.home()).into_iter().chain([self.home()]) {
            let mode = path.metadata().unwrap().permissions().mode();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o700)).unwrap();
        }
    }

    /// Writes a file into the working directory.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path("work").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Puts a bundle into the folder `bundle` of the working directory, with the entry point of the
    /// walk-through beside it.
    pub(crate) fn bundle(&self, document: &Value) {
        self.file("bundle/bundle.json", serde_json::to_vec(document).unwrap());
        self.file("bundle/installer.wasm", guest_artifacts::guest("sensitive_data"));
    }

    /// Writes a program to PATH, with `$here` for the test's directory. Another process writes it: a file
    /// that was open for writing when some other test's program was forked could not be run.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let mut writer = Command::new("sh")
            .args(["-c", "cat >\"$1\" && chmod 700 \"$1\"", "sh"])
            .arg(self.path("bin").join(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let here = self.path("").display().to_string();
        let script = format!("#!/bin/sh\nset -eu\nhere='{}'\n{script}", here.trim_end_matches('/'));
        writer.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }

    /// The binary with these arguments.
    pub(crate) fn call<T: AsRef<OsStr>>(&self, arguments: &[T]) -> Call {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coffer"));
        let mut path = OsString::from(self.path("bin"));
        path.push(":/usr/bin:/bin");
        command
            .args(arguments)
            .current_dir(self.path("work"))
            .env_clear()
            .env("COFFER_HOME", self.home())
            .env("HOME", self.path("user"))
            .env("PATH", path)
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"));
        Call { command, stdin: Vec::new() }
    }

    /// Runs the binary with nothing on its standard input.
    pub(crate) fn coffer<T: AsRef<OsStr>>(&self, arguments: &[T]) -> Answer {
        self.call(arguments).run()
    }

    /// What the ledger has.
    pub(crate) fn ledger(&self) -> Value {
        self.coffer(&["ledger", "dump", "-o", "json"]).json()
    }

    /// The keys that the default store has.
    pub(crate) fn keys(&self) -> Vec<String> {
        let listed = self.coffer(&["secrets", "list", "-o", "json"]).json();
        serde_json::from_value(listed).unwrap()
    }

    /// The value of a secret of the default store.
    pub(crate) fn secret(&self, key: &str) -> Vec<u8> {
        self.coffer(&["secrets", "get", key, "--reveal"]).succeeded().stdout
    }

    /// The names in a folder, sorted and without hidden ones; nothing if there is none.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let mut names = self.hidden(folder);
        names.retain(|name| !name.starts_with('.'));
        names
    }

    /// The names in a folder, sorted, hidden ones too; nothing if there is none.
    pub(crate) fn hidden(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort_unstable();
        names
    }

    /// What native drivers left of their runs.
    pub(crate) fn scratch(&self) -> Vec<String> {
        let folders = self.names("runtime");
        folders.iter().flat_map(|folder| self.names(&format!("runtime/{folder}"))).collect()
    }

    /// Every file of the home with its content, to see that nothing changed. What is written by reading
    /// (the audit, the database's own bookkeeping, compiled code) is not in it.
    pub(crate) fn state(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let written =
            ["audit.jsonl", "cache", "keys", "ledger.db", "ledger.db-shm", "ledger.db-wal"];
        let mut state = Vec::new();
        for path in walk(&self.home()) {
            let below = path.strip_prefix(self.home()).unwrap();
            if !path.is_dir() && !written.iter().any(|written| below.starts_with(written)) {
                let bytes = fs::read(&path).unwrap_or_default();
                state.push((below.to_owned(), bytes));
            }
        }
        state
    }
}

/// Every file and folder below `folder`, sorted, links not followed.
pub(crate) fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort_unstable();
    found
}

/// Compiles once what most tests run, and keeps it for the next run of the tests too.
fn warm() -> PathBuf {
    let warm = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-warm");
    let stage = Stage::cold();
    for (file, folder) in bundles::files(&warm) {
        let to = stage.home().join(folder);
        fs::create_dir_all(&to).unwrap();
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
    stage.config(FILESYSTEM);
    let arguments = ["install", "--bundle", "bundle", "--param", "password=-"];
    stage.call(&arguments).stdin("x").run().succeeded();
    stage.coffer(&["config", "check"]).succeeded();
    for folder in ["cache", "keys"] {
        fs::create_dir_all(warm.join(folder)).unwrap();
        for name in stage.names(&format!("home/{folder}")) {
            let _ = fs::copy(stage.home().join(folder).join(&name), warm.join(folder).join(&name));
        }
    }
    warm
}

/// The user that nothing belongs to.
const NOBODY: u32 = 65_534;

/// Takes the privileges of root from a program that is to be started, if this is root.
pub(crate) fn unprivileged(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// A call of the binary.
pub(crate) struct Call {
    command: Command,
    stdin: Vec<u8>,
}

impl Call {
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// In this directory, and not in the stage's own.
    pub(crate) fn within(mut self, directory: PathBuf) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Starts another program in the same surroundings.
    pub(crate) fn instead(mut self, mut command: Command) -> Self {
        command.env_clear().current_dir(self.command.get_current_dir().unwrap());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        self
    }

    /// As a user without privileges; as root, that is another one, who is given the stage.
    pub(crate) fn unprivileged(mut self, stage: &Stage) -> Self {
        unprivileged(&mut self.command);
        if rustix::process::geteuid().is_root() {
            for path in walk(&stage.path("")).into_iter().chain([stage.path("")]) {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        self
    }

    /// Starts it, with its streams piped and nothing written to the first.
    pub(crate) fn open(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.spawn().unwrap()
    }

    /// Starts it, with its streams piped.
    pub(crate) fn start(mut self) -> Child {
        let bytes = std::mem::take(&mut self.stdin);
        let mut child = self.open();
        // Whoever reads nothing has closed it already.
        let _ = child.stdin.take().unwrap().write_all(&bytes);
        child
    }

    pub(crate) fn run(self) -> Answer {
        let asked = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        Answer::of(self.start(), asked)
    }
}

/// What a call of the binary came to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The arguments, for messages.
    pub(crate) asked: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Answer {
    pub(crate) fn of(child: Child, asked: String) -> Self {
        let output = child.wait_with_output().unwrap();
        Self { asked, code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}: {}{}", self.asked, self.stdout(), self.stderr());
        self
    }

    /// Succeeded, said exactly this and nothing on standard error.
    #[track_caller]
    pub(crate) fn printed(self, expected: &str) -> Self {
        let answer = self.succeeded();
        assert_eq!(answer.stdout(), expected, "{}", answer.asked);
        assert_eq!(answer.stderr(), "", "{}", answer.asked);
        answer
    }

    /// Failed before anything was printed: there is nothing on standard output. See [`Self::failed`].
    #[track_caller]
    pub(crate) fn refused(self, code: i32, fault: &str, words: &[&str]) -> Self {
        let answer = self.failed(code, fault, words);
        assert!(answer.stdout.is_empty(), "{}: {}", answer.asked, answer.stdout());
        answer
    }

    /// Failed with this code, and said what, whose fault and what next; all of `words` are in it.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, fault: &str, words: &[&str]) -> Self {
        let stderr = self.stderr();
        let shown = format!("{}: {:?} {}{stderr}", self.asked, self.code, self.stdout());
        assert_eq!(self.code, Some(code), "{shown}");
        let parts = stderr
            .split_once("error: ")
            .and_then(|(_, rest)| rest.split_once("\nfault: "))
            .and_then(|(error, rest)| Some((error, rest.split_once("\nnext: ")?)));
        let Some((error, (blamed, next))) = parts else { panic!("parts are missing: {shown}") };
        assert!(!error.trim().is_empty() && !next.trim().is_empty(), "{shown}");
        assert_eq!(blamed, fault, "{shown}");
        for word in words {
            assert!(stderr.contains(word), "`{word}` is missing: {shown}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let answer = self.succeeded();
        serde_json::from_slice(&answer.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", answer.asked, answer.stdout()))
    }

    #[track_caller]
    pub(crate) fn yaml(self) -> Value {
        let answer = self.succeeded();
        serde_saphyr::from_str(&answer.stdout())
            .unwrap_or_else(|error| panic!("{}: {error}: {}", answer.asked, answer.stdout()))
    }
}
