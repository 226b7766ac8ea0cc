//! A sensitive parameter is written once for each run that is given it, and whatever became of the run, the
//! ledger and the store agree on what is there.

use crate::bundles::{output, plain, scripted, sensitive, shell, variable};
use crate::canary::{CANARY, OTHER};
use crate::stage::{FILESYSTEM, Stage, request};
use coffer_bundle::sets::SetKind;
use coffer_bundle::{Kept, Package, RunFailure, Status};
use coffer_host::grants::Verb;
use serde_json::{Value, json};

/// `app` takes a password, a pin with a sensitive default and a port, and leaves a token.
fn app(stage: &Stage, script: &str) -> Package {
    let sections = json!({
        "definitions": {
            "secret": sensitive(),
            "pin": { "type": "string", "writeOnly": true, "default": OTHER },
            "port": { "type": "integer", "default": 80 },
            "text": plain(),
        },
        "parameters": {
            "password": variable("secret", "PASSWORD"),
            "pin": variable("pin", "PIN"),
            "port": variable("port", "PORT"),
        },
        "outputs": { "token": output("secret", "token") },
    });
    scripted(stage, &sections, script)
}

const TOKEN: &str = "printf 'token of %s' \"$PASSWORD\" >token";

fn install(package: Package) -> coffer_bundle::Request {
    let mut install = request("install", Some(package), &[("password", CANARY)]);
    install.driver = shell();
    install
}

fn later(action: &str, parameters: &[(&str, &str)]) -> coffer_bundle::Request {
    let mut request = request(action, None, parameters);
    request.name = Some("app".parse().unwrap());
    request.driver = shell();
    request
}

#[tokio::test]
async fn a_run_that_succeeds() {
    let stage = Stage::new(FILESYSTEM);
    stage.ran(install(app(&stage, TOKEN))).await;
    stage.is_settled("installed").await;
    for key in ["-parameter-password", "-parameter-pin", "-output-token"] {
        assert_eq!(stage.asked(Verb::Put, key), 1, "{key}");
    }
    assert_eq!((stage.asked(Verb::Put, ""), stage.asked(Verb::Delete, "")), (3, 0));
    // The default was not given, so it is no override; it is a reference all the same.
    assert_eq!(stage.overrides("app").await.into_keys().collect::<Vec<_>>(), ["password"]);
    let inputs = stage.inputs("app", "parameter").await;
    assert_eq!(stage.value(&inputs["pin"]).await, OTHER.as_bytes());
    assert_eq!(inputs["port"], Kept::Plain(json!(80)));
    let token = stage.value(&stage.outputs("app").await["token"]).await;
    assert_eq!(token, format!("token of {CANARY}").as_bytes());

    // What is reused is not written again.
    stage.ran(later("upgrade", &[("port", "81")])).await;
    stage.is_settled("upgraded").await;
    assert_eq!(stage.asked(Verb::Put, "-parameter-password"), 1);
    assert_eq!(stage.asked(Verb::Put, "-output-token"), 2);
    // What is given anew is.
    stage.ran(later("upgrade", &[("password", OTHER)])).await;
    stage.is_settled("upgraded again").await;
    assert_eq!(stage.asked(Verb::Put, "-parameter-password"), 2);
    assert_eq!(stage.value(&stage.overrides("app").await["password"]).await, OTHER.as_bytes());
    assert_eq!(stage.overrides("app").await["port"], Kept::Plain(json!(81)));

    stage.ran(later("uninstall", &[])).await;
    stage.is_settled("uninstalled").await;
    let written = stage.asked(Verb::Put, "");
    assert_eq!(stage.asked(Verb::Delete, ""), 0);
    stage.delete("app").await.unwrap();
    stage.is_settled("deleted").await;
    assert_eq!(stage.asked(Verb::Delete, ""), written);
    assert!(stage.addresses().await.is_empty());
    stage.is_clean(CANARY).await;
    stage.is_clean(OTHER).await;
}

