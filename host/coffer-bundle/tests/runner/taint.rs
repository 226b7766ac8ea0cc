//! What is sensitive, and stays so wherever it goes.

use crate::bundles::{output, plain, scripted, sensitive, shell, variable};
use crate::canary::{CANARY, OTHER};
use crate::stage::{FILESYSTEM, Stage, quiet, request};
use coffer_bundle::sets::SetKind;
use coffer_bundle::{Kept, Package, Request, RunFailure};
use coffer_host::grants::Verb;
use serde_json::{Value, json};

fn run(action: &str, package: Package, parameters: &[(&str, &str)]) -> Request {
    let mut run = request(action, Some(package), parameters);
    run.driver = shell();
    run
}

#[tokio::test]
async fn an_output_with_a_secret_in_it_is_one() {
    let stage = Stage::new(FILESYSTEM);
    let sections = json!({
        "definitions": { "secret": sensitive(), "text": plain() },
        "parameters": { "password": variable("secret", "PASSWORD") },
        "outputs": {
            "given": output("text", "given"),
            "encoded": output("text", "encoded"),
            "made": output("secret", "made"),
            "url": output("text", "url"),
            "port": output("text", "port"),
        },
    });
    let made = "printf 'generated: 8c1f' >made; printf 'http://u:%s@h' 'generated: 8c1f' >url; \
                printf 'of %s' \"$PASSWORD\" >given; printf 80 >port; \
                printf %s \"$PASSWORD\" | base64 >encoded; cat given encoded; cat given >&2";
    let printed =
        stage.ran(run("install", scripted(&stage, &sections, made), &[("password", CANARY)])).await;
    assert_eq!(printed.matches("*******").count(), 3, "{printed}");
    let outputs = stage.outputs("app").await;
    assert_eq!(outputs["port"], Kept::Plain(json!("80")));
    assert_eq!(stage.value(&outputs["given"]).await, format!("of {CANARY}").as_bytes());
    // What the run was given is not all that is secret: so is what it made up.
    assert_eq!(stage.value(&outputs["url"]).await, b"http://u:generated: 8c1f@h");
    assert!(matches!(outputs["encoded"], Kept::Secret(_)));
    stage.is_settled("installed").await;
    stage.is_clean(CANARY).await;
    stage.is_clean("generated: 8c1f").await;
}

