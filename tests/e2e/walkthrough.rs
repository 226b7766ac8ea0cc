//! The walk-through of the README, word for word.

use crate::stage::{FILESYSTEM, Stage};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const INSTALLED: &str = "\
executing install action from sensitive-data (installation: /sensitive-data)
Install Hello World
Hello, installing example-bundle with password: *******
execution completed successfully!
";

const UPGRADED: &str = "\
executing upgrade action from sensitive-data (installation: /sensitive-data)
World 2.0
Hello, upgrading *******
execution completed successfully!
";

const UNINSTALLED: &str = "\
executing uninstall action from sensitive-data (installation: /sensitive-data)
Uninstall Hello World
Goodbye, *******
execution completed successfully!
";

const INSTALL: [&str; 5] = ["install", "--bundle", "bundle", "--param", "password=-"];

#[test]
fn the_walk_through_from_the_refusal_to_the_end() {
    let stage = Stage::cold();
    let refused = stage.call(&INSTALL).stdin("correct horse").run();
    refused.refused(
        3,
        "operator",
        &[
            "failed to save sensitive param to secret store: the default secrets plugin, \
             secrets.porter.host, does not support persisting secrets: not implemented",
            "\n    default-secrets-plugin: \"filesystem\"\n",
        ],
    );
    assert!(!stage.home().join("secrets").exists());
    assert_eq!(stage.ledger()["runs"], Value::Array(Vec::new()));
    assert_eq!(stage.ledger()["installations"], Value::Array(Vec::new()));

    stage.config(FILESYSTEM);
    stage.call(&INSTALL).stdin("correct horse").run().printed(INSTALLED);
    let ledger = stage.ledger();
    let run = ledger["runs"][0]["id"].as_str().unwrap().to_owned();
    let (output, parameter) = (format!("{run}-output-name"), format!("{run}-parameter-password"));
    // The files are the keys, and the ledger has them and no value.
    assert_eq!(stage.names("home/secrets"), [output.as_str(), &parameter]);
    assert_eq!(stage.keys(), [output.as_str(), &parameter]);
    let kept: Vec<&Value> = rows(&ledger, "secrets").map(|row| &row["key"]).collect();
    assert_eq!(kept, [parameter.as_str(), &output]);
    assert!(!ledger.to_string().contains("correct horse"));
    assert_eq!(stage.secret(&parameter), b"correct horse");
    assert_eq!(stage.secret(&output), b"example-bundle");
    for (path, mode) in [("secrets", 0o700), (&*format!("secrets/{parameter}"), 0o600)] {
        let metadata = fs::metadata(stage.home().join(path)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
    }

    stage.coffer(&["upgrade", "--bundle", "bundle"]).printed(UPGRADED);
    stage.coffer(&["uninstall", "--bundle", "bundle", "--delete"]).printed(UNINSTALLED);
    assert_eq!(stage.names("home/secrets"), [""; 0]);
    assert_eq!(stage.keys(), [""; 0]);
    let ledger = stage.ledger();
    for table in ["installations", "runs", "secrets", "inputs", "outputs", "overrides", "leases"] {
        assert_eq!(rows(&ledger, table).count(), 0, "{table}");
    }
}

fn rows<'a>(ledger: &'a Value, table: &str) -> impl Iterator<Item = &'a Value> {
    ledger[table].as_array().unwrap().iter()
}

#[test]
fn an_installation_is_remembered_with_its_bundle_and_its_password() {
    let stage = Stage::installed("first");
    // Neither the bundle nor the password is given again.
    stage.coffer(&["upgrade", "sensitive-data"]).printed(UPGRADED);
    let parameter = |stage: &Stage| {
        let shown =
            stage.coffer(&["installations", "show", "sensitive-data", "--reveal", "-o", "json"]);
        shown.json()["parameters"]["password"]["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(parameter(&stage), "first");
    let second = ["upgrade", "sensitive-data", "--param", "password=second"];
    stage.coffer(&second).printed(UPGRADED);
    assert_eq!(parameter(&stage), "second");
    let again = stage.call(&INSTALL).stdin("x").run();
    again.refused(2, "requester", &["exists already", "coffer upgrade sensitive-data"]);
    let deleted = stage.coffer(&["uninstall", "sensitive-data"]);
    deleted.printed(UNINSTALLED);
    // Without --delete the secrets stay, and a later --delete is still possible.
    assert!(!stage.keys().is_empty());
    let state = stage.coffer(&["installations", "show", "sensitive-data", "-o", "json"]).json();
    assert_eq!(state["state"], "uninstalled");
    stage.coffer(&["upgrade", "sensitive-data"]).refused(2, "requester", &["is not installed"]);
    stage.coffer(&["uninstall", "sensitive-data"]).refused(2, "requester", &["is not installed"]);
    let deleted = stage.coffer(&["uninstall", "sensitive-data", "--delete", "-o", "json"]).json();
    assert_eq!((&deleted["deleted"], &deleted["run"]), (&json!(true), &Value::Null));
    assert_eq!(stage.keys(), [""; 0]);
    let again = stage.coffer(&["uninstall", "sensitive-data", "--delete"]);
    again.refused(2, "requester", &["is not installed"]);
}

#[test]
fn an_installation_has_the_name_and_the_namespace_that_it_is_given() {
    let stage = Stage::keeping();
    let install = |name: &str, namespace: &str| {
        let mut arguments = vec!["install", name];
        arguments.extend(&INSTALL[1..]);
        arguments.extend(["--namespace", namespace]);
        let answer = stage.call(&arguments).stdin(format!("for {namespace}, {name}")).run();
        let heading = format!("(installation: {namespace}/{name})\n");
        assert!(answer.succeeded().stdout().contains(&heading));
    };
    for (name, namespace) in [("one", ""), ("one", "dev"), ("two", "dev"), ("two", "prod")] {
        install(name, namespace);
    }
    let listed = |arguments: &[&str]| -> Vec<String> {
        let mut all = vec!["installations", "list", "-o", "json"];
        all.extend(arguments);
        let list = stage.coffer(&all).json();
        let name = |row: &Value| {
            format!("{}/{}", row["namespace"].as_str().unwrap(), row["name"].as_str().unwrap())
        };
        list.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(listed(&[]), ["/one"]);
    assert_eq!(listed(&["-n", "dev"]), ["dev/one", "dev/two"]);
    assert_eq!(listed(&["--all-namespaces"]), ["/one", "dev/one", "dev/two", "prod/two"]);
    stage.config(&format!("{FILESYSTEM}namespace: prod\n"));
    assert_eq!(listed(&[]), ["prod/two"]);
    let show = |arguments: &[&str]| {
        let mut all = vec!["installations", "show", "--reveal", "-o", "json"];
        all.extend(arguments);
        stage.coffer(&all).json()["parameters"]["password"]["value"].clone()
    };
    assert_eq!(show(&["two"]), "for prod, two");
    assert_eq!(show(&["two", "--namespace", "dev"]), "for dev, two");
    let absent = stage.coffer(&["installations", "show", "one"]);
    absent.refused(2, "requester", &["there is no installation", "coffer installations list"]);
    let wrong = stage.coffer(&["installations", "list", "-n", "../up"]);
    wrong.refused(2, "requester", &["--namespace"]);
}
