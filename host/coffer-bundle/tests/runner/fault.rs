//! What does not work: a store, the spool, the ledger. Nothing is lost but what nobody can keep.

use crate::bundles::{output, plain, scripted, sensitive, shell, variable};
use crate::canary::{CANARY, OTHER};
use crate::stage::{FILESYSTEM, Hook, Stage, quiet, request};
use coffer_bundle::sets::SetKind;
use coffer_bundle::{Kept, LedgerError, Package, Request, RunFailure, Status};
use coffer_host::Explain as _;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

fn app(stage: &Stage, script: &str) -> Package {
    let sections = json!({
        "definitions": { "secret": sensitive(), "text": plain() },
        "parameters": { "password": variable("secret", "PASSWORD") },
        "outputs": { "token": output("secret", "token"), "port": output("text", "port") },
    });
    scripted(stage, &sections, script)
}

const SCRIPT: &str = "printf 'of %s' \"$PASSWORD\" >token; printf 80 >port; echo done";

fn install(stage: &Stage) -> Request {
    let mut install = request("install", Some(app(stage, SCRIPT)), &[("password", CANARY)]);
    install.driver = shell();
    install
}

/// A home of which something breaks at a point of the run, once.
fn breaking(
    point: &'static str,
    act: impl FnOnce(&Path) + Send + 'static,
) -> (tempfile::TempDir, Stage) {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    let act = Mutex::new(Some((act, home.clone())));
    let hook: Hook = Arc::new(move |passed: &str| {
        if passed.starts_with(point)
            && let Some((act, home)) = act.lock().unwrap().take()
        {
            act(&home);
        }
    });
    let stage = Stage::open(&home, &directory.path().join("programs"), FILESYSTEM, hook);
    (directory, stage)
}

fn again(stage: &Stage) -> Stage {
    Stage::open(&stage.path, stage.programs(), FILESYSTEM, quiet())
}

/// The directory of the store is no directory any more: a store is down in this way for root as well.
fn down(home: &Path) {
    let _ = std::fs::rename(home.join("secrets"), home.join("away"));
    std::fs::write(home.join("secrets"), "").unwrap();
}

fn up(home: &Path) {
    std::fs::remove_file(home.join("secrets")).unwrap();
    let _ = std::fs::rename(home.join("away"), home.join("secrets"));
}

fn broken(home: &Path, directory: &str) -> PathBuf {
    std::fs::remove_dir_all(home.join(directory)).unwrap();
    home.join(directory)
}

