use super::*;
use coffer_host::{Blame, Explain};
use serde_json::json;

/// The bundle of the walk-through, with an output that is a parameter of the next run.
fn sensitive_data() -> Value {
    json!({
        "schemaVersion": "v1.0.0",
        "name": "sensitive-data",
        "version": "0.1.0",
        "description": "sensitive data",
        "invocationImages": [{
            "imageType": "docker", "image": "example/sensitive-data-installer:v0.1.0"
        }],
        "definitions": {
            "password-parameter": { "type": "string", "writeOnly": true },
            "name-output": { "type": "string", "writeOnly": true },
            "name-parameter": { "type": "string" },
            // As Porter generates them.
            "porter-debug-parameter": {
                "$comment": "porter-internal",
                "$id": "https://getporter.org/generated-bundle/#porter-debug",
                "default": false, "type": "boolean"
            },
            "porter-state": {
                "$comment": "porter-internal",
                "$id": "https://getporter.org/generated-bundle/#porter-state",
                "type": "string", "contentEncoding": "base64"
            }
        },
        "parameters": {
            "password": {
                "definition": "password-parameter", "required": true,
                "destination": { "env": "PASSWORD" }, "applyTo": ["install"]
            },
            "name": { "definition": "name-parameter", "destination": { "env": "NAME" } },
            "porter-debug": {
                "definition": "porter-debug-parameter", "destination": { "env": "PORTER_DEBUG" }
            },
            "porter-state": {
                "definition": "porter-state", "destination": { "path": "/porter/state.tgz" }
            }
        },
        "credentials": {
            "kubeconfig": { "path": "/etc/kube/config", "required": true }
        },
        "outputs": {
            "name": { "definition": "name-output", "path": "/cnab/app/outputs/name" },
            "porter-state": {
                "definition": "porter-state", "path": "/cnab/app/outputs/porter-state"
            }
        },
        "actions": {
            "com.example.status": { "stateless": true, "description": "says how it is" }
        },
        "requiredExtensions": ["io.cnab.parameter-sources", "sh.porter.file-parameters"],
        "custom": {
            "io.cnab.parameter-sources": {
                "name": { "priority": ["output"], "sources": { "output": { "name": "name" } } },
                "porter-state": {
                    "priority": ["output"], "sources": { "output": { "name": "porter-state" } }
                }
            },
            "sh.porter": { "manifest": "bmFtZTogY2FuYXJ5", "manifestDigest": "abc", "mixins": {} },
            "sh.porter.file-parameters": {}
        }
    })
}

