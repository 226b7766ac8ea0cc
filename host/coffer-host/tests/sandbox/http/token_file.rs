//! A credential in a file that something else renews: when it is read, and who sees it.

use super::grant;
use crate::server::{Received, Server, ok, reply};
use crate::stage::{Stage, ask, contains, lacks, refused};
use coffer_host::limits::Limits;
use coffer_host::{Blame, Incident, Store};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file with the token `canary-token-1`.
fn token() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "canary-token-1\n").unwrap();
    (folder, file)
}

/// A backend that is told the token of each request, and renews the file as `answer` does.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Server {
    let token = |request: &Received| {
        let header = request.header("authorization")[0].to_owned();
        header.strip_prefix("Bearer ").unwrap().to_owned()
    };
    Server::start(move |request| answer(&token(request)))
}

/// The ways to name a file: in the place of the setting, and in the grant.
fn sources(file: &Path) -> [(Value, Value); 2] {
    let named = json!({ "file": file });
    [
        (json!({ "token": named }), json!({ "setting": "token", "prefix": "Bearer " })),
        (json!({}), json!({ "file": file, "prefix": "Bearer " })),
    ]
}

fn store(
    guest: &str,
    server: &Server,
    (settings, header): &(Value, Value),
    limits: Limits,
) -> Store {
    let mut grant = grant(server);
    grant["headers"] = json!({ "Authorization": header });
    let stage = Stage::of(guest).grants(json!({ "http": [grant] }));
    stage.settings(settings).limits(limits).open()
}

#[tokio::test]
async fn a_file_is_read_for_each_request() {
    let (_folder, file) = token();
    for source in sources(&file) {
        let server = server(|token| ok(&token.len().to_string()));
        let store = store("http_get", &server, &source, Limits::default());
        for token in ["canary-token-1", "canary-token-of-another-length"] {
            fs::write(&file, format!(" {token}\n")).unwrap();
            let told = format!("200 {}", token.len());
            assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), told);
        }
        fs::remove_file(&file).unwrap();
        let text = refused(ask(&store, server.url("/v1/a")).await, "other", Blame::Operator);
        contains(&text, "cannot be read");
        lacks(&text, "canary");
        assert_eq!(server.received().len(), 2);
    }
}

/// Renewed between the reading and the refusal, it is read once more; what is as it was is not sent again.
#[tokio::test]
async fn a_refused_token_is_read_again_once() {
    let (_folder, file) = token();
    for source in sources(&file) {
        for (renewals, status, asked) in [(0, "401 ", 1), (1, "200 ", 2), (2, "401 ", 2)] {
            fs::write(&file, "canary-token-0").unwrap();
            let there = file.clone();
            let server = server(move |token| {
                let number: usize = token.strip_prefix("canary-token-").unwrap().parse().unwrap();
                if number < renewals {
                    fs::write(&there, format!("canary-token-{}", number + 1)).unwrap();
                }
                if number == 1 && renewals == 1 {
                    ok("")
                } else {
                    reply("401 Unauthorized", "", "")
                }
            });
            let store = store("http_get", &server, &source, Limits::default());
            assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), status);
            assert_eq!(server.received().len(), asked, "{renewals}");
        }
    }
    // 403 is no word about the token, and a second try is a request of the call.
    for (status, requests) in [("403 Forbidden", 9), ("401 Unauthorized", 1)] {
        fs::write(&file, "canary-token-0").unwrap();
        let there = file.clone();
        let server = server(move |_| {
            fs::write(&there, "canary-token-1").unwrap();
            reply(status, "", "")
        });
        let limits = Limits { requests, ..Limits::default() };
        let store = store("http_get", &server, &sources(&file)[0], limits);
        assert_eq!(ask(&store, server.url("/v1/a")).await.unwrap(), status[..4]);
        assert_eq!(server.received().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn neither_the_token_nor_the_one_before_is_shown_when_it_is_repeated() {
    let (_folder, file) = token();
    for source in sources(&file) {
        for repeated in ["canary-token-1", "canary-token-2"] {
            fs::write(&file, "canary-token-1").unwrap();
            let there = file.clone();
            let server = server(move |token| match token {
                "canary-token-1" => {
                    fs::write(&there, "canary-token-2").unwrap();
                    reply("401 Unauthorized", "", "")
                }
                _ => ok(&format!("it is {repeated}")),
            });
            let store = store("http_get", &server, &source, Limits::default());
            let result = ask(&store, server.url("/v1/a")).await;
            lacks(&format!("{result:?} {store:?}"), "canary");
            let incidents = result.as_ref().unwrap_err().incidents();
            assert!(matches!(incidents, [Incident::Reflected { .. }]), "{repeated}");
            refused(result, "other", Blame::Backend);
        }
    }
}

/// A plugin that looks at all of its memory, for the token, its file, and for what it may have.
#[tokio::test]
async fn the_plugin_has_neither_the_token_nor_the_path() {
    let (_folder, file) = token();
    let server = server(|_| ok("in-the-answer"));
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    let path = file.display().to_string();
    let texts = ["canary-token-1", &path, "in-the-answer"].map(backwards);
    let key = format!("{}|{}", server.url("/v1/a"), texts.join("|"));
    let store = store("http_scan", &server, &sources(&file)[0], Limits::default());
    assert_eq!(ask(&store, key).await.unwrap(), "true false [0, 0, 1]");
}
