//! The bridge with a store on a real server, OpenBao: what Porter's own plugin wrote is read, and what is
//! under way when somebody presses Ctrl-C or kills the host is finished.

use crate::stage::{KINDS, Stage};
use backends::openbao::Server;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// Looked for wherever it must not be.
const CANARY: &str = "canary-5b2e";

/// A section with the whole store. The settings have Porter's names.
fn section(address: &str, token: &str) -> String {
    let config = json!({
        "vault_addr": address,
        "vault_token": token,
        "path_prefix": "secret/myapp",
        "private_addresses": true,
    });
    let limits = json!({ "call": "1m" });
    json!({ "plugin": "hashicorp.vault", "config": config, "limits": limits }).to_string()
}

/// What the server has under a key of coffer's.
fn kept(server: &Server, key: &str) -> Value {
    server.root("GET", &format!("secret/data/myapp/coffer/{key}"), json!({}))["data"]["data"]["value"]
        .clone()
}

#[test]
fn values_are_on_the_server_and_what_porters_plugin_wrote_is_read() {
    let mut server = Server::start();
    // As getporter/hashicorp-plugins has it: every value of a prefix is a field of one secret.
    let theirs = json!({ "data": { "RUN0-password": "theirs", "INSTID-password": "theirs too" } });
    server.root("POST", "secret/data/myapp", theirs.clone());
    let token = server.root_token().to_owned();
    for kind in KINDS {
        let stage = Stage::new();
        let mut host = stage.connected(kind, "vault", &section(&server.address(), &token));
        assert_eq!(host.resolve("RUN0-password"), "theirs");
        host.create("RUN1-password", CANARY);
        host.create("RUN1-other", "another");
        assert_eq!(host.resolve("RUN1-password"), CANARY);
        assert_eq!(kept(&server, "RUN1-password"), CANARY);
        // Both values of a run are there, and what was there before is as it was.
        assert_eq!(host.resolve("RUN1-other"), "another");
        let read = server.root("GET", "secret/data/myapp", json!({}));
        assert_eq!(read["data"]["data"], theirs["data"]);
        let (stderr, log) = host.told();
        for secret in [CANARY, &token] {
            assert!(!stderr.contains(secret) && !log.contains(secret), "{stderr}{log}");
        }
    }
    let stage = Stage::new();
    let asked = json!({ "do": "resolve", "name": "secret", "key": "absent" });
    let mut host = stage.connected(KINDS[1], "vault", &section(&server.address(), "no-such-token"));
    host.refused(&asked, "Unauthenticated", &["refused the credentials", "next: "]);
    let mut host = stage.connected(KINDS[1], "vault", &section(&server.address(), &token));
    host.refused(&asked, "NotFound", &["absent", "next: "]);
    let mut host = stage.connected(KINDS[1], "vault", &section(&server.address(), &token));
    server.stop();
    host.refused(&asked, "Unavailable", &["next: "]);
}

/// Something between the plugin and a server that lets nothing through until it is told.
struct Held {
    address: String,
    /// Says that the plugin has connected, so that a call is under way.
    arrived: Receiver<()>,
    go: Sender<()>,
}

impl Held {
    fn before(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = server.address().trim_start_matches("http://").to_owned();
        let (arrives, arrived) = mpsc::channel();
        let (go, told) = mpsc::channel();
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let from = stream.unwrap();
                if index == 0 {
                    arrives.send(()).unwrap();
                    told.recv().unwrap();
                }
                let to = TcpStream::connect(&server).unwrap();
                let pairs = [(from.try_clone().unwrap(), to.try_clone().unwrap()), (to, from)];
                for (mut from, mut to) in pairs {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address, arrived, go }
    }
}

#[test]
fn what_is_under_way_is_finished_whatever_the_host_does() {
    let server = Server::start();
    let stage = Stage::new();
    let create =
        |key: &str| json!({ "do": "create", "name": "secret", "key": key, "value": CANARY });
    let begin = |key: &str| {
        let held = Held::before(&server);
        let section = section(&held.address, server.root_token());
        let mut host = stage.connected(KINDS[1], "vault", &section);
        host.tell(&create(key));
        held.arrived.recv().unwrap();
        (host, held)
    };

    // Ctrl-C.
    let (mut host, held) = begin("RUN1-output");
    kill_process(host.plugin().id, Signal::INT).unwrap();
    assert!(!host.plugin().ends_within(1));
    held.go.send(()).unwrap();
    let answer = host.answer();
    assert!(answer["error"].is_null(), "{answer}");
    assert_eq!(kept(&server, "RUN1-output"), CANARY);

    // The host is killed. The plugin ends when it is done.
    let (mut host, held) = begin("RUN2-output");
    host.child.kill().unwrap();
    assert!(!host.plugin().ends_within(3));
    held.go.send(()).unwrap();
    assert!(host.plugin().ends_within(30));
    assert_eq!(kept(&server, "RUN2-output"), CANARY);
}
