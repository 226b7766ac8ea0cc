//! OpenBao: the API of HashiCorp Vault, as a real server with policies, namespaces and AppRole. It is
//! built from its modules. Storage is in files, so that it can be stopped and started again.

use crate::client::{self, Answer};
use crate::go::{self, Program};
use crate::process::Process;
use crate::{Backend, cache};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// What [`crate::BACKENDS`] knows of it.
pub const BACKEND: Backend = Backend { name: "openbao", version: "2.4.0", install, start };

/// The module, as the file beside `Cargo.toml` requires it.
const MODULE: &str = "github.com/openbao/openbao";

/// The most that a request can have. Small, so that a test can exceed it.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Builds it unless it was built.
fn install() -> PathBuf {
    let folder = cache(BACKEND.name, BACKEND.version);
    let program = folder.join("bao");
    if program.is_file() {
        return program;
    }
    go::build(&folder, include_str!("../openbao.mod"), MODULE, Program::Theirs(MODULE), "bao")
}

fn start() -> (String, Box<dyn Send>) {
    let server = Server::start();
    let told = format!(
        "process {}, {}, token {}, KV engines secret (version 2) and kv1 (version 1)",
        server.id(),
        server.address(),
        server.root_token
    );
    (told, Box::new(server))
}

/// A server of its own, unsealed, with KV engines at `secret` (version 2) and `kv1` (version 1).
pub struct Server {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
    key: String,
    root_token: String,
}

impl Server {
    /// Starts one with nothing in it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut server = Self {
            process: None,
            directory: tempfile::tempdir().unwrap(),
            port: 0,
            key: String::new(),
            root_token: String::new(),
        };
        server.launch();
        let answer =
            server.ask("", "PUT", "sys/init", json!({ "secret_shares": 1, "secret_threshold": 1 }));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        server.key = text(&answer.body["keys"][0]);
        server.root_token = text(&answer.body["root_token"]);
        server.unseal();
        for (mount, version) in [("secret", "2"), ("kv1", "1")] {
            server.mount(mount, version);
        }
        server
    }

    /// Mounts a KV engine.
    pub fn mount(&self, path: &str, version: &str) {
        let body = json!({ "type": "kv", "options": { "version": version } });
        self.root("POST", &format!("sys/mounts/{path}"), body);
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
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

    /// The token that can do everything.
    #[must_use]
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Asks it by `token`, or without one if that is empty.
    #[must_use]
    pub fn ask(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let headers: &[_] = if token.is_empty() { &[] } else { &[("x-vault-token", token)] };
        client::send(self.port, method, &format!("/v1/{path}"), headers, Some(&body))
    }

    /// Asks it by the root token, and expects that it does what it is asked.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn root(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(&self.root_token, method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.body
    }

    /// Makes a policy, and a token that has nothing but it.
    #[must_use]
    pub fn token(&self, name: &str, policy: &str, more: Value) -> String {
        self.root("PUT", &format!("sys/policies/acl/{name}"), json!({ "policy": policy }));
        let mut body = json!({ "policies": [name], "no_default_policy": true });
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let answer = self.root("POST", "auth/token/create", body);
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Stops it, as a power cut would.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again at the same address. It is sealed.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Unseals it.
    pub fn unseal(&self) {
        let answer = self.ask("", "PUT", "sys/unseal", json!({ "key": self.key }));
        assert_eq!(answer.body["sealed"], false, "{answer:?}");
    }

    /// Seals it.
    pub fn seal(&self) {
        self.root("PUT", "sys/seal", json!({}));
    }

    fn launch(&mut self) {
        let program = install();
        let had = (self.port != 0).then_some([self.port]);
        let (process, [port]) = Process::start_on(had, "OpenBao", |[port]| {
            let file = self.directory.path().join("config.json");
            let config = json!({
                "storage": { "file": { "path": self.directory.path().join("data") } },
                "listener": { "tcp": {
                    "address": format!("127.0.0.1:{port}"),
                    "tls_disable": true,
                    "max_request_size": REQUEST_BYTES_MAX,
                } },
                "api_addr": format!("http://127.0.0.1:{port}"),
            });
            fs::write(&file, config.to_string()).unwrap();
            let mut command = Command::new(&program);
            command
                .arg("server")
                .arg(format!("-config={}", file.display()))
                .env_clear()
                .env("HOME", self.directory.path());
            let log = self.directory.path().join("log");
            Process::start(command, "server started!", &log)
        });
        (self.process, self.port) = (Some(process), port);
    }
}

/// Shows where it is; the tokens are nobody's business.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.port).finish()
    }
}
