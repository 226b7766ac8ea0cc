//! Values on their way in: `NAME=VALUE`, `NAME=@FILE`, `NAME=-`, and `secrets put`. Every byte arrives.

use crate::bundles;
use crate::stage::{FILESYSTEM, Stage};
use serde_json::json;

/// Texts that somebody's line, shell or file format would change.
const TEXTS: [&str; 8] = [
    "plain",
    " spaces on both sides ",
    "a line break at the end\n",
    "\r\nwindows\r\n\r\n",
    "=@-",
    "quote \" backslash \\ dollar $HOME `x` ${env.HOME} %20",
    "\u{e4}\u{1f512}\u{200b}",
    "\u{feff}with a byte order mark\u{0}and a zero byte",
];

fn revealed(stage: &Stage) -> String {
    let arguments = ["installations", "show", "sensitive-data", "--reveal", "-o", "json"];
    stage.coffer(&arguments).json()["parameters"]["password"]["value"].as_str().unwrap().to_owned()
}

#[test]
fn a_parameter_arrives_byte_for_byte() {
    // A file takes every text; a variable cannot have a zero byte.
    let stage = Stage::keeping();
    let destination = json!({ "path": "/cnab/app/password" });
    stage.bundle(&bundles::with("/parameters/password/destination", destination));
    for (index, text) in TEXTS.into_iter().enumerate() {
        // The entry point wants a variable that it is not given, so the run fails; what it was given
        // is kept all the same.
        let install = |parameter: &str, stdin: &str| {
            let arguments = ["install", "-b", "bundle", "--param", parameter];
            let answer = stage.call(&arguments).stdin(stdin).run();
            answer.failed(1, "requester", &["the bundle's entry point failed"]);
            assert_eq!(revealed(&stage), text, "{parameter}");
        };
        stage.file(&format!("value-{index}"), text);
        install(&format!("password=@value-{index}"), "");
        install("password=-", text);
        if !text.contains('\0') && !text.starts_with('@') {
            install(&format!("password={text}"), "");
        }
    }
}

#[test]
fn a_secret_is_put_byte_for_byte_and_got_so() {
    let stage = Stage::keeping();
    let every: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let values: Vec<&[u8]> =
        TEXTS.iter().map(|text| text.as_bytes()).chain([&every[..], b""]).collect();
    for value in values {
        stage.call(&["secrets", "put", "a/b c", "-"]).stdin(value).run().succeeded();
        assert_eq!(stage.secret("a/b c"), value);
        stage.file("value", value);
        stage.coffer(&["secrets", "put", "other", "@value"]).succeeded();
        assert_eq!(stage.secret("other"), value);
    }
    assert_eq!(stage.keys(), ["a/b c", "other"]);
    stage.call(&["secrets", "put", "other", "--keep"]).stdin("new").run().refused(
        2,
        "requester",
        &["other"],
    );
    assert_eq!(stage.secret("other"), b"");
}

#[test]
fn what_cannot_be_taken_is_refused_without_its_value() {
    let stage = Stage::keeping();
    let check = |arguments: &[&str], words: &[&str]| {
        let before = stage.state();
        let answer = stage.coffer(arguments).refused(2, "requester", words);
        assert!(!answer.stderr().contains("hunter2"), "{}", answer.stderr());
        assert_eq!(stage.state(), before);
    };
    let install = ["install", "--bundle", "bundle", "--param"];
    let with = |parameters: &[&'static str]| [&install[..], parameters].concat();
    check(&with(&["hunter2"]), &["--param number 1 is not NAME=VALUE"]);
    check(&with(&["=hunter2"]), &["--param number 1 is not NAME=VALUE"]);
    check(&with(&["password=@absent"]), &["absent", "No such file"]);
    check(&with(&["password=hunter2", "--param", "password=hunter2"]), &["given twice"]);
    check(&with(&["password=-", "--param", "name=-"]), &["only one --param can be `-`"]);
    check(&with(&["pasword=hunter2"]), &["no parameter `pasword`", "`password`"]);
    check(&with(&[]), &["`--param <NAME=VALUE>` needs a value"]);
    check(&["secrets", "put", "k", "hunter2"], &["must be `@FILE` or `-`"]);
    // Words where none are expected may be values.
    check(&["upgrade", "demo", "password=hunter2"], &["unexpected argument"]);
    check(&["upgrade", "--parm=password=hunter2"], &["--parm"]);
    check(&["upgrade", "--output", "hunter2"], &["--output", "json", "text", "yaml"]);
    check(&["secrets", "get", "k", "--reveal=hunter2"], &["--reveal"]);
    check(&["upgrade", "--verbosity", "hunter2"], &["--verbosity is debug"]);
    check(&["secrets", "get", "k", "--source", "hunter2"], &["--source is secret, env"]);
}

#[test]
fn the_last_of_several_sets_wins_and_the_command_line_over_all() {
    let stage = Stage::keeping();
    for (set, value) in [("first", "one"), ("second", "two")] {
        let text = format!(
            "name: {set}\nparameters: [{{ name: password, source: {{ value: {value} }} }}]\n"
        );
        stage.file("set.yaml", text);
        stage.coffer(&["parameters", "apply", "set.yaml"]).succeeded();
    }
    let check = |name: &str, arguments: &[&str], expected: &str| {
        let install = ["install", name, "--bundle", "bundle"];
        stage.coffer(&[&install, arguments].concat()).succeeded();
        let show = ["installations", "show", name, "--reveal", "-o", "json"];
        assert_eq!(stage.coffer(&show).json()["parameters"]["password"]["value"], expected);
    };
    check("a", &["-p", "first"], "one");
    check("b", &["-p", "first", "-p", "second"], "two");
    check("c", &["-p", "second", "-p", "first"], "one");
    check("d", &["-p", "second", "--param", "password=three"], "three");
    let absent = stage.coffer(&["install", "e", "--bundle", "bundle", "-p", "absent"]);
    absent.refused(2, "requester", &["there is no parameter set `absent`"]);
}

#[test]
fn a_home_and_a_configuration_can_be_named() {
    let stage = Stage::new();
    stage.file("other.yaml", FILESYSTEM);
    let home = stage.path("elsewhere/deep");
    let home = home.to_str().unwrap();
    let put = ["secrets", "put", "k", "--home", home, "--config", "other.yaml"];
    stage.call(&put).stdin("v").run().succeeded();
    assert_eq!(stage.names("elsewhere/deep/secrets").len(), 1);
    assert_eq!(stage.names("home/secrets").len(), 0);
    let user =
        stage.call(&["--config", "other.yaml", "secrets", "put", "k"]).without("COFFER_HOME");
    user.stdin("v").run().succeeded();
    assert_eq!(stage.names("user/.coffer/secrets").len(), 1);
}
