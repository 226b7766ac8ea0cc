//! Stand-ins for Azure Key Vault and Google Secret Manager, of which no server can be had by any registry. They are ours,
//! written after the services' documentation, and look at tokens and roles as the services do: what they show is that
//! the whole way works, and not what Azure and Google do. They run in moto's Python.

use crate::moto;
use crate::process::Process;
use serde_json::Value;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

const PROGRAM: &str = include_str!("../cloud.py");

/// What is stood in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Azure Key Vault, with Microsoft Entra.
    Azure,
    /// Google Secret Manager, with Google's issuer.
    Google,
}

/// A stand-in of its own, with nothing in it.
pub struct Server {
    service: Service,
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
    pub fn start(service: Service) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cloud.py"), PROGRAM).unwrap();
        let mut server = Self { service, process: None, directory, port: 0 };
        server.run(None);
        server
    }

    fn run(&mut self, had: Option<[u16; 1]>) {
        let name = match self.service {
            Service::Azure => "azure",
            Service::Google => "google",
        };
        let folder = self.directory.path();
        let (process, [port]) = Process::start_on(had, name, |[port]| {
            let mut command = Command::new(moto::install());
            command.arg("-u").arg(folder.join("cloud.py")).args([name, &port.to_string()]);
            command.arg(folder).current_dir(folder).env_clear();
            Process::start(command, "ready", &folder.join("log"))
        });
        (self.process, self.port) = (Some(process), port);
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it is on loopback.
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

    /// What a client logs in with that may do `all`, only `read`, or nothing (`none`); or all with tokens that are
    /// `brief`.
    #[must_use]
    pub fn client(&self, name: &str) -> Value {
        self.read("clients.json")[name].take()
    }

    /// What it keeps, as it is in its file; and the tokens that it gave out.
    #[must_use]
    pub fn state(&self) -> Value {
        self.read("state.json")
    }

    fn read(&self, name: &str) -> Value {
        let text = fs::read(self.directory.path().join(name)).unwrap_or_else(|_| b"null".into());
        serde_json::from_slice(&text).unwrap()
    }

    /// Stops it, as a power cut would.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again at the same address, with what it kept.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.stop();
        self.run(Some([self.port]));
    }
}

/// Shows where it is; its clients are nobody's business.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.service).field(&self.port).finish()
    }
}
