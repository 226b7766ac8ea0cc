//! What goes over the wire is the one request that was judged, whatever a plugin puts into its parts.

use super::{grant, injecting, store};
use crate::server::{Server, ok, reply};
use crate::stage::{Stage, ask, contains, lacks, refused};
use crate::wire::{Wire, kept};
use coffer_host::Blame;
use coffer_host::grants::UrlError;
use serde_json::json;

const INJECTED: &str = "x-token: Bearer s3cr3t-injected-t0ken";

fn wire_grant(wire: &Wire) -> serde_json::Value {
    json!({ "url": wire.url("/v1/**"), "methods": ["GET", "POST"], "private-addresses": true })
}

/// Names that would frame the message differently, route it elsewhere or ask for something else, and
/// values that would begin another header or another request.
const TRICKS: [(&str, &str); 30] = [
    ("content-length", "0"),
    ("Content-Length", "5"),
    ("content_length", "0"),
    ("transfer-encoding", "chunked"),
    ("Transfer-Encoding", "identity, chunked"),
    ("transfer_encoding", "chunked"),
    ("te", "trailers"),
    ("trailer", "x-token"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ("connection", "x-token"),
    ("Connection", "upgrade"),
    ("keep-alive", "timeout=1000"),
    ("proxy-connection", "keep-alive"),
    ("expect", "100-continue"),
    ("host", "elsewhere.example"),
    ("HOST", "elsewhere.example"),
    ("forwarded", "host=elsewhere.example"),
    ("x-forwarded-host", "elsewhere.example"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("x-original-url", "/v2/a"),
    ("x-a", "b\r\nx-b: c"),
    ("x-a", "b\nx-b: c"),
    ("x-a", "b\rx-b: c"),
    ("x-a", "b\r\n c"),
    ("x-a", "b\0c"),
    ("x-a\r\nx-b", "c"),
    ("x-a: b\r\nx-b", "c"),
    ("x a", "b"),
    ("x-a ", "b"),
];

#[tokio::test]
pub(super) async fn http_smuggle() {
    let wire = Wire::start(|_| kept("hello"));
    let store = store("http_smuggle", &[wire_grant(&wire)]);
    for (name, value) in TRICKS {
        let key = format!("{name}|{value}|{}", wire.url("/v1/a"));
        contains(&ask(&store, key).await.unwrap(), "InvalidRequest");
    }
    assert_eq!(wire.seen(), "", "nothing of those was sent");
    // The same body without a trick is one request, to its last byte.
    assert_eq!(ask(&store, format!("||{}", wire.url("/v1/a"))).await.unwrap(), "200");
    let body = "0\r\n\r\nDELETE /v2/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let (host, length) = (format!("127.0.0.1:{}", wire.port()), body.len());
    assert_eq!(
        wire.seen(),
        format!("POST /v1/a HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n{body}")
    );
}

#[tokio::test]
pub(super) async fn http_wasi_smuggle() {
    let wire = Wire::start(|_| kept("hello"));
    let store = store("http_wasi_smuggle", &[wire_grant(&wire)]);
    for (name, value) in TRICKS {
        let key = format!("{name}|{value}|{}", wire.url("/v1/a"));
        let outcome = ask(&store, key).await.unwrap();
        assert!(!outcome.starts_with("status"), "{name}: {value:?}: {outcome}");
    }
    assert_eq!(wire.seen(), "", "nothing of those was sent");
    // The length is that of the body, and the trailers are nobody's.
    assert_eq!(ask(&store, format!("||{}", wire.url("/v1/a"))).await.unwrap(), "status 200");
    let body = "0\r\n\r\nDELETE /v2/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let (host, length) = (format!("127.0.0.1:{}", wire.port()), body.len());
    assert_eq!(
        wire.seen(),
        format!("POST /v1/a HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n{body}")
    );
}

#[tokio::test]
pub(super) async fn http_wasi_header() {
    let server = Server::start(|_| ok("hello"));
    let store = store("http_wasi_header", &[injecting(&server)]);
    let url = server.url("/v1/a");
    let set =
        async |name: &str, value: &str| ask(&store, format!("{name}|{value}|{url}")).await.unwrap();
    assert_eq!(set("Accept", "text/plain").await, "status 200");
    let head = server.received()[0].head.clone();
    contains(&head, INJECTED);
    contains(&head, "accept: text/plain");
    for name in ["x-token", "X-Token", "X-TOKEN", "x_token", "X_Token"] {
        let outcome = set(name, "mine").await;
        assert!(!outcome.starts_with("status"), "{name}: {outcome}");
    }
    for (name, value) in TRICKS.into_iter().filter(|trick| *trick != ("content-length", "0")) {
        let outcome = set(name, value).await;
        assert!(!outcome.starts_with("status"), "{name}: {value:?}: {outcome}");
    }
    assert_eq!(server.received().len(), 1);
    // The engine knows that this one is true. It is not sent all the same.
    assert_eq!(set("content-length", "0").await, "status 200");
    assert_eq!(server.received()[1].header("content-length"), [""; 0]);
}

/// A header that may be there twice is; one that is the host's is not there even once.
#[tokio::test]
pub(super) async fn http_twice() {
    let server = Server::start(|_| ok("hello"));
    let store = store("http_twice", &[injecting(&server)]);
    let url = server.url("/v1/a");
    assert_eq!(ask(&store, format!("x-a {url}")).await.unwrap(), "200");
    let received = server.received();
    assert_eq!(received[0].header("x-a"), ["one", "two"]);
    assert_eq!(received[0].header("host"), [format!("127.0.0.1:{}", server.port())]);
    assert_eq!(received[0].header("x-token").len(), 1);
    for name in ["host", "Host", "x-token", "X_Token", "content-length"] {
        contains(&ask(&store, format!("{name} {url}")).await.unwrap(), "belongs to the host");
    }
    assert_eq!(server.received().len(), 1);
}

/// The target of a request is the path of the URL, and never an absolute URL, an authority or a `*`.
#[tokio::test]
pub(super) async fn http_wasi_target() {
    let wire = Wire::start(|_| kept("hello"));
    let store = store("http_wasi_target", &[wire_grant(&wire)]);
    let port = wire.port();
    let own = format!("127.0.0.1:{port}");
    let send = async |key: String| ask(&store, key).await;
    assert_eq!(send(format!("GET|http|{own}|/v1/a?b")).await.unwrap(), "status 200");
    assert_eq!(wire.seen(), format!("GET /v1/a?b HTTP/1.1\r\nhost: {own}\r\n\r\n"));
    for key in [
        format!("CONNECT|http|{own}|/v1/a"),
        format!("CONNECT|http|{own}|-"),
        "CONNECT|http|elsewhere.example:443|-".to_owned(),
        format!("TRACE|http|{own}|/v1/a"),
        format!("connect|http|{own}|/v1/a"),
        format!("GET /v1/a HTTP/1.1\r\n\r\nGET|http|{own}|/v1/a"),
        format!("PRI|http|{own}|*"),
        format!("OPTIONS|http|{own}|*"),
        format!("GET|http|{own}|http://elsewhere.example/v1/a"),
        format!("GET|http|{own}|//elsewhere.example/v1/a"),
        format!("GET|http|{own}|@elsewhere.example/v1/a"),
        format!("GET|http|{own}|.elsewhere.example/v1/a"),
        format!("GET|http|{own}|\\v1\\a"),
        format!("GET|http|{own}|/v1/../v2/a"),
        format!("GET|http|{own}|/v1/%2e%2e/v2/a"),
        format!("GET|http|{own}|/v1/..;/v2/a"),
        format!("GET|http|{own}|/v1//a"),
        format!("GET|http|{own}|/v1/a HTTP/1.1\r\nx: y"),
        format!("GET|http|u:p@{own}|/v1/a"),
        format!("GET|http|elsewhere.example@{own}|/v1/a"),
        format!("GET|http|{own}@elsewhere.example|/v1/a"),
        format!("GET|http|127.0.0.1.:{port}|/v1/a"),
        format!("GET|http|2130706433:{port}|/v1/a"),
        format!("GET|http|[::ffff:127.0.0.1]:{port}|/v1/a"),
        format!("GET|http|[fe80::1%251]:{port}|/v1/a"),
        "GET|http|127.0.0.1|/v1/a".to_owned(),
        format!("GET|https|{own}|/v1/a"),
        format!("GET|-|{own}|/v1/a"),
        format!("GET|ftp|{own}|/v1/a"),
        format!("GET|unix|{own}|/v1/a"),
        "GET|http|-|/v1/a".to_owned(),
        format!("GET|http|{own}|-"),
    ] {
        if let Ok(outcome) = send(key.clone()).await {
            assert!(!outcome.starts_with("status"), "{key:?}: {outcome}");
        }
    }
    assert_eq!(wire.connections().concat().windows(6).filter(|six| six == b"HTTP/1").count(), 1);
}

/// For each character that a URL can be written with: either it is refused, or it is on the wire as it
/// was judged, and stays where it was.
#[tokio::test]
async fn what_was_judged_is_what_is_sent() {
    let wire = Wire::start(|_| kept("hello"));
    let store = store("http_outcome", &[wire_grant(&wire)]);
    let mut expected = String::new();
    for character in (0..=127_u8).map(char::from).chain(['\u{e4}', '\u{ff0f}', '\u{2028}']) {
        for part in [
            format!("/v1/a{character}b"),
            format!("/v1/a?b{character}c"),
            format!("/v1/%{:02x}", character as u32 & 0xff),
        ] {
            let url = wire.url(&part);
            let outcome = ask(&store, url.as_str()).await;
            match judged(&url) {
                Ok(target) => {
                    assert_eq!(outcome.unwrap(), "200 5", "{part:?}");
                    let host = wire.port();
                    expected.push_str(&format!(
                        "GET {target} HTTP/1.1\r\nhost: 127.0.0.1:{host}\r\n\r\n"
                    ));
                }
                Err(_) => contains(&outcome.unwrap_or_default(), "InvalidRequest"),
            }
        }
    }
    assert_eq!(wire.seen(), expected);
    assert!(expected.len() > 10_000, "most of them are sent");
}

fn judged(url: &str) -> Result<String, UrlError> {
    use coffer_host::grants::RequestUrl;
    RequestUrl::parse(url).map(|url| url.path_and_query())
}

/// A server that sends more than one answer does not get to answer the next request with it.
#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_nobodys() {
    let wire = Wire::start(|head| {
        if head.contains("/v1/first") {
            [kept("first"), kept("planted")].concat()
        } else {
            kept("own")
        }
    });
    let store = store("http_get", &[wire_grant(&wire)]);
    for _ in 0..10 {
        assert_eq!(ask(&store, wire.url("/v1/first")).await.unwrap(), "200 first");
        assert_eq!(ask(&store, wire.url("/v1/second")).await.unwrap(), "200 own");
    }
}

/// Answers of which two readers would read two lengths.
#[tokio::test]
async fn an_answer_of_two_lengths_is_none() {
    let server = Server::start(|request| {
        let head = match request.path() {
            "/v1/lengths" => "content-length: 5\r\ncontent-length: 6\r\n",
            "/v1/list" => "content-length: 5, 6\r\n",
            "/v1/sign" => "content-length: +5\r\n",
            "/v1/space" => "content-length : 5\r\n",
            "/v1/folded" => "x-a: b\r\n c\r\ncontent-length: 5\r\n",
            "/v1/zero" => "x-a: b\0c\r\ncontent-length: 5\r\n",
            _ => "content-length: 5\r\n",
        };
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{head}\r\nhello").into_bytes()
    });
    let store = store("http_outcome", &[grant(&server)]);
    assert_eq!(ask(&store, server.url("/v1/plain")).await.unwrap(), "200 5");
    for path in ["lengths", "list", "sign", "space", "folded", "zero"] {
        let outcome = ask(&store, server.url(&format!("/v1/{path}"))).await.unwrap();
        assert_eq!(outcome, "Error::MalformedResponse", "{path}");
    }
}

/// Answers whose end does not come, or comes otherwise than it was announced.
#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let server = Server::start(|request| {
        let rest = match request.path() {
            "/v1/short" => "content-length: 6\r\n\r\nhello",
            "/v1/no-end" => "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "/v1/no-size" => "transfer-encoding: chunked\r\n\r\nz\r\nhello\r\n0\r\n\r\n",
            _ => "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        };
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{rest}").into_bytes()
    });
    let store = store("http_outcome", &[grant(&server)]);
    assert_eq!(ask(&store, server.url("/v1/whole")).await.unwrap(), "200 5");
    for path in ["short", "no-end", "no-size"] {
        let outcome = ask(&store, server.url(&format!("/v1/{path}"))).await.unwrap();
        assert_eq!(outcome, "Error::Unreachable", "{path}");
    }
}

