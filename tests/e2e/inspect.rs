//! What is shown of a plugin's file, whoever wrote it and whatever it says.

use crate::stage::Stage;
use serde_json::{Value, json};

/// A component that says of itself what it is told to, exports a resolver of no functions, and imports this.
pub(crate) fn component(manifest: &Value, imports: &[&str]) -> Vec<u8> {
    let imports: String =
        imports.iter().map(|import| format!("(import \"{import}\" (instance))")).collect();
    let text = format!(
        "(component {imports} (instance $i) (export \"coffer:secrets/resolver@0.1.0\" (instance $i)))"
    );
    section(&wat::parse_str(text).unwrap(), "coffer:manifest", manifest.to_string().as_bytes())
}

/// The component with a custom section behind everything else.
pub(crate) fn section(component: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let mut content = vec![u8::try_from(name.len()).unwrap()];
    content.extend([name.as_bytes(), data].concat());
    let mut bytes = component.to_vec();
    bytes.push(0);
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(content);
    bytes
}

/// Everything that could act on a terminal or in a page, wherever a manifest can have it.
fn hostile() -> Vec<u8> {
    let evil = "\u{202e}<script>alert(1)</script>\u{1b}[2J\u{9b}";
    let component = component(
        &json!({
            "name": "<script>alert(0)</script>", "version": "1'\"", "description": "<img src=x onerror=y>",
            "settings": { "type": "object", "properties": {
                "<b>": { "type": "string", "description": "</td><script>", "default": evil },
            } },
            "asks": {
                "environment": [evil],
                "http": [{ "url": evil, "methods": ["GET"], "headers": { evil: { "env": evil } } }],
                "commands": [[evil]],
                "directories": [{ "host": evil, "access": "read-write" }],
            },
        }),
        &["coffer:host/http@0.1.0"],
    );
    // A tool of this name made it, with this version.
    let field = [b"\x01\x08language\x01".as_slice(), &[u8::try_from(evil.len()).unwrap()]].concat();
    section(&component, "producers", &[&field, evil.as_bytes(), b"\x01<"].concat())
}

#[test]
fn a_strangers_file_acts_on_nobodys_terminal_or_browser() {
    let stage = Stage::cold();
    stage.file("evil.wasm", hostile());
    for format in ["text", "json", "html", "sarif"] {
        let shown = stage.coffer(&["plugins", "inspect", "./evil.wasm", "-o", format]).succeeded();
        let text = shown.stdout();
        let acts = |character: char| {
            character.is_control() && character != '\n' || character == '\u{202e}'
        };
        assert!(!text.contains(acts), "{format}: {text:?}");
        assert!(text.contains("alert(1)"), "{format}: it is shown: {text}");
        if format == "html" {
            let tags: Vec<&str> =
                text.split('<').skip(1).filter_map(|rest| rest.split(['>', ' ']).next()).collect();
            let known = [
                "!doctype", "html", "head", "meta", "style", "title", "body", "h1", "h2", "p",
                "table", "tr", "td", "th", "ul", "li", "pre",
            ];
            let unknown: Vec<_> =
                tags.iter().filter(|tag| !known.contains(&tag.trim_start_matches('/'))).collect();
            assert!(unknown.is_empty(), "{unknown:?}");
            assert!(!text.contains("src=\"") && !text.contains("href"), "nothing is loaded");
            assert!(
                text.contains("default-src 'none'") && text.contains("prefers-color-scheme: dark")
            );
        }
    }
}

#[test]
fn what_a_plugin_can_do_and_takes_is_shown() {
    let stage = Stage::cold();
    let shown = stage.coffer(&["plugins", "inspect", "vault"]).succeeded().stdout();
    for line in [
        "WIT version:  0.1.0",
        "Can:          resolve, put, delete, list",
        "Made by:      processed-by: wit-component",
        "a grant of HTTP requests\n",
        "coffer:secrets/writer@0.1.0",
        "What there is to know:",
        "which the plugin does not see\n",
    ] {
        assert!(shown.contains(line), "`{line}` is missing: {shown}");
    }
    let shown = stage.coffer(&["plugins", "inspect", "host"]).succeeded().stdout();
    assert!(
        shown.contains("  ! it asks for whatever environment variable a reference names"),
        "{shown}"
    );
    // It is read, and neither compiled nor run: what is no plugin in the end is shown all the same.
    stage.file(
        "empty.wasm",
        component(&json!({ "name": "p", "version": "1", "description": "d" }), &[]),
    );
    let shown = stage.coffer(&["plugins", "inspect", "./empty.wasm"]).succeeded().stdout();
    assert!(shown.contains("  it asks for nothing that reaches outside of it"), "{shown}");
    assert_eq!(stage.names("home/cache"), [""; 0]);
}

#[test]
fn sarif_has_a_result_for_each_thing_to_know() {
    let stage = Stage::cold();
    let asks = json!({ "environment": ["HOME"] });
    let manifest = json!({ "name": "p", "version": "1", "description": "d", "asks": asks });
    stage.file("a b.wasm", component(&manifest, &["coffer:host/commands@0.1.0"]));
    let report = stage.coffer(&["plugins", "inspect", "./a b.wasm", "-o", "sarif"]).json();
    assert_eq!(report["version"], "2.1.0");
    let run = &report["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    let found: Vec<_> = results
        .iter()
        .map(|result| (result["ruleId"].as_str().unwrap(), result["level"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [("not-asked", "warning"), ("not-imported", "warning"), ("reads-variables", "note")]
    );
    for result in results {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "{result}");
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(place, "./a%20b.wasm");
    }
}

#[test]
fn what_is_no_plugin_is_told() {
    let stage = Stage::cold();
    let manifest = json!({ "name": "p", "version": "1", "description": "d" });
    let good = component(&manifest, &[]);
    let check = |bytes: &[u8], code: i32, fault: &str, word: &str| {
        stage.file("x.wasm", bytes);
        stage.coffer(&["plugins", "inspect", "./x.wasm"]).refused(code, fault, &["./x.wasm", word]);
    };
    check(b"#!/bin/sh", 3, "operator", "not WebAssembly");
    check(&good[..good.len() - 1], 4, "plugin", "malformed");
    check(b"\0asm\x01\0\0\0", 4, "plugin", "core module");
    check(b"\0asm\x0d\0\x01\0", 4, "plugin", "no manifest");
    check(&section(&good, "coffer:manifest", b"{}"), 4, "plugin", "more than one manifest");
    check(&component(&json!({ "name": "p" }), &[]), 4, "plugin", "missing field");
    check(&component(&manifest, &["wasi:nn/tensor@0.2.0"]), 4, "plugin", "`wasi:nn/tensor@0.2.0`");
    // Who made it is told by tools; what cannot be read of that breaks nothing.
    stage.file("x.wasm", section(&good, "producers", b"\xff\xff"));
    stage.coffer(&["plugins", "inspect", "./x.wasm"]).succeeded();
    stage.coffer(&["plugins", "inspect", "./none.wasm"]).refused(2, "requester", &["cannot read"]);
}