#[tokio::test]
async fn a_parameter_that_is_fed_by_a_sensitive_output_is_masked_and_referred_to() {
    let stage = Stage::new(FILESYSTEM);
    let sections = json!({
        "definitions": { "secret": sensitive(), "text": { "type": "string", "default": "none" } },
        "parameters": { "previous": variable("text", "PREVIOUS") },
        "outputs": { "token": output("secret", "token") },
        "custom": { "io.cnab.parameter-sources": { "previous": {
            "priority": ["output"], "sources": { "output": { "name": "token" } },
        } } },
    });
    let script = format!("echo \"previous: $PREVIOUS\"; printf '%s' '{CANARY}' >token");
    let package = || scripted(&stage, &sections, &script);
    assert_eq!(stage.ran(run("install", package(), &[])).await, "previous: none\n");
    let token = stage.outputs("app").await["token"].clone();
    assert_eq!(stage.ran(run("upgrade", package(), &[])).await, "previous: *******\n");
    assert_eq!(stage.inputs("app", "parameter").await["previous"], token);
    // It is where it was: only the outputs were written.
    assert_eq!(stage.asked(Verb::Put, ""), 2);
    // What is given is as plain as its definition.
    let given = run("upgrade", package(), &[("previous", "given")]);
    assert_eq!(stage.ran(given).await, "previous: given\n");
    stage.is_settled("upgraded").await;
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn a_parameter_comes_from_where_it_is_said_last() {
    let stage = Stage::new(FILESYSTEM);
    let sections = json!({
        "definitions": { "text": { "type": "string", "default": "default" }, "left": plain() },
        "parameters": { "p": variable("text", "P") },
        "outputs": { "o": output("left", "o") },
        "custom": { "io.cnab.parameter-sources": { "p": {
            "priority": ["output"], "sources": { "output": { "name": "o" } },
        } } },
    });
    let package = || scripted(&stage, &sections, "echo \"$P\"; printf output >o");
    let set = |name: &str, value: &str| {
        let entries = json!([{ "name": "p", "source": { "value": value } }]);
        json!({ "name": name, "parameters": entries })
    };
    stage.apply(SetKind::Parameters, set("one", OTHER)).await.unwrap();
    stage.apply(SetKind::Parameters, set("two", CANARY)).await.unwrap();
    assert_eq!(stage.ran(run("install", package(), &[])).await, "default\n");
    assert_eq!(stage.ran(run("upgrade", package(), &[])).await, "output\n");
    assert_eq!(stage.ran(run("upgrade", package(), &[("p", "given")])).await, "given\n");
    // What was given once is given again.
    assert_eq!(stage.ran(run("upgrade", package(), &[])).await, "given\n");
    let mut with_sets = run("upgrade", package(), &[]);
    with_sets.parameter_sets = Some(vec!["one".parse().unwrap(), "two".parse().unwrap()]);
    assert_eq!(stage.ran(with_sets).await, "*******\n");
    let kept = &stage.inputs("app", "parameter").await["p"];
    let Kept::Outside { reference, .. } = kept else { panic!("{kept:?}") };
    let two = &stage.ledger.set("parameters", "", "two").await.unwrap().entries[0].1;
    assert!(matches!(two, Kept::Secret(address) if address.key == reference.key()));
    // The installation goes on with its sets, and the command line is still stronger.
    assert_eq!(stage.ran(run("upgrade", package(), &[])).await, "*******\n");
    assert_eq!(stage.ran(run("upgrade", package(), &[("p", "flag")])).await, "flag\n");
    stage.is_settled("upgraded").await;
    stage.is_clean(CANARY).await;
    stage.is_clean(OTHER).await;
}

#[tokio::test]
async fn credentials_come_from_sets_and_are_never_kept() {
    let directory = tempfile::tempdir().unwrap();
    let programs = directory.path().join("programs");
    let config = json!({
        "default-secrets-plugin": "filesystem",
        "secrets": [{ "name": "host", "plugin": "host", "grants": {
            "directories": [{ "host": programs, "access": "read-only" }],
            "environment": ["CARGO_PKG_NAME"],
        } }],
    });
    let home = directory.path().join("home");
    let stage = Stage::open(&home, &programs, &config.to_string(), quiet());
    let sections = json!({ "credentials": {
        "token": { "env": "TOKEN", "required": true },
        "key": { "env": "KEY", "required": true },
        "other": { "env": "UNUSED" },
    } });
    let package = || {
        scripted(&stage, &sections, "printf '%s %s %s\\n' \"$TOKEN\" \"$KEY\" \"${UNUSED:-none}\"")
    };
    let failure = stage.failed(run("install", package(), &[])).await;
    assert_eq!(
        failure.to_string(),
        "the bundle requires the credentials `key`, `token`, and no credential set gives them"
    );
    assert!(stage.rows("installations").await.is_empty());

    let file = stage.programs().join("token");
    std::fs::write(&file, CANARY).unwrap();
    let set = json!({ "name": "c", "credentials": [
        { "name": "token", "source": { "path": file } },
        { "name": "key", "source": { "value": OTHER } },
        { "name": "other", "source": { "env": "CARGO_PKG_NAME" } },
    ] });
    stage.apply(SetKind::Credentials, set).await.unwrap();
    let mut install = run("install", package(), &[]);
    install.credential_sets = Some(vec!["c".parse().unwrap()]);
    assert_eq!(stage.ran(install).await, "******* ******* *******\n");
    let inputs = stage.inputs("app", "credential").await;
    assert!(inputs.values().all(|kept| matches!(kept, Kept::Outside { .. })), "{inputs:?}");
    assert_eq!(stage.asked(Verb::Put, ""), 1);
    stage.is_settled("installed").await;
    // What is gone is said before anything runs, with all the others.
    std::fs::remove_file(&file).unwrap();
    stage.forget(SetKind::Credentials, "c").await.unwrap();
    let set = json!({ "name": "c", "credentials": [
        { "name": "token", "source": { "path": file } },
        { "name": "key", "source": { "secret": "nothing" } },
    ] });
    stage.apply(SetKind::Credentials, set).await.unwrap();
    let failure = stage.failed(run("upgrade", package(), &[])).await.to_string();
    for part in ["credential `token`", "credential `key`"] {
        assert!(failure.contains(part), "{failure}");
    }
    stage.is_clean(CANARY).await;
    stage.is_clean(OTHER).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_value_is_said_without_it() {
    let stage = Stage::new(FILESYSTEM);
    let check = async |definition: Value, value: &str, expected: &str| {
        let sections = json!({
            "definitions": { "d": definition },
            "parameters": { "p": variable("d", "P") },
        });
        let failure = stage
            .failed(run("install", scripted(&stage, &sections, "exit 1"), &[("p", value)]))
            .await;
        assert!(matches!(failure, RunFailure::Value { .. }), "{failure}");
        assert!(failure.to_string().contains(expected), "{failure}");
        assert!(stage.rows("runs").await.is_empty() && stage.addresses().await.is_empty());
    };
    for secret in [true, false] {
        let with = |mut definition: Value| {
            definition["writeOnly"] = secret.into();
            definition
        };
        check(with(json!({ "type": "integer" })), CANARY, "must be").await;
        check(with(json!({ "type": "string", "maxLength": 3 })), CANARY, "`maxLength` (3)").await;
        check(with(json!({ "type": "string", "pattern": "^a$" })), CANARY, "`pattern`").await;
        let object = json!({ "type": "object", "additionalProperties": false });
        let value = json!({ CANARY: OTHER }).to_string();
        check(with(object), &value, "does not keep to").await;
    }
    check(json!({ "type": "string", "writeOnly": true, "enum": [OTHER] }), CANARY, "`enum`").await;
    stage.is_clean(CANARY).await;
    stage.is_clean(OTHER).await;
    // Nor is what a bundle left.
    let sections = json!({
        "definitions": { "d": { "type": "integer", "writeOnly": true } },
        "outputs": { "o": output("d", "o") },
    });
    let script = format!("printf '%s' '{CANARY}' >o");
    let failure = stage.failed(run("install", scripted(&stage, &sections, &script), &[])).await;
    assert!(failure.to_string().contains("output `o`: the text must be"), "{failure}");
    // It may be the only copy of something.
    assert_eq!(stage.value(&stage.outputs("app").await["o"]).await, CANARY.as_bytes());
    stage.is_settled("failed").await;
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn a_version_that_calls_a_parameter_sensitive_moves_what_was_given() {
    let stage = Stage::new(FILESYSTEM);
    let package = |definition: Value| {
        let sections = json!({
            "definitions": { "d": definition },
            "parameters": { "p": variable("d", "P") },
        });
        scripted(&stage, &sections, "echo \"$P\"")
    };
    stage.ran(run("install", package(plain()), &[("p", CANARY)])).await;
    assert_eq!(stage.overrides("app").await["p"], Kept::Plain(json!(CANARY)));
    assert_eq!(stage.ran(run("upgrade", package(sensitive()), &[])).await, "*******\n");
    assert_eq!(stage.value(&stage.overrides("app").await["p"]).await, CANARY.as_bytes());
    assert_eq!(stage.asked(Verb::Put, "-parameter-p"), 1);
    stage.ran(run("upgrade", package(sensitive()), &[])).await;
    assert_eq!(stage.asked(Verb::Put, "-parameter-p"), 1);
    stage.is_settled("upgraded").await;
}
