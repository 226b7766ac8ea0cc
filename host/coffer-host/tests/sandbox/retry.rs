//! Backends that are down, slow, broken or busy. What they were sent is counted where it arrives: what can be
//! done twice without harm is sent again, a few times and in time, and nothing else ever is.

use crate::server::{Received, Server, ok, reply};
use crate::stage::{ask, contains, host, lacks, refused};
use coffer_host::grants::Grants;
use coffer_host::limits::{Limits, TRIES_MAX};
use coffer_host::{Blame, Cause, Granted, Plugin, Store, StoreConfig};
use serde_json::{Map, json};
use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];

fn store(url: &str, limits: Limits) -> Store {
    // Compiled once: there are many backends here.
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    let plugin = PLUGIN
        .get_or_init(|| crate::way::load(&host(), &guest_artifacts::guest("http_status")).unwrap());
    let grant = json!({ "url": url, "methods": METHODS, "private-addresses": true });
    let grants: Grants = serde_json::from_value(json!({ "http": [grant] })).unwrap();
    let config = StoreConfig { settings: Map::new(), grants: Granted::Only(grants), limits };
    host().store("stage", plugin, config).unwrap()
}

/// What the plugin made of `METHOD` to the server.
async fn sent(
    server: &Server,
    method: &str,
    limits: Limits,
) -> Result<String, coffer_host::CallError> {
    let url = server.url("/v1/a");
    ask(&store(&url, limits), format!("{method} {url}")).await
}

/// A backend that gives these answers one after the other, and the last one from then on.
fn answering(answers: &[(&'static str, &'static str)]) -> Server {
    let (answers, next) = (answers.to_vec(), AtomicUsize::new(0));
    Server::start(move |_| {
        let index = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let (status, headers) = answers[index];
        reply(status, headers, "")
    })
}

const FINE: (&str, &str) = ("200 OK", "");
const BUSY: (&str, &str) = ("429 Too Many Requests", "");
const SOON: (&str, &str) = ("429 Too Many Requests", "retry-after: 0\r\n");
const DOWN: (&str, &str) = ("503 Service Unavailable", "");

