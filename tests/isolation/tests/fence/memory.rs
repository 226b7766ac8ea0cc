//! What is in a worker's memory: the plugin and what it is given, and no credential.

use crate::stage::Stage;
use coffer_host::grants::{Grants, Reference, Source};
use coffer_host::{Granted, StoreConfig};
use serde_json::json;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::FileExt as _;

/// Written in two pieces, so that the program's own text is not found.
fn canary(what: &str) -> String {
    format!("{what}-c4n4ry")
}

/// How often `needle` is in the memory of a process.
fn count(id: &str, needle: &[u8]) -> usize {
    let memory = match File::open(format!("/proc/{id}/mem")) {
        Ok(memory) => memory,
        // Not for another user, and for the same one neither: it is not dumpable.
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            assert!(!rustix::process::geteuid().is_root());
            return 0;
        }
    };
    let mut found = 0;
    for line in fs::read_to_string(format!("/proc/{id}/maps")).unwrap().lines() {
        let mut words = line.split(' ');
        let (from, to) = words.next().unwrap().split_once('-').unwrap();
        if !words.next().unwrap().starts_with("rw") {
            continue;
        }
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (from, to) = (address(from), address(to));
        let mut at = from;
        let mut piece = vec![0; 1 << 20];
        while at < to {
            let most = piece.len().min((to - at) as usize);
            let Ok(read) = memory.read_at(&mut piece[..most], at) else { break };
            if read == 0 {
                break;
            }
            // Most of it is zeros, which have nothing of it.
            let overlapping = piece[..read].chunks(4096).enumerate().map(|(index, chunk)| {
                let more = (index * 4096 + chunk.len() + needle.len() - 1).min(read);
                &piece[index * 4096..more]
            });
            found += overlapping
                .filter(|chunk| chunk.contains(&needle[0]))
                .map(|chunk| chunk.windows(needle.len()).filter(|window| *window == needle).count())
                .sum::<usize>();
            at += read as u64;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_in_it() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/a", listener.local_addr().unwrap());
    let token = canary("t0ken");
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
        String::from_utf8(head).unwrap()
    });
    let host = stage.builder("plain").build().unwrap();
    let plugin = host.load_isolated(&guest_artifacts::guest("http_answer")).unwrap();
    let grants: Grants = serde_json::from_value(json!({ "http": [{
        "url": url, "methods": ["GET"], "private-addresses": true,
        "headers": { "X-Token": { "setting": "token", "prefix": "Bearer " } },
    }] }))
    .unwrap();
    let seen = canary("gr33ting");
    let settings = json!({ "token": token, "greeting": seen });
    let config = StoreConfig {
        settings: settings.as_object().unwrap().clone(),
        grants: Granted::Only(grants),
        ..StoreConfig::default()
    };
    let store = host.store("stage", &plugin, config).unwrap();
    let reference = Reference::new(Source::Value, url.as_str()).unwrap();
    store.resolve_one(&reference).await.unwrap();
    // It was sent, so it was used.
    assert!(server.join().unwrap().contains(&token));
    let workers = stage.workers();
    assert_eq!(workers.len(), 1, "{workers:?}");
    assert_eq!(count(&workers[0], token.as_bytes()), 0);
    assert!(
        fs::read(format!("/proc/{}/environ", workers[0])).is_ok_and(|text| text.is_empty())
            || !rustix::process::geteuid().is_root()
    );
    if rustix::process::geteuid().is_root() {
        // What the plugin may see is found, and in this process the credential is.
        assert!(count(&workers[0], seen.as_bytes()) > 0);
    }
    assert!(count("self", token.as_bytes()) > 0);
}
