//! Puts the first-party plugins into the binary. They are components, which another target's build makes
//! first.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told by cargo where it is, by variables"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The names in the configuration, other names, and the file.
const PLUGINS: [(&str, &[&str], &str); 7] = [
    (
        "aws-secrets-manager",
        &["secrets.aws.secretsmanager", "aws.secretsmanager"],
        "coffer_plugin_aws_secrets_manager",
    ),
    (
        "azure-key-vault",
        &["secrets.azure.keyvault", "azure.keyvault"],
        "coffer_plugin_azure_key_vault",
    ),
    ("filesystem", &["secrets.porter.filesystem", "porter.filesystem"], "coffer_plugin_filesystem"),
    ("gcp-secret-manager", &[], "coffer_plugin_gcp_secret_manager"),
    ("host", &["secrets.porter.host", "porter.host"], "coffer_plugin_host"),
    (
        "kubernetes",
        &["secrets.kubernetes.secrets", "kubernetes.secrets"],
        "coffer_plugin_kubernetes",
    ),
    ("vault", &["secrets.hashicorp.vault", "hashicorp.vault"], "coffer_plugin_vault"),
];

#[expect(clippy::disallowed_macros, reason = "this is how a build script talks to cargo")]
fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets this for a build script"));
    // target/<profile>/build/<package>/out, or one folder deeper if a target was named.
    let components = |target: &Path| target.join("wasm32-unknown-unknown/plugin");
    let found = out.ancestors().skip(3).take(3).map(components).find(|folder| folder.is_dir());
    let Some(folder) = found else {
        println!(
            "cargo::error=the first-party plugins are not built yet; run `just plugins` first, or `just \
             build` for all of it"
        );
        return;
    };
    let mut source = String::from("&[\n");
    for (name, aliases, file) in PLUGINS {
        let path = folder.join(file).with_extension("wasm");
        println!("cargo::rerun-if-changed={}", path.display());
        if !path.is_file() {
            println!("cargo::error={file}.wasm is not built yet; run `just plugins` first");
        }
        source += &format!(
            "    Bundled {{ name: {name:?}, aliases: &{aliases:?}, component: include_bytes!({path:?}) }},\n"
        );
    }
    source += "]\n";
    fs::write(out.join("bundled.rs"), source).expect("cargo made OUT_DIR for this");
    if has_packed_addresses() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the addresses that the loader has to fill in are a bitmap and not a list, which takes two megabytes and
/// half of the instructions of a short process. The C library reads it since 2.36; that of this machine is asked,
/// since a binary that is built here runs on none that is older.
fn has_packed_addresses() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_ENV", "gnu")
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("PROFILE", "release")
    {
        return false;
    }
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().strip_prefix("glibc 2.").and_then(|minor| minor.parse::<u32>().ok());
    version.is_some_and(|minor| minor >= 36)
}
