//! Signatures: coffer's and cosign's hold for each other, and where one is required nothing goes without.

use crate::stage::Stage;
use crate::{PASSWORD, at, config, digest, machine, publish, run, use_store};
use backends::registry::Server;
use backends::registry_client::Client;
use serde_json::json;
use std::fs;

/// Makes the keys `NAME.key` and `NAME.pub` in the working directory, and puts the public one into the home.
fn keys(stage: &Stage, name: &str) {
    let call = stage.call(&["plugins", "keys", name]).variable("COSIGN_PASSWORD", PASSWORD);
    call.run().printed(&format!("{name}.key\n{name}.pub\n"));
    let public = fs::read(stage.path("work").join(format!("{name}.pub"))).unwrap();
    fs::write(stage.home().join(format!("{name}.pub")), public).unwrap();
}

fn sign(stage: &Stage, reference: &str, key: &str) {
    let call = stage.call(&["plugins", "sign", reference, "--key", key]);
    call.variable("COSIGN_PASSWORD", PASSWORD).run().succeeded();
}

/// What is required of a registry.
fn required(server: &Server, key: &str) -> String {
    format!(
        "registries: [{{ registry: \"{}/acme/**\", require-signature: {key} }}]\n",
        server.name()
    )
}

/// Signs with a bundle, or else as cosign did before its version 3, under a tag.
fn cosign_signs(stage: &Stage, with_bundle: bool, reference: &str, key: &str) {
    let mut arguments = vec!["sign", "--key", key, "--allow-http-registry", "-y"];
    if with_bundle {
        let made =
            ["fulcio", "rekor", "oidc", "tsa"].map(|service| format!("--no-default-{service}"));
        let mut make = vec!["signing-config", "create"];
        make.extend(made.iter().map(String::as_str));
        let made = run(stage, Client::Cosign, &make).succeeded();
        stage.file("signing.json", made.stdout);
        arguments.extend(["--signing-config", "signing.json"]);
    } else {
        arguments.extend(["--new-bundle-format=false", "--use-signing-config=false"]);
        arguments.push("--tlog-upload=false");
    }
    arguments.push(reference.trim_start_matches("oci://"));
    run(stage, Client::Cosign, &arguments).succeeded();
}

fn cosign_verifies(stage: &Stage, reference: &str, key: &str) -> bool {
    let reference = reference.trim_start_matches("oci://");
    let arguments =
        ["verify", "--key", key, "--insecure-ignore-tlog", "--allow-http-registry", reference];
    run(stage, Client::Cosign, &arguments).code == Some(0)
}

#[test]
fn cosign_and_coffer_verify_each_other() {
    for server in [Server::start(), Server::start_with_referrers()] {
        let stage = machine();
        keys(&stage, "coffers");
        keys(&stage, "strangers");
        for (with_bundle, name) in [(false, "tag"), (true, "bundle")] {
            run(&stage, Client::Cosign, &["generate-key-pair", "--output-key-prefix", name])
                .succeeded();
            for (index, (private, public)) in
                [("coffers.key", "coffers.pub"), (&*format!("{name}.key"), &*format!("{name}.pub"))]
                    .into_iter()
                    .enumerate()
            {
                // Cosign signs and coffer verifies.
                let reference = at(&server, &format!("acme/{name}-{index}:1"));
                let pinned = publish(&stage, "filesystem", &reference);
                let verify =
                    |key: &str| stage.coffer(&["plugins", "verify", &reference, "--key", key]);
                verify(public).refused(3, "operator", &["has no signature"]);
                cosign_signs(&stage, with_bundle, &pinned, private);
                verify(public).printed(&format!("{pinned}\n"));
                verify("strangers.pub").refused(
                    3,
                    "operator",
                    &["is signed, and by no key in strangers.pub"],
                );
                // Coffer signs and cosign verifies.
                let reference = at(&server, &format!("acme/{name}-{index}-ours:1"));
                publish(&stage, "filesystem", &reference);
                assert!(!cosign_verifies(&stage, &reference, public));
                sign(&stage, &reference, private);
                assert!(cosign_verifies(&stage, &reference, public));
                assert!(!cosign_verifies(&stage, &reference, "strangers.pub"));
            }
        }
        // A second signature stands beside the first, and the same one is not made twice.
        let reference = at(&server, "acme/both:1");
        publish(&stage, "filesystem", &reference);
        for key in ["coffers.key", "strangers.key", "coffers.key"] {
            sign(&stage, &reference, key);
        }
        for key in ["coffers.pub", "strangers.pub"] {
            stage.coffer(&["plugins", "verify", &reference, "--key", key]).succeeded();
        }
    }
}

