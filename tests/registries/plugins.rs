//! A plugin from the one who publishes it to the one whose store it is.

use crate::{at, config, digest, machine, publish, use_store};
use backends::registry::Server;
use std::fs;

#[test]
fn a_plugin_is_published_pulled_and_used() {
    let (server, author, operator) = (Server::start(), machine(), machine());
    let reference = at(&server, "acme/filesystem:1.0");
    let pinned = publish(&author, "filesystem", &reference);
    assert!(pinned.starts_with(&format!("{reference}@sha256:")), "{pinned}");
    // The same file is the same artifact, whenever and however often it is published.
    assert_eq!(publish(&author, "filesystem", &reference), pinned);
    operator.coffer(&["plugins", "pull", &reference]).printed(&format!("{pinned}\n"));
    operator.coffer(&["plugins", "pull", &pinned]).printed(&format!("{pinned}\n"));

    let installed = operator.coffer(&["plugins", "install", &reference]).yaml();
    assert_eq!(installed["secrets"][0]["name"], "filesystem");
    assert_eq!(installed["secrets"][0]["plugin"], pinned.as_str());
    let inspected = operator.coffer(&["plugins", "inspect", &pinned, "-o", "json"]).json();
    assert_eq!(inspected["name"], "filesystem");
    operator.config(&config(&pinned, ""));
    use_store(&operator);

    // What was changed on the disk is not used, and pulled again.
    let component = inspected["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let kept = operator.home().join("registry/blobs").join(component);
    let good = fs::read(&kept).unwrap();
    fs::write(&kept, guest_artifacts::plugin("vault")).unwrap();
    let answer = operator.coffer(&["secrets", "get", "a"]).succeeded();
    assert!(answer.stderr().contains("was changed on the disk"), "{}", answer.stderr());
    assert_eq!(fs::read(&kept).unwrap(), good);

    // What is on the disk needs no registry; what was changed there does.
    drop(server);
    use_store(&operator);
    fs::write(&kept, guest_artifacts::plugin("vault")).unwrap();
    operator.coffer(&["secrets", "get", "a"]).refused(5, "backend", &["it could not be reached"]);
}

#[test]
fn a_tag_alone_is_no_plugin_of_a_store() {
    let (server, stage) = (Server::start(), machine());
    let reference = at(&server, "acme/filesystem:1.0");
    let pinned = publish(&stage, "filesystem", &reference);
    stage.config(&config(&reference, ""));
    let words =
        ["names no digest, so what it leads to can change", &format!("write `plugin: {pinned}`")];
    stage.coffer(&["secrets", "list"]).refused(3, "operator", &words);
    drop(server);
    stage.coffer(&["secrets", "list"]).refused(3, "operator", &["names no digest", "pin it: "]);
}

#[test]
fn a_tag_that_was_moved_is_told_and_a_store_keeps_what_was_pinned() {
    let (server, stage) = (Server::start(), machine());
    let reference = at(&server, "acme/filesystem:1.0");
    let pinned = publish(&stage, "filesystem", &reference);
    let now = publish(&stage, "vault", &reference);
    assert_ne!(pinned, now);
    for command in ["pull", "install"] {
        let words = ["the tag of", "was moved: it leads to", digest(&now)];
        stage.coffer(&["plugins", command, &pinned]).refused(2, "requester", &words);
    }
    stage.config(&config(&pinned, ""));
    use_store(&stage);
}

#[test]
fn what_is_changed_in_the_registry_is_refused() {
    let (server, author, operator) = (Server::start(), machine(), machine());
    let pinned = publish(&author, "filesystem", &at(&server, "acme/filesystem:1.0"));
    let inspected =
        author.coffer(&["plugins", "inspect", "./filesystem.wasm", "-o", "json"]).json();
    let component = inspected["digest"].as_str().unwrap();
    let file = server.file(component);
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    operator.config(&config(&pinned, ""));
    for arguments in [&["plugins", "pull", &pinned][..], &["secrets", "list"]] {
        let words = ["a blob of", "was tampered with: it should have the digest", component];
        operator.coffer(arguments).refused(5, "backend", &words);
    }
    let blobs = operator.hidden("home/registry/blobs");
    assert!(!blobs.contains(&component.trim_start_matches("sha256:").to_owned()), "{blobs:?}");
    assert_eq!(operator.hidden("home/registry/partial"), [""; 0]);
}

#[test]
fn what_is_there_and_is_no_plugin_is_refused() {
    let (server, stage) = (Server::start(), machine());
    stage.file("text.wasm", "no component");
    let reference = at(&server, "acme/none:1");
    stage.coffer(&["plugins", "publish", "text.wasm", &reference]).refused(
        2,
        "requester",
        &["this is no plugin that could be published"],
    );
    stage.coffer(&["plugins", "pull", &reference]).refused(
        5,
        "backend",
        &["has nothing to pull", "check the registry, the repository and the tag"],
    );
    stage
        .coffer(&[
            "plugins",
            "publish",
            "vault.wasm",
            &format!("{reference}@sha256:{}", "0".repeat(64)),
        ])
        .refused(2, "requester", &["needs a tag"]);
    stage.coffer(&["plugins", "pull", "oci://127.0.0.1"]).refused(
        2,
        "requester",
        &["names no repository"],
    );
}
