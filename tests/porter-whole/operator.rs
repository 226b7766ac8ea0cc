//! A machine with Porter, a database, and a store of coffer's.

use crate::scan::{CANARY, Scanner};
use crate::stage::{Answer, Call, Stage};
use backends::{ferretdb, openbao};
use rustix::process::Pid;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What the actions have in common.
const ACT: [&str; 9] =
    ["demo", "--cnab-file", "bundle.json", "--driver", "shim", "-c", "creds", "-p", "params"];

/// A store for Porter's secrets.
pub(crate) trait Kept {
    fn start() -> Self;

    /// What stands in Porter's configuration below `secrets`.
    fn section(&self) -> &'static str;

    /// The same store in coffer's own configuration.
    fn config(&self) -> String;

    /// What may have the value, below the test's directory.
    const FILES: &'static [&'static str];

    /// A variable that the configuration needs.
    fn token(&self) -> Option<&str>;
}

/// The whole store is in Porter's configuration.
pub(crate) struct Filesystem;

impl Kept for Filesystem {
    fn start() -> Self {
        Self
    }

    fn section(&self) -> &'static str {
        "    plugin: \"coffer.whatever\"\n    config:\n      plugin: filesystem\n      config:\n        \
         directory: kept\n"
    }

    fn config(&self) -> String {
        "default-secrets: prod\nsecrets:\n  - name: prod\n    plugin: filesystem\n    config:\n      \
         directory: kept\n"
            .into()
    }

    const FILES: &'static [&'static str] = &["home/kept"];

    fn token(&self) -> Option<&str> {
        None
    }
}

/// The store is one of coffer's own configuration.
pub(crate) struct Vault(openbao::Server);

impl Kept for Vault {
    fn start() -> Self {
        Self(openbao::Server::start())
    }

    fn section(&self) -> &'static str {
        "    plugin: \"coffer.prod\"\n"
    }

    fn config(&self) -> String {
        format!(
            "default-secrets: prod\nsecrets:\n  - name: prod\n    plugin: hashicorp.vault\n    config:\n      \
             vault_addr: {}\n      vault_token: ${{env.VAULT_TOKEN}}\n      path_prefix: secret/myapp\n      \
             private_addresses: true\n",
            self.0.address()
        )
    }

    const FILES: &'static [&'static str] = &[];

    fn token(&self) -> Option<&str> {
        Some(self.0.root_token())
    }
}

pub(crate) struct Operator<S> {
    pub(crate) stage: Stage,
    scanner: Scanner,
    database: ferretdb::Server,
    kept: S,
}

impl<S: Kept> Operator<S> {
    /// A machine on which Porter has coffer's plugin and a driver, which does `then` when it has left its
    /// outputs.
    pub(crate) fn new(then: &str) -> Self {
        let (stage, database, kept) = (Stage::new(), ferretdb::Server::start(), S::start());
        let operator = Self { stage, scanner: Scanner::new(), database, kept };
        let stage = &operator.stage;
        stage.config(&operator.kept.config());
        let home = stage.path("porter").display().to_string();
        operator.coffer(&["porter", "install", "--porter-home", &home]).run().succeeded();
        let config = format!(
            "default-storage: \"database\"\nstorage:\n  - name: \"database\"\n    plugin: \"mongodb\"\n    \
             config:\n      url: \"${{secret.storage}}\"\n      timeout: 30\ndefault-secrets: \
             \"prod\"\nsecrets:\n  - name: \"prod\"\n{}",
            operator.kept.section()
        );
        fs::write(stage.path("porter/config.yaml"), config).unwrap();
        let address = operator.database.url().replace("/coffer", "/porter");
        for (key, value) in [("storage", address.as_str()), ("token", CANARY), ("answer", CANARY)] {
            operator.coffer(&["secrets", "put", key]).stdin(value).run().succeeded();
        }
        stage.file("bundle.json", bundle().to_string());
        let given = json!({
            "schemaType": "CredentialSet", "schemaVersion": "1.0.1", "name": "creds",
            "credentials": [{ "name": "token", "source": { "secret": "token" } }],
        });
        stage.file("creds.json", given.to_string());
        let given = json!({
            "schemaType": "ParameterSet", "schemaVersion": "1.0.1", "name": "params",
            "parameters": [{ "name": "answer", "source": { "secret": "answer" } }],
        });
        stage.file("params.json", given.to_string());
        // What the bundle was given is what was put: one is compared with the other, and neither is shown.
        let driver = format!(
            "[ \"${{1-}}\" = --handles ] && {{ echo docker; exit 0; }}\ncat >/dev/null\n[ \"$TOKEN\" = \
             \"$PASSWORD\" ] || exit 4\noutputs=\"$CNAB_OUTPUT_DIR/cnab/app/outputs\"\nmkdir -p \
             \"$outputs\"\nprintf '%s' \"$PASSWORD\" >\"$outputs/name\"\n{then}"
        );
        stage.program("cnab-shim", &driver);
        let _ = fs::remove_file(stage.home().join("audit.jsonl"));
        operator
    }

    /// Coffer's own binary.
    fn coffer(&self, arguments: &[&str]) -> Call {
        let call = self.stage.call(arguments);
        match self.kept.token() {
            Some(token) => call.variable("VAULT_TOKEN", token),
            None => call,
        }
    }

    pub(crate) fn apply_sets(&self) {
        self.porter(&["credentials", "apply", "creds.json"]).succeeded();
        self.porter(&["parameters", "apply", "params.json"]).succeeded();
    }

