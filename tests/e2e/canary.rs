//! A value goes through every flow, and is looked for everywhere afterwards: it may be in its store and
//! where the test itself put it, and nowhere else. Each flow is told everything it can tell, by
//! `--verbosity debug`.

use crate::bundles;
use crate::drivers::RECORDER;
use crate::scan::{CANARY, Scanner};
use crate::stage::{Answer, Stage};
use serde_json::json;
use std::fs;

/// What the test puts the value into, and the store.
const ALLOWED: [&str; 4] = ["home/secrets", "work/value", "work/set.yaml", "seen"];

/// Calls the binary with `--verbosity debug`, and with the value on standard input.
fn call(stage: &Stage, scanner: &Scanner, arguments: &[&str]) -> Answer {
    let arguments = [arguments, &["--verbosity", "debug"]].concat();
    let answer = stage.call(&arguments).stdin(CANARY).run();
    scanner.answer_is_clean(&answer);
    answer
}

/// Calls it in each format, with `NAME` in the arguments replaced by a name for each.
fn in_every_format(stage: &Stage, scanner: &Scanner, arguments: &[&str], code: i32) {
    for format in ["text", "json", "yaml"] {
        let named: Vec<String> =
            arguments.iter().map(|word| word.replace("NAME", &format!("in-{format}"))).collect();
        let mut named: Vec<&str> = named.iter().map(String::as_str).collect();
        named.extend(["--output", format]);
        let answer = call(stage, scanner, &named);
        assert_eq!(answer.code, Some(code), "{}: {}", answer.asked, answer.stderr());
    }
}

const SHOWING: [&[&str]; 14] = [
    &["installations", "list"],
    &["installations", "show", "NAME"],
    &["installations", "outputs", "NAME"],
    &["installations", "runs", "NAME"],
    &["secrets", "list"],
    &["secrets", "get", "own"],
    &["secrets", "get", "own", "other"],
    &["secrets", "get", "--source", "path", "value"],
    &["secrets", "get", "absent"],
    &["parameters", "show", "mine"],
    &["credentials", "list"],
    &["plugins", "list"],
    &["config", "show"],
    &["ledger", "dump"],
];

#[test]
fn a_whole_life_in_the_sandbox() {
    let (stage, scanner) = (Stage::keeping(), Scanner::new());
    stage.file("value", CANARY);
    let install = ["install", "NAME", "--bundle", "bundle"];
    // The value as the password, which is printed, and as the name, which is printed and left as output.
    let values = ["--param", "password=-", "--param", "name=@value"];
    stage.bundle(&sensitive_name());
    in_every_format(&stage, &scanner, &[&install[..], &values].concat(), 0);
    for key in ["own", "other"] {
        call(&stage, &scanner, &["secrets", "put", key]).succeeded();
    }
    let quoted = serde_json::to_string(CANARY).unwrap();
    stage.file(
        "set.yaml",
        format!("name: mine\nparameters:\n- name: password\n  source: {{ value: {quoted} }}\n"),
    );
    in_every_format(&stage, &scanner, &["parameters", "apply", "set.yaml"], 0);
    for arguments in SHOWING {
        let refused = arguments.contains(&"absent") || arguments.contains(&"path");
        let code = if refused { 2 } else { 0 };
        in_every_format(&stage, &scanner, arguments, code);
    }
    in_every_format(&stage, &scanner, &["secrets", "get", "--source", "value", CANARY], 0);
    in_every_format(&stage, &scanner, &["upgrade", "NAME", "-p", "mine"], 0);
    // It went through: it is in the store, and the entry point was given it.
    assert!(!scanner.files(&stage.home().join("secrets")).is_empty());
    let shown = stage.coffer(&["installations", "outputs", "in-text", "--reveal", "-o", "json"]);
    assert_eq!(shown.json()["name"]["value"], CANARY);
    scanner.machine_is_clean(&stage, &ALLOWED);
    in_every_format(&stage, &scanner, &["uninstall", "NAME", "--delete"], 0);
    scanner.machine_is_clean(&stage, &ALLOWED);
    call(&stage, &scanner, &["parameters", "delete", "mine"]).succeeded();
    call(&stage, &scanner, &["secrets", "delete", "own", "other"]).succeeded();
    // And now it is nowhere.
    scanner.machine_is_clean(&stage, &["work/value", "work/set.yaml"]);
}

/// The bundle of the walk-through with a name that is sensitive too.
fn sensitive_name() -> serde_json::Value {
    bundles::with("/definitions/name-parameter", json!({ "type": "string", "writeOnly": true }))
}

