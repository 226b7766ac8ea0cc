//! The ledger by itself: its constraints, its leases, and what a process that was killed leaves. All of it
//! holds wherever the ledger is kept: here in a file, on servers in `tests/ledgers`.

use super::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a ledger is kept, with nothing in it yet.
pub(crate) trait Place {
    /// Makes one.
    async fn new() -> Self;

    /// Opens the ledger in it, as any process would.
    async fn open(&self) -> Result<Ledger, LedgerError>;
}

/// A file.
pub(crate) struct File(tempfile::TempDir);

impl Place for File {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Result<Ledger, LedgerError> {
        Ledger::open(&self.0.path().join("ledger.db"))
    }
}

/// Makes `suite!(PLACE)`, which makes a test of each name for a kind of place.
macro_rules! suite_of {
    (@ $($test:ident)+ => $d:tt) => {
        macro_rules! suite_in {
            ($d place:ty) => {
                $(#[tokio::test]
                async fn $test() {
                    let place = <$d place as $crate::ledger::tests::Place>::new().await;
                    $crate::ledger::tests::$test(&place).await;
                })+
            };
        }
    };
    ($($test:ident)+) => { suite_of! { @ $($test)+ => $ } };
}

suite_of! {
    a_deletion_takes_the_references_first
    a_holder_elsewhere_is_believed_for_a_minute
    a_run_is_told_as_it_was
    a_run_that_is_taken_back_leaves_nothing_but_what_could_not_be_deleted
    a_run_that_was_overtaken_does_not_begin
    a_set_replaces_what_it_had
    an_output_is_the_newest
    installations_come_in_pages
    many_open_it_at_once
    of_many_one_begins
    one_process_at_a_time_acts_on_an_installation
    the_schema_refuses_what_would_break_a_promise
    what_is_given_up_leaves_nothing
}
pub(crate) use suite_in as suite;

mod in_a_file {
    super::suite!(super::File);
}

pub(crate) fn secret(key: &str) -> Address {
    Address { store: "filesystem".into(), key: key.into() }
}

pub(crate) async fn begin(
    ledger: &Ledger,
    run: &str,
    intents: &[Address],
) -> Result<Lease, LedgerError> {
    begin_of(ledger, "app", run, intents).await
}

async fn begin_of(
    ledger: &Ledger,
    name: &str,
    run: &str,
    intents: &[Address],
) -> Result<Lease, LedgerError> {
    let known = known(ledger, name).await?;
    begin_after(ledger, &known, name, run, intents).await
}

