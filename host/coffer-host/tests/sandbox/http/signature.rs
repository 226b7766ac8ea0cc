//! Requests that the host signs: what a plugin can do to a signature, what it sees of the key, and what is told
//! where there is none.

use super::grant;
use crate::server::{Received, Server, ok, reply};
use crate::stage::{Stage, ask, contains, lacks, refused};
use coffer_host::{Blame, Incident, Store};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const KEY_ID: &str = "AKIDCANARY";
const KEY: &str = "canary+secret/access+key";
const TOKEN: &str = "canary/session/token==";

/// What an operator's agent keeps in files: the name of a key, the key, and the token that goes with it.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        for (name, value) in [("id", KEY_ID), ("key", KEY), ("token", TOKEN)] {
            keys.write(name, value);
        }
        keys
    }

    fn write(&self, name: &str, value: &str) {
        fs::write(self.0.path().join(name), format!("{value}\n")).unwrap();
    }

    fn signature(&self) -> Value {
        let file = |name: &str| json!({ "file": self.0.path().join(name) });
        json!({
            "region": "eu-central-1", "service": "secretsmanager",
            "access-key-id": file("id"), "secret-access-key": file("key"), "session-token": file("token"),
        })
    }
}

fn store(guest: &str, server: &Server, signature: Value) -> Store {
    let mut grant = grant(server);
    grant["aws-sigv4"] = signature;
    Stage::of(guest).grants(json!({ "http": [grant] })).open()
}

fn authorization(request: &Received) -> &str {
    request.header("authorization")[0]
}

fn signature(request: &Received) -> &str {
    authorization(request).rsplit_once("Signature=").unwrap().1
}

/// Renewed between the reading and the refusal, it is read once more; and the one before is as secret as it was.
#[tokio::test]
async fn a_refused_session_token_is_read_again_once() {
    for repeats in [false, true] {
        let keys = Keys::new();
        let token = keys.0.path().join("token");
        let server = Server::start(move |request| {
            if request.header("x-amz-security-token") == [TOKEN] {
                fs::write(&token, "canary-token-2").unwrap();
                return reply("401 Unauthorized", "", "");
            }
            ok(if repeats { TOKEN } else { "hello" })
        });
        let store = store("http_get", &server, keys.signature());
        let result = ask(&store, server.url("/v1/a")).await;
        assert_eq!(server.received().len(), 2);
        if repeats {
            lacks(&format!("{result:?}"), "canary");
            let incidents = result.unwrap_err().incidents().to_vec();
            assert!(matches!(&incidents[..], [Incident::Reflected { .. }]), "{incidents:?}");
        } else {
            assert_eq!(result.unwrap(), "200 hello");
        }
    }
}

#[tokio::test]
async fn each_request_is_signed_with_what_there_is_at_the_moment() {
    let (server, keys) = (Server::start(|_| ok("hello")), Keys::new());
    let store = store("http_get", &server, keys.signature());
    assert_eq!(ask(&store, server.url("/v1/a?b=c")).await.unwrap(), "200 hello");
    keys.write("id", "AKIDOTHER");
    assert_eq!(ask(&store, server.url("/v1/a?b=c")).await.unwrap(), "200 hello");
    // A key that is good for ever has no token: a setting that is not there is none.
    let mut without = keys.signature();
    without["session-token"] = json!({ "setting": "token" });
    let store = self::store("http_get", &server, without);
    assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "200 hello");
    let received = server.received();
    let expected = [
        (KEY_ID, "host;x-amz-date;x-amz-security-token", vec![TOKEN]),
        ("AKIDOTHER", "host;x-amz-date;x-amz-security-token", vec![TOKEN]),
        ("AKIDOTHER", "host;x-amz-date", vec![]),
    ];
    assert_eq!(received.len(), expected.len());
    for (request, (id, names, token)) in received.iter().zip(expected) {
        let time = request.header("x-amz-date")[0];
        let scope = format!("{}/eu-central-1/secretsmanager/aws4_request", &time[..8]);
        let expected =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature=");
        contains(authorization(request), &expected);
        assert_eq!(request.header("x-amz-security-token"), token);
        // The answer has to be readable, to be searched.
        assert_eq!(request.header("accept-encoding"), ["identity"]);
    }
}

/// A signature is over the time, so one that waited is made anew.
#[tokio::test]
async fn what_is_sent_again_is_signed_again() {
    let keys = Keys::new();
    let server = Server::start(|_| reply("503 Service Unavailable", "retry-after: 1\r\n", ""));
    let store = store("http_get", &server, keys.signature());
    assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), "503 ");
    let received = server.received();
    assert!(received.len() > 1, "{}", received.len());
    assert_ne!(received[0].header("x-amz-date"), received[1].header("x-amz-date"));
    assert_ne!(signature(&received[0]), signature(&received[1]));
}