#[test]
fn what_has_to_be_signed_is_not_used_without() {
    let (server, author, operator) = (Server::start(), machine(), machine());
    keys(&author, "ours");
    keys(&author, "others");
    keys(&author, "strangers");
    fs::copy(author.home().join("ours.pub"), operator.home().join("ours.pub")).unwrap();
    let reference = at(&server, "acme/filesystem:1");
    let pinned = publish(&author, "filesystem", &reference);
    let store = config(&pinned, &required(&server, "ours.pub"));
    let refused = |word: &str| {
        operator.config(&store);
        for arguments in [
            &["secrets", "list"][..],
            &["config", "check"],
            &["plugins", "pull", &reference],
            &["plugins", "install", &reference],
            &["plugins", "inspect", &pinned],
        ] {
            operator.coffer(arguments).failed(3, "operator", &[word]);
        }
        // Nothing of it came to the machine.
        let blobs = operator.hidden("home/registry/blobs");
        assert!(!blobs.iter().any(|name| digest(&pinned).ends_with(name.as_str())), "{blobs:?}");
    };
    refused("has no signature, and");
    sign(&author, &reference, "others.key");
    refused("is signed, and by no key in");
    // Somebody puts the good signature of something else there.
    let other = publish(&author, "vault", &at(&server, "acme/other:1"));
    sign(&author, &other, "ours.key");
    let tag = |pinned: &str| format!("sha256-{}.sig", digest(pinned).trim_start_matches("sha256:"));
    let from = format!("{}/acme/other:{}", server.name(), tag(&other));
    let to = format!("{}/acme/filesystem:{}", server.name(), tag(&pinned));
    run(&author, Client::Oras, &["copy", "--from-plain-http", "--to-plain-http", &from, &to])
        .succeeded();
    refused("is for something else: it was made for");

    sign(&author, &reference, "ours.key");
    operator.config(&store);
    let pulled = operator.coffer(&["plugins", "pull", &reference, "-o", "json"]).json();
    assert_eq!(pulled["signed"], json!([operator.home().join("ours.pub")]));
    use_store(&operator);

    // It is held against the key each time, also when it comes from the disk and nobody can be asked.
    drop(server);
    use_store(&operator);
    let good = fs::read(operator.home().join("ours.pub")).unwrap();
    fs::copy(author.home().join("strangers.pub"), operator.home().join("ours.pub")).unwrap();
    operator.coffer(&["secrets", "list"]).refused(3, "operator", &["is signed, and by no key in"]);
    fs::write(operator.home().join("ours.pub"), "no key").unwrap();
    operator.coffer(&["secrets", "list"]).refused(
        3,
        "operator",
        &["cannot be used: it is not in PEM form"],
    );
    fs::remove_file(operator.home().join("ours.pub")).unwrap();
    operator.coffer(&["secrets", "list"]).refused(3, "operator", &["ours.pub cannot be used"]);
    fs::write(operator.home().join("ours.pub"), good).unwrap();
    use_store(&operator);
    // Without its signatures on the disk it is as if there were none.
    for name in operator.hidden("home/registry/signatures") {
        fs::write(operator.home().join("registry/signatures").join(name), "").unwrap();
    }
    operator.coffer(&["secrets", "list"]).refused(5, "backend", &["it could not be reached"]);
}

#[test]
fn what_is_not_covered_needs_no_signature() {
    let (server, stage) = (Server::start(), machine());
    keys(&stage, "ours");
    let pinned = publish(&stage, "filesystem", &at(&server, "acme-evil/filesystem:1"));
    stage.config(&config(&pinned, &required(&server, "ours.pub")));
    use_store(&stage);
}

#[test]
fn keys_are_private_and_never_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = machine();
    keys(&stage, "ours");
    let mode = fs::metadata(stage.path("work/ours.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before: Vec<u8> = fs::read(stage.path("work/ours.key")).unwrap();
    let again =
        stage.call(&["plugins", "keys", "ours"]).variable("COSIGN_PASSWORD", PASSWORD).run();
    again.refused(2, "requester", &["cannot write ours.key"]);
    assert_eq!(fs::read(stage.path("work/ours.key")).unwrap(), before);
    stage.coffer(&["plugins", "keys", "others"]).refused(2, "requester", &["set COSIGN_PASSWORD"]);
    let sign = ["plugins", "sign", "oci://127.0.0.1:1/a:t", "--key", "ours.key"];
    let answer = stage.call(&sign).variable("COSIGN_PASSWORD", "wr0ng").run();
    let answer = answer.refused(3, "operator", &["the password is not right, or it was changed"]);
    assert!(!answer.stderr().contains("wr0ng"), "{}", answer.stderr());
}