/// The runs that there are now.
pub(crate) async fn known(ledger: &Ledger, name: &str) -> Result<Vec<Run>, LedgerError> {
    match ledger.installation("", name).await {
        Ok(installation) => ledger.runs(&installation.id).await,
        Err(LedgerError::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(crate) async fn begin_after(
    ledger: &Ledger,
    known: &[Run],
    name: &str,
    run: &str,
    intents: &[Address],
) -> Result<Lease, LedgerError> {
    let beginning = Beginning {
        namespace: "",
        name,
        run,
        action: "install",
        driver: "wasm",
        bundle: &json!({ "name": "app" }),
        bundle_path: "bundle.json",
        bundle_digest: "sha256:0",
        intents,
        known,
    };
    ledger.begin(&beginning).await
}

pub(crate) async fn finish(
    ledger: &Ledger,
    lease: &Lease,
    outputs: &[(&str, Kept)],
) -> Result<(), LedgerError> {
    let outputs: BTreeMap<String, Kept> =
        outputs.iter().map(|(name, kept)| ((*name).to_owned(), kept.clone())).collect();
    let ending =
        Ending { status: Status::Succeeded, exit_code: Some(0), message: None, outputs: &outputs };
    ledger.finish(lease, &ending).await
}

/// Changes what is in the ledger of one installation behind its back.
pub(crate) async fn meddle(ledger: &Ledger, id: &str, sql: &str) -> Result<(), LedgerError> {
    let done = ledger
        .transaction(Part::Subject(id), async |transaction| transaction.execute(sql, &[]).await);
    done.await.map(drop)
}

pub(crate) async fn a_run_is_told_as_it_was(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    let password = secret("r1-parameter-password");
    let lease = begin(&ledger, "r1", std::slice::from_ref(&password)).await.unwrap();
    let kept = Kept::Secret(password.clone());
    let inputs = [
        ("parameter", "password".to_owned(), kept.clone()),
        ("parameter", "port".to_owned(), Kept::Plain(json!(80))),
    ];
    let overrides = BTreeMap::from([("password".to_owned(), kept.clone())]);
    let sets = [("parameters", vec!["a".to_owned(), "b".to_owned()])];
    ledger.start(&lease, &inputs, &overrides, &sets).await.unwrap();
    let output = secret("r1-output-name");
    ledger.intend(&lease, std::slice::from_ref(&output)).await.unwrap();
    finish(&ledger, &lease, &[("name", Kept::Secret(output.clone()))]).await.unwrap();

    // Whoever opens it is told the same.
    for ledger in [ledger, place.open().await.unwrap()] {
        let installation = ledger.installation("", "app").await.unwrap();
        assert_eq!(installation.state, State::Active);
        let id = &installation.id;
        assert_eq!(ledger.overrides(id).await.unwrap(), overrides);
        assert_eq!(ledger.installation_sets(id, "parameters").await.unwrap(), ["a", "b"]);
        assert_eq!(ledger.inputs("r1", "parameter").await.unwrap().len(), 2);
        let outputs = ledger.outputs(id).await.unwrap();
        assert_eq!(outputs["name"], ("r1".to_owned(), Kept::Secret(output.clone())));
        assert_eq!(ledger.addresses().await.unwrap(), [output.clone(), password.clone()]);
        let runs = ledger.runs(id).await.unwrap();
        assert_eq!(
            (runs.len(), runs[0].status, runs[0].exit_code),
            (1, Status::Succeeded, Some(0))
        );
        let since = local_ms() - runs[0].finished_ms.unwrap();
        assert!((0..60_000).contains(&since), "{since} ms");
        assert!(ledger.unfinished().await.unwrap().is_empty());
        assert_eq!(ledger.run("r1").await.unwrap(), Some((id.clone(), Status::Succeeded)));
        let dump = ledger.dump().await.unwrap();
        let runs = dump.iter().find(|table| table.name == "runs").unwrap();
        assert_eq!((runs.rows.len(), &runs.rows[0]["status"]), (1, &json!("succeeded")));
    }
}

/// What the schema refuses, whoever asks.
pub(crate) async fn the_schema_refuses_what_would_break_a_promise(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    let lease = begin(&ledger, "r1", &[secret("k")]).await.unwrap();
    let refused =
        async |sql: &str| match meddle(&ledger, lease.subject(), sql).await.expect_err(sql) {
            LedgerError::Sql(why) => {
                assert!(why.contains("constraint") || why.contains("is not held"), "{sql}: {why}");
            }
            other => panic!("{sql}: {other}"),
        };
    // A reference to what is not written yet, or to nothing.
    refused("INSERT INTO outputs SELECT 'r1', 'x', NULL, id FROM secrets").await;
    refused("INSERT INTO outputs VALUES ('r1', 'x', NULL, 999)").await;
    ledger.start(&lease, &[], &BTreeMap::new(), &[]).await.unwrap();
    let held = "INSERT INTO outputs SELECT 'r1','x',NULL,id FROM secrets";
    meddle(&ledger, lease.subject(), held).await.unwrap();
    // A value beside a reference, a literal value, a credential in clear, a secret of nobody.
    refused("INSERT INTO outputs SELECT 'r1', 'y', '1', id FROM secrets").await;
    refused("INSERT INTO outputs VALUES ('r1', 'y', NULL, NULL)").await;
    refused("INSERT INTO inputs VALUES ('r1','parameter','p',NULL,NULL,'host','value','canary')")
        .await;
    refused("INSERT INTO inputs VALUES ('r1','credential','c','\"canary\"',NULL,NULL,NULL,NULL)")
        .await;
    refused("INSERT INTO secrets (store, key, state, run) VALUES ('s', 'k', 'held', 'r1')").await;
    // A secret that something refers to does not go.
    refused("DELETE FROM secrets").await;
}

pub(crate) async fn one_process_at_a_time_acts_on_an_installation(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    let lease = begin(&ledger, "r1", &[]).await.unwrap();
    let id = lease.subject().to_owned();
    assert!(
        matches!(begin(&ledger, "r2", &[]).await, Err(LedgerError::Busy { run, .. }) if run == "r1")
    );
    assert!(matches!(ledger.take_over(&id, "r1").await, Err(LedgerError::Busy { .. })));
    // The same, if its holder is gone: a process number that no process has.
    meddle(&ledger, &id, "UPDATE leases SET pid = 999999999").await.unwrap();
    assert!(
        matches!(begin(&ledger, "r2", &[]).await, Err(LedgerError::Unfinished { run }) if run == "r1")
    );
    let taken = ledger.take_over(&id, "r1").await.unwrap();
    // Whoever was thought to be gone and is not can write nothing any more.
    assert!(matches!(finish(&ledger, &lease, &[]).await, Err(LedgerError::LostLease)));
    assert!(matches!(ledger.renew(&lease).await, Err(LedgerError::LostLease)));
    finish(&ledger, &taken, &[]).await.unwrap();
    drop(begin(&ledger, "r2", &[]).await.unwrap());
    // Another process that has the same number is not the holder.
    meddle(&ledger, &id, "UPDATE leases SET started = started - 1").await.unwrap();
    assert!(matches!(begin(&ledger, "r3", &[]).await, Err(LedgerError::Unfinished { .. })));
}

pub(crate) async fn a_run_that_was_overtaken_does_not_begin(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    // When nothing was there, when a run was at it, and when that had ended; another one; and none again, and
    // another installation of that name.
    let mut seen = vec![known(&ledger, "app").await.unwrap()];
    for run in ["r1", "r0"] {
        let lease = begin(&ledger, run, &[]).await.unwrap();
        seen.push(known(&ledger, "app").await.unwrap());
        finish(&ledger, &lease, &[]).await.unwrap();
        for known in &seen {
            let overtaken = begin_after(&ledger, known, "app", "r2", &[secret("k")]).await;
            assert!(matches!(overtaken, Err(LedgerError::Overtaken)), "{overtaken:?}");
        }
        seen.push(known(&ledger, "app").await.unwrap());
    }
    assert!(ledger.addresses().await.unwrap().is_empty());
    let id = ledger.installation("", "app").await.unwrap().id;
    let lease = ledger.hold_for_deletion(&id, "d").await.unwrap();
    ledger.doom_installation(&lease).await.unwrap();
    ledger.forget_installation(&lease).await.unwrap();
    for run in ["r3", "r4"] {
        finish(&ledger, &begin(&ledger, run, &[]).await.unwrap(), &[]).await.unwrap();
    }
    for known in &seen {
        let overtaken = begin_after(&ledger, known, "app", "r5", &[]).await;
        assert!(matches!(overtaken, Err(LedgerError::Overtaken)), "{overtaken:?}");
    }
    assert_eq!(known(&ledger, "app").await.unwrap().len(), 2);
}

pub(crate) async fn a_holder_elsewhere_is_believed_for_a_minute(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    let lease = begin(&ledger, "r1", &[]).await.unwrap();
    let id = lease.subject().to_owned();
    let dump = ledger.dump().await.unwrap();
    let leases = dump.iter().find(|table| table.name == "leases").unwrap();
    let here = leases.rows[0]["host"].as_str().unwrap().to_owned();
    let words: Vec<&str> = here.split(' ').collect();
    let [name, boot, processes] = words[..] else { panic!("{here}") };
    let places = [
        "elsewhere".to_owned(),
        format!("elsewhere {boot} pid:[1]"),
        // Two containers of one machine can have one name, and so can two machines.
        format!("{name} {boot} pid:[1]"),
        format!("{name} 00000000-0000-0000-0000-000000000000 pid:[1]"),
    ];
    for place in places {
        // There is no such process here, and that says nothing of there.
        let there = format!("UPDATE leases SET pid = 999999999, host = '{place}'");
        meddle(&ledger, &id, &there).await.unwrap();
        ledger.renew(&lease).await.unwrap();
        let busy = begin(&ledger, "r3", &[]).await.unwrap_err();
        assert!(matches!(busy, LedgerError::Busy { .. }), "{place}: {busy}");
        let silent = "UPDATE leases SET renewed_ms = renewed_ms - 60000";
        meddle(&ledger, &id, silent).await.unwrap();
        let gone = begin(&ledger, "r3", &[]).await.unwrap_err();
        assert!(matches!(gone, LedgerError::Unfinished { .. }), "{place}: {gone}");
    }
    // A machine that was started again has the same name. What is in a file was here; a server's other
    // clients can be anywhere.
    ledger.renew(&lease).await.unwrap();
    let before = format!("{name} 00000000-0000-0000-0000-000000000000 {processes}");
    meddle(&ledger, &id, &format!("UPDATE leases SET host = '{before}'")).await.unwrap();
    let said = begin(&ledger, "r3", &[]).await.unwrap_err();
    if matches!(ledger.0, Keeper::Sqlite(_)) {
        assert!(matches!(said, LedgerError::Unfinished { .. }), "{said}");
    } else {
        assert!(matches!(said, LedgerError::Busy { .. }), "{said}");
    }
}

pub(crate) async fn a_run_that_is_taken_back_leaves_nothing_but_what_could_not_be_deleted(
    place: &impl Place,
) {
    let ledger = place.open().await.unwrap();
    let lease = begin(&ledger, "r1", &[secret("a"), secret("b")]).await.unwrap();
    ledger.take_back(&lease, &[secret("b")]).await.unwrap();
    assert_eq!(ledger.addresses().await.unwrap(), [secret("b")]);
    assert_eq!(ledger.doomed(None).await.unwrap(), [secret("b")]);
    assert_eq!(ledger.doomed_of_installations().await.unwrap(), [("r1".into(), secret("b"))]);
    assert!(ledger.installation("", "app").await.is_ok());
    ledger.forget(&secret("b")).await.unwrap();
    let lease = begin(&ledger, "r2", &[secret("a")]).await.unwrap();
    ledger.take_back(&lease, &[]).await.unwrap();
    let gone = ledger.installation("", "app").await;
    assert!(matches!(gone, Err(LedgerError::NotFound { .. })));
    assert!(ledger.addresses().await.unwrap().is_empty());
}

pub(crate) async fn a_deletion_takes_the_references_first(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    let lease = begin(&ledger, "r1", &[secret("a")]).await.unwrap();
    let kept = Kept::Secret(secret("a"));
    let overrides = BTreeMap::from([("p".to_owned(), kept.clone())]);
    ledger.start(&lease, &[("parameter", "p".into(), kept)], &overrides, &[]).await.unwrap();
    finish(&ledger, &lease, &[]).await.unwrap();
    let installation = ledger.installation("", "app").await.unwrap().id;
    let lease = ledger.hold_for_deletion(&installation, "d1").await.unwrap();
    ledger.doom_installation(&lease).await.unwrap();
    assert_eq!(ledger.installation("", "app").await.unwrap().state, State::Deleting);
    assert_eq!(ledger.deleting().await.unwrap(), [installation.as_str()]);
    assert_eq!(ledger.doomed(Some(&installation)).await.unwrap(), [secret("a")]);
    // Not before its secrets are gone.
    assert!(ledger.forget_installation(&lease).await.is_err());
    ledger.forget(&secret("a")).await.unwrap();
    ledger.forget_installation(&lease).await.unwrap();
    assert!(ledger.installations(None, ("", ""), 100).await.unwrap().is_empty());
    for Table { name, rows } in ledger.dump().await.unwrap() {
        let kept = ["commits", "fences", "migrations"].contains(&name.as_str());
        assert!(kept || rows.is_empty(), "{name}: {rows:?}");
    }
}

pub(crate) async fn a_set_replaces_what_it_had(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    let apply = async |operation: &str, key: &str| {
        let intents = [secret(key)];
        let begun = ledger.begin_set("parameters", "", "prod", operation, &intents).await;
        let lease = begun.unwrap();
        assert_eq!(ledger.intended_of_set(&lease).await.unwrap(), intents);
        let entries = [("password".to_owned(), Kept::Secret(secret(key)))];
        ledger.apply_set(&lease, &BTreeMap::new(), &entries).await.unwrap();
        ledger.forget_set(&lease).await.unwrap();
    };
    apply("o1", "k1").await;
    assert!(ledger.doomed(None).await.unwrap().is_empty());
    apply("o2", "k2").await;
    assert_eq!(ledger.doomed(None).await.unwrap(), [secret("k1")]);
    ledger.forget(&secret("k1")).await.unwrap();
    let set = ledger.set("parameters", "", "prod").await.unwrap();
    assert_eq!(set.entries, [("password".to_owned(), Kept::Secret(secret("k2")))]);
    let lease = ledger.doom_set("parameters", "", "prod", "o3").await.unwrap();
    assert_eq!(ledger.unfinished_sets().await.unwrap(), ["o1"]);
    ledger.forget(&secret("k2")).await.unwrap();
    ledger.forget_set(&lease).await.unwrap();
    assert!(ledger.addresses().await.unwrap().is_empty());
    assert!(matches!(
        ledger.set("parameters", "", "prod").await,
        Err(LedgerError::NotFound { what: "parameter set", .. })
    ));
}

pub(crate) async fn an_output_is_the_newest(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    for (run, value) in [("r1", "one"), ("r2", "two")] {
        let lease = begin(&ledger, run, &[]).await.unwrap();
        let outputs = [("both", Kept::Plain(json!(value))), (run, Kept::Plain(json!(run)))];
        finish(&ledger, &lease, &outputs).await.unwrap();
    }
    let outputs = ledger.outputs("r1").await.unwrap();
    let of = |run: &str, value: &str| (run.to_owned(), Kept::Plain(json!(value)));
    let expected = [("both", of("r2", "two")), ("r1", of("r1", "r1")), ("r2", of("r2", "r2"))];
    assert_eq!(outputs, expected.map(|(name, kept)| (name.to_owned(), kept)).into());
    let runs: Vec<String> =
        ledger.runs("r1").await.unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(runs, ["r2", "r1"]);
    assert_eq!(ledger.newest_run("r1").await.unwrap().map(|run| run.id).as_deref(), Some("r2"));
    assert_eq!(ledger.newest_run("r2").await.unwrap(), None);
}

pub(crate) async fn installations_come_in_pages(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    for (name, run) in [("b", "r1"), ("a", "r2"), ("c", "r3")] {
        drop(begin_of(&ledger, name, run, &[]).await.unwrap());
    }
    let page = async |namespace, after, count| {
        let page = ledger.installations(namespace, after, count).await.unwrap();
        page.into_iter().map(|(installation, _)| installation.name).collect::<Vec<_>>()
    };
    for namespace in [None, Some("")] {
        assert_eq!(page(namespace, ("", ""), 2).await, ["a", "b"]);
        assert_eq!(page(namespace, ("", "b"), 2).await, ["c"]);
        assert_eq!(page(namespace, ("", "c"), 2).await, [""; 0]);
        assert_eq!(page(namespace, ("", ""), usize::MAX).await, ["a", "b", "c"]);
    }
    assert_eq!(page(Some("other"), ("", ""), 2).await, [""; 0]);
    assert_eq!(page(None, ("other", ""), 2).await, [""; 0]);
}

pub(crate) async fn many_open_it_at_once(place: &impl Place) {
    let opened = futures_util::future::join_all((0..8).map(|_| place.open())).await;
    for (index, ledger) in opened.into_iter().enumerate() {
        let ledger = ledger.unwrap_or_else(|error| panic!("{index}: {error}"));
        let run = format!("r{index}");
        drop(begin_of(&ledger, &run, &run, &[]).await.unwrap());
        assert_eq!(ledger.installations(None, ("", ""), 100).await.unwrap().len(), index + 1);
    }
}

/// Of those that begin at once, each with a connection of its own, one does, and the others are told.
pub(crate) async fn of_many_one_begins(place: &impl Place) {
    let mut ledgers = Vec::new();
    for _ in 0..4 {
        ledgers.push(Arc::new(place.open().await.unwrap()));
    }
    for round in 0..10 {
        let name = format!("app{round}");
        // Every other one is there already.
        let there = round % 2;
        if there == 1 {
            let lease = begin_of(&ledgers[0], &name, &format!("{round}-"), &[]).await.unwrap();
            finish(&ledgers[0], &lease, &[]).await.unwrap();
        }
        let begun = ledgers.iter().enumerate().map(|(index, ledger)| {
            let (name, key) = (&name, format!("{round}-{index}"));
            async move { begin_of(ledger, name, &key, &[secret(&key)]).await }
        });
        let begun = futures_util::future::join_all(begun).await;
        let (one, others): (Vec<_>, Vec<_>) = begun.into_iter().partition(Result::is_ok);
        assert_eq!(one.len(), 1, "{others:?}");
        let lease = one.into_iter().next().unwrap().unwrap();
        for other in others {
            let run = match other {
                Err(LedgerError::Busy { run, .. }) => run,
                other => panic!("{other:?}"),
            };
            assert_eq!(run, lease.run());
        }
        // Nothing is left of the others.
        assert_eq!(ledgers[0].runs(lease.subject()).await.unwrap().len(), 1 + there);
        assert_eq!(ledgers[0].addresses().await.unwrap(), [secret(lease.run())]);
        ledgers[1].take_back(&lease, &[]).await.unwrap();
    }
}

/// Whoever drops an operation in the middle has done all of it or nothing, and the next one goes on.
pub(crate) async fn what_is_given_up_leaves_nothing(place: &impl Place) {
    let ledger = place.open().await.unwrap();
    for polls in 0..20 {
        let run = format!("r{polls}");
        let intents = [secret(&run)];
        let mut beginning = Box::pin(begin_of(&ledger, &run, &run, &intents));
        let mut done = false;
        for _ in 0..polls {
            let poll = |context: &mut std::task::Context<'_>| {
                std::task::Poll::Ready(beginning.as_mut().poll(context).is_ready())
            };
            done = std::future::poll_fn(poll).await;
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(beginning);
        let found = ledger.installation("", &run).await;
        assert!(!done || found.is_ok(), "{polls}");
        let addresses = ledger.addresses().await.unwrap();
        assert_eq!(found.is_ok(), addresses.contains(&secret(&run)), "{polls}");
        assert_eq!(found.is_ok(), ledger.run(&run).await.unwrap().is_some(), "{polls}");
    }
}

#[tokio::test]
async fn a_newer_ledger_and_a_file_that_is_none_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    drop(Ledger::open(&path).unwrap());
    drop(Ledger::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Newer { found: 99, known: 1 })));
    std::fs::write(&path, "not a database, but long enough to be looked at as one").unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::NotALedger(_))));
}

/// What an earlier coffer wrote of itself is its machine's name alone.
#[tokio::test]
async fn a_holder_that_an_earlier_coffer_wrote_down_is_looked_for() {
    let place = File::new().await;
    let ledger = place.open().await.unwrap();
    let lease = begin(&ledger, "r1", &[]).await.unwrap();
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let sql = format!("UPDATE leases SET host = '{name}', renewed_ms = 0");
    meddle(&ledger, lease.subject(), &sql).await.unwrap();
    assert!(matches!(begin(&ledger, "r2", &[]).await, Err(LedgerError::Busy { .. })));
    meddle(&ledger, lease.subject(), "UPDATE leases SET pid = 999999999").await.unwrap();
    assert!(matches!(begin(&ledger, "r2", &[]).await, Err(LedgerError::Unfinished { .. })));
}
