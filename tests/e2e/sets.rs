//! Parameter and credential sets: values in the store, references in the ledger.

use crate::stage::{Answer, Stage};
use serde_json::{Value, json};

const SET: &str = "\
schemaType: ParameterSet
schemaVersion: 1.1.0
name: mine
labels: { team: blue }
parameters:
- name: password
  source: { value: pa55word }
- name: number
  source: { value: 7 }
- name: home
  source: { env: HOME }
- name: other
  source: { secret: shared/key, store: filesystem }
";

#[test]
fn a_set_is_applied_listed_shown_replaced_and_deleted() {
    let stage = Stage::keeping();
    stage.file("set.yaml", SET);
    stage.coffer(&["parameters", "apply", "set.yaml"]).printed("applied parameters mine\n");
    let keys = stage.keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let key = |name: &str| {
        let end = format!("-set-{name}");
        stage.keys().into_iter().find(|key| key.ends_with(&end)).unwrap()
    };
    assert_eq!(stage.secret(&key("password")), b"pa55word");
    assert_eq!(stage.secret(&key("number")), b"7");
    let show = || stage.coffer(&["parameters", "show", "mine", "-o", "yaml"]).yaml();
    let expected = json!([
        { "name": "password", "source": { "secret": key("password"), "store": "filesystem" } },
        { "name": "number", "source": { "secret": key("number"), "store": "filesystem" } },
        { "name": "home", "source": { "env": "HOME" } },
        { "name": "other", "source": { "secret": "shared/key", "store": "filesystem" } },
    ]);
    let shown = show();
    assert_eq!(shown["parameters"], expected);
    assert_eq!((&shown["name"], &shown["labels"]), (&json!("mine"), &json!({ "team": "blue" })));
    assert!(!stage.ledger().to_string().contains("pa55word"));
    assert_eq!(stage.coffer(&["parameters", "list", "-o", "json"]).json()[0]["name"], "mine");

    // Applied again, the old values go with the old set.
    let old = stage.keys();
    stage.file("set.yaml", SET.replace("pa55word", "second"));
    stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
    assert!(stage.keys().iter().all(|key| !old.contains(key)));
    assert_eq!(stage.keys().len(), 2);
    assert_eq!(stage.secret(&key("password")), b"second");

    stage.coffer(&["parameters", "delete", "mine"]).printed("deleted parameters mine\n");
    assert_eq!(stage.keys(), [""; 0]);
    assert_eq!(stage.ledger()["secrets"], json!([]));
    stage.coffer(&["parameters", "show", "mine"]).refused(
        2,
        "requester",
        &["there is no parameter set `mine`", "coffer parameters list"],
    );
    stage.coffer(&["parameters", "delete", "mine"]).refused(2, "requester", &["`mine`"]);
}

#[test]
fn a_set_can_come_from_standard_input_in_any_format() {
    let stage = Stage::keeping();
    let set = |name: &str| {
        json!({
            "name": name, "parameters": [{ "name": "p", "source": { "value": "v" } }]
        })
    };
    let apply = ["parameters", "apply", "-"];
    stage.call(&apply).stdin(set("a").to_string()).run().printed("applied parameters a\n");
    stage.file("set.json", set("b").to_string());
    stage.coffer(&["parameters", "apply", "set.json"]).succeeded();
    stage.file(
        "set.toml",
        "name = \"c\"\n[[parameters]]\nname = \"p\"\nsource = { value = \"v\" }\n",
    );
    stage.coffer(&["parameters", "apply", "set.toml"]).succeeded();
    assert_eq!(stage.keys().len(), 3);
}

#[test]
fn sets_of_two_kinds_and_namespaces_are_apart() {
    let stage = Stage::keeping();
    let apply = |kind: &str, namespace: &str| {
        let text = format!("name: same\n{kind}: [{{ name: p, source: {{ value: {kind} }} }}]\n");
        stage.file("set.yaml", text);
        stage.coffer(&[kind, "apply", "set.yaml", "-n", namespace]).succeeded();
    };
    for kind in ["parameters", "credentials"] {
        for namespace in ["", "dev"] {
            apply(kind, namespace);
        }
    }
    assert_eq!(stage.keys().len(), 4);
    let listed = |arguments: &[&str]| -> Vec<Value> {
        let list = stage.coffer(&[arguments, &["-o", "json"]].concat()).json();
        list.as_array().unwrap().iter().map(|set| set["namespace"].clone()).collect()
    };
    assert_eq!(listed(&["credentials", "list"]), [""]);
    assert_eq!(listed(&["credentials", "list", "-n", "dev"]), ["dev"]);
    assert_eq!(listed(&["parameters", "list", "--all-namespaces"]), ["", "dev"]);
    stage.coffer(&["parameters", "delete", "same", "-n", "dev"]).succeeded();
    assert_eq!(stage.keys().len(), 3);
    assert_eq!(listed(&["parameters", "list", "--all-namespaces"]), [""]);
    assert_eq!(listed(&["credentials", "list", "--all-namespaces"]), ["", "dev"]);
}

#[test]
fn a_store_that_keeps_nothing_takes_no_values() {
    let stage = Stage::new();
    stage.file("set.yaml", SET);
    stage.coffer(&["parameters", "apply", "set.yaml"]).refused(
        3,
        "operator",
        &["does not support persisting secrets", "default-secrets-plugin: \"filesystem\""],
    );
    assert_eq!(stage.ledger()["sets"], json!([]));
    stage.file("set.yaml", "name: mine\nparameters: [{ name: h, source: { env: HOME } }]\n");
    stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
}

#[test]
fn many_values_are_put_at_once_and_listed_meanwhile() {
    let stage = Stage::keeping();
    let sets = ["one", "two", "three"];
    for set in sets {
        let entries =
            (0..100).map(|at| format!("- {{ name: p{at}, source: {{ value: v{at} }} }}\n"));
        let text = format!("name: {set}\nparameters:\n{}", entries.collect::<String>());
        stage.file(set, text);
    }
    for _ in 0..2 {
        let applying = sets.map(|set| stage.call(&["parameters", "apply", set]).start());
        for mut applying in applying {
            while applying.try_wait().unwrap().is_none() {
                // What goes away while it is listed is no error.
                stage.keys();
            }
            Answer::of(applying, "apply".into()).succeeded();
        }
        assert_eq!(stage.keys().len(), 300);
    }
}
