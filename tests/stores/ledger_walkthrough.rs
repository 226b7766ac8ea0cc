//! The walk-through of the README with the ledger on a server, from the binary to the database: values are in
//! the store, references in the database, and the password of the database nowhere.

use crate::bundles;
use crate::scan::{CANARY, Scanner};
use crate::stage::{Answer, Stage};
use backends::{ferretdb, postgresql};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Child;

/// What the walk-through needs of a server.
pub(crate) trait Database {
    const PLUGIN: &str;
    fn start() -> Self;
    fn url(&self) -> String;
    fn password(&self) -> Option<String>;
    fn process(&self) -> u32;
    fn stop(&mut self);
    fn restart(&mut self);
    /// Every byte that it keeps, and what its own tool says that it has.
    fn kept(&self) -> (PathBuf, Vec<u8>);
}

impl Database for postgresql::Server {
    const PLUGIN: &str = "postgresql";

    fn start() -> Self {
        Self::start()
    }

    fn url(&self) -> String {
        self.url()
    }

    fn password(&self) -> Option<String> {
        Some(self.password().to_owned())
    }

    fn process(&self) -> u32 {
        self.id()
    }

    fn stop(&mut self) {
        self.stop();
    }

    fn restart(&mut self) {
        self.restart();
    }

    fn kept(&self) -> (PathBuf, Vec<u8>) {
        (self.files(), self.dump())
    }
}

impl Database for ferretdb::Server {
    const PLUGIN: &str = "mongodb";

    fn start() -> Self {
        Self::start()
    }

    fn url(&self) -> String {
        self.url()
    }

    fn password(&self) -> Option<String> {
        None
    }

    fn process(&self) -> u32 {
        self.id()
    }

    fn stop(&mut self) {
        self.stop();
    }

    fn restart(&mut self) {
        self.restart();
    }

    fn kept(&self) -> (PathBuf, Vec<u8>) {
        (self.files(), Vec::new())
    }
}

struct Operator<D> {
    stage: Stage,
    server: D,
    scanner: Scanner,
}

impl<D: Database> Operator<D> {
    /// The server is waited for so many seconds.
    fn new(timeout: u32) -> Self {
        let (stage, server) = (Stage::new(), D::start());
        stage.config(&format!(
            "default-secrets-plugin: filesystem\ndefault-storage: database\nstorage:\n  - name: database\n    \
             plugin: {}\n    config:\n      url: ${{env.LEDGER_URL}}\n      timeout: {timeout}\n",
            D::PLUGIN
        ));
        Self { stage, server, scanner: Scanner::new() }
    }

    /// Calls the binary with the value on its standard input. What it prints has neither the value nor the
    /// password of the database.
    fn call(&self, arguments: &[&str]) -> Answer {
        let arguments = [arguments, &["--verbosity", "debug"]].concat();
        let call = self.stage.call(&arguments).variable("LEDGER_URL", self.server.url());
        let answer = call.stdin(CANARY).run();
        self.scanner.answer_is_clean(&answer);
        if let Some(password) = self.server.password() {
            for stream in [answer.stdout(), answer.stderr()] {
                assert!(!stream.contains(&password), "{}", answer.asked);
            }
        }
        answer
    }

    fn dump(&self) -> Value {
        self.call(&["ledger", "dump", "-o", "json"]).json()
    }

    /// Starts the binary, and does not wait for it.
    fn spawn(&self, arguments: &[&str]) -> Child {
        self.stage.call(arguments).variable("LEDGER_URL", self.server.url()).start()
    }

