//! HTTP: the requests that a grant names and no others, with headers that the plugin never sees.

use crate::retry::http_status;
use crate::server::{Server, ok, reply};
use crate::stage::{Stage, ask, contains, lacks, refused, told};
use coffer_host::limits::Limits;
use coffer_host::{Blame, CallError, Cause, Incident, Store};
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

mod framing;
mod limits;
mod login;
mod reflection;
mod signature;
mod token_file;
mod waiting;

use framing::{http_smuggle, http_twice, http_wasi_header, http_wasi_smuggle, http_wasi_target};
use limits::{http_both, http_headers, http_hoard, http_outcome, http_wasi_flood};
use login::http_scan;
use reflection::http_wasi_answer;
use waiting::http_timeout;

guest_artifacts::foreach_http!(ran);

const TOKEN: &str = "s3cr3t-injected-t0ken";

/// A grant of GET below `/v1/` on this server.
fn grant(server: &Server) -> Value {
    json!({ "url": server.url("/v1/**"), "methods": ["GET", "POST"], "private-addresses": true })
}

/// The same, with a header from a setting.
fn injecting(server: &Server) -> Value {
    let mut grant = grant(server);
    grant["headers"] = json!({ "X-Token": { "setting": "token", "prefix": "Bearer " } });
    grant
}

fn store(guest: &str, grants: &[Value]) -> Store {
    with(guest, grants, Limits::default())
}

fn with(guest: &str, grants: &[Value], limits: Limits) -> Store {
    Stage::of(guest)
        .grants(json!({ "http": grants }))
        .settings(&json!({ "token": TOKEN }))
        .limits(limits)
        .open()
}

/// The plugin was stopped by a missing grant, and the operator is told which.
#[track_caller]
fn denied<T>(result: Result<T, CallError>, expected: &str) -> String {
    let incidents = result.as_ref().err().expect("this is denied").incidents().to_vec();
    assert!(matches!(incidents.as_slice(), [Incident::Denied(_)]), "{incidents:?}");
    let text = refused(result, "other", Blame::Operator);
    contains(&text, expected);
    text
}

#[tokio::test]
async fn http_get() {
    let server = Server::start(|_| ok("hello"));
    let elsewhere = Server::start(|_| ok("elsewhere"));
    let url = server.url("/v1/a");
    // Nothing is granted.
    let text =
        denied(ask(&store("http_get", &[]), url.as_str()).await, "no grant allows GET http://127");
    contains(&text, &format!("- url: \"{url}\""));
    contains(&text, "methods: [GET]");

    let store = store("http_get", &[grant(&server)]);
    assert_eq!(ask(&store, url.as_str()).await.unwrap(), "200 hello");
    assert_eq!(ask(&store, format!("{url}/b?c=d")).await.unwrap(), "200 hello");
    let reached = server.received().len();
    let port = server.port();
    for url in [
        elsewhere.url("/v1/a"),
        server.url("/v2/a"),
        server.url("/v11/a"),
        server.url("/"),
        server.url("/V1/a"),
        format!("http://localhost:{port}/v1/a"),
        format!("http://127.0.0.2:{port}/v1/a"),
        format!("http://[::1]:{port}/v1/a"),
        format!("https://127.0.0.1:{port}/v1/a"),
        "http://127.0.0.1/v1/a".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        denied(ask(&store, url.as_str()).await, "no grant allows GET");
    }
    // What two parsers could read differently is no request at all.
    for url in [
        server.url("/v1/../v2"),
        server.url("/v1/%2e%2e/v2"),
        server.url("/v1/..%2fv2"),
        server.url("/v1/%252e%252e/v2"),
        server.url("/v1/..\\v2"),
        server.url("/v1/a#b"),
        server.url("/v1/a\r\nx: y"),
        format!("http://127.0.0.1:{port}@elsewhere.example/v1/a"),
        format!("http://u:p@127.0.0.1:{port}/v1/a"),
        format!("http://2130706433:{port}/v1/a"),
        format!("http://0x7f.1:{port}/v1/a"),
        format!("http://127.1:{port}/v1/a"),
        format!("http://0177.0.0.1:{port}/v1/a"),
        format!("http://[::ffff:127.0.0.1]:{port}/v1/a"),
        format!("http://127.0.0.1.:{port}/v1/a"),
        "ftp://127.0.0.1/v1/a".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        let text = refused(ask(&store, url.as_str()).await, "other", Blame::Plugin);
        contains(&text, "the URL is refused");
    }
    assert_eq!((server.received().len(), elsewhere.received().len()), (reached, 0));
}