#[tokio::test]
async fn a_bundle_that_fails() {
    let stage = Stage::new(FILESYSTEM);
    let failing = app(&stage, &format!("{TOKEN}; echo \"no: $PASSWORD\" >&2; exit 3"));
    let (result, printed) = stage.run(install(failing)).await;
    let failure = result.unwrap_err();
    assert!(failure.ran(), "{failure}");
    assert_eq!(printed, "no: *******\n");
    stage.is_settled("failed").await;
    // What it left is kept: it may be the only copy of something.
    let token = stage.value(&stage.outputs("app").await["token"]).await;
    assert_eq!(token, format!("token of {CANARY}").as_bytes());
    assert_eq!(stage.asked(Verb::Put, ""), 3);
    // It can be tried again, with what was given.
    let mut again = later("install", &[]);
    again.package = Some(app(&stage, TOKEN));
    stage.ran(again).await;
    stage.is_settled("installed").await;
    assert_eq!(stage.asked(Verb::Put, "-parameter-password"), 1);
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn a_bundle_that_leaves_what_it_should_not_and_not_what_it_should() {
    let stage = Stage::new(FILESYSTEM);
    let failure = stage.failed(install(app(&stage, ":"))).await;
    assert!(failure.to_string().contains("required output token is missing"), "{failure}");
    stage.is_settled("without its output").await;
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn a_bundle_that_is_cancelled() {
    let stage = Stage::new(FILESYSTEM);
    let pipe = stage.programs().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = format!("{TOKEN}; echo >'{}'; exec sleep 600", pipe.display());
    let (started, is_started) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::fs::read(pipe).unwrap();
        started.send(())
    });
    let cancelled = async { is_started.await.unwrap() };
    let (result, _) = stage.run_until(install(app(&stage, &script)), cancelled).await;
    let failure = result.unwrap_err();
    assert!(matches!(failure, RunFailure::Driver(_)), "{failure}");
    let id = stage.ledger.installation("", "app").await.unwrap().id;
    assert_eq!(stage.ledger.runs(&id).await.unwrap()[0].status, Status::Cancelled);
    stage.is_settled("cancelled").await;
    assert_eq!(stage.asked(Verb::Put, ""), 2);
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn what_cannot_be_resolved_writes_nothing() {
    let stage = Stage::new(FILESYSTEM);
    let before = stage.ledger.dump().await.unwrap();
    let set = json!({ "name": "wrong", "parameters": [
        { "name": "port", "source": { "secret": "nothing-has-this-key" } },
    ] });
    stage.apply(SetKind::Parameters, set).await.unwrap();
    let applied = stage.ledger.dump().await.unwrap();
    assert_ne!(applied, before);
    let mut install = install(app(&stage, TOKEN));
    install.parameter_sets = Some(vec!["wrong".parse().unwrap()]);
    let failure = stage.failed(install).await;
    assert!(matches!(failure, RunFailure::Resolve { .. }), "{failure}");
    assert!(failure.to_string().contains("parameter `port`"), "{failure}");
    assert_eq!(stage.ledger.dump().await.unwrap(), applied);
    assert_eq!(stage.asked(Verb::Put, ""), 0);
    stage.is_settled("unresolved").await;
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn what_one_store_call_refuses_takes_the_others_back() {
    let stage = Stage::new(FILESYSTEM);
    // One parameter is larger than what the store takes; which of the others came first does not matter.
    let large = "x".repeat(5 * 1024 * 1024);
    let sections = json!({
        "definitions": { "secret": sensitive() },
        "parameters": {
            "a": variable("secret", "A"),
            "b": { "definition": "secret", "destination": { "path": "/cnab/app/b" } },
            "c": variable("secret", "C"),
        },
    });
    let package = scripted(&stage, &sections, "echo it ran");
    let mut install =
        request("install", Some(package), &[("a", CANARY), ("b", &large), ("c", OTHER)]);
    install.driver = shell();
    let (result, printed) = stage.run(install).await;
    let failure = result.unwrap_err();
    assert!(failure.to_string().starts_with("failed to save sensitive param to secret store: "));
    assert!(!failure.ran());
    assert_eq!(printed, "");
    assert!(stage.rows("installations").await.is_empty() && stage.rows("runs").await.is_empty());
    assert_eq!(stage.asked(Verb::Put, "-parameter-a"), 1);
    assert_eq!(stage.asked(Verb::Put, "-parameter-c"), 1);
    stage.is_settled("taken back").await;
    assert!(stage.addresses().await.is_empty());
    stage.is_clean(CANARY).await;
}

fn set(entries: &Value) -> Value {
    json!({ "name": "s", "parameters": entries })
}

#[tokio::test]
async fn a_set_that_is_applied_again_and_deleted() {
    let stage = Stage::new(FILESYSTEM);
    let value = |name: &str, value: &str| json!({ "name": name, "source": { "value": value } });
    let kind = SetKind::Parameters;
    stage.apply(kind, set(&json!([value("a", CANARY), value("b", OTHER)]))).await.unwrap();
    stage.is_settled("applied").await;
    assert_eq!((stage.asked(Verb::Put, ""), stage.addresses().await.len()), (2, 2));
    let entries = &stage.ledger.set("parameters", "", "s").await.unwrap().entries;
    assert_eq!(stage.value(&entries[0].1).await, CANARY.as_bytes());
    stage.is_clean(CANARY).await;

    stage.apply(kind, set(&json!([value("a", OTHER)]))).await.unwrap();
    stage.is_settled("applied again").await;
    assert_eq!((stage.asked(Verb::Delete, ""), stage.addresses().await.len()), (2, 1));
    let entries = &stage.ledger.set("parameters", "", "s").await.unwrap().entries;
    assert_eq!(entries.len(), 1);
    assert_eq!(stage.value(&entries[0].1).await, OTHER.as_bytes());

    // One that cannot be applied leaves the one that is there.
    let large = "x".repeat(5 * 1024 * 1024);
    let failure =
        stage.apply(kind, set(&json!([value("a", CANARY), value("b", &large)]))).await.unwrap_err();
    assert!(matches!(failure, RunFailure::Save { .. }), "{failure}");
    stage.is_settled("not applied").await;
    assert_eq!(&stage.ledger.set("parameters", "", "s").await.unwrap().entries, entries);

    stage.forget(kind, "s").await.unwrap();
    stage.is_settled("deleted").await;
    assert!(stage.addresses().await.is_empty() && stage.rows("sets").await.is_empty());
    stage.is_clean(CANARY).await;
    stage.is_clean(OTHER).await;
}
