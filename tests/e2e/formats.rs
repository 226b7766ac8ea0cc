//! Every command as text, JSON and YAML: the same facts in each, and values masked in all of them.

use crate::stage::{FILESYSTEM, MASK, Stage};
use serde_json::{Value, json};

const PASSWORD: &str = "battery-staple";

/// Everything that shows something and changes nothing, on a machine with an installation and a set.
const SHOWING: [&[&str]; 21] = [
    &["installations", "list"],
    &["installations", "list", "--all-namespaces"],
    &["installations", "show", "sensitive-data"],
    &["installations", "outputs", "sensitive-data"],
    &["installations", "runs", "sensitive-data"],
    &["runs", "recover"],
    &["secrets", "list"],
    &["secrets", "get", "own"],
    &["secrets", "get", "own", "other"],
    &["secrets", "get", "--source", "env", "HOME"],
    &["secrets", "get", "--source", "value", PASSWORD],
    &["parameters", "list"],
    &["parameters", "show", "mine"],
    &["credentials", "list", "--all-namespaces"],
    &["plugins", "list"],
    &["plugins", "inspect", "filesystem"],
    &["plugins", "grants", "filesystem"],
    &["config", "show"],
    &["config", "check"],
    &["ledger", "dump"],
    &["doctor"],
];

fn stage() -> Stage {
    let stage = Stage::installed(PASSWORD);
    for key in ["own", "other"] {
        stage.call(&["secrets", "put", key]).stdin(PASSWORD).run().succeeded();
    }
    let set =
        format!("name: mine\nparameters:\n- name: password\n  source: {{ value: {PASSWORD} }}\n");
    stage.file("set.yaml", set);
    stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
    stage.private();
    stage
}

#[test]
fn every_format_says_the_same_and_masks() {
    let stage = stage();
    for arguments in SHOWING {
        let with = |format: &str| {
            let answer = stage.coffer(&[arguments, &["--output", format]].concat()).succeeded();
            assert_eq!(answer.stderr(), "", "{arguments:?}");
            assert!(!answer.stdout().contains(PASSWORD), "{arguments:?} -o {format}");
            assert!(answer.stdout().ends_with('\n'), "{arguments:?} -o {format}");
            answer
        };
        assert_eq!(with("json").json(), with("yaml").yaml(), "{arguments:?}");
        let text = with("text").stdout();
        assert!(!text.starts_with(['{', '[']), "{arguments:?}: {text}");
        assert!(!text.contains('\u{1b}'), "there are colours on what is no terminal: {text:?}");
        assert_eq!(stage.coffer(arguments).stdout(), text, "text is the default");
    }
}

/// Before anything is done whose result could then not be told.
#[test]
fn a_format_that_a_command_has_not_is_refused() {
    let stage = Stage::cold();
    for format in ["html", "sarif"] {
        for arguments in [&["plugins", "new", "shelf"][..], &["config", "check"], &["version"]] {
            let answer = stage.coffer(&[arguments, &["-o", format]].concat());
            answer.refused(2, "requester", &["prints text, json or yaml"]);
        }
    }
    assert_eq!((stage.hidden("home"), stage.names("work")), (vec![], vec!["bundle".to_owned()]));
}

#[test]
fn reveal_shows_values_in_every_format() {
    let stage = stage();
    for arguments in [
        &["installations", "show", "sensitive-data"][..],
        &["secrets", "get", "own"],
        &["secrets", "get", "own", "other"],
        &["secrets", "get", "--source", "value", PASSWORD],
    ] {
        for format in ["text", "json", "yaml"] {
            let answer = stage.coffer(&[arguments, &["--reveal", "-o", format]].concat());
            assert!(answer.succeeded().stdout().contains(PASSWORD), "{arguments:?} -o {format}");
        }
    }
    let outputs = |reveal: &[&str]| {
        let arguments = ["installations", "outputs", "sensitive-data", "-o", "json"];
        stage.coffer(&[&arguments, reveal].concat()).json()["name"]["value"].clone()
    };
    assert_eq!(outputs(&[]), MASK);
    assert_eq!(outputs(&["--reveal"]), "example-bundle");
}

