//! moto: an AWS in memory, with signatures and IAM switched on. It is installed from PyPI with everything that it
//! needs in one version each. What it keeps ends with it, so what a test stops and starts again is the door to it.

use crate::process::Process;
use crate::{Backend, cache, client, free_port};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use tempfile::TempDir;

/// What [`crate::BACKENDS`] knows of it.
pub const BACKEND: Backend = Backend { name: "moto", version: "5.2.5", install, start };

/// The region that everything is in.
pub const REGION: &str = "eu-central-1";

/// What the tests run of it.
const PROGRAM: &str = include_str!("../moto.py");

/// Installs it unless it is installed, into an environment of its own, and says where its Python is.
pub(crate) fn install() -> PathBuf {
    let folder = cache(BACKEND.name, BACKEND.version);
    let python = folder.join("environment/bin/python");
    let whole = folder.join("whole");
    if !whole.is_file() {
        let requires = folder.join("moto.txt");
        fs::write(&requires, include_str!("../moto.txt")).unwrap();
        let (environment, requires) = (folder.join("environment"), requires.display().to_string());
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "-r",
            &requires,
        ];
        for (program, arguments) in [
            (
                Path::new("python3"),
                &["-m", "venv", "--clear", &environment.display().to_string()][..],
            ),
            (&python, &pip),
        ] {
            let done = Command::new(program).args(arguments).stdin(Stdio::null()).output();
            let done = done
                .unwrap_or_else(|error| panic!("Python installs moto, with venv and pip: {error}"));
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        fs::write(whole, "").unwrap();
    }
    python
}

fn start() -> (String, Box<dyn Send>) {
    let server = Server::start();
    let told = format!(
        "process {}, {}, region {REGION}, access key id {}, secret access key {}",
        server.moto.id(),
        server.address(),
        server.admin.id,
        server.admin.secret
    );
    (told, Box::new(server))
}

/// What requests are signed with.
#[derive(Clone)]
pub struct Key {
    /// Its name.
    pub id: String,
    /// The key.
    pub secret: String,
    /// The token that goes with it, if it is good for a while only.
    pub token: String,
}

impl Key {
    fn read(made: &Value) -> Self {
        let text = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            token: text("SessionToken"),
        }
    }
}

/// Shows its name.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Key").field(&self.id).finish()
    }
}

