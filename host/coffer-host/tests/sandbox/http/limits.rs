//! How much and how many: the bounds of requests and answers, each from both sides.

use super::{grant, store, with};
use crate::dns::{Scripted, granted_to};
use crate::server::{Server, ok, reply};
use crate::stage::{ask, contains, lacks, refused, told};
use coffer_host::Blame;
use coffer_host::limits::{self, Limits};
use serde_json::json;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[tokio::test]
pub(super) async fn http_headers() {
    let server = Server::start(|_| ok("hello"));
    let store = store("http_headers", &[grant(&server)]);
    let send = async |count: usize, bytes: usize| {
        ask(&store, format!("{count} {bytes} {}", server.url("/v1/a"))).await.unwrap()
    };
    assert_eq!(send(limits::HEADERS_MAX, 1).await, "200");
    contains(&send(limits::HEADERS_MAX + 1, 1).await, "TooLarge");
    // Four bytes are the name's.
    assert_eq!(send(1, limits::HEADER_BYTES_MAX - 4).await, "200");
    contains(&send(1, limits::HEADER_BYTES_MAX - 3).await, "TooLarge(65536)");
    assert_eq!(send(64, 1020).await, "200");
    contains(&send(64, 1021).await, "TooLarge(65536)");
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
pub(super) async fn http_outcome() {
    let headers = |count: usize, bytes: usize| {
        (0..count)
            .map(|index| format!("x{index:03}: {}\r\n", "v".repeat(bytes)))
            .collect::<String>()
    };
    let server = Server::start(move |request| match request.path() {
        // Two headers are in every reply.
        "/v1/many" => reply("200 OK", &headers(limits::HEADERS_MAX - 2, 1), ""),
        "/v1/too-many" => reply("200 OK", &headers(limits::HEADERS_MAX - 1, 1), ""),
        // The buffer has the whole head in it, with what is between.
        "/v1/large" => reply("200 OK", &headers(60, 1000), ""),
        "/v1/too-large" => reply("200 OK", &headers(66, 1000), ""),
        "/v1/huge" => reply("200 OK", &headers(90, 100_000), ""),
        other => panic!("nobody asks for {other}"),
    });
    let store = store("http_outcome", &[grant(&server)]);
    let send = async |path: &str| ask(&store, server.url(path)).await.unwrap();
    assert_eq!(send("/v1/many").await, "200 0");
    assert_eq!(send("/v1/too-many").await, "Error::TooLarge(65536)");
    assert_eq!(send("/v1/large").await, "200 0");
    assert_eq!(send("/v1/too-large").await, "Error::TooLarge(65536)");
    assert_eq!(send("/v1/huge").await, "Error::TooLarge(65536)");
}

/// As many addresses of one name are tried as the limit says, in their order.
#[tokio::test]
async fn so_many_addresses_are_tried() {
    let server = Server::at("127.0.0.100:0", |_| ok("hello"));
    let dns = Scripted::default();
    let store = granted_to(&dns, server.port(), true);
    let url = format!("http://backend.example:{}/", server.port());
    for (dead, reached) in [(limits::ADDRESSES_MAX - 1, true), (limits::ADDRESSES_MAX, false)] {
        let mut addresses: Vec<String> = (1..=dead).map(|n| format!("127.0.0.{n}")).collect();
        addresses.push("127.0.0.100".into());
        dns.then(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let result = ask(&store, url.as_str()).await;
        if reached {
            assert_eq!(result.unwrap(), "hello");
        } else {
            refused(result, "unavailable", Blame::Backend);
        }
    }
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn an_injected_header_has_a_size() {
    let server = Server::start(|_| ok("hello"));
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("token");
    let mut grant = grant(&server);
    grant["headers"] = json!({ "x-token": { "file": file, "prefix": "Bearer " } });
    let store = store("http_get", &[grant]);
    let longest = limits::INJECTED_HEADER_BYTES_MAX - "Bearer ".len();
    std::fs::write(&file, "t".repeat(longest)).unwrap();
    assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 hello");
    assert_eq!(server.received()[0].header("x-token")[0].len(), limits::INJECTED_HEADER_BYTES_MAX);
    std::fs::write(&file, "t".repeat(longest + 1)).unwrap();
    let text = refused(ask(&store, server.url("/v1/a")).await, "other", Blame::Operator);
    contains(&text, "its value has more than 16384 bytes");
    lacks(&text, "ttt");
    assert_eq!(server.received().len(), 1);
}

/// Requests through one interface count for the other.
#[tokio::test]
pub(super) async fn http_both() {
    let server = Server::start(|_| ok("hello"));
    let limits = Limits { requests: 5, ..Limits::default() };
    let store = with("http_both", &[grant(&server)], limits);
    let seen = ask(&store, server.url("/v1/a")).await.unwrap();
    contains(&seen, "3 and 2, then Some(Error::TooManyRequests) and ErrorCode::ConnectionLimit");
    assert_eq!(server.received().len(), 5);
}

/// How many requests are there, and the most that ever were.
type Meeting = (Mutex<(usize, usize)>, Condvar);

/// A server that lets each request wait until `together` are there, and remembers how many there ever were.
fn meeting(together: usize) -> (Server, Arc<Meeting>) {
    let count = Arc::new((Mutex::new((0, 0)), Condvar::new()));
    let server = Server::start({
        let count = Arc::clone(&count);
        move |_| {
            let (numbers, changed) = &*count;
            let mut now = numbers.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            changed.notify_all();
            // A moment longer than it takes shows whether there are more.
            let few = |now: &mut (usize, usize)| now.1 <= together;
            now = changed.wait_timeout_while(now, Duration::from_millis(200), few).unwrap().0;
            now.0 -= 1;
            ok("hello")
        }
    });
    (server, count)
}

/// The requests of one `send-all`, those that a guest begins by itself, and those of several instances.
#[tokio::test]
pub(super) async fn http_wasi_flood() {
    const TOGETHER: usize = 3;
    let limits = Limits { concurrency: TOGETHER, ..Limits::default() };
    let most = |count: &Meeting| count.0.lock().unwrap().1;

    let (server, count) = meeting(TOGETHER);
    let store = with("http_all", &[grant(&server)], limits);
    let urls = vec![server.url("/v1/a"); 4 * TOGETHER].join(" ");
    assert_eq!(ask(&store, urls).await.unwrap(), ["200:hello"; 4 * TOGETHER].join(" "));
    assert_eq!(most(&count), TOGETHER);

    let (server, count) = meeting(TOGETHER);
    let store = with("http_wasi_flood", &[grant(&server)], limits);
    let key = format!("{} {}", 4 * TOGETHER, server.url("/v1/a"));
    assert_eq!(ask(&store, key).await.unwrap(), (4 * TOGETHER).to_string());
    assert_eq!(most(&count), TOGETHER);

    let (server, count) = meeting(TOGETHER * TOGETHER);
    let store = with("http_all", &[grant(&server)], limits);
    let urls = vec![server.url("/v1/a"); 2 * TOGETHER].join(" ");
    // One reference for each instance.
    let asked = vec![told(urls); 2 * TOGETHER];
    let answers = store.resolve(&asked).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let most = most(&count);
    assert!(most > TOGETHER && most <= TOGETHER * TOGETHER, "{most}");
}

/// What a guest does not take, the host does not hold: one that lets its answers lie gets no more of them.
#[tokio::test]
pub(super) async fn http_hoard() {
    const BODY: usize = 100 << 10;
    let server = Server::start(|_| ok(&"b".repeat(BODY)));
    // Ten of them are within a megabyte, which is half of the guest's memory.
    let limits = Limits { memory: 2 << 20, body: BODY, ..Limits::default() };
    let key = |count: usize| format!("{count} {}", server.url("/v1/a"));
    let store = with("http_hoard", &[grant(&server)], limits);
    assert_eq!(ask(&store, key(10)).await.unwrap(), "10 and 0");
    assert_eq!(ask(&store, key(20)).await.unwrap(), "10 and 10");
    let store = with("http_wasi_flood", &[grant(&server)], limits);
    assert_eq!(ask(&store, key(10)).await.unwrap(), "10");
    assert_eq!(ask(&store, key(20)).await.unwrap(), "10");
    // One that is within its own bound always passes.
    let store =
        with("http_hoard", &[grant(&server)], Limits { memory: 1 << 20, body: 1 << 20, ..limits });
    assert_eq!(ask(&store, key(1)).await.unwrap(), "1 and 0");
}