#[tokio::test]
async fn a_private_address_takes_the_operators_word() {
    let server = Server::start(|_| ok("hello"));
    let mut grant = grant(&server);
    grant["private-addresses"] = json!(false);
    let store = store("http_get", &[grant]);
    let text = denied(
        ask(&store, server.url("/v1/a")).await,
        "which 127.0.0.1 stands for and which is not on the public internet",
    );
    contains(&text, "private-addresses: true");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_backend_that_fails_is_to_blame() {
    // Accepts, reads, and never answers.
    let silent = Server::start(|_| Vec::new());
    let limits = Limits { call: Duration::from_millis(300), ..Limits::default() };
    let store_of = |server: &Server| with("http_get", &[grant(server)], limits);
    let result = ask(&store_of(&silent), silent.url("/v1/a")).await;
    assert!(matches!(result.as_ref().unwrap_err().cause(), Cause::Deadline { waiting: true, .. }));
    contains(
        &refused(result, "deadline", Blame::Backend),
        "still waited for its backend after 300ms",
    );
    // Nobody listens there any more.
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{gone}/v1/a");
    let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
    refused(ask(&with("http_get", &[grant], limits), url).await, "unavailable", Blame::Backend);
    // Something that is no HTTP.
    let ssh = Server::start(|_| b"SSH-2.0-OpenSSH_9.6\r\n".to_vec());
    let text = refused(ask(&store_of(&ssh), ssh.url("/v1/a")).await, "other", Blame::Plugin);
    contains(&text, "does not speak HTTP");
    // An answer that ends too soon.
    let cut = Server::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec());
    refused(ask(&store_of(&cut), cut.url("/v1/a")).await, "unavailable", Blame::Backend);
    // More headers than anybody needs.
    let many = Server::start(|_| reply("200 OK", &"a: b\r\n".repeat(1000), "x"));
    refused(ask(&store_of(&many), many.url("/v1/a")).await, "other", Blame::Plugin);
}

#[tokio::test]
async fn http_method() {
    let server = Server::start(|_| ok("hello"));
    let store = store("http_method", &[grant(&server)]);
    let send = async |method: &str| ask(&store, format!("{method} {}", server.url("/v1/a"))).await;
    assert_eq!(send("GET").await.unwrap(), "200");
    assert_eq!(send("POST").await.unwrap(), "200");
    let reached = server.received().len();
    contains(&denied(send("DELETE").await, "no grant allows DELETE"), "methods: [DELETE]");
    for method in ["CONNECT", "TRACE", "get", "Get", "", "GET\r\nx:y", "\u{1b}[2J", "GÉT"] {
        contains(&denied(send(method).await, "a request with the method"), "cannot be granted");
    }
    // A method that would fill the operator's screen.
    denied(send(&"A".repeat(100_000)).await, "a request with the method AAAA");
    assert_eq!(server.received().len(), reached);
}

