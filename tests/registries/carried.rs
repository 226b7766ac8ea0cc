//! Plugins that are carried to a machine without a way to their registry.

use crate::{PASSWORD, at, config, machine, publish, run, use_store};
use backends::registry::Server;
use backends::registry_client::Client;
use std::fs;

#[test]
fn an_archive_has_plugins_and_their_signatures() {
    let (server, author, operator) = (Server::start(), machine(), machine());
    let reference = at(&server, "acme/filesystem:1");
    let signed = publish(&author, "filesystem", &reference);
    let unsigned = publish(&author, "vault", &at(&server, "acme/vault:1"));
    let with = |arguments: &[&str]| {
        author.call(arguments).variable("COSIGN_PASSWORD", PASSWORD).run().succeeded();
    };
    with(&["plugins", "keys", "ours"]);
    with(&["plugins", "sign", &reference, "--key", "ours.key"]);
    let save = ["plugins", "save", &reference, &unsigned, "--to", "plugins.tar"];
    author.coffer(&save).printed(&format!("{signed}\n{unsigned}\n"));
    // What is there is not written over.
    author.coffer(&save).refused(2, "requester", &["cannot write plugins.tar"]);
    let name = reference.trim_start_matches("oci://");
    let raw = ["inspect", "--raw", &format!("oci-archive:plugins.tar:{name}")];
    assert!(run(&author, Client::Skopeo, &raw).succeeded().stdout().contains("application/wasm"));

    let registry = server.name();
    drop(server);
    let archive = fs::read(author.path("work/plugins.tar")).unwrap();
    operator.file("plugins.tar", &archive);
    fs::copy(author.path("work/ours.pub"), operator.home().join("ours.pub")).unwrap();
    let require = |path: &str| {
        format!(
            "registries: [{{ registry: \"{registry}/{path}\", require-signature: ours.pub }}]\n"
        )
    };
    let load = ["plugins", "load", "plugins.tar"];
    operator.config(&require("acme/vault"));
    operator.coffer(&load).refused(3, "operator", &["acme/vault:1@", "has no signature"]);
    operator.config(&require("acme/filesystem"));
    operator.coffer(&load).printed(&format!("{signed}\n{unsigned}\n"));
    operator.config(&config(&signed, &require("acme/filesystem")));
    use_store(&operator);

    // An archive in which something was changed.
    let plugin = guest_artifacts::plugin("filesystem");
    let place = archive.windows(64).position(|part| part == &plugin[..64]).unwrap();
    let mut changed = archive.clone();
    changed[place + 100] ^= 1;
    operator.file("plugins.tar", &changed);
    operator.coffer(&load).refused(
        2,
        "requester",
        &["does not have the digest that it is named by"],
    );
    for (bytes, word) in [
        (&archive[..600], "it is no tar file"),
        (b"no archive", "it is no tar file"),
        (b"", "no `index.json`"),
    ] {
        operator.file("plugins.tar", bytes);
        operator.coffer(&load).refused(2, "requester", &["the archive cannot be loaded", word]);
    }
}
