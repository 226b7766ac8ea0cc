//! The walk-through of the README with a store that is a server, from the binary on: values are in the server and
//! nowhere else, also while it is stopped in the middle. What differs from one server to another is a [`Server`].

use crate::bundles;
use crate::scan::{CANARY, Scanner};
use crate::stage::{Answer, Stage, walk};
use serde_json::{Value, json};
use std::fs;

/// What the default store keeps its secrets in.
pub(crate) trait Server {
    /// Whether it comes back without giving anything out, until it is unsealed.
    const SEALS: bool = false;

    /// What is told while it is stopped.
    const GONE: &str = "check that the backend is up";

    /// The whole configuration: the store by its keys alone.
    fn config(&self) -> String;

    /// The operator's variables that the configuration names.
    fn variables(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What proves to the server who asks. It is as secret as the values.
    fn credentials(&self) -> Vec<String>;

    /// The keys and the values that the store has there, sorted, as the server itself gives them out.
    fn kept(&self) -> Vec<(String, Vec<u8>)>;

    /// Its process.
    fn id(&self) -> u32;

    /// Stops it, as a power cut would.
    fn stop(&mut self);

    /// Starts it again at the same address, stopped or not.
    fn restart(&mut self);

    /// Makes it give out again what it has.
    fn unseal(&self) {}

    /// What else there is beside it has no value in it.
    fn others_are_clean(&self, _: &Scanner) {}
}

/// Who has the machine, and the server beside it.
pub(crate) struct Operator<S> {
    pub(crate) stage: Stage,
    pub(crate) server: S,
    scanner: Scanner,
}

impl<S: Server> Operator<S> {
    pub(crate) fn new(server: S) -> Self {
        let stage = Stage::new();
        stage.config(&server.config());
        Self { stage, server, scanner: Scanner::new() }
    }

    /// Calls the binary with the value on its standard input. What it prints has neither the value nor a
    /// credential.
    pub(crate) fn call(&self, arguments: &[&str]) -> Answer {
        let arguments = [arguments, &["--verbosity", "debug"]].concat();
        let mut call = self.stage.call(&arguments);
        for (name, value) in self.server.variables() {
            call = call.variable(name, value);
        }
        let answer = call.stdin(CANARY).run();
        self.scanner.answer_is_clean(&answer);
        for stream in [answer.stdout(), answer.stderr()] {
            for credential in self.server.credentials() {
                assert!(!stream.contains(&credential), "{}", answer.asked);
            }
        }
        answer
    }