#[test]
fn machines_get_these_keys() {
    let stage = stage();
    let of = |arguments: &[&str]| stage.coffer(&[arguments, &["-o", "json"]].concat()).json();
    let get = of(&["secrets", "get", "own", "other"]);
    assert_eq!(get, json!({ "own": { "value": MASK }, "other": { "value": MASK } }));
    // The key of a literal value is the value.
    let literal = of(&["secrets", "get", "--source", "value", PASSWORD]);
    assert_eq!(literal, json!({ MASK: { "value": MASK } }));
    assert_eq!(of(&["version"]), json!({ "name": "coffer", "version": "0.1.0" }));
    assert_eq!(of(&["runs", "recover"]), json!([]));
    let check = of(&["config", "check"]);
    assert_eq!(check["default"], "filesystem");
    let show = of(&["installations", "show", "sensitive-data"]);
    let password = &show["parameters"]["password"];
    assert_eq!((&password["value"], &password["sensitive"]), (&json!(MASK), &json!(true)));
    assert_eq!(
        show["parameters"]["name"],
        json!({ "value": "example-bundle", "sensitive": false })
    );
    assert_eq!(show["last-run"]["status"], "succeeded");
    let stores = of(&["config", "show"])["stores"].clone();
    assert_eq!(stores[0]["grants"]["directories"][0]["access"], "read-write");
    let set = of(&["parameters", "show", "mine"]);
    assert_eq!(set["schemaType"], "ParameterSet");
    assert_eq!(set["parameters"][0]["source"]["store"], "filesystem");
    let plugins = of(&["plugins", "list"]);
    let listed = plugins.as_array().unwrap();
    let can =
        |name: &str| listed.iter().find(|plugin| plugin["plugin"] == name).unwrap()["can"].clone();
    assert_eq!(can("filesystem"), json!(["resolve", "put", "delete", "list"]));
    assert_eq!(can("host"), json!(["resolve"]));
    let asked = of(&["plugins", "grants", "filesystem", "--set", "directory=elsewhere"]);
    assert_eq!(asked["grants"]["directories"][0]["host"], "elsewhere");
    let schema = of(&["config", "schema"]);
    assert!(schema["$defs"]["settings"]["properties"]["default-secrets-plugin"].is_object());
}

#[test]
fn what_changes_something_says_what_it_did() {
    let stage = Stage::installed(PASSWORD);
    let check = |arguments: &[&str], text: &str, value: Value| {
        stage.call(arguments).stdin("x").run().printed(text);
        let answer = stage.call(&[arguments, &["-o", "json"]].concat()).stdin("x").run();
        assert_eq!(answer.json(), value);
        let answer = stage.call(&[arguments, &["-o", "yaml"]].concat()).stdin("x").run();
        assert_eq!(answer.yaml(), value);
    };
    let keys = |done: &str| json!({ "done": done, "keys": ["k"], "store": "filesystem" });
    check(&["secrets", "put", "k"], "kept k in filesystem\n", keys("kept"));
    check(&["secrets", "delete", "k"], "deleted k in filesystem\n", keys("deleted"));
    stage.file("set.yaml", "name: mine\nparameters: []\n");
    let applied = json!({ "applied": "mine" });
    check(&["parameters", "apply", "set.yaml"], "applied parameters mine\n", applied);
    for (format, expected) in
        [("text", "deleted parameters mine\n"), ("json", "{\n  \"deleted\": \"mine\"\n}\n")]
    {
        stage.coffer(&["parameters", "delete", "mine", "-o", format]).printed(expected);
        stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
    }
    // What the bundle prints is for people; machines get the result alone.
    for format in ["json", "yaml"] {
        let answer = stage.coffer(&["upgrade", "sensitive-data", "-o", format]).succeeded();
        assert!(answer.stderr().contains("World 2.0\nHello, upgrading *******\n"));
        let value = if format == "json" { answer.json() } else { answer.yaml() };
        let ledger = stage.ledger();
        let run = &ledger["runs"].as_array().unwrap().last().unwrap()["id"];
        let expected = json!({
            "action": "upgrade", "namespace": "", "installation": "sensitive-data", "run": run,
            "outputs": ["name"], "deleted": false
        });
        assert_eq!(value, expected);
    }
}