    /// As Porter's users give a value that is sensitive.
    pub(crate) fn install(&self) -> Child {
        let password = format!("password={CANARY}");
        self.start(&[&["install"][..], &ACT, &["--param", &password]].concat())
    }

    pub(crate) fn upgrade(&self, more: &[&str]) {
        self.porter(&[&["upgrade"][..], &ACT, more].concat()).succeeded();
    }

    pub(crate) fn uninstall(&self) {
        self.porter(&[&["uninstall"][..], &ACT, &["--delete"]].concat()).succeeded();
    }

    /// What Porter says that the bundle's output is.
    #[track_caller]
    pub(crate) fn output_is(&self, value: &str) {
        let shown = ["installation", "outputs", "show", "name", "-i", "demo"];
        let shown = self.porter_tells(&shown).succeeded();
        assert_eq!(shown.stdout().trim_end_matches('\n'), value);
    }

    /// Runs Porter, which shows nothing that is sensitive.
    pub(crate) fn porter(&self, arguments: &[&str]) -> Answer {
        let answer = self.porter_tells(arguments);
        self.scanner.answer_is_clean(&answer);
        answer
    }

    /// Runs Porter, which may show what it was asked for.
    fn porter_tells(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.start(arguments), format!("{:?}", &arguments[..2]))
    }

    /// What Porter that was started came to; nothing in it is sensitive.
    pub(crate) fn ended(&self, child: Child) -> Answer {
        let answer = Answer::of(child, "install".into());
        self.scanner.answer_is_clean(&answer);
        answer
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let program = std::env::var_os("COFFER_TEST_PORTER")
            .expect("COFFER_TEST_PORTER names Porter's program");
        let mut command = Command::new(program);
        // In a group of processes of its own, as a terminal starts it.
        command.args(arguments).process_group(0);
        let call =
            self.coffer(&[]).variable("PORTER_HOME", self.stage.path("porter")).instead(command);
        call.start()
    }

    /// What the store was asked for, one by one, in order: `put KEY`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let audit = fs::read_to_string(self.stage.home().join("audit.jsonl")).unwrap_or_default();
        let mut calls = Vec::new();
        for line in audit.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if line["event"] == "begin" {
                let keys = line["references"].as_array().unwrap();
                let call = |key: &Value| {
                    format!("{} {}", line["verb"].as_str().unwrap(), key.as_str().unwrap())
                };
                calls.extend(keys.iter().map(call));
            }
        }
        calls
    }

    /// The ids of the installation's runs, as Porter has them.
    pub(crate) fn runs(&self) -> Vec<String> {
        let listed =
            self.porter(&["installation", "runs", "list", "demo", "-o", "json"]).succeeded();
        let runs: Value = serde_json::from_str(&listed.stdout()).unwrap();
        runs.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The keys that the store has.
    pub(crate) fn keys(&self) -> Vec<String> {
        let listed = self.coffer(&["secrets", "list", "-o", "json"]).run().json();
        serde_json::from_value(listed).unwrap()
    }

    /// What Porter does not need any more.
    pub(crate) fn prune(&self, more: &[&str]) -> Vec<String> {
        let home = self.stage.path("porter").display().to_string();
        let prune = ["secrets", "prune", "--porter", "--porter-home", &home, "-o", "json"];
        let pruned = self.coffer(&[&prune[..], more].concat()).run().json();
        serde_json::from_value(pruned["unused"].clone()).unwrap()
    }

    /// Nothing that is sensitive is anywhere but in the store: not in Porter's database, its directory or its
    /// logs, and not in coffer's.
    pub(crate) fn machine_is_clean(&self) {
        self.scanner.machine_is_clean(&self.stage, S::FILES);
        let database = self.database.files();
        assert_eq!(self.scanner.files(&database), [""; 0]);
        // It would have been found: what is not sensitive is there.
        let written = crate::stage::walk(&database);
        let found = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(8).any(|part| part == b"password")
        };
        assert!(written.iter().any(found));
    }

    pub(crate) fn wait_for(&self, file: &str) {
        let path = self.stage.path(file);
        let begun = Instant::now();
        while !path.exists() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{file} is not there");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processes of the plugin that Porter has started.
    pub(crate) fn bridges(&self) -> Vec<Pid> {
        let program = self.stage.path("porter/plugins/coffer/coffer");
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if fs::read_link(path.join("exe")).is_ok_and(|exe| exe == program) {
                found.extend(id.and_then(Pid::from_raw));
            }
        }
        found
    }

    /// Every process of the plugin ends soon.
    pub(crate) fn nothing_runs(&self) {
        let begun = Instant::now();
        while !self.bridges().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", self.bridges());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Porter's example, with a credential and a parameter of a set.
fn bundle() -> Value {
    json!({
        "schemaVersion": "v1.0.0", "name": "demo", "version": "0.1.0",
        "invocationImages": [{ "imageType": "docker", "image": "example/demo:v0.1.0" }],
        "definitions": {
            "answer": { "type": "string", "writeOnly": true },
            "name": { "type": "string", "writeOnly": true },
            "password": { "type": "string", "writeOnly": true },
        },
        "credentials": { "token": { "env": "TOKEN", "required": true } },
        "parameters": {
            "answer": { "definition": "answer", "required": true, "destination": { "env": "ANSWER" } },
            "password": { "definition": "password", "required": true, "destination": { "env": "PASSWORD" } },
        },
        "outputs": { "name": { "definition": "name", "path": "/cnab/app/outputs/name" } },
    })
}
