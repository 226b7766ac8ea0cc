//! The whole way of a plugin, from the empty directory of its author to the secrets of an operator: made, built, judged,
//! signed and published; pulled, held against a key, locked, granted and used; then a version that asks for more, and one
//! that somebody else signed.

use crate::crates::{self, shell};
use crate::stage::Stage;
use crate::{at, digest};
use backends::registry::Server;
use std::fs;
use std::path::Path;

const PASSWORD: &str = "p4ssw0rd-of-the-author";

/// Builds the crate as it is, and publishes it signed by this key. Returns its reference with the digest.
fn release(author: &Stage, server: &Server, tag: &str, key: &str) -> String {
    shell(author, "drawer", "\"$coffer\" plugins build -o json >built.json").succeeded();
    let built = fs::read(author.path("work/drawer/built.json")).unwrap();
    let built: serde_json::Value = serde_json::from_slice(&built).unwrap();
    let reference = at(server, &format!("acme/drawer:{tag}"));
    let published =
        author.coffer(&["plugins", "publish", built["file"].as_str().unwrap(), &reference]);
    let pinned = published.succeeded().stdout().trim_end().to_owned();
    let sign = author.call(&["plugins", "sign", &pinned, "--key", &format!("{key}.key")]);
    sign.variable("COSIGN_PASSWORD", PASSWORD).run().succeeded();
    pinned
}

fn replace(file: &Path, text: &str, with: &str) {
    let before = fs::read_to_string(file).unwrap();
    assert!(before.contains(text), "{before}");
    fs::write(file, before.replace(text, with)).unwrap();
}

#[test]
fn a_plugin_goes_from_its_author_to_an_operator() {
    let (server, author, operator) = (Server::start(), Stage::new(), Stage::new());
    for key in ["ours", "others"] {
        let keys = author.call(&["plugins", "keys", key]);
        keys.variable("COSIGN_PASSWORD", PASSWORD).run().succeeded();
    }

    // The author: new, build, test, sign, publish.
    crates::new(&author, "drawer", "fs");
    shell(&author, "drawer", "cargo test --quiet").succeeded();
    let first = release(&author, &server, "1", "ours");
    author.file("lab.yaml", "calls: 200\n");
    let file = "work/drawer/built.json";
    let built: serde_json::Value =
        serde_json::from_slice(&fs::read(author.path(file)).unwrap()).unwrap();
    let component = built["file"].as_str().unwrap();
    let judged = author.coffer(&["plugins", "test", component, "--profile", "lab.yaml"]);
    assert_eq!(judged.code, Some(0), "{}", judged.stdout());

    // The operator: pull, verify, lock, grant, use.
    let public = operator.home().join("author.pub");
    fs::create_dir_all(operator.home()).unwrap();
    fs::copy(author.path("work/ours.pub"), &public).unwrap();
    let configure = |plugin: &str| {
        operator.config(&format!(
            "default-secrets: mine\nsecrets:\n- name: mine\n  plugin: \"{plugin}\"\n  grants:\n    directories:\n    - \
             {{ host: ./drawer, guest: /secrets, access: read-write, create: true }}\nregistries:\n- \
             {{ registry: \"{}/acme/**\", require-signature: author.pub }}\n",
            server.name()
        ));
    };
    configure(&first);
    operator.coffer(&["plugins", "pull", &at(&server, "acme/drawer:1")]).succeeded();
    operator.coffer(&["plugins", "verify", &first, "--key", public.to_str().unwrap()]).succeeded();
    operator.coffer(&["plugins", "lock"]).succeeded();
    operator.call(&["secrets", "put", "db/password"]).stdin("hunter2").run().succeeded();
    assert_eq!(operator.secret("db/password"), b"hunter2");

    // Version 2 asks for one host more: it does not run until that is agreed to.
    let manifest = author.path("work/drawer/plugin.toml");
    let more = "\n[[asks.http]]\nurl = \"https://more.example/**\"\nmethods = [\"GET\"]\n";
    fs::write(&manifest, fs::read_to_string(&manifest).unwrap() + more).unwrap();
    replace(&author.path("work/drawer/Cargo.toml"), "version = \"0.1.0\"", "version = \"0.2.0\"");
    replace(
        &author.path("work/drawer/Cargo.lock"),
        "name = \"drawer\"\nversion = \"0.1.0\"",
        "name = \"drawer\"\nversion = \"0.2.0\"",
    );
    let second = release(&author, &server, "2", "ours");
    assert_ne!(digest(&first), digest(&second));
    configure(&second);
    operator.coffer(&["secrets", "list"]).refused(3, "operator", &["is not in coffer.lock"]);
    let words =
        ["is wider than coffer.lock", "it asks for GET requests to https://more.example/**"];
    operator.coffer(&["plugins", "lock"]).refused(3, "operator", &words);
    operator.coffer(&["secrets", "list"]).refused(3, "operator", &["is not in coffer.lock"]);
    let told = operator.coffer(&["plugins", "lock", "--accept"]).succeeded().stdout();
    assert!(
        told.contains("more.example") && told.contains("is version 0.2.0, and was 0.1.0"),
        "{told}"
    );
    assert_eq!(operator.secret("db/password"), b"hunter2");

    // Version 3 is as it was before, and signed by somebody else.
    fs::write(&manifest, fs::read_to_string(&manifest).unwrap().replace(more, "")).unwrap();
    let third = release(&author, &server, "3", "others");
    configure(&third);
    let words = ["is signed, and by no key in"];
    for arguments in
        [&["plugins", "pull", &third][..], &["plugins", "lock", "--accept"], &["secrets", "list"]]
    {
        operator.coffer(arguments).refused(3, "operator", &words);
    }
    // What was there works as before.
    configure(&second);
    assert_eq!(operator.secret("db/password"), b"hunter2");
}
