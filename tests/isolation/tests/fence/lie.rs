//! Workers that lie: coffer believes nothing, waits for nothing without an end, and goes on.

use crate::stage::{Stage, ask, contains, refused};
use coffer_host::limits::{Compiling, EFFECTS_MAX, LOG_LINES_MAX, Limits};
use coffer_host::{Blame, CallError, Explain as _, LoadError};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CALL: Duration = Duration::from_millis(1500);

async fn told(lie: &str) -> Result<String, CallError> {
    told_with(lie, json!({})).await
}

async fn told_with(lie: &str, grants: Value) -> Result<String, CallError> {
    let stage = Stage::new();
    let limits = Limits { call: CALL, ..Limits::default() };
    let store = stage.store(&format!("lies-{lie}"), "state_memory", grants, limits);
    let begun = Instant::now();
    let answer = ask(&store, "k").await;
    assert!(begun.elapsed() < CALL + Duration::from_secs(20), "{lie}: {:?}", begun.elapsed());
    answer
}

#[tokio::test]
async fn what_no_worker_says_ends_it() {
    for (lie, expected) in [
        ("length", "its worker sent a message that is too long"),
        ("garbage", "its worker sent what is no message"),
        ("list", "its worker sent what is no message"),
        ("other", "its worker spoke of a call that there is not"),
        ("effects", "its worker asked for too much at once"),
        ("verb", "it answered something else"),
        ("count", "0 answers for 1 references"),
    ] {
        let text = refused(told(lie).await, "contract", Blame::Plugin);
        contains(&text, expected);
    }
}

#[tokio::test]
async fn one_that_says_nothing_has_the_time_of_a_call() {
    let text = refused(told("silent").await, "deadline", Blame::Plugin);
    contains(&text, "was still computing after 1s 500ms");
}

#[tokio::test]
async fn one_that_is_gone_is_told_of() {
    let text = refused(told("gone").await, "host", Blame::Host);
    contains(&text, "its worker did not start");
}

/// As much as may be asked for at the same time is waited for; one more is not.
#[tokio::test]
async fn one_that_asks_for_too_much_is_ended() {
    // Connections wait in its queue, and nobody answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/");
    let grants = json!({ "http": [{ "url": url, "methods": ["GET"], "private-addresses": true }] });
    let ask = async |count| told_with(&format!("requests-{port}-{count}"), grants.clone()).await;
    let text = refused(ask(EFFECTS_MAX).await, "deadline", Blame::Backend);
    contains(&text, "1s 500ms");
    let text = refused(ask(EFFECTS_MAX + 1).await, "contract", Blame::Plugin);
    contains(&text, "its worker asked for too much at once");
}

/// One that does not listen has nothing kept for it but the reply on its way, the next one, and one that waits.
#[tokio::test]
async fn one_that_does_not_listen_is_served_no_further() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    std::thread::spawn({
        let came = Arc::clone(&came);
        move || {
            for connection in server.incoming() {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 4096]).unwrap();
                came.fetch_add(1, Ordering::SeqCst);
                // More than a socket holds.
                let body = vec![b'x'; 1 << 20];
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                // Whoever gave up is not there any more.
                let _ = connection.write_all(&[head.as_bytes(), &body].concat());
            }
        }
    });
    let grants = json!({ "http": [{
        "url": format!("http://127.0.0.1:{port}/"), "methods": ["GET"], "private-addresses": true,
    }] });
    // One after the other, so that what was done is what was answered.
    let limits = Limits { call: CALL, concurrency: 1, ..Limits::default() };
    let stage = Stage::new();
    let store = stage.store(&format!("lies-deaf-{port}-20"), "state_memory", grants, limits);
    let error = ask(&store, "k").await.unwrap_err();
    assert_eq!(error.cause().kind(), "deadline", "{error}");
    let came = came.load(Ordering::SeqCst);
    assert!((1..=4).contains(&came), "{came} requests were made for it");
}

/// What it says that it saw blames no directory but a granted one.
#[tokio::test]
async fn what_it_alleges_of_files_is_looked_at() {
    let error = told("sights").await.unwrap_err();
    assert_eq!((error.cause().kind(), error.blame()), ("other", Blame::Plugin), "{error}");
    assert!(error.incidents().is_empty(), "{error}");
}

/// What it logs is counted again, and shown as any plugin's.
#[tokio::test]
async fn an_endless_log_is_cut_off() {
    let lines = crate::lines::Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    assert_eq!(told("log").await.unwrap(), "v");
    drop(guard);
    let shown = lines.of("coffer::plugin");
    assert_eq!(shown.iter().filter(|line| line.starts_with("INFO")).count(), LOG_LINES_MAX);
    assert_eq!(shown.len(), LOG_LINES_MAX + 1);
    // What it says was left out is counted with what was.
    contains(shown.last().unwrap(), &format!("dropped={}", usize::MAX));
}

/// A compiler that was taken over gives code that is never loaded here, or more than it may.
#[tokio::test]
async fn a_compiler_that_lies_is_not_believed() {
    let stage = Stage::new();
    let host = stage.builder("lies-compiles").build().unwrap();
    let error = host.load_isolated(&guest_artifacts::guest("state_memory")).unwrap_err();
    assert!(matches!(error, LoadError::Compile(_)), "{error}");
    assert_eq!(error.blame(), Blame::Plugin);
    contains(&error.to_string(), "its compiler sent what is no message");
    // One that says nothing has its time.
    let compiling = Compiling { time: Duration::from_millis(300), ..Compiling::default() };
    let host = stage.builder("lies-unready").compiling(compiling).build().unwrap();
    let begun = Instant::now();
    let error = host.load_isolated(&guest_artifacts::guest("state_memory")).unwrap_err();
    assert!(matches!(error, LoadError::CompileLimit { .. }), "{error}");
    contains(&error.to_string(), "300ms");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
