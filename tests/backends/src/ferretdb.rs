//! FerretDB on SQLite: it speaks the protocol of MongoDB, has one server and no transactions of several
//! documents. It is not MongoDB, and this version asks nobody for a password. It is built from its modules.

use crate::go::{self, Mend, Program};
use crate::process::Process;
use crate::{Backend, cache};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// What [`crate::BACKENDS`] knows of it.
pub const BACKEND: Backend = Backend { name: "ferretdb", version: "1.24.2", install, start };

/// Builds it unless it was built.
fn install() -> PathBuf {
    let folder = cache(BACKEND.name, "1.24.2-mended-2");
    let program = folder.join("ferretdb");
    if program.is_file() {
        return program;
    }
    let module = "github.com/FerretDB/FerretDB";
    let ours = include_str!("../ferretdb.go");
    go::build_mended(
        &folder,
        include_str!("../ferretdb.mod"),
        module,
        Program::Ours(ours),
        "ferretdb",
        &MENDS,
    )
}

/// What Porter needs of it. It makes sure of its indexes each time, and has documents with dots in their keys, as
/// MongoDB has them since version 3.6.
const MENDS: [Mend; 2] = [
    // Of several indexes that are there it took away more than it had, and ended the connection.
    Mend {
        file: "internal/handler/msg_createindexes.go",
        text: "filteredToCreate = slices.Delete(filteredToCreate, i, i+1)",
        instead: "filteredToCreate = slices.DeleteFunc(filteredToCreate, func(other backends.IndexInfo) bool { \
                  return other.Name == newIdx.Name })",
    },
    Mend {
        file: "internal/types/document_validation.go",
        text: "strings.Contains(key, \".\")",
        instead: "false",
    },
];

fn start() -> (String, Box<dyn Send>) {
    let server = Server::start();
    let told = format!("process {}, {}", server.id(), server.url());
    (told, Box::new(server))
}

/// A server of its own, with nothing in it.
pub struct Server {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut server = Self { process: None, directory: tempfile::tempdir().unwrap(), port: 0 };
        server.launch();
        server
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// Its URL as it is through a port that leads to it.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("mongodb://127.0.0.1:{port}/coffer")
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
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

    /// The folder with every byte that it keeps.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.directory.path().join("data")
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
        let program = install();
        std::fs::create_dir_all(self.files()).unwrap();
        let had = (self.port != 0).then_some([self.port]);
        let (process, [port]) = Process::start_on(had, "FerretDB", |[port]| {
            let mut command = Command::new(&program);
            command.arg(format!("127.0.0.1:{port}")).arg(self.files());
            command.current_dir(self.directory.path()).env_clear();
            Process::start(command, "ready:", &self.directory.path().join("log"))
        });
        (self.process, self.port) = (Some(process), port);
    }
}

/// Shows where it is.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.port).finish()
    }
}