#[tokio::test]
async fn http_follow() {
    let elsewhere = Server::start(|_| ok("elsewhere"));
    let to = elsewhere.url("/v1/a");
    let server = Server::start(move |request| match request.path() {
        "/v1/out" => reply("302 Found", &format!("location: {to}\r\n"), ""),
        "/v1/in" => {
            let host = request.header("host")[0];
            reply("307 Temporary Redirect", &format!("location: http://{host}/v1/end\r\n"), "")
        }
        _ => ok("end"),
    });
    // The redirect itself is an answer like any other; nobody follows it for the guest.
    let store_get = store("http_get", &[grant(&server)]);
    assert_eq!(ask(&store_get, server.url("/v1/out")).await.unwrap(), "302 ");
    let store = store("http_follow", &[grant(&server)]);
    assert_eq!(ask(&store, server.url("/v1/in")).await.unwrap(), "200");
    denied(ask(&store, server.url("/v1/out")).await, "no grant allows GET");
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn http_header() {
    let server = Server::start(|_| ok("hello"));
    let store = store("http_header", &[injecting(&server)]);
    let url = server.url("/v1/a");
    let set = async |name: &str, value: &str| ask(&store, format!("{name}|{value}|{url}")).await;
    assert_eq!(set("Accept", "text/plain").await.unwrap(), "200");
    let received = server.received();
    let injected = format!("Bearer {TOKEN}");
    assert_eq!(received[0].header("x-token"), [injected.as_str()]);
    assert_eq!(received[0].header("accept"), ["text/plain"]);
    for name in [
        "x-token",
        "X-Token",
        "X-TOKEN",
        "host",
        "Host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
        "proxy-authorization",
        ":authority",
        ":path",
    ] {
        contains(&set(name, "x").await.unwrap(), "belongs to the host");
    }
    contains(&set("x-a", "b\r\nx-token: mine").await.unwrap(), "has a control character");
    contains(&set("x-a: b\r\nx-token", "mine").await.unwrap(), "the name of a header is not one");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn http_answer() {
    let server = Server::start(|request| match request.path() {
        // Debugging endpoints, which exist.
        "/v1/body" => ok(&request.head),
        "/v1/header" => {
            reply("200 OK", &format!("x-was: {}\r\n", request.header("x-token")[0]), "")
        }
        "/v1/hex" => {
            let value = request.header("x-token")[0];
            ok(&value.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        _ => ok("hello"),
    });
    let store = store("http_answer", &[injecting(&server)]);
    let seen = ask(&store, server.url("/v1/a")).await.unwrap();
    // The guest sees its settings, and not the one that is a credential.
    contains(&seen, "greeting");
    lacks(&seen, TOKEN);
    contains(&seen, "Ok(None)");
    for path in ["/v1/body", "/v1/header", "/v1/hex"] {
        let result = ask(&store, server.url(path)).await;
        lacks(&format!("{result:?}"), TOKEN);
        let text = refused(result, "other", Blame::Backend);
        contains(
            &text,
            "was withheld from the plugin because it repeats the injected header x-token",
        );
    }
    assert_eq!(server.received().len(), 4);
}

#[tokio::test]
async fn an_injected_header_that_is_not_there_stops_the_request() {
    let server = Server::start(|_| ok("hello"));
    let without = Stage::of("http_get").grants(json!({ "http": [injecting(&server)] })).open();
    let text = refused(ask(&without, server.url("/v1/a")).await, "other", Blame::Operator);
    contains(&text, "the store has no credential `token`");
    let mut grant = grant(&server);
    grant["headers"] = json!({ "x-token": { "env": "COFFER_TEST_THAT_NOBODY_SETS" } });
    let text = refused(
        ask(&store("http_get", &[grant.clone()]), server.url("/v1/a")).await,
        "other",
        Blame::Operator,
    );
    contains(&text, "the environment variable COFFER_TEST_THAT_NOBODY_SETS is not set");
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("token");
    grant["headers"] = json!({ "x-token": { "file": file } });
    let store = store("http_get", &[grant]);
    let text = refused(ask(&store, server.url("/v1/a")).await, "other", Blame::Operator);
    contains(&text, "cannot be read");
    assert!(server.received().is_empty());
    // A file is read again for each request, so that a rotated token is used.
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 hello");
        assert_eq!(server.received().last().unwrap().header("x-token"), [token]);
    }
}

/// What a token file has in it is nobody's to see, also when it cannot be used.
#[tokio::test]
async fn a_token_that_cannot_be_sent_is_not_shown() {
    let server = Server::start(|_| ok("hello"));
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("token");
    let mut grant = grant(&server);
    grant["headers"] = json!({ "x-token": { "file": file } });
    let store = store("http_get", &[grant]);
    let long = "canary".repeat(3000);
    for token in ["canary\ncanary", "canary\0", "\u{7f}canary", "", " \n", long.as_str()] {
        std::fs::write(&file, token).unwrap();
        let text = refused(ask(&store, server.url("/v1/a")).await, "other", Blame::Operator);
        contains(&text, "the header x-token could not be added");
        lacks(&text, "canary");
    }
    assert!(server.received().is_empty());
}

/// As many instances at the same time as the store allows, and no more.
#[tokio::test]
async fn concurrency_is_bounded() {
    const TOGETHER: usize = 3;
    let (count, most) = (Arc::new((Mutex::new((0, 0)), Condvar::new())), 4 * TOGETHER);
    let server = Server::start({
        let count = Arc::clone(&count);
        move |_| {
            let (numbers, changed) = &*count;
            let mut now = numbers.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            changed.notify_all();
            // Until as many are here as can be; a moment longer shows whether there are more.
            let wait = |_: &mut (usize, usize)| true;
            now = changed.wait_timeout_while(now, Duration::from_millis(200), wait).unwrap().0;
            now.0 -= 1;
            ok("hello")
        }
    });
    let limits = Limits { concurrency: TOGETHER, ..Limits::default() };
    let store = with("http_get", &[grant(&server)], limits);
    let asked = vec![told(server.url("/v1/a")); most];
    // Two callers share the store's limit.
    let (one, other) = tokio::join!(store.resolve(&asked), store.resolve(&asked));
    assert!(one.into_iter().chain(other).all(|answer| answer.is_ok()));
    assert_eq!(count.0.lock().unwrap().1, TOGETHER);
}

/// A server that sends a byte and then nothing does not get to hold the call to its end.
#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let stalls = Server::stalling(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1");
    let limits = Limits { call: Duration::from_secs(60), ..Limits::default() };
    let store = with("http_get", &[grant(&stalls)], limits);
    let begun = Instant::now();
    refused(ask(&store, stalls.url("/v1/a")).await, "unavailable", Blame::Backend);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn http_flood() {
    let server = Server::start(|_| ok("hello"));
    let limits = Limits { requests: 5, ..Limits::default() };
    let store = with("http_flood", &[grant(&server)], limits);
    for calls in 1..=2 {
        assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "5");
        assert_eq!(server.received().len(), 5 * calls);
    }
}

#[tokio::test]
async fn http_all() {
    let server = Server::start(|request| ok(request.path()));
    let limits = Limits { requests: 4, ..Limits::default() };
    let store = with("http_all", &[grant(&server)], limits);
    let urls = ["/v1/a", "/v2/b", "/v1/c"].map(|path| server.url(path)).join(" ");
    assert_eq!(ask(&store, urls).await.unwrap(), "200:/v1/a denied 200:/v1/c");
    let urls = ["/v1/1", "/v1/2", "/v1/3", "/v1/4", "/v1/5"].map(|path| server.url(path)).join(" ");
    let answers = ask(&store, urls).await.unwrap();
    assert_eq!(answers, "200:/v1/1 200:/v1/2 200:/v1/3 200:/v1/4 too many");
    assert_eq!(server.received().len(), 6);
}

#[tokio::test]
async fn http_upload() {
    let server = Server::start(|request| match request.path() {
        "/v1/inside" => ok(&"r".repeat(2048)),
        "/v1/announced" => ok(&"r".repeat(2049)),
        "/v1/chunked" => {
            let chunk = format!("400\r\n{}\r\n", "c".repeat(1024)).repeat(3);
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
                .into_bytes()
        }
        _ => ok("taken"),
    });
    let limits = Limits { body: 2048, ..Limits::default() };
    let store = with("http_upload", &[grant(&server)], limits);
    assert_eq!(ask(&store, format!("2048 {}", server.url("/v1/a"))).await.unwrap(), "200");
    assert_eq!(server.received()[0].body.len(), 2048);
    let result = ask(&store, format!("2049 {}", server.url("/v1/a"))).await;
    contains(&refused(result, "other", Blame::Plugin), "exceeds 2048 bytes");
    assert_eq!(server.received().len(), 1);
    assert_eq!(ask(&store, format!("0 {}", server.url("/v1/inside"))).await.unwrap(), "200");
    for path in ["/v1/announced", "/v1/chunked"] {
        let result = ask(&store, format!("0 {}", server.url(path))).await;
        contains(&refused(result, "other", Blame::Plugin), "exceeds 2048 bytes");
    }
}

/// The way of guests in other languages goes through the same gate.
#[tokio::test]
async fn http_wasi() {
    let server = Server::start(|_| ok("hello"));
    let url = server.url("/v1/a");
    let nothing = store("http_wasi", &[]);
    assert_eq!(ask(&nothing, url.as_str()).await.unwrap(), "denied");
    let plain = store("http_wasi", &[grant(&server)]);
    assert_eq!(ask(&plain, url.as_str()).await.unwrap(), "status 200");
    assert_eq!(server.received()[0].header("x-token"), ["mine"]);
    assert_eq!(ask(&plain, server.url("/v2/a")).await.unwrap(), "denied");
    assert_eq!(ask(&plain, server.url("/v1/%2e%2e/v2")).await.unwrap(), "invalid");
    // The header that the guest sets is the host's here.
    let injecting = store("http_wasi", &[injecting(&server)]);
    assert_eq!(ask(&injecting, url.as_str()).await.unwrap(), "invalid");
    assert_eq!(server.received().len(), 1);
    // It waits by polling, and it is the backend that it waits for.
    let silent = Server::start(|_| Vec::new());
    let limits = Limits { call: Duration::from_millis(300), ..Limits::default() };
    let waits = with("http_wasi", &[grant(&silent)], limits);
    refused(ask(&waits, silent.url("/v1/a")).await, "deadline", Blame::Backend);
}