    /// Neither the value nor a credential is anywhere on the machine: not in the ledger, the audit, the
    /// compiled code, the spool, or a temporary file.
    pub(crate) fn machine_is_clean(&self) {
        self.scanner.machine_is_clean(&self.stage, &[]);
        self.server.others_are_clean(&self.scanner);
        for path in walk(&self.stage.path("")) {
            let bytes = fs::read(&path).unwrap_or_default();
            for credential in self.server.credentials() {
                let found =
                    bytes.windows(credential.len()).any(|part| part == credential.as_bytes());
                assert!(!found, "{}", path.display());
            }
        }
    }
}

const INSTALL: [&str; 5] = ["install", "--bundle", "bundle", "--param", "password=-"];

/// Installs, upgrades and uninstalls `sensitive-data`, with the server stopped in between.
pub(crate) fn values_are_in_the_server_and_references_in_the_ledger<S: Server>(server: S) {
    let mut operator = Operator::new(server);
    operator.call(&["config", "check"]).succeeded();
    operator.call(&INSTALL).succeeded();
    let kept = operator.server.kept();
    let ledger = operator.call(&["ledger", "dump", "-o", "json"]).json();
    let run = ledger["runs"][0]["id"].as_str().unwrap();
    let (output, parameter) = (format!("{run}-output-name"), format!("{run}-parameter-password"));
    let keys: Vec<&str> = kept.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, [output.as_str(), &parameter]);
    assert_eq!(kept[1].1, CANARY.as_bytes());
    let references: Vec<&Value> =
        ledger["secrets"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert_eq!(references, [parameter.as_str(), &output]);
    operator.machine_is_clean();
    // The scanner would have found it: it does where the value is.
    operator.stage.file("value", &kept[1].1);
    assert_eq!(operator.scanner.files(&operator.stage.path("work")).len(), 1);
    fs::remove_file(operator.stage.path("work/value")).unwrap();

    // Stopped, nothing of an upgrade runs and nothing changes; sealed it is the same.
    let (before, state) = (kept, operator.stage.state());
    let upgrade = ["upgrade", "sensitive-data", "--param", "password=-"];
    operator.server.stop();
    operator.call(&upgrade).refused(5, "backend", &[S::GONE]);
    operator.server.restart();
    if S::SEALS {
        operator.call(&upgrade).refused(5, "backend", &[S::GONE]);
        operator.server.unseal();
    }
    assert_eq!(operator.server.kept(), before);
    assert_eq!(operator.stage.state(), state);
    let dump = operator.call(&["ledger", "dump", "-o", "json"]).json();
    assert_eq!(dump["runs"].as_array().unwrap().len(), 1);
    operator.call(&upgrade).succeeded();
    operator.machine_is_clean();

    let delete = ["uninstall", "sensitive-data", "--delete"];
    operator.call(&delete).succeeded();
    assert_eq!(operator.server.kept(), []);
    let ledger = operator.call(&["ledger", "dump", "-o", "json"]).json();
    for table in ["installations", "runs", "secrets", "inputs", "outputs", "overrides", "leases"] {
        assert_eq!(ledger[table], json!([]), "{table}");
    }
    operator.machine_is_clean();
}

/// An external driver that leaves an output with the value in it.
pub(crate) const DRIVER: &str = r#"
[ "${1-}" = --handles ] && { echo docker,oci; exit 0; }
cat >/dev/null
mkdir -p "$CNAB_OUTPUT_DIR/cnab/app/outputs"
printf '%s' "generated-${PASSWORD-}" >"$CNAB_OUTPUT_DIR/cnab/app/outputs/generated"
printf '%s' here >"$CNAB_OUTPUT_DIR/cnab/app/outputs/address"
"#;

/// Runs a bundle that stops the server when it has left its outputs.
pub(crate) fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later<S: Server>(
    server: S,
) {
    let mut operator = Operator::new(server);
    operator.stage.bundle(&bundles::native());
    // As a power cut would.
    let stops = format!("{DRIVER}kill -9 {}\n", operator.server.id());
    operator.stage.program("cnab-driver", &stops);
    let install = ["install", "-b", "bundle", "-d", "command:driver", "--param", "password=-"];
    let answer = operator.call(&install);
    answer.failed(1, "operator", &["are kept, sealed, in the spool", "coffer runs recover"]);
    operator.machine_is_clean();
    let waits = |operator: &Operator<S>| {
        assert_eq!(operator.stage.names("home/spool").len(), 1);
        let answer = operator.call(&["runs", "recover"]);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr());
        assert_eq!(operator.stage.names("home/spool").len(), 1);
    };
    // Not back yet, then back and perhaps sealed: told again, and nothing is lost.
    waits(&operator);
    operator.server.restart();
    if S::SEALS {
        waits(&operator);
        operator.server.unseal();
    }
    operator.call(&["runs", "recover"]).succeeded();
    assert_eq!(operator.stage.names("home/spool"), [""; 0]);
    let kept = operator.server.kept();
    let values: Vec<&[u8]> = kept.iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(values, [format!("generated-{CANARY}").as_bytes(), CANARY.as_bytes()]);
    operator.machine_is_clean();
    operator.stage.program("cnab-driver", DRIVER);
    let delete = ["uninstall", "native", "-d", "command:driver", "--delete"];
    operator.call(&delete).succeeded();
    assert_eq!(operator.server.kept(), []);
}
