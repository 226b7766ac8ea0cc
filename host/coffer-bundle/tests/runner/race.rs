//! Several processes at one home, and a recovery that looks away while another process goes on. The others
//! are threads with a home of their own handles: to a lease they are one process that is there.

use crate::bundles::{output, scripted, sensitive, shell, variable};
use crate::canary::{CANARY, OTHER};
use crate::stage::{FILESYSTEM, Hook, Stage, request};
use coffer_bundle::sets::SetKind;
use coffer_bundle::{LedgerError, Package, Request, RunFailure, Status};
use serde_json::json;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

fn app(stage: &Stage) -> Package {
    let sections = json!({
        "definitions": { "secret": sensitive() },
        "parameters": { "password": variable("secret", "PASSWORD") },
        "outputs": { "token": output("secret", "token") },
    });
    scripted(stage, &sections, "printf generated >token")
}

fn install(stage: &Stage, name: &str) -> Request {
    let mut install = request("install", Some(app(stage)), &[("password", CANARY)]);
    install.name = Some(name.parse().unwrap());
    install.driver = shell();
    install
}

/// A thread that does something and stops where it is told, until it may go on.
struct Stopped {
    go_on: Sender<()>,
    thread: JoinHandle<Result<(), RunFailure>>,
}

impl Stopped {
    /// Returns when it has come to `point`.
    fn at(
        stage: &Stage,
        point: &'static str,
        act: impl AsyncFnOnce(&Stage) -> Result<(), RunFailure> + Send + 'static,
    ) -> Self {
        let (came, has_come) = channel();
        let (go_on, may_go_on): (_, Receiver<()>) = channel();
        let may_go_on = Mutex::new(Some(may_go_on));
        let hook: Hook = Arc::new(move |passed: &str| {
            if passed.starts_with(point)
                && let Some(may_go_on) = may_go_on.lock().unwrap().take()
            {
                came.send(()).unwrap();
                may_go_on.recv().unwrap();
            }
        });
        let (path, programs) = (stage.path.clone(), stage.programs().to_owned());
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let stage = Stage::open(&path, &programs, FILESYSTEM, hook);
            runtime.block_on(act(&stage))
        });
        has_come.recv().unwrap();
        Self { go_on, thread }
    }

    fn finish(self) -> Result<(), RunFailure> {
        self.go_on.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

/// Makes the holder of every lease one that is gone.
fn bury(stage: &Stage) {
    let ledger = rusqlite::Connection::open(stage.path.join("ledger.db")).unwrap();
    // No process has this number: it is larger than the system allows.
    assert!(ledger.execute("UPDATE leases SET pid = 2147483646", []).unwrap() > 0);
}

#[tokio::test]
async fn two_runs_of_one_installation() {
    let stage = Stage::new(FILESYSTEM);
    for point in ["Put(", "Run", "Spool", "Finish"] {
        let name = point.trim_end_matches('(').to_lowercase();
        let first = install(&stage, &name);
        let first =
            Stopped::at(&stage, point, async |stage: &Stage| stage.run(first).await.0.map(drop));
        let before = stage.ledger.dump().await.unwrap();
        let failure = stage.failed(install(&stage, &name)).await;
        assert!(matches!(failure, RunFailure::Ledger(LedgerError::Busy { .. })), "{failure}");
        assert_eq!(stage.ledger.dump().await.unwrap(), before, "{point}");
        // Nor does a recovery touch it.
        assert!(stage.recovered().await.is_empty(), "{point}");
        first.finish().unwrap();
        stage.is_settled(point).await;
        assert_eq!(stage.value(&stage.outputs(&name).await["token"]).await, b"generated");
    }
    stage.is_clean(CANARY).await;
}

/// The recovery has listed the second run as unfinished; it ends while the first one is put right.
#[tokio::test]
async fn a_run_that_ends_while_another_is_recovered() {
    let stage = Stage::new(FILESYSTEM);
    for point in ["Put(", "Run", "Finish"] {
        let name = |what: &str| format!("{what}-{}", point.trim_end_matches('(').to_lowercase());
        let dead = install(&stage, &name("dead"));
        let dead =
            Stopped::at(&stage, "Put(", async |stage: &Stage| stage.run(dead).await.0.map(drop));
        bury(&stage);
        let alive = install(&stage, &name("alive"));
        let alive =
            Stopped::at(&stage, point, async |stage: &Stage| stage.run(alive).await.0.map(drop));
        recover_while(&stage, alive).await;
        let run = stage.ledger.installation("", &name("alive")).await.unwrap().id;
        assert_eq!(stage.ledger.runs(&run).await.unwrap()[0].status, Status::Succeeded, "{point}");
        stage.is_settled(point).await;
        assert_eq!(stage.value(&stage.outputs(&name("alive")).await["token"]).await, b"generated");
        // The dead one was only slow: it has lost its lease, and leaves nothing.
        let lost = dead.finish().unwrap_err();
        assert!(matches!(lost, RunFailure::Ledger(LedgerError::LostLease)), "{lost}");
    }
}

/// The same of sets: what was intended when the recovery began is held when it comes to it.
#[tokio::test]
async fn a_set_that_is_applied_while_another_is_recovered() {
    let stage = Stage::new(FILESYSTEM);
    let apply = async |stage: &Stage, name: &str| {
        let entries = json!([{ "name": "a", "source": { "value": OTHER } }]);
        stage.apply(SetKind::Parameters, json!({ "name": name, "parameters": entries })).await
    };
    let dead = Stopped::at(&stage, "Put(", async move |stage: &Stage| apply(stage, "dead").await);
    bury(&stage);
    let alive = Stopped::at(&stage, "Put(", async move |stage: &Stage| apply(stage, "alive").await);
    recover_while(&stage, alive).await;
    let entries = stage.ledger.set("parameters", "", "alive").await.unwrap().entries;
    assert_eq!(stage.value(&entries[0].1).await, OTHER.as_bytes());
    let lost = dead.finish().unwrap_err();
    assert!(matches!(lost, RunFailure::Ledger(LedgerError::LostLease)), "{lost}");
    stage.is_clean(OTHER).await;
}

/// Recovers, and lets `alive` come to its end when something else is being deleted.
async fn recover_while(stage: &Stage, alive: Stopped) {
    let alive = Mutex::new(Some(alive));
    let hook: Hook = Arc::new(move |passed: &str| {
        if passed.starts_with("Delete(")
            && let Some(alive) = alive.lock().unwrap().take()
        {
            alive.finish().unwrap();
        }
    });
    let recovering = Stage::open(&stage.path, stage.programs(), FILESYSTEM, hook);
    recovering.recovered().await;
}

/// A process that was taken for gone and was not: it has spooled its outputs when the run has been
/// interrupted already. They are saved, also if that takes a while.
#[tokio::test]
async fn outputs_of_a_run_whose_lease_was_lost() {
    let stage = Stage::new(FILESYSTEM);
    let first = install(&stage, "app");
    let slow = Stopped::at(&stage, "it prints", async |stage: &Stage| {
        let mut first = first;
        let sections = json!({
            "definitions": { "secret": sensitive() },
            "parameters": { "password": variable("secret", "PASSWORD") },
            "outputs": { "token": output("secret", "token") },
        });
        first.package = Some(scripted(stage, &sections, "printf generated >token; echo done"));
        stage.run(first).await.0.map(drop)
    });
    bury(&stage);
    let items = stage.recovered().await;
    assert!(items[0].contains("was interrupted"), "{items:?}");
    let lost = slow.finish().unwrap_err();
    assert!(matches!(lost, RunFailure::Unsaved { .. }), "{lost}");
    assert!(lost.ran());
    stage.is_sound("spooled").await;
    assert_eq!(stage.spooled().len(), 1);
    stage.recovered().await;
    assert_eq!(stage.value(&stage.outputs("app").await["token"]).await, b"generated");
    stage.is_settled("saved").await;
    let id = stage.ledger.installation("", "app").await.unwrap().id;
    assert_eq!(stage.ledger.runs(&id).await.unwrap()[0].status, Status::Succeeded);
    stage.is_clean(CANARY).await;
}

/// The same, and the lease was taken over by somebody who was killed in turn.
#[tokio::test]
async fn outputs_of_a_run_that_nobody_recovered() {
    let stage = Stage::new(FILESYSTEM);
    let first = install(&stage, "app");
    let slow =
        Stopped::at(&stage, "Spool", async |stage: &Stage| stage.run(first).await.0.map(drop));
    let ledger = rusqlite::Connection::open(stage.path.join("ledger.db")).unwrap();
    ledger.execute("UPDATE leases SET pid = 2147483646, fence = fence + 1", []).unwrap();
    drop(ledger);
    let lost = slow.finish().unwrap_err();
    assert!(matches!(lost, RunFailure::Unsaved { .. }), "{lost}");
    // The next run of the installation does what is left to do, before anything else.
    let failure = stage.failed(install(&stage, "app")).await;
    assert!(matches!(failure, RunFailure::Installed { .. }), "{failure}");
    assert_eq!(stage.value(&stage.outputs("app").await["token"]).await, b"generated");
    stage.is_settled("saved").await;
}

/// A process was killed between its last deletion and the end of its lease.
#[tokio::test]
async fn a_lease_of_nobody_with_nothing_to_do() {
    let stage = Stage::new(FILESYSTEM);
    let again = |stage: &Stage| {
        let mut again = install(stage, "app");
        again.action = "uninstall".into();
        again
    };
    stage.ran(install(&stage, "app")).await;
    let id = stage.ledger.installation("", "app").await.unwrap().id;
    let leave = || {
        let ledger = rusqlite::Connection::open(stage.path.join("ledger.db")).unwrap();
        let lease = "INSERT INTO leases VALUES (?1, 'gone', 1000000, ?2, 2147483646, 1, 0)";
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        ledger.execute(lease, [&id, &host]).unwrap();
    };
    leave();
    stage.recovered().await;
    stage.is_settled("recovered").await;
    leave();
    stage.ran(again(&stage)).await;
    leave();
    stage.delete("app").await.unwrap();
    stage.is_settled("deleted").await;
    assert!(stage.rows("installations").await.is_empty());
}
