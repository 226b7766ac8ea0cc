//! `coffer porter install`: what it puts where, and what it says. What Porter does with it is in
//! `tests/porter`.

use crate::stage::{Answer, Call, Stage};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Calls the binary from a folder of its own, where `coffer-porter` can be beside it.
fn install(stage: &Stage, arguments: &[&str]) -> Call {
    let program = stage.path("bin/coffer");
    if !program.is_file() {
        // Too large to be copied, where a link can do.
        let linked = fs::hard_link(env!("CARGO_BIN_EXE_coffer"), &program);
        linked.or_else(|_| fs::copy(env!("CARGO_BIN_EXE_coffer"), &program).map(|_| ())).unwrap();
    }
    let mut command = Command::new(program);
    command.args(["porter", "install"]).args(arguments);
    stage.call::<&str>(&[]).instead(command)
}

fn plugin(stage: &Stage, home: &str) -> (Vec<u8>, u32) {
    let path = stage.path(home).join("plugins/coffer/coffer");
    (fs::read(&path).unwrap(), path.metadata().unwrap().permissions().mode() & 0o777)
}

#[test]
fn the_bridge_is_put_in_place_and_replaced() {
    let stage = Stage::cold();
    stage.program("coffer-porter", "echo first\n");
    let bridge = || fs::read(stage.path("bin/coffer-porter")).unwrap();
    let answer = install(&stage, &[]).run().succeeded();
    assert_eq!(plugin(&stage, "user/.porter"), (bridge(), 0o700));
    let said = String::from_utf8(answer.stdout).unwrap();
    for part in ["/user/.porter/plugins/coffer/coffer is in place", "plugin: \"coffer.filesystem\""]
    {
        assert!(said.contains(part), "{said}");
    }

    // Again, with another bridge and while the old one could be running.
    stage.program("coffer-porter", "echo second\n");
    install(&stage, &[]).run().succeeded();
    assert_eq!(plugin(&stage, "user/.porter"), (bridge(), 0o700));
    assert_eq!(stage.names("user/.porter/plugins/coffer"), ["coffer"]);

    let asked = stage.path("elsewhere").display().to_string();
    let answer: Answer =
        install(&stage, &["--porter-home", &asked, "-o", "json"]).run().succeeded();
    assert_eq!(plugin(&stage, "elsewhere").0, bridge());
    assert_eq!(answer.json()["plugin"], format!("{asked}/plugins/coffer/coffer"));
    let variable = stage.path("by-variable");
    install(&stage, &[]).variable("PORTER_HOME", &variable).run().succeeded();
    assert_eq!(plugin(&stage, "by-variable").0, bridge());
}

#[test]
fn a_bridge_that_is_not_there_is_told() {
    let stage = Stage::cold();
    let answer = install(&stage, &[]).run();
    assert_eq!(answer.code, Some(2), "{answer:?}");
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(said.contains("there is no coffer-porter beside"), "{said}");
    assert!(!stage.path("user/.porter").exists());
}

#[test]
fn what_porter_does_not_need_is_not_guessed() {
    let stage = Stage::keeping();
    stage
        .call(&["secrets", "put", "01ARZ3NDEKTSV4RRFFQ69G5FAV-password"])
        .stdin("x")
        .run()
        .succeeded();
    let porter = stage.path("porter");
    fs::create_dir(&porter).unwrap();
    let home = porter.display().to_string();
    let prune =
        ["secrets", "prune", "--porter", "--porter-home", &home, "--older-than", "0s", "--yes"];
    stage.coffer(&prune).refused(
        2,
        "requester",
        &["no configuration of Porter's", "--porter-home"],
    );
    let mongodb = |url: &str| {
        format!(
            "default-storage: d\nstorage:\n  - name: d\n    plugin: mongodb\n    config:\n      url: {url}\n"
        )
    };
    // Nothing listens there.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = mongodb(&format!("mongodb://{nowhere}/?connect=direct"));
    for (config, code, blame, words) in [
        ("default-storage-plugin: mongodb-docker\n", 3, "operator", &["mongodb-docker"][..]),
        ("default-storage-plugin: sqlite\n", 3, "operator", &["Porter's storage is not `mongodb`"]),
        ("storage: 7\n", 3, "operator", &["Porter's configuration", "config.yaml"]),
        (&nowhere, 3, "operator", &["Porter's database cannot be read", "it has an option"]),
        (
            &nowhere.replace("?connect=direct", ""),
            5,
            "backend",
            &["Porter's database cannot be read"],
        ),
        (&mongodb("${secret.absent}"), 2, "requester", &["secret absent"]),
    ] {
        fs::write(porter.join("config.yaml"), config).unwrap();
        stage.coffer(&prune).refused(code, blame, words);
    }
    stage.coffer(&["secrets", "prune"]).refused(2, "requester", &["--porter"]);
    assert_eq!(stage.keys(), ["01ARZ3NDEKTSV4RRFFQ69G5FAV-password"]);
}

/// The names of Porter's plugins are names of coffer's, and what a page says of a plugin's grants is printed.
#[test]
fn porters_names_of_plugins_are_known() {
    let stage = Stage::cold();
    for (porters, set, name, granted) in [
        ("porter.filesystem", None, "filesystem", "host: "),
        ("porter.host", None, "host", "referenced"),
        (
            "azure.keyvault",
            Some("vault=my-vault"),
            "azure-key-vault",
            "https://my-vault.vault.azure.net/secrets/*",
        ),
        (
            "kubernetes.secrets",
            Some("namespace=prod"),
            "kubernetes",
            "https://kubernetes.default.svc/api/v1/namespaces/prod/secrets/*",
        ),
        (
            "hashicorp.vault",
            Some("vault_addr=https://vault.example:8200"),
            "vault",
            "https://vault.example:8200/v1/secret/data/coffer/*",
        ),
    ] {
        for porters in [porters.to_owned(), format!("secrets.{porters}")] {
            let inspected = stage.coffer(&["plugins", "inspect", &porters]).succeeded().stdout();
            let line = inspected.lines().find(|line| line.starts_with("Name:")).unwrap().to_owned();
            assert_eq!(line.split_whitespace().nth(1), Some(name), "{porters}");
        }
        for plugin in [porters, name] {
            let mut arguments = vec!["plugins", "grants", plugin];
            arguments.extend(set.iter().flat_map(|set| ["--set", *set]));
            let printed = stage.coffer(&arguments).succeeded().stdout();
            assert!(printed.contains(granted), "{plugin}: {printed}");
        }
    }
}
