//! Native drivers as programs on PATH: `command:NAME`, and docker played by a script that records what it
//! is asked for. Real docker is not at hand here.

use crate::bundles;
use crate::scan::{CANARY, Scanner};
use crate::stage::{MASK, Stage};
use serde_json::{Value, json};
use std::fs;

/// An external driver that says what it was given, and leaves outputs.
pub(crate) const RECORDER: &str = r#"
[ "${1-}" = --handles ] && { echo docker,oci; exit 0; }
cat >"$here/tmp/operation"
tr '\0' '\n' </proc/$$/cmdline >>"$here/argv"
tr '\0' '\n' </proc/$PPID/cmdline >>"$here/argv"
ls -l "$CNAB_OUTPUT_DIR" >/dev/null
printf 'password: %s\n' "${PASSWORD-none}"
printf 'token: %s\n' "${TOKEN-none}" >&2
mkdir -p "$CNAB_OUTPUT_DIR/cnab/app/outputs"
printf '%s' "generated-${PASSWORD-}" >"$CNAB_OUTPUT_DIR/cnab/app/outputs/generated"
printf '%s' "http://localhost" >"$CNAB_OUTPUT_DIR/cnab/app/outputs/address"
rm "$here/tmp/operation.seen" 2>/dev/null || true
mv "$here/tmp/operation" "$here/seen"
"#;

fn stage() -> Stage {
    let stage = Stage::keeping();
    stage.bundle(&bundles::native());
    stage.program("cnab-recorder", RECORDER);
    stage
}

const INSTALL: [&str; 8] = [
    "install",
    "--bundle",
    "bundle",
    "--driver",
    "command:recorder",
    "--param",
    "password=-",
    "--param",
];

#[test]
fn an_external_driver_gets_the_operation_and_gives_outputs() {
    let stage = stage();
    stage.file("cert", CANARY);
    let arguments = [&INSTALL[..], &["certificate=@cert", "--param", "count=7"]].concat();
    let answer = stage.call(&arguments).stdin("pa55word").run().succeeded();
    assert_eq!(answer.stdout(), "password: *******\n");
    assert_eq!(answer.stderr(), "token: none\n");
    let operation: Value = serde_json::from_slice(&fs::read(stage.path("seen")).unwrap()).unwrap();
    assert_eq!(operation["action"], "install");
    assert_eq!(operation["installation_name"], "native");
    assert_eq!(operation["image"], json!({ "imageType": "docker", "image": "example/native:v1" }));
    assert_eq!(operation["environment"]["PASSWORD"], "pa55word");
    assert_eq!(operation["environment"]["COUNT"], "7");
    assert_eq!(operation["files"]["/cnab/app/cert"], CANARY);
    assert_eq!(operation["parameters"]["count"], 7);
    // No value was in any argument: the driver's own, or those of the process that started it.
    let seen = fs::read(stage.path("argv")).unwrap();
    assert!(!seen.is_empty());
    assert_eq!(Scanner::new().find(&seen), None);
    assert!(!String::from_utf8_lossy(&seen).contains("pa55word"));
    assert_eq!(stage.scratch(), [""; 0]);

    let outputs = ["installations", "outputs", "native", "-o", "json"];
    let masked = stage.coffer(&outputs).json();
    assert_eq!(masked["generated"]["value"], MASK);
    assert_eq!(masked["address"], json!({ "value": "http://localhost", "sensitive": false }));
    let shown = stage.coffer(&[&outputs[..], &["--reveal"]].concat()).json();
    assert_eq!(shown["generated"]["value"], "generated-pa55word");

    let status = ["invoke", "native", "--action", "status", "-d", "command:recorder"];
    stage.coffer(&status).succeeded();
    let operation: Value = serde_json::from_slice(&fs::read(stage.path("seen")).unwrap()).unwrap();
    assert_eq!(operation["action"], "status");
    // Given once, and again to every later run.
    assert_eq!(operation["environment"]["PASSWORD"], "pa55word");
    let absent = stage.coffer(&["invoke", "native", "--action", "dance", "-d", "command:recorder"]);
    absent.refused(2, "requester", &["no action `dance`"]);
}

#[test]
fn a_credential_comes_from_a_set_and_is_masked() {
    let stage = stage();
    let answer = stage.call(&[&INSTALL[..], &["count=1"]].concat()).stdin("pa55word").run();
    answer.succeeded();
    let upgrade = ["upgrade", "native", "-d", "command:recorder"];
    let missing = stage.coffer(&upgrade);
    missing.refused(2, "requester", &["the credential `token`", "coffer credentials apply"]);
    stage.file(
        "creds.yaml",
        "name: creds\ncredentials:\n- name: token\n  source: { env: THE_TOKEN }\n",
    );
    stage.coffer(&["credentials", "apply", "creds.yaml"]).succeeded();
    let with_set = [&upgrade[..], &["-c", "creds"]].concat();
    let unset = stage.coffer(&with_set);
    unset.refused(3, "operator", &["could not resolve credentials before running", "THE_TOKEN"]);
    let answer = stage.call(&with_set).variable("THE_TOKEN", "t0ken-value").run().succeeded();
    assert!(answer.stderr().contains("token: *******\n"), "{}", answer.stderr());
    // The set is remembered, the credential is not kept anywhere.
    stage.call(&upgrade).variable("THE_TOKEN", "t0ken-value").run().succeeded();
    assert!(!stage.ledger().to_string().contains("t0ken-value"));
    let shown = stage.coffer(&["installations", "show", "native", "--reveal", "-o", "json"]).json();
    assert_eq!(shown["credentials"]["token"]["value"], MASK);
    assert_eq!(shown["credentials"]["token"]["kept"], "env THE_TOKEN");
}