    /// The value is in the store and nowhere else: not in what the database keeps, nor beside it.
    fn is_clean(&self) {
        self.scanner.machine_is_clean(&self.stage, &["home/secrets"]);
        let (files, dump) = self.server.kept();
        assert!(self.scanner.files(&files).is_empty(), "{:?}", self.scanner.files(&files));
        assert_eq!(self.scanner.find(&dump), None);
        assert!(!self.stage.path("home/ledger.db").exists());
        let Some(password) = self.server.password() else { return };
        for path in crate::stage::walk(&self.stage.path("")) {
            let bytes = fs::read(&path).unwrap_or_default();
            let found = bytes.windows(password.len()).any(|part| part == password.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

const INSTALL: [&str; 5] = ["install", "--bundle", "bundle", "--param", "password=-"];

fn walk_through<D: Database>() {
    let mut operator = Operator::<D>::new(10);
    operator.call(&["config", "check"]).succeeded();
    operator.call(&INSTALL).succeeded();
    let ledger = operator.dump();
    let run = ledger["runs"][0]["id"].as_str().unwrap();
    let keys = [format!("{run}-output-name"), format!("{run}-parameter-password")];
    let mut references: Vec<&str> = ledger["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    references.sort_unstable();
    assert_eq!(references, keys);
    operator.is_clean();
    // What is searched does have the references.
    let (files, dump) = operator.server.kept();
    let has = |bytes: &[u8]| bytes.windows(run.len()).any(|part| part == run.as_bytes());
    let below = crate::stage::walk(&files);
    assert!(below.iter().any(|path| has(&fs::read(path).unwrap_or_default())) || has(&dump));

    operator.stage.private();
    let doctor = operator.call(&["doctor", "-o", "json"]).json();
    assert_eq!(doctor["facts"]["ledger"], json!("version 1, 1 runs"));

    // Stopped, nothing of an upgrade runs and nothing changes.
    let upgrade = ["upgrade", "sensitive-data", "--param", "password=-"];
    operator.server.stop();
    let kept = operator.stage.state();
    operator.call(&upgrade).refused(5, "backend", &["check that the database is up"]);
    assert_eq!(operator.stage.state(), kept);
    operator.server.restart();
    assert_eq!(operator.dump()["runs"].as_array().unwrap().len(), 1);
    operator.call(&upgrade).succeeded();
    operator.call(&["installations", "show", "sensitive-data"]).succeeded();
    operator.is_clean();
    operator.call(&["uninstall", "sensitive-data", "--delete"]).succeeded();
    let ledger = operator.dump();
    for table in ["installations", "runs", "secrets", "inputs", "outputs", "overrides", "leases"] {
        assert_eq!(ledger[table], json!([]), "{table}");
    }
    assert!(operator.stage.names("home/secrets").is_empty());
    operator.is_clean();
}

/// An external driver that leaves an output with the value in it.
const DRIVER: &str = r#"
[ "${1-}" = --handles ] && { echo docker,oci; exit 0; }
cat >/dev/null
mkdir -p "$CNAB_OUTPUT_DIR/cnab/app/outputs"
printf '%s' "generated-${PASSWORD-}" >"$CNAB_OUTPUT_DIR/cnab/app/outputs/generated"
printf '%s' here >"$CNAB_OUTPUT_DIR/cnab/app/outputs/address"
"#;

fn goes_away_during_a_run<D: Database>() {
    let mut operator = Operator::<D>::new(2);
    operator.stage.bundle(&bundles::native());
    // The driver stops the server, as a power cut would, when it has left its outputs.
    let stops = format!("{DRIVER}kill -9 {}\n", operator.server.process());
    operator.stage.program("cnab-driver", &stops);
    let install = ["install", "-b", "bundle", "-d", "command:driver", "--param", "password=-"];
    let answer = operator.call(&install);
    answer.failed(1, "operator", &["are kept, sealed, in the spool", "coffer runs recover"]);
    assert_eq!(operator.stage.names("home/spool").len(), 1);
    operator.scanner.machine_is_clean(&operator.stage, &["home/secrets"]);
    operator.call(&["runs", "recover"]).refused(5, "backend", &["check that the database is up"]);
    operator.server.restart();
    let ledger = operator.dump();
    assert_eq!(ledger["runs"][0]["status"], "running", "{ledger}");
    operator.call(&["runs", "recover"]).succeeded();
    assert_eq!(operator.stage.names("home/spool"), [""; 0]);
    let ledger = operator.dump();
    assert_eq!(ledger["runs"][0]["status"], "succeeded", "{ledger}");
    assert_eq!(ledger["leases"], json!([]));
    let secrets = ledger["secrets"].as_array().unwrap();
    let keys: Vec<&str> = secrets.iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for (key, row) in keys.iter().zip(secrets) {
        assert_eq!(row["state"], "held");
        operator.call(&["secrets", "get", key]).succeeded();
    }
    operator.is_clean();
    operator.stage.program("cnab-driver", DRIVER);
    operator.call(&["uninstall", "native", "-d", "command:driver", "--delete"]).succeeded();
    assert!(operator.stage.names("home/secrets").is_empty());
}

/// Eight processes find nothing there and make it at once; then eight install, of which those of the same name
/// do so one at a time.
fn processes_at_once<D: Database>() {
    let operator = Operator::<D>::new(60);
    let open: Vec<Child> = (0..8).map(|_| operator.spawn(&["installations", "list"])).collect();
    for child in open {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let names = ["a", "b", "c", "d", "same", "same", "same", "same"];
    let install = |name: &&str| {
        operator.spawn(&["install", name, "--bundle", "bundle", "--param", "password=secret"])
    };
    let installing: Vec<Child> = names.iter().map(install).collect();
    let mut done = Vec::new();
    for (name, child) in names.into_iter().zip(installing) {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            done.push(name);
        } else {
            let expected = ["is acting on it", "exists already", "began and ended while"];
            assert!(name == "same" && expected.iter().any(|words| told.contains(words)), "{told}");
        }
    }
    // Nor did one that looked while the first was at it, and would begin when that had ended.
    assert_eq!(done, ["a", "b", "c", "d", "same"]);
    let ledger = operator.dump();
    let rows = |table: &str| ledger[table].as_array().unwrap();
    assert_eq!(rows("installations").len(), 5);
    assert_eq!(rows("runs").len(), done.len());
    assert!(rows("runs").iter().all(|run| run["status"] == "succeeded"), "{ledger}");
    assert_eq!(rows("secrets").len(), 2 * done.len());
    assert!(rows("secrets").iter().all(|secret| secret["state"] == "held"), "{ledger}");
    let keys = operator.call(&["secrets", "list", "-o", "json"]).json();
    assert_eq!(keys.as_array().unwrap().len(), rows("secrets").len());
    assert_eq!(ledger["leases"], json!([]));
}

macro_rules! on {
    ($module:ident, $server:ty) => {
        mod $module {
            #[test]
            fn values_are_in_the_store_and_references_in_the_database() {
                super::walk_through::<$server>();
            }

            #[test]
            fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later() {
                super::goes_away_during_a_run::<$server>();
            }

            #[test]
            fn processes_at_once() {
                super::processes_at_once::<$server>();
            }
        }
    };
}

on!(on_postgresql, backends::postgresql::Server);
on!(on_mongodb, backends::ferretdb::Server);
