//! The walk-through of the README, from the refusal to the last file that is deleted.

use crate::bundles::example;
use crate::canary::CANARY;
use crate::stage::{FILESYSTEM, Stage, names, request};
use coffer_bundle::{Kept, RunFailure, State};
use coffer_host::grants::Verb;
use coffer_host::{Blame, Explain as _};

/// The keys of the store, without the run.
async fn kept(stage: &Stage) -> Vec<String> {
    let keys = stage.kept().await.into_iter();
    let mut keys: Vec<_> = keys.map(|key| key.split_once('-').unwrap().1.to_owned()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_before_anything_runs() {
    let stage = Stage::new("{}");
    let before = stage.ledger.dump().await.unwrap();
    let install = request("install", Some(example(&stage)), &[("password", CANARY)]);
    let (result, printed) = stage.run(install).await;
    let failure = result.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "failed to save sensitive param to secret store: the default secrets plugin, \
         secrets.porter.host, does not support persisting secrets: not implemented"
    );
    assert!(failure.next().contains(r#"default-secrets-plugin: "filesystem""#));
    assert_eq!(failure.blame(), Blame::Operator);
    assert!(!failure.ran());
    assert_eq!(printed, "");
    assert_eq!(stage.ledger.dump().await.unwrap(), before);
    // No plugin ran, and no store was made.
    assert_eq!(stage.asked(Verb::Put, "") + stage.asked(Verb::Resolve, ""), 0);
    assert!(!stage.path.join("secrets").exists());
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn the_example_is_installed_upgraded_uninstalled_and_deleted() {
    let stage = Stage::new(FILESYSTEM);
    let install = request("install", Some(example(&stage)), &[("password", CANARY)]);
    assert_eq!(
        stage.ran(install).await,
        "executing install action from sensitive-data (installation: /sensitive-data)\n\
         Install Hello World\n\
         Hello, installing example-bundle with password: *******\n\
         execution completed successfully!\n"
    );
    stage.is_settled("installed").await;
    assert_eq!(kept(&stage).await, ["output-name", "parameter-password"]);
    assert_eq!(
        stage.value(&stage.overrides("sensitive-data").await["password"]).await,
        CANARY.as_bytes()
    );
    assert_eq!(
        stage.value(&stage.outputs("sensitive-data").await["name"]).await,
        b"example-bundle"
    );
    stage.is_clean(CANARY).await;

    // The bundle is the one of the last run; the password is given again; the name comes from the output.
    let mut upgrade = request("upgrade", None, &[]);
    upgrade.name = Some("sensitive-data".parse().unwrap());
    assert_eq!(
        stage.ran(upgrade).await,
        "executing upgrade action from sensitive-data (installation: /sensitive-data)\n\
         World 2.0\n\
         Hello, upgrading *******\n\
         execution completed successfully!\n"
    );
    stage.is_settled("upgraded").await;
    assert_eq!(kept(&stage).await, ["output-name", "output-name", "parameter-password"]);
    let inputs = stage.inputs("sensitive-data", "parameter").await;
    assert_eq!(stage.value(&inputs["password"]).await, CANARY.as_bytes());
    assert!(matches!(inputs["name"], Kept::Secret(_)));

    let refused = stage.delete("sensitive-data").await.unwrap_err();
    assert!(matches!(refused, RunFailure::NotUninstalled { .. }), "{refused}");
    let mut uninstall = request("uninstall", None, &[]);
    uninstall.name = Some("sensitive-data".parse().unwrap());
    let printed = stage.ran(uninstall).await;
    assert!(printed.contains("\nUninstall Hello World\nGoodbye, *******\n"), "{printed}");
    let state = stage.ledger.installation("", "sensitive-data").await.unwrap().state;
    assert_eq!(state, State::Uninstalled);
    stage.is_settled("uninstalled").await;

    stage.delete("sensitive-data").await.unwrap();
    for table in ["installations", "runs", "inputs", "outputs", "overrides", "secrets", "leases"] {
        assert!(stage.rows(table).await.is_empty(), "{table}");
    }
    assert!(stage.kept().await.is_empty());
    let files = names(&stage.path.join("secrets"));
    let files: Vec<_> = files.iter().filter(|name| !name.starts_with('.')).collect();
    assert!(files.is_empty(), "{files:?}");
    stage.is_clean(CANARY).await;
}
