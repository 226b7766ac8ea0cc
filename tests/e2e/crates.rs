//! Crates of plugins: made, and built where Rust is.

use crate::stage::{Answer, Stage};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The root of this tree, which has the SDK.
pub(crate) fn root() -> PathBuf {
    Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..").canonicalize().unwrap()
}

/// The surroundings of an author: Rust, and what is fetched already. Crates share what was compiled.
pub(crate) fn toolchain(command: &mut Command) {
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap());
    let mut path = OsString::from(cargo.parent().unwrap());
    path.push(":/usr/bin:/bin");
    let fetched = env::var_os("CARGO_HOME").map(PathBuf::from);
    let fetched = fetched.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    command
        .env("PATH", path)
        .env("CARGO_HOME", fetched.unwrap())
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("author"));
    for name in ["HOME", "RUSTUP_HOME"] {
        command.envs(env::var_os(name).map(|value| (name, value)));
    }
}

/// Runs a line of shell in the working directory, with `$coffer` for the binary, where Rust is that can make
/// components: rustup's, or what `plugins/toolchain.sh` finds.
#[track_caller]
pub(crate) fn shell(stage: &Stage, folder: &str, line: &str) -> Answer {
    let mut command = Command::new("sh");
    let found = root().join("plugins/toolchain.sh");
    let line = format!("set -eu; made=$({} 2>/dev/null); eval \"$made\"; {line}", found.display());
    command.args(["-c", &line]);
    let call = stage.call(&[""; 0]).instead(command);
    let mut call = call.variable("coffer", env!("CARGO_BIN_EXE_coffer"));
    let mut surroundings = Command::new("");
    toolchain(&mut surroundings);
    for (name, value) in surroundings.get_envs() {
        call = call.variable(name.to_str().unwrap(), value.unwrap());
    }
    call.within(stage.path("work").join(folder)).run()
}

/// Makes a crate with the SDK of this tree and the versions of this tree's lock file, which are fetched.
#[track_caller]
pub(crate) fn new(stage: &Stage, name: &str, template: &str) {
    let sdk = root().display().to_string();
    let arguments = ["plugins", "new", name, "--template", template, "--sdk", &sdk];
    stage.coffer(&arguments).succeeded();
    fs::copy(root().join("Cargo.lock"), stage.path("work").join(name).join("Cargo.lock")).unwrap();
}

/// Builds it and puts the component into coffer's directory, as `NAME.wasm`.
#[track_caller]
pub(crate) fn build(stage: &Stage, name: &str) -> Value {
    let built = shell(stage, name, "\"$coffer\" plugins build -o json").json();
    let component = PathBuf::from(built["file"].as_str().unwrap());
    fs::copy(component, stage.home().join(format!("{name}.wasm"))).unwrap();
    built
}