/// The bundle with the value at a JSON Pointer set; `null` removes it.
fn with(pointer: &str, value: &Value) -> Value {
    let mut document = sensitive_data();
    let (above, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match document.pointer_mut(above).unwrap() {
        Value::Object(fields) if value.is_null() => drop(fields.shift_remove(&key)),
        Value::Object(fields) => drop(fields.insert(key, value.clone())),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
        _ => panic!("{pointer}"),
    }
    document
}

fn check(pointer: &str, value: &Value, expected: Result<(), &str>, reason: &str) {
    let actual = Bundle::parse(with(pointer, value)).map_err(|error| {
        assert_eq!(error.blame(), Blame::Requester);
        assert!(!error.next().is_empty());
        error.to_string()
    });
    let actual = actual.as_ref().map(|_| ()).map_err(String::as_str);
    assert_eq!(actual, expected, "{pointer} {value}: {reason}");
}

#[test]
fn a_bundle_is_read() {
    let bundle = Bundle::parse(sensitive_data()).unwrap();
    assert_eq!((bundle.name(), bundle.version()), ("sensitive-data", "0.1.0"));
    assert_eq!(bundle.description(), Some("sensitive data"));
    assert_eq!(bundle.images()[0].kind, "docker");
    assert_eq!(bundle.images()[0].reference, "example/sensitive-data-installer:v0.1.0");
    let password = &bundle.parameters()["password"];
    assert!(password.sensitive && password.required && password.definition.sensitive());
    assert_eq!(password.environment.as_deref(), Some("PASSWORD"));
    assert!(password.applies("install") && !password.applies("upgrade"));
    assert!(bundle.parameters()["name"].applies("com.example.status"));
    assert_eq!(bundle.parameters()["porter-debug"].definition.default(), Some(&json!(false)));
    assert_eq!(bundle.parameters()["porter-state"].path.as_deref(), Some("/porter/state.tgz"));
    assert_eq!(bundle.outputs()["name"].path, "/cnab/app/outputs/name");
    assert!(bundle.credentials()["kubeconfig"].required);
    assert!(bundle.actions()["com.example.status"].stateless);
    assert_eq!(bundle.warnings(), &[] as &[String]);
    assert_eq!(bundle.document(), &sensitive_data());
}

#[test]
fn what_comes_from_a_sensitive_output_is_sensitive() {
    let bundle = Bundle::parse(sensitive_data()).unwrap();
    let name = &bundle.parameters()["name"];
    assert_eq!(name.source_output.as_deref(), Some("name"));
    assert!(!name.definition.sensitive() && name.sensitive);
    let state = &bundle.parameters()["porter-state"];
    assert_eq!(state.source_output.as_deref(), Some("porter-state"));
    assert!(!state.sensitive);
}

#[test]
fn the_head_is_checked() {
    for version in ["1.0.0", "v1.0.0", "v1.1.0", "1.2.0"] {
        check("/schemaVersion", &json!(version), Ok(()), "a known version");
    }
    check(
        "/schemaVersion",
        &json!("v2.0.0"),
        Err("the bundle is of CNAB version `v2.0.0`; coffer knows 1.0.0, 1.1.0 and 1.2.0"),
        "a version of the future",
    );
    check("/schemaVersion", &json!(null), Err("missing field `schemaVersion`"), "absent");
    check("/name", &json!("acme.tunnels.wordpress"), Ok(()), "with namespaces");
    check("/name", &json!(""), Err("at `name`: the name is empty"), "empty");
    let characters = "at `name`: the name has a control character, `=`, `/` or `\\`";
    check("/name", &json!("a\nb"), Err(characters), "would break a log");
    check("/name", &json!(7), Err("at `name`: expected a string"), "of another type");
    let version = "at `version`: it must be a version such as 1.2.3 or 1.2.3-beta.1";
    for good in ["1.2.3", "v0.1.0", "1", "1.2", "1.2.3-beta.1+sha.5114f85"] {
        check("/version", &json!(good), Ok(()), "a version");
    }
    for bad in ["", "latest", "1.2.3.4", "1..2", "1.2.3-", "1.2.3+", "a.b.c", "1.2.3 "] {
        check("/version", &json!(bad), Err(version), "no version");
    }
    let none = "at `invocationImages`: a bundle has at least one image";
    check("/invocationImages", &json!([]), Err(none), "nothing to run");
    check("/invocationImages", &json!(null), Err("missing field `invocationImages`"), "absent");
    check("/invocationImages/0", &json!({ "image": "a" }), Ok(()), "the type has a default");
    check(
        "/invocationImages/0/image",
        &json!("--privileged"),
        Err("at `invocationImages[0].image`: it must be one word that does not begin with a dash"),
        "an option of docker",
    );
    let digest = "at `invocationImages[0].contentDigest`: \
                  it must be a digest such as `sha256:` and 64 hex digits";
    check("/invocationImages/0/contentDigest", &json!("sha256:xyz"), Err(digest), "no digest");
    let good = json!(format!("sha256:{}", "a1".repeat(32)));
    check("/invocationImages/0/contentDigest", &good, Ok(()), "a digest");
}

#[test]
fn extensions_that_coffer_has_not_are_refused() {
    check("/requiredExtensions", &json!([]), Ok(()), "none is required");
    check("/custom/org.example", &json!({ "a": [1] }), Ok(()), "nobody requires it");
    check(
        "/requiredExtensions",
        &json!(["io.cnab.docker"]),
        Err("the bundle requires the extension `io.cnab.docker`, which coffer does not have"),
        "it would give the bundle the docker socket",
    );
    for extension in ["io.cnab.dependencies", "org.getporter.dependencies@v2"] {
        let expected = format!(
            "the bundle depends on other bundles (`{extension}`), which coffer does not install"
        );
        check(
            "/requiredExtensions",
            &json!([extension]),
            Err(&expected),
            "it would be half installed",
        );
    }
}

#[test]
fn names_that_lead_nowhere_are_refused() {
    check(
        "/parameters/password/definition",
        &json!("password-paramter"),
        Err("`parameters.password.definition` names `password-paramter`, \
             which is not among definitions; did you mean `password-parameter`?"),
        "misspelt",
    );
    check(
        "/outputs/name/definition",
        &json!("zzzzzzzzzzzzz"),
        Err("`outputs.name.definition` names `zzzzzzzzzzzzz`, which is not among definitions"),
        "nothing is near",
    );
    check(
        "/custom/io.cnab.parameter-sources/name/sources/output/name",
        &json!("nam"),
        Err("`custom.io.cnab.parameter-sources.name.sources.output.name` names `nam`, \
             which is not among outputs; did you mean `name`?"),
        "no such output",
    );
    check(
        "/custom/io.cnab.parameter-sources/other",
        &json!({ "priority": ["output"], "sources": { "output": { "name": "name" } } }),
        Err(
            "`custom.io.cnab.parameter-sources.other` names `other`, which is not among parameters",
        ),
        "no such parameter",
    );
    check(
        "/custom/io.cnab.parameter-sources/name/priority",
        &json!(["outputs"]),
        Err("`custom.io.cnab.parameter-sources.name.priority` names `outputs`, \
             which is not among its sources; did you mean `output`?"),
        "a priority for nothing",
    );
    check(
        "/custom/io.cnab.parameter-sources/name/sources/output",
        &json!({}),
        Err("at `custom.io.cnab.parameter-sources.name.sources.output.name`: \
             the output must be named"),
        "no name",
    );
}

#[test]
fn malformed_fields_are_found() {
    check("/parameters", &json!(null), Err(missing_parameter()), "then a source has no parameter");
    check(
        "/parameters/password/required",
        &json!("canary"),
        Err("at `parameters.password.required`: expected a boolean"),
        "a text, which is not shown",
    );
    check(
        "/parameters/password/destination",
        &json!(null),
        Err("at `parameters.password`: missing field `destination`"),
        "the value would go nowhere",
    );
    check(
        "/parameters/password/destination",
        &json!({}),
        Err("at `parameters.password.destination`: \
             it needs `env` or `path`, or its value goes nowhere"),
        "the value would go nowhere",
    );
    check(
        "/credentials/kubeconfig",
        &json!("canary"),
        Err("at `credentials.kubeconfig`: expected a credential"),
        "a text",
    );
    check(
        "/parameters/a=b",
        &json!({ "definition": "name-parameter", "destination": { "env": "AB" } }),
        Err("at `parameters.a=b`: the name has a control character, `=`, `/` or `\\`"),
        "it could not be set on the command line",
    );
    check(
        "/outputs/..",
        &json!({ "definition": "name-output", "path": "/cnab/app/outputs/x" }),
        Err("at `outputs...`: the name is a directory's"),
        "its key would have a segment `..`",
    );
    let many: serde_json::Map<String, Value> =
        (0..=ENTRIES_MAX).map(|index| (format!("a{index}"), json!({}))).collect();
    let too_many = "the bundle has 1001 actions; at most 1000 are allowed";
    check("/actions", &many.clone().into(), Err(too_many), "one too many");
    let most: serde_json::Map<String, Value> = many.into_iter().skip(1).collect();
    check("/actions", &most.into(), Ok(()), "the most");
}

fn missing_parameter() -> &'static str {
    "`custom.io.cnab.parameter-sources.name` names `name`, which is not among parameters"
}