#[tokio::test]
async fn a_plugin_sets_nothing_that_a_signature_is_made_of() {
    let (server, keys) = (Server::start(|_| ok("")), Keys::new());
    for guest in ["http_header", "http_wasi_header"] {
        let store = store(guest, &server, keys.signature());
        for name in [
            "authorization",
            "Authorization",
            "X-Amz-Date",
            "x_amz_date",
            "x-amz-security-token",
            "X-Amz-Content-SHA256",
            "Date",
        ] {
            let told =
                ask(&store, format!("{name}|20150830T123600Z|{}", server.url("/v1/a"))).await;
            lacks(&told.unwrap(), "200");
        }
        assert!(server.received().is_empty(), "{guest}");
    }
    // Any other header is the plugin's, and is signed as it is.
    let store = store("http_header", &server, keys.signature());
    let key = format!("X-Amz-Target|secretsmanager.A|{}", server.url("/v1/a"));
    assert_eq!(ask(&store, key).await.unwrap(), "200");
    contains(authorization(&server.received()[0]), "x-amz-security-token;x-amz-target,");
    // Where nothing is signed, they are headers like others.
    let plain = super::store("http_header", &[grant(&server)]);
    let key = format!("X-Amz-Date|20150830T123600Z|{}", server.url("/v1/a"));
    assert_eq!(ask(&plain, key).await.unwrap(), "200");
}

#[tokio::test]
async fn what_a_request_is_signed_with_is_withheld_when_it_is_repeated() {
    type Repeat = fn(&Received) -> String;
    let keys = Keys::new();
    let cases: [(&str, Repeat); 5] = [
        ("the key", |_| KEY.to_owned()),
        ("the key in a URL", |_| KEY.replace('+', "%2B").replace('/', "%2f")),
        ("the token", |request| request.header("x-amz-security-token")[0].to_owned()),
        ("the header", |request| authorization(request).to_owned()),
        ("the signature", |request| signature(request).to_owned()),
    ];
    for (case, repeat) in cases {
        let server = Server::start(move |request| ok(&format!("<p>{}</p>", repeat(request))));
        let store = store("http_get", &server, keys.signature());
        let result = ask(&store, server.url("/v1/a")).await;
        lacks(&format!("{result:?}"), "canary");
        let incidents = result.as_ref().map(drop).unwrap_err().incidents().to_vec();
        assert!(matches!(incidents.as_slice(), [Incident::Reflected { .. }]), "{case}");
        refused(result, "other", Blame::Backend);
    }
    // The first of two tries is repeated in the answer to the second.
    let first = std::sync::Mutex::new(None::<String>);
    let server = Server::start(move |request| {
        let mut first = first.lock().unwrap();
        match &*first {
            Some(first) => ok(first),
            None => {
                *first = Some(signature(request).to_owned());
                reply("503 Service Unavailable", "retry-after: 1\r\n", "")
            }
        }
    });
    let store = store("http_get", &server, keys.signature());
    let result = ask(&store, server.url("/v1/a")).await;
    contains(&refused(result, "other", Blame::Backend), "the injected header authorization");
    // The name of the key is no secret: the server's messages have it.
    let names = Server::start(|_| ok(KEY_ID));
    let store = self::store("http_get", &names, keys.signature());
    assert_eq!(ask(&store, names.url("/v1/a")).await.unwrap(), format!("200 {KEY_ID}"));
}

#[tokio::test]
async fn what_is_missing_of_a_key_is_named_and_nothing_is_sent() {
    let server = Server::start(|_| ok(""));
    let check = async |part: &str, source: Value, words: &str| {
        let keys = Keys::new();
        keys.write("empty", "");
        keys.write("wrong", "canary key");
        let mut signature = keys.signature();
        signature[part] = match source.as_str() {
            Some(name) => json!({ "file": keys.0.path().join(name) }),
            None => source,
        };
        let result = ask(&store("http_get", &server, signature), server.url("/v1/a")).await;
        let text = refused(result, "other", Blame::Operator);
        contains(&text, words);
        lacks(&text, "canary");
    };
    check("access-key-id", json!({ "env": "COFFER_NO_KEY" }), "variable COFFER_NO_KEY is not set")
        .await;
    check("access-key-id", json!({ "setting": "token" }), "the store has no credential `token`")
        .await;
    check("access-key-id", json!("empty"), "the access key id is empty").await;
    check("access-key-id", json!("wrong"), "the access key id has a character that none has").await;
    check("secret-access-key", json!("none"), "cannot be read").await;
    check("secret-access-key", json!("empty"), "the secret access key is empty").await;
    check("secret-access-key", json!("wrong"), "the secret access key has a character").await;
    check("session-token", json!("empty"), "x-amz-security-token could not be added: its value")
        .await;
    check("session-token", json!({ "env": "COFFER_NO_KEY" }), "variable COFFER_NO_KEY is not set")
        .await;
    assert!(server.received().is_empty());
}

/// A plugin that looks at all of its memory, for the key and for what it may have.
#[tokio::test]
async fn no_key_is_in_the_memory_of_a_plugin() {
    let (server, keys) = (Server::start(|_| ok("in-the-answer")), Keys::new());
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    let texts = [KEY, TOKEN, KEY_ID, "AWS4-HMAC", "in-the-answer"].map(backwards);
    let key = format!("{}|{}", server.url("/v1/a"), texts.join("|"));
    let store = store("http_scan", &server, keys.signature());
    assert_eq!(ask(&store, key).await.unwrap(), "true false [0, 0, 0, 0, 1]");
    contains(authorization(&server.received()[0]), KEY_ID);
}
