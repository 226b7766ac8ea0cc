//! Kubernetes: kube-apiserver with RBAC and tokens of service accounts, and etcd behind it. No controller, no
//! scheduler and no node. It is built from its modules. Connections are TLS by a certificate authority of its own;
//! what the tests themselves ask goes through a port in the clear.

use crate::client::{self, Answer};
use crate::go::{self, Program};
use crate::process::Process;
use crate::{Backend, cache, free_port};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// What [`crate::BACKENDS`] knows of it.
pub const BACKEND: Backend = Backend { name: "kubernetes", version: "1.34.1", install, start };

/// Builds it unless it was built.
fn install() -> PathBuf {
    let folder = cache(BACKEND.name, BACKEND.version);
    let program = folder.join("kubernetes");
    if program.is_file() {
        return program;
    }
    let (requires, ours) = (include_str!("../kubernetes.mod"), include_str!("../kubernetes.go"));
    go::build(&folder, requires, "k8s.io/kubernetes", Program::Ours(ours), "kubernetes")
}

fn start() -> (String, Box<dyn Send>) {
    let server = Server::start();
    let told = format!(
        "process {}, {}, CA {}, token {}",
        server.id(),
        server.address(),
        server.ca().display(),
        server.admin_token()
    );
    (told, Box::new(server))
}

/// A server of its own, with the namespaces that it makes itself.
pub struct Server {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
    plain: u16,
    admin_token: String,
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
        let admin_token = format!("admin-{}", directory.path().file_name().unwrap().display());
        let line = format!("{admin_token},admin,1,\"system:masters\"\n");
        fs::write(directory.path().join("tokens.csv"), line).unwrap();
        let mut server = Self { process: None, directory, port: 0, plain: 0, admin_token };
        server.launch();
        server
    }

    /// Its URL.
    #[must_use]
    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The file with its certificate authority.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("apiserver.crt")
    }

    /// A token that may everything.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
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

    /// Sends a request with a token, whatever the answer. The path has no leading slash.
    #[must_use]
    pub fn ask(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let token = format!("Bearer {token}");
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        client::send(self.plain, method, &format!("/{path}"), &headers, body)
    }

    /// Asks as its administrator for what must succeed.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.ask(&self.admin_token, method, path, body);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    }

    /// Makes a namespace.
    pub fn namespace(&self, name: &str) {
        let namespace = json!({ "metadata": { "name": name } });
        self.admin("POST", "api/v1/namespaces", Some(&namespace));
    }

    /// Makes a service account, and a role of this name with these rules that it has.
    pub fn account(&self, namespace: &str, name: &str, rules: &Value) {
        let metadata = json!({ "name": name });
        let account = json!({ "metadata": metadata });
        let core = format!("api/v1/namespaces/{namespace}");
        self.admin("POST", &format!("{core}/serviceaccounts"), Some(&account));
        let rbac = "rbac.authorization.k8s.io";
        let area = format!("apis/{rbac}/v1/namespaces/{namespace}");
        let role = json!({ "metadata": metadata, "rules": rules });
        self.admin("POST", &format!("{area}/roles"), Some(&role));
        let binding = json!({
            "metadata": metadata,
            "roleRef": { "apiGroup": rbac, "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "namespace": namespace, "name": name }],
        });
        self.admin("POST", &format!("{area}/rolebindings"), Some(&binding));
        self.sees(namespace, name, rules);
    }

    /// Waits until it knows what the account may: it follows its own storage with a delay.
    fn sees(&self, namespace: &str, name: &str, rules: &Value) {
        let user = format!("system:serviceaccount:{namespace}:{name}");
        for rule in rules.as_array().unwrap() {
            for verb in rule["verbs"].as_array().unwrap() {
                let attributes = json!({
                    "namespace": namespace, "verb": verb, "resource": rule["resources"][0],
                    "name": rule["resourceNames"].get(0),
                });
                let review = json!({ "spec": { "user": user, "resourceAttributes": attributes } });
                let path = "apis/authorization.k8s.io/v1/subjectaccessreviews";
                while self.admin("POST", path, Some(&review))["status"]["allowed"] != true {}
            }
        }
    }

    /// A token of a service account. `request` is a `TokenRequest`'s `spec`.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    #[must_use]
    pub fn token(&self, namespace: &str, account: &str, request: &Value) -> String {
        let path = format!("api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = self.admin("POST", &path, Some(&json!({ "spec": request })));
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// A token with these claims, signed as its own.
    ///
    /// # Panics
    ///
    /// If it cannot be signed.
    #[must_use]
    pub fn signed(&self, claims: &Value) -> String {
        let mut command = Command::new(install());
        command.arg("sign").arg(self.directory.path()).arg(claims.to_string());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
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
        let had = (self.port != 0).then_some([self.port, self.plain]);
        let (process, ports) = Process::start_on(had, "kube-apiserver", |ports| {
            let mut command = Command::new(&program);
            // And one for etcd, which nobody else has to find.
            let [port, plain, own] = [ports[0], ports[1], free_port()].map(|port| port.to_string());
            command.arg(self.directory.path()).args([port, plain, own]);
            command.current_dir(self.directory.path()).env_clear();
            Process::start(command, "ready:", &self.directory.path().join("log"))
        });
        process.listens(ports[1]);
        ([self.port, self.plain], self.process) = (ports, Some(process));
    }
}

/// Shows where it is; the tokens are nobody's business.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.port).finish()
    }
}