#[test]
fn a_life_with_a_native_driver_with_and_without_a_runtime_directory() {
    let scanner = Scanner::new();
    for runtime in [true, false] {
        let stage = Stage::keeping();
        stage.bundle(&bundles::native());
        stage.program("cnab-recorder", RECORDER);
        stage.file("value", CANARY);
        let arguments = [
            "install",
            "-b",
            "bundle",
            "-d",
            "command:recorder",
            "--verbosity",
            "debug",
            "--param",
            "password=-",
            "--param",
            "certificate=@value",
        ];
        let mut install = stage.call(&arguments).stdin(CANARY);
        if !runtime {
            install = install.without("XDG_RUNTIME_DIR");
        }
        scanner.answer_is_clean(&install.run().succeeded());
        assert!(scanner.find(&fs::read(stage.path("seen")).unwrap()).is_some());
        assert!(!fs::read(stage.path("argv")).unwrap().is_empty());
        // `argv` is below the machine that is scanned.
        scanner.machine_is_clean(&stage, &ALLOWED);
        assert_eq!(stage.scratch(), [""; 0]);
    }
}

/// An entry point that says its password in every way that is masked, leaves outputs and fails.
const LEAKING: &str = r#"
[ "${1-}" = --handles ] && { echo docker; exit 0; }
cat >/dev/null
printf '%s' "$PASSWORD"; echo
printf '%s' "$PASSWORD" | base64 -w0; echo
printf 'x%s' "$PASSWORD" | base64 -w0 >&2; echo
printf 'xy%sz' "$PASSWORD" | base64 -w0; echo
printf '%s' "$PASSWORD" | base64 -w0 | tr '+/' '-_'; echo
printf '%s' "$PASSWORD" | od -An -v -tx1 | tr -d ' \n'; echo
printf '%s' "$PASSWORD" | od -An -v -tx1 | tr -d ' \n' | tr 'a-f' 'A-F' >&2; echo
printf '%s\n' 'q%22%5C%20%C3%A4%2F%2B%26%25Xk7Qv9Zt2Lm4Rp6%0A%27%3D%24%3B~%3F%3E'
printf '%s\n' '"q\"\\ ä/+&%Xk7Qv9Zt2Lm4Rp6\n'"'"'=$;~?>"'
mkdir -p "$CNAB_OUTPUT_DIR/cnab/app/outputs"
printf '%s' "$PASSWORD" >"$CNAB_OUTPUT_DIR/cnab/app/outputs/generated"
exit 9
"#;

#[test]
fn an_entry_point_that_says_it_and_fails() {
    let (stage, scanner) = (Stage::keeping(), Scanner::new());
    stage.bundle(&bundles::native());
    stage.program("cnab-leaking", LEAKING);
    let install =
        ["install", "NAME", "-b", "bundle", "-d", "command:leaking", "--param", "password=-"];
    in_every_format(&stage, &scanner, &install, 1);
    for arguments in SHOWING[..4].iter().chain([&SHOWING[13]]) {
        in_every_format(&stage, &scanner, arguments, 0);
    }
    scanner.machine_is_clean(&stage, &["home/secrets", "bin/cnab-leaking"]);

    // The entry point of the walk-through fails for an action that it does not know.
    let stage = Stage::keeping();
    let mut bundle = sensitive_name();
    bundle["actions"] = json!({ "dance": {} });
    stage.bundle(&bundle);
    stage.file("value", CANARY);
    let install =
        ["install", "NAME", "-b", "bundle", "--param", "password=-", "--param", "name=@value"];
    in_every_format(&stage, &scanner, &install, 0);
    in_every_format(&stage, &scanner, &["invoke", "NAME", "--action", "dance"], 1);
    scanner.machine_is_clean(&stage, &ALLOWED);
}

#[test]
fn plugins_that_say_it_and_crash() {
    let scanner = Scanner::new();
    for (guest, code) in [
        ("log_secret", 0),
        ("log_secret_then_trap", 4),
        ("log_secret_then_too_large", 4),
        ("trap_panic", 4),
    ] {
        let stage = Stage::new();
        with_guest(&stage, guest, "host");
        let arguments = ["secrets", "get", "--source", "value", CANARY, "--store", "guest"];
        in_every_format(&stage, &scanner, &arguments, code);
        scanner.machine_is_clean(&stage, &[]);
    }
    for guest in ["trap_put", "result_put"] {
        let stage = Stage::new();
        with_guest(&stage, guest, "guest");
        let install = ["install", "NAME", "-b", "bundle", "--param", "password=-"];
        in_every_format(&stage, &scanner, &install, 4);
        in_every_format(&stage, &scanner, &["secrets", "put", "k"], 4);
        let quoted = serde_json::to_string(CANARY).unwrap();
        stage.file(
            "set.yaml",
            format!(
                "name: mine\ncredentials:\n- name: password\n  source: {{ value: {quoted} }}\n"
            ),
        );
        in_every_format(&stage, &scanner, &["credentials", "apply", "set.yaml"], 4);
        scanner.machine_is_clean(&stage, &["work/set.yaml"]);
        // Nothing is left that refers to what was not written.
        let ledger = stage.ledger();
        for table in ["secrets", "runs", "sets", "leases"] {
            assert_eq!(ledger[table], json!([]), "{guest}: {table}");
        }
    }
}

