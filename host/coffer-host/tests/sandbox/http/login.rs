//! Tokens that the host gets by a login: how often it does, what it does when one is refused, and who sees them.

use super::grant;
use crate::server::{Received, Server, ok, reply};
use crate::stage::{Stage, ask, contains, lacks, refused};
use coffer_host::limits::{LOGIN_ANSWER_BYTES_MAX, Limits};
use coffer_host::{Blame, Incident, Store};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const SECRET: &str = "canary-client-secret";

/// An issuer and a backend in one: tokens are `canary-token-N`, and `answer` answers whatever is no login.
fn server(
    lifetime: u64,
    answer: impl Fn(&Received, &str, usize) -> Vec<u8> + Send + Sync + 'static,
) -> Server {
    let issued = AtomicUsize::new(0);
    Server::start(move |request| {
        if request.path() == "/token" {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            let token =
                json!({ "access_token": format!("canary-token-{number}"), "expires_in": lifetime });
            return ok(&token.to_string());
        }
        let token = request.header("authorization")[0].strip_prefix("Bearer ").unwrap();
        answer(request, token, issued.load(Ordering::SeqCst))
    })
}

fn settings(server: &Server) -> Value {
    json!({ "token": {
        "login": "client-credentials", "url": server.url("/token"), "client-id": "i", "client-secret": SECRET,
    } })
}

fn store(guest: &str, server: &Server, settings: &Value) -> Store {
    limited(guest, server, settings, Limits::default())
}

fn limited(guest: &str, server: &Server, settings: &Value, limits: Limits) -> Store {
    let mut grant = grant(server);
    grant["headers"] = json!({ "Authorization": { "setting": "token", "prefix": "Bearer " } });
    let stage = Stage::of(guest).grants(json!({ "http": [grant] }));
    stage.settings(settings).limits(limits).open()
}

/// How often a path was asked for.
fn asked(server: &Server, path: &str) -> usize {
    server.received().iter().filter(|request| request.path() == path).count()
}

#[tokio::test]
async fn a_token_is_for_many_requests() {
    let server = server(3600, |_, token, _| ok(&token.len().to_string()));
    let store = store("http_get", &server, &settings(&server));
    for _ in 0..3 {
        assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 14");
    }
    assert_eq!((asked(&server, "/token"), asked(&server, "/v1/a")), (1, 3));
    // What ends at once is for one.
    let short = self::server(0, |_, _, _| ok(""));
    let store = self::store("http_get", &short, &settings(&short));
    for _ in 0..3 {
        ask(&store, short.url("/v1/a")).await.unwrap();
    }
    assert_eq!((asked(&short, "/token"), asked(&short, "/v1/a")), (3, 3));
}