/// Wherever a redirect leads, following it is a request like any other.
#[tokio::test]
async fn a_redirect_leads_nowhere_else() {
    let elsewhere = Server::start(|_| ok("elsewhere"));
    let port = elsewhere.port();
    let mut places = vec![elsewhere.url("/v1/a"), elsewhere.url("/")];
    for host in [
        "localhost",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
        "0.0.0.0",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "\u{ff11}27.0.0.1",
        "u:p@127.0.0.1",
        "elsewhere.example@127.0.0.1",
    ] {
        places.push(format!("http://{host}:{port}/v1/a"));
    }
    places.extend(
        ["//127.0.0.1/v1/a", "/v1/../v2", "file:///etc/passwd", "gopher://127.0.0.1/"]
            .map(str::to_owned),
    );
    let told = places.clone();
    let server = Server::start(move |request| {
        let path = request.path();
        let (_, index) = path.rsplit_once('/').unwrap();
        match index.parse::<usize>() {
            Ok(index) => reply("302 Found", &format!("location: {}\r\n", told[index]), ""),
            Err(_) => ok("own"),
        }
    });
    let store = store("http_follow", &[grant(&server)]);
    for (index, place) in places.iter().enumerate() {
        let result = ask(&store, server.url(&format!("/v1/{index}"))).await;
        assert!(result.is_err(), "{place}: {result:?}");
    }
    assert_eq!((server.received().len(), elsewhere.received().len()), (places.len(), 0));
}

