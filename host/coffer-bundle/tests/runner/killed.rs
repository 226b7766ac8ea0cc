//! Killed anywhere, nothing that is referred to is missing, and nothing that was written is unreferenced for
//! ever. Each test runs itself again as a child that ends itself with SIGKILL: at each step, before and after
//! each call of a store, and where the bundle prints. What the child left is recovered, by another child that
//! is killed as well, and then for good.

use crate::bundles::{example, output, plain, scripted, sensitive, shell, variable};
use crate::canary::{CANARY, OTHER};
use crate::stage::{FILESYSTEM, Hook, Stage, quiet, request};
use coffer_bundle::sets::SetKind;
use coffer_bundle::{Package, RunFailure, Status};
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a child is told. Without it, a test is the parent.
const ORDERS: &str = "COFFER_TEST_KILLED";

/// More steps than anything has.
const POINTS_MAX: usize = 100;

#[tokio::test]
async fn while_it_installs() {
    Killing::of("while_it_installs", &[], "install").at_least(20).await;
}

#[tokio::test]
async fn while_it_installs_in_the_sandbox() {
    Killing::of("while_it_installs_in_the_sandbox", &[], "install-example").at_least(12).await;
}

#[tokio::test]
async fn while_it_upgrades() {
    Killing::of("while_it_upgrades", &["install"], "upgrade").at_least(15).await;
}

#[tokio::test]
async fn while_it_uninstalls() {
    Killing::of("while_it_uninstalls", &["install"], "uninstall").at_least(10).await;
}

#[tokio::test]
async fn while_it_deletes() {
    Killing::of("while_it_deletes", &["install", "uninstall"], "delete").at_least(15).await;
}

#[tokio::test]
async fn while_it_applies_a_set() {
    Killing::of("while_it_applies_a_set", &[], "apply").at_least(8).await;
}

#[tokio::test]
async fn while_it_applies_a_set_again() {
    Killing::of("while_it_applies_a_set_again", &["apply"], "apply").at_least(14).await;
}

#[tokio::test]
async fn while_it_deletes_a_set() {
    Killing::of("while_it_deletes_a_set", &["apply"], "forget").at_least(6).await;
}

/// One thing that is done, and killed at each of its points.
struct Killing {
    test: &'static str,
    flow: &'static str,
    directory: tempfile::TempDir,
    before: &'static [&'static str],
}

