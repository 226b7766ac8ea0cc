//! A server that repeats the injected header, wherever and however it does, does not show it to the plugin.

use super::{TOKEN, injecting, store, with};
use crate::server::{Received, Server, ok, reply};
use crate::stage::{Stage, ask, contains, lacks, refused};
use coffer_host::limits::Limits;
use coffer_host::{Blame, Incident};
use serde_json::json;

fn token(request: &Received) -> String {
    request.header("x-token")[0].strip_prefix("Bearer ").unwrap().to_owned()
}

/// `text` in chunks of one byte each.
fn in_chunks(text: &str, trailers: &str) -> Vec<u8> {
    let chunks: String = text.chars().map(|letter| format!("1\r\n{letter}\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n{trailers}\r\n")
        .into_bytes()
}

/// `bytes` as gzip has it that was told not to compress, which every reader of gzip reads.
fn in_gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    // Compressed in fact: no byte of it is as it was. That it cannot be read is the point.
    gzip.extend(bytes.iter().map(|byte| byte ^ 0x55));
    gzip
}

fn reflect(request: &Received) -> Vec<u8> {
    let token = token(request);
    let each = |spell: &dyn Fn(u8) -> String| token.bytes().map(spell).collect::<String>();
    match request.path() {
        "/v1/chunks" => in_chunks(&token, ""),
        "/v1/html" => ok(&format!("<p>{}</p>", each(&|byte| format!("&#{byte};")))),
        "/v1/json" => ok(&format!("{{\"was\":\"{}\"}}", each(&|byte| format!("\\u{byte:04x}")))),
        "/v1/url" => ok(&each(&|byte| format!("%{byte:02x}"))),
        "/v1/dump" => ok(&each(&|byte| format!("{byte:02x} "))),
        "/v1/utf-16" => ok(&each(&|byte| format!("{}\0", char::from(byte)))),
        "/v1/wrapped" => ok(&format!("{}\r\n{}", &token[..9], &token[9..])),
        "/v1/large" => ok(&format!("{}{token}{}", "x".repeat(3 << 20), "y".repeat(3 << 20))),
        "/v1/header" => reply("200 OK", &format!("x-was: {token}\r\n"), ""),
        "/v1/cookie" => reply("200 OK", &format!("set-cookie: t={token}; path=/\r\n"), ""),
        "/v1/location" => reply("302 Found", &format!("location: /v1/a?t={token}\r\n"), ""),
        "/v1/name" => reply("200 OK", &format!("x-{token}: 1\r\n"), ""),
        "/v1/error" => reply("500 Internal Server Error", "", &format!("bad token {token}")),
        other => panic!("nobody asks for {other}"),
    }
}

const PATHS: [&str; 13] = [
    "chunks", "html", "json", "url", "dump", "utf-16", "wrapped", "large", "header", "cookie",
    "location", "name", "error",
];

#[tokio::test]
async fn a_repeated_header_is_withheld_in_every_place_and_spelling() {
    let server = Server::start(reflect);
    for guest in ["http_get", "http_wasi_answer"] {
        let store = store(guest, &[injecting(&server)]);
        for path in PATHS {
            let result = ask(&store, server.url(&format!("/v1/{path}"))).await;
            let seen = format!("{result:?}");
            lacks(&seen, TOKEN);
            if guest == "http_wasi_answer" {
                contains(&result.unwrap(), "HttpRequestDenied");
                continue;
            }
            let incidents = result.as_ref().unwrap_err().incidents();
            assert!(matches!(incidents, [Incident::Reflected { .. }]), "{path}: {seen}");
            contains(&refused(result, "other", Blame::Backend), "repeats the injected header");
        }
    }
    assert_eq!(server.received().len(), 2 * PATHS.len());
}

/// What is on the wire and no part of what a plugin sees: the reason beside the status, trailers, and
/// answers that come before the answer.
#[tokio::test]
pub(super) async fn http_wasi_answer() {
    let server = Server::start(|request| {
        let token = token(request);
        match request.path() {
            "/v1/reason" => reply(&format!("200 {token}"), "x-a: b\r\n", "hello"),
            "/v1/trailers" => in_chunks("hello", &format!("x-was: {token}\r\n")),
            "/v1/early" => {
                let early = format!("HTTP/1.1 103 Early Hints\r\nlink: {token}\r\n\r\n");
                [early.into_bytes(), ok("hello")].concat()
            }
            "/v1/extension" => format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5;was={token}\r\nhello\r\n0\r\n\r\n"
            )
            .into_bytes(),
            _ => ok("hello"),
        }
    });
    let store = store("http_wasi_answer", &[injecting(&server)]);
    for path in ["plain", "reason", "trailers", "early", "extension"] {
        let seen = ask(&store, server.url(&format!("/v1/{path}"))).await.unwrap();
        contains(&seen, "hello");
        lacks(&seen, TOKEN);
        lacks(&seen, "x-was");
    }
}

