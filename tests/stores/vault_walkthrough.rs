//! The walk-through of the README with the store `vault`, from the binary to OpenBao: values are in the
//! server and nowhere else, also while it is stopped in the middle.

use crate::bundles;
use crate::scan::{CANARY, Scanner};
use crate::stage::{Answer, Stage};
use backends::openbao::Server;
use serde_json::{Value, json};
use std::fs;

/// By config key alone; the token is a variable of the operator's.
fn config(server: &Server) -> String {
    format!(
        "default-secrets: vault\nsecrets:\n  - name: vault\n    plugin: hashicorp.vault\n    config:\n      \
         vault_addr: {}\n      vault_token: ${{env.VAULT_TOKEN}}\n      path_prefix: secret/myapp\n      \
         private_addresses: true\n",
        server.address()
    )
}

struct Operator {
    stage: Stage,
    server: Server,
    scanner: Scanner,
    token: String,
}

impl Operator {
    fn new() -> Self {
        let (stage, server) = (Stage::new(), Server::start());
        stage.config(&config(&server));
        let token = server.root_token().to_owned();
        Self { stage, server, scanner: Scanner::new(), token }
    }

    /// Calls the binary with the value on its standard input. What it prints has neither the value nor
    /// the token.
    fn call(&self, arguments: &[&str]) -> Answer {
        let arguments = [arguments, &["--verbosity", "debug"]].concat();
        let call = self.stage.call(&arguments).variable("VAULT_TOKEN", &self.token);
        let answer = call.stdin(CANARY).run();
        self.scanner.answer_is_clean(&answer);
        for stream in [answer.stdout(), answer.stderr()] {
            assert!(!stream.contains(&self.token), "{}", answer.asked);
        }
        answer
    }

    /// The keys and the documents that the server has.
    fn kept(&self) -> Vec<(String, Value)> {
        let listed = self.server.ask(
            &self.token,
            "GET",
            "secret/metadata/myapp/coffer?list=true",
            json!({}),
        );
        let keys = listed.body["data"]["keys"].as_array().cloned().unwrap_or_default();
        let read = |key: &Value| {
            let key = key.as_str().unwrap();
            let path = format!("secret/data/myapp/coffer/{key}");
            let document = self.server.root("GET", &path, json!({}))["data"]["data"].clone();
            (key.to_owned(), document)
        };
        keys.iter().map(read).collect()
    }

    /// Neither the value nor the token is anywhere on the machine: not in the ledger, the audit, the
    /// compiled code, the spool, or a temporary file.
    fn machine_is_clean(&self, allowed: &[&str]) {
        self.scanner.machine_is_clean(&self.stage, allowed);
        for path in crate::stage::walk(&self.stage.path("")) {
            let bytes = fs::read(&path).unwrap_or_default();
            let found = bytes.windows(self.token.len()).any(|part| part == self.token.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

const INSTALL: [&str; 5] = ["install", "--bundle", "bundle", "--param", "password=-"];

#[test]
fn values_are_in_the_server_and_references_in_the_ledger() {
    let mut operator = Operator::new();
    operator.call(&["config", "check"]).succeeded();
    operator.call(&INSTALL).succeeded();
    let kept = operator.kept();
    let ledger = operator.call(&["ledger", "dump", "-o", "json"]).json();
    let run = ledger["runs"][0]["id"].as_str().unwrap();
    let (output, parameter) = (format!("{run}-output-name"), format!("{run}-parameter-password"));
    let keys: Vec<&str> = kept.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, [output.as_str(), &parameter]);
    assert_eq!(kept[1].1, json!({ "coffer-key": parameter, "encoding": "text", "value": CANARY }));
    let references: Vec<&Value> =
        ledger["secrets"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert_eq!(references, [parameter.as_str(), &output]);
    operator.machine_is_clean(&[]);
    // The scanner would have found it: it does where the value is.
    operator.stage.file("value", kept[1].1.to_string());
    assert_eq!(operator.scanner.files(&operator.stage.path("work")).len(), 1);
    fs::remove_file(operator.stage.path("work/value")).unwrap();

    // Stopped, nothing of an upgrade runs and nothing changes; sealed it is the same.
    let (before, state) = (kept, operator.stage.state());
    let upgrade = ["upgrade", "sensitive-data", "--param", "password=-"];
    operator.server.stop();
    operator.call(&upgrade).refused(5, "backend", &["check that the backend is up"]);
    operator.server.restart();
    operator.call(&upgrade).refused(5, "backend", &["check that the backend is up"]);
    operator.server.unseal();
    assert_eq!(operator.kept(), before);
    assert_eq!(operator.stage.state(), state);
    let dump = operator.call(&["ledger", "dump", "-o", "json"]).json();
    assert_eq!(dump["runs"].as_array().unwrap().len(), 1);
    operator.call(&upgrade).succeeded();
    operator.machine_is_clean(&[]);

    let delete = ["uninstall", "sensitive-data", "--delete"];
    operator.call(&delete).succeeded();
    assert_eq!(operator.kept(), []);
    let ledger = operator.call(&["ledger", "dump", "-o", "json"]).json();
    for table in ["installations", "runs", "secrets", "inputs", "outputs", "overrides", "leases"] {
        assert_eq!(ledger[table], json!([]), "{table}");
    }
    operator.machine_is_clean(&[]);
}

/// An external driver that leaves an output with the value in it.
const DRIVER: &str = r#"
[ "${1-}" = --handles ] && { echo docker,oci; exit 0; }
cat >/dev/null
mkdir -p "$CNAB_OUTPUT_DIR/cnab/app/outputs"
printf '%s' "generated-${PASSWORD-}" >"$CNAB_OUTPUT_DIR/cnab/app/outputs/generated"
printf '%s' here >"$CNAB_OUTPUT_DIR/cnab/app/outputs/address"
"#;

#[test]
fn outputs_of_a_run_during_which_the_server_went_away_are_saved_later() {
    let mut operator = Operator::new();
    operator.stage.bundle(&bundles::native());
    // The driver stops the server, as a power cut would, when it has left its outputs.
    let stops = format!("{DRIVER}kill -9 {}\n", operator.server.id());
    operator.stage.program("cnab-driver", &stops);
    let install = ["install", "-b", "bundle", "-d", "command:driver", "--param", "password=-"];
    let answer = operator.call(&install);
    answer.failed(1, "operator", &["are kept, sealed, in the spool", "coffer runs recover"]);
    operator.machine_is_clean(&[]);
    assert_eq!(operator.stage.names("home/spool").len(), 1);
    // Not back yet, then back and sealed: told again, and nothing is lost.
    for unsealed in [false, true] {
        let answer = operator.call(&["runs", "recover"]);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr());
        assert_eq!(operator.stage.names("home/spool").len(), 1);
        if unsealed {
            operator.server.unseal();
        } else {
            operator.server.restart();
        }
    }
    operator.call(&["runs", "recover"]).succeeded();
    assert_eq!(operator.stage.names("home/spool"), [""; 0]);
    let kept = operator.kept();
    let values: Vec<&Value> = kept.iter().map(|(_, document)| &document["value"]).collect();
    assert_eq!(values, [&json!(format!("generated-{CANARY}")), &json!(CANARY)]);
    operator.machine_is_clean(&[]);
    operator.stage.program("cnab-driver", DRIVER);
    let delete = ["uninstall", "native", "-d", "command:driver", "--delete"];
    operator.call(&delete).succeeded();
    assert_eq!(operator.kept(), []);
}