/// A variable that names a proxy leads nothing there. They are the process's, so it runs again with them.
#[tokio::test]
async fn proxy_variables_are_without_effect() {
    const INSIDE: &str = "COFFER_TEST_WITH_PROXIES";
    if std::env::var_os(INSIDE).is_some() {
        let server = Server::start(|_| ok("hello"));
        let store = store("http_get", &[grant(&server)]);
        assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 hello");
        // Over TLS there would be a CONNECT. Nobody listens, so it is only whom it asks that counts.
        let url = "https://localhost:1/v1/a";
        let grant = json!({ "url": url, "methods": ["GET"], "private-addresses": true });
        let store = Stage::of("http_get").grants(json!({ "http": [grant] })).open();
        refused(ask(&store, url).await, "unavailable", Blame::Backend);
        return;
    }
    let proxy = Server::start(|_| ok("from the proxy"));
    let mut child = crate::again::again(module_path!(), "proxy_variables_are_without_effect");
    child.env(INSIDE, "1").env_remove("no_proxy").env_remove("NO_PROXY");
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        child.env(name, proxy.url("/"));
    }
    crate::again::passed(child);
    assert!(proxy.received().is_empty(), "{:?}", proxy.received());
    lacks(&format!("{:?}", proxy.received()), "hello");
}