async fn is_installed(stage: &Stage) {
    let outputs = stage.outputs("app").await;
    assert_eq!(stage.value(&outputs["token"]).await, format!("of {CANARY}").as_bytes());
    assert_eq!(outputs["port"], Kept::Plain(json!("80")));
    let id = stage.ledger.installation("", "app").await.unwrap().id;
    assert_eq!(stage.ledger.runs(&id).await.unwrap()[0].status, Status::Succeeded);
    stage.is_settled("installed").await;
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn a_store_that_is_gone_when_parameters_are_put() {
    // The store holds the directory that it opened; without it, nothing can be put.
    let (_directory, stage) = breaking("Intend", |home| drop(broken(home, "secrets")));
    let (result, printed) = stage.run(install(&stage)).await;
    let failure = result.unwrap_err();
    assert!(matches!(failure, RunFailure::Save { .. }), "{failure}");
    assert!(!failure.ran() && !failure.next().is_empty());
    assert_eq!(printed, "");
    assert!(stage.rows("runs").await.is_empty());
    let stage = again(&stage);
    stage.recovered().await;
    stage.is_settled("refused").await;
    assert!(stage.rows("installations").await.is_empty());
    stage.ran(install(&stage)).await;
    is_installed(&stage).await;
}

#[tokio::test]
async fn a_store_that_is_gone_when_outputs_are_put() {
    let (_directory, stage) = breaking("Spool", |home| {
        std::fs::rename(home.join("secrets"), home.join("away")).unwrap();
        // The directory that is open is an empty one that is removed.
        std::fs::create_dir(home.join("secrets")).unwrap();
        for entry in std::fs::read_dir(home.join("away")).unwrap() {
            let name = entry.unwrap().file_name();
            std::fs::rename(home.join("away").join(&name), home.join("secrets").join(&name))
                .unwrap();
        }
        std::fs::remove_dir(home.join("away")).unwrap();
    });
    let failure = stage.failed(install(&stage)).await;
    let RunFailure::Unsaved { run, .. } = &failure else { panic!("{failure:?}") };
    assert!(failure.next().contains("coffer runs recover"), "{}", failure.next());
    assert!(failure.ran());
    assert_eq!(&stage.spooled(), std::slice::from_ref(run));
    assert_eq!(stage.rows("runs").await[0]["status"], "unsaved");
    stage.is_clean(CANARY).await;
    // The store is still down, and its own process can try as often as it likes.
    let home = stage.path.clone();
    down(&home);
    let closed = again(&stage);
    for _ in 0..2 {
        let items = closed.recover().await;
        assert!(items[0].1.is_some(), "{items:?}");
        assert_eq!(&closed.spooled(), std::slice::from_ref(run));
    }
    // Nothing else is done with the installation meanwhile.
    assert!(closed.run(install(&closed)).await.0.is_err());
    up(&home);
    let stage = again(&stage);
    assert_eq!(stage.recovered().await, [format!("saved the outputs of run {run}")]);
    is_installed(&stage).await;
}

#[tokio::test]
async fn a_spool_that_cannot_be_written() {
    let (_directory, stage) = breaking("Spool", |home| {
        std::fs::write(broken(home, "spool"), "").unwrap();
    });
    stage.ran(install(&stage)).await;
    std::fs::remove_file(stage.path.join("spool")).unwrap();
    is_installed(&again(&stage)).await;
}

#[tokio::test]
async fn a_spool_and_a_store_that_are_gone() {
    let (_directory, stage) = breaking("Spool", |home| {
        std::fs::write(broken(home, "spool"), "").unwrap();
        broken(home, "secrets");
    });
    let failure = stage.failed(install(&stage)).await;
    assert!(matches!(failure, RunFailure::Lost { .. }), "{failure}");
    assert!(failure.ran());
    stage.is_clean(CANARY).await;
}

#[tokio::test]
async fn a_spool_that_was_changed() {
    let (_directory, stage) = breaking("Finish", |home| {
        let spool = home.join("spool");
        let run = std::fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
        std::fs::copy(&run, home.join("good")).unwrap();
        // Stops it here, as if it was killed.
        let ledger = rusqlite::Connection::open(home.join("ledger.db")).unwrap();
        ledger.execute("UPDATE leases SET pid = 2147483646, fence = fence + 1", []).unwrap();
        let mut sealed = std::fs::read(&run).unwrap();
        sealed[20] ^= 1;
        std::fs::write(run, sealed).unwrap();
    });
    stage.failed(install(&stage)).await;
    let stage = again(&stage);
    let run = stage.spooled().remove(0);
    for _ in 0..2 {
        let items = stage.recover().await;
        let failure = items[0].1.as_ref().unwrap();
        assert!(failure.to_string().contains("cannot be opened: it was changed"), "{failure}");
        assert!(failure.next().contains(&format!("deleting `spool/{run}`")), "{}", failure.next());
        assert_eq!(stage.spooled(), [run.as_str()]);
        stage.is_sound("changed").await;
    }
    std::fs::rename(stage.path.join("good"), stage.path.join("spool").join(&run)).unwrap();
    stage.recovered().await;
    is_installed(&stage).await;
}

#[tokio::test]
async fn a_spool_that_was_not_emptied_and_one_of_nobody() {
    let (_directory, stage) = breaking("Finish", |home| {
        let spool = home.join("spool");
        let run = std::fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
        std::fs::copy(&run, home.join(run.file_name().unwrap())).unwrap();
    });
    stage.ran(install(&stage)).await;
    let run = stage.rows("runs").await[0]["id"].as_str().unwrap().to_owned();
    let left =
        |stage: &Stage| std::fs::copy(stage.path.join(&run), stage.path.join("spool").join(&run));
    // Killed between the ledger and the end.
    left(&stage).unwrap();
    stage.recovered().await;
    std::fs::copy(
        stage.path.join(&run),
        stage.path.join("spool").join(format!("{run}.unfinished")),
    )
    .unwrap();
    stage.recovered().await;
    is_installed(&stage).await;
    // With a ledger that does not know it, it may be the only copy.
    let mut uninstall = install(&stage);
    uninstall.action = "uninstall".into();
    stage.ran(uninstall).await;
    stage.delete("app").await.unwrap();
    left(&stage).unwrap();
    let items = stage.recover().await;
    let failure = items[0].1.as_ref().unwrap();
    assert!(failure.to_string().contains("the ledger does not know run"), "{failure}");
    assert_eq!(stage.spooled(), [run.as_str()]);
}

#[tokio::test]
async fn a_ledger_that_is_locked() {
    let stage = Stage::new(FILESYSTEM);
    let package = install(&stage);
    let other = rusqlite::Connection::open(stage.path.join("ledger.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let failure = stage.failed(package).await;
    assert!(matches!(failure, RunFailure::Ledger(LedgerError::Locked)), "{failure}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(stage.rows("runs").await.is_empty());
    stage.is_settled("locked").await;
    stage.ran(install(&stage)).await;
    is_installed(&stage).await;
}

/// The ledger is locked when a bundle with plain outputs only has ended.
#[tokio::test]
async fn a_ledger_that_is_locked_at_the_end() {
    let locks: Arc<Mutex<Option<rusqlite::Connection>>> = Arc::default();
    let held = Arc::clone(&locks);
    let (_directory, stage) = breaking("Finish", move |home| {
        let other = rusqlite::Connection::open(home.join("ledger.db")).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        *held.lock().unwrap() = Some(other);
    });
    let sections = json!({
        "definitions": { "text": plain() },
        "outputs": { "port": output("text", "port") },
    });
    let mut install = request("install", Some(scripted(&stage, &sections, "printf 80 >port")), &[]);
    install.driver = shell();
    let failure = stage.failed(install).await;
    assert!(matches!(failure, RunFailure::Unsaved { .. }), "{failure}");
    drop(locks.lock().unwrap().take());
    assert_eq!(stage.spooled().len(), 1);
    // Its process, which could not say so, goes on; so it is taken for gone here.
    let ledger = rusqlite::Connection::open(stage.path.join("ledger.db")).unwrap();
    ledger.execute("UPDATE leases SET pid = 2147483646", []).unwrap();
    stage.recovered().await;
    assert_eq!(stage.outputs("app").await["port"], Kept::Plain(json!("80")));
    stage.is_settled("recovered").await;
}

/// What cannot be deleted in one store does not keep another from being emptied.
#[tokio::test]
async fn a_store_that_is_not_configured_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let config = json!({
        "default-secrets": "one",
        "secrets": [
            { "name": "one", "plugin": "filesystem", "config": {} },
        ],
    })
    .to_string();
    let (home, programs) = (directory.path().join("home"), directory.path().join("programs"));
    let stage = Stage::open(&home, &programs, &config, quiet());
    stage.ran(install(&stage)).await;
    let value = |value: &str| json!([{ "name": "a", "source": { "value": value } }]);
    let set = |entries| json!({ "name": "s", "parameters": entries });
    stage.apply(SetKind::Parameters, set(value(OTHER))).await.unwrap();
    // Another process has a configuration without that store.
    let other = Stage::open(&home, &programs, FILESYSTEM, quiet());
    let failure = other.apply(SetKind::Parameters, set(value(CANARY))).await.unwrap_err();
    assert!(matches!(failure, RunFailure::Store(_)), "{failure}");
    for _ in 0..2 {
        let items = other.recover().await;
        assert_eq!(items.len(), 1, "{items:?}");
        assert!(items[0].1.is_some(), "{items:?}");
    }
    // With it, what was left is put right.
    let stage = Stage::open(&home, &programs, &config, quiet());
    stage.recovered().await;
    stage.is_settled("put right").await;
    stage.is_clean(CANARY).await;
    stage.is_clean(OTHER).await;
}
