//! HTTP/2, which is spoken where a server offers it in TLS, within the bounds of HTTP/1.

use super::{Authority, NAME, Trusted, params, store, url};
use crate::stage::{ask, contains, lacks, refused};
use coffer_host::Blame;
use coffer_host::limits;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use serde_json::json;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server saw: how many connections, the most requests at the same time, and each request.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    requests: Mutex<Vec<(http::Method, http::Uri, http::HeaderMap)>>,
}

async fn serve(
    config: Arc<ServerConfig>,
    streams_max: u32,
    answer: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Clone + Send + 'static,
) -> (u16, Arc<Seen>) {
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let (seen, answer) = (Arc::clone(&seen), answer.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (seen, response) = (Arc::clone(&seen), answer(&request));
                    async move {
                        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
                        seen.most.fetch_max(now, Ordering::SeqCst);
                        let (parts, body) = request.into_parts();
                        let _ = body.collect().await;
                        // So that those which are there at the same time are seen to be.
                        for _ in 0..100 {
                            tokio::task::yield_now().await;
                        }
                        seen.requests.lock().unwrap().push((
                            parts.method,
                            parts.uri,
                            parts.headers,
                        ));
                        seen.now.fetch_sub(1, Ordering::SeqCst);
                        Ok::<_, Infallible>(response)
                    }
                });
                let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(streams_max)
                    .max_header_list_size(1 << 20)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        }
    });
    (port, seen)
}

fn hello(_: &Request<Incoming>) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(b"hello")))
}

#[tokio::test]
async fn a_request_is_what_was_judged() {
    let authority = Authority::new();
    let trusted = Trusted::file(authority.pem());
    let (port, seen) = serve(authority.server(&params(NAME)), 100, hello).await;
    let store = store("http_header", &[trusted.grant(port)]);
    let target = format!("{}?q=%20", url(port));
    let set = async |name: &str, value: &str| {
        ask(&store, format!("{name}|{value}|{target}")).await.unwrap()
    };
    assert_eq!(set("x-a", "b").await, "200");
    for name in
        [":path", ":authority", ":method", ":scheme", "host", "connection", "te", "x_forwarded_for"]
    {
        contains(&set(name, "x").await, "belongs to the host");
    }
    contains(&set("x-a", "b\r\n:path: /v2").await, "has a control character");
    let requests = seen.requests.lock().unwrap();
    let [(method, uri, headers)] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((method.as_str(), uri.to_string()), ("GET", target));
    assert_eq!(headers["x-a"], "b");
    assert_eq!(headers.get("host"), None, "there is one name for the host");
}

/// More requests than a server takes at the same time wait for each other, on one connection.
#[tokio::test]
async fn streams_wait_for_each_other() {
    let authority = Authority::new();
    let trusted = Trusted::file(authority.pem());
    for (streams_max, expected) in [(1, 1), (100, 8)] {
        let (port, seen) = serve(authority.server(&params(NAME)), streams_max, hello).await;
        let store = store("http_all", &[trusted.grant(port)]);
        // One to make the connection, so that the others share it.
        assert_eq!(ask(&store, url(port)).await.unwrap(), "200:hello");
        let urls = vec![url(port); 20].join(" ");
        assert_eq!(ask(&store, urls).await.unwrap(), ["200:hello"; 20].join(" "));
        assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
        // Eight are what a store may have on their way unless its limits say otherwise.
        assert_eq!(seen.most.load(Ordering::SeqCst), expected, "of {streams_max}");
        assert_eq!(seen.requests.lock().unwrap().len(), 21);
    }
}

#[tokio::test]
async fn headers_are_bounded() {
    let authority = Authority::new();
    let trusted = Trusted::file(authority.pem());
    let answer = |request: &Request<Incoming>| {
        let (count, bytes) = match request.uri().path() {
            // The date and the length are the server's.
            "/v1/many" => (limits::HEADERS_MAX - 2, 1),
            "/v1/too-many" => (limits::HEADERS_MAX - 1, 1),
            "/v1/large" => (60, 1000),
            "/v1/too-large" => (66, 1000),
            "/v1/huge" => (90, 10_000),
            other => panic!("nobody asks for {other}"),
        };
        let mut response = hello(request);
        for index in 0..count {
            let name = http::HeaderName::try_from(format!("x{index:03}")).unwrap();
            response.headers_mut().insert(name, "v".repeat(bytes).parse().unwrap());
        }
        response
    };
    let (port, _seen) = serve(authority.server(&params(NAME)), 100, answer).await;
    let store = store("http_outcome", &[trusted.grant(port)]);
    let send =
        async |path: &str| ask(&store, format!("https://{NAME}:{port}/v1/{path}")).await.unwrap();
    assert_eq!(send("many").await, "200 5");
    assert_eq!(send("large").await, "200 5");
    assert_eq!(send("too-many").await, "Error::TooLarge(65536)");
    for path in ["too-large", "huge"] {
        let outcome = send(path).await;
        assert!(!outcome.starts_with("200"), "{path}: {outcome}");
    }
    assert_eq!(send("large").await, "200 5", "others go on");
}

/// What is injected is on the wire, and does not come back.
#[tokio::test]
async fn an_injected_header_is_kept() {
    const TOKEN: &str = "s3cr3t-injected-t0ken";
    let authority = Authority::new();
    let trusted = Trusted::file(authority.pem());
    let answer = |request: &Request<Incoming>| {
        let was = request.headers()["x-token"].as_bytes().to_vec();
        let echo = request.uri().path().ends_with("echo");
        Response::new(Full::new(if echo { was.into() } else { Bytes::from_static(b"hello") }))
    };
    let (port, seen) = serve(authority.server(&params(NAME)), 100, answer).await;
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let mut grant = trusted.grant(port);
    grant["headers"] = json!({ "x-token": { "file": file } });
    let store = store("http_get", &[grant]);
    assert_eq!(ask(&store, url(port)).await.unwrap(), "200 hello");
    assert_eq!(seen.requests.lock().unwrap()[0].2["x-token"], TOKEN);
    let result = ask(&store, format!("https://{NAME}:{port}/v1/echo")).await;
    lacks(&format!("{result:?}"), TOKEN);
    contains(&refused(result, "other", Blame::Backend), "repeats the injected header x-token");
}