#[tokio::test]
pub(crate) async fn http_status() {
    let server = answering(&[FINE, ("404 Not Found", "")]);
    assert_eq!(sent(&server, "GET", Limits::default()).await.unwrap(), "200");
    refused(sent(&server, "GET", Limits::default()).await, "not-found", Blame::Requester);
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn what_can_be_done_twice_is_sent_again() {
    for first in [
        BUSY,
        SOON,
        DOWN,
        ("429 Too Many Requests", "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        // Nothing that could be followed is as if there was nothing.
        ("429 Too Many Requests", "retry-after: soon\r\n"),
        ("503 Service Unavailable", "retry-after: -5\r\n"),
        ("502 Bad Gateway", ""),
        ("504 Gateway Timeout", ""),
    ] {
        for method in ["DELETE", "GET", "HEAD", "PUT"] {
            let server = answering(&[first, FINE]);
            let answer = sent(&server, method, Limits::default()).await;
            assert_eq!(answer.unwrap(), "200", "{method} after {first:?}");
            let received = server.received();
            assert_eq!(received.len(), 2, "{method} after {first:?}");
            // The second is the first over again.
            assert_eq!(received[0].head, received[1].head);
            assert_eq!(received[0].body, received[1].body);
        }
    }
    let server = answering(&[DOWN, BUSY, FINE]);
    assert_eq!(sent(&server, "GET", Limits::default()).await.unwrap(), "200");
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_done_twice_is_sent_once() {
    for answer in [BUSY, SOON, DOWN, ("502 Bad Gateway", ""), ("504 Gateway Timeout", "")] {
        for method in ["PATCH", "POST"] {
            let server = answering(&[answer, FINE]);
            let failure = sent(&server, method, Limits::default()).await;
            let text = refused(failure, "unavailable", Blame::Backend);
            lacks(&text, "tried");
            assert_eq!(server.received().len(), 1, "{method}: {answer:?}");
        }
    }
    // A server that failed may have done half of it.
    let server = answering(&[("500 Internal Server Error", "retry-after: 0\r\n"), FINE]);
    refused(sent(&server, "GET", Limits::default()).await, "unavailable", Blame::Backend);
    assert_eq!(server.received().len(), 1);
    assert_eq!(sent(&server, "GET", Limits::default()).await.unwrap(), "200");
}

#[tokio::test]
async fn tries_are_bounded_and_told() {
    for answer in [BUSY, SOON, DOWN] {
        let server = answering(&[answer]);
        let failure = sent(&server, "GET", Limits::default()).await;
        contains(&refused(failure, "unavailable", Blame::Backend), "; it was tried 3 times");
        assert_eq!(server.received().len(), TRIES_MAX);
    }
    // Each counts as a request of the call.
    for requests in 1..TRIES_MAX {
        let server = answering(&[SOON]);
        let failure = sent(&server, "GET", Limits { requests, ..Limits::default() }).await;
        assert!(matches!(
            failure.as_ref().unwrap_err().cause(),
            Cause::Unavailable { tries, after_ms: Some(0) } if *tries == requests
        ));
        assert_eq!(server.received().len(), requests);
    }
}

#[tokio::test]
async fn what_a_backend_asks_to_wait_is_told_if_it_does_not_fit() {
    for (asked, expected) in [
        ("retry-after: 3600\r\n", "asked to wait 1h"),
        ("retry-after: 4\r\n", "asked to wait 4s"),
        ("retry-after: Tue, 31 Dec 2199 23:59:59 GMT\r\n", "years"),
    ] {
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            let server = answering(&[(status, asked), FINE]);
            let failure = sent(&server, "GET", Limits::default()).await;
            let text = refused(failure, "unavailable", Blame::Backend);
            contains(&text, expected);
            contains(&text, "try again after that time");
            assert_eq!(server.received().len(), 1, "{asked}");
        }
    }
    // What fits into another call's time does not fit here; the call ends with the answer, not with its time.
    let server = answering(&[("429 Too Many Requests", "retry-after: 1\r\n"), FINE]);
    let limits = Limits { call: Duration::from_millis(1500), ..Limits::default() };
    contains(
        &refused(sent(&server, "GET", limits).await, "unavailable", Blame::Backend),
        "asked to wait 1s",
    );
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn nothing_is_written_to_a_backend_that_is_down() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/v1/a");
    // So a POST can be tried again as well.
    for method in ["GET", "POST"] {
        let failure = ask(&store(&url, Limits::default()), format!("{method} {url}")).await;
        let text = refused(failure, "unavailable", Blame::Backend);
        contains(&text, "; it was tried 3 times");
        contains(&text, "check that the backend is up");
    }
}

/// Sends the beginning of an answer and closes the connection.
fn cut(beginning: &'static [u8]) -> impl Fn(&Received, TcpStream) {
    move |_, mut connection| drop(connection.write_all(beginning))
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_asked_for_again() {
    type Broken = (&'static [u8], &'static str, &'static str);
    let broken: [Broken; 7] = [
        (b"", "unavailable", ""),
        (b"HTTP/1.1 200 O", "unavailable", ""),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "unavailable", ""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "unavailable", ""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal", "unavailable", ""),
        (
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 \xff\xfe\r\n\r\n",
            "other",
            "does not speak HTTP",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "other", "does not speak HTTP"),
    ];
    for (beginning, kind, expected) in broken {
        for method in ["DELETE", "GET", "POST", "PUT"] {
            let server = Server::misbehaving(cut(beginning));
            let failure = sent(&server, method, Limits::default()).await;
            let blame = if kind == "other" { Blame::Plugin } else { Blame::Backend };
            let text = refused(failure, kind, blame);
            contains(&text, expected);
            lacks(&text, "tried");
            assert_eq!(server.received().len(), 1, "{method}: {}", beginning.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_is_not_made_again() {
    // With the end of the request unread, closing resets the connection.
    for method in ["DELETE", "GET", "POST", "PUT"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/a", listener.local_addr().unwrap());
        let (arrived, arrivals) = mpsc::channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.unwrap();
                if connection.peek(&mut [0; 1]).is_ok_and(|read| read > 0)
                    && arrived.send(()).is_err()
                {
                    return;
                }
            }
        });
        let failure = ask(&store(&url, Limits::default()), format!("{method} {url}")).await;
        lacks(&refused(failure, "unavailable", Blame::Backend), "tried");
        assert_eq!(arrivals.try_iter().count(), 1, "{method}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_between_two_requests_is_made_anew() {
    let (closed, closings) = mpsc::channel();
    let server = Server::misbehaving(move |_, mut connection| {
        // It does not say that it will close.
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        drop(connection);
        closed.send(()).unwrap();
    });
    let url = server.url("/v1/a");
    let store = store(&url, Limits::default());
    for (count, method) in (1..).zip(["POST", "GET", "POST", "PUT", "POST"]) {
        assert_eq!(ask(&store, format!("{method} {url}")).await.unwrap(), "200", "{method}");
        closings.recv().unwrap();
        assert_eq!(server.received().len(), count);
    }
}

#[tokio::test]
async fn a_backend_that_drips_has_the_time_of_the_call() {
    let (gone, is_gone) = mpsc::channel();
    let server = Server::misbehaving(move |_, mut connection| {
        let head: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        let mut wrote = connection.write_all(head);
        let (_never, pace) = mpsc::channel::<()>();
        while wrote.is_ok() {
            // A byte at a time, as long as somebody listens.
            let _ = pace.recv_timeout(Duration::from_millis(10));
            wrote = connection.write_all(b"x");
        }
        let _ = connection.shutdown(Shutdown::Both);
        let _ = gone.send(());
    });
    let limits = Limits { call: Duration::from_millis(300), ..Limits::default() };
    let failure = sent(&server, "GET", limits).await;
    let text = refused(failure, "deadline", Blame::Backend);
    contains(&text, "still waited for its backend after 300ms");
    // The connection goes with the call.
    tokio::task::spawn_blocking(move || is_gone.recv()).await.unwrap().unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn another_answer_is_used_when_it_comes() {
    // Many at the same time, of which every other is refused first: all of them are answered.
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        if count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            reply(SOON.0, SOON.1, "")
        } else {
            ok("")
        }
    });
    let url = server.url("/v1/a");
    let store = store(&url, Limits::default());
    for _ in 0..8 {
        assert_eq!(ask(&store, format!("GET {url}")).await.unwrap(), "200");
    }
    assert_eq!(server.received().len(), 16);
}
