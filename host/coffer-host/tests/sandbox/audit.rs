//! The audit: a line before anything runs, one before anything leaves, and without either nothing
//! happens. Never a value.

use crate::server::{Server, ok};
use crate::stage::{Stage, ask, contains, lacks, refused, secret, told, value};
use coffer_host::audit::{Audit, Call, JsonLines, Outcome};
use coffer_host::grants::{Reference, Source};
use coffer_host::{Blame, Existing, Granted, Host, Store, StoreConfig};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Remembers the order of things, and fails where it is told to.
#[derive(Clone, Default)]
struct Recorder {
    events: Arc<Mutex<Vec<String>>>,
    begin_fails: Arc<AtomicBool>,
    finish_fails: Arc<AtomicBool>,
}

impl Recorder {
    fn add(&self, event: impl Into<String>) {
        self.events.lock().unwrap().push(event.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

fn disk_full(fails: &AtomicBool) -> io::Result<()> {
    if fails.load(Ordering::SeqCst) { Err(io::Error::other("the disk is full")) } else { Ok(()) }
}

impl Audit for Recorder {
    fn begin(&self, call: &Call<'_>) -> io::Result<()> {
        self.add(format!("begin {} {:?}", call.verb, call.references));
        disk_full(&self.begin_fails)
    }

    fn finish(&self, call: &Call<'_>, outcomes: &[Outcome<'_>]) -> io::Result<()> {
        let failed = |outcome: &&Outcome<'_>| matches!(outcome, Outcome::Failed(_));
        let failed = outcomes.iter().filter(failed).count();
        self.add(format!("finish {} {} {failed}", call.verb, outcomes.len()));
        disk_full(&self.finish_fails)
    }
}

/// A store of the filesystem plugin in a directory of its own.
fn filesystem(audit: impl Audit + 'static, home: &TempDir) -> Store {
    let host = Host::builder().instances(64).audit(audit).base(home.path()).build().unwrap();
    let plugin = host.load(&guest_artifacts::plugin("filesystem")).unwrap();
    let config = StoreConfig { grants: Granted::AsAsked, ..StoreConfig::default() };
    host.store("files", &plugin, config).unwrap()
}

/// The backend writes into the same record, so that what came first is seen.
#[tokio::test]
async fn the_plugin_runs_between_the_two_lines() {
    let recorder = Recorder::default();
    let server = Server::start({
        let recorder = recorder.clone();
        move |_| {
            recorder.add("the plugin runs");
            ok("hello")
        }
    });
    let url = server.url("/");
    let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
    let host = Host::builder().instances(64).audit(recorder.clone()).build().unwrap();
    let store = Stage::of("http_get").on(host).grants(json!({ "http": [grant] })).open();
    assert_eq!(ask(&store, url.as_str()).await.unwrap(), "200 hello");
    assert_eq!(
        recorder.take(),
        ["begin resolve [Reference(value ***)]", "the plugin runs", "finish resolve 1 0"]
    );
    recorder.begin_fails.store(true, Ordering::SeqCst);
    let text = refused(ask(&store, url.as_str()).await, "audit", Blame::Operator);
    contains(&text, "the audit could not be written: the disk is full");
    assert_eq!(recorder.take(), ["begin resolve [Reference(value ***)]"]);
    recorder.begin_fails.store(false, Ordering::SeqCst);
    recorder.finish_fails.store(true, Ordering::SeqCst);
    let text = refused(ask(&store, url.as_str()).await, "audit", Blame::Operator);
    lacks(&text, "hello");
    assert_eq!(recorder.take().len(), 3);
}

#[tokio::test]
async fn every_verb_is_audited_and_fails_without() {
    let (recorder, home) = (Recorder::default(), TempDir::new().unwrap());
    let store = filesystem(recorder.clone(), &home);
    let key = secret("a");
    store.put(&key, &value("hunter2"), Existing::Keep).await.unwrap();
    store.put(&key, &value("hunter2"), Existing::Keep).await.unwrap_err();
    store.list("").await.unwrap();
    store.resolve_one(&key).await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(
        recorder.take(),
        [
            "begin put [Reference(secret a)]",
            "finish put 1 0",
            "begin put [Reference(secret a)]",
            "finish put 1 1",
            "begin list []",
            "finish list 1 0",
            "begin resolve [Reference(secret a)]",
            "finish resolve 1 0",
            "begin delete [Reference(secret a)]",
            "finish delete 1 0",
        ]
    );
    recorder.begin_fails.store(true, Ordering::SeqCst);
    refused(store.put(&key, &value("x"), Existing::Keep).await, "audit", Blame::Operator);
    refused(store.delete(&key).await, "audit", Blame::Operator);
    refused(store.list("").await, "audit", Blame::Operator);
    refused(store.resolve_one(&key).await, "audit", Blame::Operator);
    recorder.begin_fails.store(false, Ordering::SeqCst);
    // Nothing was put.
    assert!(store.list("").await.unwrap().is_empty());
    recorder.finish_fails.store(true, Ordering::SeqCst);
    refused(store.put(&key, &value("x"), Existing::Keep).await, "audit", Blame::Operator);
    refused(store.resolve_one(&key).await, "audit", Blame::Operator);
    refused(store.list("").await, "audit", Blame::Operator);
    refused(store.delete(&key).await, "audit", Blame::Operator);
}

/// Where the lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_line_has_a_value() {
    let (lines, home) = (Lines::default(), TempDir::new().unwrap());
    let store = filesystem(JsonLines::new(lines.clone()), &home);
    let (key, canary) = (secret("the/key"), value("hunter2-canary"));
    store.put(&key, &canary, Existing::Keep).await.unwrap();
    store.put(&key, &canary, Existing::Keep).await.unwrap_err();
    let references =
        [key.clone(), told("hunter2-canary"), Reference::new(Source::Env, "HOME").unwrap()];
    let answers = store.resolve(&references).await;
    assert_eq!(answers[0].as_ref().unwrap().expose(), b"hunter2-canary");
    lacks(&format!("{answers:?}"), "hunter2");
    store.list("").await.unwrap();
    store.delete(&key).await.unwrap();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    lacks(&text, "hunter2");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    for pair in lines.chunks(2) {
        assert_eq!((&pair[0]["event"], &pair[1]["event"]), (&json!("begin"), &json!("finish")));
        assert_eq!(pair[0]["id"], pair[1]["id"]);
        assert_eq!(pair[0]["store"], "files");
        assert_eq!(pair[0]["plugin"], "filesystem");
        contains(pair[0]["digest"].as_str().unwrap(), "sha256:");
        assert!(pair[0].get("outcomes").is_none());
    }
    assert_eq!(lines[3]["outcomes"], json!(["conflict"]));
    assert_eq!(lines[5]["references"], json!(["secret the/key", "value ***", "env HOME"]));
    assert_eq!(lines[5]["outcomes"], json!(["done", "unsupported", "denied"]));
}
