//! Hosts of go-plugin: the program in `tests/porter/host`, built on Porter's own fork of go-plugin, and on
//! go-plugin itself.

use crate::cache;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a host is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// go-plugin itself, with the handshake that Porter's fork does not have.
    Newest,
    /// Porter's fork, which the Porter that is tested against pins.
    Porter,
}

/// The program, by its files.
const PROGRAM: [(&str, &str); 3] = [
    ("main.go", include_str!("../../porter/host/main.go")),
    ("newest.go", include_str!("../../porter/host/newest.go")),
    ("porter.go", include_str!("../../porter/host/porter.go")),
];

/// Builds a host unless it was built, and says where it is.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn install(kind: Kind) -> PathBuf {
    let (name, module, sums) = match kind {
        Kind::Newest => (
            "newest",
            include_str!("../../porter/host/newest.mod"),
            include_str!("../../porter/host/newest.sum"),
        ),
        Kind::Porter => (
            "porter",
            include_str!("../../porter/host/porter.mod"),
            include_str!("../../porter/host/porter.sum"),
        ),
    };
    let mut hasher = DefaultHasher::new();
    (PROGRAM, module, sums).hash(&mut hasher);
    let folder = cache("plugin-host", &format!("{name}-{:016x}", hasher.finish()));
    let program = folder.join("host");
    if program.is_file() {
        return program;
    }
    let building = tempfile::tempdir_in(&folder).unwrap();
    for (file, text) in PROGRAM.into_iter().chain([("go.mod", module), ("go.sum", sums)]) {
        fs::write(building.path().join(file), text).unwrap();
    }
    let status = Command::new("go")
        .args(["build", "-trimpath", "-ldflags=-s -w", "-o", "host", "-tags", name])
        .current_dir(building.path())
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .status()
        .expect("Go builds the hosts of go-plugin, so it has to be on PATH");
    assert!(status.success(), "`go build` ended with {status}");
    fs::rename(building.path().join("host"), &program).unwrap();
    program
}