#[test]
fn values_go_where_nothing_else_is() {
    let at = "at `parameters.password.destination";
    let environment = |name: &str, rule: Option<&str>, reason: &str| {
        let expected = rule.map(|rule| format!("{at}.env`: {rule}"));
        let expected = expected.as_deref().map_or(Ok(()), Err);
        check("/parameters/password/destination", &json!({ "env": name }), expected, reason);
    };
    let malformed = "a variable has letters, digits and `_`, and does not begin with a digit";
    let reserved = "variables that begin with `CNAB_` are kept for the CNAB runtime";
    environment("A_1", None, "a name");
    environment("_", None, "a name");
    environment("", Some(malformed), "empty");
    environment("1A", Some(malformed), "no shell could read it");
    environment("A-B", Some(malformed), "no shell could read it");
    environment("A=B", Some(malformed), "it would set another variable");
    environment("CNAB_ACTION", Some(reserved), "it would change what the bundle does");
    environment("CNAB_", Some(reserved), "the prefix alone");
    environment("CNABX", None, "another prefix");
    let path = |path: &str, rule: Option<&str>, reason: &str| {
        let expected = rule.map(|rule| format!("{at}.path`: {rule}"));
        let expected = expected.as_deref().map_or(Ok(()), Err);
        check("/parameters/password/destination", &json!({ "path": path }), expected, reason);
    };
    let segment = "the path has a segment that is empty, `.` or `..`";
    let kept = "it is kept for the CNAB runtime";
    let directory = "it is a directory that the CNAB runtime fills";
    path("/etc/password", None, "a file");
    path("/cnab/app/outputsx", None, "another directory");
    path("/cnab/app/runner", None, "another file");
    path("etc/password", Some("the path must be absolute"), "relative to what?");
    path("", Some("the path must be absolute"), "empty");
    path("/", Some(segment), "the root");
    path("/a/../cnab/app/run", Some(segment), "out again");
    path("/a/./b", Some(segment), "another spelling of a path");
    path("/cnab//app/run", Some(segment), "another spelling of a path");
    path("/a/", Some(segment), "a directory");
    path("/a\\..\\b", Some("the path has a control character or a `\\`"), "out, elsewhere");
    path("/a\0", Some("the path has a control character or a `\\`"), "cut off in C");
    path("/cnab/app/run", Some(kept), "it would be the bundle");
    path("/cnab/app/run/x", Some(kept), "below it");
    path("/cnab/app/outputs", Some(kept), "it would be an output");
    path("/cnab/app/outputs/name", Some(kept), "it would be an output");
    path("/cnab/bundle.json", Some(kept), "the runtime writes it");
    path("/cnab/app", Some(directory), "a file instead of the bundle");
    path(&format!("/{}", "a".repeat(4096)), Some("the path is too long"), "no system takes it");
}