impl Killing {
    fn of(test: &'static str, before: &'static [&'static str], flow: &'static str) -> Self {
        Self { test, flow, directory: tempfile::tempdir().unwrap(), before }
    }

    async fn at_least(self, points: usize) {
        if let Ok(orders) = std::env::var(ORDERS) {
            return follow(&serde_json::from_str(&orders).unwrap()).await;
        }
        let template = self.path("template");
        let stage = self.open("template");
        for flow in self.before {
            act(&stage, flow).await.unwrap();
        }
        stage.is_settled("the beginning").await;
        drop(stage);
        let mut point = 0;
        loop {
            assert!(point < POINTS_MAX, "it never comes to an end");
            copy(&template, &self.path("home"));
            if !self.is_killed("home", self.flow, point) {
                break;
            }
            let when = format!("{} killed at point {point}", self.flow);
            self.recover_and_be_killed(&when).await;
            self.recover("home", &when).await;
            point += 1;
        }
        assert!(point >= points, "{} has {point} points only", self.flow);
        self.open("home").is_settled("not killed").await;
    }

    /// Recovers a copy of the home, and is killed at each point of that.
    async fn recover_and_be_killed(&self, when: &str) {
        for point in 0..POINTS_MAX {
            copy(&self.path("home"), &self.path("twice"));
            if !self.is_killed("twice", "recover", point) {
                self.open("twice").is_settled(&format!("{when}, and recovered")).await;
                return;
            }
            self.recover("twice", &format!("{when}, and recovery at point {point}")).await;
        }
        panic!("{when}: recovery never comes to an end");
    }

    /// Looks at what was left, recovers it, and does again what was killed.
    async fn recover(&self, home: &str, when: &str) {
        let stage = self.open(home);
        stage.is_sound(when).await;
        let spooled = stage.spooled();
        // Before the first output is put, all of them are sealed.
        for secret in
            stage.rows("secrets").await.iter().filter(|secret| secret["state"] == "intended")
        {
            let (key, run) = (secret["key"].as_str().unwrap(), secret["run"].as_str().unwrap());
            let sealed = spooled.iter().any(|spooled| spooled == run);
            assert!(
                sealed || !key.contains("-output-"),
                "{when}: {key} is nowhere but in its store"
            );
        }
        stage.recovered().await;
        stage.is_settled(when).await;
        for run in spooled {
            was_saved(&stage, &run, when).await;
        }
        assert!(stage.recovered().await.is_empty(), "{when}: something was left");
        for canary in [CANARY, OTHER] {
            stage.is_clean(canary).await;
        }
        let again = act(&stage, self.flow).await;
        match again {
            Ok(()) => {}
            // It had been done already.
            Err(RunFailure::Installed { .. } | RunFailure::NotInstalled { .. }) => {}
            Err(RunFailure::Ledger(coffer_bundle::LedgerError::NotFound { .. })) => {}
            Err(failure) => panic!("{when}: it cannot be done again: {failure}"),
        }
        stage.is_settled(&format!("{when}, and done again")).await;
    }

    /// Whether a child that is to be killed at `point` came so far.
    fn is_killed(&self, home: &str, flow: &str, point: usize) -> bool {
        let orders = json!({
            "home": self.path(home), "programs": self.path("programs"), "flow": flow, "point": point,
        });
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("killed::{}", self.test), "--nocapture"])
            .env(ORDERS, orders.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        match (child.status.code(), child.status.signal()) {
            (Some(0), None) => false,
            (None, Some(9)) => true,
            _ => panic!("{flow}, {point}: {}", String::from_utf8_lossy(&child.stderr)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self, home: &str) -> Stage {
        Stage::open(&self.path(home), &self.path("programs"), FILESYSTEM, quiet())
    }
}

/// What a child does.
async fn follow(orders: &Value) {
    let text = |key: &str| orders[key].as_str().unwrap();
    let (last, passed) = (orders["point"].as_u64().unwrap() as usize, AtomicUsize::new(0));
    let hook: Hook = Arc::new(move |_: &str| {
        if passed.fetch_add(1, Ordering::SeqCst) == last {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
        }
    });
    let stage = Stage::open(Path::new(text("home")), Path::new(text("programs")), FILESYSTEM, hook);
    act(&stage, text("flow")).await.unwrap();
}

async fn act(stage: &Stage, flow: &str) -> Result<(), RunFailure> {
    let kind = SetKind::Parameters;
    let run = match flow {
        "apply" => {
            let value =
                |name: &str, value: &str| json!({ "name": name, "source": { "value": value } });
            let entries = json!([value("a", CANARY), value("b", OTHER)]);
            return stage.apply(kind, json!({ "name": "s", "parameters": entries })).await;
        }
        "forget" => return stage.forget(kind, "s").await,
        "delete" => return stage.delete("app").await,
        "recover" => {
            stage.recovered().await;
            return Ok(());
        }
        "install-example" => request("install", Some(example(stage)), &[("password", CANARY)]),
        action => {
            let mut run = request(action, Some(app(stage)), &[("password", CANARY)]);
            run.driver = shell();
            run
        }
    };
    stage.run(run).await.0.map(drop)
}

/// It prints last: whatever is killed when it prints has left its outputs.
fn app(stage: &Stage) -> Package {
    let sections = json!({
        "definitions": {
            "secret": sensitive(),
            "pin": { "type": "string", "writeOnly": true, "default": OTHER },
            "text": plain(),
        },
        "parameters": { "password": variable("secret", "PASSWORD"), "pin": variable("pin", "PIN") },
        "outputs": {
            "token": output("secret", "token"),
            "key": output("secret", "key"),
            "url": output("text", "url"),
        },
    });
    let script = "printf 'generated by %s' $CNAB_REVISION >token; printf \"$PASSWORD\" >key; \
                  printf http://localhost >url; echo done";
    scripted(stage, &sections, script)
}

/// What was in the spool is where the ledger says.
async fn was_saved(stage: &Stage, run: &str, when: &str) {
    for (installation, _) in stage.ledger.installations(None, ("", ""), usize::MAX).await.unwrap() {
        let runs = stage.ledger.runs(&installation.id).await.unwrap();
        let Some(found) = runs.iter().find(|found| found.id == run) else { continue };
        assert_eq!(found.status, Status::Succeeded, "{when}");
        let outputs = stage.outputs(&installation.name).await;
        if installation.name == "app" {
            let token = stage.value(&outputs["token"]).await;
            assert_eq!(token, format!("generated by {run}").as_bytes(), "{when}");
            assert_eq!(stage.value(&outputs["key"]).await, CANARY.as_bytes(), "{when}");
            assert_eq!(outputs.len(), 3, "{when}");
        } else {
            assert_eq!(stage.value(&outputs["name"]).await, b"example-bundle", "{when}");
        }
        return;
    }
    panic!("{when}: the run that left something in the spool is gone");
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