#[test]
fn an_entry_point_that_fails_is_told_by_its_status() {
    let stage = stage();
    stage.program(
        "cnab-fails",
        "[ \"${1-}\" = --handles ] && { echo docker; exit 0; }\necho \"about $PASSWORD\"; exit 42",
    );
    let mut arguments = [&INSTALL[..], &["count=1"]].concat();
    arguments[4] = "command:fails";
    let answer = stage.call(&arguments).stdin("pa55word").run();
    let answer = answer.failed(1, "requester", &["failed: exit status 42"]);
    assert_eq!(answer.stdout(), "about *******\n");
    let runs = stage.coffer(&["installations", "runs", "native", "-o", "json"]).json();
    assert_eq!((&runs[0]["status"], &runs[0]["exit-code"]), (&json!("failed"), &json!(42)));
    // It can be tried again, and has the password still.
    arguments[4] = "command:recorder";
    let again = [&arguments[..5], &["--param", "count=2"]].concat();
    assert_eq!(stage.coffer(&again).succeeded().stdout(), "password: *******\n");
}

#[test]
fn a_run_that_is_interrupted_ends_with_130_and_is_put_in_order() {
    let stage = stage();
    stage.program(
        "cnab-interrupted",
        "[ \"${1-}\" = --handles ] && { echo docker; exit 0; }\n\
         mkfifo \"$here/tmp/never\"; kill -TERM $PPID; read -r _ <\"$here/tmp/never\"",
    );
    let mut arguments = [&INSTALL[..], &["count=1"]].concat();
    arguments[4] = "command:interrupted";
    let answer = stage.call(&arguments).stdin("pa55word").run();
    answer.refused(130, "requester", &["the run was cancelled"]);
    assert_eq!(stage.scratch(), [""; 0]);
    let runs = stage.coffer(&["installations", "runs", "native", "-o", "json"]).json();
    assert_eq!(runs[0]["status"], "cancelled");
    stage.coffer(&["runs", "recover"]).printed("there is nothing to put right\n");
}

#[test]
fn a_driver_that_is_not_there_is_told_before_anything_is_written() {
    let stage = stage();
    for (driver, code, fault, words) in [
        ("command:absent", 3, "operator", &["no program `cnab-absent` on PATH"][..]),
        ("docker", 3, "operator", &["no program `docker` on PATH"]),
        ("wasm", 2, "requester", &["no image for the driver wasm, only docker"]),
        ("command:../x", 3, "operator", &["is no driver: there are wasm, docker and command:NAME"]),
        // As in Porter, another name is that of an external driver.
        ("podman", 3, "operator", &["no program `cnab-podman` on PATH"]),
    ] {
        let mut arguments = [&INSTALL[..], &["count=1"]].concat();
        arguments[4] = driver;
        let call = stage.call(&arguments).stdin("pa55word").variable("PATH", stage.path("bin"));
        call.run().refused(code, fault, words);
        assert_eq!(stage.ledger()["secrets"], json!([]), "{driver}");
        assert_eq!(stage.keys(), [""; 0], "{driver}");
    }
}

#[test]
fn docker_is_asked_step_by_step_and_sees_values_only_where_it_must() {
    let stage = stage();
    stage.program(
        "docker",
        r#"
        printf '%s\n' "$*" >>"$here/calls"
        tr '\0' '\n' </proc/$PPID/cmdline >>"$here/argv"
        case "$1 ${2-}" in
        "version "*) echo 27.0 ;;
        "cp -") cat >"$here/secrets-in.tar" ;;
        "cp "*)
            mkdir -p "$here/tmp/o/outputs"
            printf made >"$here/tmp/o/outputs/generated"
            printf here >"$here/tmp/o/outputs/address"
            tar -cf - -C "$here/tmp/o" outputs ;;
        "container inspect")
            case "$4" in *User*) echo root ;; *) echo "exited 0" ;; esac ;;
        "start "*) printf 'said by the bundle: %s\n' "$(cat "$here/tmp/password")" ;;
        "create "*) printf '%s' "$PASSWORD" >"$here/tmp/password" ;;
        esac
        "#,
    );
    stage.file("cert", CANARY);
    let mut arguments = [&INSTALL[..], &["certificate=@cert"]].concat();
    arguments[4] = "docker";
    let answer = stage.call(&arguments).stdin("pa55word").run().succeeded();
    assert_eq!(answer.stdout(), "said by the bundle: *******\n");
    let calls = fs::read_to_string(stage.path("calls")).unwrap();
    let run = stage.ledger()["runs"][0]["id"].as_str().unwrap().to_owned();
    let steps: Vec<&str> = calls.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let expected = ["version", "create", "container", "cp", "start", "container", "cp", "rm"];
    assert_eq!(steps, expected, "{calls}");
    assert!(calls.contains(&format!("--name coffer-{run} ")), "{calls}");
    assert!(calls.contains("--env PASSWORD "), "{calls}");
    let argv = fs::read(stage.path("argv")).unwrap();
    for bytes in [calls.as_bytes(), &argv] {
        assert!(!String::from_utf8_lossy(bytes).contains("pa55word"));
        assert_eq!(Scanner::new().find(bytes), None);
    }
    assert!(Scanner::new().find(&fs::read(stage.path("secrets-in.tar")).unwrap()).is_some());
    assert_eq!(stage.secret(&format!("{run}-output-generated")), b"made");
}
