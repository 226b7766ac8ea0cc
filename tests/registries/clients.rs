//! What others put into registries and take from them.

use crate::{at, bundles, machine, publish, run};
use backends::registry::Server;
use backends::registry_client::Client;
use serde_json::{Value, json};
use std::fs;

#[test]
fn oras_and_skopeo_read_and_write_what_coffer_does() {
    for server in [Server::start(), Server::start_with_referrers()] {
        let stage = machine();
        let registry = server.name();
        let pinned = publish(&stage, "filesystem", &at(&server, "acme/filesystem:1"));
        let name = pinned.trim_start_matches("oci://");
        run(&stage, Client::Oras, &["pull", "--plain-http", "-o", "pulled", name]).succeeded();
        let pulled = fs::read(stage.path("work/pulled/filesystem.wasm")).unwrap();
        assert_eq!(pulled, guest_artifacts::plugin("filesystem"));

        // As the artifact layout of Wasm says: a config of that type, and one layer.
        stage.file("config.json", "{}");
        let theirs = format!("{registry}/acme/oras:1");
        let config = "config.json:application/vnd.wasm.config.v0+json";
        let push =
            ["push", "--plain-http", &theirs, "--config", config, "vault.wasm:application/wasm"];
        run(&stage, Client::Oras, &push).succeeded();
        let answer = stage.coffer(&["plugins", "install", &at(&server, "acme/oras:1")]).yaml();
        assert_eq!(answer["secrets"][0]["name"], "vault");
        // What has another type is no plugin, whatever it is called.
        let theirs = format!("{registry}/acme/other:1");
        let push =
            ["push", "--plain-http", &theirs, "vault.wasm:application/vnd.oci.image.layer.v1.tar"];
        run(&stage, Client::Oras, &push).succeeded();
        let words = ["is no plugin or bundle that coffer can use", "application/wasm"];
        stage
            .coffer(&["plugins", "pull", &at(&server, "acme/other:1")])
            .refused(5, "backend", &words);

        let from = format!("docker://{registry}/acme/filesystem:1");
        let to = format!("docker://{registry}/acme/copied:1");
        let copy = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to];
        run(&stage, Client::Skopeo, &copy).succeeded();
        let copied = pinned.replace("acme/filesystem", "acme/copied");
        stage
            .coffer(&["plugins", "pull", &at(&server, "acme/copied:1")])
            .printed(&format!("{copied}\n"));
    }
}

#[test]
fn a_bundle_that_porters_library_pushed_is_installed() {
    let (server, stage) = (Server::start(), machine());
    let repository = format!("{}/acme/sensitive-data", server.name());
    fs::copy(stage.path("work/bundle/installer.wasm"), stage.path("work/installer.wasm")).unwrap();
    stage.file("config.json", "{}");
    let push = [
        "push",
        "--plain-http",
        &format!("{repository}:image"),
        "--config",
        "config.json:application/vnd.wasm.config.v0+json",
        "installer.wasm:application/wasm",
    ];
    run(&stage, Client::Oras, &push).succeeded();
    let image =
        ["manifest", "fetch", "--plain-http", "--descriptor", &format!("{repository}:image")];
    let image: Value =
        serde_json::from_slice(&run(&stage, Client::Oras, &image).succeeded().stdout).unwrap();
    let mut bundle = bundles::sensitive_data();
    bundle["invocationImages"][0]["contentDigest"] = json!(null);
    stage.file("sent.json", bundle.to_string());
    let (reference, size) = (format!("{repository}:1.0"), image["size"].to_string());
    let arguments = [&*reference, "sent.json", image["digest"].as_str().unwrap(), &size];
    run(&stage, Client::Bundle, &arguments).succeeded();

    fs::remove_dir_all(stage.path("work/bundle")).unwrap();
    stage.config(crate::stage::FILESYSTEM);
    let install = ["install", "--reference", &reference, "--param", "password=-"];
    let answer = stage.call(&install).stdin("hunter2").run().succeeded();
    assert!(answer.stdout().contains("Hello, installing example-bundle with password: *******"));
    assert!(answer.stderr().contains(&format!("the bundle is oci://{reference}@sha256:")));
    // What was pulled is what later runs are of, with the registry or without.
    drop(server);
    stage.coffer(&["uninstall", "sensitive-data", "--delete"]).succeeded();

    stage.coffer(&["install", "--reference", &reference, "--bundle", "bundle"]).refused(
        2,
        "requester",
        &["--bundle"],
    );
}

#[test]
fn a_bundle_has_to_be_signed_where_that_is_required() {
    let (server, stage) = (Server::start(), machine());
    let pinned = publish(&stage, "filesystem", &at(&server, "acme/filesystem:1"));
    let reference = pinned.trim_start_matches("oci://");
    let install = ["install", "--reference", reference];
    stage.coffer(&install).refused(5, "backend", &["it is no index, as bundles are"]);
    let call =
        stage.call(&["plugins", "keys", "ours"]).variable("COSIGN_PASSWORD", crate::PASSWORD);
    call.run().succeeded();
    fs::copy(stage.path("work/ours.pub"), stage.home().join("ours.pub")).unwrap();
    let name = server.name();
    stage.config(&format!(
        "registries: [{{ registry: \"{name}\", require-signature: ours.pub }}]\n"
    ));
    stage.coffer(&install).refused(3, "operator", &["has no signature"]);
}