/// The issuer waits for a second request that must not come.
#[tokio::test]
async fn those_who_come_meanwhile_wait_for_the_same_login() {
    let logins = Arc::new((Mutex::new(0), Condvar::new()));
    let server = Server::start({
        let logins = Arc::clone(&logins);
        move |request| {
            if request.path() != "/token" {
                return ok("");
            }
            let (count, changed) = &*logins;
            let mut count = count.lock().unwrap();
            *count += 1;
            changed.notify_all();
            let second = |count: &mut i32| *count < 2;
            drop(changed.wait_timeout_while(count, Duration::from_millis(500), second).unwrap());
            ok(r#"{"access_token":"canary-token"}"#)
        }
    });
    let store = store("http_get", &server, &settings(&server));
    let answers = join_all((0..6).map(|_| ask(&store, server.url("/v1/a")))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!((asked(&server, "/token"), asked(&server, "/v1/a")), (1, 6));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    // The first one is refused, the second is good.
    let server = server(3600, |_, token, _| match token {
        "canary-token-1" => reply("401 Unauthorized", "", ""),
        _ => ok("in"),
    });
    let store = store("http_get", &server, &settings(&server));
    assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 in");
    assert_eq!((asked(&server, "/token"), asked(&server, "/v1/a")), (2, 2));
    assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 in");
    assert_eq!((asked(&server, "/token"), asked(&server, "/v1/a")), (2, 3));
    // All are refused: the plugin is told after the second.
    let none = self::server(3600, |_, _, _| reply("401 Unauthorized", "", "no"));
    let store = self::store("http_get", &none, &settings(&none));
    assert_eq!(ask(&store, none.url("/v1/a")).await.unwrap(), "401 no");
    assert_eq!((asked(&none, "/token"), asked(&none, "/v1/a")), (2, 2));
    // 403 is no word about the token here.
    let denies = self::server(3600, |_, _, _| reply("403 Forbidden", "", ""));
    let store = self::store("http_get", &denies, &settings(&denies));
    assert_eq!(ask(&store, denies.url("/v1/a")).await.unwrap(), "403 ");
    assert_eq!((asked(&denies, "/token"), asked(&denies, "/v1/a")), (1, 1));
}

/// A login and a second try count as requests of the call, so a plugin makes the host send no more.
#[tokio::test]
async fn logins_are_within_the_limit_of_requests() {
    let server = server(0, |_, _, _| reply("401 Unauthorized", "", ""));
    for (requests, logins, tries) in [(1, 0, 0), (2, 1, 1), (3, 1, 1), (4, 2, 2)] {
        let before = (asked(&server, "/token"), asked(&server, "/v1/a"));
        let limits = Limits { requests, ..Limits::default() };
        let store = limited("http_get", &server, &settings(&server), limits);
        let result = ask(&store, server.url("/v1/a")).await;
        let now = (asked(&server, "/token"), asked(&server, "/v1/a"));
        assert_eq!((now.0 - before.0, now.1 - before.1), (logins, tries), "{requests}: {result:?}");
    }
}

#[tokio::test]
async fn neither_the_token_nor_the_one_before_is_shown_when_it_is_repeated() {
    for previous in [false, true] {
        let server = server(3600, move |_, token, _| match (token, previous) {
            ("canary-token-1", _) => reply("401 Unauthorized", "", ""),
            (_, true) => ok("it was canary-token-1"),
            (token, false) => ok(&format!("it is {token}")),
        });
        let store = store("http_get", &server, &settings(&server));
        let result = ask(&store, server.url("/v1/a")).await;
        lacks(&format!("{result:?}"), "canary");
        assert!(matches!(result.as_ref().unwrap_err().incidents(), [Incident::Reflected { .. }]));
        refused(result, "other", Blame::Backend);
    }
}

/// An issuer that is the backend as well may repeat what it was given for the token, or for the one before.
#[tokio::test]
async fn what_was_exchanged_for_the_token_is_not_shown_when_it_is_repeated() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secret");
    for login in [
        json!({ "login": "client-credentials", "client-id": "i", "client-secret": SECRET }),
        json!({ "login": "vault-approle", "role-id": "role", "secret-id": SECRET }),
        json!({ "login": "vault-approle", "role-id": "role", "secret-id": { "file": file } }),
        json!({ "login": "vault-kubernetes", "role": "role", "jwt": { "file": file } }),
    ] {
        for (repeats, refuses) in [(false, false), (true, false), (true, true)] {
            fs::write(&file, format!("{SECRET}\n")).unwrap();
            let server = Server::start({
                let (file, issued) = (file.clone(), AtomicUsize::new(0));
                move |request| match request.path() {
                    "/token" => {
                        // The next login is with another one.
                        fs::write(&file, "another").unwrap();
                        let token = format!("canary-{}", issued.fetch_add(1, Ordering::SeqCst));
                        let auth = json!({ "client_token": token, "lease_duration": 60 });
                        ok(&json!({ "access_token": token, "auth": auth }).to_string())
                    }
                    _ if refuses && request.header("authorization")[0].ends_with('0') => {
                        reply("401 Unauthorized", "", "")
                    }
                    _ if repeats => ok(&format!("role was let in by {SECRET}")),
                    _ => ok("role was let in"),
                }
            });
            let mut login = login.clone();
            login["url"] = server.url("/token").into();
            let store = store("http_get", &server, &json!({ "token": login }));
            let result = ask(&store, server.url("/v1/a")).await;
            assert_eq!(asked(&server, "/token"), 1 + usize::from(refuses));
            if repeats {
                lacks(&format!("{result:?}"), "canary");
                let incidents = result.as_ref().unwrap_err().incidents();
                assert!(matches!(incidents, [Incident::Reflected { .. }]), "{login}");
                refused(result, "other", Blame::Backend);
            } else {
                assert_eq!(result.unwrap(), "200 role was let in", "{login}");
            }
        }
    }
}

/// Three letters are in every other answer, and are not looked for.
#[tokio::test]
async fn what_was_exchanged_is_looked_for_from_four_letters_on() {
    let server = server(3600, |_, _, _| ok("abcd"));
    for (secret, is_shown) in [("abc", true), ("abcd", false)] {
        let mut settings = settings(&server);
        settings["token"]["client-secret"] = secret.into();
        let result = ask(&store("http_get", &server, &settings), server.url("/v1/a")).await;
        assert_eq!(result.is_ok(), is_shown, "{secret}");
    }
}

/// An answer to a login of so many bytes, and of one more.
#[tokio::test]
async fn the_answer_to_a_login_is_bounded() {
    for (bytes, expected) in [(LOGIN_ANSWER_BYTES_MAX, true), (LOGIN_ANSWER_BYTES_MAX + 1, false)] {
        let server = Server::start(move |request| {
            if request.path() != "/token" {
                return ok("in");
            }
            let answer = r#"{"access_token":"canary-token"}"#;
            ok(&format!("{answer}{}", " ".repeat(bytes - answer.len())))
        });
        let store = store("http_get", &server, &settings(&server));
        let result = ask(&store, server.url("/v1/a")).await;
        assert_eq!(asked(&server, "/token"), 1);
        if expected {
            assert_eq!(result.unwrap(), "200 in");
        } else {
            contains(&refused(result, "other", Blame::Backend), "the answer has no token");
            assert_eq!(asked(&server, "/v1/a"), 0);
        }
    }
}

#[tokio::test]
async fn a_login_that_fails_is_told_without_what_was_said() {
    for (status, body, blame, words) in [
        (
            "401 Unauthorized",
            r#"{"error":"invalid_client","x":"canary"}"#,
            Blame::Operator,
            "status 401 (invalid_client)",
        ),
        ("400 Bad Request", r#"{"error":"canary"}"#, Blame::Operator, "status 400\n"),
        ("302 Found", "canary", Blame::Operator, "status 302"),
        ("503 Service Unavailable", "canary", Blame::Backend, "status 503"),
        ("200 OK", "canary", Blame::Backend, "the answer has no token"),
    ] {
        let server = Server::start(move |_| reply(status, "location: /v1/a\r\n", body));
        let store = store("http_get", &server, &settings(&server));
        let result = ask(&store, server.url("/v1/a")).await;
        lacks(&format!("{result:?}"), "canary");
        contains(&refused(result, "other", blame), words);
        assert_eq!(asked(&server, "/v1/a"), 0, "{status}");
    }
}

/// A login goes no further than the grant: a private address takes the operator's word here as well.
#[tokio::test]
async fn a_login_is_held_against_the_addresses_of_the_grant() {
    let server = server(3600, |_, _, _| ok(""));
    let mut narrow = settings(&server);
    narrow["token"]["private-addresses"] = json!(false);
    let stopped = store("http_get", &server, &narrow);
    let text = refused(ask(&stopped, server.url("/v1/a")).await, "other", Blame::Operator);
    contains(&text, "which is not on the public internet");
    assert!(server.received().is_empty());
    let wide = store("http_get", &server, &settings(&server));
    ask(&wide, server.url("/v1/a")).await.unwrap();
}

/// A plugin that looks at all of its memory, for the token, the secret behind it, and for what it may have.
#[tokio::test]
pub(super) async fn http_scan() {
    let server = server(3600, |_, _, _| ok("in-the-answer"));
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    let texts = ["canary-token-1", SECRET, "client-credentials", "in-the-answer"].map(backwards);
    let key = format!("{}|{}", server.url("/v1/a"), texts.join("|"));
    let store = store("http_scan", &server, &settings(&server));
    assert_eq!(ask(&store, key).await.unwrap(), "true false [0, 0, 0, 1]");
    assert_eq!(asked(&server, "/token"), 1);
    lacks(&format!("{store:?}"), "canary");
}
