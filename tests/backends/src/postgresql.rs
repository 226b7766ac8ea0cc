//! PostgreSQL, as Debian has it. It does not run as root, so where the tests do, it is `nobody`'s. Logins are
//! by SCRAM, on loopback and with or without TLS.

use crate::Backend;
use crate::process::Process;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What [`crate::BACKENDS`] knows of it.
pub const BACKEND: Backend = Backend { name: "postgresql", version: "15", install, start };

/// The name of the user that owns the database `coffer`, and of nothing else.
pub const USER: &str = "coffer";

/// Debian's users that own nothing.
const NOBODY: u32 = 65534;

/// Installs it with apt unless it is there. Debian's own cluster is neither made nor started.
fn install() -> PathBuf {
    let programs = PathBuf::from("/usr/lib/postgresql").join(BACKEND.version).join("bin");
    if !programs.join("postgres").is_file() {
        fs::create_dir_all("/etc/postgresql-common").unwrap();
        let settings = Path::new("/etc/postgresql-common/createcluster.conf");
        if !settings.exists() {
            fs::write(settings, "create_main_cluster = false\n").unwrap();
        }
        for arguments in [
            &["update"][..],
            &["install", "-y", "--no-install-recommends", "postgresql-15", "postgresql-client-15"],
        ] {
            let done = Command::new("apt-get").args(arguments).output();
            let done = done.expect("apt-get installs PostgreSQL, as root");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
    programs
}

fn start() -> (String, Box<dyn Send>) {
    let server = Server::start();
    let told = format!("process {}, {}", server.id(), server.url());
    (told, Box::new(server))
}

/// A server of its own, with the empty database `coffer`.
pub struct Server {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
    password: String,
}

impl Server {
    /// Starts one with nothing in it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Nothing that could be found by chance.
        let password = format!("pw-{}", directory.path().file_name().unwrap().display());
        fs::write(directory.path().join("password"), &password).unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        if fs::metadata(&data).unwrap().uid() == 0 {
            for path in [directory.path(), &data, &directory.path().join("password")] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let mut server = Self { process: None, directory, port: 0, password };
        let (data, file) = (server.path("data"), server.path("password"));
        let arguments = ["-D", &data, "-A", "scram-sha-256", "-U", "root", "--pwfile", &file];
        let mut make = server.program("initdb");
        make.args(arguments).args(["-E", "UTF8", "--no-sync"]);
        succeeded(&make.output().unwrap());
        server.launch();
        server.sql(&format!("CREATE ROLE {USER} LOGIN PASSWORD '{}'", server.password));
        server.sql(&format!("CREATE DATABASE coffer OWNER {USER}"));
        server
    }

    /// Its URL, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// Its URL as it is through a port that leads to it.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("postgresql://{USER}:{}@127.0.0.1:{port}/coffer", self.password)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of every user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its process.
    ///
    /// # Panics
    ///
    /// If it was stopped.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it was not stopped").id()
    }

    /// What a statement of its administrator prints.
    #[must_use]
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let arguments = ["-U", "root", "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtc", sql];
        let mut command = self.client("psql");
        let output = command.args(arguments).output().unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Does something as its administrator.
    pub fn sql(&self, sql: &str) {
        let _ = self.ask("postgres", sql);
    }

    /// Everything that it has, as its own tool writes it for a backup.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        let output = self.client("pg_dumpall").args(["-U", "root"]).output().unwrap();
        succeeded(&output);
        output.stdout
    }

    /// The folder with every byte that it keeps.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Encrypts its connections with this certificate from its next start on.
    pub fn encrypt(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.files().join(name);
            fs::write(&path, text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&path, mode).unwrap();
            let owner = fs::metadata(self.files()).unwrap().uid();
            chown(&path, Some(owner), Some(owner)).unwrap();
        }
        self.sql("ALTER SYSTEM SET ssl = on");
    }

    /// Stops it, as a power cut would.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again at the same address.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    fn launch(&mut self) {
        let had = (self.port != 0).then_some([self.port]);
        let (process, [port]) = Process::start_on(had, "PostgreSQL", |[port]| {
            let (data, sockets) = (self.path("data"), self.path(""));
            let mut command = self.program("sh");
            // It tells on its standard error when it is ready. Nobody cuts the power of this machine.
            command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(install().join("postgres")).args([
                "-D",
                &data,
                "-p",
                &port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                &format!("unix_socket_directories={sockets}"),
                "-c",
                "fsync=off",
            ]);
            let log = self.directory.path().join("log");
            Process::start(command, "ready to accept connections", &log)
        });
        (self.process, self.port) = (Some(process), port);
    }

    /// A program of its, or of the system, as the user that owns its files.
    fn program(&self, name: &str) -> Command {
        let own = install().join(name);
        let program = if own.is_file() { own } else { PathBuf::from(name) };
        let owner = fs::metadata(self.files()).unwrap().uid();
        let mut command = if owner == NOBODY {
            let mut command = Command::new("setpriv");
            let user = format!("--reuid={NOBODY}");
            command.args([&user, &format!("--regid={NOBODY}"), "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn client(&self, name: &str) -> Command {
        let mut command = self.program(name);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.env("PGPASSWORD", &self.password);
        command
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Shows where it is; the password is nobody's business.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.port).finish()
    }
}