#[test]
fn no_two_values_go_to_one_place() {
    let parameter =
        |destination: &Value| json!({ "definition": "name-parameter", "destination": destination });
    let taken = |at: &str, other: &str| {
        format!("`{at}` and `{other}` are the same place, or one is inside the other")
    };
    let name = "parameters.name.destination";
    let again = "parameters.again.destination";
    check(
        "/parameters/again",
        &parameter(&json!({ "env": "NAME" })),
        Err(&taken(&format!("{name}.env"), &format!("{again}.env"))),
        "two parameters in one variable",
    );
    check("/parameters/again", &parameter(&json!({ "env": "name" })), Ok(()), "case matters");
    let credential = "credentials.kubeconfig.path";
    for (path, reason) in [
        ("/etc/kube/config", "a parameter and a credential"),
        ("/etc/kube/config/x", "below a file"),
        ("/etc/kube", "a file where a directory must be"),
    ] {
        let expected = taken(&format!("{again}.path"), credential);
        check("/parameters/again", &parameter(&json!({ "path": path })), Err(&expected), reason);
    }
    let beside = json!({ "path": "/etc/kube/config2" });
    check("/parameters/again", &parameter(&beside), Ok(()), "beside it");
    let output = |path: &str| json!({ "definition": "name-parameter", "path": path });
    check(
        "/outputs/plain",
        &output("/cnab/app/outputs/name"),
        Err(&taken("outputs.plain.path", "outputs.name.path")),
        "the sensitive value would be stored as the plain one",
    );
    let below = "at `outputs.plain.path`: an output must be below `/cnab/app/outputs/`";
    check("/outputs/plain", &output("/cnab/app/outputs/a/b"), Ok(()), "in a directory");
    check("/outputs/plain", &output("/etc/passwd"), Err(below), "any file of the machine");
    check("/outputs/plain", &output("/cnab/app/outputs"), Err(below), "the directory");
    check("/outputs/plain", &output("/cnab/app/outputsx/a"), Err(below), "another directory");
    let segment = "at `outputs.plain.path`: the path has a segment that is empty, `.` or `..`";
    check("/outputs/plain", &output("/cnab/app/outputs/../run"), Err(segment), "out again");
}