/// Every server is told to answer plainly, and one that does not is not believed.
#[tokio::test]
async fn an_answer_that_cannot_be_searched_is_withheld() {
    let server = Server::start(|request| {
        let token = token(request);
        let coded = |header: &str| {
            let body = in_gzip(token.as_bytes());
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\n{header}content-length: {}\r\n\r\n",
                body.len()
            );
            [head.into_bytes(), body].concat()
        };
        match request.path() {
            "/v1/gzip" => coded("content-encoding: gzip\r\n"),
            "/v1/br" => coded("Content-Encoding: BR\r\n"),
            "/v1/twice" => coded("content-encoding: identity\r\ncontent-encoding: deflate\r\n"),
            "/v1/range" => {
                let part = &token[..4];
                reply("206 Partial Content", "content-range: bytes 0-3/22\r\n", part)
            }
            "/v1/said" => reply("200 OK", "content-range: bytes 0-3/22\r\n", &token[..4]),
            _ => reply("200 OK", "content-encoding: identity\r\n", "hello"),
        }
    });
    let store_of = |guest: &str| store(guest, &[injecting(&server)]);
    // What the plugin asks for is not what is asked for.
    let url = server.url("/v1/a");
    for header in ["accept-encoding|gzip, br", "Accept-Encoding|*", "range|bytes=0-3"] {
        assert_eq!(ask(&store_of("http_header"), format!("{header}|{url}")).await.unwrap(), "200");
        let received = server.received();
        assert_eq!(received.last().unwrap().header("accept-encoding"), ["identity"], "{header}");
        assert_eq!(received.last().unwrap().header("range"), [""; 0], "{header}");
    }
    for (path, how) in [
        ("gzip", "compressed"),
        ("br", "compressed"),
        ("twice", "compressed"),
        ("range", "a part of something"),
        ("said", "a part of something"),
    ] {
        let url = server.url(&format!("/v1/{path}"));
        let text = refused(ask(&store_of("http_get"), url.as_str()).await, "other", Blame::Backend);
        contains(&text, &format!("was withheld from the plugin because it is {how}"));
        let seen = ask(&store_of("http_wasi_answer"), url).await.unwrap();
        contains(&seen, "HttpRequestDenied");
    }
    // Where nothing is injected, it is between the plugin and its backend.
    let server = Server::start(|request| {
        let asked = request.header("accept-encoding").concat();
        reply("206 Partial Content", "content-encoding: x\r\n", &asked)
    });
    let plain = Stage::of("http_get").grants(json!({ "http": [super::grant(&server)] })).open();
    assert_eq!(ask(&plain, server.url("/v1/a")).await.unwrap(), "206 ");
    let plain = store("http_header", &[super::grant(&server)]);
    let key = format!("accept-encoding|gzip|{}", server.url("/v1/a"));
    assert_eq!(ask(&plain, key).await.unwrap(), "206");
    assert_eq!(server.received()[1].header("accept-encoding"), ["gzip"]);
}

/// The password that is in the header of `Basic`, and the token behind a scheme that came with it.
#[tokio::test]
async fn what_is_in_a_header_is_withheld_as_well() {
    let server = Server::start(|request| match request.path() {
        "/v1/password" => ok(r#"{"user":"user","password":"canary-pass"}"#),
        "/v1/both" => ok("user:canary-pass"),
        _ => ok("hello user"),
    });
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("token");
    // `user:canary-pass`
    std::fs::write(&file, "Basic dXNlcjpjYW5hcnktcGFzcw==").unwrap();
    let mut grant = super::grant(&server);
    grant["headers"] = json!({ "authorization": { "file": file } });
    let limits = Limits::default();
    let store = with("http_get", &[grant], limits);
    assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 hello user");
    for path in ["/v1/password", "/v1/both"] {
        let result = ask(&store, server.url(path)).await;
        lacks(&format!("{result:?}"), "canary-pass");
        contains(&refused(result, "other", Blame::Backend), "repeats the injected header");
    }
}
