//! Plugins and bundles in real registries, each started by `tests/backends` for one test, and with the programs that
//! others use. `just test-backends` runs this.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests look at servers, files and processes behind the binary's back, and what they \
              stand on is theirs"
)]

// The machine of the tests of the binary. Not everything of it is needed here.
#[path = "../e2e/bundles.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod bundles;
#[path = "../e2e/crates.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod crates;
#[path = "../e2e/stage.rs"]
#[allow(dead_code, reason = "the tests of the binary need it")]
mod stage;

mod carried;
mod clients;
mod credentials;
mod market;
mod plugins;
mod signing;

use backends::registry::Server;
use backends::registry_client::Client;
use stage::{Answer, Stage};
use std::process::Command;

/// What a store of the plugin `filesystem` is granted.
const GRANTS: &str = "    grants: { directories: [{ host: secrets, guest: /secrets, access: read-write, create: true }] }\n";

/// Two plugins.
const PLUGINS: [&str; 2] = ["filesystem", "vault"];

/// A machine with the plugins `filesystem.wasm` and `vault.wasm` in its working directory.
fn machine() -> Stage {
    let stage = Stage::new();
    for name in PLUGINS {
        stage.file(&format!("{name}.wasm"), guest_artifacts::plugin(name));
    }
    stage
}

/// Publishes a plugin under a tag, and gives its reference with the digest.
fn publish(stage: &Stage, plugin: &str, reference: &str) -> String {
    let answer = stage.coffer(&["plugins", "publish", &format!("{plugin}.wasm"), reference]);
    answer.succeeded().stdout().trim_end().to_owned()
}

/// The digest of a reference that has one.
fn digest(pinned: &str) -> &str {
    pinned.split_once('@').unwrap().1
}

/// A configuration whose default store is a plugin `filesystem` by this reference; `more` are other keys.
fn config(plugin: &str, more: &str) -> String {
    let entry = format!("  - name: files\n    plugin: \"{plugin}\"\n");
    format!("default-secrets: files\nsecrets:\n{entry}{GRANTS}{more}")
}

/// Puts a secret into the default store and gets it.
fn use_store(stage: &Stage) {
    stage.call(&["secrets", "put", "a", "-"]).stdin("one").run().succeeded();
    assert_eq!(stage.secret("a"), b"one");
}

/// Somebody else's program, in the machine's working directory.
fn run(stage: &Stage, client: Client, arguments: &[&str]) -> Answer {
    let mut command = Command::new(client.install());
    command.args(arguments);
    let none: [&str; 0] = [];
    stage.call(&none).instead(command).variable("COSIGN_PASSWORD", PASSWORD).run()
}

/// The password of keys.
const PASSWORD: &str = "p4ssw0rd-of-keys";

/// A reference in a registry.
fn at(server: &Server, rest: &str) -> String {
    format!("oci://{}/{rest}", server.name())
}