#[test]
fn definitions_that_are_no_schemas_are_refused() {
    let definition = |schema: &Value, expected: Result<(), &str>, reason: &str| {
        check("/definitions/x", schema, expected, reason);
    };
    definition(&json!(true), Ok(()), "a schema that takes anything");
    definition(
        &json!({ "type": "strin", "default": "canary" }),
        Err("`definitions.x` is no JSON Schema: `anyOf` is wrong at `/type`"),
        "no type",
    );
    definition(
        &json!({ "properties": { "a": { "minLength": "canary" } } }),
        Err("`definitions.x` is no JSON Schema: `type` is wrong at `/properties/a/minLength`"),
        "inside",
    );
    definition(
        &json!({ "writeOnly": "true", "default": "canary" }),
        Err("`definitions.x` is no JSON Schema: `writeOnly` is wrong"),
        "a text, which would pass for false",
    );
    definition(
        &json!({ "$ref": "https://example.com/schema.json" }),
        Err("`definitions.x` is no JSON Schema: `$ref` is wrong"),
        "nothing is fetched",
    );
    definition(
        &json!({ "$ref": "#/definitions/name-output" }),
        Err("`definitions.x` is no JSON Schema: `$ref` is wrong"),
        "another definition may be sensitive where this one is not",
    );
    definition(
        &json!({ "$ref": "#/definitions/y", "definitions": { "y": { "type": "string" } } }),
        Ok(()),
        "a part of itself",
    );
    definition(
        &json!({ "type": "string", "pattern": "(" }),
        Err("`definitions.x` is no JSON Schema: `format` is wrong at `/pattern`"),
        "no expression",
    );
}

#[test]
fn probable_mistakes_are_said() {
    let warned = |pointer: &str, value: Value, expected: &str, reason: &str| {
        let bundle = Bundle::parse(with(pointer, &value)).unwrap();
        assert_eq!(bundle.warnings(), [expected], "{pointer}: {reason}");
    };
    warned(
        "/maintainer",
        json!([]),
        "`maintainer` means nothing; did you mean `maintainers`?",
        "top",
    );
    assert!(Bundle::parse(with("/zzzzzzzzzz", &json!(1))).unwrap().warnings().is_empty());
    warned(
        "/parameters/password/applyto",
        json!([]),
        "at `parameters.password`: `applyto` means nothing; did you mean `applyTo`?",
        "in a parameter",
    );
    warned(
        "/parameters/password/destination/evn",
        json!("A"),
        "at `parameters.password.destination`: `evn` means nothing; did you mean `env`?",
        "in a destination",
    );
    warned(
        "/definitions/name-parameter/writeonly",
        json!(true),
        "at `definitions.name-parameter`: `writeonly` means nothing; did you mean `writeOnly`?",
        "the secret would be stored in clear",
    );
    warned(
        "/definitions/name-parameter/sensitive",
        json!(true),
        "at `definitions.name-parameter`: `sensitive` means nothing; did you mean `writeOnly`?",
        "Porter's own word",
    );
    warned(
        "/definitions/porter-debug-parameter/default",
        json!("canary"),
        "at `definitions.porter-debug-parameter.default`: it does not keep to `type`",
        "it fails when it is used",
    );
    warned(
        "/outputs/name/applyTo",
        json!(["instal"]),
        "at `outputs.name.applyTo`: the bundle has no action `instal`",
        "it would never be made",
    );
    warned("/actions/install", json!({}), "at `actions.install`: every bundle has this action", "");
    warned(
        "/custom/io.cnab.parameter-sources/name",
        json!({
            "priority": ["dependencies.output", "output"],
            "sources": {
                "dependencies.output": { "dependency": "mysql", "name": "x" },
                "output": { "name": "name" }
            }
        }),
        "at `custom.io.cnab.parameter-sources.name`: \
         coffer has no source `dependencies.output`, and passes over it",
        "the next source is used",
    );
}

#[test]
fn actions_are_known_or_declared() {
    let bundle = Bundle::parse(sensitive_data()).unwrap();
    for action in ["install", "upgrade", "uninstall", "com.example.status"] {
        assert_eq!(bundle.check_action(action), Ok(()), "{action}");
    }
    for (action, expected) in [
        ("instal", "the bundle has no action `instal`; did you mean `install`?"),
        ("", "the bundle has no action ``"),
        ("Install", "the bundle has no action `Install`; did you mean `install`?"),
        ("\u{1b}[2J", "the bundle has no action `\\u{1b}[2J`"),
    ] {
        assert_eq!(bundle.check_action(action).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_empty_list_of_actions_means_all() {
    let document = with("/parameters/password/applyTo", &json!([]));
    assert!(Bundle::parse(document).unwrap().parameters()["password"].applies("upgrade"));
}

#[test]
fn debug_shows_no_value() {
    let document = with("/definitions/password-parameter/default", &json!("canary"));
    let bundle = Bundle::parse(document).unwrap();
    let text = format!("{bundle:?} {:?} {:?}", bundle.parameters(), bundle.outputs());
    assert!(!text.contains("canary"), "{text}");
}