/// Configures the guest as the store `guest`, beside the default one.
fn with_guest(stage: &Stage, guest: &str, default: &str) {
    stage.file("guest.wasm", guest_artifacts::guest(guest));
    let path = stage.path("work/guest.wasm");
    stage.config(&format!(
        "default-secrets: store\nsecrets:\n- {{ name: guest, plugin: {path:?} }}\n- {{ name: store, plugin: {} }}\n",
        if default == "guest" { format!("{path:?}") } else { default.to_owned() }
    ));
}

#[test]
fn runs_that_fail_at_each_step() {
    let scanner = Scanner::new();
    let install = ["install", "NAME", "-b", "bundle", "--param", "password=-"];
    // What is in the way of which step, and the exit code.
    type Obstacle = (&'static str, fn(&Stage), i32);
    let obstacles: [Obstacle; 8] = [
        ("the configuration", |stage| stage.config("default-secrets: [x"), 3),
        ("the store cannot keep", |stage| stage.config(""), 3),
        ("the audit", |stage| make(stage, "home/audit.jsonl"), 3),
        ("the ledger", |stage| write(stage, "home/ledger.db", "no database at all, but a text"), 3),
        ("the spool", |stage| write(stage, "home/spool", ""), 3),
        ("the key of the spool", |stage| write(stage, "home/keys/spool", "short"), 3),
        ("the store's directory", |stage| write(stage, "home/secrets", ""), 3),
        (
            "the entry point",
            |stage| write(stage, "work/bundle/installer.wasm", "\0asm\x01\0\0\0"),
            2,
        ),
    ];
    for (what, put_in_the_way, code) in obstacles {
        let stage = Stage::keeping();
        put_in_the_way(&stage);
        for format in ["text", "json"] {
            let arguments = [&install[..], &["-o", format]].concat();
            let answer = call(&stage, &scanner, &arguments);
            assert_eq!(answer.code, Some(code), "{what}: {}", answer.stderr());
        }
        scanner.machine_is_clean(&stage, &[]);
    }
}

fn make(stage: &Stage, folder: &str) {
    fs::create_dir_all(stage.path(folder)).unwrap();
}

fn write(stage: &Stage, file: &str, content: &str) {
    fs::create_dir_all(stage.path(file).parent().unwrap()).unwrap();
    fs::write(stage.path(file), content).unwrap();
}

#[test]
fn outputs_whose_store_went_away_wait_sealed_and_are_saved_later() {
    let (stage, scanner) = (Stage::keeping(), Scanner::new());
    stage.bundle(&bundles::native());
    // From now on the store cannot write: a file is where its directory for unfinished files is.
    let breaking = r#"rmdir "$COFFER_HOME/secrets/.pending"; : >"$COFFER_HOME/secrets/.pending""#;
    stage.program("cnab-breaking", &[RECORDER, breaking].concat());
    let install = ["install", "-b", "bundle", "-d", "command:breaking", "--param", "password=-"];
    let answer = call(&stage, &scanner, &install);
    answer.failed(1, "operator", &["are kept, sealed, in the spool", "coffer runs recover"]);
    assert_eq!(stage.names("home/spool").len(), 1);
    let allowed = ["seen", "home/secrets"];
    scanner.machine_is_clean(&stage, &allowed);
    // Still broken: told again, and nothing is lost.
    let answer = call(&stage, &scanner, &["runs", "recover"]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr());
    assert_eq!(stage.names("home/spool").len(), 1);
    scanner.machine_is_clean(&stage, &allowed);
    fs::remove_file(stage.home().join("secrets/.pending")).unwrap();
    in_every_format(&stage, &scanner, &["runs", "recover"], 0);
    assert_eq!(stage.names("home/spool"), [""; 0]);
    let outputs = ["installations", "outputs", "native", "--reveal", "-o", "json"];
    let generated = stage.coffer(&outputs).json()["generated"]["value"].clone();
    assert_eq!(generated, format!("generated-{CANARY}"));
    scanner.machine_is_clean(&stage, &allowed);
}