/// A server of its own, with nothing in it but a user that may do everything.
pub struct Server {
    moto: Process,
    door: Option<Process>,
    client: Client,
    directory: TempDir,
    behind: u16,
    port: u16,
    admin: Key,
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("server.py"), PROGRAM).unwrap();
        let (moto, behind) = launched(directory.path(), "moto", "Running on", |port| {
            vec!["serve".into(), port.to_string()]
        });
        let (door, port) = launched(directory.path(), "door", "ready", |door| {
            vec!["door".into(), door.to_string(), behind.to_string()]
        });
        let client = Client::start(directory.path(), behind);
        let anybody = Key { id: "seed".into(), secret: "seed".into(), token: String::new() };
        let mut server =
            Self { moto, door: Some(door), client, directory, behind, port, admin: anybody };
        let everything = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let everything = json!({ "Version": "2012-10-17", "Statement": [everything] });
        server.admin = server.user("admin", &everything);
        // From here on it looks at signatures and policies.
        let headers = [("content-type", "text/plain")];
        let answer =
            client::send(behind, "POST", "/moto-api/reset-auth", &headers, Some(&json!(0)));
        assert_eq!(answer.status, 200, "{answer:?}");
        server
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where its door is.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process of its door.
    ///
    /// # Panics
    ///
    /// If it was stopped.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.door.as_ref().expect("it was not stopped").id()
    }

    /// The key of the user that may do everything.
    #[must_use]
    pub fn admin(&self) -> &Key {
        &self.admin
    }

    /// Asks it by AWS's own library, with this key.
    ///
    /// # Errors
    ///
    /// The code of the refusal.
    pub fn ask(
        &self,
        key: &Key,
        service: &str,
        operation: &str,
        parameters: Value,
    ) -> Result<Value, String> {
        self.client.ask(&json!({
            "key": [key.id, key.secret, key.token], "region": REGION,
            "service": service, "operation": operation, "parameters": parameters,
        }))
    }

    /// Asks it as the user that may do everything, and expects that it does what it is asked.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn root(&self, service: &str, operation: &str, parameters: Value) -> Value {
        let shown = parameters.to_string();
        self.ask(&self.admin, service, operation, parameters)
            .unwrap_or_else(|code| panic!("{operation} {shown}: {code}"))
    }

    /// Makes a user that has nothing but this policy.
    #[must_use]
    pub fn user(&self, name: &str, policy: &Value) -> Key {
        self.root("iam", "create_user", json!({ "UserName": name }));
        let document = policy.to_string();
        let parameters =
            json!({ "UserName": name, "PolicyName": "policy", "PolicyDocument": document });
        self.root("iam", "put_user_policy", parameters);
        let made = self.root("iam", "create_access_key", json!({ "UserName": name }));
        Key::read(&made["AccessKey"])
    }

    /// Makes a role that has nothing but this policy, and a key of it that has a token.
    #[must_use]
    pub fn role(&self, name: &str, policy: &Value) -> Key {
        let trust = json!({
            "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole",
        });
        let trust = json!({ "Version": "2012-10-17", "Statement": [trust] }).to_string();
        let parameters = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust });
        let made = self.root("iam", "create_role", parameters);
        let document = policy.to_string();
        let parameters =
            json!({ "RoleName": name, "PolicyName": "policy", "PolicyDocument": document });
        self.root("iam", "put_role_policy", parameters);
        let parameters = json!({ "RoleArn": made["Role"]["Arn"], "RoleSessionName": "session" });
        Key::read(&self.root("sts", "assume_role", parameters)["Credentials"])
    }

    /// Stops it, as a power cut would: its door is gone, and what it keeps stays.
    pub fn stop(&mut self) {
        self.door = None;
    }

    /// Starts it again at the same address.
    ///
    /// # Panics
    ///
    /// If somebody else took the address.
    pub fn restart(&mut self) {
        self.stop();
        let arguments = ["door".into(), self.port.to_string(), self.behind.to_string()];
        let command = program(self.directory.path(), &arguments);
        let log = self.directory.path().join("door");
        self.door = Some(Process::start(command, "ready", &log).expect("its port is free"));
    }
}

/// Shows where it is; the keys are nobody's business.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.port).finish()
    }
}

fn program(directory: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(install());
    command.arg("-u").arg(directory.join("server.py")).args(arguments).current_dir(directory);
    command.env_clear().env("HOME", directory).env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Starts a part of it on a free port, which somebody else can take meanwhile.
fn launched(
    directory: &Path,
    name: &str,
    ready: &str,
    arguments: impl Fn(u16) -> Vec<String>,
) -> (Process, u16) {
    let mut why = String::new();
    for _ in 0..5 {
        let port = free_port();
        let command = program(directory, &arguments(port));
        match Process::start(command, ready, &directory.join(name)) {
            Ok(process) => return (process, port),
            Err(error) => why = error,
        }
    }
    panic!("moto does not start: {why}")
}

/// AWS's own library, which asks one thing after the other.
struct Client {
    process: Child,
    ends: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Client {
    fn start(directory: &Path, port: u16) -> Self {
        let mut command = program(directory, &["client".into(), port.to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let ends = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, ends: Mutex::new(ends) }
    }

    fn ask(&self, asked: &Value) -> Result<Value, String> {
        let mut ends = self.ends.lock().unwrap();
        writeln!(ends.0, "{asked}").unwrap();
        let mut line = String::new();
        ends.1.read_line(&mut line).unwrap();
        let mut told: Value = serde_json::from_str(&line).expect("a line for each request");
        match told["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(told["answer"].take()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
