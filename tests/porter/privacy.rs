//! Who can reach the plugin, and what can be seen of it.

use crate::stage::{BRIDGE, COOKIE, FILESYSTEM, Host, KINDS, Stage};
use backends::plugin_host::{self, Kind};
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

/// The user that nothing belongs to.
const NOBODY: u32 = 65_534;

/// What comes of a connection to the plugin by somebody who is not its host.
fn dial(stage: &Stage, host: &Host, options: &[&str], user: Option<u32>) -> String {
    let program = stage.path("dial");
    fs::copy(plugin_host::install(Kind::Newest), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let mut command = stage.command("/bin/sh");
    // The program was written a moment ago, so another one runs it.
    command
        .args(["-c", "exec \"$@\"", "sh"])
        .arg(program)
        .args(options)
        .arg("-dial")
        .arg(&host.address);
    command.current_dir("/");
    user.map(|user| command.uid(user).gid(user));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn the_socket_is_for_the_user_alone() {
    let stage = Stage::new();
    let host = stage.connected(KINDS[1], "x", FILESYSTEM);
    let folder = host.address.parent().unwrap();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(dial(&stage, &host, &[], None), "answered");

    // Whoever finds a way past the modes is asked who they are. Only root can try it.
    assert!(
        rustix::process::geteuid().is_root(),
        "this test becomes another user, so it needs root"
    );
    assert_eq!(dial(&stage, &host, &[], Some(NOBODY)), "refused");
    for path in [stage.path(""), stage.path("tmp"), folder.to_owned(), host.address.clone()] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    assert_eq!(dial(&stage, &host, &[], Some(NOBODY)), "refused");
    assert_eq!(dial(&stage, &host, &[], None), "answered");
}

#[test]
fn with_tls_only_the_hosts_certificate_is_taken() {
    for kind in KINDS {
        let stage = Stage::new();
        let host = stage.host(kind, &["-mtls"], "x", FILESYSTEM);
        assert_eq!(dial(&stage, &host, &["-mtls"], None), "refused");
        assert_eq!(dial(&stage, &host, &[], None), "refused");
        // Such a stranger reaches a plugin of which no host wants TLS.
        let host = stage.connected(kind, "x", FILESYSTEM);
        assert_eq!(dial(&stage, &host, &[], None), "answered");
    }
}

#[test]
fn nobody_else_reads_its_memory_and_no_core_is_dumped() {
    let stage = Stage::new();
    for path in ["", "tmp", "user"] {
        fs::set_permissions(stage.path(path), Permissions::from_mode(0o777)).unwrap();
    }
    let mut command = stage.command(BRIDGE);
    command.args(["run", "secrets.coffer.filesystem"]).env(COOKIE.0, COOKIE.1);
    command.uid(NOBODY).gid(NOBODY).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Once it has printed its line, it has begun.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let of = |name: &str| format!("/proc/{}/{name}", child.id());
    // What of a process cannot be read by its own user is root's.
    let owner = fs::metadata(of("environ")).unwrap().uid();
    let limits = fs::read_to_string(of("limits")).unwrap();
    let status = fs::read_to_string(of("status")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(owner, 0);
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    assert!(status.lines().any(|line| line == "Umask:\t0077"), "{status}");
}
