//! From the start of the plugin to the first call, and what newer hosts add to it.

use crate::stage::{BRIDGE, COOKIE, FILESYSTEM, KINDS, Stage};
use backends::plugin_host::Kind;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::process::Stdio;

#[test]
fn the_line_comes_before_anything_is_read_or_opened() {
    for kind in KINDS {
        let stage = Stage::new();
        // A section that never ends: whoever waited for it would print nothing.
        let section = stage.path("fifo");
        mknodat(CWD, &section, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let writer = OpenOptions::new().read(true).write(true).open(&section).unwrap();
        let mut host = stage.host_with(kind, &[], "filesystem", &section);
        host.done(&json!({ "do": "connect" }));
        host.done(&json!({ "do": "ping" }));
        assert!(!stage.path("home").exists(), "a store was opened before it was asked");
        let asked = json!({ "do": "resolve", "name": "secret", "key": "key" });
        host.refused(&asked, "FailedPrecondition", &["within 5000 ms", "next: "]);
        drop(writer);
    }
}

#[test]
fn a_section_is_read_before_the_end_of_the_stream() {
    use std::io::Write as _;
    let stage = Stage::new();
    let section = stage.path("fifo");
    mknodat(CWD, &section, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut writer = OpenOptions::new().read(true).write(true).open(&section).unwrap();
    writer.write_all(FILESYSTEM.as_bytes()).unwrap();
    let mut host = stage.host_with(KINDS[1], &[], "x", &section);
    host.done(&json!({ "do": "connect" }));
    host.create("key", "value");
    assert_eq!(stage.names("home/kept").len(), 1);
}

#[test]
fn nobody_starts_it_by_hand_or_with_another_key() {
    let stage = Stage::new();
    let check = |arguments: &[&str], cookie: &str, code: i32, part: &str| {
        let output = stage.bridge(arguments, cookie);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(code), &b""[..]), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    };
    check(&["run", "secrets.coffer.filesystem"], "", 1, "is not started by hand");
    check(&["run", "secrets.coffer.filesystem"], "x", 1, "is not started by hand");
    check(&["run", "storage.coffer.filesystem"], COOKIE.1, 1, "secrets.coffer.STORE");
    check(&["run", "filesystem"], COOKIE.1, 1, "secrets.coffer.STORE");
    check(&["run"], COOKIE.1, 2, "usage: ");
    check(&[], COOKIE.1, 2, "usage: ");
    assert!(stage.names("tmp").is_empty());
}

#[test]
fn the_log_is_hclogs() {
    let stage = Stage::new();
    let output = stage.bridge(&["run", "filesystem"], COOKIE.1);
    for line in output.stderr.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).unwrap();
        assert_eq!((&line["@level"], &line["@module"]), (&json!("error"), &json!("coffer")));
        assert!(line["@message"].is_string() && line["@timestamp"].is_string(), "{line}");
    }
    assert!(!output.stderr.is_empty());
}

#[test]
fn porter_is_told_what_it_lists() {
    let stage = Stage::new();
    for option in [&["-o", "json"][..], &["--output", "json"], &["--output=json"]] {
        let output = stage.bridge(&[&["version"], option].concat(), "");
        assert!(output.status.success(), "{output:?}");
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(metadata["name"], "coffer");
        assert_eq!(metadata["version"], concat!("v", env!("CARGO_PKG_VERSION")));
        let implementations = metadata["implementations"].as_array().unwrap();
        let vault = json!({ "type": "secrets", "implementation": "vault" });
        assert!(implementations.contains(&vault), "{metadata}");
        for text in ["commit", "author"] {
            assert!(metadata[text].is_string(), "{metadata}");
        }
    }
    let plain = stage.bridge(&["version"], "");
    assert!(plain.stdout.starts_with(b"coffer v"), "{plain:?}");
}

#[test]
fn the_line_has_what_a_host_of_its_age_reads() {
    let stage = Stage::new();
    let line = |variables: &[(&str, &str)]| {
        let mut command = stage.command(BRIDGE);
        command.args(["run", "secrets.coffer.filesystem"]).env(COOKIE.0, COOKIE.1);
        let mut child = command
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        line.trim_end().split('|').map(str::to_owned).collect::<Vec<_>>()
    };
    let fields = line(&[]);
    assert_eq!((fields.len(), &*fields[0], &*fields[1], &*fields[2]), (6, "1", "2", "unix"));
    assert_eq!((&*fields[4], &*fields[5]), ("grpc", ""));
    let fields = line(&[("PLUGIN_MULTIPLEX_GRPC", "true")]);
    assert_eq!((fields.len(), &*fields[5], &*fields[6]), (7, "", "true"));
    let place = stage.path("user").display().to_string();
    assert!(line(&[("PLUGIN_UNIX_SOCKET_DIR", &place)])[3].starts_with(&place));
}

#[test]
fn newer_hosts_have_tls_and_one_connection() {
    for (kind, options) in [
        (Kind::Porter, &["-mtls"][..]),
        (Kind::Newest, &["-mtls"]),
        (Kind::Newest, &["-multiplexed"]),
        (Kind::Newest, &["-mtls", "-multiplexed"]),
    ] {
        let stage = Stage::new();
        let mut host = stage.host(kind, options, "x", FILESYSTEM);
        host.done(&json!({ "do": "connect" }));
        host.done(&json!({ "do": "ping" }));
        host.create("key", "value");
        assert_eq!(host.resolve("key"), "value", "{options:?}");
        host.done(&json!({ "do": "kill" }));
        assert!(host.plugin().ends_within(0), "{options:?}");
        let (_, log) = host.told();
        assert!(!log.contains("failed to exit gracefully"), "{options:?}: {log}");
    }
}
