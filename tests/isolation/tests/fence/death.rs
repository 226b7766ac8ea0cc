//! Workers that die: the call fails with whose fault it is, and the next one works.

use crate::stage::{Stage, ask, contains, granted, refused, runs, signal, until};
use coffer_host::Blame;
use coffer_host::limits::{Limits, WORKER_DEATHS_MAX};
use serde_json::json;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_during_a_call_fails_it_and_is_replaced() {
    let stage = Stage::new();
    // Connections wait in its queue, and nobody answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let grants = json!({ "http": [{ "url": url, "methods": ["GET"], "private-addresses": true }] });
    let limits = Limits { call: Duration::from_secs(600), ..Limits::default() };
    let store = stage.store("plain", "http_get", grants, limits);
    let call = tokio::spawn({
        let (store, url) = (store.clone(), url.clone());
        async move { ask(&store, url).await }
    });
    silent.set_nonblocking(true).unwrap();
    let connection = std::cell::OnceCell::new();
    until("the request comes", || {
        silent.accept().is_ok_and(|accepted| connection.set(accepted).is_ok())
    })
    .await;
    let workers = stage.workers();
    assert_eq!(workers.len(), 1, "{workers:?}");
    signal(&workers[0], libc::SIGKILL);
    let text = refused(call.await.unwrap(), "host", Blame::Host);
    contains(&text, "its worker was killed");
    // It works again: the plugin says that the URL is none.
    let text = refused(ask(&store, "no url").await, "other", Blame::Plugin);
    contains(&text, "the URL is refused");
    assert!(!runs(&workers[0]) && stage.workers().len() == 1);
}

/// One that died while nobody asked is replaced, and nobody is told: whether it is seen to be gone, or is
/// about to go, or was handed the call and never looked at it.
#[tokio::test]
async fn one_that_is_killed_between_calls_is_replaced() {
    let stage = Stage::new();
    let store = stage.escaped(json!({}));
    let mut worker = ask(&store, "pid").await.unwrap();
    for round in 0..WORKER_DEATHS_MAX {
        let next = if round % 2 == 0 {
            signal(&worker, libc::SIGKILL);
            if round % 4 == 0 {
                until("it ends", || !runs(&worker)).await;
            }
            ask(&store, "pid").await
        } else {
            signal(&worker, libc::SIGSTOP);
            let call = ask(&store, "pid");
            let kill = async {
                // The call is at its socket by then, or not. It is the same.
                for _ in 0..round * 10 {
                    tokio::task::yield_now().await;
                }
                signal(&worker, libc::SIGKILL);
            };
            tokio::join!(call, kill).0
        };
        let next = next.unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_ne!(next, worker);
        // And one that lives is kept.
        assert_eq!(ask(&store, "pid").await.unwrap(), next);
        worker = next;
    }
}

/// What a call did before its worker was killed is not done again.
#[tokio::test]
async fn a_call_that_began_is_not_begun_again() {
    let stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let limits = Limits { call: Duration::from_secs(30), ..Limits::default() };
    let grants = granted(directory.path(), "read-write");
    let store = stage.store("escaped", "state_memory", grants, limits);
    let worker = ask(&store, "pid").await.unwrap();
    let mark = directory.path().join("mark");
    let call = ask(&store, format!("mark {}", mark.display()));
    let kill = async {
        until("the mark", || std::fs::read(&mark).is_ok_and(|mark| !mark.is_empty())).await;
        signal(&worker, libc::SIGKILL);
    };
    let text = refused(tokio::join!(call, kill).0, "host", Blame::Host);
    contains(&text, "its worker was killed");
    assert_eq!(std::fs::read(mark).unwrap(), b"x");
    assert_ne!(ask(&store, "pid").await.unwrap(), worker);
}

#[tokio::test]
async fn they_are_not_started_for_ever() {
    let stage = Stage::new();
    let store = stage.escaped(json!({}));
    for _ in 0..=WORKER_DEATHS_MAX {
        refused(ask(&store, "fork").await, "trap", Blame::Plugin);
    }
    let text = refused(ask(&store, "environment").await, "trap", Blame::Plugin);
    contains(&text, "its worker was ended by the fence");
    assert!(stage.workers().is_empty());
}

/// The deadline is the host's: a worker that was taken over does not get to look at it.
#[tokio::test]
async fn one_that_spins_is_ended_at_the_deadline() {
    let stage = Stage::new();
    let limits = Limits { call: Duration::from_millis(300), ..Limits::default() };
    let store = stage.store("escaped", "state_memory", json!({}), limits);
    let worker = ask(&store, "pid").await.unwrap();
    let text = refused(ask(&store, "spin").await, "deadline", Blame::Plugin);
    contains(&text, "was still computing after 300ms");
    until("the worker ends", || !runs(&worker)).await;
    assert_ne!(ask(&store, "pid").await.unwrap(), worker);
}

/// A caller that does not wait for the end of its call leaves nothing that runs.
#[tokio::test]
async fn a_call_that_is_given_up_is_ended() {
    let stage = Stage::new();
    let limits = Limits { call: Duration::from_secs(600), ..Limits::default() };
    let store = stage.store("escaped", "state_memory", json!({}), limits);
    let worker = ask(&store, "pid").await.unwrap();
    let given_up = AtomicBool::new(false);
    tokio::select! {
        _ = ask(&store, "spin") => {}
        () = tokio::time::sleep(Duration::from_millis(100)) => given_up.store(true, Ordering::SeqCst),
    }
    assert!(given_up.load(Ordering::SeqCst));
    until("the worker ends", || !runs(&worker)).await;
    assert_ne!(ask(&store, "pid").await.unwrap(), worker);
}