#[test]
fn errors_for_machines_are_json() {
    let stage = Stage::keeping();
    for (arguments, code, fault) in [
        (&["secrets", "get", "nothing"][..], 2, "requester"),
        (&["installations", "show", "nothing"], 2, "requester"),
        (&["frobnicate"], 2, "requester"),
        (&["secrets", "get"], 2, "requester"),
        (&["secrets", "get", "k", "--config", "absent.yaml"], 2, "requester"),
    ] {
        let answer = stage.coffer(&[arguments, &["-o", "json"]].concat());
        assert_eq!((answer.code, answer.stdout.len()), (Some(code), 0), "{arguments:?}");
        let error: Value = serde_json::from_slice(&answer.stderr)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", answer.stderr()));
        assert_eq!(error["fault"], fault);
        for part in ["error", "next"] {
            assert!(error[part].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        }
    }
}

#[test]
fn completions_manual_version_and_help() {
    let stage = Stage::new();
    for (shell, word) in [
        ("bash", "complete -F"),
        ("elvish", "edit:completion"),
        ("fish", "complete -c coffer"),
        ("powershell", "Register-ArgumentCompleter"),
        ("zsh", "#compdef coffer"),
    ] {
        let script = stage.coffer(&["completions", shell]).succeeded().stdout();
        assert!(script.contains(word), "{shell}");
        assert!(script.contains("installations"), "{shell}");
    }
    stage.file("man/.keep", "");
    stage.coffer(&["man", "man"]).printed("");
    let pages = stage.names("work/man");
    for page in [
        "coffer.1",
        "coffer-install.1",
        "coffer-secrets-get.1",
        "coffer-runs-recover.1",
        "coffer-doctor.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{page} is not in {pages:?}");
    }
    let page = std::fs::read_to_string(stage.path("work/man/coffer.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains("Exit codes"), "{page}");
    stage.coffer(&["man", "absent"]).refused(2, "requester", &["absent", "No such file"]);

    stage.coffer(&["version"]).printed("coffer 0.1.0\n");
    stage.coffer(&["--version"]).printed("coffer 0.1.0\n");
    for arguments in [&["--help"][..], &["-h"], &["help"], &["install", "--help"]] {
        let answer = stage.coffer(arguments).succeeded();
        assert!(answer.stdout().contains("Usage: coffer"), "{arguments:?}");
        assert_eq!(answer.stderr(), "");
    }
    // Nothing of this needs a home, or makes one.
    assert_eq!(stage.names("home"), ["cache", "keys"]);
    let homeless = stage.call(&["version"]).without("COFFER_HOME").without("HOME").run();
    homeless.printed("coffer 0.1.0\n");
    let homeless = stage.call(&["secrets", "list"]).without("COFFER_HOME").without("HOME").run();
    homeless.refused(2, "requester", &["neither --home nor COFFER_HOME nor HOME"]);
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let stage = Stage::keeping();
    let help = stage.coffer(&["--help"]).stdout();
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let listed: Vec<i32> =
        codes.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(listed, [0, 1, 2, 3, 4, 5, 6, 130]);

    stage.coffer(&["secrets", "list"]).succeeded();
    stage.coffer(&["secrets", "get", "absent"]).refused(2, "requester", &["no such secret"]);
    stage.coffer(&["secrets", "get"]).refused(
        2,
        "requester",
        &["<KEY>", "coffer secrets get --help"],
    );
    let unset = stage.coffer(&["secrets", "get", "--source", "env", "NOT_SET"]);
    unset.refused(3, "operator", &["NOT_SET"]);
    let guest = |name: &str| {
        stage.file("guest.wasm", guest_artifacts::guest(name));
        let path = stage.path("work/guest.wasm");
        stage.config(&format!("{FILESYSTEM}secrets: [{{ name: g, plugin: {path:?} }}]\n"));
    };
    guest("trap_panic");
    stage.coffer(&["secrets", "get", "x", "--store", "g"]).refused(4, "plugin", &["crashed"]);
    guest("result_says");
    let down = stage.coffer(&["secrets", "get", "unavailable", "--store", "g"]);
    down.refused(5, "backend", &["cannot resolve"]);
    // 1 and 130 are in `drivers`; 6 is a fault of coffer's own, of which none is known.
}
